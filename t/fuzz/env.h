
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _FUZZ_ENV_H_INCLUDED_
#define _FUZZ_ENV_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What all targets have in common: what nginx itself would bring, and how to
 * say that something is wrong.
 */


#define T(name)  NGX_HTTP_AUTH_API_TOKEN_##name


/* libFuzzer calls it with each input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* a pool that is empty again each time */

ngx_pool_t *env_pool(void);


/* takes all bytes up to the separator, or all that are left, off the input */

ngx_str_t env_take(ngx_str_t *input, u_char separator);


/*
 * Takes a number off the beginning of the input, if there is one: that many
 * allocations from the pool later one fails.  env_failed() says whether it has
 * come to that; from then on none fails.
 */

void env_fail_at(ngx_str_t *input);
ngx_uint_t env_failed(void);


/* done once, in the middle of the next allocation from a pool */

extern void (*env_meanwhile)(void);


/* how many allocations the pool holds */

ngx_uint_t env_held(ngx_pool_t *pool);


ngx_uint_t env_equal(ngx_str_t *one, ngx_str_t *two);


/*
 * Ends the program, which is what a fuzzer takes for a finding, after it has
 * printed what did not hold, as nginx formats it.
 */

void env_fail(const char *fmt, ...);

#define env_check(condition)                                                  \
    do {                                                                      \
        if (!(condition)) {                                                   \
            env_fail("%s:%d: %s", __FILE__, __LINE__, #condition);            \
        }                                                                     \
    } while (0)


#endif /* _FUZZ_ENV_H_INCLUDED_ */
