
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_verdict.h"


/* any change to what lies in the zone changes this number */

#define NGX_HTTP_AUTH_API_TOKEN_LAYOUT       4

#define NGX_HTTP_AUTH_API_TOKEN_CELL         256
#define NGX_HTTP_AUTH_API_TOKEN_MAX_FACTS    4096
#define NGX_HTTP_AUTH_API_TOKEN_MAX_LOOKUPS  1024
#define NGX_HTTP_AUTH_API_TOKEN_LATENCIES    11

/* processes whose requests may wait at once */

#define NGX_HTTP_AUTH_API_TOKEN_QUEUES       128

/* how many in a row open the breaker */

#define NGX_HTTP_AUTH_API_TOKEN_FAILURES     5


/*
 * A record is the facts of a token, or why it was denied, or the budget of
 * denied lookups of a client.  It takes one cell, and more of them if its bytes
 * do not fit: cells of one size leave no holes that are of no use.
 *
 * The index is a table of small trees.  node.key is made of the token's id; its
 * first bits choose the tree, which is ordered by node.key and then by the key.
 * So records of one id are neighbours, and need not hold it, and however many
 * tokens claim the same id, none takes long to find.  If the token has none to
 * claim, node.key is made of the key, and they hold their id.
 */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_FACTS = 0,
    NGX_HTTP_AUTH_API_TOKEN_DENIAL,
    NGX_HTTP_AUTH_API_TOKEN_BUDGET,
    NGX_HTTP_AUTH_API_TOKEN_KINDS
} ngx_http_auth_api_token_kind_e;


typedef struct {
    ngx_rbtree_node_t  node;           /* node.data: when it was moved */
    ngx_queue_t        queue;          /* last used first */
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_msec_t         asked;          /* when the API was; of a budget: used */
    uint32_t           tried;          /* refresh, ms; of a budget: excess */
    uint32_t           next;           /* cell, or 0 */
    u_short            len[NGX_HTTP_AUTH_API_TOKEN_STRINGS];
    u_char             reason;         /* of a budget: undecided */
    u_char             data[1];
} ngx_http_auth_api_token_record_t;


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
    NGX_HTTP_AUTH_API_TOKEN_PURGED,    /* asking, and nobody may believe it */
    NGX_HTTP_AUTH_API_TOKEN_FAILED     /* for those who waited to learn of it */
} ngx_http_auth_api_token_lease_e;


typedef struct {
    ngx_atomic_t       seq;
    ngx_atomic_t       state;
    ngx_msec_t         asked;
    ngx_msec_t         deadline;       /* of a failed one: not to ask before;
                                          of a free one: when it ended */
    ngx_uint_t         id;             /* as node.key */
    uint64_t           budget;         /* of the key's bytes, or 0 */
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_pid_t          pid;
    uint32_t           retry_after;    /* of a failed one, s */
    u_short            status;         /* the same */
    u_char             health;         /* the same */
    u_char             probe;
    u_char             opaque;
} ngx_http_auth_api_token_lease_t;


/* how many requests of a process wait for a place among "lookups" */

typedef struct {
    ngx_pid_t          pid;
    uint32_t           waiting;        /* 0: nobody has the entry */
} ngx_http_auth_api_token_queue_t;


