
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_flight.h"


static void ngx_http_auth_api_token_flight_poll(ngx_event_t *ev);
static void ngx_http_auth_api_token_flight_tell(
    ngx_http_auth_api_token_waiter_t *waiter,
    ngx_http_auth_api_token_verdict_t *verdict);
static void ngx_http_auth_api_token_flight_timeout(ngx_event_t *ev);


/* by the first byte of a key, which is a digest */

static ngx_queue_t  ngx_http_auth_api_token_flights[256];


void
ngx_http_auth_api_token_flight_init(ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_zone_t *zone, u_char *key,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_queue_t  *q;

    ngx_queue_init(&flight->waiters);

    flight->zone = zone;
    flight->timer.log = ngx_cycle->log;

    if (zone == NULL) {
        return;
    }

    if (ticket) {
        flight->ticket = *ticket;
    }

    ngx_memcpy(flight->key, key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    q = &ngx_http_auth_api_token_flights[key[0]];

    if (ngx_queue_next(q) == NULL) {
        ngx_queue_init(q);
    }

    ngx_queue_insert_tail(q, &flight->queue);
}


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_flight_create(ngx_http_auth_api_token_zone_t *zone,
    u_char *key, ngx_http_auth_api_token_ticket_t *ticket,
    ngx_event_handler_pt handler)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = ngx_calloc(sizeof(ngx_http_auth_api_token_flight_t),
                        ngx_cycle->log);
    if (flight == NULL) {
        return NULL;
    }

    ngx_http_auth_api_token_flight_init(flight, zone, key, ticket);

    flight->timer.data = flight;
    flight->timer.handler = handler;

    return flight;
}


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_flight_find(ngx_http_auth_api_token_zone_t *zone,
    u_char *key, ngx_atomic_uint_t seq)
{
    ngx_queue_t                       *q, *table;
    ngx_http_auth_api_token_flight_t  *flight;

    table = &ngx_http_auth_api_token_flights[key[0]];

    if (ngx_queue_next(table) == NULL) {
        return NULL;
    }

    for (q = ngx_queue_head(table);
         q != ngx_queue_sentinel(table);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_auth_api_token_flight_t, queue);

        if (flight->zone == zone
            && flight->ticket.seq == seq
            && ngx_memcmp(flight->key, key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
               == 0)
        {
            return flight;
        }
    }

    return NULL;
}


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_flight_join(ngx_http_auth_api_token_zone_t *zone,
    u_char *key, ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = ngx_http_auth_api_token_flight_find(zone, key, ticket->seq);

    if (flight) {
        return flight;
    }

    flight = ngx_http_auth_api_token_flight_create(zone, key, ticket,
                                         ngx_http_auth_api_token_flight_poll);
    if (flight) {
        ngx_add_timer(&flight->timer, NGX_HTTP_AUTH_API_TOKEN_POLL);
    }

    return flight;
}


static void
ngx_http_auth_api_token_flight_poll(ngx_event_t *ev)
{
    ngx_http_auth_api_token_flight_t  *flight = ev->data;

    ngx_int_t                          rc;
    ngx_http_auth_api_token_store_t   *store;
    ngx_http_auth_api_token_verdict_t  verdict;

    store = flight->zone->store;

    rc = ngx_http_auth_api_token_store_poll(store, &flight->ticket,
                                            ngx_current_msec, &verdict);

    if (rc == NGX_AGAIN && !ngx_queue_empty(&flight->waiters)) {

        /*
         * nginx replaces no worker that dies while it shuts down, so that
         * nothing else would take back what it held
         */

        ngx_http_auth_api_token_store_reap(store, ngx_current_msec,
                                           ngx_http_auth_api_token_gone);

        ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_POLL);
        return;
    }

    ngx_http_auth_api_token_flight_wake(flight, rc == NGX_OK ? &verdict : NULL);
    ngx_http_auth_api_token_flight_end(flight);

    ngx_free(flight);
}


