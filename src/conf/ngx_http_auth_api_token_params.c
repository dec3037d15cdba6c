
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_params.h"


static ngx_int_t ngx_http_auth_api_token_param_bounds(
    ngx_http_auth_api_token_param_t *param, ngx_int_t n, void *member);


char *
ngx_http_auth_api_token_read_params(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_auth_api_token_param_t *params, ngx_uint_t first, void *conf)
{
    char  *p = conf;

    ngx_int_t                         rc;
    ngx_str_t                        *arg, value;
    ngx_uint_t                        i, bit, seen;
    ngx_http_auth_api_token_param_t  *param, *last;

    arg = cf->args->elts;
    seen = 0;

    for (last = params; last->name.len; last++) { /* void */ }

    for (i = first; i < cf->args->nelts; i++) {

        for (param = params; param < last; param++) {
            if (ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                == 0)
            {
                break;
            }
        }

        if (param == last) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &arg[i],
                                                   last->expected);
        }

        bit = (ngx_uint_t) 1 << (param - params);

        if (seen & bit) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &arg[i],
                                                   "each parameter once");
        }

        seen |= bit;

        value.data = arg[i].data + param->name.len;
        value.len = arg[i].len - param->name.len;

        rc = param->read(cf, param, &value, p + param->offset);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc != NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &arg[i],
                                                   param->expected
                                                   ? param->expected
                                                   : last->expected);
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_auth_api_token_param_number(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    return ngx_http_auth_api_token_param_bounds(param, n, member);
}


ngx_int_t
ngx_http_auth_api_token_param_percent(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_int_t  n;

    if (value->len == 0 || value->data[value->len - 1] != '%') {
        return NGX_DECLINED;
    }

    n = ngx_atoi(value->data, value->len - 1);

    return ngx_http_auth_api_token_param_bounds(param, n, member);
}


ngx_int_t
ngx_http_auth_api_token_param_enum(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_uint_t  *np = member;

    ngx_conf_enum_t  *e;

    for (e = param->values; e->name.len; e++) {
        if (e->name.len == value->len
            && ngx_strncmp(e->name.data, value->data, value->len) == 0)
        {
            *np = e->value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_auth_api_token_param_time(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    return ngx_http_auth_api_token_param_bounds(param, n, member);
}


ngx_int_t
ngx_http_auth_api_token_param_rate(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_uint_t  *rate = member;

    u_char      *unit;
    ngx_int_t    n;
    ngx_uint_t   scale;

    if (value->len < 4) {
        return NGX_DECLINED;
    }

    unit = value->data + value->len - 3;

    if (ngx_strcmp(unit, "r/s") == 0) {
        scale = 1;

    } else if (ngx_strcmp(unit, "r/m") == 0) {
        scale = 60;

    } else {
        return NGX_DECLINED;
    }

    n = ngx_atoi(value->data, value->len - 3);

    if (ngx_http_auth_api_token_param_bounds(param, n, rate) != NGX_OK) {
        return NGX_DECLINED;
    }

    *rate = *rate * 1000 / scale;

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_param_label(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_str_t  *label = member;

    *label = *value;

    return ngx_http_auth_api_token_valid_label(label);
}


ngx_int_t
ngx_http_auth_api_token_param_variable(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_http_complex_value_t  **cv = member;

    if (ngx_http_auth_api_token_valid_variable(value) != NGX_OK) {
        return NGX_DECLINED;
    }

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_compile(cf, value, *cv);
}


/* ngx_msec_t is an ngx_uint_t */

static ngx_int_t
ngx_http_auth_api_token_param_bounds(ngx_http_auth_api_token_param_t *param,
    ngx_int_t n, void *member)
{
    ngx_uint_t  *np = member;

    if (n == NGX_ERROR || n < param->min || n > param->max) {
        return NGX_DECLINED;
    }

    *np = n;

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv);
}
