
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup_ctx.h"


static ngx_int_t ngx_http_auth_api_token_lookup_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_lookup_body_filter(
    ngx_http_request_t *r, ngx_chain_t *in);


static ngx_http_output_header_filter_pt
    ngx_http_auth_api_token_next_header_filter;
static ngx_http_output_body_filter_pt
    ngx_http_auth_api_token_next_body_filter;


/*
 * The answer of a lookup's subrequest ends here, and no other filter sees it.
 * Subrequests that other modules make of it are left to them.
 */

static ngx_int_t
ngx_http_auth_api_token_lookup_header_filter(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_auth_api_token_get_lookup(r);

    if (lookup == NULL) {
        return ngx_http_auth_api_token_next_header_filter(r);
    }

    if (r->upstream) {

        /* with buffering, the body, and a token in it, could go to a file */

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

    lookup = ngx_http_auth_api_token_get_lookup(r);

    if (lookup == NULL || r != lookup->subrequest) {
        return ngx_http_auth_api_token_next_body_filter(r, in);
    }

    return ngx_http_auth_api_token_lookup_body(lookup, in);
}


ngx_int_t
ngx_http_auth_api_token_init_lookup_filter(ngx_cycle_t *cycle)
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