typedef struct {
    ngx_atomic_t       decisions[NGX_HTTP_AUTH_API_TOKEN_REASONS];
    ngx_atomic_t       lookups[NGX_HTTP_AUTH_API_TOKEN_REASONS];
    ngx_atomic_t       latencies[NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1];
    ngx_atomic_t       latency;        /* sum, ms */
    ngx_atomic_t       waited[NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1];
    ngx_atomic_t       waited_sum;     /* ms */
    ngx_atomic_t       hits;
    ngx_atomic_t       misses;
    ngx_atomic_t       waits;
    ngx_atomic_t       stale;
    ngx_atomic_t       refreshes;
    ngx_atomic_t       purges;
    ngx_atomic_t       purged;         /* records */
    ngx_atomic_t       opened;         /* the breaker was */
    ngx_atomic_t       resets;
    ngx_atomic_t       evicted[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    ngx_atomic_t       evicted_age;    /* of the last facts, ms */
} ngx_http_auth_api_token_figures_t;


typedef struct {
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
    u_char             secret[NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];

    ngx_atomic_t       changing;

    ngx_rbtree_node_t  sentinel;       /* of all trees */
    ngx_queue_t        facts;
    ngx_queue_t        others;
    uint32_t           entries[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    uint32_t           used[NGX_HTTP_AUTH_API_TOKEN_KINDS];   /* cells */
    uint32_t           opaque;         /* entries with an id of their own */
    uint32_t           fresh;          /* first cell that was never used */
    uint32_t           free;           /* list of cells */
    uint32_t           nfree;

    ngx_uint_t         failures;       /* in a row */
    ngx_msec_t         delay;          /* of the breaker */
    ngx_msec_t         until;          /* the breaker is open */

    ngx_atomic_t       logged;         /* s, the last error */
    ngx_atomic_t       seq;            /* of the last lease */

    uint32_t           queue;          /* who may wait at once */
    uint32_t           queued;         /* who does */
    ngx_msec_t         checked;        /* whether processes are gone */

    ngx_http_auth_api_token_figures_t  figures;

    ngx_http_auth_api_token_queue_t    queues[NGX_HTTP_AUTH_API_TOKEN_QUEUES];
    ngx_http_auth_api_token_lease_t    leases[1];
} ngx_http_auth_api_token_store_t;


/* a lease that was given */

typedef struct {
    ngx_uint_t         slot;
    ngx_atomic_uint_t  seq;
    ngx_msec_t         asked;
} ngx_http_auth_api_token_ticket_t;


typedef struct {
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_uint_t         rate;           /* thousandths of a denial a second */
    ngx_uint_t         burst;          /* denials */
} ngx_http_auth_api_token_budget_t;


/* times are in milliseconds */

typedef struct {
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_str_t          id;             /* claimed, or empty */
    ngx_uint_t         node_key;       /* of the id, or 0 if it is not known */
    ngx_msec_t         now;
    ngx_msec_t         valid;
    ngx_msec_t         denied;
    ngx_msec_t         stale;
    ngx_msec_t         timeout;
    ngx_msec_t         since;          /* lookup waited for, if "again" */
    ngx_pid_t          pid;
    unsigned           refresh:1;
    unsigned           again:1;        /* counted, and waited */
    unsigned           charge:1;       /* a miss needs the budget */
    unsigned           behind:1;       /* others of this process wait */
    unsigned           queued:1;       /* it has a place in the queue */

    ngx_http_auth_api_token_budget_t  *budget;    /* or NULL */
} ngx_http_auth_api_token_question_t;


typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_HIT = 0,
    NGX_HTTP_AUTH_API_TOKEN_REFRESH,   /* a hit, and a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_MISS,      /* a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_WAIT,      /* the lease of who asks */
    NGX_HTTP_AUTH_API_TOKEN_CHARGE,    /* a miss, and the budget is missing */
    NGX_HTTP_AUTH_API_TOKEN_QUEUE,     /* to wait for a place and ask again */
    NGX_HTTP_AUTH_API_TOKEN_STOP       /* nobody may ask now */
} ngx_http_auth_api_token_reply_e;


typedef struct {
    ngx_http_auth_api_token_verdict_t  verdict;
    ngx_http_auth_api_token_ticket_t   ticket;
    void                              *cell;       /* of the caller, or NULL */
} ngx_http_auth_api_token_reply_t;


/* one of these; the strings may be empty */

typedef struct {
    ngx_str_t          id;
    ngx_str_t          account;
    ngx_uint_t         all;            /* unsigned  all:1; */
} ngx_http_auth_api_token_purge_t;


/*
 * The store is a block of memory that processes share, and which all of them
 * have at the same address.  The functions below take the mutex themselves, and
 * no pointer into a record outlives them.  While the store is changed it is
 * marked: who finds the mark of a process that died empties the store.
 */


/*
 * Makes a store of "size" bytes at "addr", for "lookups" concurrent questions,
 * "queue" that wait for a place among them, and "denied" per cent for denials.
 * The mutex is shared as the memory is.
 *
 * Returns NULL if the memory is too small, or there is no random secret.
 */

ngx_http_auth_api_token_store_t *ngx_http_auth_api_token_store_create(
    void *addr, size_t size, ngx_shmtx_t *mutex, ngx_uint_t lookups,
    ngx_uint_t queue, ngx_uint_t denied);


/*
 * Changes the bound of the queue, and the share of denials, in per cent; takes
 * no mutex.  If there are more denials, the next one makes them give way; who
 * waits already goes on.
 */

void ngx_http_auth_api_token_store_limits(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t queue,
    ngx_uint_t denied);


/*
 * Has the processor fetch what there may be about question->id, while the
 * caller has other things to do, such as to make the key.  May be left out.
 */

void ngx_http_auth_api_token_store_prefetch(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question);


/*
 * What is known of a token, and who has to ask if that is too little: a hit, or
 * one of the other replies above.  The verdict is set for hits, and for STOP:
 * busy, limited, or unavailable as the API asked not to be asked before
 * "retry_after".  Who waited for a lookup takes what it told, be it too old by
 * now for anybody else.
 *
 * Whoever would have to ask, and there is no place among "lookups" or others of
 * its process wait before it, gets a place in the queue instead, as long as
 * there is one.  It asks again as one that is queued, and any reply but QUEUE
 * and CHARGE takes the place back.
 *
 * The strings of a verdict are in reply->cell, where the caller has room for
 * a cell.  If they are more, or the caller has none, reply->cell becomes NULL,
 * and they are in memory of the process until the next call.  A claimed id is
 * none of them: it is the one of the question.
 */

ngx_http_auth_api_token_reply_e ngx_http_auth_api_token_store_ask(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Facts not older than question->valid + question->stale, for who knows that
 * the API is not available.  Returns NGX_OK, or NGX_DECLINED if there are none.
 */

ngx_int_t ngx_http_auth_api_token_store_stale(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Gives a lease back, with the verdict, and verdict->asked set to when the API
 * was.  What is no verdict about the token is not stored, but those who wait
 * learn of it.
 *
 * Returns NGX_OK; or NGX_DECLINED if the verdict may not be used: the token was
 * purged meanwhile, or the lease was lost, so that nobody can tell.
 */

ngx_int_t ngx_http_auth_api_token_store_end(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Gives a lease back without having asked.
 */

void ngx_http_auth_api_token_store_cancel(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Who asks tells that the question is on its way to the API, and who waits may
 * ask whether it is: no limit of nginx holds it up.  Neither takes the mutex.
 */

void ngx_http_auth_api_token_store_sent(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);
ngx_uint_t ngx_http_auth_api_token_store_is_sent(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * How the lookup of another process goes.  Returns NGX_AGAIN while it lasts;
 * NGX_OK if it failed, with an unavailable verdict; NGX_DECLINED if it is worth
 * asking the store again.  Takes the mutex only if the lookup has ended.
 */

ngx_int_t ngx_http_auth_api_token_store_poll(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket, ngx_msec_t now,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Gives a place in the queue back without having asked again.
 */

void ngx_http_auth_api_token_store_unqueue(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid);


/*
 * Gives back what processes held, leases and places in the queue, of which
 * gone() says that they are no more.
 */

void ngx_http_auth_api_token_store_release(
    ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * The same for who waits and would like to do it often: is done every 100 ms,
 * by one of the processes, and else takes no mutex.
 */

void ngx_http_auth_api_token_store_check(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * Forgets verdicts, and makes sure that lookups under way do not bring them
 * back.  By id the mutex is held for the records of that id only, else for a
 * few dozen records at a time.  Returns how many verdicts were forgotten.
 */

ngx_uint_t ngx_http_auth_api_token_store_purge(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge);


/*
 * Counts a decision; takes no mutex.
 */

#define ngx_http_auth_api_token_store_count(store, reason)                    \
    (void) ngx_atomic_fetch_add(&(store)->figures.decisions[reason], 1)


/*
 * Counts how long a client waited for a verdict; takes no mutex.
 */

void ngx_http_auth_api_token_store_waited(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t ms);


/*
 * Copies the store without records and leases, for its figures, and counts the
 * leases of lookups in flight.
 */

void ngx_http_auth_api_token_store_figures(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_store_t *copy, ngx_uint_t *in_flight,
    ngx_uint_t *probing);


/*
 * The upper bounds of the latencies counted, in milliseconds; one more counter
 * has what took longer.
 */

extern ngx_msec_t  ngx_http_auth_api_token_latencies[
    NGX_HTTP_AUTH_API_TOKEN_LATENCIES];


/*
 * Which of the counters is that of so many milliseconds.
 */

ngx_uint_t ngx_http_auth_api_token_latency(ngx_msec_t ms);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_ */
