
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"
#include "ngx_http_auth_api_token_answer.h"


#define NGX_HTTP_AUTH_API_TOKEN_MAX_BODY         65536
#define NGX_HTTP_AUTH_API_TOKEN_MAX_RETRY_AFTER  3600


struct ngx_http_auth_api_token_lookup_s {
    ngx_http_request_t       *request;         /* without a client */
    ngx_queue_t               waiters;         /* ctx of their requests */
    ngx_event_t               timer;

    ngx_str_t                 authorization;
    ngx_str_t                 token;
    ngx_str_t                 id;
    ngx_uint_t                service;         /* unsigned  service:1; */

    ngx_uint_t                status;
    off_t                     content_length;
    time_t                    retry_after;
    ngx_str_t                 body;
    size_t                    size;            /* of the body's buffer */

    unsigned                  done:1;
    unsigned                  timedout:1;
    unsigned                  encoded:1;       /* Content-Encoding */
    unsigned                  oversize:1;
    unsigned                  complete:1;      /* the last buffer was seen */

    ngx_log_t                 log;
    ngx_http_log_ctx_t        log_ctx;
    ngx_http_connection_t     http_connection;
};


static ngx_http_auth_api_token_lookup_t *ngx_http_auth_api_token_create_lookup(
    ngx_http_request_t *r, ngx_http_auth_api_token_ctx_t *ctx);
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
static void ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r);
static void ngx_http_auth_api_token_end_lookup(
    ngx_http_auth_api_token_lookup_t *lookup);
static void ngx_http_auth_api_token_lookup_verdict(
    ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict);
static void ngx_http_auth_api_token_close_connection(ngx_connection_t *c);
static time_t ngx_http_auth_api_token_retry_after(ngx_http_request_t *r);


ngx_int_t
ngx_http_auth_api_token_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_auth_api_token_create_lookup(r, ctx);

    if (lookup == NULL) {
        return ctx->asked ? NGX_OK : NGX_ERROR;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup *%uA",
                   lookup->request->connection->number);

    ctx->lookup = lookup;
    ngx_queue_insert_tail(&lookup->waiters, &ctx->queue);

    /* the lookup may end in this call, the waiters are posted even then */

    ngx_http_run_posted_requests(lookup->request->connection);

    return NGX_AGAIN;
}


static ngx_http_auth_api_token_lookup_t *
ngx_http_auth_api_token_create_lookup(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx)
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
        ngx_memzero(&ctx->verdict, sizeof(ngx_http_auth_api_token_verdict_t));

        ctx->verdict.reason = NGX_HTTP_AUTH_API_TOKEN_BUSY;
        ctx->verdict.cause = "no connection is left";
        ctx->answered = ngx_current_msec;
        ctx->asked = 1;

        return NULL;
    }

    c->fd = (ngx_socket_t) -1;

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NULL;
    }

    c->pool = pool;

    lookup = ngx_pcalloc(pool, sizeof(ngx_http_auth_api_token_lookup_t));
    if (lookup == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NULL;
    }

    ngx_queue_init(&lookup->waiters);

    lookup->service = conf->service;
    lookup->content_length = -1;

    lookup->authorization.len = sizeof("Bearer ") - 1 + ctx->token.len;
    lookup->id.len = ctx->id.len;

    p = ngx_pnalloc(pool, lookup->authorization.len + lookup->id.len);
    if (p == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NULL;
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
        return NULL;
    }

    lookup->request = ngx_http_create_request(c);
    if (lookup->request == NULL) {
        ngx_http_auth_api_token_close_connection(c);
        return NULL;
    }

    c->data = lookup->request;

    if (ngx_http_auth_api_token_init_request(lookup, &conf->uri) != NGX_OK
        || ngx_http_auth_api_token_subrequest(lookup, &conf->uri) != NGX_OK)
    {
        ngx_http_auth_api_token_end_lookup(lookup);
        return NULL;
    }

    lookup->timer.data = lookup;
    lookup->timer.log = c->log;
    lookup->timer.handler = ngx_http_auth_api_token_lookup_timeout;

    ngx_add_timer(&lookup->timer, conf->timeout);

    return lookup;
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

    sr->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (sr->request_body == NULL) {
        return NGX_ERROR;
    }

    /* an inherited error_page would make an answer of a dead API */

    sr->error_page = 1;

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

    lookup->timedout = 1;

    ngx_http_auth_api_token_end_lookup(lookup);
}


static ngx_int_t
ngx_http_auth_api_token_lookup_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc)
{
    ngx_http_auth_api_token_lookup_t  *lookup = data;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "auth api token lookup done: %i, status %ui",
                   rc, r->headers_out.status);

    if (rc == NGX_OK) {
        lookup->status = r->headers_out.status;

    } else {
        lookup->status = (rc > 0) ? rc : 0;
    }

    lookup->done = 1;

    /* an error must not make nginx close a connection that is none */

    r->connection->error = 0;

    return NGX_OK;
}


static void
ngx_http_auth_api_token_lookup_finish(ngx_http_request_t *r)
{
    ngx_http_auth_api_token_lookup_t  *lookup;

    lookup = ngx_http_get_module_ctx(r, ngx_http_auth_api_token_filter_module);

    if (lookup->done) {
        ngx_http_auth_api_token_end_lookup(lookup);
    }
}


