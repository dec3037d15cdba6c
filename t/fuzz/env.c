
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "env.h"


#define ENV_POOL  16384


static ngx_log_t       env_log;
static ngx_cycle_t     env_cycle;
static ngx_uint_t      env_left;       /* allocations until one fails, or 0 */
static ngx_uint_t      env_has_failed;

static ngx_uint_t      env_elsewhere;

void                 (*env_meanwhile)(void);

volatile ngx_cycle_t  *ngx_cycle = &env_cycle;
ngx_pid_t              ngx_pid = 1;
ngx_uint_t             ngx_pagesize = 4096;
ngx_uint_t             ngx_pagesize_shift = 12;
ngx_uint_t             ngx_cacheline_size = NGX_CPU_CACHE_LINE;


ngx_pool_t *
env_pool(void)
{
    static ngx_pool_t  *pool;

    if (pool == NULL) {
        env_cycle.log = &env_log;

        pool = ngx_create_pool(ENV_POOL, &env_log);
        env_check(pool != NULL);
    }

    ngx_reset_pool(pool);

    env_left = 0;
    env_has_failed = 0;

    return pool;
}


ngx_uint_t
env_held(ngx_pool_t *pool)
{
    ngx_uint_t         n;
    ngx_pool_large_t  *large;

    n = 0;

    for (large = pool->large; large; large = large->next) {
        n++;
    }

    return n;
}


ngx_str_t
env_take(ngx_str_t *input, u_char separator)
{
    u_char     *p;
    ngx_str_t   taken;

    taken.data = input->data;

    p = input->len ? memchr(input->data, separator, input->len) : NULL;

    if (p == NULL) {
        taken.len = input->len;
        input->data += input->len;
        input->len = 0;
        return taken;
    }

    taken.len = p - input->data;

    input->data = p + 1;
    input->len -= taken.len + 1;

    return taken;
}


void
env_fail_at(ngx_str_t *input)
{
    env_left = 0;
    env_has_failed = 0;

    while (input->len && isdigit(input->data[0]) && env_left < 10000) {
        env_left = env_left * 10 + (input->data[0] - '0');
        input->data++;
        input->len--;
    }
}


ngx_uint_t
env_failed(void)
{
    env_left = 0;

    return env_has_failed;
}


ngx_uint_t
env_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}


void
env_fail(const char *fmt, ...)
{
    u_char   *p, text[4096];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    fprintf(stderr, "wrong: %.*s\n", (int) (p - text), (char *) text);

    abort();
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
}


/* what ngx_alloc.c has; a pool gets its blocks by the second one */

void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    void  (*meanwhile)(void);

    env_check(!env_elsewhere);

    if (env_meanwhile) {
        meanwhile = env_meanwhile;
        env_meanwhile = NULL;

        env_elsewhere = 1;
        meanwhile();
        env_elsewhere = 0;
    }

    if (env_left && --env_left == 0) {
        env_has_failed = 1;
        return NULL;
    }

    return malloc(size);
}


void *
ngx_memalign(size_t alignment, size_t size, ngx_log_t *log)
{
    void  *p;

    return posix_memalign(&p, alignment, size) == 0 ? p : NULL;
}
