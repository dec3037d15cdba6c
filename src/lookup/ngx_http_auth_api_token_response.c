
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_json.h"
#include "ngx_http_auth_api_token_response.h"


#define NGX_HTTP_AUTH_API_TOKEN_MAX_BODY         65536
#define NGX_HTTP_AUTH_API_TOKEN_MAX_RETRY_AFTER  3600

/* older than any facts may be, and milliseconds of it fit in 32 bits */

#define NGX_HTTP_AUTH_API_TOKEN_MAX_AGE          1000000


static ngx_uint_t ngx_http_auth_api_token_local(ngx_http_request_t *r);
static ngx_uint_t ngx_http_auth_api_token_encoded(ngx_http_request_t *r);
static time_t ngx_http_auth_api_token_read_age(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_add_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_buf_t *b, off_t n);
static ngx_int_t ngx_http_auth_api_token_read_file(ngx_buf_t *b, u_char *p,
    size_t n);
static void ngx_http_auth_api_token_read_retry_after(
    ngx_http_auth_api_token_response_t *response, ngx_list_t *headers);


void
ngx_http_auth_api_token_response_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response)
{
    r->header_sent = 1;

    response->local = ngx_http_auth_api_token_local(r);
    response->status = r->headers_out.status;
    response->content_length = r->headers_out.content_length_n;
    response->encoded = ngx_http_auth_api_token_encoded(r);
    response->age = ngx_http_auth_api_token_read_age(r);

#if (NGX_HTTP_CACHE)
    response->cached = r->cached;
#endif

    ngx_http_auth_api_token_read_retry_after(response, &r->headers_out.headers);
}


/*
 * Whether nginx itself made the status: by "return", before the content phase,
 * or in place of the status of an upstream, by a page of its own or after an
 * X-Accel-Redirect.  If one upstream followed on another, there is a state
 * without a peer between theirs.
 */

static ngx_uint_t
ngx_http_auth_api_token_local(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_upstream_t        *u;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_upstream_state_t  *state;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    if (r->headers_out.status != NGX_HTTP_OK
        && ph[r->phase_handler].checker != ngx_http_core_content_phase)
    {
        return 1;
    }

    u = r->upstream;

    if (u == NULL) {
        return 0;
    }

    if (u->headers_in.status_n != r->headers_out.status) {
        return 1;
    }

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    if (u->cleanup == NULL) {
        return 1;
    }

    if (r->upstream_states) {
        state = r->upstream_states->elts;

        for (i = 0; i < r->upstream_states->nelts; i++) {
            if (state[i].peer == NULL) {
                return 1;
            }
        }
    }

    return 0;
}


/* RFC 9110, section 8.4.1; "identity" means that there is none */

static ngx_uint_t
ngx_http_auth_api_token_encoded(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("Content-Encoding");

    h = NULL;

    for ( ;; ) {
        h = ngx_http_auth_api_token_next_header(&r->headers_out.headers, &name,
                                                h);
        if (h == NULL) {
            return 0;
        }

        if (h->value.len
            && (h->value.len != sizeof("identity") - 1
                || ngx_strncasecmp(h->value.data, (u_char *) "identity",
                                   sizeof("identity") - 1)
                   != 0))
        {
            return 1;
        }
    }
}


/* RFC 9111, section 5.1; honoured even if proxy_hide_header hides it */

static time_t
ngx_http_auth_api_token_read_age(ngx_http_request_t *r)
{
    size_t            i;
    time_t            t, age;
    ngx_list_t       *headers;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("Age");

    headers = r->upstream ? &r->upstream->headers_in.headers
                          : &r->headers_out.headers;
    age = 0;
    h = NULL;

    for ( ;; ) {
        h = ngx_http_auth_api_token_next_header(headers, &name, h);
        if (h == NULL) {
            return age;
        }

        if (h->value.len == 0) {
            return NGX_ERROR;
        }

        t = 0;

        for (i = 0; i < h->value.len; i++) {

            if (h->value.data[i] < '0' || h->value.data[i] > '9') {
                return NGX_ERROR;
            }

            t = t * 10 + (h->value.data[i] - '0');
            t = ngx_min(t, NGX_HTTP_AUTH_API_TOKEN_MAX_AGE);
        }

        age = ngx_max(age, t);
    }
}


