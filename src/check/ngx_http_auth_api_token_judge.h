
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
 * Whether an active token meets all lines of one kind that the location has.
 *
 * Returns NGX_OK; NGX_DECLINED if it does not meet ctx->line; NGX_ERROR if
 * there is no memory.  In both cases ctx->reason tells of what kind.
 */

ngx_int_t ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_http_auth_api_token_lines_e n);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_JUDGE_H_INCLUDED_ */
