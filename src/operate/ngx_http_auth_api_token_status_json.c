
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_status.h"


static u_char *ngx_http_auth_api_token_json_metric(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status);
static u_char *ngx_http_auth_api_token_json_histogram(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status);


u_char *
ngx_http_auth_api_token_status_json(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    ngx_uint_t                          i;
    ngx_time_t                         *tp;
    ngx_http_auth_api_token_figures_t  *figures;
    ngx_http_auth_api_token_metric_t   *metric;

    tp = ngx_timeofday();

    p = ngx_slprintf(p, last, "{\"version\":\"%s\",\"nginx\":\"%s\","
                     "\"timestamp_seconds\":%T.%03M,\"zones\":{",
                     NGX_HTTP_AUTH_API_TOKEN_VERSION, NGINX_VERSION,
                     tp->sec, tp->msec);

    for (i = 0; i < n; i++) {
        figures = &status[i].figures;

        p = ngx_slprintf(p, last, "%s\"%V\":{\"breaker\":\"%s\"",
                         i ? "," : "", status[i].name,
                         figures->probing ? "probing"
                                          : figures->open ? "open" : "closed");

        for (metric = ngx_http_auth_api_token_metrics; metric->name; metric++) {
            p = ngx_slprintf(p, last, ",\"%s\":", metric->name);

            p = metric->sum
                ? ngx_http_auth_api_token_json_histogram(p, last, metric,
                                                         &status[i])
                : ngx_http_auth_api_token_json_metric(p, last, metric,
                                                      &status[i]);
        }

        p = ngx_slprintf(p, last, "}");
    }

    return ngx_slprintf(p, last, "}}\n");
}


static u_char *
ngx_http_auth_api_token_json_metric(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status)
{
    char          *comma;
    ngx_str_t     *value;
    ngx_uint_t     i;
    ngx_atomic_t  *figure;

    figure = ngx_http_auth_api_token_figure(status, metric->offset);

    if (metric->label == NULL) {
        return ngx_http_auth_api_token_status_value(p, last, *figure,
                                                    metric->flags);
    }

    comma = "{";

    for (i = 0; i < metric->n; i++) {
        value = metric->value(i);

        if (value) {
            p = ngx_slprintf(p, last, "%s\"%V\":", comma, value);
            p = ngx_http_auth_api_token_status_value(p, last, figure[i],
                                                     metric->flags);
            comma = ",";
        }
    }

    return ngx_slprintf(p, last, "}");
}


static u_char *
ngx_http_auth_api_token_json_histogram(u_char *p, u_char *last,
    ngx_http_auth_api_token_metric_t *metric,
    ngx_http_auth_api_token_status_t *status)
{
    uint64_t       count;
    ngx_uint_t     i;
    ngx_atomic_t  *figure;

    count = 0;
    figure = ngx_http_auth_api_token_figure(status, metric->offset);

    p = ngx_slprintf(p, last, "{\"buckets\":");

    for (i = 0; i <= NGX_HTTP_AUTH_API_TOKEN_LATENCIES; i++) {
        count += figure[i];

        p = ngx_slprintf(p, last, "%s\"%s\":%uL", i ? "," : "{",
                         ngx_http_auth_api_token_bounds[i], count);
    }

    p = ngx_slprintf(p, last, "},\"count\":%uL,\"sum\":", count);

    p = ngx_http_auth_api_token_status_value(p, last,
                           *ngx_http_auth_api_token_figure(status, metric->sum),
                           NGX_HTTP_AUTH_API_TOKEN_METRIC_MS);

    return ngx_slprintf(p, last, "}");
}
