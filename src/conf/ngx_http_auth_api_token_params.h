
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_PARAMS_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_PARAMS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Parameters "name=value".  Each directive has a table of those it takes, up to
 * 32.  A new one is an entry there, and the member that it sets.
 */

typedef struct ngx_http_auth_api_token_param_s  ngx_http_auth_api_token_param_t;


/*
 * Reads the value, which comes after "name=", into the member.  Returns NGX_OK;
 * NGX_DECLINED if the value is invalid; NGX_ERROR if there is no memory, or
 * after a message.
 */

typedef ngx_int_t (*ngx_http_auth_api_token_param_pt)(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);


/*
 * The last entry has no name, and says what is expected in place of an unknown
 * parameter.
 */

struct ngx_http_auth_api_token_param_s {
    ngx_str_t                         name;      /* with "=" */
    ngx_http_auth_api_token_param_pt  read;
    size_t                            offset;    /* of the member */
    ngx_int_t                         min;
    ngx_int_t                         max;
    ngx_conf_enum_t                  *values;
    char                             *expected;  /* NULL: that of the last */
};


/*
 * Reads the arguments of a directive, from number "first" on, into the members
 * of "conf".  Returns NGX_CONF_OK; or NGX_CONF_ERROR after a message, or if
 * there is no memory.
 */

char *ngx_http_auth_api_token_read_params(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_auth_api_token_param_t *params, ngx_uint_t first, void *conf);


/*
 * The types of parameters, and of their members: a number, a share such
 * as "10%", one of "values" (ngx_uint_t), a time (ngx_msec_t); a rate such as
 * "30r/m" (ngx_uint_t, 0.001 a second); a label (ngx_str_t, not copied);
 * a variable (ngx_http_complex_value_t *, from cf->pool).
 *
 * "min" and "max" are for the number as it is written, and for a time in
 * milliseconds.  "param" of the last function may be NULL.
 */

ngx_int_t ngx_http_auth_api_token_param_number(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_percent(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_enum(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_time(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_rate(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_label(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
ngx_int_t ngx_http_auth_api_token_param_variable(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);


/*
 * Compiles a value that may hold variables.  What it allocates is from
 * cf->pool.  Returns NGX_OK, or NGX_ERROR if there is no memory, or after
 * a message.
 */

ngx_int_t ngx_http_auth_api_token_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_PARAMS_H_INCLUDED_ */
