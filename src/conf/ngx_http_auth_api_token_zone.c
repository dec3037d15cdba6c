
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_params.h"


#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_LOOKUPS       64
#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_QUEUE         1024
#define NGX_HTTP_AUTH_API_TOKEN_MAX_QUEUE             65536

/* per cent */

#define NGX_HTTP_AUTH_API_TOKEN_DEFAULT_DENIED_SHARE  10
#define NGX_HTTP_AUTH_API_TOKEN_MAX_DENIED_SHARE      90


static ngx_int_t ngx_http_auth_api_token_param_zone(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member);
static ngx_shm_zone_t *ngx_http_auth_api_token_find_zone(
    ngx_http_auth_api_token_main_conf_t *amcf, ngx_str_t *name);
static ngx_uint_t ngx_http_auth_api_token_zone_differs(ngx_conf_t *cf,
    ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_http_auth_api_token_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);


static ngx_http_auth_api_token_param_t  ngx_http_auth_api_token_zone_params[] =
{
    { ngx_string("zone="),
      ngx_http_auth_api_token_param_zone,
      0,
      0, 0, NULL,
      "\"zone=NAME:SIZE\", a name of letters, digits, \".\", \"_\" and \"-\" "
      "and a size such as \"10m\"" },

    { ngx_string("lookups="),
      ngx_http_auth_api_token_param_number,
      offsetof(ngx_http_auth_api_token_zone_t, lookups),
      1, NGX_HTTP_AUTH_API_TOKEN_MAX_LOOKUPS, NULL,
      "a number from 1 to 1024" },

    { ngx_string("queue="),
      ngx_http_auth_api_token_param_number,
      offsetof(ngx_http_auth_api_token_zone_t, queue),
      0, NGX_HTTP_AUTH_API_TOKEN_MAX_QUEUE, NULL,
      "a number from 0 to 65536" },

    { ngx_string("denied="),
      ngx_http_auth_api_token_param_percent,
      offsetof(ngx_http_auth_api_token_zone_t, denied),
      1, NGX_HTTP_AUTH_API_TOKEN_MAX_DENIED_SHARE, NULL,
      "a percentage from \"1%\" to \"90%\"" },

    { ngx_null_string, NULL, 0, 0, 0, NULL,
      "\"zone=\", \"lookups=\", \"queue=\" or \"denied=\"" }
};


char *
ngx_http_auth_api_token_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_main_conf_t *amcf = conf;

    ssize_t                          size;
    ngx_str_t                        name;
    ngx_shm_zone_t                  *shm_zone, **zone_p;
    ngx_http_auth_api_token_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_queue_init(&zone->turns);

    zone->lookups = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_LOOKUPS;
    zone->queue = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_QUEUE;
    zone->denied = NGX_HTTP_AUTH_API_TOKEN_DEFAULT_DENIED_SHARE;

    if (ngx_http_auth_api_token_read_params(cf, cmd,
                                           ngx_http_auth_api_token_zone_params,
                                           1, zone)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    name = zone->name;
    size = zone->size;

    if (name.len == 0) {
        return "needs \"zone=NAME:SIZE\"";
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" is too small, expected at "
                           "least %uzk", &name, &cmd->name,
                           8 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_auth_api_token_find_zone(amcf, &name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" is declared twice",
                           &name, &cmd->name);
        return NGX_CONF_ERROR;
    }

    /*
     * nginx keeps a zone over a reload if its size is the same: give it another
     * size whenever the layout is another one
     */

    size += ngx_http_auth_api_token_store_overhead(zone->lookups);

    shm_zone = ngx_shared_memory_add(cf, &name, size,
                                     &ngx_http_auth_api_token_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_http_auth_api_token_init_zone;
    shm_zone->data = zone;

    if (ngx_http_auth_api_token_zone_differs(cf, shm_zone)) {
        ngx_conf_log_error(NGX_LOG_NOTICE, cf, 0,
                           "zone \"%V\" starts empty: its size or \"lookups\" "
                           "has changed", &name);
    }

    zone_p = ngx_array_push(&amcf->zones);
    if (zone_p == NULL) {
        return NGX_CONF_ERROR;
    }

    *zone_p = shm_zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_auth_api_token_param_zone(ngx_conf_t *cf,
    ngx_http_auth_api_token_param_t *param, ngx_str_t *value, void *member)
{
    ngx_http_auth_api_token_zone_t *zone = member;

    u_char     *p;
    ngx_str_t   s;

    p = (u_char *) ngx_strchr(value->data, ':');
    if (p == NULL) {
        return NGX_DECLINED;
    }

    zone->name.data = value->data;
    zone->name.len = p - value->data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    zone->size = ngx_parse_size(&s);

    /* "auth_api_token_cache off" would not mean a zone of this name */

    if (zone->size == NGX_ERROR
        || (zone->name.len == 3
            && ngx_strncmp(zone->name.data, "off", 3) == 0))
    {
        return NGX_DECLINED;
    }

    return ngx_http_auth_api_token_valid_label(&zone->name);
}


/* whether nginx makes the zone anew; the old workers go on with the old one */

static ngx_uint_t
ngx_http_auth_api_token_zone_differs(ngx_conf_t *cf, ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *old;
    ngx_list_part_t  *part;

    part = &cf->cycle->old_cycle->shared_memory.part;
    old = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            old = part->elts;
            i = 0;
        }

        if (old[i].shm.name.len == shm_zone->shm.name.len
            && ngx_strncmp(old[i].shm.name.data, shm_zone->shm.name.data,
                           shm_zone->shm.name.len)
               == 0)
        {
            break;
        }
    }

    return old[i].tag != shm_zone->tag || old[i].shm.size != shm_zone->shm.size;
}


