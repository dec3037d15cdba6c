
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_flight.h"
#include "ngx_http_auth_api_token_zone.h"


#define NGX_HTTP_AUTH_API_TOKEN_POLL   10       /* ms */
#define NGX_HTTP_AUTH_API_TOKEN_CHECK  10       /* polls */


static ngx_http_auth_api_token_flight_t *ngx_http_auth_api_token_flight_find(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);
static void ngx_http_auth_api_token_flight_poll(ngx_event_t *ev);
static void ngx_http_auth_api_token_flight_timeout(ngx_event_t *ev);


static ngx_queue_t  ngx_http_auth_api_token_flights = {
    &ngx_http_auth_api_token_flights,
    &ngx_http_auth_api_token_flights
};


void
ngx_http_auth_api_token_flight_init(ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_queue_init(&flight->waiters);

    flight->store = store;

    if (store) {
        flight->ticket = *ticket;

        ngx_queue_insert_tail(&ngx_http_auth_api_token_flights, &flight->queue);
    }
}


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_flight_join(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = ngx_http_auth_api_token_flight_find(store, ticket);

    if (flight) {
        return flight;
    }

    flight = ngx_calloc(sizeof(ngx_http_auth_api_token_flight_t),
                        ngx_cycle->log);
    if (flight == NULL) {
        return NULL;
    }

    ngx_http_auth_api_token_flight_init(flight, store, ticket);

    flight->timer.data = flight;
    flight->timer.log = ngx_cycle->log;
    flight->timer.handler = ngx_http_auth_api_token_flight_poll;

    ngx_add_timer(&flight->timer, NGX_HTTP_AUTH_API_TOKEN_POLL);

    return flight;
}


static ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_flight_find(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_queue_t                       *q;
    ngx_http_auth_api_token_flight_t  *flight;

    for (q = ngx_queue_head(&ngx_http_auth_api_token_flights);
         q != ngx_queue_sentinel(&ngx_http_auth_api_token_flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_auth_api_token_flight_t, queue);

        if (flight->store == store && flight->ticket.seq == ticket->seq) {
            return flight;
        }
    }

    return NULL;
}


static void
ngx_http_auth_api_token_flight_poll(ngx_event_t *ev)
{
    ngx_http_auth_api_token_flight_t  *flight = ev->data;

    ngx_int_t                          rc;
    ngx_http_auth_api_token_verdict_t  verdict;

    rc = ngx_http_auth_api_token_store_poll(flight->store, &flight->ticket,
                                            ngx_current_msec, &verdict);

    if (rc == NGX_AGAIN && !ngx_queue_empty(&flight->waiters)) {

        /* nobody takes the place of a worker that was to quit */

        if (++flight->polls % NGX_HTTP_AUTH_API_TOKEN_CHECK == 0
            && ngx_http_auth_api_token_gone(
                          flight->store->leases[flight->ticket.slot].pid))
        {
            ngx_http_auth_api_token_store_release(flight->store,
                                                 ngx_http_auth_api_token_gone);
        }

        ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_POLL);
        return;
    }

    ngx_http_auth_api_token_flight_wake(flight, rc == NGX_OK ? &verdict : NULL);
    ngx_http_auth_api_token_flight_end(flight);

    ngx_free(flight);
}


ngx_int_t
ngx_http_auth_api_token_flight_wait(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_flight_t *flight, ngx_msec_t timeout)
{
    ngx_msec_int_t  left;

    if (ctx->timer == NULL) {
        ctx->timer = ngx_pcalloc(r->pool, sizeof(ngx_event_t));
        if (ctx->timer == NULL) {
            return NGX_ERROR;
        }

        ctx->timer->data = ctx;
        ctx->timer->log = r->connection->log;
        ctx->timer->handler = ngx_http_auth_api_token_flight_timeout;
    }

    if (!ctx->waited) {

        /* later than the lookup's own end is known here */

        ctx->deadline = ngx_current_msec + timeout
                        + 2 * NGX_HTTP_AUTH_API_TOKEN_POLL;
    }

    left = (ngx_msec_int_t) (ctx->deadline - ngx_current_msec);

    if (left <= 0) {
        ngx_http_auth_api_token_flight_timeout(ctx->timer);
        return NGX_OK;
    }

    /* so that a client that leaves is noticed */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_add_timer(ctx->timer, (ngx_msec_t) left);

    ngx_queue_insert_tail(&flight->waiters, &ctx->queue);

    ctx->flight = flight;
    ctx->waited = 1;
    ctx->parked = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    return NGX_AGAIN;
}


static void
ngx_http_auth_api_token_flight_timeout(ngx_event_t *ev)
{
    ngx_http_auth_api_token_ctx_t  *ctx = ev->data;

    ngx_http_auth_api_token_verdict_t  verdict;

    ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    /* what it says of the API is for the lookup to tell */

    verdict.reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    verdict.cause = "timed out";

    ngx_http_auth_api_token_settle(ctx, &verdict);

    if (ctx->flight) {
        ngx_http_auth_api_token_flight_leave(ctx);

        ngx_post_event(ctx->request->connection->write, &ngx_posted_events);
    }
}


void
ngx_http_auth_api_token_flight_wake(ngx_http_auth_api_token_flight_t *flight,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_queue_t                    *q;
    ngx_connection_t               *c;
    ngx_http_auth_api_token_ctx_t  *ctx;

    while (!ngx_queue_empty(&flight->waiters)) {

        q = ngx_queue_head(&flight->waiters);
        ctx = ngx_queue_data(q, ngx_http_auth_api_token_ctx_t, queue);

        ngx_http_auth_api_token_flight_leave(ctx);

        if (verdict) {
            ngx_http_auth_api_token_settle(ctx, verdict);
        }

        c = ctx->request->connection;

        ngx_post_event(c->write, &ngx_posted_events);
    }
}


void
ngx_http_auth_api_token_flight_end(ngx_http_auth_api_token_flight_t *flight)
{
    if (flight->timer.timer_set) {
        ngx_del_timer(&flight->timer);
    }

    if (flight->store) {
        ngx_queue_remove(&flight->queue);
        flight->store = NULL;
    }
}


void
ngx_http_auth_api_token_flight_leave(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->flight == NULL) {
        return;
    }

    ngx_queue_remove(&ctx->queue);

    ctx->flight = NULL;

    if (ctx->timer->timer_set) {
        ngx_del_timer(ctx->timer);
    }
}
