
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_bearer.h"
#include "ngx_http_auth_api_token_credential.h"


static ngx_int_t ngx_http_auth_api_token_secure(ngx_http_request_t *r);


ngx_int_t
ngx_http_auth_api_token_credential(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_int_t                            rc;
    ngx_str_t                            value;
    ngx_http_auth_api_token_check_t     *check;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    check = alcf->check;

    ngx_str_null(&ctx->token);
    ngx_str_null(&ctx->id);

    if (check->token) {
        if (ngx_http_complex_value(r, check->token, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_auth_api_token_parse_value(&value, &ctx->token);

    } else if (r->headers_in.authorization) {
        rc = ngx_http_auth_api_token_parse_header(
                                       &r->headers_in.authorization->value,
                                       &ctx->token);

    } else {
        rc = NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_str_null(&ctx->token);

        ctx->reason = (rc == NGX_DECLINED)
                      ? NGX_HTTP_AUTH_API_TOKEN_NO_TOKEN
                      : NGX_HTTP_AUTH_API_TOKEN_MALFORMED;
        return NGX_OK;
    }

    rc = ngx_http_auth_api_token_secure(r);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        ctx->reason = NGX_HTTP_AUTH_API_TOKEN_INSECURE;
    }

    if (check->opaque) {

        if (ctx->token.len > NGX_HTTP_AUTH_API_TOKEN_MAX_TOKEN_LEN) {
            ngx_str_null(&ctx->token);
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_MALFORMED;
        }

        return NGX_OK;
    }

    rc = ngx_http_auth_api_token_parse_id(&ctx->token, &ctx->id);

    if (rc != NGX_OK) {
        ngx_str_null(&ctx->id);

        if (ctx->reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
            ctx->reason = NGX_HTTP_AUTH_API_TOKEN_UNSUPPORTED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_secure(ngx_http_request_t *r)
{
    ngx_str_t                            value;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (!alcf->https.on) {
        return NGX_OK;
    }

    if (alcf->https.value == NULL) {

#if (NGX_SSL || NGX_COMPAT)
        if (r->connection->ssl) {
            return NGX_OK;
        }
#endif

        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, alcf->https.value, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* X-Forwarded-Proto may be "http": not every value means HTTPS */

    if ((value.len == 1 && value.data[0] == '1')
        || (value.len == 2
            && ngx_strncasecmp(value.data, (u_char *) "on", 2) == 0)
        || (value.len == 5
            && ngx_strncasecmp(value.data, (u_char *) "https", 5) == 0))
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}
