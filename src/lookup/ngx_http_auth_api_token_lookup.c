
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_connection.h"
#include "ngx_http_auth_api_token_lookup_ctx.h"
#include "ngx_http_auth_api_token_turn.h"


/* a body not needed is read for a moment, to keep the connection, ms */

#define NGX_HTTP_AUTH_API_TOKEN_DRAIN  100

/* how often to try to close a lookup while a thread works for it, ms */

#define NGX_HTTP_AUTH_API_TOKEN_CLOSE  100


static ngx_int_t ngx_http_auth_api_token_init_lookup(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_str_t *token, ngx_str_t *id,
    ngx_str_t *traceparent);
static ngx_int_t ngx_http_auth_api_token_init_headers(
    ngx_http_auth_api_token_lookup_t *lookup);
static ngx_int_t ngx_http_auth_api_token_add_header(ngx_http_request_t *r,
    char *name, ngx_str_t *value, ngx_table_elt_t **header);
static ngx_int_t ngx_http_auth_api_token_subrequest(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_str_t *uri);
static void ngx_http_auth_api_token_lookup_event(ngx_event_t *ev);
static void ngx_http_auth_api_token_lookup_terminated(void *data);
static void ngx_http_auth_api_token_lookup_timer(ngx_event_t *ev);
static ngx_int_t ngx_http_auth_api_token_lookup_done(ngx_http_request_t *r,
    void *data, ngx_int_t rc);
static void ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r);
static void ngx_http_auth_api_token_conclude_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);
static void ngx_http_auth_api_token_end_lookup(
    ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict);
static void ngx_http_auth_api_token_close_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);


ngx_int_t
ngx_http_auth_api_token_create_lookup(ngx_http_request_t *r, ngx_str_t *token,
    ngx_str_t *id, ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_lookup_t **plookup)
{
    ngx_int_t                            rc;
    ngx_http_request_t                  *lr;
    ngx_http_auth_api_token_zone_t      *zone;
    ngx_http_auth_api_token_lookup_t    *lookup;
    ngx_http_auth_api_token_request_t   *conf;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    conf = alcf->request;
    zone = ticket ? alcf->cache->zone : NULL;

    rc = ngx_http_auth_api_token_open_request(r, &conf->uri,
                                       ngx_http_auth_api_token_lookup_event,
                                       &lr);
    if (rc != NGX_OK) {
        goto failed;
    }

    lookup = ngx_pcalloc(lr->connection->pool,
                         sizeof(ngx_http_auth_api_token_lookup_t));

    if (lookup == NULL) {
        rc = NGX_ERROR;
        goto close;
    }

    lookup->request = lr;
    lookup->service = conf->service;
    lookup->asked = ngx_current_msec;

    rc = ngx_http_auth_api_token_init_lookup(lookup, token, id,
                                 ngx_http_auth_api_token_find_traceparent(r));

    if (rc != NGX_OK) {
        goto close;
    }

    rc = ngx_http_auth_api_token_subrequest(lookup, &conf->uri);

    if (rc != NGX_OK) {
        goto close;
    }

    if (question) {
        lookup->question = *question;
        lookup->question.id = lookup->id;

        if (question->budget) {
            lookup->budget = *question->budget;
            lookup->question.budget = &lookup->budget;
        }
    }

    ngx_http_auth_api_token_flight_init(&lookup->flight, zone,
                                        lookup->question.key, ticket);

    lookup->flight.timer.data = lookup;
    lookup->flight.timer.handler = ngx_http_auth_api_token_lookup_timer;

    ngx_add_timer(&lookup->flight.timer, conf->timeout);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup *%uA", lr->connection->number);

    *plookup = lookup;

    return NGX_OK;

close:

    ngx_http_auth_api_token_close_request(lr);

failed:

    if (zone) {
        ngx_http_auth_api_token_store_cancel(zone->store, ticket);
    }

    return rc;
}


void
ngx_http_auth_api_token_start_lookup(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_connection_t                  *c;
    ngx_http_auth_api_token_flight_t  *flight;

    c = lookup->request->connection;

    ngx_http_run_posted_requests(c);

    if (c->destroyed) {
        return;
    }

    flight = &lookup->flight;

    if (flight->zone
        && lookup->subrequest->upstream_states
        && lookup->subrequest->upstream_states->nelts
        && ngx_http_auth_api_token_reached(lookup->subrequest))
    {
        ngx_http_auth_api_token_store_sent(flight->zone->store,
                                           &flight->ticket);
    }
}


