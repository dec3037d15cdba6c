
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_lookup.h"
#include "ngx_http_auth_api_token_operate.h"


static ngx_int_t ngx_http_auth_api_token_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_auth_api_token_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_auth_api_token_init_preaccess(ngx_conf_t *cf);
static ngx_int_t ngx_http_auth_api_token_add_handler(ngx_conf_t *cf,
    ngx_http_phases phase, ngx_http_handler_pt handler);


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


static ngx_http_auth_api_token_values_t  ngx_http_auth_api_token_extension = {
    ngx_http_auth_api_token_valid_extension,
    "an extension id such as \"EXT-1234-5678\""
};


static ngx_command_t  ngx_http_auth_api_token_commands[] = {

    { ngx_string("auth_api_token_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1234,
      ngx_http_auth_api_token_set_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

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

    { ngx_string("auth_api_token_denied_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_auth_api_token_set_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_account"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t,
               lines[NGX_HTTP_AUTH_API_TOKEN_LINES_ACCOUNT]),
      &ngx_http_auth_api_token_account },

    { ngx_string("auth_api_token_account_type"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t,
               lines[NGX_HTTP_AUTH_API_TOKEN_LINES_ACCOUNT_TYPE]),
      &ngx_http_auth_api_token_account_type },

    { ngx_string("auth_api_token_module"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t,
               lines[NGX_HTTP_AUTH_API_TOKEN_LINES_MODULE]),
      &ngx_http_auth_api_token_module_id },

    { ngx_string("auth_api_token_extension"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t,
               lines[NGX_HTTP_AUTH_API_TOKEN_LINES_EXTENSION]),
      &ngx_http_auth_api_token_extension },

    { ngx_string("auth_api_token_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_auth_api_token_set_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_https"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, https),
      NULL },

    { ngx_string("auth_api_token_dry_run"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, dry_run),
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

    { ngx_string("auth_api_token_phase"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_phase,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_auth_api_token_loc_conf_t, preaccess),
      NULL },

    { ngx_string("auth_api_token_object"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_auth_api_token_set_object,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_api_token_purge"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_auth_api_token_set_purge,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_variable_t  ngx_http_auth_api_token_vars[] = {

    { ngx_string("auth_api_token_claimed_id"), NULL,
      ngx_http_auth_api_token_claimed_id_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_traceparent"), NULL,
      ngx_http_auth_api_token_traceparent_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_id"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_name"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, name),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_account_id"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, account_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_account_name"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, account_name),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_account_type"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, account_type),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_modules"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, modules),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_extensions"), NULL,
      ngx_http_auth_api_token_fact_variable,
      offsetof(ngx_http_auth_api_token_facts_t, extensions),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_known_id"), NULL,
      ngx_http_auth_api_token_known_variable,
      offsetof(ngx_http_auth_api_token_facts_t, id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_known_account_id"), NULL,
      ngx_http_auth_api_token_known_variable,
      offsetof(ngx_http_auth_api_token_facts_t, account_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_result"), NULL,
      ngx_http_auth_api_token_result_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_cache_status"), NULL,
      ngx_http_auth_api_token_cache_status_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_age"), NULL,
      ngx_http_auth_api_token_age_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_api_token_fingerprint"), NULL,
      ngx_http_auth_api_token_fingerprint_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
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
    ngx_http_auth_api_token_init_module,   /* init module */
    ngx_http_auth_api_token_init_process,  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_auth_api_token_exit_process,  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_module_t  ngx_http_auth_api_token_preaccess_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_auth_api_token_init_preaccess, /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_auth_api_token_preaccess_module = {
    NGX_MODULE_V1,
    &ngx_http_auth_api_token_preaccess_module_ctx, /* module context */
    NULL,                                  /* module directives */
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


static ngx_http_module_t  ngx_http_auth_api_token_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_auth_api_token_init_filter,   /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_auth_api_token_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_auth_api_token_filter_module_ctx, /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_auth_api_token_init_lookup_filter, /* init module */
    ngx_http_auth_api_token_init_lookup_filter, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_auth_api_token_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_auth_api_token_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_init(ngx_conf_t *cf)
{
    ngx_http_auth_api_token_main_conf_t  *amcf;

    static ngx_str_t  name = ngx_string("request_id");

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    amcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (amcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ngx_http_auth_api_token_add_handler(cf, NGX_HTTP_ACCESS_PHASE,
                                            ngx_http_auth_api_token_handler)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_auth_api_token_check_lookup_locations(cf);

    return ngx_http_auth_api_token_find_zones(cf);
}


static ngx_int_t
ngx_http_auth_api_token_init_preaccess(ngx_conf_t *cf)
{
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    if (!amcf->preaccess) {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_add_handler(cf, NGX_HTTP_PREACCESS_PHASE,
                                    ngx_http_auth_api_token_preaccess_handler);
}


static ngx_int_t
ngx_http_auth_api_token_add_handler(ngx_conf_t *cf, ngx_http_phases phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}
