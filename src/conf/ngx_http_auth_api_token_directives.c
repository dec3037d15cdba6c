
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_params.h"


/* milliseconds */

#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_TIMEOUT  10000
#define NGX_HTTP_AUTH_API_TOKEN_MAX_TIMEOUT      60000

#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_VALID    60000
#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_DENIED   5000
#define NGX_HTTP_AUTH_API_TOKEN_MIN_TIME         10
#define NGX_HTTP_AUTH_API_TOKEN_MAX_TIME         86400000

#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_RATE     30       /* a minute */
#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_BURST    30
#define NGX_HTTP_AUTH_API_TOKEN_MAX_RATE         1000000


static char *ngx_http_auth_api_token_off(ngx_conf_t *cf, ngx_command_t *cmd);
static ngx_http_auth_api_token_line_t *ngx_http_auth_api_token_add_line(
    ngx_conf_t *cf, ngx_array_t **lines);
static ngx_int_t ngx_http_auth_api_token_add_value(ngx_conf_t *cf,
    ngx_http_auth_api_token_line_t *line, ngx_str_t *value);


static ngx_conf_enum_t  ngx_http_auth_api_token_formats[] = {
    { ngx_string("idt"), 0 },
    { ngx_string("opaque"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_auth_api_token_credentials[] = {
    { ngx_string("client"), 0 },
    { ngx_string("service"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_auth_api_token_flags[] = {
    { ngx_string("off"), 0 },
    { ngx_string("on"), 1 },
    { ngx_null_string, 0 }
};


static ngx_http_auth_api_token_param_t
    ngx_http_auth_api_token_check_params[] =
{
    { ngx_string("token="),
      ngx_http_auth_api_token_param_variable,
      offsetof(ngx_http_auth_api_token_check_t, token),
      0, 0, NULL,
      "\"token=$variable\"" },

    { ngx_string("format="),
      ngx_http_auth_api_token_param_enum,
      offsetof(ngx_http_auth_api_token_check_t, opaque),
      0, 0, ngx_http_auth_api_token_formats,
      NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL,
      "\"token=$variable\", \"format=idt\" or \"format=opaque\"" }
};


static ngx_http_auth_api_token_param_t
    ngx_http_auth_api_token_request_params[] =
{
    { ngx_string("credential="),
      ngx_http_auth_api_token_param_enum,
      offsetof(ngx_http_auth_api_token_request_t, service),
      0, 0, ngx_http_auth_api_token_credentials,
      NULL },

    { ngx_string("api="),
      ngx_http_auth_api_token_param_label,
      offsetof(ngx_http_auth_api_token_request_t, api),
      0, 0, NULL,
      "a label of letters, digits, \".\", \"_\" and \"-\"" },

    { ngx_string("timeout="),
      ngx_http_auth_api_token_param_time,
      offsetof(ngx_http_auth_api_token_request_t, timeout),
      1, NGX_HTTP_AUTH_API_TOKEN_MAX_TIMEOUT, NULL,
      "a time from 1ms to 60s" },

    { ngx_null_string, NULL, 0, 0, 0, NULL,
      "\"credential=client\", \"credential=service\", \"api=\" or "
      "\"timeout=\"" }
};


static ngx_http_auth_api_token_param_t
    ngx_http_auth_api_token_cache_params[] =
{
    { ngx_string("valid="),
      ngx_http_auth_api_token_param_time,
      offsetof(ngx_http_auth_api_token_cache_t, valid),
      NGX_HTTP_AUTH_API_TOKEN_MIN_TIME, NGX_HTTP_AUTH_API_TOKEN_MAX_TIME, NULL,
      "a time from 10ms to 1d" },

    { ngx_string("denied="),
      ngx_http_auth_api_token_param_time,
      offsetof(ngx_http_auth_api_token_cache_t, denied),
      NGX_HTTP_AUTH_API_TOKEN_MIN_TIME, NGX_HTTP_AUTH_API_TOKEN_MAX_TIME, NULL,
      "a time from 10ms to 1d" },

    { ngx_string("stale="),
      ngx_http_auth_api_token_param_time,
      offsetof(ngx_http_auth_api_token_cache_t, stale),
      0, NGX_HTTP_AUTH_API_TOKEN_MAX_TIME, NULL,
      "a time from 0 to 1d" },

    { ngx_string("refresh="),
      ngx_http_auth_api_token_param_enum,
      offsetof(ngx_http_auth_api_token_cache_t, refresh),
      0, 0, ngx_http_auth_api_token_flags,
      NULL },

    { ngx_null_string, NULL, 0, 0, 0, NULL,
      "\"valid=\", \"denied=\", \"refresh=on\", \"refresh=off\" or "
      "\"stale=\"" }
};


static ngx_http_auth_api_token_param_t
    ngx_http_auth_api_token_limit_params[] =
{
    { ngx_string("rate="),
      ngx_http_auth_api_token_param_rate,
      offsetof(ngx_http_auth_api_token_limit_t, rate),
      1, NGX_HTTP_AUTH_API_TOKEN_MAX_RATE, NULL,
      "a rate such as \"rate=30r/m\", up to 1000000r/s" },

    { ngx_string("burst="),
      ngx_http_auth_api_token_param_number,
      offsetof(ngx_http_auth_api_token_limit_t, burst),
      1, NGX_HTTP_AUTH_API_TOKEN_MAX_RATE, NULL,
      "a number from 1 to 1000000" },

    { ngx_null_string, NULL, 0, 0, 0, NULL,
      "\"rate=\" or \"burst=\"" }
};


char *
ngx_http_auth_api_token_set_check(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                        *value;
    ngx_http_auth_api_token_check_t  *check;

    if (alcf->check != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    check = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_check_t));
    if (check == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_compile(cf, &value[1], &check->realm)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_read_params(cf, cmd,
                                          ngx_http_auth_api_token_check_params,
                                          2, check)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->check = NULL;
        return ngx_http_auth_api_token_off(cf, cmd);
    }

    alcf->check = check;

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_request(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                          *value;
    ngx_http_auth_api_token_request_t  *request;

    if (alcf->request != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0
        || value[1].data[0] != '/'
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, ' ')
        || ngx_strchr(value[1].data, '?')
        || ngx_strchr(value[1].data, '#')
        || ngx_http_script_variables_count(&value[1]))
    {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                          "the URI of an internal location, "
                                          "without arguments and variables");
    }

    request = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_request_t));
    if (request == NULL) {
        return NGX_CONF_ERROR;
    }

    request->uri = value[1];
    request->timeout = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_TIMEOUT;

    alcf->request = request;

    return ngx_http_auth_api_token_read_params(cf, cmd,
                                        ngx_http_auth_api_token_request_params,
                                        2, request);
}


char *
ngx_http_auth_api_token_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                        *value;
    ngx_http_auth_api_token_cache_t  *cache;

    if (alcf->cache != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->cache = NULL;
        return ngx_http_auth_api_token_off(cf, cmd);
    }

    cache = ngx_http_auth_api_token_add_cache(cf, cmd, &value[1]);
    if (cache == NULL) {
        return NGX_CONF_ERROR;
    }

    cache->valid = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_VALID;
    cache->denied = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_DENIED;
    cache->refresh = 1;

    alcf->cache = cache;
    alcf->figures = cache;

    return ngx_http_auth_api_token_read_params(cf, cmd,
                                          ngx_http_auth_api_token_cache_params,
                                          2, cache);
}


char *
ngx_http_auth_api_token_set_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                        *value;
    ngx_http_auth_api_token_limit_t  *limit;

    if (alcf->limit != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->limit = NULL;
        return ngx_http_auth_api_token_off(cf, cmd);
    }

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "a key with a variable, such "
                                               "as \"$binary_remote_addr\", "
                                               "or \"off\"");
    }

    limit = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_limit_t));
    if (limit == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_compile(cf, &value[1], &limit->key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    limit->rate = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_RATE * 1000 / 60;
    limit->burst = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_BURST;

    alcf->limit = limit;

    return ngx_http_auth_api_token_read_params(cf, cmd,
                                          ngx_http_auth_api_token_limit_params,
                                          2, limit);
}


char *
ngx_http_auth_api_token_set_values(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char  *p = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_auth_api_token_line_t    *line;
    ngx_http_auth_api_token_values_t  *values;

    values = cmd->post;
    value = cf->args->elts;

    line = ngx_http_auth_api_token_add_line(cf,
                                       (ngx_array_t **) (p + cmd->offset));
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_valid_variable(&value[i]) != NGX_OK
            && values->valid(&value[i]) != NGX_OK)
        {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   values->expected);
        }

        if (ngx_http_auth_api_token_add_value(cf, line, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_auth_api_token_line_t  *line;

    value = cf->args->elts;

    line = ngx_http_auth_api_token_add_line(cf,
                         &alcf->lines[NGX_HTTP_AUTH_API_TOKEN_LINES_REQUIRE]);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "error=", 6) == 0
            && line->status == 0)
        {
            if (ngx_strcmp(value[i].data, "error=401") == 0) {
                line->status = NGX_HTTP_UNAUTHORIZED;
                continue;
            }

            if (ngx_strcmp(value[i].data, "error=403") == 0) {
                line->status = NGX_HTTP_FORBIDDEN;
                continue;
            }
        }

        if (ngx_http_auth_api_token_valid_variable(&value[i]) != NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "variables and one "
                                                   "\"error=401\" or "
                                                   "\"error=403\"");
        }

        if (ngx_http_auth_api_token_add_value(cf, line, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (line->values.nelts == 0) {
        return "needs a variable";
    }

    if (line->status == 0) {
        line->status = NGX_HTTP_FORBIDDEN;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_switch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char  *p = conf;

    ngx_int_t                          rc;
    ngx_str_t                         *value;
    ngx_http_auth_api_token_switch_t  *sw;

    sw = (ngx_http_auth_api_token_switch_t *) (p + cmd->offset);

    if (sw->on != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        sw->on = 0;
        return NGX_CONF_OK;
    }

    sw->on = 1;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        return NGX_CONF_OK;
    }

    rc = ngx_http_auth_api_token_param_variable(cf, NULL, &value[1],
                                                &sw->value);

    if (rc == NGX_DECLINED) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "\"on\", \"off\" or "
                                               "a variable");
    }

    return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_auth_api_token_set_phase(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char  *p = conf;

    ngx_str_t   *value;
    ngx_uint_t  *preaccess;

    preaccess = (ngx_uint_t *) (p + cmd->offset);

    if (*preaccess != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "access") == 0) {
        *preaccess = 0;

    } else if (ngx_strcmp(value[1].data, "preaccess") == 0) {
        *preaccess = 1;

    } else {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "\"access\" or "
                                               "\"preaccess\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_off(ngx_conf_t *cf, ngx_command_t *cmd)
{
    ngx_str_t  *value;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;

    return ngx_http_auth_api_token_invalid(cf, cmd, &value[2],
                                           "nothing after \"off\"");
}


static ngx_http_auth_api_token_line_t *
ngx_http_auth_api_token_add_line(ngx_conf_t *cf, ngx_array_t **lines)
{
    ngx_http_auth_api_token_line_t  *line;

    if (*lines == NGX_CONF_UNSET_PTR) {
        *lines = ngx_array_create(cf->pool, 1,
                                  sizeof(ngx_http_auth_api_token_line_t));
        if (*lines == NULL) {
            return NULL;
        }
    }

    line = ngx_array_push(*lines);
    if (line == NULL) {
        return NULL;
    }

    line->status = 0;

    if (ngx_array_init(&line->values, cf->pool, 2,
                       sizeof(ngx_http_complex_value_t))
        != NGX_OK)
    {
        return NULL;
    }

    return line;
}


static ngx_int_t
ngx_http_auth_api_token_add_value(ngx_conf_t *cf,
    ngx_http_auth_api_token_line_t *line, ngx_str_t *value)
{
    ngx_http_complex_value_t  *cv;

    cv = ngx_array_push(&line->values);
    if (cv == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_compile(cf, value, cv);
}
