
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_operate.h"
#include "ngx_http_auth_api_token_status.h"


/* more than enough for all figures of a zone, names of zones apart */

#define NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN    20480
#define NGX_HTTP_AUTH_API_TOKEN_STATUS_LINES  160


enum {
    NGX_HTTP_AUTH_API_TOKEN_STATUS_ACCEPT = 1,
    NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON,
    NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS
};


static ngx_int_t ngx_http_auth_api_token_status_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_auth_api_token_status_format(ngx_http_request_t *r);
static u_char *ngx_http_auth_api_token_status_json(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);
static u_char *ngx_http_auth_api_token_status_reasons(u_char *p, u_char *last,
    char *name, ngx_atomic_t *counters, ngx_uint_t lookups);
static u_char *ngx_http_auth_api_token_status_buckets(u_char *p, u_char *last,
    char *name, ngx_atomic_t *counters, ngx_atomic_uint_t ms);


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
    size_t                                len;
    u_char                               *p, *last;
    ngx_int_t                             rc;
    ngx_str_t                             type;
    ngx_uint_t                            i, n;
    ngx_shm_zone_t                      **zone;
    ngx_http_complex_value_t              cv;
    ngx_http_auth_api_token_zone_t       *amz;
    ngx_http_auth_api_token_status_t     *status;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_auth_api_token_module);

    zone = amcf->zones.elts;
    n = amcf->zones.nelts;

    status = ngx_pcalloc(r->pool,
                         (n + 1) * sizeof(ngx_http_auth_api_token_status_t));
    if (status == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN;

    for (i = 0; i < n; i++) {
        status[i].name = &zone[i]->shm.name;

        amz = zone[i]->data;

        ngx_http_auth_api_token_store_figures(amz->store, &status[i].figures);

        len += NGX_HTTP_AUTH_API_TOKEN_STATUS_LEN
               + zone[i]->shm.name.len * NGX_HTTP_AUTH_API_TOKEN_STATUS_LINES;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = p + len;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value.data = p;

    if (ngx_http_auth_api_token_status_format(r)
        == NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS)
    {
        ngx_str_set(&type, "text/plain; version=0.0.4; charset=utf-8");

        p = ngx_http_auth_api_token_status_prometheus(p, last, status, n);

    } else {
        ngx_str_set(&type, "application/json");

        p = ngx_http_auth_api_token_status_json(p, last, status, n);
    }

    cv.value.len = p - cv.value.data;

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


/* what asks for plain text is a scraper, and a browser asks for other things */

static ngx_uint_t
ngx_http_auth_api_token_status_format(ngx_http_request_t *r)
{
    ngx_table_elt_t                     *h;
    ngx_http_auth_api_token_loc_conf_t  *alcf;

    static ngx_str_t  accept = ngx_string("Accept");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_api_token_module);

    if (alcf->status != NGX_HTTP_AUTH_API_TOKEN_STATUS_ACCEPT) {
        return alcf->status;
    }

    h = ngx_http_auth_api_token_find_header(&r->headers_in.headers, &accept);

    if (h
        && ngx_strcasestrn(h->value.data, "application/json", 16 - 1) == NULL
        && (ngx_strcasestrn(h->value.data, "text/plain", 10 - 1)
            || ngx_strcasestrn(h->value.data, "application/openmetrics-text",
                               28 - 1)))
    {
        return NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS;
    }

    return NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON;
}


static u_char *
ngx_http_auth_api_token_status_json(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    ngx_uint_t                           i, k;
    ngx_http_auth_api_token_figures_t   *figures;
    ngx_http_auth_api_token_counter_t   *counter;
    ngx_http_auth_api_token_counters_t  *counters;

    p = ngx_slprintf(p, last, "{\"version\":\"%s\",\"zones\":{",
                     NGX_HTTP_AUTH_API_TOKEN_VERSION);

    for (i = 0; i < n; i++) {
        figures = &status[i].figures;
        counters = &figures->counters;

        p = ngx_slprintf(p, last, "%s\"%V\":{", i ? "," : "", status[i].name);

        p = ngx_http_auth_api_token_status_reasons(p, last, "decisions",
                                                   counters->decisions, 0);
        p = ngx_http_auth_api_token_status_reasons(p, last, "dry_run",
                                                   counters->dry_run, 0);
        p = ngx_http_auth_api_token_status_reasons(p, last, "lookups",
                                                   counters->lookups, 1);

        for (counter = ngx_http_auth_api_token_status_counters;
             counter->name;
             counter++)
        {
            p = ngx_slprintf(p, last, "\"%s\":%uA,", counter->name,
                             ngx_http_auth_api_token_counter(&status[i],
                                                             counter));
        }

        p = ngx_http_auth_api_token_status_buckets(p, last, "latency",
                                                   counters->latencies,
                                                   counters->latency);
        p = ngx_http_auth_api_token_status_buckets(p, last, "wait",
                                                   counters->waited,
                                                   counters->waited_sum);

        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_KINDS; k++) {
            p = ngx_slprintf(p, last, "\"%s\":{\"entries\":%ui,\"bytes\":%uz,"
                             "\"evicted\":%uA},",
                             ngx_http_auth_api_token_kinds[k],
                             figures->entries[k], figures->bytes[k],
                             counters->evicted[k]);
        }

        p = ngx_slprintf(p, last, "\"evicted_age\":%uA,\"capacity\":%uz,"
                         "\"in_flight\":%ui,\"queued\":%ui,\"limit\":%ui,"
                         "\"breaker\":\"%s\"}",
                         counters->evicted_age / 1000, figures->capacity,
                         figures->in_flight, figures->queued, figures->limit,
                         figures->probing ? "probing"
                                          : figures->open ? "open" : "closed");
    }

    return ngx_slprintf(p, last, "}}\n");
}


