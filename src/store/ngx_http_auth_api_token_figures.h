
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_verdict.h"


#define NGX_HTTP_AUTH_API_TOKEN_LATENCIES  11


/* what is remembered: facts, denials, and budgets of denied lookups */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_FACTS = 0,
    NGX_HTTP_AUTH_API_TOKEN_DENIAL,
    NGX_HTTP_AUTH_API_TOKEN_BUDGET,
    NGX_HTTP_AUTH_API_TOKEN_KINDS
} ngx_http_auth_api_token_kind_e;


/* where a verdict came from, as in $auth_api_token_cache_status */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_CACHE_NONE = 0,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_HIT,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_MISS,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_WAIT,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_STALE,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_BYPASS,
    NGX_HTTP_AUTH_API_TOKEN_CACHE_STATUSES
} ngx_http_auth_api_token_cache_status_e;


/*
 * Counters are in the store.  A new one changes its layout, and so LAYOUT.
 *
 * Those of requests are incremented without the mutex, by each worker in cache
 * lines of its own, so that workers do not slow each other down.  Two workers
 * may share them, so increments have to be atomic.
 */

typedef struct {
    ngx_atomic_t       requests[NGX_HTTP_AUTH_API_TOKEN_REASONS];
    ngx_atomic_t       dry_run[NGX_HTTP_AUTH_API_TOKEN_REASONS];
    ngx_atomic_t       cache[NGX_HTTP_AUTH_API_TOKEN_CACHE_STATUSES];
    ngx_atomic_t       waited[NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1];
    ngx_atomic_t       waited_sum;     /* ms */
} ngx_http_auth_api_token_counters_t;


/* what is counted with the mutex; "success" is only noted, and without it */

typedef struct {
    ngx_atomic_t       lookups[NGX_HTTP_AUTH_API_TOKEN_REASONS];
    ngx_atomic_t       latencies[NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1];
    ngx_atomic_t       latency_sum;    /* ms */
    ngx_atomic_t       success;        /* the last one, Unix time */
    ngx_atomic_t       refreshes;
    ngx_atomic_t       purges;
    ngx_atomic_t       purged;         /* records */
    ngx_atomic_t       opened;         /* the breaker was */
    ngx_atomic_t       resets;
    ngx_atomic_t       evicted[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    ngx_atomic_t       evicted_age;    /* of the last facts, ms; 0: none */
} ngx_http_auth_api_token_totals_t;


/* a store at one moment; all have one type, so that a table can name them */

typedef struct {
    ngx_http_auth_api_token_counters_t  counters;  /* of all workers */
    ngx_http_auth_api_token_totals_t    totals;

    ngx_atomic_uint_t  capacity;       /* bytes there are for records */
    ngx_atomic_uint_t  bytes[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    ngx_atomic_uint_t  entries[NGX_HTTP_AUTH_API_TOKEN_KINDS];
    ngx_atomic_uint_t  limit;          /* of lookups in flight */
    ngx_atomic_uint_t  in_flight;
    ngx_atomic_uint_t  queued;
    ngx_atomic_uint_t  open;           /* the breaker is */
    ngx_atomic_uint_t  probing;        /* open, and a lookup tries the API */
} ngx_http_auth_api_token_figures_t;


/*
 * Returns the counters of a worker, which are in the store.  Nothing is given
 * back when it ends: the next worker of the same number goes on counting.
 */

ngx_http_auth_api_token_counters_t *ngx_http_auth_api_token_store_counters(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t worker);


/*
 * Counts how long a client waited for a verdict; takes no mutex.
 */

void ngx_http_auth_api_token_count_waited(
    ngx_http_auth_api_token_counters_t *counters, ngx_msec_t ms);


/*
 * Notes when the API last gave a usable answer; takes no mutex.
 */

void ngx_http_auth_api_token_store_succeeded(
    ngx_http_auth_api_token_store_t *store, time_t now);


/*
 * Adds up the counters, and tells how full the store is, how many lookups are
 * under way, and how many requests are queued.
 */

void ngx_http_auth_api_token_store_figures(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_figures_t *figures);


/*
 * The upper bounds of the buckets that "latencies" and "waited" count in, in
 * milliseconds; one more bucket has what took longer.
 */

extern ngx_msec_t  ngx_http_auth_api_token_latencies[
    NGX_HTTP_AUTH_API_TOKEN_LATENCIES];


/*
 * Returns the number of the bucket for so many milliseconds; for the functions
 * of the store.
 */

ngx_uint_t ngx_http_auth_api_token_latency_bucket(ngx_msec_t ms);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_ */
