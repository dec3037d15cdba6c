
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ctx.h"


/*
 * Whether an active token meets what the location requires.  If it does not,
 * ctx->reason says what, ctx->line which line of the directive, and ctx->facts
 * is NULL, for the variables.
 *
 * Returns NGX_OK in both cases, or NGX_HTTP_INTERNAL_SERVER_ERROR if there is
 * no memory.
 */

ngx_int_t ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_ */
