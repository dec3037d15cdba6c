
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_RESPONSE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_RESPONSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_verdict.h"


/*
 * What came of a lookup's subrequest.  "status" is that of the API, or of
 * nginx ("local") if the API gave none, or 0.
 */

typedef struct {
    ngx_uint_t            status;
    off_t                 content_length;     /* or -1 */
    time_t                retry_after;        /* seconds, or 0 */

    ngx_str_t             body;               /* of a status 200 */
    size_t                size;               /* of its buffer */

    unsigned              local:1;
    unsigned              reached:1;          /* so far as that goes */
    unsigned              cached:1;           /* by nginx */
    unsigned              encoded:1;          /* Content-Encoding */
    unsigned              oversize:1;
    unsigned              complete:1;         /* the last buffer was seen */
} ngx_http_auth_api_token_response_t;


/*
 * What the filters do with the header and the body of a subrequest r: keep
 * what the verdict needs, up to 64 KiB of a body in the pool of the connection,
 * and let nothing through.
 *
 * Both return NGX_OK, or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_response_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response);
ngx_int_t ngx_http_auth_api_token_response_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_chain_t *in);


/*
 * Classifies a response by its status and, if that is 200, its body.  "id" is
 * the one the token claims, or empty; "token" is NULL, or the presented one if
 * the API was asked with a service credential.  The strings of the facts are
 * allocated from the pool.  The verdict has to be zeroed before.
 */

void ngx_http_auth_api_token_response_verdict(
    ngx_http_auth_api_token_response_t *response, ngx_pool_t *pool,
    ngx_str_t *id, ngx_str_t *token,
    ngx_http_auth_api_token_verdict_t *verdict);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RESPONSE_H_INCLUDED_ */
