
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_bearer.h"


#define ngx_http_auth_api_token_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')
#define ngx_http_auth_api_token_is_upper(ch)  ((ch) >= 'A' && (ch) <= 'Z')


static size_t ngx_http_auth_api_token_scheme(ngx_str_t *value);
static ngx_inline ngx_uint_t ngx_http_auth_api_token_is_bearer(
    ngx_str_t *value);
static ngx_int_t ngx_http_auth_api_token_check_token68(ngx_str_t *token);


/* tchar, RFC 9110, section 5.6.2 */

static u_char  ngx_http_auth_api_token_tchar[256] =
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0!\0#$%&'\0\0*+\0-.\0" "0123456789\0\0\0\0\0\0"
    "\0ABCDEFGHIJKLMNOPQRSTUVWXYZ\0\0\0^_"
    "`abcdefghijklmnopqrstuvwxyz\0|\0~\0";


/*
 * 1 for token68, RFC 9110, section 11.2, without its "=", and for ":"; lines
 * begin with 0, " ", "0", "@", "P", "`" and "p"
 */

static u_char  ngx_http_auth_api_token_token68[256] =
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\1\0\1\1\1"
    "\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\0"
    "\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
    "\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\1"
    "\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
    "\1\1\1\1\1\1\1\1\1\1\1\0\0\0\1\0";


ngx_int_t
ngx_http_auth_api_token_parse_header(ngx_str_t *value, ngx_str_t *token)
{
    u_char  *p, *last;
    size_t   len;

    if (!ngx_http_auth_api_token_is_bearer(value)) {

        len = ngx_http_auth_api_token_scheme(value);

        if (len == 0 || (len < value->len && value->data[len] != ' ')) {
            return NGX_ERROR;
        }

        return NGX_DECLINED;
    }

    p = value->data + sizeof("Bearer") - 1;
    last = value->data + value->len;

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
    if (value->len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_strlchr(value->data, value->data + value->len, ' ')
        || ngx_http_auth_api_token_is_bearer(value))
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
    ngx_uint_t   n;

    if (token->len < sizeof("idt:TKN-1234-5678:s") - 1) {
        return NGX_DECLINED;
    }

    p = token->data;
    last = p + token->len;

    if (p[0] != 'i' || p[1] != 'd' || p[2] != 't' || p[3] != ':') {
        return NGX_DECLINED;
    }

    p += 4;

    if (!ngx_http_auth_api_token_is_upper(p[0])
        || !ngx_http_auth_api_token_is_upper(p[1])
        || !ngx_http_auth_api_token_is_upper(p[2])
        || (p[0] == 'E' && p[1] == 'X' && p[2] == 'T'))
    {
        return NGX_DECLINED;
    }

    id->data = p;
    p += 3;

    for (n = 0; last - p >= 5; n++) {

        if (p[0] != '-'
            || !ngx_http_auth_api_token_is_digit(p[1])
            || !ngx_http_auth_api_token_is_digit(p[2])
            || !ngx_http_auth_api_token_is_digit(p[3])
            || !ngx_http_auth_api_token_is_digit(p[4]))
        {
            break;
        }

        p += 5;
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
    u_char  *p, *last;

    p = value->data;
    last = p + value->len;

    while (p < last && ngx_http_auth_api_token_tchar[*p]) {
        p++;
    }

    return p - value->data;
}


static ngx_inline ngx_uint_t
ngx_http_auth_api_token_is_bearer(ngx_str_t *value)
{
    u_char  *p;

    p = value->data;

    return value->len >= 6
           && (p[0] | 0x20) == 'b'
           && (p[1] | 0x20) == 'e'
           && (p[2] | 0x20) == 'a'
           && (p[3] | 0x20) == 'r'
           && (p[4] | 0x20) == 'e'
           && (p[5] | 0x20) == 'r'
           && (value->len == 6 || p[6] == ' ');
}


static ngx_int_t
ngx_http_auth_api_token_check_token68(ngx_str_t *token)
{
    u_char  *p, *last;

    p = token->data;
    last = p + token->len;

    /* others, such as a JWT, are not looked up and may have any length */

    if (token->len > NGX_HTTP_AUTH_API_TOKEN_MAX_TOKEN_LEN
        && p[0] == 'i' && p[1] == 'd' && p[2] == 't' && p[3] == ':')
    {
        return NGX_ERROR;
    }

    while (last - p >= 8
           && (ngx_http_auth_api_token_token68[p[0]]
               & ngx_http_auth_api_token_token68[p[1]]
               & ngx_http_auth_api_token_token68[p[2]]
               & ngx_http_auth_api_token_token68[p[3]]
               & ngx_http_auth_api_token_token68[p[4]]
               & ngx_http_auth_api_token_token68[p[5]]
               & ngx_http_auth_api_token_token68[p[6]]
               & ngx_http_auth_api_token_token68[p[7]]))
    {
        p += 8;
    }

    while (p < last && ngx_http_auth_api_token_token68[*p]) {
        p++;
    }

    if (p == token->data) {
        return NGX_ERROR;
    }

    while (p < last && *p == '=') {
        p++;
    }

    return (p == last) ? NGX_OK : NGX_ERROR;
}
