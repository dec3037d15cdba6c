
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"


/*
 * Wakes the first in line that is not trying yet, if there is one.
 */

void ngx_http_auth_api_token_turn_next(ngx_http_auth_api_token_zone_t *zone);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_ */
