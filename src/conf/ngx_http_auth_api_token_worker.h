
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * What workers hold of the zones, leases and places among the lookups, and what
 * their end leaves to do.
 *
 * A worker that starts gives back what those held that are no more, and what
 * one of its own pid left; one that ends gives back what it holds itself.
 *
 * The first returns NGX_OK.
 */

ngx_int_t ngx_http_auth_api_token_init_process(ngx_cycle_t *cycle);
void ngx_http_auth_api_token_exit_process(ngx_cycle_t *cycle);


/*
 * Whether a process is no more.
 */

ngx_uint_t ngx_http_auth_api_token_gone(ngx_pid_t pid);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_WORKER_H_INCLUDED_ */
