
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_recover.h"


#define NGX_HTTP_AUTH_API_TOKEN_MIN_CELLS    64
#define NGX_HTTP_AUTH_API_TOKEN_TREE         8        /* cells for a root */
#define NGX_HTTP_AUTH_API_TOKEN_MIN_RESERVE  8


size_t
ngx_http_auth_api_token_store_overhead(ngx_uint_t lookups)
{
    return lookups * sizeof(ngx_http_auth_api_token_lease_t)
           + NGX_HTTP_AUTH_API_TOKEN_QUEUES
             * sizeof(ngx_http_auth_api_token_queue_t)
           + NGX_HTTP_AUTH_API_TOKEN_WORKERS
             * sizeof(ngx_http_auth_api_token_worker_t)
           + NGX_HTTP_AUTH_API_TOKEN_LAYOUT;
}


ngx_http_auth_api_token_store_t *
ngx_http_auth_api_token_store_create(void *addr, size_t size,
    ngx_shmtx_t *mutex, u_char *secret, ngx_uint_t lookups, ngx_uint_t queue,
    ngx_uint_t denied)
{
    size_t                            len, workers;
    u_char                           *end;
    uint32_t                          nroots, shift;
    ngx_http_auth_api_token_store_t  *store;

    store = addr;
    end = (u_char *) addr + size;

    /* the store begins at a page, so these begin at a cache line */

    workers = ngx_align(offsetof(ngx_http_auth_api_token_store_t, leases)
                        + lookups * sizeof(ngx_http_auth_api_token_lease_t),
                        sizeof(ngx_http_auth_api_token_worker_t));

    len = workers + NGX_HTTP_AUTH_API_TOKEN_WORKERS
                    * sizeof(ngx_http_auth_api_token_worker_t);

    if (size < len) {
        return NULL;
    }

    nroots = 2;
    shift = 8 * sizeof(ngx_uint_t) - 1;

    while (nroots < (size - len) / NGX_HTTP_AUTH_API_TOKEN_CELL
                                 / NGX_HTTP_AUTH_API_TOKEN_TREE)
    {
        nroots *= 2;
        shift--;
    }

    if (size < len + nroots * sizeof(uint32_t)
               + ngx_cacheline_size
               + NGX_HTTP_AUTH_API_TOKEN_MIN_CELLS
                 * NGX_HTTP_AUTH_API_TOKEN_CELL)
    {
        return NULL;
    }

    ngx_memzero(store, len);

    store->layout = NGX_HTTP_AUTH_API_TOKEN_LAYOUT;
    store->lookups = lookups;
    store->mutex = mutex;

    store->workers = (ngx_http_auth_api_token_worker_t *)
                         ((u_char *) addr + workers);

    store->nroots = nroots;
    store->shift = shift;
    store->roots = (uint32_t *) ((u_char *) addr + len);

    store->cells = ngx_align_ptr(&store->roots[nroots], ngx_cacheline_size);
    store->ncells = (end - store->cells) / NGX_HTTP_AUTH_API_TOKEN_CELL;
    store->reserve = ngx_max(store->ncells / 128,
                             NGX_HTTP_AUTH_API_TOKEN_MIN_RESERVE);

    ngx_http_auth_api_token_store_limits(store, queue, denied);

    ngx_memcpy(store->secret, secret, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    ngx_http_auth_api_token_store_empty(store);

    return store;
}


ngx_uint_t
ngx_http_auth_api_token_store_matches(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t lookups)
{
    return store->layout == NGX_HTTP_AUTH_API_TOKEN_LAYOUT
           && store->lookups == lookups;
}


void
ngx_http_auth_api_token_store_limits(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t queue, ngx_uint_t denied)
{
    uint64_t  n;

    store->queue = (uint32_t) queue;

    n = (uint64_t) store->ncells * denied / 100;

    store->max_denied = (uint32_t) ngx_max(n, store->reserve);
}


u_char *
ngx_http_auth_api_token_store_secret(ngx_http_auth_api_token_store_t *store)
{
    return store->secret;
}


ngx_atomic_t *
ngx_http_auth_api_token_store_logged(ngx_http_auth_api_token_store_t *store)
{
    return store->logged;
}
