
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
 * One question to the token API.  It lives in the pool of a connection that
 * has no client, and is the filter module's context of its request.
 */

struct ngx_http_auth_api_token_lookup_s {
    ngx_http_auth_api_token_flight_t     flight;
    ngx_http_request_t                  *request;
    ngx_http_request_t                  *subrequest;

    ngx_str_t                            authorization;
    ngx_str_t                            token;
    ngx_str_t                            id;
    ngx_str_t                            traceparent;   /* the asker's */

    ngx_http_auth_api_token_question_t   question;
    ngx_http_auth_api_token_budget_t     budget;
    ngx_http_auth_api_token_response_t   response;
    ngx_msec_t                           asked;

    unsigned                             service:1;
    unsigned                             ended:1;
};


/*
 * Returns the lookup that r is made for, be it below the lookup's own request;
 * or NULL.
 */

#define ngx_http_auth_api_token_get_lookup(r)                                 \
    ((ngx_http_auth_api_token_lookup_t *)                                     \
         ngx_http_get_module_ctx((r)->main,                                   \
                                 ngx_http_auth_api_token_filter_module))


/*
 * What the filters do with the answer of the lookup's subrequest: it goes to
 * the response and no further.  If the status is all that is needed, the body
 * is waited for only for a moment.
 *
 * The second returns NGX_OK, or NGX_ERROR if there is no memory.
 */

void ngx_http_auth_api_token_lookup_header(
    ngx_http_auth_api_token_lookup_t *lookup);
ngx_int_t ngx_http_auth_api_token_lookup_body(
    ngx_http_auth_api_token_lookup_t *lookup, ngx_chain_t *in);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_LOOKUP_CTX_H_INCLUDED_ */
