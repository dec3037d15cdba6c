
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"
#include "ngx_http_auth_api_token_require.h"


#define NGX_HTTP_AUTH_API_TOKEN_TIMEOUT      10000
#define NGX_HTTP_AUTH_API_TOKEN_MAX_TIMEOUT  60000


typedef struct {
    ngx_http_auth_api_token_valid_pt  valid;
    char                             *expected;
} ngx_http_auth_api_token_values_t;


static char *ngx_http_auth_api_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_auth_api_token_request(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_auth_api_token_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_auth_api_token_values(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_auth_api_token_require(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_auth_api_token_https(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_auth_api_token_compile(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *value, ngx_http_complex_value_t *cv);
static char *ngx_http_auth_api_token_invalid(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *value, char *expected);
static ngx_http_auth_api_token_line_t *ngx_http_auth_api_token_add_line(
    ngx_conf_t *cf, ngx_array_t **lines);
static ngx_int_t ngx_http_auth_api_token_label(ngx_str_t *label);
static ngx_int_t ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
static ngx_int_t ngx_http_auth_api_token_preconfiguration(ngx_conf_t *cf);
static void *ngx_http_auth_api_token_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_auth_api_token_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_auth_api_token_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_auth_api_token_init(ngx_conf_t *cf);


static ngx_http_auth_api_token_values_t  ngx_http_auth_api_token_account = {
    ngx_http_auth_api_token_valid_account,
    "an account id such as \"ACC-1234-5678\""
};


static ngx_http_auth_api_token_values_t
    ngx_http_auth_api_token_account_type =
{
    ngx_http_auth_api_token_valid_account_type,
    "\"Client\", \"Vendor\" or \"Operations\""
};


static ngx_http_auth_api_token_values_t  ngx_http_auth_api_token_module_id = {
    ngx_http_auth_api_token_valid_module,
    "a module id such as \"MOD-0478\" or a module code such as \"billing\""
};


static ngx_command_t  ngx_http_auth_api_token_commands[] = {

    { ngx_string("auth_api_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE123,
      ngx_http_auth_api_token,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_request"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_request,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_cache,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_account"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, accounts),
      &ngx_http_auth_api_token_account },

    { ngx_string("auth_api_token_account_type"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, account_types),
      &ngx_http_auth_api_token_account_type },

    { ngx_string("auth_api_token_module"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, modules),
      &ngx_http_auth_api_token_module_id },

    { ngx_string("auth_api_token_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_https"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_https,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_problem"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, problem),
      NULL },

    { ngx_string("auth_api_token_preflight"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, preflight),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_auth_api_token_module_ctx = {
    ngx_http_auth_api_token_preconfiguration, /* preconfiguration */
    ngx_http_auth_api_token_init,          /* postconfiguration */

    ngx_http_auth_api_token_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_auth_api_token_create_loc_conf, /* create location configuration */
    ngx_http_auth_api_token_merge_loc_conf /* merge location configuration */
};


ngx_module_t  ngx_http_auth_api_token_module = {
    NGX_MODULE_V1,
    &ngx_http_auth_api_token_module_ctx,   /* module context */
    ngx_http_auth_api_token_commands,      /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_auth_api_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    char                             *rv;
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

    rv = ngx_http_auth_api_token_compile(cf, cmd, &value[1], &check->realm);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "token=", 6) == 0
            && check->token == NULL)
        {
            s.data = value[i].data + 6;
            s.len = value[i].len - 6;

            if (ngx_http_script_variables_count(&s) == 0) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "\"token=$variable\"");
            }

            check->token = ngx_palloc(cf->pool,
                                      sizeof(ngx_http_complex_value_t));
            if (check->token == NULL) {
                return NGX_CONF_ERROR;
            }

            rv = ngx_http_auth_api_token_compile(cf, cmd, &s, check->token);

            if (rv != NGX_CONF_OK) {
                return rv;
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
                                               "one \"token=$variable\" and "
                                               "\"format=idt\" or "
                                               "\"format=opaque\"");
    }

    alcf->check = (ngx_strcmp(value[1].data, "off") == 0) ? NULL : check;

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_request(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
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
        || ngx_strchr(value[1].data, '?')
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

            if (ngx_http_auth_api_token_label(&request->api) != NGX_OK) {
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


static char *
ngx_http_auth_api_token_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->cache != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" is not declared, "
                           "expected \"off\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts > 2) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[2],
                                               "nothing after \"off\"");
    }

    alcf->cache = 0;

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                              *rv;
    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_complex_value_t          *cv;
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

        if (ngx_http_script_variables_count(&value[i]) == 0
            && values->valid(&value[i]) != NGX_OK)
        {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   values->expected);
        }

        cv = ngx_array_push(&line->values);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_auth_api_token_compile(cf, cmd, &value[i], cv);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    char                            *rv;
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_complex_value_t        *cv;
    ngx_http_auth_api_token_line_t  *line;

    value = cf->args->elts;

    line = ngx_http_auth_api_token_add_line(cf, &alcf->require);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    line->status = NGX_HTTP_FORBIDDEN;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "error=401") == 0) {
            line->status = NGX_HTTP_UNAUTHORIZED;
            continue;
        }

        if (ngx_strcmp(value[i].data, "error=403") == 0) {
            line->status = NGX_HTTP_FORBIDDEN;
            continue;
        }

        if (ngx_http_script_variables_count(&value[i]) == 0) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "variables and "
                                                   "\"error=401\" or "
                                                   "\"error=403\"");
        }

        cv = ngx_array_push(&line->values);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_auth_api_token_compile(cf, cmd, &value[i], cv);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (line->values.nelts == 0) {
        return "names no variable";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_https(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
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

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "\"on\", \"off\" or "
                                               "a variable");
    }

    alcf->https_value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (alcf->https_value == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_auth_api_token_compile(cf, cmd, &value[1],
                                           alcf->https_value);
}


