
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_bearer.h"
#include "ngx_http_auth_api_token_flight.h"
#include "ngx_http_auth_api_token_refusal.h"
#include "ngx_http_auth_api_token_require.h"


static ngx_int_t ngx_http_auth_api_token_decide(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static ngx_uint_t ngx_http_auth_api_token_differs(ngx_str_t *one,
    ngx_str_t *two);
static void ngx_http_auth_api_token_review(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf);
static ngx_int_t ngx_http_auth_api_token_preflight(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_credential(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static ngx_int_t ngx_http_auth_api_token_secure(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static ngx_int_t ngx_http_auth_api_token_test_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_meets_pt meets);
static ngx_int_t ngx_http_auth_api_token_test_require(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines);
static void ngx_http_auth_api_token_cleanup(void *data);


ngx_int_t
ngx_http_auth_api_token_handler(ngx_http_request_t *r)
{
    ngx_int_t                            rc;
    ngx_str_t                            realm;
    ngx_http_auth_api_token_ctx_t       *ctx;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

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
            return NGX_AGAIN;
        }

        if (r->read_event_handler == ngx_http_test_reading) {
            r->read_event_handler = ngx_http_block_reading;
        }
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

    /* an error page for a refusal keeps its header, a fallback does not */

    if (ctx->status != r->err_status) {
        ngx_http_auth_api_token_clear_refusal(ctx);
    }

    ctx->realm = realm;
    ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNDECIDED;
    ctx->facts = NULL;
    ctx->line = NULL;
    ctx->status = 0;
    ctx->used = 0;

    rc = ngx_http_auth_api_token_decide(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token decision: %ui", (ngx_uint_t) ctx->reason);

    if (alcf->cache) {
        ngx_http_auth_api_token_store_count(alcf->cache->zone->counters,
                                            ctx->reason);
    }

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_refuse(r, ctx);
}


/* NGX_OK with a reason, or what the handler has to return */

static ngx_int_t
ngx_http_auth_api_token_decide(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                            rc;
    ngx_str_t                            scope, token;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

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

    /* an internal redirect may lead to another API, credential or cache */

    if (scope.len
        && (ngx_http_auth_api_token_differs(&scope, &ctx->scope)
            || ngx_http_auth_api_token_differs(&token, &ctx->token)))
    {
        ngx_http_auth_api_token_forget(ctx);

        ctx->store = NULL;

    } else if (ctx->asked && ctx->asked_in != alcf) {
        ctx->asked_in = alcf;

        ngx_http_auth_api_token_review(r, ctx, alcf);
    }

    if (rc != NGX_OK || ctx->reason != NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        return rc;
    }

    if (!ctx->asked) {
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
        ctx->waiting = 0;

        if (alcf->cache) {
            ngx_http_auth_api_token_store_waited(alcf->cache->zone->store,
                                                ngx_current_msec - ctx->began);
        }
    }

    if (ctx->reply.verdict.reason >= NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE) {
        ngx_http_auth_api_token_stale(r, ctx);
    }

    ctx->used = 1;
    ctx->reason = ctx->reply.verdict.reason;

    if (ctx->reason != NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_judge(r, ctx);
}


static ngx_uint_t
ngx_http_auth_api_token_differs(ngx_str_t *one, ngx_str_t *two)
{
    return one->len != two->len
           || ngx_memcmp(one->data, two->data, one->len) != 0;
}


/* what is good enough for one location may be too old for another */

static void
ngx_http_auth_api_token_review(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_msec_t                          age, limit;
    ngx_http_auth_api_token_verdict_t  *verdict;

    verdict = &ctx->reply.verdict;

    /* nobody asks twice during an outage, or when the answer has been sent */

    if (verdict->reason >= NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE
        || r->post_action)
    {
        return;
    }


    if (alcf->cache) {
        age = ngx_current_msec - verdict->asked;

        limit = (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_PASS)
                ? alcf->cache->valid : alcf->cache->denied;

        if (age < limit) {
            return;
        }

        if (ctx->from == NGX_HTTP_AUTH_API_TOKEN_FROM_STALE) {

            if (age >= limit + alcf->cache->stale) {
                verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
                verdict->cause = "what is known is too old";
            }

            return;
        }

    } else if ((ngx_msec_int_t) (verdict->asked - ctx->created) >= 0) {

        /* the API was asked for this request */

        return;
    }

    ngx_http_auth_api_token_forget(ctx);
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


static ngx_int_t
ngx_http_auth_api_token_credential(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                            rc;
    ngx_str_t                            value;
    ngx_http_auth_api_token_check_t     *check;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    check = alcf->check;

    ngx_str_null(&ctx->token);
    ngx_str_null(&ctx->id);

    if (check->token) {
        if (ngx_http_complex_value(r, check->token, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_auth_api_token_parse_value(&value, &ctx->token);

    } else if (r->headers_in.authorization) {
        rc = ngx_http_auth_api_token_parse_header(
                                       &r->headers_in.authorization->value,
                                       &ctx->token);

    } else {
        rc = NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_str_null(&ctx->token);

        ctx->reason = (rc == NGX_DECLINED)
                      ? NGX_HTTP_AUTH_API_TOKEN_NO_TOKEN
                      : NGX_HTTP_AUTH_API_TOKEN_MALFORMED;
        return NGX_OK;
    }

    rc = ngx_http_auth_api_token_secure(r);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        ctx->reason = NGX_HTTP_AUTH_API_TOKEN_INSECURE;
    }

    if (check->opaque) {

        if (ctx->token.len > NGX_HTTP_AUTH_API_TOKEN_MAX_LEN) {
            ngx_str_null(&ctx->token);
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_MALFORMED;
        }

        return NGX_OK;
    }

    rc = ngx_http_auth_api_token_parse_id(&ctx->token, &ctx->id);

    if (rc != NGX_OK) {
        ngx_str_null(&ctx->id);

        if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNSUPPORTED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_secure(ngx_http_request_t *r)
{
    ngx_str_t                            value;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (!alcf->https) {
        return NGX_OK;
    }

    if (alcf->https_value == NULL) {

#if (NGX_SSL || NGX_COMPAT)
        if (r->connection->ssl) {
            return NGX_OK;
        }
#endif

        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, alcf->https_value, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* X-Forwarded-Proto may say "http": not any value will do */

    if ((value.len == 1 && value.data[0] == '1')
        || (value.len == 2
            && ngx_strncasecmp(value.data, (u_char *) "on", 2) == 0)
        || (value.len == 5
            && ngx_strncasecmp(value.data, (u_char *) "https", 5) == 0))
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* an active token: does it meet what this location requires? */

static ngx_int_t
ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                            rc;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    /* what is required may be made of the variables about the token */

    ctx->facts = &ctx->reply.verdict.facts;

    if (alcf->accounts) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->accounts,
                                       ngx_http_auth_api_token_meets_account);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_ACCOUNT;
            goto refused;
        }
    }

    if (alcf->account_types) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->account_types,
                                   ngx_http_auth_api_token_meets_account_type);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_TYPE;
            goto refused;
        }
    }

    if (alcf->modules) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->modules,
                                       ngx_http_auth_api_token_meets_module);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_MODULE;
            goto refused;
        }
    }

    if (alcf->require) {
        rc = ngx_http_auth_api_token_test_require(r, ctx, alcf->require);

        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_REQUIRE;
            goto refused;
        }
    }

    return NGX_OK;

