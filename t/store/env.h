
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_ENV_H_INCLUDED_
#define _STORE_ENV_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/mman.h>
#include "ngx_http_auth_api_token_layout.h"
#include "check.h"


/*
 * What programs that test the store without nginx have in common: the globals
 * that nginx would have, and short names.
 */


#define T(name)  NGX_HTTP_AUTH_API_TOKEN_##name


typedef ngx_http_auth_api_token_store_t     store_t;
typedef ngx_http_auth_api_token_record_t    record_t;
typedef ngx_http_auth_api_token_lease_t     lease_t;
typedef ngx_http_auth_api_token_facts_t     facts_t;
typedef ngx_http_auth_api_token_verdict_t   verdict_t;
typedef ngx_http_auth_api_token_ticket_t    ticket_t;
typedef ngx_http_auth_api_token_budget_t    budget_t;
typedef ngx_http_auth_api_token_question_t  question_t;
typedef ngx_http_auth_api_token_reply_t     reply_t;
typedef ngx_http_auth_api_token_purge_t     purge_t;
typedef ngx_http_auth_api_token_figures_t   figures_t;
typedef ngx_http_auth_api_token_counters_t  counters_t;
typedef ngx_http_auth_api_token_totals_t    totals_t;
typedef ngx_http_auth_api_token_worker_t    worker_t;

#define store_create   ngx_http_auth_api_token_store_create
#define store_prefetch ngx_http_auth_api_token_store_prefetch
#define store_matches  ngx_http_auth_api_token_store_matches
#define store_overhead ngx_http_auth_api_token_store_overhead
#define store_logged   ngx_http_auth_api_token_store_logged
#define store_counters ngx_http_auth_api_token_store_counters
#define store_secret   ngx_http_auth_api_token_store_secret
#define store_ask      ngx_http_auth_api_token_store_ask
#define store_stale    ngx_http_auth_api_token_store_stale
#define store_end      ngx_http_auth_api_token_store_end
#define store_cancel   ngx_http_auth_api_token_store_cancel
#define store_sent     ngx_http_auth_api_token_store_sent
#define store_is_sent  ngx_http_auth_api_token_store_is_sent
#define store_poll     ngx_http_auth_api_token_store_poll
#define store_release  ngx_http_auth_api_token_store_release
#define store_reap     ngx_http_auth_api_token_store_reap
#define store_unqueue  ngx_http_auth_api_token_store_unqueue
#define store_succeeded  ngx_http_auth_api_token_store_succeeded
#define count_waited   ngx_http_auth_api_token_count_waited
#define store_purge    ngx_http_auth_api_token_store_purge
#define store_tidy     ngx_http_auth_api_token_store_tidy
#define store_limits   ngx_http_auth_api_token_store_limits
#define store_figures  ngx_http_auth_api_token_store_figures


/* the secret that stores are made with */

extern u_char  env_secret[T(KEY_LEN)];


/* sets the globals; to be called after a fork() too */

void env_init(void);


/* memory that is shared with children; the program ends if there is none */

void *env_shared(size_t size);


/* a mutex in such memory, as nginx makes it for a zone */

ngx_shmtx_t *env_mutex(void);


/* the size of a store of so many cells */

size_t env_size(ngx_uint_t lookups, ngx_uint_t cells);


/* the key of a token; they are spread as digests are */

void env_key(u_char *key, const char *token);


#endif /* _STORE_ENV_H_INCLUDED_ */
