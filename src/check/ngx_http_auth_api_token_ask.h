
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_ASK_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_ASK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ctx.h"


/*
 * Gets a verdict from the store of the location; or from the API, if the store
 * has none or the location has no store.
 *
 * Returns NGX_OK with a verdict; NGX_AGAIN if r waits for one; NGX_DECLINED if
 * it would have to wait, but is in its post_action, where it cannot; NGX_ERROR
 * if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_ask(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


/*
 * If the API is not available, replaces the verdict by stale facts, if the
 * location allows them and there are any.
 */

void ngx_http_auth_api_token_use_stale(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_ASK_H_INCLUDED_ */
