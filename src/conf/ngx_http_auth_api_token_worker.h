
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * When a worker starts and ends.
 *
 * One that starts takes back the leases and places in the queue of processes
 * that are gone, and of an earlier process with its own pid; where times have
 * 32 bits, it also sets the timer that deletes old records.  One that ends
 * gives back what it holds itself.
 *
 * The first returns NGX_OK.
 */

ngx_int_t ngx_http_auth_api_token_init_process(ngx_cycle_t *cycle);
void ngx_http_auth_api_token_exit_process(ngx_cycle_t *cycle);


/*
 * Returns whether a process has ended.
 */

ngx_uint_t ngx_http_auth_api_token_gone(ngx_pid_t pid);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_ */
