
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ask.h"
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_credential.h"
#include "ngx_http_auth_api_token_judge.h"
#include "ngx_http_auth_api_token_refusal.h"


static ngx_int_t ngx_http_auth_api_token_begin(ngx_http_request_t *r,
    ngx_http_auth_api_token_loc_conf_t *alcf,
    ngx_http_auth_api_token_ctx_t **pctx);
static ngx_int_t ngx_http_auth_api_token_prove(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf);
static void ngx_http_auth_api_token_end_wait(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf);
static ngx_uint_t ngx_http_auth_api_token_differs(ngx_str_t *one,
    ngx_str_t *two);
static void ngx_http_auth_api_token_review(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf);
static ngx_int_t ngx_http_auth_api_token_preflight(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_dry_run(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static void ngx_http_auth_api_token_count(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf);
static void ngx_http_auth_api_token_count_once(
    ngx_http_auth_api_token_ctx_t *ctx, ngx_atomic_t *counter);


/* limit_req and limit_conn run after it, and may have keys of the facts */

ngx_int_t
ngx_http_auth_api_token_preaccess_handler(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (!alcf->preaccess || r != r->main) {
        return NGX_DECLINED;
    }

    /* a post_action never waits, and a miss would count in both phases */

    if (r->post_action) {
        return NGX_DECLINED;
    }

    return ngx_http_auth_api_token_handler(r);
}


ngx_int_t
ngx_http_auth_api_token_handler(ngx_http_request_t *r)
{
    ngx_int_t                            rc;
    ngx_http_phase_handler_t            *ph;
    ngx_http_core_main_conf_t           *cmcf;
    ngx_http_auth_api_token_ctx_t       *ctx;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    rc = ngx_http_auth_api_token_begin(r, alcf, &ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_auth_api_token_prove(r, ctx, alcf);

    if (rc != NGX_OK) {
        return rc;
    }

    if (alcf->preaccess) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
        ph = cmcf->phase_engine.handlers;

        if (ph[r->phase_handler].checker != ngx_http_core_access_phase) {

            /* the access phase decides, and ends before the handler "next" */

            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNDECIDED;
            ctx->next = ph[ph[r->phase_handler].next].next;

            return NGX_DECLINED;
        }
    }

    /* the error page of a refusal keeps its headers, a fallback does not */

    if (ctx->status != r->err_status) {
        ngx_http_auth_api_token_clear_refusal(ctx);
    }

    ctx->status = 0;

    /* what is required may be made of the variables about the token */

    if (alcf->required && ctx->facts) {
        rc = ngx_http_auth_api_token_judge(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token decision: %ui", (ngx_uint_t) ctx->reason);

    if (alcf->dry_run.on) {
        rc = ngx_http_auth_api_token_dry_run(r, ctx);

        if (rc != NGX_DONE) {
            return rc;
        }
    }

    ngx_http_auth_api_token_count(ctx, alcf);

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_refuse(r, ctx);
}


/*
 * Returns NGX_OK with a context that has no decision; or what the handler has
 * to return if there is nothing to check, if r still waits, or after an error.
 */

static ngx_int_t
ngx_http_auth_api_token_begin(ngx_http_request_t *r,
    ngx_http_auth_api_token_loc_conf_t *alcf,
    ngx_http_auth_api_token_ctx_t **pctx)
{
    ngx_str_t                       realm;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_module);

    if (ctx == NULL && r->internal) {

        /* it may have waited elsewhere, and has not been woken */

        ctx = ngx_http_auth_api_token_get_ctx(r);

        if (ctx) {
            ngx_http_auth_api_token_withdraw(ctx);
        }
    }

    if (alcf->check == NULL) {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token handler");

    if (ctx && ctx->waiter) {

        if (ctx->waiter->flight) {

            /* a canceled HTTP/3 stream shows in its write event only */

            if (r->connection->write->error) {
                ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                              "client canceled the request while it waited");

                return NGX_HTTP_CLIENT_CLOSED_REQUEST;
            }

            return NGX_AGAIN;
        }

        if (r->read_event_handler == ngx_http_test_reading) {
            r->read_event_handler = ngx_http_block_reading;
        }
    }

    /* the realm must not depend on what preaccess proved */

    if (ctx && ctx->reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        ctx->facts = NULL;
    }

    realm = alcf->check->realm.value;

    if (alcf->check->realm.lengths
        && ngx_http_complex_value(r, &alcf->check->realm, &realm) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (realm.len == 3 && ngx_strncmp(realm.data, "off", 3) == 0) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_auth_api_token_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->realm = realm;
    ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNDECIDED;
    ctx->facts = NULL;
    ctx->line = NULL;
    ctx->used = 0;
    ctx->dry_run = 0;

    *pctx = ctx;

    return NGX_OK;
}


/*
 * Returns NGX_OK with a reason, or what the handler has to return.  The reason
 * is "pass", with facts, for any active token: requirements are checked later.
 */

static ngx_int_t
ngx_http_auth_api_token_prove(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_int_t                           rc;
    ngx_str_t                           scope, token;
    ngx_http_auth_api_token_verdict_t  *verdict;

    if (alcf->preflight
        && ngx_http_auth_api_token_preflight(r) == NGX_OK)
    {
        ctx->reason = NGX_HTTP_AUTH_API_TOKEN_PASS;
        return NGX_OK;
    }

    scope = ctx->scope;
    token = ctx->token;

    ctx->scope = alcf->scope;
    ctx->prefix = alcf->prefix;

    rc = ngx_http_auth_api_token_credential(r, ctx);

    /* after an internal redirect, API, credential or cache may be others */

    if (scope.len
        && (ngx_http_auth_api_token_differs(&scope, &ctx->scope)
            || ngx_http_auth_api_token_differs(&token, &ctx->token)))
    {
        ngx_http_auth_api_token_reset_ctx(ctx);

        ctx->store = NULL;

    } else if (ctx->answered
               && (ctx->asked_in != alcf
                   || (ctx->taken && ctx->taken_at != ngx_current_msec)))
    {
        ngx_http_auth_api_token_review(r, ctx, alcf);
    }

    if (rc != NGX_OK || ctx->reason != NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        return rc;
    }

    if (!ctx->answered) {
        rc = ngx_http_auth_api_token_ask(r, ctx);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_DECLINED && r->connection->error) {
            return NGX_HTTP_CLIENT_CLOSED_REQUEST;
        }

        if (rc == NGX_DECLINED) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->waiting) {
        ngx_http_auth_api_token_end_wait(ctx, alcf);
    }

    verdict = &ctx->reply.verdict;

    if (verdict->reason >= NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE) {
        ngx_http_auth_api_token_use_stale(r, ctx);
    }

    ctx->taken = 1;
    ctx->taken_at = ngx_current_msec;

    ctx->used = 1;
    ctx->reason = verdict->reason;

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        ctx->facts = &verdict->facts;
    }

    return NGX_OK;
}


static void
ngx_http_auth_api_token_end_wait(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_http_auth_api_token_verdict_t  *verdict;

    ctx->waiting = 0;

    if (alcf->figures) {
        ngx_http_auth_api_token_count_waited(alcf->figures->zone->counters,
                                             ngx_current_msec - ctx->began);
    }

    verdict = &ctx->reply.verdict;

    /*
     * What answers may be a cache that keeps facts for longer than "valid".
     * As it does answer, neither these facts nor stale ones may be used.
     */

    if (alcf->cache
        && verdict->reason == NGX_HTTP_AUTH_API_TOKEN_PASS
        && verdict->age >= alcf->cache->valid)
    {
        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
        verdict->health = NGX_HTTP_AUTH_API_TOKEN_UNTOLD;
        verdict->cause = "the answer is older than \"valid\"";
    }
}


static ngx_uint_t
ngx_http_auth_api_token_differs(ngx_str_t *one, ngx_str_t *two)
{
    return one->len != two->len
           || ngx_memcmp(one->data, two->data, one->len) != 0;
}


/* a verdict that served elsewhere, or before, may be too old here and now */

static void
ngx_http_auth_api_token_review(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_msec_t                          age, limit;
    ngx_http_auth_api_token_verdict_t  *verdict;

    verdict = &ctx->reply.verdict;

    if (r->post_action) {
        return;
    }

    if (ctx->asked_in == alcf) {

        /* limit_req delayed it: the zone may have a younger verdict by now */

        if (alcf->cache) {
            ngx_http_auth_api_token_reset_ctx(ctx);
        }

        return;
    }

    ctx->asked_in = alcf;

    /* in an outage, a redirect does not ask once more */

    if (verdict->reason >= NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE) {
        return;
    }

    if (alcf->cache) {
        age = ngx_current_msec - verdict->asked;

        limit = (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_PASS)
                ? alcf->cache->valid : alcf->cache->denied;

        if (age < limit) {
            return;
        }

        if (ctx->cache_status == NGX_HTTP_AUTH_API_TOKEN_CACHE_STALE) {

            if (age >= limit + alcf->cache->stale) {
                verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
                verdict->cause = "the cached facts are too old";
            }

            return;
        }

    } else if ((ngx_msec_int_t) (verdict->asked + verdict->age - ctx->created)
               >= 0)
    {
        /* the API was asked for this request, however old its answer is */

        return;
    }

    ngx_http_auth_api_token_reset_ctx(ctx);
}


/* https://fetch.spec.whatwg.org/#cors-preflight-request */

static ngx_int_t
ngx_http_auth_api_token_preflight(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  origin = ngx_string("Origin");
    static ngx_str_t  method = ngx_string("Access-Control-Request-Method");

    if (r->method != NGX_HTTP_OPTIONS) {
        return NGX_DECLINED;
    }

    h = ngx_http_auth_api_token_find_header(&r->headers_in.headers, &origin);

    if (h == NULL || h->value.len == 0) {
        return NGX_DECLINED;
    }

    h = ngx_http_auth_api_token_find_header(&r->headers_in.headers, &method);

    if (h == NULL || h->value.len == 0) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* returns what the handler has to, or NGX_DONE to enforce the decision */

static ngx_int_t
ngx_http_auth_api_token_dry_run(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_str_t                            value;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (alcf->dry_run.value) {

        if (ngx_http_complex_value(r, alcf->dry_run.value, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* any other value, even a mistake, enforces the decision */

        if (!(value.len == 1 && value.data[0] == '1')
            && !(value.len == 2 && ngx_strncmp(value.data, "on", 2) == 0))
        {
            return NGX_DONE;
        }
    }

    ctx->dry_run = 1;

    ngx_http_auth_api_token_count(ctx, alcf);

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return NGX_OK;
    }

    ngx_http_auth_api_token_log_refusal(r, ctx);

    /* with "satisfy any", the other modules decide */

    return NGX_DECLINED;
}


/* after a redirect, the same decision may be made once more */

static void
ngx_http_auth_api_token_count(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_http_auth_api_token_counters_t  *counters;

    if (alcf->figures == NULL) {
        return;
    }

    counters = alcf->figures->zone->counters;

    if (ctx->counters != counters) {
        ctx->counters = counters;
        ctx->counted = 0;
    }

    if (ctx->dry_run) {
        ngx_http_auth_api_token_count_once(ctx,
                                           &counters->dry_run[ctx->reason]);

    } else {
        ngx_http_auth_api_token_count_once(ctx,
                                           &counters->requests[ctx->reason]);
    }

    if (ctx->used) {
        ngx_http_auth_api_token_count_once(ctx,
                                         &counters->cache[ctx->cache_status]);
    }
}


/* requests, dry_run and cache are the first counters, and fewer than 64 */

static void
ngx_http_auth_api_token_count_once(ngx_http_auth_api_token_ctx_t *ctx,
    ngx_atomic_t *counter)
{
    uint64_t  bit;

    bit = (uint64_t) 1 << (counter - ctx->counters->requests);

    if (!(ctx->counted & bit)) {
        ctx->counted |= bit;

        (void) ngx_atomic_fetch_add(counter, 1);
    }
}


ngx_int_t
ngx_http_auth_api_token_identity(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t **facts, ngx_msec_t *age)
{
    ngx_msec_int_t                  ms;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_module);

    if (ctx == NULL
        || r != r->main
        || (ctx->reason != NGX_HTTP_AUTH_API_TOKEN_PASS && !ctx->dry_run))
    {
        return NGX_DECLINED;
    }

    ms = (ngx_msec_int_t) (ngx_current_msec - ctx->reply.verdict.asked);

    *facts = ctx->facts;
    *age = ngx_max(ms, 0);

    return NGX_OK;
}
