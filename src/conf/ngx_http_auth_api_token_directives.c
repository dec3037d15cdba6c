
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_directives.h"


#define NGX_HTTP_AUTH_API_TOKEN_TIMEOUT      10000
#define NGX_HTTP_AUTH_API_TOKEN_MAX_TIMEOUT  60000

#define NGX_HTTP_AUTH_API_TOKEN_RATE         30      /* a minute */
#define NGX_HTTP_AUTH_API_TOKEN_BURST        30
#define NGX_HTTP_AUTH_API_TOKEN_MAX_RATE     1000000


static ngx_http_auth_api_token_line_t *ngx_http_auth_api_token_add_line(
    ngx_conf_t *cf, ngx_array_t **lines);
static ngx_int_t ngx_http_auth_api_token_add_value(ngx_conf_t *cf,
    ngx_http_auth_api_token_line_t *line, ngx_str_t *value);


char *
ngx_http_auth_api_token_set_check(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                        *value, s;
    ngx_uint_t                        i;
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

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_repeated(cf, 2, i) == NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "each parameter once");
        }

        if (ngx_strncmp(value[i].data, "token=", 6) == 0) {
            s.data = value[i].data + 6;
            s.len = value[i].len - 6;

            if (ngx_http_auth_api_token_valid_variable(&s) != NGX_OK) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "\"token=$variable\"");
            }

            check->token = ngx_palloc(cf->pool,
                                      sizeof(ngx_http_complex_value_t));
            if (check->token == NULL) {
                return NGX_CONF_ERROR;
            }

            if (ngx_http_auth_api_token_compile(cf, &s, check->token)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_strcmp(value[i].data, "format=idt") == 0) {
            check->opaque = 0;
            continue;
        }

        if (ngx_strcmp(value[i].data, "format=opaque") == 0) {
            check->opaque = 1;
            continue;
        }

        return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                               "\"token=$variable\", "
                                               "\"format=idt\" or "
                                               "\"format=opaque\"");
    }

    if (ngx_strcmp(value[1].data, "off") != 0) {
        alcf->check = check;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts > 2) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[2],
                                               "nothing after \"off\"");
    }

    alcf->check = NULL;

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_request(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t                          *value, s;
    ngx_int_t                           timeout;
    ngx_uint_t                          i;
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
    request->timeout = NGX_HTTP_AUTH_API_TOKEN_TIMEOUT;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_repeated(cf, 2, i) == NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "each parameter once");
        }

        if (ngx_strcmp(value[i].data, "credential=client") == 0) {
            request->service = 0;
            continue;
        }

        if (ngx_strcmp(value[i].data, "credential=service") == 0) {
            request->service = 1;
            continue;
        }

        if (ngx_strncmp(value[i].data, "api=", 4) == 0) {
            request->api.data = value[i].data + 4;
            request->api.len = value[i].len - 4;

            if (ngx_http_auth_api_token_valid_label(&request->api) != NGX_OK) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                              "a label of letters, digits, "
                                              "\".\", \"_\" and \"-\"");
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "timeout=", 8) == 0) {
            s.data = value[i].data + 8;
            s.len = value[i].len - 8;

            timeout = ngx_parse_time(&s, 0);

            if (timeout == NGX_ERROR
                || timeout == 0
                || timeout > NGX_HTTP_AUTH_API_TOKEN_MAX_TIMEOUT)
            {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a time from 1ms "
                                                       "to 60s");
            }

            request->timeout = timeout;
            continue;
        }

        return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                               "\"credential=\", \"api=\" or "
                                               "\"timeout=\"");
    }

    alcf->request = request;

    return NGX_CONF_OK;
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

    line = ngx_http_auth_api_token_add_line(cf, &alcf->require);
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
        return "names no variable";
    }

    if (line->status == 0) {
        line->status = NGX_HTTP_FORBIDDEN;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_https(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->https != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->https = 0;
        return NGX_CONF_OK;
    }

    alcf->https = 1;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_http_auth_api_token_valid_variable(&value[1]) != NGX_OK) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "\"on\", \"off\" or "
                                               "a variable");
    }

    alcf->https_value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (alcf->https_value == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_compile(cf, &value[1], alcf->https_value)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_auth_api_token_set_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    size_t                            len;
    ngx_int_t                         n;
    ngx_str_t                        *value, s;
    ngx_uint_t                        i, scale;
    ngx_http_auth_api_token_limit_t  *limit;

    if (alcf->limit != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[2],
                                                   "nothing after \"off\"");
        }

        alcf->limit = NULL;

        return NGX_CONF_OK;
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

    limit->rate = NGX_HTTP_AUTH_API_TOKEN_RATE * 1000 / 60;
    limit->burst = NGX_HTTP_AUTH_API_TOKEN_BURST;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_repeated(cf, 2, i) == NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "each parameter once");
        }

        if (ngx_strncmp(value[i].data, "rate=", 5) == 0) {

            len = value[i].len;
            scale = 1;

            if (len > 8 && ngx_strcmp(value[i].data + len - 3, "r/s") == 0) {
                len -= 3;

            } else if (len > 8
                       && ngx_strcmp(value[i].data + len - 3, "r/m") == 0)
            {
                len -= 3;
                scale = 60;

            } else {
                len = 5;
            }

            n = ngx_atoi(value[i].data + 5, len - 5);

            if (n <= 0 || n > NGX_HTTP_AUTH_API_TOKEN_MAX_RATE) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a rate such as "
                                                       "\"rate=30r/m\", up to "
                                                       "1000000r/s");
            }

            limit->rate = n * 1000 / scale;
            continue;
        }

        if (ngx_strncmp(value[i].data, "burst=", 6) == 0) {
            s.data = value[i].data + 6;
            s.len = value[i].len - 6;

            n = ngx_atoi(s.data, s.len);

            if (n <= 0 || n > NGX_HTTP_AUTH_API_TOKEN_MAX_RATE) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a number from 1 to "
                                                       "1000000");
            }

            limit->burst = n;
            continue;
        }

        return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                               "\"rate=\" or \"burst=\"");
    }

    alcf->limit = limit;

    return NGX_CONF_OK;
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


char *
ngx_http_auth_api_token_invalid(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, char *expected)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", expected %s",
                       value, &cmd->name, expected);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_auth_api_token_repeated(ngx_conf_t *cf, ngx_uint_t first,
    ngx_uint_t n)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    p = (u_char *) ngx_strchr(value[n].data, '=');
    if (p == NULL) {
        return NGX_DECLINED;
    }

    len = p + 1 - value[n].data;

    for (i = first; i < n; i++) {
        if (ngx_strncmp(value[i].data, value[n].data, len) == 0) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
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