ngx_int_t
ngx_http_auth_api_token_response_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_chain_t *in)
{
    off_t       n;
    ngx_buf_t  *b;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last_buf || b->last_in_chain) {
            response->complete = 1;
        }

        n = ngx_buf_size(b);

        if (n && !response->oversize
            && ngx_http_auth_api_token_add_body(r, response, b, n) != NGX_OK)
        {
            return NGX_ERROR;
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}


/* a file is read here, as it is small and no other filter will do it */

static ngx_int_t
ngx_http_auth_api_token_add_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_buf_t *b, off_t n)
{
    u_char  *p;

    if (response->body.data == NULL) {
        response->size = NGX_HTTP_AUTH_API_TOKEN_MAX_BODY;

        if (response->content_length > 0
            && response->content_length < (off_t) response->size)
        {
            response->size = (size_t) response->content_length;
        }

        response->body.data = ngx_pnalloc(r->connection->pool, response->size);
        if (response->body.data == NULL) {
            return NGX_ERROR;
        }
    }

    if (n > (off_t) (response->size - response->body.len)) {
        response->oversize = 1;
        return NGX_OK;
    }

    p = response->body.data + response->body.len;

    if (ngx_buf_in_memory(b)) {
        ngx_memcpy(p, b->pos, (size_t) n);

    } else if (ngx_http_auth_api_token_read_file(b, p, (size_t) n) != NGX_OK) {
        return NGX_ERROR;
    }

    response->body.len += (size_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_read_file(ngx_buf_t *b, u_char *p, size_t n)
{
    ssize_t  size;

    /* directio would need memory that is aligned */

#if (NGX_HAVE_ALIGNED_DIRECTIO)

    if (b->file->directio && ngx_directio_off(b->file->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, b->file->log, ngx_errno,
                      ngx_directio_off_n " \"%V\" failed", &b->file->name);
    }

#endif

    size = ngx_read_file(b->file, p, n, b->file_pos);

#if (NGX_HAVE_ALIGNED_DIRECTIO)

    if (b->file->directio && ngx_directio_on(b->file->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, b->file->log, ngx_errno,
                      ngx_directio_on_n " \"%V\" failed", &b->file->name);
    }

#endif

    return (size == (ssize_t) n) ? NGX_OK : NGX_ERROR;
}


void
ngx_http_auth_api_token_response_failed(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_int_t rc)
{
    if (response->status) {
        response->complete = 0;
        return;
    }

    response->status = (rc > 0) ? rc : 0;
    response->local = 1;

    /* proxy_intercept_errors */

    if (r->upstream && r->upstream->headers_in.status_n == response->status) {
        response->local = 0;

        ngx_http_auth_api_token_read_retry_after(response,
                                            &r->upstream->headers_in.headers);
    }
}


ngx_uint_t
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

    /* if no peer could be used, its name is that of the upstream */

    state = r->upstream_states->elts;
    state = &state[r->upstream_states->nelts - 1];

    if (state->peer == NULL
        || state->peer->len != uscf->host.len
        || ngx_strncmp(state->peer->data, uscf->host.data, uscf->host.len) != 0)
    {
        return 1;
    }

    server = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {
        if (server[i].max_conns) {
            return 0;
        }
    }

    return 1;
}


void
ngx_http_auth_api_token_response_verdict(
    ngx_http_auth_api_token_response_t *response, ngx_pool_t *pool,
    ngx_str_t *id, ngx_str_t *token, ngx_http_auth_api_token_verdict_t *verdict)
{
    verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    verdict->status = response->status;
    verdict->retry_after = response->retry_after;

    if (response->status == 0 && response->timedout) {

        if (response->reached) {
            verdict->health = NGX_HTTP_AUTH_API_TOKEN_FAULT;
        }

        verdict->cause = "timed out";
        return;
    }

    if (response->local || response->status == 0) {

        /* a request that limit_req refused says nothing about the API */

        if (response->reached
            && (response->status == 0
                || response->status == NGX_HTTP_BAD_GATEWAY
                || response->status == NGX_HTTP_GATEWAY_TIME_OUT))
        {
            verdict->health = NGX_HTTP_AUTH_API_TOKEN_FAULT;
        }

        /* a 404 for a missing location is not an answer of the API */

        verdict->cause = "the API could not be asked";
        return;
    }

    if (response->cached) {

        /* the key of proxy_cache has the public id, not the secret */

        verdict->cause = "the answer came from a cache of nginx";
        return;
    }

    verdict->health = (response->status >= NGX_HTTP_INTERNAL_SERVER_ERROR
                       || response->status == NGX_HTTP_TOO_MANY_REQUESTS)
                      ? NGX_HTTP_AUTH_API_TOKEN_FAULT
                      : NGX_HTTP_AUTH_API_TOKEN_WELL;

    if (response->status != NGX_HTTP_OK) {
        ngx_http_auth_api_token_read_trace_id(pool, &response->body,
                                              &verdict->trace_id);
    }

    switch (response->status) {

    case NGX_HTTP_OK:
        break;

    case NGX_HTTP_UNAUTHORIZED:

        if (token) {
            verdict->cause = "the API refuses the service credential";
            return;
        }

        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNKNOWN;
        return;

    case NGX_HTTP_FORBIDDEN:

        if (token) {
            verdict->cause = "the service credential may not read tokens";
            return;
        }

        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNREADABLE;
        return;

    case NGX_HTTP_NOT_FOUND:
        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNKNOWN;
        return;

    default:
        verdict->cause = (response->status < NGX_HTTP_OK)
                         ? "an interim response, which nginx takes for the "
                           "answer"
                         : "the API says nothing about the token";
        return;
    }

    if (response->age == NGX_ERROR) {
        verdict->cause = "the Age is not a number of seconds";
        return;
    }

    if (response->encoded) {
        verdict->cause = "the body has a Content-Encoding";
        return;
    }

    if (response->oversize) {
        verdict->cause = "the body is too large";
        return;
    }

    if (!response->complete
        || (response->content_length != -1
            && response->content_length != (off_t) response->body.len))
    {
        verdict->health = NGX_HTTP_AUTH_API_TOKEN_FAULT;
        verdict->cause = response->timedout ? "timed out"
                                            : "the body was cut short";
        return;
    }

    ngx_http_auth_api_token_read_answer(pool, &response->body, id, token,
                                        verdict);

    if (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        verdict->age = (ngx_msec_t) response->age * 1000;
    }
}


/* RFC 9110, section 10.2.3 */

static void
ngx_http_auth_api_token_read_retry_after(
    ngx_http_auth_api_token_response_t *response, ngx_list_t *headers)
{
    time_t            t;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("Retry-After");

    if (response->status != NGX_HTTP_TOO_MANY_REQUESTS
        && response->status != NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        return;
    }

    h = ngx_http_auth_api_token_find_header(headers, &name);

    if (h == NULL || h->value.len == 0) {
        return;
    }

    t = ngx_atotm(h->value.data, h->value.len);

    if (t == NGX_ERROR) {
        t = ngx_parse_http_time(h->value.data, h->value.len);

        if (t == NGX_ERROR) {
            return;
        }

        t -= ngx_time();
    }

    t = ngx_max(t, 0);

    response->retry_after = ngx_min(t,
                                    NGX_HTTP_AUTH_API_TOKEN_MAX_RETRY_AFTER);
}
