
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"


/*
 * The flights of this worker are in a table, by their keys.
 */

struct ngx_http_auth_api_token_flight_s {
    ngx_queue_t                        queue;      /* in the table */
    ngx_queue_t                        turns;      /* without a lease */
    ngx_queue_t                        waiters;
    ngx_event_t                        timer;      /* of who made it */
    ngx_http_auth_api_token_zone_t    *zone;       /* or NULL */
    ngx_http_auth_api_token_ticket_t   ticket;     /* seq is 0: no lease */
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t                         trying;     /* unsigned  trying:1;
                                                      it is its turn */
};


/*
 * Begins a flight about a key, for who has the ticket; without a zone there is
 * neither key nor ticket, and it ends with the last one who waits, by its timer
 * being posted.
 */

void ngx_http_auth_api_token_flight_init(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * The same for a flight that is allocated, and freed when it ends.  Returns
 * NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_create(
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket, ngx_event_handler_pt handler);


/*
 * Returns the flight of this worker about a key, or NULL.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_find(
    ngx_http_auth_api_token_zone_t *zone, u_char *key, ngx_atomic_uint_t seq);


/*
 * Wakes all who wait, or the first only, with the verdict.  If that is NULL,
 * they have to ask again.
 */

void ngx_http_auth_api_token_flight_wake(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_verdict_t *verdict);
void ngx_http_auth_api_token_flight_wake_first(
    ngx_http_auth_api_token_flight_t *flight);


/*
 * Ends a flight for which nobody waits.
 */

void ngx_http_auth_api_token_flight_end(
    ngx_http_auth_api_token_flight_t *flight);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_ */
