
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"
#include "ngx_http_auth_api_token_operate.h"


#define NGX_HTTP_AUTH_API_TOKEN_MAX_PURGE  65536


static ngx_int_t ngx_http_auth_api_token_purge_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_purge_by_uri(ngx_http_request_t *r);
static void ngx_http_auth_api_token_purge_by_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_purge_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_auth_api_token_purge(ngx_http_request_t *r,
    ngx_http_auth_api_token_purge_t *purge);


static ngx_http_auth_api_token_error_t
    ngx_http_auth_api_token_purge_errors[] =
{
    { NGX_HTTP_NOT_ALLOWED,
      ngx_string("Use POST, or DELETE with an id at the end of the path") },

    { NGX_HTTP_BAD_REQUEST,
      ngx_string("Expected JSON with a token id, an account id, "
                 "\\\"all\\\":true or a platform event") },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
      ngx_string("The body is too large") },

    { 0, ngx_null_string }
};


static ngx_http_auth_api_token_content_t
    ngx_http_auth_api_token_purge_content =
{
    "auth_api_token_purge",
    ngx_http_auth_api_token_purge_handler,
    ngx_http_auth_api_token_purge_errors,
    0
};


static ngx_int_t
ngx_http_auth_api_token_purge_handler(ngx_http_request_t *r)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    if (r->method == NGX_HTTP_DELETE) {
        return ngx_http_auth_api_token_purge_by_uri(r);
    }

    if (r->method != NGX_HTTP_POST) {

        h = ngx_http_auth_api_token_push_header(&r->headers_out.headers,
                                                "Allow");
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_str_set(&h->value, "POST, DELETE");

        return NGX_HTTP_NOT_ALLOWED;
    }

    if (r->headers_in.content_length_n > NGX_HTTP_AUTH_API_TOKEN_MAX_PURGE) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    rc = ngx_http_read_client_request_body(r,
                                        ngx_http_auth_api_token_purge_by_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* the last segment of the URI */

static ngx_int_t
ngx_http_auth_api_token_purge_by_uri(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_http_auth_api_token_purge_t  purge;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&purge, sizeof(ngx_http_auth_api_token_purge_t));

    purge.id.data = r->uri.data + r->uri.len;

    while (purge.id.data > r->uri.data && purge.id.data[-1] != '/') {
        purge.id.data--;
        purge.id.len++;
    }

    if (!ngx_http_auth_api_token_is_id(&purge.id)) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_auth_api_token_is_account(&purge.id)) {
        purge.account = purge.id;
        ngx_str_null(&purge.id);
    }

    return ngx_http_auth_api_token_purge(r, &purge);
}


static void
ngx_http_auth_api_token_purge_by_body(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                        body;
    ngx_http_auth_api_token_purge_t  purge;

    rc = ngx_http_auth_api_token_purge_body(r, &body);

    if (rc == NGX_OK) {
        rc = ngx_http_auth_api_token_read_purge(r->pool, &body, &purge);

        if (rc == NGX_OK) {
            rc = ngx_http_auth_api_token_purge(r, &purge);

        } else {
            rc = (rc == NGX_DECLINED) ? NGX_HTTP_BAD_REQUEST
                                      : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_http_finalize_request(r, rc);
}


/* a body that does not fit into the client's buffer is in a file */

static ngx_int_t
ngx_http_auth_api_token_purge_body(ngx_http_request_t *r, ngx_str_t *body)
{
    off_t         len;
    size_t        size;
    u_char       *p;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    len = 0;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl; cl = cl->next)
    {
        len += ngx_buf_size(cl->buf);
    }

    if (len > NGX_HTTP_AUTH_API_TOKEN_MAX_PURGE) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    body->data = ngx_pnalloc(r->pool, (size_t) len + 1);
    if (body->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = body->data;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl; cl = cl->next)
    {
        b = cl->buf;
        size = (size_t) ngx_buf_size(b);

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, size);
            continue;
        }

        n = size ? ngx_read_file(b->file, p, size, b->file_pos) : 0;

        if (n != (ssize_t) size) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p += size;
    }

    body->len = p - body->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_purge(ngx_http_request_t *r,
    ngx_http_auth_api_token_purge_t *purge)
{
    u_char                              *p;
    ngx_str_t                            type;
    ngx_uint_t                           n;
    ngx_http_complex_value_t             cv;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    n = ngx_http_auth_api_token_store_purge(alcf->purge->zone->store, purge);

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "API tokens purged: %ui, zone: \"%V\", id: \"%V\", "
                  "account: \"%V\"%s",
                  n, &alcf->purge->name, &purge->id, &purge->account,
                  purge->all ? ", all" : "");

    p = ngx_pnalloc(r->pool, sizeof("{\"purged\":}") - 1 + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value.data = p;
    cv.value.len = ngx_sprintf(p, "{\"purged\":%ui}", n) - p;

    ngx_str_set(&type, "application/json");

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


char *
ngx_http_auth_api_token_set_purge(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_auth_api_token_set_content(cf, alcf,
                                        &ngx_http_auth_api_token_purge_content);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    alcf->purge = ngx_http_auth_api_token_add_cache(cf, cmd, &value[1]);

    return alcf->purge ? NGX_CONF_OK : NGX_CONF_ERROR;
}
