
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_problem.h"
#include "ngx_http_auth_api_token_refusal.h"


#define NGX_HTTP_AUTH_API_TOKEN_RETRY_AFTER  1


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   status;
    ngx_uint_t   level;       /* of the log line */
    char        *error;       /* of the challenge, RFC 6750, section 3.1 */
    ngx_str_t    detail;
} ngx_http_auth_api_token_refusal_t;


static ngx_int_t ngx_http_auth_api_token_challenge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static size_t ngx_http_auth_api_token_quote(u_char *dst, ngx_str_t *src);
static ngx_int_t ngx_http_auth_api_token_scope(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_str_t *scope);
static ngx_int_t ngx_http_auth_api_token_set_retry_after(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static ngx_uint_t ngx_http_auth_api_token_log_level(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);
static ngx_str_t *ngx_http_auth_api_token_content_error(
    ngx_http_auth_api_token_content_t *content, ngx_uint_t status);


/* in the order of ngx_http_auth_api_token_reason_e */

static ngx_http_auth_api_token_refusal_t
    ngx_http_auth_api_token_refusals[NGX_HTTP_AUTH_API_TOKEN_REASONS] =
{

    { ngx_null_string, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_LOG_ERR, NULL,
      ngx_null_string },

    { ngx_string("pass"), NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_LOG_ERR, NULL,
      ngx_null_string },

    { ngx_string("no_token"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO, NULL,
      ngx_string("An API token is required in the Authorization header") },

    { ngx_string("malformed"), NGX_HTTP_BAD_REQUEST, NGX_LOG_INFO,
      "invalid_request",
      ngx_string("The Authorization header is malformed") },

    { ngx_string("unsupported"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is not an API token") },

    { ngx_string("insecure"), NGX_HTTP_FORBIDDEN, NGX_LOG_WARN, NULL,
      ngx_string("API tokens are accepted only over HTTPS") },

    { ngx_string("unknown"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is unknown, disabled or deleted") },

    { ngx_string("disabled"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is disabled") },

    { ngx_string("deleted"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is deleted") },

    { ngx_string("inactive"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is not active") },

    { ngx_string("mismatch"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The token is unknown, disabled or deleted") },

    { ngx_string("account_disabled"), NGX_HTTP_UNAUTHORIZED, NGX_LOG_INFO,
      "invalid_token",
      ngx_string("The account of the token is disabled") },

    { ngx_string("unreadable"), NGX_HTTP_FORBIDDEN, NGX_LOG_WARN, NULL,
      ngx_string("The token cannot be checked: it lacks the module "
                 "Access Management") },

    { ngx_string("account"), NGX_HTTP_FORBIDDEN, NGX_LOG_INFO,
      "insufficient_scope",
      ngx_string("The account of the token does not have access") },

    { ngx_string("account_type"), NGX_HTTP_FORBIDDEN, NGX_LOG_INFO,
      "insufficient_scope",
      ngx_string("Accounts of this type do not have access") },

    { ngx_string("module"), NGX_HTTP_FORBIDDEN, NGX_LOG_INFO,
      "insufficient_scope",
      ngx_string("The token lacks a required module") },

    { ngx_string("extension"), NGX_HTTP_FORBIDDEN, NGX_LOG_INFO,
      "insufficient_scope",
      ngx_string("The token may not act through the required extension") },

    { ngx_string("require"), NGX_HTTP_FORBIDDEN, NGX_LOG_INFO,
      "insufficient_scope",
      ngx_string("The token does not have access") },

    { ngx_string("unavailable"), NGX_HTTP_SERVICE_UNAVAILABLE, NGX_LOG_ERR,
      NULL,
      ngx_string("The token could not be checked; try again later") },

    { ngx_string("busy"), NGX_HTTP_SERVICE_UNAVAILABLE, NGX_LOG_ERR, NULL,
      ngx_string("The token could not be checked; try again later") },

    { ngx_string("limited"), NGX_HTTP_TOO_MANY_REQUESTS, NGX_LOG_INFO, NULL,
      ngx_string("Too many invalid tokens; try again later") }
};


ngx_int_t
ngx_http_auth_api_token_refuse(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_http_core_main_conf_t          *cmcf;
    ngx_http_auth_api_token_refusal_t  *refusal;

    refusal = &ngx_http_auth_api_token_refusals[ctx->reason];

    ctx->status = refusal->status;

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_REQUIRE) {
        ctx->status = ctx->line->status;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    ctx->next = cmcf->phase_engine.handlers[r->phase_handler].next;

    ngx_http_auth_api_token_log_refusal(r, ctx);

    ngx_http_auth_api_token_clear_refusal(ctx);

    if ((refusal->error || ctx->status == NGX_HTTP_UNAUTHORIZED)
        && ngx_http_auth_api_token_challenge(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if ((ctx->status == NGX_HTTP_SERVICE_UNAVAILABLE
         || ctx->status == NGX_HTTP_TOO_MANY_REQUESTS)
        && ngx_http_auth_api_token_set_retry_after(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ctx->status;
}


void
ngx_http_auth_api_token_clear_refusal(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->challenge) {
        ctx->challenge->hash = 0;
    }

    if (ctx->retry_after) {
        ctx->retry_after->hash = 0;
    }
}


static ngx_int_t
ngx_http_auth_api_token_challenge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    char                               *error;
    size_t                              len;
    u_char                             *p;
    ngx_str_t                           scope;
    ngx_table_elt_t                    *h;
    ngx_http_auth_api_token_refusal_t  *refusal;

#if (nginx_version >= 1023000)
    ngx_table_elt_t                   **last;
#endif

    refusal = &ngx_http_auth_api_token_refusals[ctx->reason];

    error = refusal->error;

    if (error && ctx->reason == NGX_HTTP_AUTH_API_TOKEN_REQUIRE
        && ctx->status == NGX_HTTP_UNAUTHORIZED)
    {
        error = "invalid_token";
    }

    ngx_str_null(&scope);

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_MODULE
        && ngx_http_auth_api_token_scope(r, ctx, &scope) != NGX_OK)
    {
        return NGX_ERROR;
    }

    len = sizeof("Bearer realm=\"\"") - 1
          + ngx_http_auth_api_token_quote(NULL, &ctx->realm);

    if (error) {
        len += sizeof(", error=\"\"") - 1 + ngx_strlen(error)
               + sizeof(", error_description=\"\"") - 1 + refusal->detail.len;
    }

    if (scope.len) {
        len += sizeof(", scope=\"\"") - 1 + scope.len;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_http_auth_api_token_push_header(&r->headers_out.headers,
                                            "WWW-Authenticate");
    if (h == NULL) {
        return NGX_ERROR;
    }

    ctx->challenge = h;

#if (nginx_version >= 1023000)

    last = &r->headers_out.www_authenticate;

    while (*last) {
        last = &(*last)->next;
    }

    *last = h;

#else
    r->headers_out.www_authenticate = h;
#endif

    h->value.data = p;

    p = ngx_cpymem(p, "Bearer realm=\"", sizeof("Bearer realm=\"") - 1);
    p += ngx_http_auth_api_token_quote(p, &ctx->realm);
    *p++ = '"';

    if (error) {
        p = ngx_sprintf(p, ", error=\"%s\", error_description=\"%V\"",
                        error, &refusal->detail);
    }

    if (scope.len) {
        p = ngx_sprintf(p, ", scope=\"%V\"", &scope);
    }

    h->value.len = p - h->value.data;

    return NGX_OK;
}


/* quoted-string, RFC 9110, section 5.6.4 */

static size_t
ngx_http_auth_api_token_quote(u_char *dst, ngx_str_t *src)
{
    u_char  ch;
    size_t  i, len;

    len = 0;

    for (i = 0; i < src->len; i++) {
        ch = src->data[i];

        if (ch < 0x20 || ch == 0x7f) {
            continue;
        }

        if (ch == '"' || ch == '\\') {
            if (dst) {
                *dst++ = '\\';
            }

            len++;
        }

        if (dst) {
            *dst++ = ch;
        }

        len++;
    }

    return len;
}


/* the modules of the line that was not met; scope-token, RFC 6749, A.4 */

static ngx_int_t
ngx_http_auth_api_token_scope(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_str_t *scope)
{
    size_t                     i, len;
    u_char                     ch, *p;
    ngx_str_t                 *value;
    ngx_uint_t                 n;
    ngx_array_t               *values;
    ngx_http_complex_value_t  *cv;

    values = &ctx->line->values;
    cv = values->elts;

    value = ngx_palloc(r->pool, values->nelts * sizeof(ngx_str_t));
    if (value == NULL) {
        return NGX_ERROR;
    }

    len = 0;

    for (n = 0; n < values->nelts; n++) {
        if (ngx_http_complex_value(r, &cv[n], &value[n]) != NGX_OK) {
            return NGX_ERROR;
        }

        for (i = 0; i < value[n].len; i++) {
            ch = value[n].data[i];

            if (ch <= 0x20 || ch == '"' || ch == '\\' || ch >= 0x7f) {
                value[n].len = 0;
            }
        }

        len += value[n].len + 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    scope->data = p;

    for (n = 0; n < values->nelts; n++) {
        if (value[n].len == 0) {
            continue;
        }

        if (p > scope->data) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, value[n].data, value[n].len);
    }

    scope->len = p - scope->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_set_retry_after(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    u_char           *p;
    time_t            t;
    ngx_table_elt_t  *h;

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_http_auth_api_token_push_header(&r->headers_out.headers,
                                            "Retry-After");
    if (h == NULL) {
        return NGX_ERROR;
    }

    ctx->retry_after = h;

    t = ctx->reply.verdict.retry_after ? ctx->reply.verdict.retry_after
                                       : NGX_HTTP_AUTH_API_TOKEN_RETRY_AFTER;
    h->value.data = p;
    h->value.len = ngx_sprintf(p, "%T", t) - p;

    return NGX_OK;
}


void
ngx_http_auth_api_token_log_refusal(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    u_char                     cause[NGX_MAX_ERROR_STR / 8], *p;
    ngx_str_t                  none, *id, *account, *name;
    ngx_uint_t                 level;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    level = ngx_http_auth_api_token_log_level(r, ctx);
    name = ngx_http_auth_api_token_reason_name(ctx->reason);

    ngx_str_set(&none, "-");

    id = ctx->id.len ? &ctx->id : &none;
    account = &none;

    p = cause;

    if (ctx->used) {

        if (ctx->reply.verdict.facts.account_id.len) {
            account = &ctx->reply.verdict.facts.account_id;
        }

        if (ctx->reply.verdict.cause) {
            p = ngx_slprintf(p, cause + sizeof(cause), ", cause: %s",
                             ctx->reply.verdict.cause);
        }

        if (ctx->reply.verdict.cause && ctx->reply.verdict.status) {
            p = ngx_slprintf(p, cause + sizeof(cause), " (status %ui)",
                             ctx->reply.verdict.status);
        }
    }

    if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_UNREADABLE) {
        p = ngx_slprintf(p, cause + sizeof(cause), ", the token may not read "
                         "itself: give it the Access Management module, or "
                         "ask with \"credential=service\"");
    }

    if (ctx->used && ctx->reply.verdict.trace_id.len) {
        p = ngx_slprintf(p, cause + sizeof(cause), ", traceId: \"%V\"",
                         &ctx->reply.verdict.trace_id);
    }

    ngx_log_error(level, r->connection->log, 0,
                  "API token refused%s: %V, id: \"%V\", account: \"%V\", "
                  "location: \"%V\"%*s",
                  ctx->dry_run ? ", dry run" : "", name, id, account,
                  &clcf->name, (size_t) (p - cause), cause);
}


/* an outage does not flood the log, and "busy" does not hide its cause */

static ngx_uint_t
ngx_http_auth_api_token_log_level(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_uint_t                           level;
    ngx_atomic_t                        *last;
    ngx_atomic_uint_t                    now;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_atomic_t                  logged[2];

    level = ngx_http_auth_api_token_refusals[ctx->reason].level;

    if (level != NGX_LOG_ERR) {
        return level;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    last = alcf->cache
           ? ngx_http_auth_api_token_store_logged(alcf->cache->zone->store)
           : logged;

    last += (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_BUSY);

    now = (ngx_atomic_uint_t) ngx_time();

    if (*last == now || !ngx_atomic_cmp_set(last, *last, now)) {
        return NGX_LOG_INFO;
    }

    return level;
}


ngx_int_t
ngx_http_auth_api_token_set_problem(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_str_t                           *detail;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (ctx) {
        ctx->problem = NULL;
    }

    if (r != r->main || !alcf->problem || r->err_status == 0) {
        return NGX_OK;
    }

    /* another module may refuse first, or let in what this one refuses */

    if (ctx
        && ctx->reason != NGX_HTTP_AUTH_API_TOKEN_UNDECIDED
        && ctx->status == r->err_status
        && r->phase_handler < ctx->next)
    {
        detail = &ngx_http_auth_api_token_refusals[ctx->reason].detail;

    } else {
        detail = ngx_http_auth_api_token_content_error(alcf->content,
                                                       r->err_status);
        if (detail == NULL) {
            return NGX_OK;
        }

        ctx = ngx_http_auth_api_token_make_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_http_auth_api_token_problem(r, r->err_status, detail,
                                           &ctx->problem);
}


static ngx_str_t *
ngx_http_auth_api_token_content_error(
    ngx_http_auth_api_token_content_t *content, ngx_uint_t status)
{
    ngx_http_auth_api_token_error_t  *error;

    if (content == NULL || content->errors == NULL) {
        return NULL;
    }

    for (error = content->errors; error->status; error++) {
        if (error->status == status) {
            return &error->detail;
        }
    }

    return NULL;
}


ngx_str_t *
ngx_http_auth_api_token_reason_name(ngx_http_auth_api_token_reason_e reason)
{
    return &ngx_http_auth_api_token_refusals[reason].name;
}
