
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_refusal.h"


static ngx_int_t ngx_http_auth_api_token_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_auth_api_token_header_filter(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_module);

    if ((r->err_status || (ctx && ctx->problem))
        && ngx_http_auth_api_token_set_problem(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_auth_api_token_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t                    *out;
    ngx_http_auth_api_token_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_module);

    if (ctx == NULL || ctx->problem == NULL || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx sends its own page in one go: the problem takes its place */

    out = ctx->problem;
    ctx->problem = NULL;

    return ngx_http_next_body_filter(r, out);
}


ngx_int_t
ngx_http_auth_api_token_init_filter(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_auth_api_token_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_auth_api_token_body_filter;

    return NGX_OK;
}
