
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_REFUSAL_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_REFUSAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ctx.h"


/*
 * Refuses the request for ctx->reason: logs this, and adds a challenge
 * (RFC 6750, section 3) and Retry-After if the reason has them.
 *
 * Returns the status of the response, or NGX_HTTP_INTERNAL_SERVER_ERROR if
 * there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_refuse(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Logs that the request is refused for ctx->reason, or would be.
 */

void ngx_http_auth_api_token_log_refusal(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Removes what an earlier refusal of the same request added to the header.
 */

void ngx_http_auth_api_token_clear_refusal(ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Called before a header is sent.  If it is that of nginx's own page for
 * a refusal, or for an error that the content of the location has details of,
 * it becomes the header of a problem (RFC 9457), whose body is kept in
 * ctx->problem.  ctx may be NULL.
 *
 * Returns NGX_OK, or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_set_problem(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_REFUSAL_H_INCLUDED_ */
