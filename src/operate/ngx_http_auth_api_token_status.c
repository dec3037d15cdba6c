
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_operate.h"
#include "ngx_http_auth_api_token_status.h"


/*
 * enough for all figures of a zone: bytes without the name of the zone, and how
 * often that is written
 */

#define NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN    20480
#define NGX_HTTP_AUTH_API_TOKEN_STATUS_LINES  160


enum {
    NGX_HTTP_AUTH_API_TOKEN_STATUS_ACCEPT = 1,  /* as the client accepts */
    NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON,
    NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS,
    NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML
};


static ngx_int_t ngx_http_auth_api_token_status_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_auth_api_token_status_format(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_status_headers(ngx_http_request_t *r,
    ngx_uint_t format);
static ngx_int_t ngx_http_auth_api_token_status_figures(ngx_http_request_t *r,
    ngx_uint_t format, ngx_str_t *body);


static ngx_http_auth_api_token_content_t
    ngx_http_auth_api_token_status_content =
{
    "auth_api_token_status",
    ngx_http_auth_api_token_status_handler,
    NULL,
    0
};


static ngx_int_t
ngx_http_auth_api_token_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_str_t                 type;
    ngx_uint_t                format;
    ngx_http_complex_value_t  cv;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    format = ngx_http_auth_api_token_status_format(r);

    if (ngx_http_auth_api_token_status_headers(r, format) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    if (format == NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML) {
        ngx_str_set(&type, "text/html; charset=utf-8");
        cv.value = ngx_http_auth_api_token_page;

        return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
    }

    if (ngx_http_auth_api_token_status_figures(r, format, &cv.value) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (format == NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS) {
        ngx_str_set(&type, "text/plain; version=0.0.4; charset=utf-8");

    } else {
        ngx_str_set(&type, "application/json");
    }

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


/*
 * A browser accepts HTML, its page JSON, and a scraper plain text.  If none of
 * them is accepted, the argument of the directive decides.
 */

static ngx_uint_t
ngx_http_auth_api_token_status_format(ngx_http_request_t *r)
{
    u_char                              *p;
    ngx_table_elt_t                     *h;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_str_t  accept = ngx_string("Accept");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (alcf->status_format == NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON
        || alcf->status_format == NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS)
    {
        return alcf->status_format;
    }

    h = ngx_http_auth_api_token_find_header(&r->headers_in.headers, &accept);

    if (h) {
        p = h->value.data;

        if (ngx_strcasestrn(p, "text/html", 9 - 1)) {
            return NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML;
        }

        if (ngx_strcasestrn(p, "application/json", 16 - 1)) {
            return NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON;
        }

        if (ngx_strcasestrn(p, "text/plain", 10 - 1)
            || ngx_strcasestrn(p, "application/openmetrics-text", 28 - 1))
        {
            return NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS;
        }
    }

    return (alcf->status_format == NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML)
           ? NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML
           : NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON;
}


static ngx_int_t
ngx_http_auth_api_token_status_headers(ngx_http_request_t *r,
    ngx_uint_t format)
{
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  accept = ngx_string("Accept");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (ngx_http_auth_api_token_add_header_out(r, "Cache-Control", &no_store)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (format == NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML
        && ngx_http_auth_api_token_add_header_out(r, "Content-Security-Policy",
                                          &ngx_http_auth_api_token_page_policy)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (alcf->status_format == NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON
        || alcf->status_format == NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS)
    {
        return NGX_OK;
    }

    return ngx_http_auth_api_token_add_header_out(r, "Vary", &accept);
}


static ngx_int_t
ngx_http_auth_api_token_status_figures(ngx_http_request_t *r,
    ngx_uint_t format, ngx_str_t *body)
{
    size_t                                len;
    u_char                               *p, *last;
    ngx_uint_t                            i, n;
    ngx_shm_zone_t                      **shm_zone;
    ngx_http_auth_api_token_zone_t       *zone;
    ngx_http_auth_api_token_status_t     *status;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_auth_api_token_module);

    shm_zone = amcf->zones.elts;
    n = amcf->zones.nelts;

    status = ngx_pcalloc(r->pool,
                         (n + 1) * sizeof(ngx_http_auth_api_token_status_t));
    if (status == NULL) {
        return NGX_ERROR;
    }

    len = NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN;

    for (i = 0; i < n; i++) {
        zone = shm_zone[i]->data;

        status[i].name = &zone->name;

        ngx_http_auth_api_token_store_figures(zone->store, &status[i].figures);

        len += NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN
               + zone->name.len * NGX_HTTP_AUTH_API_TOKEN_STATUS_LINES;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    last = p + len;

    p = (format == NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS)
        ? ngx_http_auth_api_token_status_prometheus(p, last, status, n)
        : ngx_http_auth_api_token_status_json(p, last, status, n);

    body->len = p - body->data;

    return NGX_OK;
}


char *
ngx_http_auth_api_token_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_auth_api_token_set_content(cf, alcf,
                                       &ngx_http_auth_api_token_status_content);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_auth_api_token_page_init() != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 1) {
        alcf->status_format = NGX_HTTP_AUTH_API_TOKEN_STATUS_ACCEPT;

    } else if (ngx_strcmp(value[1].data, "json") == 0) {
        alcf->status_format = NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        alcf->status_format = NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS;

    } else if (ngx_strcmp(value[1].data, "html") == 0) {
        alcf->status_format = NGX_HTTP_AUTH_API_TOKEN_STATUS_HTML;

    } else {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                        "\"json\", \"prometheus\" or \"html\"");
    }

    return NGX_CONF_OK;
}
