
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The forms of values, of the configuration, of the API and of clients.
 */


/*
 * Whether a value may stand in a requirement of the configuration: an account
 * id ("ACC-" and groups of four digits), an account type (Client,
 * Vendor, Operations), a module id ("MOD-" and groups of four digits), a module
 * code (lower-case letters, digits and "-") or an extension id ("EXT-" and
 * groups of four digits).
 *
 * All return NGX_OK or NGX_DECLINED.
 */

typedef ngx_int_t (*ngx_http_auth_api_token_valid_pt)(ngx_str_t *value);

ngx_int_t ngx_http_auth_api_token_valid_account(ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_valid_account_type(ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_valid_module(ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_valid_extension(ngx_str_t *value);


/*
 * Takes the first item, be it empty, off a comma-separated list.  Returns
 * NGX_OK, or NGX_DECLINED if nothing is left.
 */

ngx_int_t ngx_http_auth_api_token_next_item(ngx_str_t *list, ngx_str_t *item);


/*
 * Whether a value is a label: up to 64 letters, digits, ".", "_" and "-".
 * Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_valid_label(ngx_str_t *label);


/*
 * Whether a value is a variable, "$name" or "${name}", and nothing beside it.
 * Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_valid_variable(ngx_str_t *value);


/*
 * Whether a value is an id of any kind: a label with a "-" between other
 * bytes, as in "TKN-1234-5678"; and whether it is that of an account,
 * "ACC-...".
 */

ngx_uint_t ngx_http_auth_api_token_is_id(ngx_str_t *value);
ngx_uint_t ngx_http_auth_api_token_is_account(ngx_str_t *value);


/*
 * Whether a value is a traceparent of version "00" (W3C Trace Context, section
 * 3.2.2), and so may stand in a log line or in JSON as it is.  The platform has
 * such values as the "traceId" of its problems.
 *
 * Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_valid_traceparent(ngx_str_t *value);


/*
 * Percent-encodes control bytes, non-ASCII bytes, "%" and the special bytes, so
 * that what others send can stand in a header and in a list.  Writes up to
 * three bytes for each, and returns how many.
 */

size_t ngx_http_auth_api_token_encode(u_char *dst, ngx_str_t *src,
    const char *special);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_ */
