
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"


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


/*
 * What the filters do with the answer to a lookup: keep what the verdict needs,
 * up to 64 KiB of a body, and let nothing through.  r is the subrequest.
 * Both return NGX_OK, or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_lookup_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup);
ngx_int_t ngx_http_auth_api_token_lookup_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup, ngx_chain_t *in);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_ */
