
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The handler of auth_api_token_zone, as those in
 * ngx_http_auth_api_token_directives.h.
 */

char *ngx_http_auth_api_token_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/*
 * Adds a cache, whose zone is found when the configuration is complete.  The
 * file and the line are those being read.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_cache_t *ngx_http_auth_api_token_add_cache(
    ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name);


/*
 * Finds the zones of all caches.  Returns NGX_OK, or NGX_ERROR after a message.
 */

ngx_int_t ngx_http_auth_api_token_find_zones(ngx_conf_t *cf);


/*
 * When there are the secrets of the zones: makes the prefixes of the locations
 * that check tokens.  Returns NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_auth_api_token_init_module(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_ZONE_H_INCLUDED_ */
