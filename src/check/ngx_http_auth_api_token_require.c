
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_require.h"
#include "ngx_http_auth_api_token_syntax.h"


static ngx_int_t ngx_http_auth_api_token_has(ngx_str_t list, ngx_str_t *value);
static ngx_int_t ngx_http_auth_api_token_same(ngx_str_t *fact,
    ngx_str_t *value);


ngx_int_t
ngx_http_auth_api_token_meets_account(ngx_http_auth_api_token_facts_t *facts,
    ngx_str_t *value)
{
    return ngx_http_auth_api_token_same(&facts->account_id, value);
}


ngx_int_t
ngx_http_auth_api_token_meets_account_type(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value)
{
    return ngx_http_auth_api_token_same(&facts->account_type, value);
}


ngx_int_t
ngx_http_auth_api_token_meets_module(ngx_http_auth_api_token_facts_t *facts,
    ngx_str_t *value)
{
    if (value->len >= 4 && ngx_strncmp(value->data, "MOD-", 4) == 0) {
        return ngx_http_auth_api_token_has(facts->modules, value);
    }

    return ngx_http_auth_api_token_has(facts->codes, value);
}


ngx_int_t
ngx_http_auth_api_token_meets_extension(ngx_http_auth_api_token_facts_t *facts,
    ngx_str_t *value)
{
    /* the value of a variable may be "*" or "?", which are not ids */

    if (ngx_http_auth_api_token_valid_extension(value) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (facts->extensions.len
        && facts->extensions.data[0]
           == NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL[0])
    {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_has(facts->extensions, value);
}


ngx_int_t
ngx_http_auth_api_token_meets_require(ngx_http_auth_api_token_facts_t *facts,
    ngx_str_t *value)
{
    if (value->len == 0 || (value->len == 1 && value->data[0] == '0')) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_has(ngx_str_t list, ngx_str_t *value)
{
    ngx_str_t  item;

    while (ngx_http_auth_api_token_next_item(&list, &item) == NGX_OK) {
        if (ngx_http_auth_api_token_same(&item, value) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_auth_api_token_same(ngx_str_t *fact, ngx_str_t *value)
{
    if (value->len == 0
        || value->len != fact->len
        || ngx_memcmp(value->data, fact->data, value->len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
