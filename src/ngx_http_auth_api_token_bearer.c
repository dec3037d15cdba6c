
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_bearer.h"


#define ngx_http_auth_api_token_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')
#define ngx_http_auth_api_token_is_upper(ch)  ((ch) >= 'A' && (ch) <= 'Z')
#define ngx_http_auth_api_token_is_alpha(ch)                                 \
    (((ch) | 0x20) >= 'a' && ((ch) | 0x20) <= 'z')


static size_t ngx_http_auth_api_token_scheme(ngx_str_t *value);
static ngx_int_t ngx_http_auth_api_token_check_token68(ngx_str_t *token);


ngx_int_t
ngx_http_auth_api_token_parse_header(ngx_str_t *value, ngx_str_t *token)
{
    u_char  *p, *last;
    size_t   len;

    len = ngx_http_auth_api_token_scheme(value);

    p = value->data + len;
    last = value->data + value->len;

    if (len == 0 || (p < last && *p != ' ')) {
        return NGX_ERROR;
    }

    if (len != sizeof("Bearer") - 1
        || ngx_strncasecmp(value->data, (u_char *) "Bearer", len) != 0)
    {
        return NGX_DECLINED;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    token->data = p;
    token->len = last - p;

    return ngx_http_auth_api_token_check_token68(token);
}


ngx_int_t
ngx_http_auth_api_token_parse_value(ngx_str_t *value, ngx_str_t *token)
{
    u_char  *last;
    size_t   len;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    last = value->data + value->len;
    len = sizeof("Bearer") - 1;

    if (ngx_strlchr(value->data, last, ' ')
        || (value->len == len
            && ngx_strncasecmp(value->data, (u_char *) "Bearer", len) == 0))
    {
        return ngx_http_auth_api_token_parse_header(value, token);
    }

    *token = *value;

    return ngx_http_auth_api_token_check_token68(token);
}


ngx_int_t
ngx_http_auth_api_token_parse_id(ngx_str_t *token, ngx_str_t *id)
{
    u_char      *p, *last;
    ngx_uint_t   i, n;

    if (token->len < sizeof("idt:TKN-1234-5678:s") - 1
        || ngx_strncmp(token->data, "idt:", 4) != 0)
    {
        return NGX_DECLINED;
    }

    p = token->data + 4;
    last = token->data + token->len;

    id->data = p;

    if (ngx_strncmp(p, "EXT", 3) == 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < 3; i++) {
        if (!ngx_http_auth_api_token_is_upper(*p)) {
            return NGX_DECLINED;
        }

        p++;
    }

    for (n = 0; last - p >= 5 && *p == '-'; n++) {
        p++;

        for (i = 0; i < 4; i++) {
            if (!ngx_http_auth_api_token_is_digit(*p)) {
                return NGX_DECLINED;
            }

            p++;
        }
    }

    id->len = p - id->data;

    if (n < 2 || n > 4 || last - p < 2 || *p != ':') {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* auth-scheme = token, RFC 9110, sections 5.6.2 and 11.1 */

static size_t
ngx_http_auth_api_token_scheme(ngx_str_t *value)
{
    u_char  ch;
    size_t  n;

    for (n = 0; n < value->len; n++) {
        ch = value->data[n];

        if (ngx_http_auth_api_token_is_alpha(ch)
            || ngx_http_auth_api_token_is_digit(ch))
        {
            continue;
        }

        if (ch == '\0' || ngx_strchr("!#$%&'*+-.^_`|~", ch) == NULL) {
            break;
        }
    }

    return n;
}


static ngx_int_t
ngx_http_auth_api_token_check_token68(ngx_str_t *token)
{
    u_char  ch;
    size_t  n, len;

    len = token->len;

    if (len > NGX_HTTP_AUTH_API_TOKEN_MAX_LEN) {
        return NGX_ERROR;
    }

    while (len && token->data[len - 1] == '=') {
        len--;
    }

    if (len == 0) {
        return NGX_ERROR;
    }

    for (n = 0; n < len; n++) {
        ch = token->data[n];

        if (ngx_http_auth_api_token_is_alpha(ch)
            || ngx_http_auth_api_token_is_digit(ch))
        {
            continue;
        }

        if (ch == '\0' || ngx_strchr("-._~+/:", ch) == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