static void
ngx_http_auth_api_token_end_lookup(ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_queue_t                        *q;
    ngx_connection_t                   *c;
    ngx_http_request_t                 *r;
    ngx_http_auth_api_token_ctx_t      *ctx;
    ngx_http_auth_api_token_verdict_t   verdict;

    ngx_http_auth_api_token_lookup_verdict(lookup, &verdict);

    while (!ngx_queue_empty(&lookup->waiters)) {

        q = ngx_queue_head(&lookup->waiters);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_auth_api_token_ctx_t, queue);

        if (ngx_http_auth_api_token_copy_verdict(ctx->request->pool,
                                                 &ctx->verdict, &verdict)
            != NGX_OK)
        {
            ngx_memzero(&ctx->verdict,
                        sizeof(ngx_http_auth_api_token_verdict_t));

            ctx->verdict.reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
        }

        ctx->lookup = NULL;
        ctx->asked = 1;
        ctx->answered = ngx_current_msec;

        c = ctx->request->connection;

        ngx_post_event(c->write, &ngx_posted_events);
    }

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


static void
ngx_http_auth_api_token_lookup_verdict(ngx_http_auth_api_token_lookup_t *lookup,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_memzero(verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    verdict->retry_after = lookup->retry_after;

    if (lookup->timedout) {
        verdict->cause = "timed out";
        return;
    }

    verdict->status = lookup->status;

    switch (lookup->status) {

    case NGX_HTTP_OK:
        break;

    case NGX_HTTP_UNAUTHORIZED:

        if (lookup->service) {
            verdict->cause = "the API refuses the service credential";
            return;
        }

        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNKNOWN;
        return;

    case NGX_HTTP_FORBIDDEN:

        if (lookup->service) {
            verdict->cause = "the service credential may not read tokens";
            return;
        }

        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNREADABLE;
        return;

    case NGX_HTTP_NOT_FOUND:
        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNKNOWN;
        return;

    default:
        verdict->cause = "no answer that says anything of the token";
        return;
    }

    if (lookup->encoded) {
        verdict->cause = "the body has a Content-Encoding";
        return;
    }

    if (lookup->oversize) {
        verdict->cause = "the body is too large";
        return;
    }

    if (!lookup->complete
        || (lookup->content_length != -1
            && lookup->content_length != (off_t) lookup->body.len))
    {
        verdict->cause = "the body was cut short";
        return;
    }

    ngx_http_auth_api_token_read_answer(lookup->request->pool, &lookup->body,
                                        &lookup->id,
                                        lookup->service ? &lookup->token : NULL,
                                        verdict);
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


ngx_int_t
ngx_http_auth_api_token_lookup_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup)
{
    ngx_table_elt_t  *h;

    r->header_sent = 1;
    r->filter_need_in_memory = 1;

    if (r->upstream) {

        /* buffering could write the body, and the token in it, to a file */

        r->upstream->buffering = 0;
    }

    lookup->status = r->headers_out.status;
    lookup->content_length = r->headers_out.content_length_n;

    h = r->headers_out.content_encoding;

    if (h && h->hash && h->value.len) {
        lookup->encoded = 1;
    }

    if (lookup->status == NGX_HTTP_TOO_MANY_REQUESTS
        || lookup->status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        lookup->retry_after = ngx_http_auth_api_token_retry_after(r);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_lookup_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_lookup_t *lookup, ngx_chain_t *in)
{
    size_t       n;
    ngx_buf_t   *b;
    ngx_pool_t  *pool;

    pool = r->connection->pool;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last_buf || b->last_in_chain) {
            lookup->complete = 1;
        }

        if (lookup->status == NGX_HTTP_OK && !lookup->oversize) {

            n = ngx_buf_size(b);

            if (lookup->body.data == NULL) {
                lookup->size = NGX_HTTP_AUTH_API_TOKEN_MAX_BODY;

                if (lookup->content_length >= 0
                    && lookup->content_length < (off_t) lookup->size)
                {
                    lookup->size = (size_t) lookup->content_length;
                }

                lookup->body.data = ngx_pnalloc(pool, lookup->size);
                if (lookup->body.data == NULL) {
                    return NGX_ERROR;
                }
            }

            if (n > lookup->size - lookup->body.len
                || (n && !ngx_buf_in_memory(b)))
            {
                lookup->oversize = 1;

            } else if (n) {
                ngx_memcpy(lookup->body.data + lookup->body.len, b->pos, n);
                lookup->body.len += n;
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}


/* RFC 9110, section 10.2.3 */

static time_t
ngx_http_auth_api_token_retry_after(ngx_http_request_t *r)
{
    time_t            t;
    ngx_table_elt_t  *h;
    static ngx_str_t  name = ngx_string("Retry-After");

    h = ngx_http_auth_api_token_find_header(&r->headers_out.headers, &name);

    if (h == NULL || h->value.len == 0) {
        return 0;
    }

    t = ngx_atotm(h->value.data, h->value.len);

    if (t == NGX_ERROR) {
        t = ngx_parse_http_time(h->value.data, h->value.len);

        if (t == NGX_ERROR) {
            return 0;
        }

        t -= ngx_time();
    }

    if (t < 0) {
        t = 0;
    }

    return ngx_min(t, NGX_HTTP_AUTH_API_TOKEN_MAX_RETRY_AFTER);
}
