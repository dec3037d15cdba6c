
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_status.h"


#define ngx_http_auth_api_token_counter_offset(member)                        \
    offsetof(ngx_http_auth_api_token_counters_t, member)


static u_char *ngx_http_auth_api_token_status_by_reason(u_char *p, u_char *last,
    char *name, char *label, char *more, size_t counters, ngx_uint_t lookups,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);
static u_char *ngx_http_auth_api_token_status_histogram(u_char *p, u_char *last,
    char *name, char *help, size_t counters, size_t ms,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);
static u_char *ngx_http_auth_api_token_status_metric(u_char *p, u_char *last,
    char *name, char *type, char *help);


ngx_http_auth_api_token_counter_t  ngx_http_auth_api_token_status_counters[] = {

    { "hits", "Requests answered from the zone.",
      ngx_http_auth_api_token_counter_offset(hits) },

    { "misses", "Requests that started a lookup.",
      ngx_http_auth_api_token_counter_offset(misses) },

    { "waits", "Requests that waited for a lookup under way.",
      ngx_http_auth_api_token_counter_offset(waits) },

    { "stale", "Requests answered with stale facts.",
      ngx_http_auth_api_token_counter_offset(stale) },

    { "refreshes", "Lookups started before facts ran out.",
      ngx_http_auth_api_token_counter_offset(refreshes) },

    { "purges", "Requests to purge.",
      ngx_http_auth_api_token_counter_offset(purges) },

    { "purged", "Verdicts purged.",
      ngx_http_auth_api_token_counter_offset(purged) },

    { "breaker_opened", "How often the breaker opened.",
      ngx_http_auth_api_token_counter_offset(opened) },

    { "resets", "How often the zone was emptied after a worker died.",
      ngx_http_auth_api_token_counter_offset(resets) },

    { NULL, NULL, 0 }
};


char  *ngx_http_auth_api_token_kinds[NGX_HTTP_AUTH_API_TOKEN_KINDS] = {
    "facts",
    "denials",
    "budgets"
};


/* https://prometheus.io/docs/instrumenting/exposition_formats/ */

u_char *
ngx_http_auth_api_token_status_prometheus(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    char                                name[64];
    ngx_uint_t                          i, k;
    ngx_http_auth_api_token_counter_t  *counter;

    p = ngx_http_auth_api_token_status_metric(p, last, "decisions_total",
                                              "counter",
                                              "Decisions by reason.");

    p = ngx_http_auth_api_token_status_by_reason(p, last, "decisions_total",
                            "reason", "",
                            ngx_http_auth_api_token_counter_offset(decisions),
                            0, status, n);

    p = ngx_http_auth_api_token_status_by_reason(p, last, "decisions_total",
                            "reason", ",dry_run=\"on\"",
                            ngx_http_auth_api_token_counter_offset(dry_run),
                            0, status, n);

    p = ngx_http_auth_api_token_status_metric(p, last, "lookups_total",
                                              "counter",
                                              "Lookups by outcome.");

    p = ngx_http_auth_api_token_status_by_reason(p, last, "lookups_total",
                            "outcome", "",
                            ngx_http_auth_api_token_counter_offset(lookups),
                            1, status, n);

    p = ngx_http_auth_api_token_status_histogram(p, last,
                            "lookup_duration_seconds", "How long lookups took.",
                            ngx_http_auth_api_token_counter_offset(latencies),
                            ngx_http_auth_api_token_counter_offset(latency),
                            status, n);

    p = ngx_http_auth_api_token_status_histogram(p, last,
                            "request_wait_seconds",
                            "How long clients waited for a verdict.",
                            ngx_http_auth_api_token_counter_offset(waited),
                            ngx_http_auth_api_token_counter_offset(waited_sum),
                            status, n);

    for (counter = ngx_http_auth_api_token_status_counters;
         counter->name;
         counter++)
    {
        ngx_sprintf((u_char *) name, "%s_total%Z", counter->name);

        p = ngx_http_auth_api_token_status_metric(p, last, name, "counter",
                                                  counter->help);

        for (i = 0; i < n; i++) {
            p = ngx_slprintf(p, last, "auth_api_token_%s{zone=\"%V\"} %uA\n",
                             name, status[i].name,
                             ngx_http_auth_api_token_counter(&status[i],
                                                             counter));
        }
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "evictions_total",
                                              "counter",
                                              "Entries evicted to make room.");

    for (i = 0; i < n; i++) {
        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_KINDS; k++) {
            p = ngx_slprintf(p, last, "auth_api_token_evictions_total"
                             "{zone=\"%V\",kind=\"%s\"} %uA\n",
                             status[i].name, ngx_http_auth_api_token_kinds[k],
                             status[i].figures.counters.evicted[k]);
        }
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "entries", "gauge",
                                              "Entries in the zone.");

    for (i = 0; i < n; i++) {
        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_KINDS; k++) {
            p = ngx_slprintf(p, last, "auth_api_token_entries"
                             "{zone=\"%V\",kind=\"%s\"} %ui\n",
                             status[i].name, ngx_http_auth_api_token_kinds[k],
                             status[i].figures.entries[k]);
        }
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "bytes", "gauge",
                                              "Memory the entries take.");

    for (i = 0; i < n; i++) {
        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_KINDS; k++) {
            p = ngx_slprintf(p, last, "auth_api_token_bytes"
                             "{zone=\"%V\",kind=\"%s\"} %uz\n",
                             status[i].name, ngx_http_auth_api_token_kinds[k],
                             status[i].figures.bytes[k]);
        }
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "capacity_bytes",
                                              "gauge",
                                              "Memory there is for entries.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_capacity_bytes{zone=\"%V\"} "
                         "%uz\n", status[i].name, status[i].figures.capacity);
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "evicted_age_seconds",
                                              "gauge",
                                              "Age of the last facts evicted.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_evicted_age_seconds"
                         "{zone=\"%V\"} %uA.%03uA\n", status[i].name,
                         status[i].figures.counters.evicted_age / 1000,
                         status[i].figures.counters.evicted_age % 1000);
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "lookups_in_flight",
                                              "gauge", "Lookups under way.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_lookups_in_flight"
                         "{zone=\"%V\"} %ui\n", status[i].name,
                         status[i].figures.in_flight);
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "lookups_queued",
                                              "gauge",
                                              "Requests that wait for a place "
                                              "among the lookups.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_lookups_queued{zone=\"%V\"} "
                         "%ui\n", status[i].name, status[i].figures.queued);
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "lookups_limit", "gauge",
                                              "Lookups there may be at once.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_lookups_limit{zone=\"%V\"} "
                         "%ui\n", status[i].name, status[i].figures.limit);
    }

    p = ngx_http_auth_api_token_status_metric(p, last, "breaker_open", "gauge",
                                              "Whether the breaker is open.");

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "auth_api_token_breaker_open{zone=\"%V\"} "
                         "%ui\n", status[i].name,
                         (ngx_uint_t) status[i].figures.open);
    }

    return p;
}


