
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_


/*
 * One question to the token API, asked for nobody in particular: a request
 * without a client, those who wait for it, the answer, and its JSON.
 *
 * This wing knows the configuration and the store.  It does not know who asks,
 * nor what a request makes of the verdict: one who waits is an entry of
 * a queue, an event and a handler.
 *
 * It offers lookups, waiting for them, waiting for a turn to make one, and, as
 * only one file knows the JSON library, the reading of other JSON too.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_json.h"


/* how often leases of other workers, and turns, are looked at, ms */

#define NGX_HTTP_AUTH_API_TOKEN_POLL  10


typedef struct ngx_http_auth_api_token_lookup_s
    ngx_http_auth_api_token_lookup_t;


/*
 * A lookup as those see it who wait for it.  If this worker asks, the flight is
 * a part of the lookup.  If another one does, the flight watches its lease.  If
 * nobody does yet, as all places among "lookups" are taken, it has no lease and
 * waits for its turn.
 */

typedef struct ngx_http_auth_api_token_flight_s
    ngx_http_auth_api_token_flight_t;


/*
 * One who waits.  When the flight ends, or the time is over, the handler gets
 * the verdict, of which it copies what it needs, and the event is posted.
 */

typedef void (*ngx_http_auth_api_token_told_pt)(void *data,
    ngx_http_auth_api_token_verdict_t *verdict);

typedef struct {
    ngx_queue_t                        queue;
    ngx_http_auth_api_token_flight_t  *flight;     /* or NULL */
    ngx_event_t                        timer;
    ngx_event_t                       *event;
    ngx_http_auth_api_token_told_pt    handler;
    void                              *data;
} ngx_http_auth_api_token_waiter_t;


/*
 * Creates a lookup of a token: a request of its own, without a client, that
 * outlives r.  The token is copied, and so is the id that it claims, which may
 * be empty.  Who has a lease hands over the question and the ticket, and the
 * lease goes back to the store of the location even if this fails.  Who has
 * none, as there is no zone, hands over NULL for both.
 *
 * Returns NGX_OK; NGX_BUSY if no connection is left; NGX_ERROR if there is no
 * memory.
 */

ngx_int_t ngx_http_auth_api_token_create_lookup(ngx_http_request_t *r,
    ngx_str_t *token, ngx_str_t *id,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_lookup_t **lookup);


/*
 * Asks.  When the lookup ends, at the latest after the "timeout" of
 * auth_api_token_request, perhaps in this call, the store gets the verdict,
 * all who wait are woken, and all that the lookup had is freed.
 */

void ngx_http_auth_api_token_start_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);


/*
 * The flight of those who wait for the lookup.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_lookup_flight(
    ngx_http_auth_api_token_lookup_t *lookup);


/*
 * Waiting, in ngx_http_auth_api_token_flight.c.  Returns the flight of this
 * worker that has the lease, or else one that watches the lease of another
 * worker; NULL if there is no memory.
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
 * Takes one out of those who wait, if it is among them.
 */

void ngx_http_auth_api_token_flight_leave(
    ngx_http_auth_api_token_waiter_t *waiter);


/*
 * Turns, in ngx_http_auth_api_token_turn.c: those of this worker who wait for
 * one of the "lookups" of a zone are a line of flights without a lease, one for
 * each token.  Who is first in line tries when a lease is given back here, or
 * is woken every 10 ms to see whether one was elsewhere.  It stays in line
 * until it has tried, so that nobody who comes later is served before.
 */


/*
 * Whether one who comes now has to stand behind others.
 */

#define ngx_http_auth_api_token_turn_behind(zone)                             \
    (!ngx_queue_empty(&(zone)->turns))


/*
 * Returns the flight to wait with for a lease; "again" if that was woken as the
 * first in line and found none.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_turn_join(
    ngx_http_auth_api_token_zone_t *zone, u_char *key, ngx_uint_t again);


/*
 * A token needs no lease any more, or has one: all in line who wait for it ask
 * again, and the next tries.
 */

void ngx_http_auth_api_token_turn_done(ngx_http_auth_api_token_zone_t *zone,
    u_char *key);


/*
 * Returns the id that the token claims whose lookup r is made for, and the
 * traceparent of the request that began it, be they empty; NULL if r is made
 * for none.
 */

ngx_str_t *ngx_http_auth_api_token_lookup_id(ngx_http_request_t *r);
ngx_str_t *ngx_http_auth_api_token_lookup_traceparent(ngx_http_request_t *r);


/*
 * Has the filters that take the answers of lookups come above those of all
 * modules: to be called when the configuration is complete, and once more in
 * a worker, as a configuration that was not taken leaves its filters behind in
 * the master.  Returns NGX_OK.
 */

ngx_int_t ngx_http_auth_api_token_init_lookup_filter(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_ */