void
ngx_http_auth_api_token_flight_wait(ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_waiter_t *waiter, ngx_msec_t ms, ngx_uint_t first)
{
    waiter->flight = flight;

    ngx_memzero(&waiter->timer, sizeof(ngx_event_t));

    waiter->timer.data = waiter;
    waiter->timer.log = ngx_cycle->log;
    waiter->timer.handler = ngx_http_auth_api_token_flight_timeout;

    ngx_add_timer(&waiter->timer, ms);

    if (first) {
        ngx_queue_insert_head(&flight->waiters, &waiter->queue);

    } else {
        ngx_queue_insert_tail(&flight->waiters, &waiter->queue);
    }
}


void
ngx_http_auth_api_token_flight_wake(ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_queue_t                       *q;
    ngx_http_auth_api_token_waiter_t  *waiter;

    while (!ngx_queue_empty(&flight->waiters)) {
        q = ngx_queue_head(&flight->waiters);

        waiter = ngx_queue_data(q, ngx_http_auth_api_token_waiter_t, queue);

        ngx_http_auth_api_token_flight_tell(waiter, verdict);
    }
}


void
ngx_http_auth_api_token_flight_wake_first(
    ngx_http_auth_api_token_flight_t *flight)
{
    ngx_queue_t                       *q;
    ngx_http_auth_api_token_waiter_t  *waiter;

    q = ngx_queue_head(&flight->waiters);

    waiter = ngx_queue_data(q, ngx_http_auth_api_token_waiter_t, queue);

    ngx_http_auth_api_token_flight_tell(waiter, NULL);
}


static void
ngx_http_auth_api_token_flight_tell(ngx_http_auth_api_token_waiter_t *waiter,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_http_auth_api_token_flight_leave(waiter);

    if (verdict) {
        waiter->handler(waiter->data, verdict);
    }

    ngx_post_event(waiter->event, &ngx_posted_events);
}


static void
ngx_http_auth_api_token_flight_timeout(ngx_event_t *ev)
{
    ngx_http_auth_api_token_waiter_t  *waiter = ev->data;

    ngx_http_auth_api_token_flight_t   *flight;
    ngx_http_auth_api_token_verdict_t   verdict;

    flight = waiter->flight;

    ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    if (flight->zone && flight->ticket.seq == 0) {
        verdict.reason = NGX_HTTP_AUTH_API_TOKEN_BUSY;
        verdict.cause = "all \"lookups\" are taken";

    } else {
        verdict.reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
        verdict.cause = "timed out";

        /* unless the lookup is held up by a limit of nginx */

        if (flight->zone
            && ngx_http_auth_api_token_store_is_sent(flight->zone->store,
                                                     &flight->ticket))
        {
            verdict.health = NGX_HTTP_AUTH_API_TOKEN_SILENT;
        }
    }

    ngx_http_auth_api_token_flight_tell(waiter, &verdict);
}


void
ngx_http_auth_api_token_flight_end(ngx_http_auth_api_token_flight_t *flight)
{
    if (flight->timer.timer_set) {
        ngx_del_timer(&flight->timer);
    }

    if (flight->timer.posted) {
        ngx_delete_posted_event(&flight->timer);
    }

    if (flight->zone) {
        ngx_queue_remove(&flight->queue);
        flight->zone = NULL;
    }
}


void
ngx_http_auth_api_token_flight_leave(ngx_http_auth_api_token_waiter_t *waiter)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = waiter->flight;

    if (flight == NULL) {
        return;
    }

    ngx_queue_remove(&waiter->queue);

    waiter->flight = NULL;

    if (waiter->timer.timer_set) {
        ngx_del_timer(&waiter->timer);
    }

    /* without a zone, no other request can use the answer */

    if (flight->zone == NULL && ngx_queue_empty(&flight->waiters)) {
        ngx_post_event(&flight->timer, &ngx_posted_events);
    }
}
