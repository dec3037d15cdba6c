
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"


/*
 * A lookup under way, as those who wait for it see it.  If this worker asks,
 * it is a part of the lookup.  If another worker does, it watches the lease.
 */

struct ngx_http_auth_api_token_flight_s {
    ngx_queue_t                        queue;      /* of those with a lease */
    ngx_queue_t                        waiters;    /* their ctx */
    ngx_event_t                        timer;      /* of one that watches */
    ngx_uint_t                         polls;      /* the same */
    ngx_http_auth_api_token_store_t   *store;      /* NULL without a lease */
    ngx_http_auth_api_token_ticket_t   ticket;
};


/*
 * Begins a flight; store and ticket may be NULL.
 */

void ngx_http_auth_api_token_flight_init(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * The flight that has the lease; if this worker has none, one that watches the
 * lease of another.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_join(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Lets r wait, for the rest of the timeout in milliseconds that began when it
 * first had to.  Returns NGX_AGAIN; NGX_OK with a verdict if there is no time
 * left; NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_flight_wait(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_flight_t *flight, ngx_msec_t timeout);


/*
 * Posts the access phase of all who wait, with the verdict.  If that is NULL,
 * they have to ask again.
 */

void ngx_http_auth_api_token_flight_wake(
    ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Ends a flight for which nobody waits.
 */

void ngx_http_auth_api_token_flight_end(
    ngx_http_auth_api_token_flight_t *flight);


/*
 * Takes ctx out of those who wait, if it is among them.
 */

void ngx_http_auth_api_token_flight_leave(ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FLIGHT_H_INCLUDED_ */
