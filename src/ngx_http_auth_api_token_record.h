
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_store.h"


/*
 * The records of a store, for the functions of the store only.  Those below
 * need the mutex, and those that change the store need its mark.
 */


#if (NGX_HTTP_AUTH_API_TOKEN_CRASH)

/* for tests: some of the processes that change the store die here */

void ngx_http_auth_api_token_crash(void);

#else

#define ngx_http_auth_api_token_crash()

#endif


/*
 * Takes the mutex, and empties the store if it has the mark of a process that
 * died; sets the mark; takes it away and frees the mutex.
 */

void ngx_http_auth_api_token_store_lock(ngx_http_auth_api_token_store_t *store);
void ngx_http_auth_api_token_store_change(
    ngx_http_auth_api_token_store_t *store);
void ngx_http_auth_api_token_store_unlock(
    ngx_http_auth_api_token_store_t *store);


/*
 * Empties the store.
 */

void ngx_http_auth_api_token_record_reset(
    ngx_http_auth_api_token_store_t *store);


/*
 * What chooses a tree, and orders it before the key does: made of the id, or of
 * the key if the id is empty.
 */

ngx_uint_t ngx_http_auth_api_token_record_node_key(ngx_str_t *id, u_char *key);


/*
 * Returns the record, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_find(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key, u_char *key);


/*
 * Returns the first record of the tree of node_key that does not come before
 * node_key and key, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_from(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key, u_char *key);


/*
 * Fetches the root of the tree of node_key, which in all but full stores is all
 * of the tree, into the caches of the processor.  Needs no mutex.
 */

void ngx_http_auth_api_token_record_prefetch(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key);


/*
 * Returns the next record of the same tree, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_next(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


/*
 * Makes the record the last used one; sets the mark if it has to.
 */

void ngx_http_auth_api_token_record_touch(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


/*
 * Copies the strings of a record to buf, and lets facts point there.
 */

void ngx_http_auth_api_token_record_read(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_facts_t *facts, u_char *buf);


/*
 * Adds a record with the strings of facts, which must not be there yet.  If
 * there is no room, the least recently used have to go: of the same kind, and
 * for facts first of the others.
 *
 * Returns NULL if the record is too large to be kept.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_record_add(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_kind_e kind, ngx_uint_t node_key, u_char *key,
    ngx_http_auth_api_token_facts_t *facts, ngx_msec_t now);


/*
 * Deletes the record.
 */

void ngx_http_auth_api_token_record_delete(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RECORD_H_INCLUDED_ */