static ngx_int_t
ngx_http_auth_api_token_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    void                            *addr;
    size_t                           size;
    u_char                           secret[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_slab_pool_t                 *shpool;
    ngx_http_auth_api_token_zone_t  *zone;

    zone = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        zone->store = shpool->data;

        if (!ngx_http_auth_api_token_store_matches(zone->store, zone->lookups))
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" in \"auth_api_token_zone\" is in use "
                          "with another layout, give it another size or name",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        ngx_http_auth_api_token_store_limits(zone->store, zone->queue,
                                             zone->denied);

        return NGX_OK;
    }

    /*
     * in one piece: with a slab page for each size, a full store would have no
     * room for a large record, however many small ones it evicts
     */

    size = shpool->pfree * ngx_pagesize;

    addr = ngx_slab_alloc(shpool, size);
    if (addr == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_auth_api_token_random(secret, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
        == NGX_OK)
    {
        zone->store = ngx_http_auth_api_token_store_create(addr, size,
                                                           &shpool->mutex,
                                                           secret,
                                                           zone->lookups,
                                                           zone->queue,
                                                           zone->denied);
    }

    if (zone->store == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" in \"auth_api_token_zone\" is too small, or "
                      "there are no random bytes available",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    shpool->data = zone->store;

    return NGX_OK;
}


ngx_http_auth_api_token_cache_t *
ngx_http_auth_api_token_add_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name)
{
    ngx_http_auth_api_token_cache_t      *cache, **cache_p;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    cache = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_cache_t));
    if (cache == NULL) {
        return NULL;
    }

    cache->name = *name;
    cache->file = cf->conf_file->file.name.data;
    cache->line = cf->conf_file->line;
    cache->directive = &cmd->name;

    cache_p = ngx_array_push(&amcf->caches);
    if (cache_p == NULL) {
        return NULL;
    }

    *cache_p = cache;

    return cache;
}


ngx_int_t
ngx_http_auth_api_token_find_zones(ngx_conf_t *cf)
{
    ngx_uint_t                             i;
    ngx_shm_zone_t                        *shm_zone;
    ngx_http_auth_api_token_cache_t      **cache;
    ngx_http_auth_api_token_main_conf_t   *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    cache = amcf->caches.elts;

    for (i = 0; i < amcf->caches.nelts; i++) {

        shm_zone = ngx_http_auth_api_token_find_zone(amcf, &cache[i]->name);

        if (shm_zone == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "zone \"%V\" in \"%V\" is not declared, expected "
                          "the name of an \"auth_api_token_zone\" in %s:%ui",
                          &cache[i]->name, cache[i]->directive, cache[i]->file,
                          cache[i]->line);
            return NGX_ERROR;
        }

        cache[i]->zone = shm_zone->data;
    }

    return NGX_OK;
}


static ngx_shm_zone_t *
ngx_http_auth_api_token_find_zone(ngx_http_auth_api_token_main_conf_t *amcf,
    ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_shm_zone_t  **shm_zone;

    shm_zone = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {

        if (shm_zone[i]->shm.name.len == name->len
            && ngx_strncmp(shm_zone[i]->shm.name.data, name->data, name->len)
               == 0)
        {
            return shm_zone[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_auth_api_token_init_module(ngx_cycle_t *cycle)
{
    u_char                                *secret;
    ngx_uint_t                             i;
    ngx_http_auth_api_token_loc_conf_t   **check;
    ngx_http_auth_api_token_main_conf_t   *amcf;

    if (!ngx_test_config) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      NGX_HTTP_AUTH_API_TOKEN_VER);
    }

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_auth_api_token_module);
    if (amcf == NULL) {
        return NGX_OK;
    }

    check = amcf->checks.elts;

    for (i = 0; i < amcf->checks.nelts; i++) {

        secret = check[i]->cache
                 ? ngx_http_auth_api_token_store_secret(
                                                 check[i]->cache->zone->store)
                 : amcf->secret;

        if (ngx_http_auth_api_token_digest(secret, &check[i]->scope,
                                           check[i]->prefix)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
