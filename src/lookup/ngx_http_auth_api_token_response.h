
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
 * nginx ("local") if the API gave none, or 0 so long as there is none.
 */

typedef struct {
    ngx_uint_t            status;
    off_t                 content_length;     /* or -1 */
    time_t                retry_after;        /* seconds, or 0 */
    time_t                age;                /* the same; -1: not a number */

    ngx_str_t             body;
    size_t                size;               /* of its buffer */

    unsigned              local:1;
    unsigned              reached:1;          /* the API was, see below */
    unsigned              cached:1;           /* by nginx */
    unsigned              encoded:1;          /* Content-Encoding */
    unsigned              oversize:1;
    unsigned              complete:1;         /* the last buffer was seen */
    unsigned              timedout:1;
} ngx_http_auth_api_token_response_t;


/*
 * What the filters do with the header and the body of a subrequest r: keep
 * what the verdict needs, up to 64 KiB of a body in the pool of the connection,
 * and let nothing through.
 *
 * The second returns NGX_OK, or NGX_ERROR if there is no memory.
 */

void ngx_http_auth_api_token_response_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response);
ngx_int_t ngx_http_auth_api_token_response_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_chain_t *in);


/*
 * What is known of a subrequest that nginx ended with rc, an error or the
 * status of a page that it would send.
 */

void ngx_http_auth_api_token_response_failed(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_int_t rc);


/*
 * Whether a subrequest that failed, or takes long, got as far as the API, or
 * its name or network, and was not held up by a limit of nginx, which clients
 * may use up: limit_req, limit_conn, max_conns.  Where max_conns is set, nginx
 * does not tell whether the last server was full or down: it counts as full.
 */

ngx_uint_t ngx_http_auth_api_token_reached(ngx_http_request_t *r);


/*
 * Classifies a response by its status and, if that is 200, its body.  What is
 * there by now is judged: a status other than 200 needs no whole body.  "id" is
 * the one the token claims, or empty; "token" is NULL, or the presented one if
 * the API was asked with a service credential.  The strings of the verdict are
 * allocated from the pool.  The verdict has to be zeroed before.
 */

void ngx_http_auth_api_token_response_verdict(
    ngx_http_auth_api_token_response_t *response, ngx_pool_t *pool,
    ngx_str_t *id, ngx_str_t *token,
    ngx_http_auth_api_token_verdict_t *verdict);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RESPONSE_H_INCLUDED_ */
