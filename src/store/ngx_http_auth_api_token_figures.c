
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_recover.h"


static void ngx_http_auth_api_token_add_counters(
    ngx_http_auth_api_token_counters_t *sum,
    ngx_http_auth_api_token_counters_t *counters);


ngx_msec_t  ngx_http_auth_api_token_latencies[
    NGX_HTTP_AUTH_API_TOKEN_LATENCIES] =
{
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000
};


ngx_uint_t
ngx_http_auth_api_token_latency_bucket(ngx_msec_t ms)
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
ngx_http_auth_api_token_count_waited(
    ngx_http_auth_api_token_counters_t *counters, ngx_msec_t ms)
{
    ngx_uint_t  i;

    i = ngx_http_auth_api_token_latency_bucket(ms);

    (void) ngx_atomic_fetch_add(&counters->waited[i], 1);
    (void) ngx_atomic_fetch_add(&counters->waited_sum, ms);
}


ngx_http_auth_api_token_counters_t *
ngx_http_auth_api_token_store_counters(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t worker)
{
    return &store->workers[worker % NGX_HTTP_AUTH_API_TOKEN_WORKERS].counters;
}


void
ngx_http_auth_api_token_store_succeeded(ngx_http_auth_api_token_store_t *store,
    time_t now)
{
    store->totals.success = now;
}


void
ngx_http_auth_api_token_store_figures(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_figures_t *figures)
{
    ngx_uint_t                        i, probe;
    ngx_http_auth_api_token_lease_t  *lease;

    ngx_memzero(figures, sizeof(ngx_http_auth_api_token_figures_t));

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_WORKERS; i++) {
        ngx_http_auth_api_token_add_counters(&figures->counters,
                                             &store->workers[i].counters);
    }

    probe = 0;

    ngx_http_auth_api_token_store_lock(store);

    figures->totals = store->totals;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_KINDS; i++) {
        figures->entries[i] = store->entries[i];
        figures->bytes[i] = (size_t) store->used[i]
                            * NGX_HTTP_AUTH_API_TOKEN_CELL;
    }

    figures->capacity = (size_t) store->ncells * NGX_HTTP_AUTH_API_TOKEN_CELL;
    figures->limit = store->lookups;
    figures->queued = store->queued;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
            || lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
        {
            figures->in_flight++;
            probe |= lease->probe;
        }
    }

    figures->open = (store->failures >= NGX_HTTP_AUTH_API_TOKEN_FAILURES);
    figures->probing = figures->open && probe;

    ngx_http_auth_api_token_store_unlock(store);
}


static void
ngx_http_auth_api_token_add_counters(ngx_http_auth_api_token_counters_t *sum,
    ngx_http_auth_api_token_counters_t *counters)
{
    ngx_uint_t     i;
    ngx_atomic_t  *to, *from;

    to = (ngx_atomic_t *) sum;
    from = (ngx_atomic_t *) counters;

    for (i = 0; i < sizeof(*sum) / sizeof(ngx_atomic_t); i++) {
        to[i] += from[i];
    }
}
