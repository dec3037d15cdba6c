
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"
#include "ngx_http_auth_api_token_response.h"


/*
 * One question to the token API.  It lives in the pool of a connection that
 * has no client, and is the filter module's context of its request.
 */

struct ngx_http_auth_api_token_lookup_s {
    ngx_http_request_t                  *request;
    ngx_queue_t                          waiters;     /* their ctx */
    ngx_event_t                          timer;

    ngx_str_t                            authorization;
    ngx_str_t                            token;
    ngx_str_t                            id;

    ngx_http_auth_api_token_response_t   response;

    unsigned                             service:1;
    unsigned                             done:1;

    ngx_log_t                            log;
    ngx_http_log_ctx_t                   log_ctx;
    ngx_http_connection_t                http_connection;
};


/*
 * Asks the token API about ctx->token and lets r wait for the answer.  The
 * question is a request of its own, without a client, that outlives r.  When
 * it ends, at the latest after the "timeout" of auth_api_token_request, the
 * verdict is copied to the ctx of all who wait, their access phase is posted,
 * and all that the lookup had is freed.
 *
 * Returns NGX_AGAIN if r has to wait; NGX_OK if there is a verdict already,
 * which is busy, since no connection is left; NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_ */
