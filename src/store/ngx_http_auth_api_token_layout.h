
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LAYOUT_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LAYOUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_store.h"


/*
 * How the memory of a store is laid out, for the functions of the store only.
 * Processes share it, and so do the modules loaded before and after a reload,
 * which may differ.
 */


/*
 * Any change to what lies in the memory changes this number: to the structures
 * below, the counters, what keys and node.key are made of, when the sequence is
 * odd, and the order or number of kinds, reasons and where verdicts come from.
 */

#define NGX_HTTP_AUTH_API_TOKEN_LAYOUT       8

#define NGX_HTTP_AUTH_API_TOKEN_MAX_FACTS    4096

/* so many strings of facts, the first ones, have at most 255 bytes */

#define NGX_HTTP_AUTH_API_TOKEN_SHORT        3

/* processes whose requests may wait at once */

#define NGX_HTTP_AUTH_API_TOKEN_QUEUES       128

/* workers that have counters of their own; more of them share */

#define NGX_HTTP_AUTH_API_TOKEN_WORKERS      64

/* so many lookups that fail in a row open the breaker */

#define NGX_HTTP_AUTH_API_TOKEN_FAILURES     5


/*
 * A record holds the facts of a token, or why it was denied, or a client's
 * budget of denied lookups.  It takes one cell, or more if its bytes do not
 * fit: as all cells have one size, memory does not become fragmented.
 *
 * The index is a table of small trees.  node.key is made of the token's id; its
 * first bits choose the tree, which is ordered by node.key and then by the key.
 * So records of one id are neighbours, and need not hold it; and however many
 * tokens claim the same id, each is found quickly.  If a token has no id to
 * claim, node.key is made of the key, and the record holds the id.
 */

typedef struct {
    ngx_rbtree_node_t  node;           /* node.data: last second of use */
    ngx_queue_t        queue;          /* in the LRU, last used first */
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_msec_t         asked;          /* the API; of a budget: last change */
    uint32_t           tried;          /* a refresh, ms; of a budget: excess */
    uint32_t           next;           /* cell, or 0 */
    u_short            len[NGX_HTTP_AUTH_API_TOKEN_STRINGS
                           - NGX_HTTP_AUTH_API_TOKEN_SHORT];
    u_char             short_len[NGX_HTTP_AUTH_API_TOKEN_SHORT];
    u_char             reason;         /* of a budget: undecided */
    u_char             data[1];
} ngx_http_auth_api_token_record_t;


#define ngx_http_auth_api_token_len(record, i)                                \
    ((i) < NGX_HTTP_AUTH_API_TOKEN_SHORT                                      \
     ? (record)->short_len[i]                                                 \
     : (record)->len[(i) - NGX_HTTP_AUTH_API_TOKEN_SHORT])

/* of a token without an id to claim: the record holds the id of the answer */

#define ngx_http_auth_api_token_opaque(record)  ((record)->short_len[0] != 0)


#define ngx_http_auth_api_token_kind_of(reason)                               \
    ((reason) == NGX_HTTP_AUTH_API_TOKEN_PASS                                 \
     ? NGX_HTTP_AUTH_API_TOKEN_FACTS                                          \
     : (reason) == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED                          \
       ? NGX_HTTP_AUTH_API_TOKEN_BUDGET : NGX_HTTP_AUTH_API_TOKEN_DENIAL)

#define ngx_http_auth_api_token_kind(record)                                  \
    ngx_http_auth_api_token_kind_of((record)->reason)


typedef struct {
    uint32_t           next;           /* cell, or 0 */
    u_char             data[NGX_HTTP_AUTH_API_TOKEN_CELL - sizeof(uint32_t)];
} ngx_http_auth_api_token_cell_t;


/* the right to ask the API about a token, and a place among "lookups" */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_FREE = 0,
    NGX_HTTP_AUTH_API_TOKEN_ASKING,
    NGX_HTTP_AUTH_API_TOKEN_PURGED,    /* asking, but the answer is void */
    NGX_HTTP_AUTH_API_TOKEN_FAILED     /* kept for requests that waited */
} ngx_http_auth_api_token_lease_e;


