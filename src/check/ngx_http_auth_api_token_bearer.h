
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_BEARER_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_BEARER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the longest token that is looked up */

#define NGX_HTTP_AUTH_API_TOKEN_MAX_TOKEN_LEN  1024


/*
 * Finds the token in the value of an Authorization header: a "Bearer" scheme
 * in any case, spaces, a token68 that may hold ":", and nothing after it
 * (RFC 9110, section 11.4; RFC 6750, section 2.1).  The token points into
 * the value.
 *
 * Returns NGX_OK; NGX_DECLINED if the scheme is another one; NGX_ERROR if the
 * value is empty or malformed or its token is one of "idt:" that is longer than
 * 1024 bytes.
 */

ngx_int_t ngx_http_auth_api_token_parse_header(ngx_str_t *value,
    ngx_str_t *token);


/*
 * The same for a value from elsewhere, in which "Bearer " may be left out.
 * Returns NGX_DECLINED if the value is empty or has another scheme.
 */

ngx_int_t ngx_http_auth_api_token_parse_value(ngx_str_t *value,
    ngx_str_t *token);


/*
 * Finds the public id in a token of the form "idt:ID:SECRET", where ID is
 * three capital letters and two to four groups of "-" and four digits, and so
 * may stand in a URL as it is.  The id points into the token.
 *
 * Returns NGX_OK, or NGX_DECLINED if the token has another form or belongs to
 * an extension ("EXT-...").
 */

ngx_int_t ngx_http_auth_api_token_parse_id(ngx_str_t *token, ngx_str_t *id);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_BEARER_H_INCLUDED_ */
