
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_flight.h"


/*
 * Those of this worker who wait for a place among the "lookups" of a zone: a
 * line of flights without a lease, one for each token.  Who is first in line
 * tries when a place is given back here, or is woken every 10 ms to see whether
 * one was elsewhere.  It stays in line until it has tried, so that nobody who
 * comes later is served before.
 */


/*
 * Whether one who comes now has to stand behind others.
 */

#define ngx_http_auth_api_token_turn_behind(zone)                             \
    (!ngx_queue_empty(&(zone)->line))


/*
 * Returns the flight to wait with for a place; "again" if that was woken as the
 * first in line and found none.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_turn_join(
    ngx_http_auth_api_token_zone_t *zone, u_char *key, ngx_uint_t again);


/*
 * Has the first in line try, if there is one.
 */

void ngx_http_auth_api_token_turn_next(ngx_http_auth_api_token_zone_t *zone);


/*
 * A token needs no place any more, or has one: all in line who wait for it ask
 * again, and the next tries.
 */

void ngx_http_auth_api_token_turn_done(ngx_http_auth_api_token_zone_t *zone,
    u_char *key);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_TURN_H_INCLUDED_ */
