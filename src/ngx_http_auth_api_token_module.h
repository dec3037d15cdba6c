
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_MODULE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_verdict.h"


#define NGX_HTTP_AUTH_API_TOKEN_VERSION  "0.1.0"


typedef struct ngx_http_auth_api_token_lookup_s
    ngx_http_auth_api_token_lookup_t;


typedef struct {
    u_char                             secret[
                                           NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN];
    ngx_int_t                          request_id;   /* variable's index */
} ngx_http_auth_api_token_main_conf_t;


/* auth_api_token */

typedef struct {
    ngx_http_complex_value_t           realm;
    ngx_http_complex_value_t          *token;
    ngx_uint_t                         opaque;       /* unsigned  opaque:1; */
} ngx_http_auth_api_token_check_t;


/* auth_api_token_request */

typedef struct {
    ngx_str_t                          uri;
    ngx_str_t                          api;
    ngx_msec_t                         timeout;
    ngx_uint_t                         service;      /* unsigned  service:1; */
} ngx_http_auth_api_token_request_t;


/* one line of auth_api_token_account, _account_type, _module or _require */

typedef struct {
    ngx_array_t                        values;   /* ngx_http_complex_value_t */
    ngx_uint_t                         status;   /* of _require */
} ngx_http_auth_api_token_line_t;


typedef struct {
    ngx_http_auth_api_token_check_t   *check;
    ngx_http_auth_api_token_request_t *request;
    ngx_str_t                          scope;

    ngx_array_t                       *accounts;       /* of lines */
    ngx_array_t                       *account_types;
    ngx_array_t                       *modules;
    ngx_array_t                       *require;

    ngx_flag_t                         https;
    ngx_http_complex_value_t          *https_value;
    ngx_flag_t                         cache;
    ngx_flag_t                         problem;
    ngx_flag_t                         preflight;
} ngx_http_auth_api_token_loc_conf_t;


/*
 * What is known of a request.  It belongs to the request's pool and survives
 * internal redirects, so that the location a request ends in neither asks again
 * nor loses the variables.
 */

typedef struct {
    ngx_http_request_t                *request;

    ngx_http_auth_api_token_lookup_t  *lookup;     /* waited for, or NULL */
    ngx_queue_t                        queue;      /* of those who wait */

    ngx_str_t                          realm;
    ngx_str_t                          token;
    ngx_str_t                          id;         /* claimed, may be empty */

    ngx_str_t                          scope;      /* of the lookup */
    ngx_http_auth_api_token_verdict_t  verdict;
    ngx_msec_t                         answered;   /* ngx_current_msec */

    ngx_http_auth_api_token_reason_e   reason;     /* the decision */
    ngx_http_auth_api_token_facts_t   *facts;      /* proved, or NULL */
    ngx_http_auth_api_token_line_t    *line;       /* not met, or NULL */
    ngx_uint_t                         status;
    ngx_int_t                          next;       /* phase after access */

    ngx_table_elt_t                   *challenge;
    ngx_table_elt_t                   *retry_after;
    ngx_chain_t                       *problem;

    unsigned                           asked:1;    /* there is a verdict */
    unsigned                           used:1;     /* it made the decision */
    unsigned                           parked:1;
} ngx_http_auth_api_token_ctx_t;


/*
 * The access handler.
 */

ngx_int_t ngx_http_auth_api_token_handler(ngx_http_request_t *r);


/*
 * Returns what is known of the main request of r, or NULL if no location it
 * came through had the check on.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_get_ctx(
    ngx_http_request_t *r);


/*
 * The same, made at need, and again where the filters look for it after
 * an internal redirect.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_make_ctx(
    ngx_http_request_t *r);


/*
 * Returns the first header of a name, or NULL.
 */

ngx_table_elt_t *ngx_http_auth_api_token_find_header(ngx_list_t *headers,
    ngx_str_t *name);


/*
 * Adds the variables.  Returns NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_auth_api_token_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_auth_api_token_module;
extern ngx_module_t  ngx_http_auth_api_token_filter_module;


#endif /* _NGX_HTTP_AUTH_API_TOKEN_MODULE_H_INCLUDED_ */
