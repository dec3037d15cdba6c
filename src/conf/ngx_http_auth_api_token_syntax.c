
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_syntax.h"


static ngx_int_t ngx_http_auth_api_token_valid_id(ngx_str_t *value,
    const char *prefix);


ngx_int_t
ngx_http_auth_api_token_valid_account(ngx_str_t *value)
{
    return ngx_http_auth_api_token_valid_id(value, "ACC");
}


ngx_int_t
ngx_http_auth_api_token_valid_account_type(ngx_str_t *value)
{
    ngx_uint_t        i;
    static ngx_str_t  types[] = {
        ngx_string("Client"),
        ngx_string("Vendor"),
        ngx_string("Operations")
    };

    for (i = 0; i < sizeof(types) / sizeof(ngx_str_t); i++) {
        if (value->len == types[i].len
            && ngx_strncmp(value->data, types[i].data, value->len) == 0)
        {
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
ngx_http_auth_api_token_valid_extension(ngx_str_t *value)
{
    return ngx_http_auth_api_token_valid_id(value, "EXT");
}


ngx_int_t
ngx_http_auth_api_token_next_item(ngx_str_t *list, ngx_str_t *item)
{
    u_char  *p, *last;

    if (list->len == 0) {
        return NGX_DECLINED;
    }

    last = list->data + list->len;

    p = ngx_strlchr(list->data, last, ',');
    if (p == NULL) {
        p = last;
    }

    item->data = list->data;
    item->len = p - item->data;

    if (p < last) {
        p++;
    }

    list->data = p;
    list->len = last - p;

    return NGX_OK;
}


/* ids have one or two groups of digits today; up to four are taken */

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


ngx_int_t
ngx_http_auth_api_token_valid_variable(ngx_str_t *value)
{
    u_char  *p, *last;

    p = value->data;
    last = p + value->len;

    if (value->len < 2 || *p++ != '$') {
        return NGX_DECLINED;
    }

    if (*p == '{' && last[-1] == '}') {
        p++;
        last--;
    }

    if (p == last) {
        return NGX_DECLINED;
    }

    for ( /* void */ ; p < last; p++) {
        if ((*p >= 'a' && *p <= 'z')
            || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9')
            || *p == '_')
        {
            continue;
        }

        return NGX_DECLINED;
    }

    return NGX_OK;
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


ngx_int_t
ngx_http_auth_api_token_valid_traceparent(ngx_str_t *value)
{
    size_t         i;
    u_char         ch;
    static u_char  form[] =
                     "00-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff";
    ngx_uint_t     trace, parent;

    if (value->len != sizeof(form) - 1) {
        return NGX_DECLINED;
    }

    trace = 0;
    parent = 0;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (form[i] == '0' || form[i] == '-') {
            if (ch != form[i]) {
                return NGX_DECLINED;
            }

            continue;
        }

        if ((ch < '0' || ch > '9') && (ch < 'a' || ch > 'f')) {
            return NGX_DECLINED;
        }

        if (ch != '0') {
            trace |= (form[i] == 't');
            parent |= (form[i] == 'p');
        }
    }

    return (trace && parent) ? NGX_OK : NGX_DECLINED;
}


size_t
ngx_http_auth_api_token_encode(u_char *dst, ngx_str_t *src,
    const char *special)
{
    u_char         ch, *p;
    size_t         i;
    const char    *s;
    static u_char  hex[] = "0123456789ABCDEF";

    p = dst;

    for (i = 0; i < src->len; i++) {
        ch = src->data[i];

        for (s = special; *s && (u_char) *s != ch; s++) { /* void */ }

        if (*s || ch < 0x20 || ch > 0x7e || ch == '%') {
            *p++ = '%';
            *p++ = hex[ch >> 4];
            *p++ = hex[ch & 0xf];

        } else {
            *p++ = ch;
        }
    }

    return p - dst;
}
