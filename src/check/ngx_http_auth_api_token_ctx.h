
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
    ngx_msec_t                         taken_at;   /* the verdict was */

    ngx_http_auth_api_token_reason_e   reason;     /* the decision */
    ngx_http_auth_api_token_facts_t   *facts;      /* proved, or NULL */
    ngx_http_auth_api_token_line_t    *line;       /* not met, or NULL */
    ngx_uint_t                         status;
    ngx_int_t                          next;       /* phase after access */

    ngx_http_auth_api_token_counters_t
                                      *counters;   /* last used, or NULL */
    uint64_t                           counted;    /* of these, a bit each */

    ngx_table_elt_t                   *challenge;
    ngx_table_elt_t                   *retry_after;
    ngx_chain_t                       *problem;

    unsigned                           answered:1; /* there is a verdict */
    unsigned                           taken:1;    /* it was good enough */
    unsigned                           used:1;     /* it made the decision */
    unsigned                           waiting:1;  /* since "began" */
    unsigned                           waited:1;   /* for some lookup */
    unsigned                           queued:1;   /* in the store */
    unsigned                           delayed:1;  /* was queued */
    unsigned                           filled:1;   /* the cell is */
    unsigned                           dry_run:1;  /* nobody is refused */

    /* of the store, with the strings of the verdict, if they fit */

    uint64_t                           cell[NGX_HTTP_AUTH_API_TOKEN_CELL
                                            / sizeof(uint64_t)];
} ngx_http_auth_api_token_ctx_t;


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
 * Returns what is proved of the main request of r, or NULL.  Before there is
 * a decision, only the location that is to make it gets the facts, and only
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
 * Has ctx wait no longer, wherever it does; and has it forget as well what it
 * knows and asked.
 */

void ngx_http_auth_api_token_withdraw(ngx_http_auth_api_token_ctx_t *ctx);
void ngx_http_auth_api_token_reset_ctx(ngx_http_auth_api_token_ctx_t *ctx);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CTX_H_INCLUDED_ */
