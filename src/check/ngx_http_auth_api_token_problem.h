
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_PROBLEM_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_PROBLEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Turns the header of r into that of a problem (RFC 9457), and sets *out to its
 * body, from the pool of r.  "detail" is a JSON string without its quotes.
 * Does nothing for a status that is not in the table of problems.
 *
 * Returns NGX_OK, or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_problem(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *detail, ngx_chain_t **out);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_PROBLEM_H_INCLUDED_ */
