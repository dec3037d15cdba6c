
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_NAIVE_H_INCLUDED_
#define _STORE_NAIVE_H_INCLUDED_


#include "env.h"


/*
 * What the store should do, written for no speed: arrays that are searched from
 * the beginning, times that do not wrap, tokens by number.  The least recently
 * used record is the one with the lowest stamp.
 */


#define NAIVE_RECORDS   512
#define NAIVE_LEASES    16
#define NAIVE_PLACES    512            /* in the queue */

#define NAIVE_NONE      (-1)


typedef struct {
    int         used;
    int         kind;
    int         key;                   /* of a token, or of a budget */
    int         id;                    /* claimed, or none */
    int         facts_id;              /* of an opaque token, or none */
    int         account;               /* or none */
    int         cells;
    int         reason;
    uint32_t    version;               /* which facts they are */
    int64_t     asked;
    int64_t     tried;
    int64_t     excess;
    int64_t     stamp;
    int         moved;                 /* in which second */
} naive_record_t;


typedef struct {
    int         state;
    int         key;
    int         id;
    int         budget;
    int         pid;
    int         probe;
    int         status;
    int         health;
    int64_t     seq;
    int64_t     asked;
    int64_t     deadline;
    int64_t     retry_after;
} naive_lease_t;


typedef struct {
    int         key;
    int         first;                 /* byte of the key */
    int         id;
    int         budget;                /* or none */
    int64_t     rate;
    int64_t     burst;
    int64_t     now;
    int64_t     valid;
    int64_t     denied;
    int64_t     stale;
    int64_t     timeout;
    int64_t     since;
    int         pid;
    int         refresh;
    int         again;
    int         charge;                /* the budget is not told yet */
    int         behind;
    int         queued;
} naive_question_t;


typedef struct {
    int         reason;
    int         health;
    int         status;
    int64_t     retry_after;
    int64_t     asked;
    int64_t     age;                   /* of that, as the API has it */
    size_t      len;                   /* of facts, but the id's */
    int         facts_id;
    size_t      id_len;
    int         account;
    size_t      account_len;
    uint32_t    version;
} naive_verdict_t;


typedef struct {
    int              rc;
    int              reason;
    int              status;
    int              health;
    int64_t          retry_after;
    int              slot;
    int64_t          seq;
    naive_record_t  *record;           /* of a hit */
} naive_reply_t;


typedef struct {
    int             lookups;
    int64_t         ncells;
    int64_t         reserve;
    int64_t         max_denied;
    int64_t         queue;
    uint64_t        base;              /* the time 0 in the store */

    naive_record_t  records[NAIVE_RECORDS];
    int             nrecords;                   /* that were ever used */
    naive_lease_t   leases[NAIVE_LEASES];
    int             places[NAIVE_PLACES];      /* whose they are */
    int64_t         queued;
    int64_t         checked;
    int64_t         stamp;
    int64_t         seq;
    int64_t         failures;
    int64_t         delay;
    int64_t         until;

    int64_t         refreshes;
    int64_t         purges;
    int64_t         purged;
    int64_t         opened;
    int64_t         resets;
    int64_t         evicted[T(KINDS)];
    int64_t         evicted_age;
    int64_t         ended[T(REASONS)];
} naive_t;


void naive_ask(naive_t *m, naive_question_t *q, naive_reply_t *reply);
naive_record_t *naive_stale(naive_t *m, naive_question_t *q);
int naive_end(naive_t *m, int slot, int64_t seq, naive_question_t *q,
    naive_verdict_t *v);
void naive_cancel(naive_t *m, int slot, int64_t seq);
int naive_poll(naive_t *m, int slot, int64_t seq, int64_t now);
int naive_sent(naive_t *m, int slot, int64_t seq);
void naive_release(naive_t *m, int pid);
void naive_reap(naive_t *m, int pid, int64_t now);
void naive_reset(naive_t *m);
void naive_tidy(naive_t *m, int64_t now);

/* the queue: whether there is a place; gives one back; how many one has */

int naive_queue(naive_t *m, naive_question_t *q);
int naive_share(naive_t *m, int pid, int64_t now);
int naive_leave(naive_t *m, int slot, int pid, int64_t now);
int naive_live(naive_lease_t *l, int64_t now);
void naive_unqueue(naive_t *m, int pid);
int64_t naive_waiting(naive_t *m, int pid);

/* by id or account, or all if both are none */

int64_t naive_purge(naive_t *m, int id, int account);

/* of tokens or of budgets */

naive_record_t *naive_find(naive_t *m, int budget, int key);
int64_t naive_age(naive_record_t *r, int64_t now);

/* evicts what has to go; the rest of the record is for the caller to set */

naive_record_t *naive_add(naive_t *m, int kind, size_t len, int64_t now);

/* denials are always the last used ones then, facts once a second */

void naive_touch(naive_t *m, naive_record_t *r, int64_t now);

int64_t naive_used(naive_t *m, int kind);
int64_t naive_entries(naive_t *m, int kind);


#endif /* _STORE_NAIVE_H_INCLUDED_ */
