
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_require.h"


static ngx_int_t ngx_http_auth_api_token_valid_id(ngx_str_t *value,
    const char *prefix);
static ngx_int_t ngx_http_auth_api_token_same(ngx_str_t *fact,
    ngx_str_t *value);


ngx_int_t
ngx_http_auth_api_token_valid_account(ngx_str_t *value)
{
    return ngx_http_auth_api_token_valid_id(value, "ACC");
}


ngx_int_t
ngx_http_auth_api_token_valid_account_type(ngx_str_t *value)
{
    ngx_uint_t         i;
    static ngx_str_t  types[] = {
        ngx_string("Client"),
        ngx_string("Vendor"),
        ngx_string("Operations")
    };

    for (i = 0; i < sizeof(types) / sizeof(ngx_str_t); i++) {
        if (ngx_http_auth_api_token_same(&types[i], value) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_auth_api_token_valid_module(ngx_str_t *value)
{
    u_char  ch;
    size_t  n;

    if (ngx_http_auth_api_token_valid_id(value, "MOD") == NGX_OK) {
        return NGX_OK;
    }

    for (n = 0; n < value->len; n++) {
        ch = value->data[n];

        if ((ch >= 'a' && ch <= 'z')
            || (ch >= '0' && ch <= '9')
            || (ch == '-' && n > 0))
        {
            continue;
        }

        return NGX_DECLINED;
    }

    return value->len ? NGX_OK : NGX_DECLINED;
}


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


/* all ids seen have one or two groups of digits; let there be more */

static ngx_int_t
ngx_http_auth_api_token_valid_id(ngx_str_t *value, const char *prefix)
{
    u_char  *p;
    size_t   n;

    if (value->len < 8
        || value->len > 23
        || (value->len - 3) % 5 != 0
        || ngx_strncmp(value->data, prefix, 3) != 0)
    {
        return NGX_DECLINED;
    }

    p = value->data + 3;

    for (n = 0; n < value->len - 3; n++) {
        if (n % 5 == 0 ? p[n] != '-' : (p[n] < '0' || p[n] > '9')) {
            return NGX_DECLINED;
        }
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


ngx_int_t
ngx_http_auth_api_token_valid_label(ngx_str_t *label)
{
    u_char  ch;
    size_t  n;

    for (n = 0; n < label->len; n++) {
        ch = label->data[n];

        if ((ch >= 'a' && ch <= 'z')
            || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || ch == '.' || ch == '_' || ch == '-')
        {
            continue;
        }

        return NGX_DECLINED;
    }

    return (label->len && label->len <= 64) ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_http_auth_api_token_is_id(ngx_str_t *value)
{
    return value->len > 2
           && ngx_http_auth_api_token_valid_label(value) == NGX_OK
           && ngx_strlchr(value->data + 1, value->data + value->len - 1, '-');
}


ngx_uint_t
ngx_http_auth_api_token_is_account(ngx_str_t *value)
{
    return value->len > 4
           && ngx_strncmp(value->data, "ACC-", 4) == 0
           && ngx_http_auth_api_token_is_id(value);
}
