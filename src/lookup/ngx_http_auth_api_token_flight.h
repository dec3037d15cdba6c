
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/* how late it may be known what another worker knows, ms */

#define NGX_HTTP_AUTH_API_TOKEN_POLL  10


/*
 * A lookup as those see it who wait for it.  If this worker asks, the flight is
 * a part of the lookup.  If another one does, the flight watches its lease.  If
 * nobody does yet, as all places among "lookups" are taken, it has no lease and
 * waits for its turn.
 */

typedef struct {
    ngx_queue_t                        queue;      /* in the table */
    ngx_queue_t                        line;       /* without a lease */
    ngx_queue_t                        waiters;
    ngx_event_t                        timer;      /* of its owner */
    ngx_http_auth_api_token_zone_t    *zone;       /* or NULL */
    ngx_http_auth_api_token_ticket_t   ticket;     /* seq is 0: no lease */
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t                         turn;       /* unsigned  turn:1; */
} ngx_http_auth_api_token_flight_t;


/*
 * One who waits.  When the flight ends, or the time is over, the handler gets
 * the verdict, of which it copies what it needs, and the event is posted.
 */

typedef void (*ngx_http_auth_api_token_told_pt)(void *data,
    ngx_http_auth_api_token_verdict_t *verdict);

struct ngx_http_auth_api_token_waiter_s {
    ngx_queue_t                        queue;
    ngx_http_auth_api_token_flight_t  *flight;     /* or NULL */
    ngx_event_t                        timer;
    ngx_event_t                       *event;
    ngx_http_auth_api_token_told_pt    handler;
    void                              *data;
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
 * The flight that has the lease; if this worker has none, one that watches the
 * lease of another.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_join(
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Has one wait, before all others if "first", for so many milliseconds.
 */

void ngx_http_auth_api_token_flight_wait(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_waiter_t *waiter, ngx_msec_t ms, ngx_uint_t first);


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


/*
 * Takes one out of those who wait, if it is among them.
 */

void ngx_http_auth_api_token_flight_leave(
    ngx_http_auth_api_token_waiter_t *waiter);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_ */
