
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ask.h"


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
static ngx_int_t ngx_http_auth_api_token_park(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_flight_t *flight, ngx_uint_t first);
static void ngx_http_auth_api_token_resume(ngx_http_request_t *r);
static void ngx_http_auth_api_token_told(void *data,
    ngx_http_auth_api_token_verdict_t *verdict);
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
static ngx_int_t ngx_http_auth_api_token_copy_verdict(ngx_pool_t *pool,
    ngx_http_auth_api_token_verdict_t *dst,
    ngx_http_auth_api_token_verdict_t *src);


ngx_int_t
ngx_http_auth_api_token_ask(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_uint_t                           line, first;
    ngx_http_auth_api_token_zone_t      *zone;
    ngx_http_auth_api_token_reply_t     *reply;
    ngx_http_auth_api_token_flight_t    *flight;
    ngx_http_auth_api_token_reply_e      rc;
    ngx_http_auth_api_token_budget_t     budget;
    ngx_http_auth_api_token_loc_conf_t  *alcf;
    ngx_http_auth_api_token_question_t   question;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    ctx->asked_in = alcf;

    if (alcf->cache == NULL) {
        ngx_http_auth_api_token_unqueue(ctx);

        ctx->store = NULL;
        ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_BYPASS;

        return ngx_http_auth_api_token_look_up(r, ctx, NULL, NULL);
    }

    if (ngx_http_auth_api_token_question(r, ctx, &question) != NGX_OK) {
        return NGX_ERROR;
    }

    zone = alcf->cache->zone;
    line = ctx->waiting || ngx_http_auth_api_token_turn_behind(zone);
    first = 0;

    if (line) {

        /* a request that waited for a lookup in vain goes first in line */

        first = ctx->queued || ctx->waited;

        question.since = ctx->since;
        question.again = ctx->waited;
        question.queued = ctx->queued;
        question.behind = !first && ngx_http_auth_api_token_turn_behind(zone);
    }

    reply = ngx_http_auth_api_token_get_reply(ctx);

    rc = ngx_http_auth_api_token_store_ask(ctx->store, &question, reply);

    if (rc == NGX_HTTP_AUTH_API_TOKEN_CHARGE) {

        /* only misses need the digest of the limit's key */

        if (ngx_http_auth_api_token_budget(r, ctx->store, &budget) != NGX_OK) {
            return NGX_ERROR;
        }

        question.budget = budget.rate ? &budget : NULL;
        question.charge = 0;

        rc = ngx_http_auth_api_token_store_ask(ctx->store, &question, reply);
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token store: %ui", (ngx_uint_t) rc);

    if (line && rc != NGX_HTTP_AUTH_API_TOKEN_QUEUE) {
        ctx->queued = 0;

        ngx_http_auth_api_token_turn_done(zone, ctx->key);
    }

    ctx->cache_status = ctx->waited ? NGX_HTTP_AUTH_API_TOKEN_CACHE_WAIT
                                    : NGX_HTTP_AUTH_API_TOKEN_CACHE_HIT;

    switch (rc) {

    case NGX_HTTP_AUTH_API_TOKEN_HIT:
        ngx_http_auth_api_token_take_reply(ctx);
        return NGX_OK;

    case NGX_HTTP_AUTH_API_TOKEN_REFRESH:
        ngx_http_auth_api_token_take_reply(ctx);
        ngx_http_auth_api_token_refresh(r, ctx, &question, &reply->ticket);
        return NGX_OK;

    case NGX_HTTP_AUTH_API_TOKEN_MISS:
        ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_MISS;
        ctx->since = reply->ticket.asked;

        return ngx_http_auth_api_token_look_up(r, ctx, &question,
                                               &reply->ticket);

    case NGX_HTTP_AUTH_API_TOKEN_WAIT:
        ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_WAIT;
        ctx->since = reply->ticket.asked;

        if (r->post_action) {
            return NGX_DECLINED;
        }

        flight = ngx_http_auth_api_token_flight_join(zone, ctx->key,
                                                     &reply->ticket);
        if (flight == NULL) {
            return NGX_ERROR;
        }

        ctx->waited = 1;

        return ngx_http_auth_api_token_park(r, ctx, flight, 0);

    case NGX_HTTP_AUTH_API_TOKEN_QUEUE:
        ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_MISS;
        ctx->queued = 1;
        ctx->delayed = 1;

        if (r->post_action) {
            ngx_http_auth_api_token_unqueue(ctx);
            return NGX_DECLINED;
        }

        flight = ngx_http_auth_api_token_turn_join(zone, ctx->key, first);
        if (flight == NULL) {
            return NGX_ERROR;
        }

        return ngx_http_auth_api_token_park(r, ctx, flight, first);

    default: /* NGX_HTTP_AUTH_API_TOKEN_STOP */
        ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_MISS;

        /* there may be room once a dead worker's places are taken back */

        ngx_http_auth_api_token_store_reap(ctx->store, ngx_current_msec,
                                           ngx_http_auth_api_token_gone);

        ngx_http_auth_api_token_take(ctx, &reply->verdict);
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
    question->since = 0;
    question->again = 0;
    question->charge = (alcf->limit != NULL);
    question->behind = 0;
    question->queued = 0;
    question->budget = NULL;

    if (ctx->store != store) {
        ngx_http_auth_api_token_unqueue(ctx);
        ngx_http_auth_api_token_store_prefetch(store, question);

        if (ngx_http_auth_api_token_digest(alcf->prefix, &ctx->token, ctx->key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ctx->store = store;
    }

    ngx_memcpy(question->key, ctx->key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_budget(ngx_http_request_t *r,
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget)
{
    u_char                               prefix[
                                           NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_str_t                            value;
    ngx_http_auth_api_token_limit_t     *limit;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_str_t  scope = ngx_string("denied_limit");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    limit = alcf->limit;

    if (ngx_http_complex_value(r, &limit->key, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* as with other limits of nginx, an empty key is not limited */

    budget->rate = value.len ? limit->rate : 0;
    budget->burst = limit->burst;

    if (ngx_http_auth_api_token_digest(
                                  ngx_http_auth_api_token_store_secret(store),
                                  &scope, prefix)
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
    ngx_int_t                           rc;
    ngx_http_auth_api_token_flight_t   *flight;
    ngx_http_auth_api_token_lookup_t   *lookup;
    ngx_http_auth_api_token_verdict_t   verdict;

    if (r->post_action) {

        if (ticket) {
            ngx_http_auth_api_token_store_cancel(ctx->store, ticket);
        }

        return NGX_DECLINED;
    }

    rc = ngx_http_auth_api_token_create_lookup(r, &ctx->token, &ctx->id,
                                               question, ticket, &lookup);

    if (rc == NGX_BUSY) {
        ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

        verdict.reason = NGX_HTTP_AUTH_API_TOKEN_BUSY;
        verdict.cause = "no connections left";

        ngx_http_auth_api_token_take(ctx, &verdict);
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->waited = 1;

    flight = ngx_http_auth_api_token_lookup_flight(lookup);

    rc = ngx_http_auth_api_token_park(r, ctx, flight, 0);

    /* the lookup may end in this call; r is woken by an event even then */

    ngx_http_auth_api_token_start_lookup(lookup);

    return rc;
}


/* has r wait, for what is left of the time since it first had to */

static ngx_int_t
ngx_http_auth_api_token_park(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_flight_t *flight, ngx_uint_t first)
{
    ngx_msec_int_t                       left;
    ngx_connection_t                    *c;
    ngx_http_core_main_conf_t           *cmcf;
    ngx_http_auth_api_token_waiter_t    *waiter;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    c = r->connection;
    waiter = ctx->waiter;

    if (waiter == NULL) {
        waiter = ngx_pcalloc(r->pool, sizeof(ngx_http_auth_api_token_waiter_t));
        if (waiter == NULL) {
            return NGX_ERROR;
        }

        waiter->event = c->write;
        waiter->handler = ngx_http_auth_api_token_told;
        waiter->data = ctx;

        ctx->waiter = waiter;
    }

    /* to notice a client that leaves */

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    ctx->handler = cmcf->phase_engine.handlers[r->phase_handler].handler;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_auth_api_token_resume;

    if (!ctx->waiting) {
        ctx->waiting = 1;
        ctx->began = ngx_current_msec;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    /* a little longer than the lookup, whose end tells more */

    left = (ngx_msec_int_t) (ctx->began + alcf->request->timeout
                             + 2 * NGX_HTTP_AUTH_API_TOKEN_POLL
                             - ngx_current_msec);

    ngx_http_auth_api_token_flight_wait(flight, waiter, ngx_max(left, 0),
                                        first);

    return NGX_AGAIN;
}


/*
 * When srcache is first used, it moves its handler to the end of the access
 * phase, and those after it forward.  The handler in which r waited may then
 * have another place, and nginx would go on after it, without a decision.
 */

static void
ngx_http_auth_api_token_resume(ngx_http_request_t *r)
{
    ngx_http_phase_handler_t       *ph;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    /* still waiting: the handler may move before r can go on */

    if (ctx->waiter->flight && !r->connection->write->error) {
        return;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    r->write_event_handler = ngx_http_core_run_phases;

    while (r->phase_handler > 0
           && ph[r->phase_handler].handler != ctx->handler)
    {
        r->phase_handler--;
    }

    ngx_http_core_run_phases(r);
}


/* what depends on the location is done when the request runs again */

static void
ngx_http_auth_api_token_told(void *data,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_http_auth_api_token_ctx_t *ctx = data;

    ngx_http_auth_api_token_unqueue(ctx);
    ngx_http_auth_api_token_take(ctx, verdict);
}


/* a lookup for which no request waits yet */

static void
ngx_http_auth_api_token_refresh(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    question->budget = NULL;

    if (ngx_http_auth_api_token_create_lookup(r, &ctx->token, &ctx->id,
                                              question, ticket, &lookup)
        == NGX_OK)
    {
        ngx_http_auth_api_token_start_lookup(lookup);
    }
}


void
ngx_http_auth_api_token_use_stale(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_http_auth_api_token_verdict_t   *verdict;
    ngx_http_auth_api_token_loc_conf_t  *alcf;
    ngx_http_auth_api_token_question_t   question;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    verdict = &ctx->reply.verdict;

    if (alcf->cache == NULL
        || alcf->cache->stale == 0
        || (verdict->reason != NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE
            && verdict->reason != NGX_HTTP_AUTH_API_TOKEN_BUSY))
    {
        return;
    }

    /* a limit of nginx that refused or held up a lookup is no outage */

    if (verdict->health == NGX_HTTP_AUTH_API_TOKEN_UNTOLD
        || (verdict->health == NGX_HTTP_AUTH_API_TOKEN_SILENT
            && ctx->delayed))
    {
        return;
    }

    if (ngx_http_auth_api_token_question(r, ctx, &question) != NGX_OK
        || ngx_http_auth_api_token_store_stale(ctx->store, &question,
                                    ngx_http_auth_api_token_get_reply(ctx))
           != NGX_OK)
    {
        return;
    }

    ctx->cache_status = NGX_HTTP_AUTH_API_TOKEN_CACHE_STALE;
    verdict->trace_id.len = 0;

    ngx_http_auth_api_token_take_reply(ctx);
}


/*
 * Variables may point to the strings of a verdict: one that follows, after
 * a redirect, does not overwrite them.
 */

static ngx_http_auth_api_token_reply_t *
ngx_http_auth_api_token_get_reply(ngx_http_auth_api_token_ctx_t *ctx)
{
    ctx->reply.cell = ctx->filled ? NULL : ctx->cell;

    return &ctx->reply;
}


/* short strings are in the cell of ctx already; long ones are copied */

static void
ngx_http_auth_api_token_take_reply(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->reply.cell == NULL) {
        ngx_http_auth_api_token_take(ctx, &ctx->reply.verdict);
        return;
    }

    ctx->filled = 1;
    ctx->answered = 1;
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

    ctx->answered = 1;
}


/* copies a verdict, to itself too; its strings become those of the pool */

static ngx_int_t
ngx_http_auth_api_token_copy_verdict(ngx_pool_t *pool,
    ngx_http_auth_api_token_verdict_t *dst,
    ngx_http_auth_api_token_verdict_t *src)
{
    size_t      len;
    u_char     *p, *data;
    ngx_str_t  *from, *to, *last;

    *dst = *src;

    from = (ngx_str_t *) &src->facts;
    last = (ngx_str_t *) (&src->facts + 1);

    len = src->trace_id.len;

    for (to = from; to < last; to++) {
        len += to->len;
    }

    if (len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (to = (ngx_str_t *) &dst->facts; from < last; from++, to++) {
        data = p;
        p = ngx_cpymem(p, from->data, from->len);
        to->data = data;
    }

    dst->trace_id.data = p;
    ngx_memcpy(p, src->trace_id.data, src->trace_id.len);

    return NGX_OK;
}
