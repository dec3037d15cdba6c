
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_require.h"


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
    u_char     *p, *last;
    ngx_str_t   item, *list;

    if (value->len >= 4 && ngx_strncmp(value->data, "MOD-", 4) == 0) {
        list = &facts->modules;

    } else {
        list = &facts->codes;
    }

    p = list->data;
    last = p + list->len;

    while (p < last) {
        item.data = p;

        p = ngx_strlchr(p, last, ',');
        if (p == NULL) {
            p = last;
        }

        item.len = p++ - item.data;

        if (ngx_http_auth_api_token_same(&item, value) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
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
