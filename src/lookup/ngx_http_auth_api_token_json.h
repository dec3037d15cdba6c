
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_JSON_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_store.h"
#include "ngx_http_auth_api_token_verdict.h"


/*
 * Reads the body of a 200 answer of the token API: a token object, or an
 * object whose "data" is a list of at most one.  The members read are id,
 * status, token, name, account {id, name, type, status}, modules [{id, code}],
 * extensions [{id}], and of $meta whether extensions are omitted.  All but the
 * first three may be missing or null, but none may have another type; if $meta
 * cannot be understood, extensions count as omitted.
 *
 * "id" is the one the token claims, or empty if any will do.  "token" is the
 * presented one if the answer has to have the same, else NULL.  The strings of
 * the facts are allocated from the pool; nothing else outlives the call.
 *
 * Sets the reason of the verdict to pass, unknown, disabled, deleted, inactive,
 * mismatch, account_disabled, or to unavailable with a cause.
 */

void ngx_http_auth_api_token_read_answer(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *id, ngx_str_t *token,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Reads the "traceId" of a problem of the token API, if it has the form of a
 * traceparent; else it is empty.  The string is allocated from the pool.
 */

void ngx_http_auth_api_token_read_trace_id(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *trace_id);


/*
 * Reads what to purge: {"token":"TKN-..."}, {"account":"ACC-..."},
 * {"all":true}, or an event of the platform, {"object":{"id":"..."}}, which may
 * have other members.  The strings of *purge are allocated from the pool.
 *
 * Returns NGX_OK; NGX_DECLINED if the body is none of these; NGX_ERROR if there
 * is no memory.
 */

ngx_int_t ngx_http_auth_api_token_read_purge(ngx_pool_t *pool, ngx_str_t *body,
    ngx_http_auth_api_token_purge_t *purge);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_JSON_H_INCLUDED_ */
