
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_status.h"


#define NGX_HTTP_AUTH_API_TOKEN_METRIC  "nginx_auth_api_token_"


static u_char *ngx_http_auth_api_token_prometheus_metric(u_char *p,
    u_char *last, ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status);
static u_char *ngx_http_auth_api_token_prometheus_sample(u_char *p,
    u_char *last, ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status, ngx_str_t *value,
    ngx_atomic_uint_t figure);
static u_char *ngx_http_auth_api_token_prometheus_histogram(u_char *p,
    u_char *last, ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status);


/* https://prometheus.io/docs/instrumenting/exposition_formats/ */

u_char *
ngx_http_auth_api_token_status_prometheus(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    ngx_uint_t                         i;
    ngx_http_auth_api_token_metric_t  *metric;

    p = ngx_slprintf(p, last,
                     "# HELP " NGX_HTTP_AUTH_API_TOKEN_METRIC "build_info "
                     "The versions that run.\n"
                     "# TYPE " NGX_HTTP_AUTH_API_TOKEN_METRIC "build_info "
                     "gauge\n"
                     NGX_HTTP_AUTH_API_TOKEN_METRIC "build_info"
                     "{version=\"%s\",nginx=\"%s\"} 1\n",
                     NGX_HTTP_AUTH_API_TOKEN_VERSION, NGINX_VERSION);

    for (metric = ngx_http_auth_api_token_metrics; metric->name; metric++) {

        if (metric->help) {
            p = ngx_slprintf(p, last,
                             "# HELP " NGX_HTTP_AUTH_API_TOKEN_METRIC "%s %s\n"
                             "# TYPE " NGX_HTTP_AUTH_API_TOKEN_METRIC "%s %s\n",
                             metric->metric, metric->help,
                             metric->metric, metric->type);
        }

        for (i = 0; i < n; i++) {
            p = metric->sum
                ? ngx_http_auth_api_token_prometheus_histogram(p, last, metric,
                                                               &status[i])
                : ngx_http_auth_api_token_prometheus_metric(p, last, metric,
                                                            &status[i]);
        }
    }

    return p;
}


static u_char *
ngx_http_auth_api_token_prometheus_metric(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status)
{
    ngx_str_t     *value;
    ngx_uint_t     i;
    ngx_atomic_t  *figure;

    figure = ngx_http_auth_api_token_figure(status, metric->offset);

    if (metric->label == NULL) {
        return ngx_http_auth_api_token_prometheus_sample(p, last, metric,
                                                         status, NULL, *figure);
    }

    for (i = 0; i < metric->n; i++) {
        value = metric->value(i);

        if (value) {
            p = ngx_http_auth_api_token_prometheus_sample(p, last, metric,
                                                          status, value,
                                                          figure[i]);
        }
    }

    return p;
}


static u_char *
ngx_http_auth_api_token_prometheus_sample(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status, ngx_str_t *value,
    ngx_atomic_uint_t figure)
{
    if (figure == 0
        && (metric->flags & NGX_HTTP_AUTH_API_TOKEN_METRIC_OPTIONAL))
    {
        return p;
    }

    p = ngx_slprintf(p, last, NGX_HTTP_AUTH_API_TOKEN_METRIC "%s{zone=\"%V\"",
                     metric->metric, status->name);

    if (value) {
        p = ngx_slprintf(p, last, ",%s=\"%V\"%s", metric->label, value,
                         metric->more);
    }

    p = ngx_slprintf(p, last, "} ");
    p = ngx_http_auth_api_token_status_value(p, last, figure, metric->flags);

    return ngx_slprintf(p, last, "\n");
}


static u_char *
ngx_http_auth_api_token_prometheus_histogram(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status)
{
    uint64_t       count;
    ngx_uint_t     i;
    ngx_atomic_t  *figure;

    count = 0;
    figure = ngx_http_auth_api_token_figure(status, metric->offset);

    for (i = 0; i <= NGX_HTTP_AUTH_API_TOKEN_LATENCIES; i++) {
        count += figure[i];

        p = ngx_slprintf(p, last, NGX_HTTP_AUTH_API_TOKEN_METRIC "%s_bucket"
                         "{zone=\"%V\",le=\"%s\"} %uL\n",
                         metric->metric, status->name,
                         ngx_http_auth_api_token_bounds[i], count);
    }

    p = ngx_slprintf(p, last,
                     NGX_HTTP_AUTH_API_TOKEN_METRIC "%s_count"
                     "{zone=\"%V\"} %uL\n"
                     NGX_HTTP_AUTH_API_TOKEN_METRIC "%s_sum{zone=\"%V\"} ",
                     metric->metric, status->name, count,
                     metric->metric, status->name);

    p = ngx_http_auth_api_token_status_value(p, last,
                           *ngx_http_auth_api_token_figure(status, metric->sum),
                           NGX_HTTP_AUTH_API_TOKEN_METRIC_MS);

    return ngx_slprintf(p, last, "\n");
}
