
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The handler of auth_api_token_zone.  Returns what those in
 * ngx_http_auth_api_token_directives.h do.
 */

char *ngx_http_auth_api_token_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/*
 * Adds a reference to a zone by its name; the zone is found when the whole
 * configuration has been read.  Until then the reference keeps the directive,
 * and the file and the line being read, for a message.  Returns NULL if there
 * is no memory.
 */

ngx_http_auth_api_token_cache_t *ngx_http_auth_api_token_add_cache(
    ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name);


/*
 * Finds the zones of all caches.  Returns NGX_OK, or NGX_ERROR after a message.
 */

ngx_int_t ngx_http_auth_api_token_find_zones(ngx_conf_t *cf);


/*
 * Logs the version, unless the configuration is only tested; and makes the
 * prefixes of the keys of all locations that check tokens, from the secrets of
 * their zones, which exist by now.  Returns NGX_OK, or NGX_ERROR if the library
 * of digests failed.
 */

ngx_int_t ngx_http_auth_api_token_init_module(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_ */
