
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CHECK_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CHECK_H_INCLUDED_


/*
 * The check of a client's request: its credential is read, a verdict is got for
 * it, and the requirements of the location decide.  A refusal says why.
 *
 * This wing knows the configuration, the store and lookups.  It does not know
 * how the figures are shown, or how the store is purged.
 *
 * It offers the handlers of the phases, the identity of a request that was let
 * in, the filters, the variables, and the names of the reasons.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/*
 * The handler of the access phase; and that of the preaccess phase, which gets
 * the verdict beforehand if the location says so, and refuses no request.
 */

ngx_int_t ngx_http_auth_api_token_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_api_token_preaccess_handler(ngx_http_request_t *r);


/*
 * The identity of a request that the check let in: the facts of its token, or
 * NULL if it has none, as a preflight or in dry run; and how old they are, in
 * milliseconds.  The facts last as long as the request.
 *
 * Returns NGX_OK; or NGX_DECLINED if it was not the check of this location that
 * let the request in, as in a subrequest.
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
 * Returns a fact in the form that variables and headers have: a part of the
 * facts, or a static string.  "data" is its offset in the facts.
 */

ngx_str_t *ngx_http_auth_api_token_get_fact(
    ngx_http_auth_api_token_facts_t *facts, uintptr_t data);


/*
 * The get handlers of the variables: an empty value counts as not found.  They
 * return NGX_OK, or NGX_ERROR if there is no memory.
 *
 * "data" of a fact is its offset in ngx_http_auth_api_token_facts_t.  A "known"
 * fact was proved, too, but has a value even if the request is refused.
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
