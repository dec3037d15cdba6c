
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_store.h"
#include "ngx_http_auth_api_token_verdict.h"


#define NGX_HTTP_AUTH_API_TOKEN_VERSION  "0.1.0"


typedef struct ngx_http_auth_api_token_waiter_s
    ngx_http_auth_api_token_waiter_t;


typedef struct {
    u_char                             secret[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_int_t                          request_id;   /* variable's index */
    ngx_array_t                        zones;        /* ngx_shm_zone_t * */
    ngx_array_t                        caches;       /* to find zones for */
    ngx_array_t                        checks;       /* to make prefixes for */
} ngx_http_auth_api_token_main_conf_t;


/* data of a zone */

typedef struct {
    ngx_http_auth_api_token_store_t     *store;
    ngx_http_auth_api_token_counters_t  *counters;   /* of the store */
    ngx_uint_t                           lookups;
    ngx_uint_t                           queue;
    ngx_uint_t                           denied;     /* per cent */

    ngx_queue_t                          line;       /* of this worker */
    ngx_event_t                          turn;
} ngx_http_auth_api_token_zone_t;


/* auth_api_token */

typedef struct {
    ngx_http_complex_value_t           realm;
    ngx_http_complex_value_t          *token;
    ngx_uint_t                         opaque;       /* unsigned  opaque:1; */
} ngx_http_auth_api_token_check_t;


/* auth_api_token_request */

typedef struct {
    ngx_str_t                          uri;
    ngx_str_t                          api;
    ngx_msec_t                         timeout;
    ngx_uint_t                         service;      /* unsigned  service:1; */
} ngx_http_auth_api_token_request_t;


/* auth_api_token_cache */

typedef struct {
    ngx_str_t                          name;
    ngx_http_auth_api_token_zone_t    *zone;
    ngx_msec_t                         valid;
    ngx_msec_t                         denied;
    ngx_msec_t                         stale;
    ngx_uint_t                         refresh;      /* unsigned  refresh:1; */

    u_char                            *file;         /* of the directive */
    ngx_uint_t                         line;
    ngx_str_t                         *directive;
} ngx_http_auth_api_token_cache_t;


/* auth_api_token_denied_limit */

typedef struct {
    ngx_http_complex_value_t           key;
    ngx_uint_t                         rate;         /* 0.001 denials/s */
    ngx_uint_t                         burst;
} ngx_http_auth_api_token_limit_t;


/* one line of auth_api_token_account, _account_type, _module or _require */

typedef struct {
    ngx_array_t                        values;   /* ngx_http_complex_value_t */
    ngx_uint_t                         status;   /* of _require */
} ngx_http_auth_api_token_line_t;


typedef struct {
    ngx_http_auth_api_token_check_t   *check;
    ngx_http_auth_api_token_request_t *request;
    ngx_http_auth_api_token_cache_t   *cache;
    ngx_http_auth_api_token_limit_t   *limit;
    ngx_str_t                          scope;

    /* of keys */

    u_char                             prefix[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];

    ngx_array_t                       *accounts;       /* of lines */
    ngx_array_t                       *account_types;
    ngx_array_t                       *modules;
    ngx_array_t                       *require;

    ngx_flag_t                         https;
    ngx_http_complex_value_t          *https_value;
    ngx_flag_t                         problem;
    ngx_flag_t                         preflight;

    ngx_http_auth_api_token_cache_t   *purge;          /* the zone of it */
    ngx_uint_t                         status;         /* format of it */
} ngx_http_auth_api_token_loc_conf_t;


/* where a verdict came from, as in $auth_api_token_cache_status */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_FROM_NOWHERE = 0,
    NGX_HTTP_AUTH_API_TOKEN_FROM_BYPASS,
    NGX_HTTP_AUTH_API_TOKEN_FROM_HIT,
    NGX_HTTP_AUTH_API_TOKEN_FROM_MISS,
    NGX_HTTP_AUTH_API_TOKEN_FROM_WAIT,
    NGX_HTTP_AUTH_API_TOKEN_FROM_STALE
} ngx_http_auth_api_token_from_e;


