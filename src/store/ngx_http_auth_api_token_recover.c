
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_recover.h"


/* how often to look whether processes are gone, ms */

#define NGX_HTTP_AUTH_API_TOKEN_CHECK_TIME  100


static ngx_uint_t ngx_http_auth_api_token_recover_due(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now);
static void ngx_http_auth_api_token_recover_leases(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t (*gone)(ngx_pid_t pid));
static void ngx_http_auth_api_token_recover_queue(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t (*gone)(ngx_pid_t pid));


void
ngx_http_auth_api_token_store_recover(ngx_http_auth_api_token_store_t *store)
{
    ngx_http_auth_api_token_store_empty(store);

    ngx_memzero(store->leases,
                store->lookups * sizeof(ngx_http_auth_api_token_lease_t));

    ngx_memzero(store->queues, sizeof(store->queues));
    ngx_http_auth_api_token_crash();

    store->queued = 0;

    store->totals.resets++;
}


void
ngx_http_auth_api_token_store_empty(ngx_http_auth_api_token_store_t *store)
{
    ngx_uint_t  i;

    ngx_queue_init(&store->facts);
    ngx_queue_init(&store->others);

    ngx_rbtree_sentinel_init(&store->sentinel);

    for (i = 0; i < store->nroots; i++) {
        store->roots[i] = 0;
    }

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_KINDS; i++) {
        store->entries[i] = 0;
        store->used[i] = 0;
    }

    store->opaque = 0;
    store->fresh = 1;
    store->free = 0;
    store->nfree = store->ncells;
}


void
ngx_http_auth_api_token_store_release(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid))
{
    ngx_http_auth_api_token_store_lock(store);

    ngx_http_auth_api_token_recover_leases(store, gone);
    ngx_http_auth_api_token_recover_queue(store, gone);

    ngx_http_auth_api_token_store_unlock(store);
}


void
ngx_http_auth_api_token_store_reap(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now, ngx_uint_t (*gone)(ngx_pid_t pid))
{
    if (!ngx_http_auth_api_token_recover_due(store, now)) {
        return;
    }

    ngx_http_auth_api_token_store_lock(store);

    /* many requests that wait may call this at the same time */

    if (ngx_http_auth_api_token_recover_due(store, now)) {
        store->checked = now;

        ngx_http_auth_api_token_recover_leases(store, gone);
        ngx_http_auth_api_token_recover_queue(store, gone);
    }

    ngx_http_auth_api_token_store_unlock(store);
}


/* a clock that is behind, or ahead, must not put an end to this */

static ngx_uint_t
ngx_http_auth_api_token_recover_due(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now)
{
    ngx_msec_int_t  ms;

    ms = (ngx_msec_int_t) (now - store->checked);

    return ms >= NGX_HTTP_AUTH_API_TOKEN_CHECK_TIME
           || ms <= -NGX_HTTP_AUTH_API_TOKEN_CHECK_TIME;
}


static void
ngx_http_auth_api_token_recover_leases(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid))
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if ((lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
             || lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
            && gone(lease->pid))
        {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        }
    }
}


static void
ngx_http_auth_api_token_recover_queue(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid))
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_queue_t  *queue;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_QUEUES; i++) {
        queue = &store->queues[i];

        if (queue->waiting && gone(queue->pid)) {
            ngx_http_auth_api_token_store_change(store);

            store->queued -= queue->waiting;
            ngx_http_auth_api_token_crash();

            queue->waiting = 0;
        }
    }
}


#if (NGX_HTTP_AUTH_API_TOKEN_CRASH)

void
ngx_http_auth_api_token_crash(void)
{
    if (ngx_random() % NGX_HTTP_AUTH_API_TOKEN_CRASH == 0) {
        (void) raise(SIGKILL);
    }
}

#endif
