
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ctx.h"


static void ngx_http_auth_api_token_cleanup(void *data);


ngx_http_auth_api_token_ctx_t *
ngx_http_auth_api_token_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t             *cln;
    ngx_http_auth_api_token_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_module);

    if (ctx) {
        return ctx;
    }

    /*
     * an internal redirect, and a filter that ends a request with another
     * status, forget the contexts, but not the cleanups
     */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_auth_api_token_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_auth_api_token_ctx_t *
ngx_http_auth_api_token_make_ctx(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_auth_api_token_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ctx->request = r;
        ctx->created = ngx_current_msec;

        /* ngx_pool_cleanup_add() would allocate two times more */

        ctx->cleanup.handler = ngx_http_auth_api_token_cleanup;
        ctx->cleanup.data = ctx;
        ctx->cleanup.next = r->pool->cleanup;

        r->pool->cleanup = &ctx->cleanup;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_auth_api_token_module);

    return ctx;
}


ngx_http_auth_api_token_facts_t *
ngx_http_auth_api_token_get_facts(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    if (ctx == NULL) {
        return NULL;
    }

    /* proved in preaccess, but then redirected, or let in by other modules */

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED
        && (ngx_http_get_module_ctx(r->main, ngx_http_auth_api_token_module)
            == NULL
            || r->main->phase_handler >= ctx->next))
    {
        return NULL;
    }

    return ctx->facts;
}


static void
ngx_http_auth_api_token_cleanup(void *data)
{
    ngx_http_auth_api_token_ctx_t  *ctx = data;

    /* the client left */

    if (ctx->waiter || ctx->queued) {
        ngx_http_auth_api_token_withdraw(ctx);
    }
}


void
ngx_http_auth_api_token_withdraw(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->waiter) {
        ngx_http_auth_api_token_flight_leave(ctx->waiter);
    }

    ngx_http_auth_api_token_unqueue(ctx);
}


void
ngx_http_auth_api_token_reset_ctx(ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_http_auth_api_token_withdraw(ctx);

    ctx->answered = 0;
    ctx->taken = 0;
    ctx->waiting = 0;
    ctx->waited = 0;
    ctx->delayed = 0;
    ctx->reply.verdict.trace_id.len = 0;
}
