
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Notes a level that is being merged, be it a location or not.  Returns NGX_OK,
 * or NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_add_level(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf);


/*
 * When the configuration is complete: warns where no location of a server has
 * the name that auth_api_token_request gives, or where clients may use it.
 */

void ngx_http_auth_api_token_check_lookup_locations(ngx_conf_t *cf);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOCATION_H_INCLUDED_ */
