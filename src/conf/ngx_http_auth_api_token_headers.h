
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
 * Returns the first header of a name after "last", or the first of all if that
 * is NULL; or NULL if there is none.
 */

ngx_table_elt_t *ngx_http_auth_api_token_next_header(ngx_list_t *headers,
    ngx_str_t *name, ngx_table_elt_t *last);

#define ngx_http_auth_api_token_find_header(headers, name)                    \
    ngx_http_auth_api_token_next_header(headers, name, NULL)


/*
 * Returns the traceparent of a request, if it is valid; or NULL.
 */

ngx_str_t *ngx_http_auth_api_token_find_traceparent(ngx_http_request_t *r);


/*
 * Adds a header without a value; the name is static.  One of a request wants
 * a lowcase_key and its hash besides.  Returns NULL if there is no memory.
 */

ngx_table_elt_t *ngx_http_auth_api_token_push_header(ngx_list_t *headers,
    char *name);


/*
 * Adds a header to a response; name and value have to last as long as it.
 * Returns NGX_OK, or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_add_header_out(ngx_http_request_t *r,
    char *name, ngx_str_t *value);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_HEADERS_H_INCLUDED_ */
