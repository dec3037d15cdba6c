
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * The records of a store, for the functions of the store only.  Those below
 * need the mutex unless they say otherwise, and those that change the store
 * need its mark.
 */


/*
 * Makes the record the last used one; sets the mark itself if it needs it.
 * Facts are moved at most once a second, so that processes that use the same
 * ones do not write to the same memory all the time.
 */

void ngx_http_auth_api_token_record_touch(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, ngx_msec_t now);


/*
 * Returns whether record_touch() would do nothing.  Needs no mutex.
 */

ngx_uint_t ngx_http_auth_api_token_record_is_touched(
    ngx_http_auth_api_token_record_t *record, ngx_msec_t now);


/*
 * Copies a record, so that its strings are in one piece: to "cell"; or to "buf"
 * if there is no cell, or the record has more than one.  The former has room
 * for a cell, the latter for NGX_HTTP_AUTH_API_TOKEN_COPY bytes.
 *
 * Returns the copy.  Without the mutex it may be of anything, or NULL.
 */

#define NGX_HTTP_AUTH_API_TOKEN_COPY                                          \
    (NGX_HTTP_AUTH_API_TOKEN_CELL + NGX_HTTP_AUTH_API_TOKEN_MAX_FACTS)

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_copy(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *cell, void *buf);


/*
 * Lets facts point to the strings of a copy.  Needs no mutex.
 */

void ngx_http_auth_api_token_record_facts(
    ngx_http_auth_api_token_record_t *copy,
    ngx_http_auth_api_token_facts_t *facts);


/*
 * Adds a record with the strings of facts, whose key must not be there yet; the
 * reason is undecided for a budget.  If there is no room, the least recently
 * used records are evicted: of the same kind, or for facts of the others first.
 *
 * Returns NULL if the record is too large to be kept.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_add(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_reason_e reason, ngx_uint_t node_key, u_char *key,
    ngx_http_auth_api_token_facts_t *facts, ngx_msec_t now);


/*
 * Deletes the record.
 */

void ngx_http_auth_api_token_record_delete(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_ */
