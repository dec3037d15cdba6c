
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"
#include "ngx_http_auth_api_token_directives.h"


static ngx_int_t ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
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
      ngx_http_auth_api_token_set_check,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_request"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_request,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_cache,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_account"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, accounts),
      &ngx_http_auth_api_token_account },

    { ngx_string("auth_api_token_account_type"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, account_types),
      &ngx_http_auth_api_token_account_type },

    { ngx_string("auth_api_token_module"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, modules),
      &ngx_http_auth_api_token_module_id },

    { ngx_string("auth_api_token_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_https"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_https,
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
    ngx_http_auth_api_token_add_variables, /* preconfiguration */
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


/*
 * What one API says is never used for another: two locations have a scope in
 * common if they have the label, or the server and the URI, and the credential
 * and the format, which decide what proves a token.
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

    p = ngx_pnalloc(cf->pool, sizeof("service,opaque,server:,") + NGX_INT_T_LEN
                              + request->api.len + request->uri.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->scope.data = p;

    p = ngx_sprintf(p, "%s,%s,", request->service ? "service" : "client",
                    conf->check->opaque ? "opaque" : "idt");

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
    ngx_http_core_srv_conf_t  *cscf;

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

    /* there is no line to name: the levels are merged at the end */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (conf->request == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_api_token\" in location \"%V\" of server \"%V\" "
                      "needs \"auth_api_token_request\" to name the location "
                      "that asks the token API",
                      &clcf->name, &cscf->server_name);
        return NGX_CONF_ERROR;
    }

    if (conf->check->opaque && conf->request->service) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"format=opaque\" of \"auth_api_token\" in location "
                      "\"%V\" of server \"%V\" needs \"credential=client\" in "
                      "\"auth_api_token_request\": there is no id to ask for",
                      &clcf->name, &cscf->server_name);
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
