
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
 * 32; a new one is an entry there, and the member that it fills.
 */

typedef struct ngx_http_auth_api_token_param_s  ngx_http_auth_api_token_param_t;


/*
 * Reads what stands after "name=" into the member.  Returns NGX_OK;
 * NGX_DECLINED if something else was expected; NGX_ERROR if there is no memory,
 * or after a message.
 */

typedef ngx_int_t (*ngx_http_auth_api_token_param_pt)(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);


/*
 * The last entry has no name, and says what was expected in place of a
 * parameter that is unknown.
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
 * Reads the arguments of a directive, from the first that is a parameter to the
 * last, into the structure.  Returns NGX_CONF_OK, or NGX_CONF_ERROR after
 * a message.
 */

char *ngx_http_auth_api_token_read_params(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_auth_api_token_param_t *params, ngx_uint_t first, void *conf);


/*
 * What a parameter may be, with the type of its member: a number, a share such
 * as "10%", one of "values" (ngx_uint_t), a time (ngx_msec_t); a rate such as
 * "30r/m" (ngx_uint_t, 0.001 a second); a label (ngx_str_t, not copied);
 * a variable (ngx_http_complex_value_t *, from cf->pool).
 *
 * "min" and "max" bound the number as it is written, and a time in
 * milliseconds.  The last one reads nothing of "param", which may be NULL.
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
