
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_MODEL_H_INCLUDED_
#define _STORE_MODEL_H_INCLUDED_


#include "env.h"
#include "naive.h"


#define MODEL_KEYS      320
#define MODEL_IDS       24
#define MODEL_ACCOUNTS  8
#define MODEL_BUDGETS   6
#define MODEL_HELD      48
#define MODEL_PID       100            /* the first one */


typedef struct {
    ngx_uint_t        used;
    ticket_t          ticket;
    question_t        question;
    budget_t          budget;
    naive_question_t  naive;
} model_held_t;


/* who waits for a place among the lookups */

typedef struct {
    ngx_uint_t        used;
    int               key;
    int               pid;
} model_queued_t;


typedef struct {
    store_t          *store;
    naive_t           naive;
    int64_t           now;
    ngx_uint_t        faulty;          /* the API is */
    model_held_t      held[MODEL_HELD];
    ticket_t          waiting[MODEL_HELD];
    model_queued_t    queued[MODEL_HELD];
    ngx_uint_t        pids;
    ngx_uint_t        denied;          /* per cent */
    reply_t           reply;
    u_char            facts[2 * T(MAX_FACTS)];
} model_t;


void model_init(uint64_t seed);

/* less than n */

uint32_t model_random(uint32_t n);

/*
 * The same facts for the same version, of which some are too large.  Returns
 * how many bytes they have without the id.
 */

size_t model_facts(model_t *m, uint32_t version, ngx_uint_t opaque,
    facts_t *facts, int *id, int *account);

/* ends the program if they differ */

void model_equal(const char *what, long long is, long long expected);

/* compares all that there is */

void model_verify(model_t *m);


extern u_char    model_key[MODEL_KEYS][T(KEY_LEN)];
extern u_char    model_budget[MODEL_BUDGETS][T(KEY_LEN)];
extern char      model_id[MODEL_IDS][16];
extern char      model_account[MODEL_ACCOUNTS + 2][80];
extern uint64_t  model_n;              /* the step */


#endif /* _STORE_MODEL_H_INCLUDED_ */
