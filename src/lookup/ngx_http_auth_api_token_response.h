
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
 * The response of a lookup's subrequest.  "status" is that of the API; or one
 * of nginx itself ("local") if the API gave none; or 0 until there is one.
 */

typedef struct {
    ngx_uint_t            status;
    off_t                 content_length;     /* or -1 */
    time_t                retry_after;        /* seconds, or 0 */
    time_t                age;                /* seconds; -1: not a number */

    ngx_str_t             body;
    size_t                size;               /* of its buffer */

    unsigned              local:1;
    unsigned              reached:1;          /* the API, see below */
    unsigned              cached:1;           /* by nginx */
    unsigned              encoded:1;          /* Content-Encoding */
    unsigned              oversize:1;
    unsigned              complete:1;         /* the last buffer was seen */
    unsigned              timedout:1;
} ngx_http_auth_api_token_response_t;


/*
 * Take what the verdict needs from the header and the body of a subrequest r,
 * up to 64 KiB of a body, which is kept in the pool of the connection.
 *
 * The second returns NGX_OK, or NGX_ERROR if there is no memory.
 */

void ngx_http_auth_api_token_response_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response);
ngx_int_t ngx_http_auth_api_token_response_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_chain_t *in);


/*
 * Notes that nginx ended a subrequest with rc: an error, or the status of
 * a page that it would send.
 */

void ngx_http_auth_api_token_response_failed(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_int_t rc);


/*
 * Returns whether a subrequest that failed, or takes long, has come so far that
 * this is due to the API, its name or the network, and not to a limit of nginx
 * that clients may use up: limit_req, limit_conn, max_conns.  Where max_conns
 * is set, nginx does not tell whether the last server was full or down: it
 * counts as full.
 */

ngx_uint_t ngx_http_auth_api_token_reached(ngx_http_request_t *r);


/*
 * Makes a verdict of what has come of a response: of its status and, if that is
 * 200, its body.  Other statuses do not need a complete body.  "id" is the one
 * that the token claims, or empty; "token" is NULL, or the presented token if
 * the API was asked with a service credential.  The strings of the verdict are
 * allocated from the pool.  The caller has zeroed the verdict.
 */

void ngx_http_auth_api_token_response_verdict(
    ngx_http_auth_api_token_response_t *response, ngx_pool_t *pool,
    ngx_str_t *id, ngx_str_t *token,
    ngx_http_auth_api_token_verdict_t *verdict);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RESPONSE_H_INCLUDED_ */
