
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_INDEX_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_INDEX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * The index of a store, for the functions of the store only.  Those below need
 * the mutex unless they say otherwise, and those that change the index need
 * the mark of the store.
 */


/*
 * Returns the node.key of a record: made of the id, or of the key if the id is
 * empty.  Needs no mutex.
 */

ngx_uint_t ngx_http_auth_api_token_index_node_key(ngx_str_t *id, u_char *key);


/*
 * Returns the record, or NULL.  Without the mutex it may return any cell of the
 * store, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_index_find(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key, u_char *key);


/*
 * Returns the first record of the tree of node_key that does not come before
 * node_key and key, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_index_from(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key, u_char *key);


/*
 * The root of the tree of records whose node.key has the same first bits: the
 * number of its cell; and its node, or the sentinel.  Needs no mutex.
 */

#define ngx_http_auth_api_token_root(store, node_key)                         \
    (&(store)->roots[(node_key) >> (store)->shift])

static ngx_inline ngx_rbtree_node_t *
ngx_http_auth_api_token_index_root(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key)
{
    uint32_t  n;

    n = ngx_http_auth_api_token_read(uint32_t,
                              *ngx_http_auth_api_token_root(store, node_key));

    return n ? (ngx_rbtree_node_t *) ngx_http_auth_api_token_cell(store, n)
             : &store->sentinel;
}


/*
 * Has the processor fetch the record at the root, and does not wait for it.
 * Needs no mutex.
 */

static ngx_inline void
ngx_http_auth_api_token_index_prefetch(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key)
{
#if (NGX_HAVE_GCC_ATOMIC)

    u_char  *p;

    p = (u_char *) ngx_http_auth_api_token_index_root(store, node_key);

    __builtin_prefetch(p);
    __builtin_prefetch(p + 64);
    __builtin_prefetch(p + 128);
    __builtin_prefetch(p + 192);

#endif
}


/*
 * Returns the next record of the same tree, or NULL.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_index_next(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


/*
 * Adds a record, whose node.key and key are set and not in the index yet; and
 * takes it out.
 */

void ngx_http_auth_api_token_index_insert(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);
void ngx_http_auth_api_token_index_delete(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_INDEX_H_INCLUDED_ */
