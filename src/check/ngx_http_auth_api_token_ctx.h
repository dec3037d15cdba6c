
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CTX_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CTX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_lookup.h"


/*
 * The context of a request.  It is in the pool of the request and outlives
 * internal redirects, so that the location in which a request ends neither asks
 * again nor loses the variables.
 */

typedef struct {
    ngx_pool_cleanup_t                 cleanup;
    ngx_http_request_t                *request;

    ngx_http_auth_api_token_waiter_t  *waiter;     /* or NULL */
    ngx_msec_t                         created;
    ngx_msec_t                         began;      /* to wait */
    ngx_http_handler_pt                handler;    /* where it waits */

    ngx_str_t                          realm;
    ngx_str_t                          token;
    ngx_str_t                          id;         /* claimed, may be empty */

    ngx_str_t                          scope;      /* of the lookup */
    u_char                            *prefix;     /* of the key */
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_http_auth_api_token_store_t   *store;      /* the key is for, or NULL */
    ngx_msec_t                         since;      /* lookup waited for */

    ngx_http_auth_api_token_reply_t    reply;
    ngx_http_auth_api_token_cache_status_e
                                       cache_status;
    void                              *asked_in;   /* the location */
    ngx_msec_t                         taken_at;   /* when "taken" was set */

    ngx_http_auth_api_token_reason_e   reason;     /* the decision */
    ngx_http_auth_api_token_facts_t   *facts;      /* proved, or NULL */
    ngx_http_auth_api_token_line_t    *line;       /* not met, or NULL */
    ngx_uint_t                         status;
    ngx_int_t                          next;       /* phase after access */

    ngx_http_auth_api_token_counters_t
                                      *counters;   /* of "counted", or NULL */
    uint64_t                           counted;    /* a bit for each counter */

    ngx_table_elt_t                   *challenge;
    ngx_table_elt_t                   *retry_after;
    ngx_chain_t                       *problem;

    unsigned                           answered:1; /* there is a verdict */
    unsigned                           taken:1;    /* and it may serve */
    unsigned                           used:1;     /* the decision is by it */
    unsigned                           waiting:1;  /* since "began" */
    unsigned                           waited:1;   /* for a lookup */
    unsigned                           queued:1;   /* in the store */
    unsigned                           delayed:1;  /* was queued */
    unsigned                           filled:1;   /* the cell is */
    unsigned                           dry_run:1;  /* nothing is refused */

    /* a copy of a cell of the store, with the strings of the verdict */

    uint64_t                           cell[NGX_HTTP_AUTH_API_TOKEN_CELL
                                            / sizeof(uint64_t)];
} ngx_http_auth_api_token_ctx_t;


/*
 * Returns the context of the main request of r, or NULL if there is none: one
 * is made where the check is on, and for a problem body.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_get_ctx(
    ngx_http_request_t *r);


/*
 * The same, for a main request r; creates the context if there is none, and
 * after an internal redirect sets it again where the filters look for it.
 * Returns NULL if there is no memory.
 */

ngx_http_auth_api_token_ctx_t *ngx_http_auth_api_token_make_ctx(
    ngx_http_request_t *r);


/*
 * Returns the proved facts of the main request of r, or NULL.  Before there is
 * a decision, only the location that will make it gets the facts, and only
 * until its access phase is over.
 */

ngx_http_auth_api_token_facts_t *ngx_http_auth_api_token_get_facts(
    ngx_http_request_t *r);


/*
 * Gives the place in the queue back, if ctx has one.
 */

static ngx_inline void
ngx_http_auth_api_token_unqueue(ngx_http_auth_api_token_ctx_t *ctx)
{
    if (ctx->queued) {
        ctx->queued = 0;

        ngx_http_auth_api_token_store_unqueue(ctx->store, ngx_pid);
    }
}


/*
 * Takes the request out of the flight and the queue in which it waits; and has
 * it also forget its verdict, so that it asks again.
 */

void ngx_http_auth_api_token_withdraw(ngx_http_auth_api_token_ctx_t *ctx);
void ngx_http_auth_api_token_reset_ctx(ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CTX_H_INCLUDED_ */