/*
 * What is known of a request.  It belongs to the request's pool and survives
 * internal redirects, so that the location a request ends in neither asks again
 * nor loses the variables.
 */

typedef struct {
    ngx_pool_cleanup_t                 cleanup;
    ngx_http_request_t                *request;

    ngx_http_auth_api_token_waiter_t  *waiter;     /* or NULL */
    ngx_msec_t                         created;
    ngx_msec_t                         began;      /* to wait */

    ngx_str_t                          realm;
    ngx_str_t                          token;
    ngx_str_t                          id;         /* claimed, may be empty */

    ngx_str_t                          scope;      /* of the lookup */
    u_char                            *prefix;     /* of the key */
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_http_auth_api_token_store_t   *store;      /* the key is for, or NULL */
    ngx_msec_t                         since;      /* lookup waited for */

    ngx_http_auth_api_token_reply_t    reply;
    ngx_http_auth_api_token_from_e     from;
    void                              *asked_in;   /* the location */

    ngx_http_auth_api_token_reason_e   reason;     /* the decision */
    ngx_http_auth_api_token_facts_t   *facts;      /* proved, or NULL */
    ngx_http_auth_api_token_line_t    *line;       /* not met, or NULL */
    ngx_uint_t                         status;
    ngx_int_t                          next;       /* phase after access */

    ngx_table_elt_t                   *challenge;
    ngx_table_elt_t                   *retry_after;
    ngx_chain_t                       *problem;

    unsigned                           asked:1;    /* there is a verdict */
    unsigned                           used:1;     /* it made the decision */
    unsigned                           waiting:1;  /* since "began" */
    unsigned                           waited:1;   /* for a lookup */
    unsigned                           queued:1;   /* has a place */
    unsigned                           delayed:1;  /* had one */
    unsigned                           filled:1;   /* the cell is */

    /* of the store, with the strings of the verdict, if they fit */

    uint64_t                           cell[NGX_HTTP_AUTH_API_TOKEN_CELL
                                            / sizeof(uint64_t)];
} ngx_http_auth_api_token_ctx_t;


/*
 * The access handler.
 */

ngx_int_t ngx_http_auth_api_token_handler(ngx_http_request_t *r);


/*
 * Returns what is known of the main request of r, or NULL if no location it
 * came through had the check on.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_get_ctx(
    ngx_http_request_t *r);


/*
 * The same, made at need, and again where the filters look for it after
 * an internal redirect.  Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_make_ctx(
    ngx_http_request_t *r);


/*
 * Returns the first header of a name after "last", or the first of all if that
 * is NULL; or NULL if there is none.
 */

ngx_table_elt_t *ngx_http_auth_api_token_next_header(ngx_list_t *headers,
    ngx_str_t *name, ngx_table_elt_t *last);

#define ngx_http_auth_api_token_find_header(headers, name)                    \
    ngx_http_auth_api_token_next_header(headers, name, NULL)


/*
 * Asks the store of the location, or where it has none the API, for a verdict.
 *
 * Returns NGX_OK with a verdict; NGX_AGAIN if r has to wait; NGX_DECLINED if it
 * would have to, and is in its post_action, where there is nobody to wait;
 * NGX_ERROR if there is no memory.
 */

ngx_int_t ngx_http_auth_api_token_ask(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Where the verdict is that the API is not available, lets ctx have stale facts
 * instead, if the location allows them and there are any.
 */

void ngx_http_auth_api_token_stale(ngx_http_request_t *r,
    ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Has ctx wait no longer, and forgets what it knows and asked.
 */

void ngx_http_auth_api_token_withdraw(ngx_http_auth_api_token_ctx_t *ctx);
void ngx_http_auth_api_token_forget(ngx_http_auth_api_token_ctx_t *ctx);


/*
 * Adds the variables.  Returns NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_auth_api_token_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_auth_api_token_module;
extern ngx_module_t  ngx_http_auth_api_token_filter_module;


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_ */
