
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_QUEUE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_QUEUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * The queue for places among "lookups".  The store knows how many requests of
 * each process wait; the process knows which of them is next.  For the
 * functions of the store only: the caller holds the mutex.  To take a place it
 * has set the mark; what gives a place back sets the mark itself, if there is
 * one.
 */


/*
 * Takes a place in the queue for the request that asks, unless it has one.
 * Returns NGX_OK, or NGX_DECLINED if there is no place.
 */

ngx_int_t ngx_http_auth_api_token_queue_take(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question);


/*
 * Returns how many processes share the "lookups": the one given, and all others
 * whose requests wait.
 */

ngx_uint_t ngx_http_auth_api_token_queue_sharers(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid);


/*
 * Returns whether the process has to leave the spare lease to others, as it has
 * just given it back.  Where more processes share the "lookups" than there are
 * lookups, it would take the lease again before any other one looks.  If none
 * takes it for a while, the process may have it.
 */

ngx_uint_t ngx_http_auth_api_token_queue_leave(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease, ngx_pid_t pid, ngx_msec_t now);


/*
 * Gives a place of the process back.  Does nothing if it has none, as the store
 * was emptied meanwhile.
 */

void ngx_http_auth_api_token_queue_give(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_QUEUE_H_INCLUDED_ */
