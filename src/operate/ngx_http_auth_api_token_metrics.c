
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_status.h"


#define ngx_http_auth_api_token_offset(member)                                \
    offsetof(ngx_http_auth_api_token_figures_t, member)


static ngx_str_t *ngx_http_auth_api_token_metric_result(ngx_uint_t i);
static ngx_str_t *ngx_http_auth_api_token_metric_outcome(ngx_uint_t i);
static ngx_str_t *ngx_http_auth_api_token_metric_status(ngx_uint_t i);
static ngx_str_t *ngx_http_auth_api_token_metric_kind(ngx_uint_t i);


/* rows of one metric stand together, as it has one HELP and one TYPE */

ngx_http_auth_api_token_metric_t  ngx_http_auth_api_token_metrics[] = {

    { "requests", "requests_total", "counter",
      "Requests by result.",
      ngx_http_auth_api_token_offset(counters.requests), 0,
      "result", ngx_http_auth_api_token_metric_result,
      NGX_HTTP_AUTH_API_TOKEN_REASONS, "", 0 },

    { "requests_dry_run", "requests_total", "counter",
      NULL,
      ngx_http_auth_api_token_offset(counters.dry_run), 0,
      "result", ngx_http_auth_api_token_metric_result,
      NGX_HTTP_AUTH_API_TOKEN_REASONS, ",dry_run=\"on\"", 0 },

    { "cache_requests", "cache_requests_total", "counter",
      "Requests by where the verdict came from.",
      ngx_http_auth_api_token_offset(counters.cache), 0,
      "status", ngx_http_auth_api_token_metric_status,
      NGX_HTTP_AUTH_API_TOKEN_CACHE_STATUSES, "", 0 },

    { "request_wait_seconds", "request_wait_seconds", "histogram",
      "How long clients waited for a verdict.",
      ngx_http_auth_api_token_offset(counters.waited),
      ngx_http_auth_api_token_offset(counters.waited_sum),
      NULL, NULL, 0, "", 0 },

    { "lookups", "lookups_total", "counter",
      "Lookups that ended, by outcome.",
      ngx_http_auth_api_token_offset(totals.lookups), 0,
      "outcome", ngx_http_auth_api_token_metric_outcome,
      NGX_HTTP_AUTH_API_TOKEN_REASONS, "", 0 },

    { "lookup_duration_seconds", "lookup_duration_seconds", "histogram",
      "How long lookups took.",
      ngx_http_auth_api_token_offset(totals.latencies),
      ngx_http_auth_api_token_offset(totals.latency_sum),
      NULL, NULL, 0, "", 0 },

    { "refreshes", "refreshes_total", "counter",
      "Lookups begun before facts ran out.",
      ngx_http_auth_api_token_offset(totals.refreshes), 0,
      NULL, NULL, 0, "", 0 },

    { "lookups_in_flight", "lookups_in_flight", "gauge",
      "Lookups under way.",
      ngx_http_auth_api_token_offset(in_flight), 0,
      NULL, NULL, 0, "", 0 },

    { "lookups_limit", "lookups_limit", "gauge",
      "Lookups there may be at once.",
      ngx_http_auth_api_token_offset(limit), 0,
      NULL, NULL, 0, "", 0 },

    { "lookups_queued", "lookups_queued", "gauge",
      "Requests that wait for a place among the lookups.",
      ngx_http_auth_api_token_offset(queued), 0,
      NULL, NULL, 0, "", 0 },

    { "last_success_timestamp_seconds", "last_success_timestamp_seconds",
      "gauge",
      "When the token API last gave a usable answer.",
      ngx_http_auth_api_token_offset(totals.success), 0,
      NULL, NULL, 0, "", NGX_HTTP_AUTH_API_TOKEN_METRIC_OPTIONAL },

    { "breaker_open", "breaker_open", "gauge",
      "Whether the breaker is open.",
      ngx_http_auth_api_token_offset(open), 0,
      NULL, NULL, 0, "", 0 },

    { "breaker_opened", "breaker_opened_total", "counter",
      "How often the breaker opened.",
      ngx_http_auth_api_token_offset(totals.opened), 0,
      NULL, NULL, 0, "", 0 },

    { "zone_records", "zone_records", "gauge",
      "Records in the zone.",
      ngx_http_auth_api_token_offset(entries), 0,
      "kind", ngx_http_auth_api_token_metric_kind,
      NGX_HTTP_AUTH_API_TOKEN_KINDS, "", 0 },

    { "zone_used_bytes", "zone_used_bytes", "gauge",
      "Memory that the records take.",
      ngx_http_auth_api_token_offset(bytes), 0,
      "kind", ngx_http_auth_api_token_metric_kind,
      NGX_HTTP_AUTH_API_TOKEN_KINDS, "", 0 },

    { "zone_size_bytes", "zone_size_bytes", "gauge",
      "Memory there is for records.",
      ngx_http_auth_api_token_offset(capacity), 0,
      NULL, NULL, 0, "", 0 },

    { "evictions", "evictions_total", "counter",
      "Records evicted to make room.",
      ngx_http_auth_api_token_offset(totals.evicted), 0,
      "kind", ngx_http_auth_api_token_metric_kind,
      NGX_HTTP_AUTH_API_TOKEN_KINDS, "", 0 },

    { "evicted_age_seconds", "evicted_age_seconds", "gauge",
      "Age of the last facts evicted.",
      ngx_http_auth_api_token_offset(totals.evicted_age), 0,
      NULL, NULL, 0, "", NGX_HTTP_AUTH_API_TOKEN_METRIC_MS
                         |NGX_HTTP_AUTH_API_TOKEN_METRIC_OPTIONAL },

    { "purge_requests", "purge_requests_total", "counter",
      "Requests to purge.",
      ngx_http_auth_api_token_offset(totals.purges), 0,
      NULL, NULL, 0, "", 0 },

    { "purged_records", "purged_records_total", "counter",
      "Records purged.",
      ngx_http_auth_api_token_offset(totals.purged), 0,
      NULL, NULL, 0, "", 0 },

    { "zone_resets", "zone_resets_total", "counter",
      "How often the zone was emptied after a worker died.",
      ngx_http_auth_api_token_offset(totals.resets), 0,
      NULL, NULL, 0, "", 0 },

    { NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL, 0 }
};


