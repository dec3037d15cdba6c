
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

    { ngx_http_auth_api_token_meets_require, 1,
      NGX_HTTP_AUTH_API_TOKEN_REQUIRE }
};


ngx_int_t
ngx_http_auth_api_token_judge(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx, ngx_http_auth_api_token_lines_e n)
{
    ngx_str_t                               value;
    ngx_uint_t                              i, k, met;
    ngx_array_t                            *lines;
    ngx_http_complex_value_t               *cv;
    ngx_http_auth_api_token_line_t         *line;
    ngx_http_auth_api_token_loc_conf_t     *alcf;
    ngx_http_auth_api_token_requirement_t  *requirement;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    requirement = &ngx_http_auth_api_token_requirements[n];
    lines = alcf->lines[n];
    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        cv = line[i].values.elts;
        met = requirement->all;

        for (k = 0; k < line[i].values.nelts; k++) {

            if (ngx_http_complex_value(r, &cv[k], &value) != NGX_OK) {
                ctx->reason = requirement->reason;
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
            ctx->reason = requirement->reason;

            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
