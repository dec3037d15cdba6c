
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_directives.h"
#include "ngx_http_auth_api_token_require.h"
#include "ngx_http_auth_api_token_zone.h"


#define NGX_HTTP_AUTH_API_TOKEN_LOOKUPS     64
#define NGX_HTTP_AUTH_API_TOKEN_QUEUED      1024
#define NGX_HTTP_AUTH_API_TOKEN_MAX_QUEUED  65536
#define NGX_HTTP_AUTH_API_TOKEN_SHARE       10
#define NGX_HTTP_AUTH_API_TOKEN_MAX_SHARE   90

/* milliseconds */

#define NGX_HTTP_AUTH_API_TOKEN_VALID       60000
#define NGX_HTTP_AUTH_API_TOKEN_DENIED      5000
#define NGX_HTTP_AUTH_API_TOKEN_MIN_TIME    10
#define NGX_HTTP_AUTH_API_TOKEN_MAX_TIME    86400000


static ngx_int_t ngx_http_auth_api_token_zone_size(ngx_str_t *value,
    ngx_str_t *name, ssize_t *size);
static ngx_uint_t ngx_http_auth_api_token_zone_differs(ngx_conf_t *cf,
    ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_http_auth_api_token_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_auth_api_token_time(ngx_str_t *value, size_t skip,
    ngx_int_t min, ngx_msec_t *ms);
static void ngx_http_auth_api_token_release(ngx_cycle_t *cycle,
    ngx_uint_t (*gone)(ngx_pid_t pid));
static ngx_uint_t ngx_http_auth_api_token_going(ngx_pid_t pid);


char *
ngx_http_auth_api_token_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_main_conf_t *amcf = conf;

    ssize_t                          size;
    ngx_int_t                        n;
    ngx_str_t                       *value, name;
    ngx_uint_t                       i;
    ngx_shm_zone_t                  *shm_zone, **zone_p;
    ngx_http_auth_api_token_zone_t  *zone;

    value = cf->args->elts;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_auth_api_token_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_queue_init(&zone->line);

    zone->lookups = NGX_HTTP_AUTH_API_TOKEN_LOOKUPS;
    zone->queue = NGX_HTTP_AUTH_API_TOKEN_QUEUED;
    zone->denied = NGX_HTTP_AUTH_API_TOKEN_SHARE;

    name.len = 0;
    size = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_repeated(cf, 1, i) == NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "each parameter once");
        }

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0) {

            if (ngx_http_auth_api_token_zone_size(&value[i], &name, &size)
                != NGX_OK)
            {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "\"zone=NAME:SIZE\", a "
                                                       "name of letters, "
                                                       "digits, \".\", \"_\" "
                                                       "and \"-\" and a size "
                                                       "such as \"10m\"");
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "lookups=", 8) == 0) {
            n = ngx_atoi(value[i].data + 8, value[i].len - 8);

            if (n <= 0 || n > NGX_HTTP_AUTH_API_TOKEN_MAX_LOOKUPS) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a number from 1 to "
                                                       "1024");
            }

            zone->lookups = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "queue=", 6) == 0) {
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (n < 0 || n > NGX_HTTP_AUTH_API_TOKEN_MAX_QUEUED) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a number from 0 to "
                                                       "65536");
            }

            zone->queue = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "denied=", 7) == 0) {
            n = NGX_ERROR;

            if (value[i].data[value[i].len - 1] == '%') {
                n = ngx_atoi(value[i].data + 7, value[i].len - 8);
            }

            if (n <= 0 || n > NGX_HTTP_AUTH_API_TOKEN_MAX_SHARE) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a share from \"1%\" to "
                                                       "\"90%\"");
            }

            zone->denied = n;
            continue;
        }

        return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                               "\"zone=\", \"lookups=\", "
                                               "\"queue=\" or \"denied=\"");
    }

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

    zone_p = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {

        if (zone_p[i]->shm.name.len == name.len
            && ngx_strncmp(zone_p[i]->shm.name.data, name.data, name.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "zone \"%V\" in \"%V\" is declared twice",
                               &name, &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    /*
     * nginx keeps what is in a zone if it has the same size after a reload: let
     * it have another one whenever something else would be found there
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
                           "zone \"%V\" starts empty: its size, \"lookups\" "
                           "or the module has changed", &name);
    }

    zone_p = ngx_array_push(&amcf->zones);
    if (zone_p == NULL) {
        return NGX_CONF_ERROR;
    }

    *zone_p = shm_zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_auth_api_token_zone_size(ngx_str_t *value, ngx_str_t *name,
    ssize_t *size)
{
    u_char     *p;
    ngx_str_t   s;

    name->data = value->data + 5;

    p = (u_char *) ngx_strchr(name->data, ':');
    if (p == NULL) {
        return NGX_ERROR;
    }

    name->len = p - name->data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    *size = ngx_parse_size(&s);

    /* there could be no cache of a zone "off" */

    if (*size == NGX_ERROR
        || (name->len == 3 && ngx_strncmp(name->data, "off", 3) == 0))
    {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_valid_label(name);
}


/* the workers of the old configuration go on with the old zone */

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
                          "with another layout, expected another size or name",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        ngx_http_auth_api_token_store_limits(zone->store, zone->queue,
                                             zone->denied);

        zone->counters = ngx_http_auth_api_token_store_counters(zone->store);

        return NGX_OK;
    }

    /*
     * all that is left: in pages of several sizes a full store would have no
     * room for what is larger than most, however much it evicts
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
                      "there are no random bytes to be had",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    zone->counters = ngx_http_auth_api_token_store_counters(zone->store);

    shpool->data = zone->store;

    return NGX_OK;
}


char *
ngx_http_auth_api_token_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    ngx_int_t                         rc;
    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_http_auth_api_token_cache_t  *cache;

    if (alcf->cache != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[2],
                                                   "nothing after \"off\"");
        }

        alcf->cache = NULL;

        return NGX_CONF_OK;
    }

    cache = ngx_http_auth_api_token_add_cache(cf, cmd, &value[1]);
    if (cache == NULL) {
        return NGX_CONF_ERROR;
    }

    cache->valid = NGX_HTTP_AUTH_API_TOKEN_VALID;
    cache->denied = NGX_HTTP_AUTH_API_TOKEN_DENIED;
    cache->refresh = 1;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_auth_api_token_repeated(cf, 2, i) == NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "each parameter once");
        }

        if (ngx_strcmp(value[i].data, "refresh=on") == 0) {
            cache->refresh = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "refresh=off") == 0) {
            cache->refresh = 0;
            continue;
        }

        if (ngx_strncmp(value[i].data, "valid=", 6) == 0) {
            rc = ngx_http_auth_api_token_time(&value[i], 6,
                                              NGX_HTTP_AUTH_API_TOKEN_MIN_TIME,
                                              &cache->valid);

        } else if (ngx_strncmp(value[i].data, "denied=", 7) == 0) {
            rc = ngx_http_auth_api_token_time(&value[i], 7,
                                              NGX_HTTP_AUTH_API_TOKEN_MIN_TIME,
                                              &cache->denied);

        } else if (ngx_strncmp(value[i].data, "stale=", 6) == 0) {
            rc = ngx_http_auth_api_token_time(&value[i], 6, 0, &cache->stale);

            if (rc != NGX_OK) {
                return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                       "a time from 0 to 1d");
            }

        } else {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "\"valid=\", \"denied=\", "
                                                   "\"refresh=on\", "
                                                   "\"refresh=off\" or "
                                                   "\"stale=\"");
        }

        if (rc != NGX_OK) {
            return ngx_http_auth_api_token_invalid(cf, cmd, &value[i],
                                                   "a time from 10ms to 1d");
        }
    }

    alcf->cache = cache;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_auth_api_token_time(ngx_str_t *value, size_t skip, ngx_int_t min,
    ngx_msec_t *ms)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = value->data + skip;
    s.len = value->len - skip;

    n = ngx_parse_time(&s, 0);

    if (n == NGX_ERROR || n < min || n > NGX_HTTP_AUTH_API_TOKEN_MAX_TIME) {
        return NGX_ERROR;
    }

    *ms = n;

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
    ngx_uint_t                            i, n;
    ngx_shm_zone_t                      **zone;
    ngx_http_auth_api_token_cache_t     **cache;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    cache = amcf->caches.elts;
    zone = amcf->zones.elts;

    for (i = 0; i < amcf->caches.nelts; i++) {

        for (n = 0; n < amcf->zones.nelts; n++) {

            if (zone[n]->shm.name.len == cache[i]->name.len
                && ngx_strncmp(zone[n]->shm.name.data, cache[i]->name.data,
                               cache[i]->name.len)
                   == 0)
            {
                break;
            }
        }

        if (n == amcf->zones.nelts) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "zone \"%V\" in \"%V\" is not declared, expected "
                          "the name of an \"auth_api_token_zone\" in %s:%ui",
                          &cache[i]->name, cache[i]->directive, cache[i]->file,
                          cache[i]->line);
            return NGX_ERROR;
        }

        cache[i]->zone = zone[n]->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_init_module(ngx_cycle_t *cycle)
{
    u_char                                *secret;
    ngx_uint_t                             i;
    ngx_http_auth_api_token_loc_conf_t   **check;
    ngx_http_auth_api_token_main_conf_t   *amcf;

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


ngx_int_t
ngx_http_auth_api_token_init_process(ngx_cycle_t *cycle)
{
    ngx_http_auth_api_token_release(cycle, ngx_http_auth_api_token_gone);
    ngx_http_auth_api_token_release(cycle, ngx_http_auth_api_token_going);

    return NGX_OK;
}


void
ngx_http_auth_api_token_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_auth_api_token_release(cycle, ngx_http_auth_api_token_going);
}


static void
ngx_http_auth_api_token_release(ngx_cycle_t *cycle,
    ngx_uint_t (*gone)(ngx_pid_t pid))
{
    ngx_uint_t                            i;
    ngx_shm_zone_t                      **shm_zone;
    ngx_http_auth_api_token_zone_t       *zone;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_auth_api_token_module);
    if (amcf == NULL) {
        return;
    }

    shm_zone = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {
        zone = shm_zone[i]->data;

        ngx_http_auth_api_token_store_release(zone->store, gone);
    }
}


/* the master waits for who died, and only then starts another worker */

ngx_uint_t
ngx_http_auth_api_token_gone(ngx_pid_t pid)
{
    return kill(pid, 0) == -1 && ngx_errno == ESRCH;
}


static ngx_uint_t
ngx_http_auth_api_token_going(ngx_pid_t pid)
{
    return pid == ngx_pid;
}