refused:

    ctx->facts = NULL;

    return (rc == NGX_DECLINED) ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_auth_api_token_test_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_meets_pt meets)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, n;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;

        for (n = 0; n < line[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (meets(&ctx->reply.verdict.facts, &value) == NGX_OK) {
                break;
            }
        }

        if (n == line[i].values.nelts) {
            ctx->line = &line[i];
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_test_require(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, n;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;

        for (n = 0; n < line[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
                ctx->line = &line[i];
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}


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

    /* an internal redirect forgets the contexts, but not the cleanups */

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


static void
ngx_http_auth_api_token_cleanup(void *data)
{
    ngx_http_auth_api_token_ctx_t  *ctx = data;

    /* the client left */

    if (ctx->waiter || ctx->queued) {
        ngx_http_auth_api_token_withdraw(ctx);
    }
}


ngx_table_elt_t *
ngx_http_auth_api_token_next_header(ngx_list_t *headers, ngx_str_t *name,
    ngx_table_elt_t *last)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    part = &headers->part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (last) {
            if (last == &header[i]) {
                last = NULL;
            }

            continue;
        }

        if (header[i].hash
            && header[i].key.len == name->len
            && ngx_strncasecmp(header[i].key.data, name->data, name->len) == 0)
        {
            return &header[i];
        }
    }
}
