
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_module.h"
#include "ngx_http_auth_api_token_json.h"
#include "ngx_http_auth_api_token_response.h"


#define NGX_HTTP_AUTH_API_TOKEN_MAX_BODY         65536
#define NGX_HTTP_AUTH_API_TOKEN_MAX_RETRY_AFTER  3600


static time_t ngx_http_auth_api_token_retry_after(ngx_http_request_t *r);


ngx_int_t
ngx_http_auth_api_token_response_header(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response)
{
    static ngx_str_t  encoding = ngx_string("Content-Encoding");

    r->header_sent = 1;
    r->filter_need_in_memory = 1;

    if (r->upstream) {

        /* buffering could write the body, and the token in it, to a file */

        r->upstream->buffering = 0;
    }

    response->status = r->headers_out.status;
    response->content_length = r->headers_out.content_length_n;

#if (NGX_HTTP_CACHE)
    response->cached = r->cached;
#endif

    if (ngx_http_auth_api_token_find_header(&r->headers_out.headers, &encoding))
    {
        response->encoded = 1;
    }

    if (response->status == NGX_HTTP_TOO_MANY_REQUESTS
        || response->status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        response->retry_after = ngx_http_auth_api_token_retry_after(r);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_response_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_response_t *response, ngx_chain_t *in)
{
    size_t      n;
    ngx_buf_t  *b;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last_buf || b->last_in_chain) {
            response->complete = 1;
        }

        n = ngx_buf_size(b);

        if (n && response->status == NGX_HTTP_OK && !response->oversize) {

            if (response->body.data == NULL) {
                response->size = NGX_HTTP_AUTH_API_TOKEN_MAX_BODY;

                if (response->content_length > 0
                    && response->content_length < (off_t) response->size)
                {
                    response->size = (size_t) response->content_length;
                }

                response->body.data = ngx_pnalloc(r->connection->pool,
                                                  response->size);
                if (response->body.data == NULL) {
                    return NGX_ERROR;
                }
            }

            if (n > response->size - response->body.len
                || !ngx_buf_in_memory(b))
            {
                response->oversize = 1;

            } else {
                ngx_memcpy(response->body.data + response->body.len, b->pos, n);
                response->body.len += n;
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}


void
ngx_http_auth_api_token_response_verdict(
    ngx_http_auth_api_token_response_t *response, ngx_pool_t *pool,
    ngx_str_t *id, ngx_str_t *token, ngx_http_auth_api_token_verdict_t *verdict)
{
    verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    verdict->status = response->status;
    verdict->retry_after = response->retry_after;

    if (response->local) {

        /* what limit_req refuses says nothing of the API */

        if (response->reached
            && (response->status == 0
                || response->status == NGX_HTTP_BAD_GATEWAY
                || response->status == NGX_HTTP_GATEWAY_TIME_OUT))
        {
            verdict->health = NGX_HTTP_AUTH_API_TOKEN_FAULT;
        }

        /* a 404 of a location that is not there is not one of the API */

        verdict->cause = "the API could not be asked";
        return;
    }

    if (response->cached) {

        /* its key has the id, which is public, and not the secret */

        verdict->cause = "the answer came from a cache of nginx";
        return;
    }

    verdict->health = (response->status >= NGX_HTTP_INTERNAL_SERVER_ERROR
                       || response->status == NGX_HTTP_TOO_MANY_REQUESTS)
                      ? NGX_HTTP_AUTH_API_TOKEN_FAULT
                      : NGX_HTTP_AUTH_API_TOKEN_WELL;

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
        verdict->cause = "the API says nothing of the token";
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
        verdict->cause = "the body was cut short";
        return;
    }

    ngx_http_auth_api_token_read_answer(pool, &response->body, id, token,
                                        verdict);
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
