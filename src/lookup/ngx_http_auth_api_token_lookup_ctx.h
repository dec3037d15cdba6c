
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_CTX_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_CTX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_flight.h"
#include "ngx_http_auth_api_token_response.h"


/*
 * A lookup.  It is in the pool of its own connection, which has no client, and
 * is the filter module's context of its own request.
 */

struct ngx_http_auth_api_token_lookup_s {
    ngx_http_auth_api_token_flight_t     flight;
    ngx_http_request_t                  *request;
    ngx_http_request_t                  *subrequest;

    ngx_str_t                            authorization;
    ngx_str_t                            token;
    ngx_str_t                            id;
    ngx_str_t                            traceparent;   /* the client's */

    ngx_http_auth_api_token_question_t   question;
    ngx_http_auth_api_token_budget_t     budget;
    ngx_http_auth_api_token_response_t   response;
    ngx_msec_t                           asked;

    unsigned                             service:1;
    unsigned                             ended:1;
};


/*
 * Returns the lookup whose own request r is, or a subrequest of that; or NULL.
 */

#define ngx_http_auth_api_token_get_lookup(r)                                 \
    ((ngx_http_auth_api_token_lookup_t *)                                     \
         ngx_http_get_module_ctx((r)->main,                                   \
                                 ngx_http_auth_api_token_filter_module))


/*
 * Take the header and the body of the answer into lookup->response.  If only
 * the status is needed, the lookup waits for the body only for a moment.
 *
 * The second returns NGX_OK, or NGX_ERROR if there is no memory.
 */

void ngx_http_auth_api_token_lookup_header(
    ngx_http_auth_api_token_lookup_t *lookup);
ngx_int_t ngx_http_auth_api_token_lookup_body(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_chain_t *in);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_CTX_H_INCLUDED_ */
