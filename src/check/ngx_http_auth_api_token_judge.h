
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
 * Checks whether an active token meets the requirements of the location.  If it
 * does not, ctx->reason is the requirement, ctx->line the line of the
 * directive, and ctx->facts is NULL, so that the variables are empty.
 *
 * Returns NGX_OK in both cases, or NGX_HTTP_INTERNAL_SERVER_ERROR if there is
 * no memory.
 */

ngx_int_t ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_ */
