
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_bearer.h"
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_ctx.h"


static void ngx_http_auth_api_token_set_variable(ngx_http_variable_value_t *v,
    ngx_str_t *value);


ngx_int_t
ngx_http_auth_api_token_claimed_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                       token, id, *claimed;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    /* a context that is only for a problem body has read no credential */

    if (ctx && (ctx->reason || ctx->token.len)) {
        claimed = &ctx->id;

    } else {
        claimed = ngx_http_auth_api_token_lookup_id(r);
    }

    if (claimed) {
        ngx_http_auth_api_token_set_variable(v, claimed);
        return NGX_OK;
    }

    /* before the access phase, or where nothing is checked */

    r = r->main;

    if (r->headers_in.authorization
        && ngx_http_auth_api_token_parse_header(
                             &r->headers_in.authorization->value, &token)
           == NGX_OK
        && ngx_http_auth_api_token_parse_id(&token, &id) == NGX_OK)
    {
        ngx_http_auth_api_token_set_variable(v, &id);
        return NGX_OK;
    }

    ngx_http_auth_api_token_set_variable(v, NULL);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_traceparent_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_auth_api_token_set_variable(v,
                               ngx_http_auth_api_token_lookup_traceparent(r));

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_fact_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                        *value;
    ngx_http_auth_api_token_facts_t  *facts;

    facts = ngx_http_auth_api_token_get_facts(r);
    value = facts ? ngx_http_auth_api_token_get_fact(facts, data) : NULL;

    ngx_http_auth_api_token_set_variable(v, value);

    return NGX_OK;
}


ngx_str_t *
ngx_http_auth_api_token_get_fact(ngx_http_auth_api_token_facts_t *facts,
    uintptr_t data)
{
    ngx_str_t  *value;

    static ngx_str_t  all =
                          ngx_string(NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL);
    static ngx_str_t  none = ngx_null_string;

    value = (ngx_str_t *) ((char *) facts + data);

    if (value == &facts->extensions && value->len) {

        if (value->data[0] == NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL[0]) {
            return &all;
        }

        if (value->data[0] == NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_OMITTED[0]) {
            return &none;
        }
    }

    return value;
}


/* has a value only if the API itself said whose token it is */

ngx_int_t
ngx_http_auth_api_token_known_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                      *value;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    value = NULL;

    if (ctx && ctx->used) {

        switch (ctx->reply.verdict.reason) {

        case NGX_HTTP_AUTH_API_TOKEN_PASS:
        case NGX_HTTP_AUTH_API_TOKEN_DISABLED:
        case NGX_HTTP_AUTH_API_TOKEN_DELETED:
        case NGX_HTTP_AUTH_API_TOKEN_INACTIVE:
        case NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_DISABLED:
            value = ngx_http_auth_api_token_get_fact(&ctx->reply.verdict.facts,
                                                     data);
            break;

        default:
            break;
        }
    }

    ngx_http_auth_api_token_set_variable(v, value);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                         *p;
    ngx_str_t                      *name, value;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    if (ctx == NULL) {
        ngx_http_auth_api_token_set_variable(v, NULL);
        return NGX_OK;
    }

    name = ngx_http_auth_api_token_reason_name(ctx->reason);

    if (!ctx->dry_run || ctx->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        ngx_http_auth_api_token_set_variable(v, name);
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, name->len + sizeof("_dry_run") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%V_dry_run", name) - p;

    ngx_http_auth_api_token_set_variable(v, &value);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_cache_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                      status;
    ngx_http_auth_api_token_ctx_t  *ctx;

    /* in the order of ngx_http_auth_api_token_cache_status_e */

    static ngx_str_t  names[] = {
        ngx_string("-"),
        ngx_string("HIT"),
        ngx_string("MISS"),
        ngx_string("WAIT"),
        ngx_string("STALE"),
        ngx_string("BYPASS")
    };

    ctx = ngx_http_auth_api_token_get_ctx(r);

    status = (ctx && ctx->used) ? ctx->cache_status
                                : NGX_HTTP_AUTH_API_TOKEN_CACHE_NONE;

    ngx_http_auth_api_token_set_variable(v, &names[status]);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                         *p;
    ngx_str_t                       value;
    ngx_msec_int_t                  age;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    if (ctx == NULL
        || !ctx->used
        || ctx->reply.verdict.reason >= NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE)
    {
        ngx_http_auth_api_token_set_variable(v, NULL);
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    age = (ngx_msec_int_t) (ngx_current_msec - ctx->reply.verdict.asked);

    value.data = p;
    value.len = ngx_sprintf(p, "%M", (ngx_msec_t) ngx_max(age, 0) / 1000) - p;

    ngx_http_auth_api_token_set_variable(v, &value);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_fingerprint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                          key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_str_t                       value;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_auth_api_token_get_ctx(r);

    if (ctx == NULL || ctx->token.len == 0) {
        ngx_http_auth_api_token_set_variable(v, NULL);
        return NGX_OK;
    }

    if (ctx->store) {
        ngx_memcpy(key, ctx->key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    } else if (ngx_http_auth_api_token_digest(ctx->prefix, &ctx->token, key)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    value.data = ngx_pnalloc(r->pool, 16);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_hex_dump(value.data, key, 8) - value.data;

    ngx_http_auth_api_token_set_variable(v, &value);

    return NGX_OK;
}


/* an empty value counts as not found, which logs show as "-" */

static void
ngx_http_auth_api_token_set_variable(ngx_http_variable_value_t *v,
    ngx_str_t *value)
{
    if (value == NULL || value->len == 0) {
        v->valid = 0;
        v->not_found = 1;
        return;
    }

    v->valid = 1;
    v->not_found = 0;
    v->len = value->len;
    v->data = value->data;
}
