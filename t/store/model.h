
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_MODEL_H_INCLUDED_
#define _STORE_MODEL_H_INCLUDED_


#include "env.h"
#include "naive.h"


/*
 * Does things to a small store and to the naive one, and compares.  Who drives
 * it says what is done, and gives the numbers that choose how: at random, or
 * from bytes.
 */


#define MODEL_KEYS      320
#define MODEL_IDS       24
#define MODEL_ACCOUNTS  8
#define MODEL_BUDGETS   6
#define MODEL_HELD      48
#define MODEL_PID       100            /* the first one */
#define MODEL_CELLS     464            /* at most */


/* what can be done */

typedef enum {
    MODEL_ASK = 0,
    MODEL_END,
    MODEL_TIME,
    MODEL_POLL,
    MODEL_CANCEL,
    MODEL_SENT,
    MODEL_PURGE,
    MODEL_UNQUEUE,
    MODEL_FIGURES,
    MODEL_RELEASE,
    MODEL_REAP,
    MODEL_RELOAD,
    MODEL_TIDY,
    MODEL_FAULTY,
    MODEL_RESET,
    MODEL_DIE,
    MODEL_STEPS
} model_step_e;


typedef struct {
    ngx_uint_t        used;
    ticket_t          ticket;
    question_t        question;
    budget_t          budget;
    naive_question_t  naive;
} model_held_t;


/* what waits for a place among the lookups */

typedef struct {
    ngx_uint_t        used;
    int               key;
    int               pid;
} model_queued_t;


/* a lookup under way, seen from outside */

typedef struct {
    int               used;
    int               key;
    int               id;
    int               pid;
    int64_t           seq;
    int64_t           deadline;
    int64_t           begun;           /* in which step */
} model_lookup_t;


typedef struct {
    store_t          *store;
    naive_t           naive;
    int64_t           now;
    ngx_uint_t        faulty;          /* the API is */
    model_held_t      held[MODEL_HELD];
    ticket_t          waiting[MODEL_HELD];
    model_queued_t    queued[MODEL_HELD];
    ngx_uint_t        few;             /* keys that come again and again */
    ngx_uint_t        pids;
    ngx_uint_t        denied;          /* per cent */
    uint64_t          waited;          /* ms */
    uint32_t          words;           /* what lookups said */
    reply_t           reply;

    /* for the promises */

    int64_t           step;
    model_lookup_t    lookups[NAIVE_LEASES];
    int64_t           purged;          /* in which step, all of them */
    int64_t           purged_id[MODEL_IDS];
    int64_t           purged_account[MODEL_ACCOUNTS + 2];
    int64_t           purged_any_id;
    int64_t           purged_any_account;
} model_t;


/* less than n; for who drives the model to define */

uint32_t model_random(uint32_t n);

void model_init(void);
void model_create(model_t *m);
void model_step(model_t *m, ngx_uint_t step);

/* what is done in a step, as the order above has it; some need more room */

typedef void (*model_step_pt)(model_t *m);

extern const model_step_pt  model_steps[MODEL_STEPS];

void model_ask(model_t *m);
void model_end(model_t *m);
void model_reset(model_t *m);
void model_die(model_t *m);

/* compares what was answered, by asking or without the mutex */

void model_hit(model_t *m, model_held_t *h, naive_record_t *r);
void model_peek(model_t *m);

/* a lookup under way, or NULL */

model_held_t *model_pick(model_t *m);

/* whose leases and places in the queue come back, or all of them if none is */

ngx_uint_t model_gone(ngx_pid_t pid);

extern int  model_dead;

/* whether all leases and places come back in the end */

void model_finish(model_t *m);

/* the time in the store */

#define model_ms(m, time)                                                     \
    ((ngx_msec_t) ((m)->naive.base + (uint64_t) (time)))

/*
 * The same facts for the same version, of which some are too large.  Returns
 * how many bytes they have without the id.  The name begins with the version.
 */

size_t model_facts(uint32_t version, ngx_uint_t opaque, facts_t *facts,
    int *id, int *account);
uint32_t model_version(facts_t *facts);

#define MODEL_WORDS  32768             /* the first bits of a version */

/* instead of raise(), for the points where processes may die */

int model_raise(int signo);


/* ends the program if they differ */

void model_equal(const char *what, long long is, long long expected);

/* compares all that there is */

void model_verify(model_t *m);


/*
 * What the store promises, whatever the naive one says: watched from outside.
 * A lookup begins, ends, and what it said is used; what was purged; leases that
 * are lost with their processes, or all of them if there is none.
 */

void model_promise_begin(model_t *m, naive_question_t *q, ticket_t *ticket);
void model_promise_end(model_t *m, ticket_t *ticket, naive_question_t *q,
    naive_verdict_t *v, int rc);
void model_promise_cancel(model_t *m, ticket_t *ticket);
void model_promise_hit(model_t *m, naive_question_t *q, verdict_t *v,
    ngx_uint_t stale);
void model_promise_purge(model_t *m, int id, int account);
void model_promise_release(model_t *m, int pid);


extern u_char    model_key[MODEL_KEYS][T(KEY_LEN)];
extern u_char    model_budget[MODEL_BUDGETS][T(KEY_LEN)];
extern char      model_id[MODEL_IDS][16];
extern char      model_account[MODEL_ACCOUNTS + 2][80];
extern uint64_t  model_n;              /* the step */
extern uint64_t  model_replies[T(STOP) + 1];


#endif /* _STORE_MODEL_H_INCLUDED_ */
