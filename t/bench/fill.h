
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _BENCH_FILL_H_INCLUDED_
#define _BENCH_FILL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "env.h"


/* a store with the facts of so many tokens, or NULL */

store_t *bench_fill(ngx_uint_t tokens);


/*
 * The question about token n, whose id takes 13 bytes.  Keys are spread as
 * digests are, and cost next to nothing to make.
 */

void bench_question(question_t *question, ngx_uint_t n, u_char *id);


/* seconds, of a clock that does not step */

double bench_now(void);


/* for qsort() of doubles */

int bench_cmp(const void *one, const void *two);


#endif /* _BENCH_FILL_H_INCLUDED_ */
