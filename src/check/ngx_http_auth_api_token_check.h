
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CHECK_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CHECK_H_INCLUDED_


/*
 * What a client's request meets: its credential is read, the store is asked
 * about it, and the location's requirements decide; who is refused is told why.
 *
 * This wing knows the configuration, the store and lookups.  It does not know
 * who looks at the figures or purges the store.
 *
 * It offers the handlers of the phases, the identity that a request is let in
 * with, the filters, the variables, and the names of the reasons.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/*
 * The handler of the access phase; and that of the preaccess phase, which finds
 * out whose token it is where the location says so, and refuses nobody.
 */

ngx_int_t ngx_http_auth_api_token_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_api_token_preaccess_handler(ngx_http_request_t *r);


/*
 * What a request is let in with: the facts, or NULL if it is let in without
 * a token, as a preflight or in dry run; and how old they are, in milliseconds.
 * The facts are valid as long as the request.
 *
 * Returns NGX_OK; or NGX_DECLINED if it was not this location's check that let
 * it in, as in a subrequest.
 */

ngx_int_t ngx_http_auth_api_token_identity(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t **facts, ngx_msec_t *age);


/*
 * Adds the filters that put a problem (RFC 9457) in the place of nginx's own
 * page.  Returns NGX_OK.
 */

ngx_int_t ngx_http_auth_api_token_init_filter(ngx_conf_t *cf);


/*
 * The name of a reason, as in $auth_api_token_result; static.
 */

ngx_str_t *ngx_http_auth_api_token_reason_name(
    ngx_http_auth_api_token_reason_e reason);


/*
 * A fact as a variable or a header has it; "data" is where it lies.  Returns
 * a part of the facts, or a static string.
 */

ngx_str_t *ngx_http_auth_api_token_get_fact(
    ngx_http_auth_api_token_facts_t *facts, uintptr_t data);


/*
 * The get handlers of the variables: an empty value counts as not found.  They
 * return NGX_OK, or NGX_ERROR if there is no memory.
 *
 * "data" of a fact is where it lies in ngx_http_auth_api_token_facts_t.  One
 * that is "known" was proved, too, but has a value even if the request is
 * refused.
 */

ngx_int_t ngx_http_auth_api_token_claimed_id_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_traceparent_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_fact_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_known_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_cache_status_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_auth_api_token_fingerprint_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CHECK_H_INCLUDED_ */
