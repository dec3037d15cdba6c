
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_judge.h"
#include "ngx_http_auth_api_token_require.h"


static ngx_int_t ngx_http_auth_api_token_test_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_meets_pt meets);
static ngx_int_t ngx_http_auth_api_token_test_require(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines);


ngx_int_t
ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                            rc;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    /* what is required may be made of the variables about the token */

    ctx->facts = &ctx->reply.verdict.facts;

    if (alcf->accounts) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->accounts,
                                       ngx_http_auth_api_token_meets_account);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_ACCOUNT;
            goto refused;
        }
    }

    if (alcf->account_types) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->account_types,
                                   ngx_http_auth_api_token_meets_account_type);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_TYPE;
            goto refused;
        }
    }

    if (alcf->modules) {
        rc = ngx_http_auth_api_token_test_lines(r, ctx, alcf->modules,
                                       ngx_http_auth_api_token_meets_module);
        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_MODULE;
            goto refused;
        }
    }

    if (alcf->require) {
        rc = ngx_http_auth_api_token_test_require(r, ctx, alcf->require);

        if (rc != NGX_OK) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_REQUIRE;
            goto refused;
        }
    }

    return NGX_OK;

refused:

    ctx->facts = NULL;

    return (rc == NGX_DECLINED) ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_auth_api_token_test_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_meets_pt meets)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, n;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;

        for (n = 0; n < line[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (meets(&ctx->reply.verdict.facts, &value) == NGX_OK) {
                break;
            }
        }

        if (n == line[i].values.nelts) {
            ctx->line = &line[i];
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_test_require(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, n;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;

        for (n = 0; n < line[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
                ctx->line = &line[i];
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}
