
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"


static ngx_int_t ngx_http_auth_api_token_init_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_lookup_t **lookup);
static ngx_int_t ngx_http_auth_api_token_init_connection(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup, ngx_connection_t *c);
static ngx_int_t ngx_http_auth_api_token_init_request(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_str_t *uri);
static ngx_int_t ngx_http_auth_api_token_add_header(ngx_http_request_t *r,
    char *name, ngx_str_t *value, ngx_table_elt_t **header);
static ngx_int_t ngx_http_auth_api_token_subrequest(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_str_t *uri);
static void ngx_http_auth_api_token_lookup_event(ngx_event_t *ev);
static void ngx_http_auth_api_token_lookup_timeout(ngx_event_t *ev);
static ngx_int_t ngx_http_auth_api_token_lookup_done(ngx_http_request_t *r,
    void *data, ngx_int_t rc);
static ngx_uint_t ngx_http_auth_api_token_reached(ngx_http_request_t *r);
static void ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r);
static void ngx_http_auth_api_token_end_lookup(
    ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict);
static void ngx_http_auth_api_token_close_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);
static void ngx_http_auth_api_token_close_connection(ngx_connection_t *c);


ngx_int_t
ngx_http_auth_api_token_create_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_lookup_t **lookup)
{
    ngx_int_t  rc;

    rc = ngx_http_auth_api_token_init_lookup(r, ctx, question, lookup);

    if (rc != NGX_OK) {
        if (ticket) {
            ngx_http_auth_api_token_store_cancel(ctx->store, ticket);
        }

        return rc;
    }

    ngx_http_auth_api_token_flight_init(&(*lookup)->flight,
                                        ticket ? ctx->store : NULL, ticket);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup *%uA",
                   (*lookup)->request->connection->number);

    return NGX_OK;
}


void
ngx_http_auth_api_token_start_lookup(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_http_run_posted_requests(lookup->request->connection);
}


