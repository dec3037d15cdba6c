
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
 * Whether an active token meets what the location requires.  If it does,
 * ctx->facts are those of the verdict, for the variables; else ctx->reason says
 * what it does not meet, and ctx->line which line of the directive.
 *
 * Returns NGX_OK in both cases, or NGX_HTTP_INTERNAL_SERVER_ERROR if there is
 * no memory.
 */

ngx_int_t ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_ */
