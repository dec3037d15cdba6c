
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_connection.h"


#if !(NGX_STAT_STUB)

/* nginx may have stub_status even if the module was built without it */

#pragma weak ngx_stat_reading
#pragma weak ngx_stat_requests

extern ngx_atomic_t  *ngx_stat_reading;
extern ngx_atomic_t  *ngx_stat_requests;

#endif


typedef struct {
    ngx_log_t                log;
    ngx_http_log_ctx_t       log_ctx;
    ngx_http_connection_t    http;
} ngx_http_auth_api_token_connection_t;


static ngx_int_t ngx_http_auth_api_token_init_connection(ngx_connection_t *c,
    ngx_http_request_t *r, ngx_event_handler_pt handler);
static ngx_int_t ngx_http_auth_api_token_copy_addresses(ngx_connection_t *c,
    ngx_connection_t *client);
static ngx_chain_t *ngx_http_auth_api_token_discard(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ngx_int_t ngx_http_auth_api_token_init_request(ngx_connection_t *c,
    ngx_str_t *uri);
static void ngx_http_auth_api_token_close_connection(ngx_connection_t *c);


ngx_int_t
ngx_http_auth_api_token_open_request(ngx_http_request_t *r, ngx_str_t *uri,
    ngx_event_handler_pt handler, ngx_http_request_t **request)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(0, r->connection->log);
    if (c == NULL) {
        return NGX_BUSY;
    }

    /*
     * some modules take -1 for "there is no request", and nginx for "there is
     * nothing to close" when a worker shuts down
     */

    c->fd = (ngx_socket_t) -2;

    if (ngx_http_auth_api_token_init_connection(c, r, handler) != NGX_OK
        || ngx_http_auth_api_token_init_request(c, uri) != NGX_OK)
    {
        ngx_http_auth_api_token_close_connection(c);
        return NGX_ERROR;
    }

    *request = c->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_init_connection(ngx_connection_t *c,
    ngx_http_request_t *r, ngx_event_handler_pt handler)
{
    ngx_connection_t                      *client;
    ngx_http_core_srv_conf_t              *cscf;
    ngx_http_auth_api_token_connection_t  *ac;

    client = r->connection;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    c->pool = ngx_create_pool(2048, ngx_cycle->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    ac = ngx_pcalloc(c->pool, sizeof(ngx_http_auth_api_token_connection_t));
    if (ac == NULL) {
        return NGX_ERROR;
    }

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->type = SOCK_STREAM;
    c->listening = client->listening;
    c->log_error = client->log_error;

    ac->log = *client->log;
    ac->log.connection = c->number;
    ac->log.action = "asking the token API";
    ac->log.data = &ac->log_ctx;
    ac->log_ctx.connection = c;

    c->log = &ac->log;
    c->pool->log = c->log;
    c->read->log = c->log;
    c->write->log = c->log;

    ac->http.conf_ctx = cscf->ctx;
    c->data = &ac->http;

    /*
     * with any event method, the events have to look as if there was nothing to
     * add or to delete
     */

    c->read->active = 1;
    c->write->active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
    c->write->ready = 1;
    c->read->handler = handler;
    c->write->handler = handler;

    c->send_chain = ngx_http_auth_api_token_discard;

    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    return ngx_http_auth_api_token_copy_addresses(c, client);
}


/* variables in the lookup location are about the client that caused it */

static ngx_int_t
ngx_http_auth_api_token_copy_addresses(ngx_connection_t *c,
    ngx_connection_t *client)
{
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

    return NGX_OK;
}


static ngx_chain_t *
ngx_http_auth_api_token_discard(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    return ngx_chain_update_sent(in, NGX_MAX_OFF_T_VALUE);
}


static ngx_int_t
ngx_http_auth_api_token_init_request(ngx_connection_t *c, ngx_str_t *uri)
{
    ngx_buf_t                 *b;
    ngx_http_request_t        *r;
    ngx_http_core_srv_conf_t  *cscf;

    /* the buffer into which nginx would have read a request */

    b = ngx_create_temp_buf(c->pool, sizeof("GET  HTTP/1.1" CRLF CRLF) - 1
                                     + uri->len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_sprintf(b->last, "GET %V HTTP/1.1" CRLF CRLF, uri);
    b->pos = b->last;

    c->buffer = b;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        return NGX_ERROR;
    }

    c->data = r;

    /* stub_status counts clients only */

    if (r->stat_reading) {
        r->stat_reading = 0;

        (void) ngx_atomic_fetch_add(ngx_stat_reading, -1);
        (void) ngx_atomic_fetch_add(ngx_stat_requests, -1);
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    r->blocked = 1;
    r->logged = 1;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;

    r->method = NGX_HTTP_GET;
    r->method_name = ngx_http_core_get_method;
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");

    r->request_line.data = b->start;
    r->request_line.len = b->last - b->start - (sizeof(CRLF CRLF) - 1);

    r->uri = *uri;
    r->unparsed_uri = *uri;
    r->headers_in.server = cscf->server_name;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 4,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        ngx_http_free_request(r, 0);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_auth_api_token_close_request(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_free_request(r, 0);

    ngx_http_auth_api_token_close_connection(c);
}


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

    /* as when it was taken: some event modules look it up by descriptor */

    c->fd = 0;
    c->destroyed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;

    if (pool) {
        ngx_destroy_pool(pool);
    }
}