static u_char *
ngx_http_auth_api_token_status_reasons(u_char *p, u_char *last, char *name,
    ngx_atomic_t *counters, ngx_uint_t lookups)
{
    char        *comma;
    ngx_str_t   *reason;
    ngx_uint_t   i;

    comma = "";

    p = ngx_slprintf(p, last, "\"%s\":{", name);

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_REASONS; i++) {
        reason = ngx_http_auth_api_token_status_reason(i, lookups);

        if (reason) {
            p = ngx_slprintf(p, last, "%s\"%V\":%uA", comma, reason,
                             counters[i]);
            comma = ",";
        }
    }

    return ngx_slprintf(p, last, "},");
}


static u_char *
ngx_http_auth_api_token_status_buckets(u_char *p, u_char *last, char *name,
    ngx_atomic_t *counters, ngx_atomic_uint_t ms)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;
    p = ngx_slprintf(p, last, "\"%s\":{\"buckets\":{", name);

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_LATENCIES; i++) {
        sum += counters[i];
        p = ngx_slprintf(p, last, "\"%M\":%uL,",
                         ngx_http_auth_api_token_latencies[i], sum);
    }

    sum += counters[i];

    return ngx_slprintf(p, last, "\"+Inf\":%uL},\"count\":%uL,\"sum\":%uA},",
                        sum, sum, ms);
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

    value = cf->args->elts;

    if (cf->args->nelts == 1) {
        alcf->status = NGX_HTTP_AUTH_API_TOKEN_STATUS_ACCEPT;

    } else if (ngx_strcmp(value[1].data, "json") == 0) {
        alcf->status = NGX_HTTP_AUTH_API_TOKEN_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        alcf->status = NGX_HTTP_AUTH_API_TOKEN_STATUS_PROMETHEUS;

    } else {
        return ngx_http_auth_api_token_invalid(cf, cmd, &value[1],
                                               "\"json\" or \"prometheus\"");
    }

    return NGX_CONF_OK;
}
