
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_directives.h"
#include "ngx_http_auth_api_token_operate.h"
#include "ngx_http_auth_api_token_zone.h"


static ngx_int_t ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
static ngx_int_t ngx_http_auth_api_token_add_server(ngx_conf_t *cf,
    ngx_array_t *parts);
static ngx_int_t ngx_http_auth_api_token_add_part(ngx_array_t *parts,
    ngx_str_t *value);
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


/*
 * What one API says is never used for another: two locations have a scope in
 * common if they have the label, or the server and the URI, and the credential
 * and the format, which decide what proves a token.  A server is known by its
 * names and addresses, as verdicts outlive the configuration.
 */

static ngx_int_t
ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf)
{
    ngx_str_t                           text, *part;
    ngx_array_t                         parts;
    ngx_uint_t                          i;
    ngx_http_auth_api_token_request_t  *request;

    static u_char     unkeyed[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    static ngx_str_t  client = ngx_string("client");
    static ngx_str_t  service = ngx_string("service");
    static ngx_str_t  idt = ngx_string("idt");
    static ngx_str_t  opaque = ngx_string("opaque");
    static ngx_str_t  api = ngx_string("api");
    static ngx_str_t  server = ngx_string("server");

    request = conf->request;

    if (ngx_array_init(&parts, cf->temp_pool, 8, sizeof(ngx_str_t)) != NGX_OK
        || ngx_http_auth_api_token_add_part(&parts, request->service
                                                    ? &service : &client)
           != NGX_OK
        || ngx_http_auth_api_token_add_part(&parts, conf->check->opaque
                                                    ? &opaque : &idt)
           != NGX_OK
        || ngx_http_auth_api_token_add_part(&parts, request->api.len
                                                    ? &api : &server)
           != NGX_OK
        || ngx_http_auth_api_token_add_part(&parts, request->api.len
                                                    ? &request->api
                                                    : &request->uri)
           != NGX_OK
        || (request->api.len == 0
            && ngx_http_auth_api_token_add_server(cf, &parts) != NGX_OK))
    {
        return NGX_ERROR;
    }

    part = parts.elts;
    text.len = 0;

    for (i = 0; i < parts.nelts; i++) {
        text.len += part[i].len + 1;
    }

    text.data = ngx_pnalloc(cf->temp_pool, text.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = 0;

    for (i = 0; i < parts.nelts; i++) {
        text.len = ngx_sprintf(text.data + text.len, "%V%Z", &part[i])
                   - text.data;
    }

    /* of one length, as it is compared with others */

    conf->scope.len = NGX_HTTP_AUTH_API_TOKEN_KEY_LEN;

    conf->scope.data = ngx_pnalloc(cf->pool, conf->scope.len);
    if (conf->scope.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_digest(unkeyed, &text, conf->scope.data);
}


static ngx_int_t
ngx_http_auth_api_token_add_server(ngx_conf_t *cf, ngx_array_t *parts)
{
    ngx_uint_t                   i, n, m;
    ngx_http_conf_addr_t        *addr;
    ngx_http_conf_port_t        *port;
    ngx_http_server_name_t      *name;
    ngx_http_core_srv_conf_t    *cscf, **server;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    name = cscf->server_names.elts;

    for (i = 0; i < cscf->server_names.nelts; i++) {
        if (ngx_http_auth_api_token_add_part(parts, &name[i].name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (n = 0; n < port[i].addrs.nelts; n++) {
            server = addr[n].servers.elts;

            for (m = 0; m < addr[n].servers.nelts; m++) {

                if (server[m] == cscf
                    && ngx_http_auth_api_token_add_part(parts,
                                                        &addr[n].opt.addr_text)
                       != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_add_part(ngx_array_t *parts, ngx_str_t *value)
{
    ngx_str_t  *part;

    part = ngx_array_push(parts);
    if (part == NULL) {
        return NGX_ERROR;
    }

    *part = *value;

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
                                       NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no random bytes to be had");
        return NULL;
    }

    if (ngx_array_init(&conf->zones, cf->pool, 1, sizeof(ngx_shm_zone_t *))
        != NGX_OK
        || ngx_array_init(&conf->caches, cf->pool, 4,
                          sizeof(ngx_http_auth_api_token_cache_t *))
           != NGX_OK
        || ngx_array_init(&conf->checks, cf->pool, 4,
                          sizeof(ngx_http_auth_api_token_loc_conf_t *))
           != NGX_OK)
    {
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
     *     conf->purge = NULL;
     *     conf->status = 0;
     */

    conf->check = NGX_CONF_UNSET_PTR;
    conf->request = NGX_CONF_UNSET_PTR;
    conf->cache = NGX_CONF_UNSET_PTR;
    conf->limit = NGX_CONF_UNSET_PTR;
    conf->accounts = NGX_CONF_UNSET_PTR;
    conf->account_types = NGX_CONF_UNSET_PTR;
    conf->modules = NGX_CONF_UNSET_PTR;
    conf->require = NGX_CONF_UNSET_PTR;
    conf->https = NGX_CONF_UNSET;
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

    ngx_http_core_loc_conf_t              *clcf;
    ngx_http_core_srv_conf_t              *cscf;
    ngx_http_auth_api_token_loc_conf_t   **check;
    ngx_http_auth_api_token_main_conf_t   *amcf;

    ngx_conf_merge_ptr_value(conf->check, prev->check, NULL);
    ngx_conf_merge_ptr_value(conf->request, prev->request, NULL);
    ngx_conf_merge_ptr_value(conf->cache, prev->cache, NULL);
    ngx_conf_merge_ptr_value(conf->limit, prev->limit, NULL);
    ngx_conf_merge_ptr_value(conf->accounts, prev->accounts, NULL);
    ngx_conf_merge_ptr_value(conf->account_types, prev->account_types, NULL);
    ngx_conf_merge_ptr_value(conf->modules, prev->modules, NULL);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_conf_merge_value(conf->problem, prev->problem, 1);
    ngx_conf_merge_value(conf->preflight, prev->preflight, 0);

    if (conf->https == NGX_CONF_UNSET) {
        conf->https_value = prev->https_value;
    }

    ngx_conf_merge_value(conf->https, prev->https, 1);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" are a part of the location they stand in */

    if (clcf->noname && clcf->handler == NULL) {
        conf->purge = prev->purge;
        conf->status = prev->status;

        if (conf->purge) {
            clcf->handler = ngx_http_auth_api_token_purge_handler;

        } else if (conf->status) {
            clcf->handler = ngx_http_auth_api_token_status_handler;
        }
    }

    if (conf->check == NULL) {
        return NGX_CONF_OK;
    }

    /* there is no line to name: the levels are merged at the end */

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

    if (conf->limit && conf->cache == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"auth_api_token_denied_limit\" limits nothing in "
                      "location \"%V\" of server \"%V\": it needs the zone of "
                      "\"auth_api_token_cache\"",
                      &clcf->name, &cscf->server_name);
    }

    if (ngx_http_auth_api_token_set_scope(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    check = ngx_array_push(&amcf->checks);
    if (check == NULL) {
        return NGX_CONF_ERROR;
    }

    *check = conf;

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

    return ngx_http_auth_api_token_find_zones(cf);
}
