
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CREDENTIAL_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CREDENTIAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_ctx.h"


/*
 * Reads the credential: ctx->token and ctx->id point into the header or
 * a variable, and are empty if there is nothing to look up.  If the request
 * cannot pass with the credential, ctx->reason says why.
 *
 * Returns NGX_OK, or NGX_HTTP_INTERNAL_SERVER_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_credential(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CREDENTIAL_H_INCLUDED_ */
