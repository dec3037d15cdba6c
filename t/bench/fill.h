
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _BENCH_FILL_H_INCLUDED_
#define _BENCH_FILL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "env.h"


#define BENCH_ID    13
#define BENCH_NAME  20


/* a store with the facts of so many tokens, or NULL */

store_t *bench_fill(ngx_uint_t tokens);


/*
 * The question about token n, whose id takes BENCH_ID bytes.  Keys are spread
 * as digests are, and cost next to nothing to make.
 */

void bench_question(question_t *question, ngx_uint_t n, u_char *id);


/*
 * A verdict with the facts of the token with this id.  The token and the
 * account have the same name of BENCH_NAME bytes, and it has the id in it:
 * whether facts are those of the token is easy to see.
 */

void bench_facts(verdict_t *verdict, u_char *id, u_char *name);
ngx_uint_t bench_right(facts_t *facts, u_char *id);


/* seconds, of a clock that does not step */

double bench_now(void);


/* the same of any clock */

double bench_clock(clockid_t clock);


/* for qsort() of doubles */

int bench_cmp(const void *one, const void *two);


#endif /* _BENCH_FILL_H_INCLUDED_ */
