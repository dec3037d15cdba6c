
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"
#include "ngx_http_auth_api_token_flight.h"
#include "ngx_http_auth_api_token_lookup.h"


static ngx_int_t ngx_http_auth_api_token_question(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question);
static ngx_int_t ngx_http_auth_api_token_budget(ngx_http_request_t *r,
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget);
static ngx_int_t ngx_http_auth_api_token_look_up(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket);
static void ngx_http_auth_api_token_refresh(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket);
static ngx_http_auth_api_token_reply_t *ngx_http_auth_api_token_get_reply(
    ngx_http_auth_api_token_ctx_t *ctx);
static void ngx_http_auth_api_token_take_reply(
    ngx_http_auth_api_token_ctx_t *ctx);
static void ngx_http_auth_api_token_take(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_verdict_t *verdict);


ngx_int_t
ngx_http_auth_api_token_ask(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_http_auth_api_token_reply_t     *reply;
    ngx_http_auth_api_token_flight_t    *flight;
    ngx_http_auth_api_token_reply_e      rc;
    ngx_http_auth_api_token_budget_t     budget;
    ngx_http_auth_api_token_loc_conf_t  *alcf;
    ngx_http_auth_api_token_question_t   question;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    ctx->asked_in = alcf;

    if (alcf->cache == NULL) {
        ctx->store = NULL;
        ctx->from = NGX_HTTP_AUTH_API_TOKEN_FROM_BYPASS;

        return ngx_http_auth_api_token_look_up(r, ctx, NULL, NULL);
    }

    if (ngx_http_auth_api_token_question(r, ctx, &question) != NGX_OK) {
        return NGX_ERROR;
    }

    question.again = ctx->waited;
    question.since = ctx->since;
    question.charge = (alcf->limit != NULL);

    reply = ngx_http_auth_api_token_get_reply(ctx);

    rc = ngx_http_auth_api_token_store_ask(ctx->store, &question, reply);

    if (rc == NGX_HTTP_AUTH_API_TOKEN_CHARGE) {

        /* hits do without the digest of the key */

        if (ngx_http_auth_api_token_budget(r, ctx->store, &budget) != NGX_OK) {
            return NGX_ERROR;
        }

        question.budget = budget.rate ? &budget : NULL;
        question.charge = 0;

        rc = ngx_http_auth_api_token_store_ask(ctx->store, &question, reply);
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token store: %ui", (ngx_uint_t) rc);

    ctx->from = ctx->waited ? NGX_HTTP_AUTH_API_TOKEN_FROM_WAIT
                            : NGX_HTTP_AUTH_API_TOKEN_FROM_HIT;

    switch (rc) {

    case NGX_HTTP_AUTH_API_TOKEN_HIT:
        ngx_http_auth_api_token_take_reply(ctx);
        return NGX_OK;

    case NGX_HTTP_AUTH_API_TOKEN_REFRESH:
        ngx_http_auth_api_token_take_reply(ctx);
        ngx_http_auth_api_token_refresh(r, ctx, &question, &reply->ticket);
        return NGX_OK;

    case NGX_HTTP_AUTH_API_TOKEN_MISS:
        ctx->from = NGX_HTTP_AUTH_API_TOKEN_FROM_MISS;
        ctx->since = reply->ticket.asked;

        return ngx_http_auth_api_token_look_up(r, ctx, &question,
                                               &reply->ticket);

    case NGX_HTTP_AUTH_API_TOKEN_WAIT:
        ctx->from = NGX_HTTP_AUTH_API_TOKEN_FROM_WAIT;
        ctx->since = reply->ticket.asked;

        flight = ngx_http_auth_api_token_flight_join(ctx->store,
                                                     &reply->ticket);
        if (flight == NULL) {
            return NGX_ERROR;
        }

        return ngx_http_auth_api_token_flight_wait(r, ctx, flight,
                                                   alcf->request->timeout);

    case NGX_HTTP_AUTH_API_TOKEN_QUEUE:
        ngx_http_auth_api_token_store_unqueue(ctx->store, ngx_pid);

        ngx_memzero(&reply->verdict, sizeof(ngx_http_auth_api_token_verdict_t));

        reply->verdict.reason = NGX_HTTP_AUTH_API_TOKEN_BUSY;
        reply->verdict.retry_after = 1;
        reply->verdict.cause = "all \"lookups\" are taken";

        /* fall through */

    default: /* NGX_HTTP_AUTH_API_TOKEN_STOP */
        ctx->from = NGX_HTTP_AUTH_API_TOKEN_FROM_MISS;
        ngx_http_auth_api_token_settle(ctx, &reply->verdict);
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_auth_api_token_question(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question)
{
    ngx_http_auth_api_token_store_t     *store;
    ngx_http_auth_api_token_cache_t     *cache;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    cache = alcf->cache;
    store = cache->zone->store;

    question->id = ctx->id;
    question->node_key = 0;
    question->now = ngx_current_msec;
    question->valid = cache->valid;
    question->denied = cache->denied;
    question->stale = cache->stale;
    question->timeout = alcf->request->timeout;
    question->pid = ngx_pid;
    question->refresh = cache->refresh;
    question->again = 0;
    question->since = 0;
    question->charge = 0;
    question->behind = 0;
    question->queued = 0;
    question->budget = NULL;

    if (ctx->store != store) {
        ngx_http_auth_api_token_store_prefetch(store, question);

        if (ngx_http_auth_api_token_digest(alcf->prefix, &ctx->token, ctx->key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ctx->store = store;
    }

    ngx_memcpy(question->key, ctx->key, NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN);

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_budget(ngx_http_request_t *r,
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget)
{
    u_char                               prefix[
                                           NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_str_t                            value;
    ngx_http_auth_api_token_limit_t     *limit;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_str_t  scope = ngx_string("denied_limit");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    limit = alcf->limit;

    if (ngx_http_complex_value(r, &limit->key, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* as with other limits, an empty key has none */

    budget->rate = value.len ? limit->rate : 0;
    budget->burst = limit->burst;

    if (ngx_http_auth_api_token_digest(store->secret, &scope, prefix)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_digest(prefix, &value, budget->key);
}


static ngx_int_t
ngx_http_auth_api_token_look_up(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_int_t                            rc;
    ngx_http_auth_api_token_lookup_t    *lookup;
    ngx_http_auth_api_token_verdict_t    verdict;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    rc = ngx_http_auth_api_token_create_lookup(r, ctx, question, ticket,
                                               &lookup);

    if (rc == NGX_BUSY) {
        ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

        verdict.reason = NGX_HTTP_AUTH_API_TOKEN_BUSY;
        verdict.cause = "no connection is left";

        ngx_http_auth_api_token_take(ctx, &verdict);
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_auth_api_token_flight_wait(r, ctx, &lookup->flight,
                                             alcf->request->timeout);

    /* the lookup may end in this call, the waiters are posted even then */

    ngx_http_auth_api_token_start_lookup(lookup);

    return rc;
}


/* a lookup for which nobody waits, so far */

static void
ngx_http_auth_api_token_refresh(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    question->budget = NULL;

    if (ngx_http_auth_api_token_create_lookup(r, ctx, question, ticket, &lookup)
        == NGX_OK)
    {
        ngx_http_auth_api_token_start_lookup(lookup);
    }
}


void
ngx_http_auth_api_token_settle(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_http_request_t                  *r;
    ngx_http_auth_api_token_verdict_t    copy;
    ngx_http_auth_api_token_loc_conf_t  *alcf;
    ngx_http_auth_api_token_question_t   question;

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    /* what a limit of nginx refused says nothing of the API */

    if (alcf->cache
        && alcf->cache->stale
        && verdict->health != NGX_HTTP_AUTH_API_TOKEN_UNTOLD
        && (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE
            || verdict->reason == NGX_HTTP_AUTH_API_TOKEN_BUSY)
        && ngx_http_auth_api_token_question(r, ctx, &question) == NGX_OK)
    {
        /* it may be the one in the reply */

        copy = *verdict;
        verdict = &copy;

        if (ngx_http_auth_api_token_store_stale(ctx->store, &question,
                                    ngx_http_auth_api_token_get_reply(ctx))
            == NGX_OK)
        {
            ctx->from = NGX_HTTP_AUTH_API_TOKEN_FROM_STALE;

            ngx_http_auth_api_token_take_reply(ctx);
            return;
        }
    }

    ngx_http_auth_api_token_take(ctx, verdict);
}


/*
 * Variables may point to the strings of a verdict: the next one, after a
 * redirect, leaves them alone.
 */

static ngx_http_auth_api_token_reply_t *
ngx_http_auth_api_token_get_reply(ngx_http_auth_api_token_ctx_t *ctx)
{
    ctx->reply.cell = ctx->filled ? NULL : ctx->cell;

    return &ctx->reply;
}


/* what the store told is where it has to be, but for strings that are long */

static void
ngx_http_auth_api_token_take_reply(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->reply.cell == NULL) {
        ngx_http_auth_api_token_take(ctx, &ctx->reply.verdict);
        return;
    }

    ctx->filled = 1;
    ctx->asked = 1;
}


static void
ngx_http_auth_api_token_take(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    if (ngx_http_auth_api_token_copy_verdict(ctx->request->pool,
                                             &ctx->reply.verdict, verdict)
        != NGX_OK)
    {
        ngx_memzero(&ctx->reply.verdict,
                    sizeof(ngx_http_auth_api_token_verdict_t));

        ctx->reply.verdict.reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    }

    ctx->asked = 1;
}
