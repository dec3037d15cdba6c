
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


/* how many records are looked at before others may have the mutex */

#define NGX_HTTP_AUTH_API_TOKEN_BATCH  32

/* no verdict and no lease is of use for that long */

#define ngx_http_auth_api_token_old(now, time)                                \
    ((ngx_msec_int_t) ((now) - (time)) > NGX_HTTP_AUTH_API_TOKEN_TIDY)


static void ngx_http_auth_api_token_store_void(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t node_key);
static ngx_uint_t ngx_http_auth_api_token_store_walk(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t by_node,
    ngx_uint_t first, ngx_uint_t last, ngx_msec_t now);
static ngx_uint_t ngx_http_auth_api_token_store_match(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t by_node,
    ngx_msec_t now);
static ngx_uint_t ngx_http_auth_api_token_store_equal(ngx_str_t *one,
    ngx_str_t *two);


ngx_uint_t
ngx_http_auth_api_token_store_purge(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge)
{
    ngx_uint_t  i, n, opaque, node_key;

    node_key = purge->id.len
               ? ngx_http_auth_api_token_index_node_key(&purge->id, NULL) : 0;

    ngx_http_auth_api_token_store_lock(store);
    ngx_http_auth_api_token_store_change(store);

    ngx_http_auth_api_token_store_void(store, purge, node_key);

    n = 0;
    opaque = store->opaque;

    if (purge->all) {
        n = store->entries[NGX_HTTP_AUTH_API_TOKEN_FACTS]
            + store->entries[NGX_HTTP_AUTH_API_TOKEN_DENIAL];

        ngx_http_auth_api_token_store_empty(store);
    }

    ngx_http_auth_api_token_store_unlock(store);

    if (purge->id.len) {
        n = ngx_http_auth_api_token_store_walk(store, purge, 1, node_key,
                                               node_key, 0);
    }

    if (purge->account.len || (purge->id.len && opaque)) {

        for (i = 0; i < store->nroots; i++) {
            n += ngx_http_auth_api_token_store_walk(store, purge, 0,
                                                    i << store->shift,
                                                    (ngx_uint_t) -1, 0);
        }
    }

    ngx_http_auth_api_token_store_lock(store);

    store->counters.purges++;
    store->counters.purged += n;

    ngx_http_auth_api_token_store_unlock(store);

    return n;
}


void
ngx_http_auth_api_token_store_tidy(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    ngx_http_auth_api_token_store_lock(store);
    ngx_http_auth_api_token_store_change(store);

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (ngx_http_auth_api_token_old(now, lease->deadline)) {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        }
    }

    if (ngx_http_auth_api_token_old(now, store->until)) {
        store->until = now - NGX_HTTP_AUTH_API_TOKEN_TIDY;
    }

    ngx_http_auth_api_token_store_unlock(store);

    for (i = 0; i < store->nroots; i++) {
        (void) ngx_http_auth_api_token_store_walk(store, NULL, 0,
                                                  i << store->shift,
                                                  (ngx_uint_t) -1, now);
    }
}


/* whose account a lookup is about nobody knows yet */

static void
ngx_http_auth_api_token_store_void(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t node_key)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (purge->id.len && !lease->opaque && lease->id != node_key) {
            continue;
        }

        if (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING) {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_PURGED;

        } else if (lease->state == NGX_HTTP_AUTH_API_TOKEN_FAILED) {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        }
    }
}


/*
 * A tree from "first" to "last", in batches.  One begins where that before it
 * ended, whatever happened in between.
 */

static ngx_uint_t
ngx_http_auth_api_token_store_walk(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t by_node,
    ngx_uint_t first, ngx_uint_t last, ngx_msec_t now)
{
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t                         i, n;
    ngx_http_auth_api_token_record_t  *record, *next;

    n = 0;

    ngx_memzero(key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    do {
        ngx_http_auth_api_token_store_lock(store);
        ngx_http_auth_api_token_store_change(store);

        next = ngx_http_auth_api_token_index_from(store, first, key);

        for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_BATCH && next; i++) {
            record = next;

            if (record->node.key > last) {
                next = NULL;
                break;
            }

            next = ngx_http_auth_api_token_index_next(store, record);

            if (ngx_http_auth_api_token_store_match(store, record, purge,
                                                    by_node, now))
            {
                ngx_http_auth_api_token_record_delete(store, record);
                n++;
            }
        }

        if (next) {
            first = next->node.key;
            ngx_memcpy(key, next->key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);
        }

        ngx_http_auth_api_token_store_unlock(store);

    } while (next);

    return n;
}


static ngx_uint_t
ngx_http_auth_api_token_store_match(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t by_node, ngx_msec_t now)
{
    uint64_t                         buf[NGX_HTTP_AUTH_API_TOKEN_COPY
                                         / sizeof(uint64_t)];
    ngx_http_auth_api_token_facts_t  facts;

    if (purge == NULL) {
        return ngx_http_auth_api_token_old(now, record->asked);
    }

    if (record->reason == NGX_HTTP_AUTH_API_TOKEN_UNDECIDED) {
        return 0;
    }

    if (by_node && !ngx_http_auth_api_token_opaque(record)) {
        return 1;
    }

    ngx_http_auth_api_token_record_facts(
                     ngx_http_auth_api_token_record_copy(store, record, buf),
                     &facts);

    return purge->id.len
           ? ngx_http_auth_api_token_store_equal(&facts.id, &purge->id)
           : ngx_http_auth_api_token_store_equal(&facts.account_id,
                                                 &purge->account);
}


static ngx_uint_t
ngx_http_auth_api_token_store_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}
