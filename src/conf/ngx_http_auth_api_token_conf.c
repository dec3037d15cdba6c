
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


static ngx_int_t ngx_http_auth_api_token_validate(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
static ngx_int_t ngx_http_auth_api_token_add_check(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
static void ngx_http_auth_api_token_merge_switch(
    ngx_http_auth_api_token_switch_t *conf,
    ngx_http_auth_api_token_switch_t *prev, ngx_flag_t on);
static ngx_int_t ngx_http_auth_api_token_set_scope(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf);
static ngx_int_t ngx_http_auth_api_token_add_server(ngx_conf_t *cf,
    ngx_array_t *parts);
static ngx_int_t ngx_http_auth_api_token_add_part(ngx_array_t *parts,
    ngx_str_t *value);


void *
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
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no random bytes available");
        return NULL;
    }

    if (ngx_array_init(&conf->zones, cf->pool, 1, sizeof(ngx_shm_zone_t *))
        != NGX_OK
        || ngx_array_init(&conf->caches, cf->pool, 4,
                          sizeof(ngx_http_auth_api_token_cache_t *))
           != NGX_OK
        || ngx_array_init(&conf->checks, cf->pool, 4,
                          sizeof(ngx_http_auth_api_token_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&conf->levels, cf->pool, 16,
                          sizeof(ngx_http_auth_api_token_level_t))
           != NGX_OK)
    {
        return NULL;
    }

    return conf;
}


void *
ngx_http_auth_api_token_create_loc_conf(ngx_conf_t *cf)
{
    ngx_uint_t                           i;
    ngx_http_auth_api_token_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->figures = NULL;
     *     conf->scope = { 0, NULL };
     *     conf->required = 0;
     *     conf->https.value = NULL;
     *     conf->dry_run.value = NULL;
     *     conf->content = NULL;
     *     conf->purge = NULL;
     *     conf->status_format = 0;
     */

    conf->check = NGX_CONF_UNSET_PTR;
    conf->request = NGX_CONF_UNSET_PTR;
    conf->cache = NGX_CONF_UNSET_PTR;
    conf->limit = NGX_CONF_UNSET_PTR;
    conf->https.on = NGX_CONF_UNSET;
    conf->dry_run.on = NGX_CONF_UNSET;
    conf->problem = NGX_CONF_UNSET;
    conf->preflight = NGX_CONF_UNSET;
    conf->preaccess = NGX_CONF_UNSET_UINT;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_LINES; i++) {
        conf->lines[i] = NGX_CONF_UNSET_PTR;
    }

    return conf;
}


char *
ngx_http_auth_api_token_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_auth_api_token_loc_conf_t *prev = parent;
    ngx_http_auth_api_token_loc_conf_t *conf = child;

    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->check, prev->check, NULL);
    ngx_conf_merge_ptr_value(conf->request, prev->request, NULL);
    ngx_conf_merge_ptr_value(conf->cache, prev->cache, NULL);
    ngx_conf_merge_ptr_value(conf->limit, prev->limit, NULL);
    ngx_conf_merge_value(conf->problem, prev->problem, 1);
    ngx_conf_merge_value(conf->preflight, prev->preflight, 0);
    ngx_conf_merge_uint_value(conf->preaccess, prev->preaccess, 0);

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_LINES; i++) {
        ngx_conf_merge_ptr_value(conf->lines[i], prev->lines[i], NULL);

        if (conf->lines[i]) {
            conf->required = 1;
        }
    }

    /* with "off", a level counts in the zone that it bypasses */

    if (conf->figures == NULL) {
        conf->figures = prev->figures;
    }

    ngx_http_auth_api_token_merge_switch(&conf->https, &prev->https, 1);
    ngx_http_auth_api_token_merge_switch(&conf->dry_run, &prev->dry_run, 0);

    if (ngx_http_auth_api_token_add_level(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" have the content of the location around them */

    if (clcf->noname && clcf->handler == NULL) {
        conf->content = prev->content;
        conf->purge = prev->purge;
        conf->status_format = prev->status_format;

        if (conf->content) {
            clcf->handler = conf->content->handler;
        }
    }

    if (ngx_http_auth_api_token_validate(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->check && ngx_http_auth_api_token_add_check(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* no message names a line: the levels are merged after all was read */

static ngx_int_t
ngx_http_auth_api_token_validate(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (conf->check == NULL) {

        if (conf->content == NULL || !conf->content->checked) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" in location \"%V\" of server \"%V\" needs "
                      "\"auth_api_token\"",
                      conf->content->directive, &clcf->name,
                      &cscf->server_name);
        return NGX_ERROR;
    }

    if (conf->request == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_api_token\" in location \"%V\" of server \"%V\" "
                      "needs \"auth_api_token_request\" to name the location "
                      "that asks the token API",
                      &clcf->name, &cscf->server_name);
        return NGX_ERROR;
    }

    if (conf->check->opaque && conf->request->service) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"format=opaque\" of \"auth_api_token\" in location "
                      "\"%V\" of server \"%V\" needs \"credential=client\" in "
                      "\"auth_api_token_request\": there is no id to ask for",
                      &clcf->name, &cscf->server_name);
        return NGX_ERROR;
    }

    if (conf->limit && conf->cache == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"auth_api_token_denied_limit\" limits nothing in "
                      "location \"%V\" of server \"%V\": it needs the zone of "
                      "\"auth_api_token_cache\"",
                      &clcf->name, &cscf->server_name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_add_check(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *conf)
{
    ngx_http_auth_api_token_loc_conf_t   **check;
    ngx_http_auth_api_token_main_conf_t   *amcf;

    if (ngx_http_auth_api_token_set_scope(cf, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    amcf->preaccess |= conf->preaccess;

    check = ngx_array_push(&amcf->checks);
    if (check == NULL) {
        return NGX_ERROR;
    }

    *check = conf;

    return NGX_OK;
}


static void
ngx_http_auth_api_token_merge_switch(ngx_http_auth_api_token_switch_t *conf,
    ngx_http_auth_api_token_switch_t *prev, ngx_flag_t on)
{
    if (conf->on == NGX_CONF_UNSET) {
        conf->value = prev->value;
    }

    ngx_conf_merge_value(conf->on, prev->on, on);
}


/*
 * The scope keeps the verdicts of one API from serving for another: it is a
 * digest of the label, or of the server and the URI, and of the credential mode
 * and the format, which decide what proves a token.  A server is identified by
 * its names and addresses, as verdicts outlive the configuration.
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

    /* all scopes have one length */

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


char *
ngx_http_auth_api_token_set_content(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf,
    ngx_http_auth_api_token_content_t *content)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->content == content) {
        return "is duplicate";
    }

    if (alcf->content) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" directive cannot be used with \"%s\"",
                           content->directive, alcf->content->directive);
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = content->handler;

    alcf->content = content;

    return NGX_CONF_OK;
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
