
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Adds the level that is being merged to the list of levels.  Returns NGX_OK,
 * or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_add_level(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf);


/*
 * Warns where a server has no location for the URI of auth_api_token_request,
 * or one that clients may use.  To be called when all levels are merged.
 */

void ngx_http_auth_api_token_check_lookup_locations(ngx_conf_t *cf);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_ */