typedef struct {
    ngx_atomic_t       seq;
    ngx_atomic_t       state;
    ngx_msec_t         asked;
    ngx_msec_t         deadline;       /* failed: no lookup before it;
                                          free: when the lookup ended */
    ngx_uint_t         node_key;       /* of the record */
    uint64_t           budget;         /* first bytes of its key, or 0 */
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_pid_t          pid;
    uint32_t           retry_after;    /* failed: of the API, s */
    u_short            status;         /* failed: of the API */
    u_char             health;         /* failed: of the API; asking: sent */
    u_char             probe;          /* while the breaker is open */
    u_char             opaque;
} ngx_http_auth_api_token_lease_t;


/* how many requests of a process wait for a place among "lookups" */

typedef struct {
    ngx_pid_t          pid;
    uint32_t           waiting;        /* 0: the entry is free */
} ngx_http_auth_api_token_queue_t;


/* the size is a power of two, so that it takes whole cache lines */

typedef union {
    ngx_http_auth_api_token_counters_t  counters;
    u_char                              lines[512];
} ngx_http_auth_api_token_worker_t;


struct ngx_http_auth_api_token_store_s {
    uint32_t           layout;         /* stays first in any layout */
    uint32_t           lookups;

    uint32_t           ncells;
    uint32_t           reserve;        /* cells for denials only */
    uint32_t           max_denied;     /* cells */
    u_char            *cells;
    uint32_t           nroots;         /* a power of two */
    uint32_t           shift;          /* of node.key, to choose a root */
    uint32_t          *roots;          /* the cell of each, or 0 */
    ngx_shmtx_t       *mutex;
    ngx_http_auth_api_token_worker_t  *workers;
    u_char             secret[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];

    ngx_atomic_t       sequence;       /* odd while the store is changed */

    ngx_rbtree_node_t  sentinel;       /* of all trees */
    ngx_queue_t        facts;          /* LRU */
    ngx_queue_t        others;         /* LRU of denials and budgets */
    uint32_t           entries[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    uint32_t           used[NGX_HTTP_AUTH_API_TOKEN_KINDS];   /* cells */
    uint32_t           opaque;         /* records that hold their id */
    uint32_t           fresh;          /* first cell that was never used */
    uint32_t           free;           /* list of cells */
    uint32_t           nfree;

    ngx_uint_t         failures;       /* in a row */
    ngx_msec_t         delay;          /* of the breaker */
    ngx_msec_t         until;          /* the breaker lets nothing through */

    ngx_atomic_t       logged[2];      /* s, the last errors */
    ngx_atomic_t       seq;            /* of the last lease */

    uint32_t           queue;          /* requests that may wait at once */
    uint32_t           queued;         /* requests that wait */
    ngx_msec_t         checked;        /* last, whether processes are gone */

    ngx_http_auth_api_token_totals_t  totals;

    ngx_http_auth_api_token_queue_t     queues[NGX_HTTP_AUTH_API_TOKEN_QUEUES];
    ngx_http_auth_api_token_lease_t     leases[1];
};


/*
 * The cells of a store, counted from 1.
 */

#define ngx_http_auth_api_token_cell(store, n)                                \
    ((ngx_http_auth_api_token_cell_t *)                                       \
         ((store)->cells + ((size_t) (n) - 1) * NGX_HTTP_AUTH_API_TOKEN_CELL))

#define ngx_http_auth_api_token_cell_number(store, cell)                      \
    ((uint32_t) (((u_char *) (cell) - (store)->cells)                         \
                 / NGX_HTTP_AUTH_API_TOKEN_CELL + 1))


/* whether a pointer is that of a cell, whatever it comes from */

#define ngx_http_auth_api_token_is_cell(store, p)                             \
    (((uintptr_t) (p) - (uintptr_t) (store)->cells)                           \
         / NGX_HTTP_AUTH_API_TOKEN_CELL < (store)->ncells                     \
     && ((uintptr_t) (p) - (uintptr_t) (store)->cells)                        \
         % NGX_HTTP_AUTH_API_TOKEN_CELL == 0)


/*
 * Reads what may be changing.  The compiler reads it only once, so what is
 * checked is what is used.
 */

#define ngx_http_auth_api_token_read(type, value)                             \
    (*(type volatile *) &(value))


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LAYOUT_H_INCLUDED_ */
