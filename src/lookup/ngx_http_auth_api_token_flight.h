
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
    ngx_queue_t                        turns;      /* in the line of a zone */
    ngx_queue_t                        waiters;
    ngx_event_t                        timer;      /* set by its creator */
    ngx_http_auth_api_token_zone_t    *zone;       /* or NULL */
    ngx_http_auth_api_token_ticket_t   ticket;     /* seq is 0: no lease */
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t                         trying;     /* unsigned  trying:1;
                                                      it is its turn */
};


/*
 * Initializes a flight for a key and the ticket of a lease; the ticket may be
 * NULL.  Without a zone there is neither, and the timer is posted when the last
 * waiter leaves.
 */

void ngx_http_auth_api_token_flight_init(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * The same for a new flight, whose timer has the handler.  The caller frees it
 * with ngx_free() after it has ended.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_create(
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket, ngx_event_handler_pt handler);


/*
 * Returns the flight of this worker for a key and the "seq" of a ticket, which
 * is 0 for one without a lease; or NULL.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_find(
    ngx_http_auth_api_token_zone_t *zone, u_char *key, ngx_atomic_uint_t seq);


/*
 * Wakes all waiters with the verdict, or if it is NULL to ask the store again;
 * wakes the first waiter, which there has to be, to ask the store again.
 */

void ngx_http_auth_api_token_flight_wake(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_verdict_t *verdict);
void ngx_http_auth_api_token_flight_wake_first(
    ngx_http_auth_api_token_flight_t *flight);


/*
 * Ends a flight without waiters.
 */

void ngx_http_auth_api_token_flight_end(
    ngx_http_auth_api_token_flight_t *flight);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_ */