/* a line for each zone and reason; "more" are more labels */

static u_char *
ngx_http_auth_api_token_status_by_reason(u_char *p, u_char *last, char *name,
    char *label, char *more, size_t counters, ngx_uint_t lookups,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    ngx_str_t     *reason;
    ngx_uint_t     i, k;
    ngx_atomic_t  *counter;

    for (i = 0; i < n; i++) {
        counter = (ngx_atomic_t *) ((char *) &status[i].figures.counters
                                    + counters);

        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_REASONS; k++) {
            reason = ngx_http_auth_api_token_status_reason(k, lookups);

            if (reason) {
                p = ngx_slprintf(p, last, "auth_api_token_%s{zone=\"%V\","
                                 "%s=\"%V\"%s} %uA\n",
                                 name, status[i].name, label, reason, more,
                                 counter[k]);
            }
        }
    }

    return p;
}


static u_char *
ngx_http_auth_api_token_status_histogram(u_char *p, u_char *last, char *name,
    char *help, size_t counters, size_t ms,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n)
{
    u_char        *base;
    uint64_t       sum;
    ngx_uint_t     i, k;
    ngx_atomic_t  *counter, *total;

    /* ngx_http_auth_api_token_latencies, as Prometheus writes them */

    static char  *le[NGX_HTTP_AUTH_API_TOKEN_LATENCIES] = {
        "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
        "10"
    };

    p = ngx_http_auth_api_token_status_metric(p, last, name, "histogram", help);

    for (i = 0; i < n; i++) {
        base = (u_char *) &status[i].figures.counters;
        counter = (ngx_atomic_t *) (base + counters);
        total = (ngx_atomic_t *) (base + ms);
        sum = 0;

        for (k = 0; k < NGX_HTTP_AUTH_API_TOKEN_LATENCIES; k++) {
            sum += counter[k];

            p = ngx_slprintf(p, last, "auth_api_token_%s_bucket"
                             "{zone=\"%V\",le=\"%s\"} %uL\n",
                             name, status[i].name, le[k], sum);
        }

        sum += counter[k];

        p = ngx_slprintf(p, last,
                         "auth_api_token_%s_bucket"
                         "{zone=\"%V\",le=\"+Inf\"} %uL\n"
                         "auth_api_token_%s_sum{zone=\"%V\"} %uA.%03uA\n"
                         "auth_api_token_%s_count{zone=\"%V\"} %uL\n",
                         name, status[i].name, sum,
                         name, status[i].name, *total / 1000, *total % 1000,
                         name, status[i].name, sum);
    }

    return p;
}


static u_char *
ngx_http_auth_api_token_status_metric(u_char *p, u_char *last, char *name,
    char *type, char *help)
{
    return ngx_slprintf(p, last, "# HELP auth_api_token_%s %s\n"
                        "# TYPE auth_api_token_%s %s\n",
                        name, help, name, type);
}


/* a decision may have any reason, a lookup ends with one of a few */

ngx_str_t *
ngx_http_auth_api_token_status_reason(ngx_uint_t reason, ngx_uint_t lookups)
{
    static ngx_str_t  active = ngx_string("active");

    if (reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        return NULL;
    }

    if (lookups) {

        if (reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
            return &active;
        }

        if (reason != NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE
            && (reason < NGX_HTTP_AUTH_API_TOKEN_UNKNOWN
                || reason > NGX_HTTP_AUTH_API_TOKEN_UNREADABLE))
        {
            return NULL;
        }
    }

    return ngx_http_auth_api_token_reason_name(reason);
}
