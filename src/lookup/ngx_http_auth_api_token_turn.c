
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_flight.h"
#include "ngx_http_auth_api_token_turn.h"


static void ngx_http_auth_api_token_turn_poll(ngx_event_t *ev);
static void ngx_http_auth_api_token_turn_end(
    ngx_http_auth_api_token_flight_t *flight);


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_turn_join(ngx_http_auth_api_token_zone_t *zone,
    u_char *key, ngx_uint_t again)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = ngx_http_auth_api_token_flight_find(zone, key, 0);

    if (flight == NULL) {
        flight = ngx_http_auth_api_token_flight_create(zone, key, NULL, NULL);
        if (flight == NULL) {
            return NULL;
        }

        /* the first flight may be gone, if its other requests were woken too */

        if (again) {
            ngx_queue_insert_head(&zone->turns, &flight->turns);

        } else {
            ngx_queue_insert_tail(&zone->turns, &flight->turns);
        }
    }

    if (again) {
        flight->trying = 0;
    }

    if (!zone->turn_timer.timer_set) {
        zone->turn_timer.data = zone;
        zone->turn_timer.log = ngx_cycle->log;
        zone->turn_timer.handler = ngx_http_auth_api_token_turn_poll;

        ngx_add_timer(&zone->turn_timer, NGX_HTTP_AUTH_API_TOKEN_POLL);
    }

    return flight;
}


static void
ngx_http_auth_api_token_turn_poll(ngx_event_t *ev)
{
    ngx_http_auth_api_token_zone_t  *zone = ev->data;

    ngx_queue_t                       *q;
    ngx_http_auth_api_token_flight_t  *flight;

    ngx_http_auth_api_token_store_reap(zone->store, ngx_current_msec,
                                       ngx_http_auth_api_token_gone);

    /* those whose turn it was have tried by now, or left */

    for (q = ngx_queue_head(&zone->turns);
         q != ngx_queue_sentinel(&zone->turns);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_auth_api_token_flight_t, turns);

        if (!flight->trying) {
            break;
        }

        flight->trying = 0;
    }

    ngx_http_auth_api_token_turn_next(zone);

    if (!ngx_queue_empty(&zone->turns)) {
        ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_POLL);
    }
}


void
ngx_http_auth_api_token_turn_next(ngx_http_auth_api_token_zone_t *zone)
{
    ngx_queue_t                       *q, *next;
    ngx_http_auth_api_token_flight_t  *flight;

    for (q = ngx_queue_head(&zone->turns);
         q != ngx_queue_sentinel(&zone->turns);
         q = next)
    {
        next = ngx_queue_next(q);

        flight = ngx_queue_data(q, ngx_http_auth_api_token_flight_t, turns);

        if (flight->trying) {
            continue;
        }

        if (ngx_queue_empty(&flight->waiters)) {
            ngx_http_auth_api_token_turn_end(flight);
            continue;
        }

        flight->trying = 1;

        ngx_http_auth_api_token_flight_wake_first(flight);
        return;
    }
}


void
ngx_http_auth_api_token_turn_done(ngx_http_auth_api_token_zone_t *zone,
    u_char *key)
{
    ngx_http_auth_api_token_flight_t  *flight;

    flight = ngx_http_auth_api_token_flight_find(zone, key, 0);

    if (flight == NULL) {
        return;
    }

    ngx_http_auth_api_token_flight_wake(flight, NULL);
    ngx_http_auth_api_token_turn_end(flight);

    ngx_http_auth_api_token_turn_next(zone);
}


static void
ngx_http_auth_api_token_turn_end(ngx_http_auth_api_token_flight_t *flight)
{
    ngx_http_auth_api_token_zone_t  *zone;

    zone = flight->zone;

    ngx_queue_remove(&flight->turns);

    ngx_http_auth_api_token_flight_end(flight);

    ngx_free(flight);

    if (ngx_queue_empty(&zone->turns) && zone->turn_timer.timer_set) {
        ngx_del_timer(&zone->turn_timer);
    }
}