static ngx_int_t
ngx_http_auth_api_token_init_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_lookup_t **plookup)
{
    u_char                              *p;
    ngx_pool_t                          *pool;
    ngx_connection_t                    *c;
    ngx_http_auth_api_token_lookup_t    *lookup;
    ngx_http_auth_api_token_request_t   *conf;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);
    conf = alcf->request;

    c = ngx_get_connection(0, r->connection->log);
    if (c == NULL) {
        return NGX_BUSY;
    }

    c->fd = (ngx_socket_t) -1;

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    c->pool = pool;

    lookup = ngx_pcalloc(pool, sizeof(ngx_http_auth_api_token_lookup_t));
    if (lookup == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    lookup->service = conf->service;

    lookup->authorization.len = sizeof("Bearer ") - 1 + ctx->token.len;
    lookup->id.len = ctx->id.len;

    p = ngx_pnalloc(pool, lookup->authorization.len + lookup->id.len);
    if (p == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    lookup->authorization.data = p;
    p = ngx_cpymem(p, "Bearer ", sizeof("Bearer ") - 1);

    lookup->token.data = p;
    lookup->token.len = ctx->token.len;
    p = ngx_cpymem(p, ctx->token.data, ctx->token.len);

    lookup->id.data = p;
    ngx_memcpy(p, ctx->id.data, ctx->id.len);

    if (ngx_http_auth_api_token_init_connection(r, lookup, c) != NGX_OK) {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    lookup->request = ngx_http_create_request(c);
    if (lookup->request == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    c->data = lookup->request;

    if (ngx_http_auth_api_token_init_request(lookup, &conf->uri) != NGX_OK
        || ngx_http_auth_api_token_subrequest(lookup, &conf->uri) != NGX_OK)
    {
        ngx_http_auth_api_token_close_lookup(lookup);
        return NGX_ERROR;
    }

    lookup->asked = ngx_current_msec;

    if (question) {
        lookup->question = *question;
        lookup->question.id = lookup->id;

        if (question->budget) {
            lookup->budget = *question->budget;
            lookup->question.budget = &lookup->budget;
        }
    }

    lookup->timer.data = lookup;
    lookup->timer.log = c->log;
    lookup->timer.handler = ngx_http_auth_api_token_lookup_timeout;

    ngx_add_timer(&lookup->timer, conf->timeout);

    *plookup = lookup;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_init_connection(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup, ngx_connection_t *c)
{
    ngx_connection_t          *client;
    ngx_http_core_srv_conf_t  *cscf;

    client = r->connection;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->type = SOCK_STREAM;
    c->listening = client->listening;
    c->log_error = client->log_error;

    lookup->log = *client->log;
    lookup->log.connection = c->number;
    lookup->log.action = "asking the token API";
    lookup->log.data = &lookup->log_ctx;
    lookup->log_ctx.connection = c;

    c->log = &lookup->log;
    c->pool->log = c->log;
    c->read->log = c->log;
    c->write->log = c->log;

    /*
     * there is nothing to read, and whatever is written goes nowhere: the
     * events have to look as if there was nothing to add or to delete
     */

    c->read->active = 1;
    c->write->active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
    c->write->ready = 1;
    c->read->handler = ngx_http_auth_api_token_lookup_event;
    c->write->handler = ngx_http_auth_api_token_lookup_event;

    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    /* variables of the lookup's location speak of the asking client */

    if (ngx_connection_local_sockaddr(client, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    c->sockaddr = ngx_palloc(c->pool, client->socklen);
    c->local_sockaddr = ngx_palloc(c->pool, client->local_socklen);

    if (c->sockaddr == NULL || c->local_sockaddr == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, client->sockaddr, client->socklen);
    c->socklen = client->socklen;

    ngx_memcpy(c->local_sockaddr, client->local_sockaddr,
               client->local_socklen);
    c->local_socklen = client->local_socklen;

    c->addr_text.data = ngx_pstrdup(c->pool, &client->addr_text);
    if (c->addr_text.data == NULL) {
        return NGX_ERROR;
    }

    c->addr_text.len = client->addr_text.len;

    lookup->http_connection.conf_ctx = cscf->ctx;
    c->data = &lookup->http_connection;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_init_request(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_str_t *uri)
{
    ngx_http_request_t             *r;
    ngx_http_core_srv_conf_t       *cscf;
    ngx_http_auth_api_token_ctx_t  *ctx;

    static ngx_str_t  accept = ngx_string("application/json");
    static ngx_str_t  agent = ngx_string("ngx_http_auth_api_token_module/"
                                         NGX_HTTP_AUTH_API_TOKEN_VERSION);

    r = lookup->request;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    r->logged = 1;
    r->write_event_handler = ngx_http_auth_api_token_lookup_finish;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;

    r->method = NGX_HTTP_GET;
    r->method_name = ngx_http_core_get_method;
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");

    r->uri = *uri;
    r->unparsed_uri = *uri;
    r->headers_in.server = cscf->server_name;

    r->request_line.data = ngx_pnalloc(r->pool, sizeof("GET  HTTP/1.1") - 1
                                                + uri->len);
    if (r->request_line.data == NULL) {
        return NGX_ERROR;
    }

    r->request_line.len = ngx_sprintf(r->request_line.data, "GET %V HTTP/1.1",
                                      uri)
                          - r->request_line.data;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 4,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!lookup->service
        && ngx_http_auth_api_token_add_header(r, "Authorization",
                                              &lookup->authorization,
                                              &r->headers_in.authorization)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_auth_api_token_add_header(r, "Accept", &accept, NULL)
        != NGX_OK
        || ngx_http_auth_api_token_add_header(r, "User-Agent", &agent,
                                              &r->headers_in.user_agent)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* for $auth_api_token_claimed_id */

    ctx = ngx_http_auth_api_token_make_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->id = lookup->id;

    ngx_http_set_ctx(r, lookup, ngx_http_auth_api_token_filter_module);

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value, ngx_table_elt_t **header)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
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

    return NGX_OK;
}


/* what ngx_http_request_handler() is for a client's connection */

static void
ngx_http_auth_api_token_lookup_event(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

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


static void
ngx_http_auth_api_token_lookup_timeout(ngx_event_t *ev)
{
    ngx_http_auth_api_token_lookup_t  *lookup = ev->data;

    ngx_http_auth_api_token_verdict_t  verdict;

    ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    verdict.reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    verdict.health = ngx_http_auth_api_token_reached(lookup->subrequest)
                     ? NGX_HTTP_AUTH_API_TOKEN_FAULT
                     : NGX_HTTP_AUTH_API_TOKEN_UNTOLD;
    verdict.cause = "timed out";

    ngx_http_auth_api_token_end_lookup(lookup, &verdict);

    if (lookup->request->blocked) {

        /* a thread is still at work for the request */

        ngx_add_timer(ev, 100);
        return;
    }

    ngx_http_auth_api_token_close_lookup(lookup);
}


static ngx_int_t
ngx_http_auth_api_token_lookup_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc)
{
    ngx_http_auth_api_token_lookup_t  *lookup = data;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup done: %i, status %ui",
                   rc, r->headers_out.status);

    if (rc != NGX_OK) {
        lookup->response.status = (rc > 0) ? rc : 0;
        lookup->response.local = 1;
    }

    if (r->upstream) {
        lookup->response.local = (r->upstream->headers_in.status_n
                                  != lookup->response.status);
    }

    lookup->response.reached = ngx_http_auth_api_token_reached(r);

    lookup->done = 1;

    /*
     * whatever came, the subrequest has ended well: no error_page makes an
     * answer of it, and nothing closes a connection that is none
     */

    r->connection->error = 0;

    return NGX_OK;
}


/*
 * Whether a failure is one of the API, or of its name or network, and not of a
 * limit of nginx, which clients may use up: limit_req, limit_conn, max_conns.
 */

static ngx_uint_t
ngx_http_auth_api_token_reached(ngx_http_request_t *r)
{
    ngx_uint_t                     i;
    ngx_http_upstream_t           *u;
    ngx_http_upstream_state_t     *state;
    ngx_http_upstream_server_t    *server;
    ngx_http_upstream_srv_conf_t  *uscf;

    u = r->upstream;

    if (u == NULL) {
        return 0;
    }

    if (r->upstream_states == NULL || r->upstream_states->nelts == 0) {
        return 1;
    }

    uscf = u->upstream;

    if (uscf == NULL || uscf->servers == NULL) {
        return 1;
    }

    /* without a peer to be had, its name is that of the upstream */

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer
            && (state[i].peer->len != uscf->host.len
                || ngx_strncmp(state[i].peer->data, uscf->host.data,
                               uscf->host.len)
                   != 0))
        {
            return 1;
        }
    }

    server = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {
        if (server[i].max_conns) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t   *lookup;
    ngx_http_auth_api_token_verdict_t   verdict;

    lookup = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_filter_module);

    if (!lookup->done) {
        return;
    }

    ngx_memzero(&verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    ngx_http_auth_api_token_response_verdict(&lookup->response, r->pool,
                                             &lookup->id,
                                             lookup->service ? &lookup->token
                                                             : NULL,
                                             &verdict);

    ngx_http_auth_api_token_end_lookup(lookup, &verdict);
    ngx_http_auth_api_token_close_lookup(lookup);
}


static void
ngx_http_auth_api_token_end_lookup(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_http_auth_api_token_flight_t  *flight;

    if (lookup->ended) {
        return;
    }

    lookup->ended = 1;
    lookup->question.now = ngx_current_msec;

    flight = &lookup->flight;

    verdict->asked = lookup->asked;

    if (flight->store
        && ngx_http_auth_api_token_store_end(flight->store, &flight->ticket,
                                             &lookup->question, verdict)
           != NGX_OK)
    {
        verdict = NULL;
    }

    ngx_http_auth_api_token_flight_wake(flight, verdict);
    ngx_http_auth_api_token_flight_end(flight);
}


static void
ngx_http_auth_api_token_close_lookup(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (lookup->timer.timer_set) {
        ngx_del_timer(&lookup->timer);
    }

    r = lookup->request;
    c = r->connection;

    /* an upstream that is cut off drops a reference: not the last one */

    r->count++;

    ngx_http_free_request(r, 0);

    ngx_http_auth_api_token_close_connection(c);
}


/* the connection has no socket, but takes a place among all of a worker */

static void
ngx_http_auth_api_token_close_connection(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    pool = c->pool;

    /* as it was taken: some event modules keep connections by descriptor */

    c->fd = 0;
    c->destroyed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;

    if (pool) {
        ngx_destroy_pool(pool);
    }
}
