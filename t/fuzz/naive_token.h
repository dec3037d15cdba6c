
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _FUZZ_NAIVE_TOKEN_H_INCLUDED_
#define _FUZZ_NAIVE_TOKEN_H_INCLUDED_


#include "naive_json.h"
#include "ngx_http_auth_api_token_verdict.h"


typedef ngx_http_auth_api_token_facts_t   facts_t;
typedef ngx_http_auth_api_token_reason_e  reason_e;


/*
 * What a body with the status 200 says of a token, whose claimed id may be
 * empty if any will do; and the facts, in static memory.  A token that is not
 * NULL has to be in the body.
 */

reason_e naive_token(ngx_str_t *body, ngx_str_t *id, ngx_str_t *token,
    facts_t *facts, ngx_uint_t *unsure);


/* the form of a traceparent, as W3C Trace Context has it */

ngx_uint_t naive_trace(ngx_str_t *value);


#endif /* _FUZZ_NAIVE_TOKEN_H_INCLUDED_ */
