
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_lookup.h"
#include "ngx_http_auth_api_token_refusal.h"


static ngx_int_t ngx_http_auth_api_token_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_auth_api_token_lookup_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_lookup_body_filter(
    ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_auth_api_token_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_auth_api_token_filter_init_cycle(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_auth_api_token_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_auth_api_token_filter_init,   /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_auth_api_token_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_auth_api_token_filter_module_ctx, /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_auth_api_token_filter_init_cycle, /* init module */
    ngx_http_auth_api_token_filter_init_cycle, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;

static ngx_http_output_header_filter_pt
    ngx_http_auth_api_token_next_header_filter;
static ngx_http_output_body_filter_pt
    ngx_http_auth_api_token_next_body_filter;


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


/*
 * What answers a lookup ends here, and no other filter sees it.  Requests below
 * the lookup's own belong to who made them.
 */

static ngx_int_t
ngx_http_auth_api_token_lookup_header_filter(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_get_module_ctx(r->main,
                                     ngx_http_auth_api_token_filter_module);

    if (lookup == NULL) {
        return ngx_http_auth_api_token_next_header_filter(r);
    }

    if (r->upstream) {

        /* it could write the body, and the token in it, to a file */

        r->upstream->buffering = 0;
    }

    if (r != lookup->subrequest) {
        return ngx_http_auth_api_token_next_header_filter(r);
    }

    ngx_http_auth_api_token_lookup_header(lookup);

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_lookup_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_get_module_ctx(r->main,
                                     ngx_http_auth_api_token_filter_module);

    if (lookup == NULL || r != lookup->subrequest) {
        return ngx_http_auth_api_token_next_body_filter(r, in);
    }

    return ngx_http_auth_api_token_lookup_body(lookup, in);
}


static ngx_int_t
ngx_http_auth_api_token_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_auth_api_token_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_auth_api_token_body_filter;

    return NGX_OK;
}


/*
 * The filters of lookups come above those of all modules, so that they are
 * added when these are: once more in a worker, as a configuration that was not
 * taken leaves its filters behind in the master.
 */

static ngx_int_t
ngx_http_auth_api_token_filter_init_cycle(ngx_cycle_t *cycle)
{
    if (ngx_http_top_header_filter
        != ngx_http_auth_api_token_lookup_header_filter)
    {
        ngx_http_auth_api_token_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter =
                                  ngx_http_auth_api_token_lookup_header_filter;
    }

    if (ngx_http_top_body_filter
        != ngx_http_auth_api_token_lookup_body_filter)
    {
        ngx_http_auth_api_token_next_body_filter = ngx_http_top_body_filter;
        ngx_http_top_body_filter = ngx_http_auth_api_token_lookup_body_filter;
    }

    return NGX_OK;
}
