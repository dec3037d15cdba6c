
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_judge.h"
#include "ngx_http_auth_api_token_require.h"


typedef struct {
    ngx_http_auth_api_token_meets_pt  meets;
    ngx_uint_t                        all;       /* or any of the values */
    ngx_http_auth_api_token_reason_e  reason;
} ngx_http_auth_api_token_requirement_t;


static ngx_int_t ngx_http_auth_api_token_judge_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_requirement_t *requirement);


/* in the order of ngx_http_auth_api_token_lines_e */

static ngx_http_auth_api_token_requirement_t
    ngx_http_auth_api_token_requirements[NGX_HTTP_AUTH_API_TOKEN_LINES] =
{
    { ngx_http_auth_api_token_meets_account, 0,
      NGX_HTTP_AUTH_API_TOKEN_ACCOUNT },

    { ngx_http_auth_api_token_meets_account_type, 0,
      NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_TYPE },

    { ngx_http_auth_api_token_meets_module, 0,
      NGX_HTTP_AUTH_API_TOKEN_MODULE },

    { ngx_http_auth_api_token_meets_extension, 0,
      NGX_HTTP_AUTH_API_TOKEN_EXTENSION },

    { ngx_http_auth_api_token_meets_require, 1,
      NGX_HTTP_AUTH_API_TOKEN_REQUIRE }
};


ngx_int_t
ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                               rc;
    ngx_uint_t                              i;
    ngx_http_auth_api_token_loc_conf_t     *alcf;
    ngx_http_auth_api_token_requirement_t  *requirement;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_LINES; i++) {

        if (alcf->lines[i] == NULL) {
            continue;
        }

        requirement = &ngx_http_auth_api_token_requirements[i];

        rc = ngx_http_auth_api_token_judge_lines(r, ctx, alcf->lines[i],
                                                 requirement);

        if (rc != NGX_OK) {
            ctx->facts = NULL;
            ctx->reason = requirement->reason;

            return (rc == NGX_DECLINED) ? NGX_OK
                                        : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_judge_lines(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_array_t *lines,
    ngx_http_auth_api_token_requirement_t *requirement)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, n, met;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;
        met = requirement->all;

        for (n = 0; n < line[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            met = (requirement->meets(&ctx->reply.verdict.facts, &value)
                   == NGX_OK);

            if (met != requirement->all) {
                break;
            }
        }

        if (!met) {
            ctx->line = &line[i];
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
