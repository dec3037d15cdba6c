
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LEASE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LEASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * Whether the API may be asked, and by which process: leases, the breaker, and
 * budgets of denied lookups.  For the functions of the store only: the caller
 * holds the mutex, and has set the mark where the store is changed.  Times are
 * in milliseconds.
 */


/*
 * Returns the lease of a lookup of the key that is under way, or of one that
 * failed and may not be repeated yet; or NULL.
 */

ngx_http_auth_api_token_lease_t *ngx_http_auth_api_token_lease_find(
    ngx_http_auth_api_token_store_t *store, u_char *key, ngx_msec_t now);


/*
 * Returns a lease that may be taken, or NULL if all are.
 */

ngx_http_auth_api_token_lease_t *ngx_http_auth_api_token_lease_spare(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now);


/*
 * Returns how many lookups of a process are under way.
 */

ngx_uint_t ngx_http_auth_api_token_lease_count(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid, ngx_msec_t now);


/*
 * Gives the lease to the process of the question, for the time limit of
 * a lookup and a little longer.
 */

void ngx_http_auth_api_token_lease_take(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key);


/*
 * Returns the lease of the ticket, or NULL if it was lost.
 */

ngx_http_auth_api_token_lease_t *ngx_http_auth_api_token_lease_get(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * The breaker: returns 0 if the API may be asked, else how long to wait.
 */

ngx_msec_t ngx_http_auth_api_token_breaker_wait(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now);


/*
 * Tells the breaker what a lookup, which may have been a probe, showed of the
 * API.
 */

void ngx_http_auth_api_token_breaker_tell(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t probe,
    ngx_http_auth_api_token_verdict_t *verdict, ngx_msec_t now);


/*
 * The budget of denied lookups, a leaky bucket.  Lookups under way count as
 * denied unless the bucket is empty, so that many new tokens behind one address
 * that was never denied are looked up at once.  Returns 0, or how long to wait.
 */

ngx_msec_t ngx_http_auth_api_token_budget_wait(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now);


/*
 * Counts a denied lookup.
 */

void ngx_http_auth_api_token_budget_charge(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LEASE_H_INCLUDED_ */
