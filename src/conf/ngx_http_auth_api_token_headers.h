
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_HEADERS_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_HEADERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The headers of a request or of a response: "headers_in.headers" and
 * "headers_out.headers".
 */


/*
 * Returns the next header with the name after "last", or the first one if
 * "last" is NULL.  Returns NULL if there is none.
 */

ngx_table_elt_t *ngx_http_auth_api_token_next_header(ngx_list_t *headers,
    ngx_str_t *name, ngx_table_elt_t *last);

#define ngx_http_auth_api_token_find_header(headers, name)                    \
    ngx_http_auth_api_token_next_header(headers, name, NULL)


/*
 * Returns the value of the "traceparent" header of a request if it is valid, or
 * NULL.
 */

ngx_str_t *ngx_http_auth_api_token_find_traceparent(ngx_http_request_t *r);


/*
 * Adds a header, whose value the caller sets; the name is static.  In
 * a request, the caller also sets lowcase_key and hash.  Returns NULL if there
 * is no memory.
 */

ngx_table_elt_t *ngx_http_auth_api_token_push_header(ngx_list_t *headers,
    char *name);


/*
 * Adds a header to a response; the name is static, and the value's bytes have
 * to last as long as the request.  Returns NGX_OK, or NGX_ERROR if there is no
 * memory.
 */

ngx_int_t ngx_http_auth_api_token_add_header_out(ngx_http_request_t *r,
    char *name, ngx_str_t *value);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_HEADERS_H_INCLUDED_ */
