
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_REQUIRE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_REQUIRE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_verdict.h"


/*
 * Whether the facts meet a requirement.  No facts meet an empty value, and
 * a fact that the API left out meets no value.  A value "MOD-..." is the id of
 * a module, any other one its code.  A token that may act through all
 * extensions meets the id of any.
 *
 * All return NGX_OK or NGX_DECLINED.
 */

typedef ngx_int_t (*ngx_http_auth_api_token_meets_pt)(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);

ngx_int_t ngx_http_auth_api_token_meets_account(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_meets_account_type(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_meets_module(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);
ngx_int_t ngx_http_auth_api_token_meets_extension(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);


/*
 * Whether the value of a variable is true, that is neither empty nor "0"; the
 * facts do not matter.  Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_meets_require(
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *value);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_REQUIRE_H_INCLUDED_ */