static char *
ngx_http_auth_api_token_compile(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_auth_api_token_invalid(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, char *expected)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", expected %s",
                       value, &cmd->name, expected);

    return NGX_CONF_ERROR;
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
ngx_http_auth_api_token_label(ngx_str_t *label)
{
    u_char  ch;
    size_t  n;

    for (n = 0; n < label->len; n++) {
        ch = label->data[n];

        if ((ch >= 'a' && ch <= 'z')
            || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || ch == '.' || ch == '_' || ch == '-')
        {
            continue;
        }

        return NGX_ERROR;
    }

    return label->len ? NGX_OK : NGX_ERROR;
}


/*
 * What one API says is never used for another: two locations have a scope in
 * common if they have the label, or the server and the URI, and the credential.
 */

static ngx_int_t
ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf)
{
    u_char                             *p;
    ngx_uint_t                          i;
    ngx_http_core_srv_conf_t           *cscf, **cscfp;
    ngx_http_core_main_conf_t          *cmcf;
    ngx_http_auth_api_token_request_t  *request;

    request = conf->request;

    p = ngx_pnalloc(cf->pool, sizeof("service,server:,") + NGX_INT_T_LEN
                              + request->api.len + request->uri.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->scope.data = p;

    p = ngx_sprintf(p, "%s,", request->service ? "service" : "client");

    if (request->api.len) {
        p = ngx_sprintf(p, "api:%V", &request->api);

    } else {
        cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
        cscfp = cmcf->servers.elts;

        for (i = 0; i < cmcf->servers.nelts; i++) {
            if (cscfp[i] == cscf) {
                break;
            }
        }

        p = ngx_sprintf(p, "server:%ui,%V", i, &request->uri);
    }

    conf->scope.len = p - conf->scope.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_auth_api_token_add_variables(cf);
}


static void *
ngx_http_auth_api_token_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_auth_api_token_main_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_main_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    if (ngx_http_auth_api_token_random(conf->secret,
                                       NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no random bytes to be had");
        return NULL;
    }

    return conf;
}


static void *
ngx_http_auth_api_token_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_auth_api_token_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->scope = { 0, NULL };
     *     conf->https_value = NULL;
     */

    conf->check = NGX_CONF_UNSET_PTR;
    conf->request = NGX_CONF_UNSET_PTR;
    conf->accounts = NGX_CONF_UNSET_PTR;
    conf->account_types = NGX_CONF_UNSET_PTR;
    conf->modules = NGX_CONF_UNSET_PTR;
    conf->require = NGX_CONF_UNSET_PTR;
    conf->https = NGX_CONF_UNSET;
    conf->cache = NGX_CONF_UNSET;
    conf->problem = NGX_CONF_UNSET;
    conf->preflight = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_auth_api_token_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_auth_api_token_loc_conf_t *prev = parent;
    ngx_http_auth_api_token_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->check, prev->check, NULL);
    ngx_conf_merge_ptr_value(conf->request, prev->request, NULL);
    ngx_conf_merge_ptr_value(conf->accounts, prev->accounts, NULL);
    ngx_conf_merge_ptr_value(conf->account_types, prev->account_types, NULL);
    ngx_conf_merge_ptr_value(conf->modules, prev->modules, NULL);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_conf_merge_value(conf->cache, prev->cache, 0);
    ngx_conf_merge_value(conf->problem, prev->problem, 1);
    ngx_conf_merge_value(conf->preflight, prev->preflight, 0);

    if (conf->https == NGX_CONF_UNSET) {
        conf->https_value = prev->https_value;
    }

    ngx_conf_merge_value(conf->https, prev->https, 1);

    if (conf->check == NULL) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->request == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_api_token\" in location \"%V\" needs "
                      "\"auth_api_token_request\" to name the location "
                      "that asks the token API", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->check->opaque && conf->request->service) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"format=opaque\" of \"auth_api_token\" in location "
                      "\"%V\" needs \"credential=client\" in "
                      "\"auth_api_token_request\": there is no id to ask for",
                      &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_set_scope(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_auth_api_token_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt                  *h;
    ngx_http_core_main_conf_t            *cmcf;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    static ngx_str_t  name = ngx_string("request_id");

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    amcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (amcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_auth_api_token_handler;

    return NGX_OK;
}
