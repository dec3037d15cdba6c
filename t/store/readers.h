
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_READERS_H_INCLUDED_
#define _STORE_READERS_H_INCLUDED_


#include "env.h"


/*
 * Processes that read one store without the mutex while others change it and
 * die, and what they know of each other.
 */


#define READERS_KEYS      480
#define READERS_ABSENT    32           /* the last ones, never learned */
#define READERS_IDS       24
#define READERS_ACCOUNTS  40
#define READERS_BUDGETS   4
#define READERS_BASE      1000000      /* what the clock begins with */


typedef struct {
    ngx_atomic_t      clock;           /* counts lookups and purges */

    /* what is older than that must not be found */

    ngx_atomic_t      floor[READERS_KEYS];

    ngx_atomic_t      stop;
    ngx_atomic_t      reads;           /* without the mutex, and judged */
    ngx_atomic_t      asked;           /* of these, by store_ask() */
    ngx_atomic_t      several;         /* of these, in more than a cell */
    ngx_atomic_t      nothing;         /* no record, or no read */
    ngx_atomic_t      locked;          /* asked, and took the mutex */
    ngx_atomic_t      ends;
    ngx_atomic_t      purges;
    ngx_atomic_t      failed;
    char              err[256];
} readers_t;


extern store_t    *readers_store;
extern readers_t  *readers;


void readers_data_init(void);

uint32_t readers_random(uint32_t n);

/* the token, as a question has it */

void readers_question(question_t *q, ngx_uint_t n);

/* the key of one */

u_char *readers_budget(ngx_uint_t n);


/*
 * What a lookup of a token says at a time: a verdict that is there once, and
 * whose strings begin with what is made of both.
 */

void readers_verdict(ngx_uint_t n, ngx_msec_t clock, verdict_t *v);


/*
 * Whether a verdict is what a lookup said, which is not older than "floor" and
 * not younger than now.
 */

void readers_judge(ngx_uint_t n, verdict_t *v, ngx_msec_t floor);


/* by id, by account or all */

void readers_purge(void);


/* raises what is older than that */

void readers_raise_floor(ngx_uint_t n, ngx_atomic_uint_t floor);

void readers_fail(const char *fmt, ...);


#endif /* _STORE_READERS_H_INCLUDED_ */
