
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_


/*
 * Lookups: a lookup asks the token API about one token, in a request of its own
 * that has no client.  Here are this request, the client requests that wait for
 * it, the API's answer, and its JSON.
 *
 * This wing knows the configuration and the store.  It does not know client
 * requests, nor what they do with a verdict: what waits is an entry of a queue,
 * an event and a handler.
 *
 * It offers lookups, waiting for them, waiting for a turn to make one, and, as
 * only one file knows the JSON library, the reading of other JSON too.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_json.h"


/* how often to look at leases of other workers, and for a spare one, ms */

#define NGX_HTTP_AUTH_API_TOKEN_POLL  10


typedef struct ngx_http_auth_api_token_lookup_s
    ngx_http_auth_api_token_lookup_t;


/*
 * A flight: all requests of this worker that wait for one lookup.  If this
 * worker makes the lookup, the flight is a part of it.  If another worker does,
 * the flight watches its lease.  If none does yet, as all places among
 * "lookups" are taken, the flight has no lease and waits for its turn.
 */

typedef struct ngx_http_auth_api_token_flight_s
    ngx_http_auth_api_token_flight_t;


/*
 * What waits in a flight.  When the flight ends, or the time is over, the
 * handler is called with the verdict, if there is one, and copies what it needs
 * of it; then the event is posted.
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
 * Creates a lookup of a token for r, which it outlives.  The token is copied,
 * and so is the id that it claims, which may be empty.  With a zone, the
 * question and the ticket of the lease are handed over, and the lease goes back
 * to the store even if this fails.  Without a zone, both are NULL.
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
 * Starts a lookup.  When it ends, at the latest after the "timeout" of
 * auth_api_token_request, perhaps in this call, the store gets the verdict, the
 * requests that wait are woken, and the lookup is freed.
 */

void ngx_http_auth_api_token_start_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);


/*
 * Returns the flight of a lookup.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_lookup_flight(
    ngx_http_auth_api_token_lookup_t *lookup);


/*
 * Waiting, in ngx_http_auth_api_token_flight.c.  Returns the flight of this
 * worker for the lease of the ticket; makes one that watches it if there is
 * none.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_join(
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Adds a waiter to a flight, before all others if "first", for so many
 * milliseconds.
 */

void ngx_http_auth_api_token_flight_wait(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_waiter_t *waiter, ngx_msec_t ms, ngx_uint_t first);


/*
 * Takes a waiter out of its flight, if it is in one.
 */

void ngx_http_auth_api_token_flight_leave(
    ngx_http_auth_api_token_waiter_t *waiter);


/*
 * Turns, in ngx_http_auth_api_token_turn.c: the requests of this worker that
 * wait for one of the "lookups" of a zone are a line of flights without
 * a lease, one for each token.  The first in line is woken and tries to get
 * a lease when one is given back in this worker, and every 10 ms, as one may
 * have been given back in another.  It stays in line until it has one, or needs
 * none any more, so that no later request is served before.
 */


/*
 * Whether a new request has to wait behind others.
 */

#define ngx_http_auth_api_token_turn_behind(zone)                             \
    (!ngx_queue_empty(&(zone)->turns))


/*
 * Returns the flight in which to wait for a lease.  "again" is for a request
 * that was woken and found none: its flight stays first in line.  Returns NULL
 * if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_turn_join(
    ngx_http_auth_api_token_zone_t *zone, u_char *key, ngx_uint_t again);


/*
 * To be called when a token has a lease, or needs none any more: takes its
 * flight out of the line, and wakes its requests, which ask the store again.
 * Then the next in line tries.
 */

void ngx_http_auth_api_token_turn_done(ngx_http_auth_api_token_zone_t *zone,
    u_char *key);


/*
 * If r is a request of a lookup, return the id that the token claims, and the
 * traceparent of the request that the lookup was created for; either may be
 * empty.  Otherwise return NULL.
 */

ngx_str_t *ngx_http_auth_api_token_lookup_id(ngx_http_request_t *r);
ngx_str_t *ngx_http_auth_api_token_lookup_traceparent(ngx_http_request_t *r);


/*
 * Puts the filters that take the answers of lookups above those of all modules.
 * To be called when the configuration has been read, and once more in a worker,
 * as a reload that failed leaves its filters behind in the master.  Returns
 * NGX_OK.
 */

ngx_int_t ngx_http_auth_api_token_init_lookup_filter(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_H_INCLUDED_ */
