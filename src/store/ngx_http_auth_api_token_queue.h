
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
 * each process wait, and the process which of them comes next.  For the
 * functions of the store only: the mutex is held.  Who takes a place has set
 * the mark; what gives places back sets it itself, if there are any.
 */


/*
 * Has the question wait.  Returns NGX_OK if it has a place in the queue, or got
 * one; else NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_queue_take(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question);


/*
 * Returns how many processes share the "lookups": the one that asks, and all
 * others whose requests wait.
 */

ngx_uint_t ngx_http_auth_api_token_queue_sharers(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid);


/*
 * Returns whether the process leaves the spare lease to others, as it held it
 * until just now.  Where more processes share the "lookups" than there are, the
 * one that gives a lease back would take it again before any other one looks.
 * If none comes, the process may have it after a while.
 */

ngx_uint_t ngx_http_auth_api_token_queue_leave(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease, ngx_pid_t pid, ngx_msec_t now);


/*
 * Gives a place of the process back.  If it has none, as they were lost with
 * all else, there is nothing to give.
 */

void ngx_http_auth_api_token_queue_give(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_QUEUE_H_INCLUDED_ */
