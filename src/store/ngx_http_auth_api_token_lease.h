
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LEASE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LEASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * Who may ask the API, and whether anybody may.  For the functions of the store
 * only: the mutex is held, and the store is marked by all that change it.
 * Times are in milliseconds.
 */


/*
 * Returns the lease of who is asking about the key, or of who failed to learn
 * anything and may not ask again yet; or NULL.
 */

ngx_http_auth_api_token_lease_t *ngx_http_auth_api_token_lease_find(
    ngx_http_auth_api_token_store_t *store, u_char *key, ngx_msec_t now);


/*
 * Returns a lease that may be taken, or NULL if all are.
 */

ngx_http_auth_api_token_lease_t *ngx_http_auth_api_token_lease_spare(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now);


/*
 * Returns how many leases a process has to ask with.
 */

ngx_uint_t ngx_http_auth_api_token_lease_count(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid, ngx_msec_t now);


/*
 * Takes the lease, for the time limit of a lookup and a little longer.
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
 * The breaker: returns 0 if the API may be asked, else how long not to.
 */

ngx_msec_t ngx_http_auth_api_token_breaker_wait(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now);


/*
 * Tells the breaker what a lookup said of the API.
 */

void ngx_http_auth_api_token_breaker_tell(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t probe,
    ngx_http_auth_api_token_verdict_t *verdict, ngx_msec_t now);


/*
 * The budget of denied lookups, a leaky bucket.  Lookups in flight count if
 * there is anything in it, so that a crowd behind one address that was never
 * denied may come in at once.  Returns 0, or how long to wait.
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