/* ngx_http_auth_api_token_latencies, in seconds */

char  *ngx_http_auth_api_token_bounds[NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1] = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
    "10", "+Inf"
};


u_char *
ngx_http_auth_api_token_status_value(u_char *p, u_char *last,
    ngx_atomic_uint_t value, ngx_uint_t flags)
{
    if (value == 0 && (flags & NGX_HTTP_AUTH_API_TOKEN_METRIC_OPTIONAL)) {
        return ngx_slprintf(p, last, "null");
    }

    if (flags & NGX_HTTP_AUTH_API_TOKEN_METRIC_MS) {
        return ngx_slprintf(p, last, "%uA.%03uA", value / 1000, value % 1000);
    }

    return ngx_slprintf(p, last, "%uA", value);
}


static ngx_str_t *
ngx_http_auth_api_token_metric_result(ngx_uint_t i)
{
    if (i == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        return NULL;
    }

    return ngx_http_auth_api_token_reason_name(i);
}


/* only some of the reasons are an outcome of a lookup */

static ngx_str_t *
ngx_http_auth_api_token_metric_outcome(ngx_uint_t i)
{
    static ngx_str_t  active = ngx_string("active");

    if (i == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return &active;
    }

    if (i == NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE
        || (i >= NGX_HTTP_AUTH_API_TOKEN_UNKNOWN
            && i <= NGX_HTTP_AUTH_API_TOKEN_UNREADABLE))
    {
        return ngx_http_auth_api_token_reason_name(i);
    }

    return NULL;
}


static ngx_str_t *
ngx_http_auth_api_token_metric_status(ngx_uint_t i)
{
    /* in the order of ngx_http_auth_api_token_cache_status_e */

    static ngx_str_t  names[] = {
        ngx_null_string,
        ngx_string("hit"),
        ngx_string("miss"),
        ngx_string("wait"),
        ngx_string("stale"),
        ngx_string("bypass")
    };

    return (i == NGX_HTTP_AUTH_API_TOKEN_CACHE_NONE) ? NULL : &names[i];
}


static ngx_str_t *
ngx_http_auth_api_token_metric_kind(ngx_uint_t i)
{
    /* in the order of ngx_http_auth_api_token_kind_e */

    static ngx_str_t  names[] = {
        ngx_string("facts"),
        ngx_string("denials"),
        ngx_string("budgets")
    };

    return &names[i];
}
