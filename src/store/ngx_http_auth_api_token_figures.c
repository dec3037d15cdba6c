
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_record.h"


ngx_msec_t  ngx_http_auth_api_token_latencies[
    NGX_HTTP_AUTH_API_TOKEN_LATENCIES] =
{
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000
};


ngx_uint_t
ngx_http_auth_api_token_latency(ngx_msec_t ms)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_LATENCIES; i++) {
        if (ms <= ngx_http_auth_api_token_latencies[i]) {
            break;
        }
    }

    return i;
}


void
ngx_http_auth_api_token_store_waited(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t ms)
{
    ngx_uint_t  i;

    i = ngx_http_auth_api_token_latency(ms);

    (void) ngx_atomic_fetch_add(&store->figures.waited[i], 1);
    (void) ngx_atomic_fetch_add(&store->figures.waited_sum, ms);
}


void
ngx_http_auth_api_token_store_figures(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_store_t *copy, ngx_uint_t *in_flight,
    ngx_uint_t *probing)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    *in_flight = 0;
    *probing = 0;

    ngx_http_auth_api_token_store_lock(store);

    *copy = *store;

    ngx_memzero(copy->secret, NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN);

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
            || lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
        {
            (*in_flight)++;
            *probing |= lease->probe;
        }
    }

    ngx_http_auth_api_token_store_unlock(store);
}
