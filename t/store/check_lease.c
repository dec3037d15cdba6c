
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "check_ctx.h"


typedef ngx_http_auth_api_token_lease_t  check_lease_t;


static ngx_int_t check_lease(check_ctx_t *ctx, ngx_uint_t n);
static ngx_int_t check_pair(check_ctx_t *ctx, ngx_uint_t one, ngx_uint_t two);
static ngx_int_t check_queued(check_ctx_t *ctx);


ngx_int_t
check_leases(check_ctx_t *ctx)
{
    ngx_uint_t  i, n;

    for (i = 0; i < ctx->store->lookups; i++) {

        if (check_lease(ctx, i) != NGX_OK) {
            return NGX_ERROR;
        }

        for (n = 0; n < i; n++) {
            if (check_pair(ctx, n, i) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return check_queued(ctx);
}


static ngx_int_t
check_lease(check_ctx_t *ctx, ngx_uint_t n)
{
    check_lease_t  *lease;

    lease = &ctx->store->leases[n];

    if (lease->state > NGX_HTTP_AUTH_API_TOKEN_FAILED) {
        return check_fail(ctx, "state %lu of lease %lu", lease->state, n);
    }

    if (lease->seq > ctx->store->seq) {
        return check_fail(ctx, "lease %lu from the future", n);
    }

    if (lease->state == NGX_HTTP_AUTH_API_TOKEN_FREE) {
        return NGX_OK;
    }

    if (lease->seq == 0 || lease->probe > 1 || lease->opaque > 1) {
        return check_fail(ctx, "lease %lu, seq %lu, probe %u, opaque %u",
                          n, lease->seq, lease->probe, lease->opaque);
    }

    if (lease->opaque && lease->node_key != check_prefix(lease->key)) {
        return check_fail(ctx, "id of lease %lu", n);
    }

    return NGX_OK;
}


/*
 * No two ask about one token, and no two try whether the API is back, unless
 * the time of the first one was over.
 */

static ngx_int_t
check_pair(check_ctx_t *ctx, ngx_uint_t one, ngx_uint_t two)
{
    check_lease_t  *first, *second;

    first = &ctx->store->leases[one];
    second = &ctx->store->leases[two];

    if (first->seq && first->seq == second->seq) {
        return check_fail(ctx, "seq %lu of two leases", first->seq);
    }

    if (first->seq > second->seq) {
        first = &ctx->store->leases[two];
        second = &ctx->store->leases[one];
    }

    if ((ngx_msec_int_t) (second->asked - first->deadline) >= 0) {
        return NGX_OK;
    }

    if (first->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
        && second->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
        && ngx_memcmp(first->key, second->key,
                      NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
           == 0)
    {
        return check_fail(ctx, "leases %lu and %lu ask the same", one, two);
    }

    if ((first->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
         || first->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
        && (second->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
            || second->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
        && first->probe && second->probe)
    {
        return check_fail(ctx, "leases %lu and %lu are probes", one, two);
    }

    return NGX_OK;
}


/* one that waits is counted once, and each process has one entry */

static ngx_int_t
check_queued(check_ctx_t *ctx)
{
    uint64_t                          sum;
    ngx_uint_t                        i, n;
    ngx_http_auth_api_token_queue_t  *queue;

    queue = ctx->store->queues;
    sum = 0;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_QUEUES; i++) {
        if (queue[i].waiting == 0) {
            continue;
        }

        sum += queue[i].waiting;

        for (n = 0; n < i; n++) {
            if (queue[n].waiting && queue[i].pid == queue[n].pid) {
                return check_fail(ctx, "entries %lu and %lu of the queue are "
                                  "of process %d", n, i, (int) queue[i].pid);
            }
        }
    }

    if (sum != ctx->store->queued) {
        return check_fail(ctx, "%lu of %u queued", sum, ctx->store->queued);
    }

    return NGX_OK;
}