ngx_http_auth_api_token_flight_t *
ngx_http_auth_api_token_lookup_flight(ngx_http_auth_api_token_lookup_t *lookup)
{
    return &lookup->flight;
}


ngx_str_t *
ngx_http_auth_api_token_lookup_id(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_auth_api_token_get_lookup(r);

    return lookup ? &lookup->id : NULL;
}


ngx_str_t *
ngx_http_auth_api_token_lookup_traceparent(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_auth_api_token_get_lookup(r);

    return lookup ? &lookup->traceparent : NULL;
}


static ngx_int_t
ngx_http_auth_api_token_init_lookup(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_str_t *token, ngx_str_t *id, ngx_str_t *traceparent)
{
    u_char              *p;
    ngx_http_request_t  *r;

    r = lookup->request;

    lookup->authorization.len = sizeof("Bearer ") - 1 + token->len;
    lookup->id.len = id->len;
    lookup->traceparent.len = traceparent ? traceparent->len : 0;

    p = ngx_pnalloc(r->pool, lookup->authorization.len + lookup->id.len
                             + lookup->traceparent.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    lookup->authorization.data = p;
    p = ngx_cpymem(p, "Bearer ", sizeof("Bearer ") - 1);

    lookup->token.data = p;
    lookup->token.len = token->len;
    p = ngx_cpymem(p, token->data, token->len);

    lookup->id.data = p;
    p = ngx_cpymem(p, id->data, id->len);

    if (traceparent) {
        lookup->traceparent.data = p;
        ngx_memcpy(p, traceparent->data, traceparent->len);
    }

    ngx_http_set_ctx(r, lookup, ngx_http_auth_api_token_filter_module);

    return ngx_http_auth_api_token_init_headers(lookup);
}


static ngx_int_t
ngx_http_auth_api_token_init_headers(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_http_request_t  *r;

    static ngx_str_t  accept = ngx_string("application/json");
    static ngx_str_t  agent = ngx_string(NGX_HTTP_AUTH_API_TOKEN_VER);

    r = lookup->request;

    if (!lookup->service
        && ngx_http_auth_api_token_add_header(r, "Authorization",
                                              &lookup->authorization,
                                              &r->headers_in.authorization)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_auth_api_token_add_header(r, "Accept", &accept, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_add_header(r, "User-Agent", &agent,
                                              &r->headers_in.user_agent);
}


static ngx_int_t
ngx_http_auth_api_token_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value, ngx_table_elt_t **header)
{
    ngx_table_elt_t  *h;

    h = ngx_http_auth_api_token_push_header(&r->headers_in.headers, name);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value = *value;

    h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
    if (h->lowcase_key == NULL) {
        return NGX_ERROR;
    }

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);

    if (header) {
        *header = h;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_subrequest(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_str_t *uri)
{
    ngx_http_cleanup_t          *cln;
    ngx_http_request_t          *r, *sr;
    ngx_http_post_subrequest_t  *ps;

    r = lookup->request;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_auth_api_token_lookup_done;
    ps->data = lookup;

    if (ngx_http_subrequest(r, uri, NULL, &sr, ps, NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    lookup->subrequest = sr;

    sr->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (sr->request_body == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_auth_api_token_lookup_terminated;
    cln->data = lookup;

    return NGX_OK;
}


/* as ngx_http_request_handler() for the connection of a client */

static void
ngx_http_auth_api_token_lookup_event(ngx_event_t *ev)
{
    ngx_connection_t                  *c;
    ngx_http_request_t                *r;
    ngx_http_auth_api_token_lookup_t  *lookup;

    c = ev->data;
    r = c->data;

    if (c->close) {

        /* the worker shuts down: another one may ask */

        lookup = ngx_http_auth_api_token_get_lookup(r);

        ngx_http_auth_api_token_end_lookup(lookup, NULL);
        ngx_post_event(&lookup->flight.timer, &ngx_posted_events);

        return;
    }

    if (ev->delayed && ev->timedout) {
        ev->delayed = 0;
        ev->timedout = 0;
    }

    if (ev->write) {
        r->write_event_handler(r);

    } else {
        r->read_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


void
ngx_http_auth_api_token_lookup_header(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_event_t  *ev;

    ngx_http_auth_api_token_response_header(lookup->subrequest,
                                            &lookup->response);

    ev = &lookup->flight.timer;

    if (lookup->response.status == NGX_HTTP_OK
        || !ev->timer_set
        || (ngx_msec_int_t) (ev->timer.key - ngx_current_msec)
           <= NGX_HTTP_AUTH_API_TOKEN_DRAIN)
    {
        return;
    }

    ngx_del_timer(ev);
    ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_DRAIN);
}


ngx_int_t
ngx_http_auth_api_token_lookup_body(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_chain_t *in)
{
    return ngx_http_auth_api_token_response_body(lookup->subrequest,
                                                 &lookup->response, in);
}


/* nginx ended the request, after a failure below the subrequest */

static void
ngx_http_auth_api_token_lookup_terminated(void *data)
{
    ngx_http_auth_api_token_lookup_t *lookup = data;

    if (!lookup->ended) {
        ngx_post_event(&lookup->flight.timer, &ngx_posted_events);
    }
}


/*
 * The time is over, or nothing more will come or is needed: the verdict is made
 * of what has come.
 */

static void
ngx_http_auth_api_token_lookup_timer(ngx_event_t *ev)
{
    ngx_http_auth_api_token_lookup_t *lookup = ev->data;

    lookup->response.timedout = ev->timedout;

    ngx_http_auth_api_token_conclude_lookup(lookup);
    ngx_http_auth_api_token_close_lookup(lookup);
}


/* called when the subrequest ends */

static ngx_int_t
ngx_http_auth_api_token_lookup_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc)
{
    ngx_http_auth_api_token_lookup_t  *lookup = data;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup done: %i, status %ui",
                   rc, r->headers_out.status);

    if (rc == NGX_OK || rc == NGX_AGAIN) {

        if (r->buffered || r->postponed) {

            /* there is more to come */

            return rc;
        }

    } else {
        ngx_http_auth_api_token_response_failed(r, &lookup->response, rc);
    }

    lookup->request->write_event_handler =
                                         ngx_http_auth_api_token_lookup_finish;

    /*
     * whatever came, nginx is told that the subrequest was successful, so that
     * no error_page replaces the answer, and nothing closes the connection
     */

    r->connection->error = 0;

    return NGX_OK;
}


/* called after that, when nginx goes on with the lookup's own request */

static void
ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_auth_api_token_get_lookup(r);

    ngx_http_auth_api_token_conclude_lookup(lookup);
    ngx_http_auth_api_token_close_lookup(lookup);
}


/* ends the lookup with the verdict that its response gives, unless it ended */

static void
ngx_http_auth_api_token_conclude_lookup(
    ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_http_auth_api_token_verdict_t    verdict;
    ngx_http_auth_api_token_response_t  *response;

    if (lookup->ended) {
        return;
    }

    response = &lookup->response;
    response->reached = ngx_http_auth_api_token_reached(lookup->subrequest);

    ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    ngx_http_auth_api_token_response_verdict(response, lookup->request->pool,
                                             &lookup->id,
                                             lookup->service ? &lookup->token
                                                             : NULL,
                                             &verdict);

    ngx_http_auth_api_token_end_lookup(lookup, &verdict);
}


/* without a verdict, the lease goes back, and waiters ask the store again */

static void
ngx_http_auth_api_token_end_lookup(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_http_auth_api_token_zone_t    *zone;
    ngx_http_auth_api_token_flight_t  *flight;

    if (lookup->ended) {
        return;
    }

    lookup->ended = 1;

    flight = &lookup->flight;
    zone = flight->zone;

    if (verdict) {
        lookup->question.now = ngx_current_msec;
        verdict->asked = lookup->asked - verdict->age;
    }

    if (zone
        && verdict
        && verdict->reason != NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE)
    {
        ngx_http_auth_api_token_store_succeeded(zone->store, ngx_time());
    }

    if (zone && verdict == NULL) {
        ngx_http_auth_api_token_store_cancel(zone->store, &flight->ticket);

    } else if (zone
               && ngx_http_auth_api_token_store_end(zone->store,
                                                    &flight->ticket,
                                                    &lookup->question, verdict)
                  != NGX_OK)
    {
        verdict = NULL;
    }

    ngx_http_auth_api_token_flight_wake(flight, verdict);
    ngx_http_auth_api_token_flight_end(flight);

    if (zone) {
        ngx_http_auth_api_token_turn_next(zone);
    }
}


/* frees the lookup, or tries it again later */

static void
ngx_http_auth_api_token_close_lookup(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_event_t         *ev;
    ngx_http_request_t  *r;

    r = lookup->request;
    ev = &lookup->flight.timer;

    if (r->blocked > 1) {

        /* a thread is still working for it */

        ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_CLOSE);
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    ngx_http_auth_api_token_close_request(r);
}
