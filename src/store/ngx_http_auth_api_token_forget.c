
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

/* longer ago than any verdict or lease can matter */

#define ngx_http_auth_api_token_old(now, time)                                \
    ((ngx_msec_int_t) ((now) - (time)) > NGX_HTTP_AUTH_API_TOKEN_TIDY)


/* whether a record is to be forgotten, for what "data" says */

typedef ngx_uint_t (*ngx_http_auth_api_token_match_pt)(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data);


static void ngx_http_auth_api_token_purge_leases(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t node_key);
static ngx_uint_t ngx_http_auth_api_token_forget_all(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_match_pt match, void *data);
static ngx_uint_t ngx_http_auth_api_token_forget(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t first, ngx_uint_t last,
    ngx_http_auth_api_token_match_pt match, void *data);
static ngx_uint_t ngx_http_auth_api_token_match_claimed(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data);
static ngx_uint_t ngx_http_auth_api_token_match_purged(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data);
static ngx_uint_t ngx_http_auth_api_token_match_old(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data);


ngx_uint_t
ngx_http_auth_api_token_store_purge(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge)
{
    ngx_uint_t  n, opaque, node_key;

    node_key = purge->id.len
               ? ngx_http_auth_api_token_index_node_key(&purge->id, NULL) : 0;

    ngx_http_auth_api_token_store_lock(store);
    ngx_http_auth_api_token_store_change(store);

    ngx_http_auth_api_token_purge_leases(store, purge, node_key);

    n = 0;
    opaque = store->opaque;

    if (purge->all) {
        n = store->entries[NGX_HTTP_AUTH_API_TOKEN_FACTS]
            + store->entries[NGX_HTTP_AUTH_API_TOKEN_DENIAL];

        ngx_http_auth_api_token_store_empty(store);
    }

    ngx_http_auth_api_token_store_unlock(store);

    if (purge->id.len) {
        n = ngx_http_auth_api_token_forget(store, node_key, node_key,
                                         ngx_http_auth_api_token_match_claimed,
                                         NULL);
    }

    if (purge->account.len || (purge->id.len && opaque)) {
        n += ngx_http_auth_api_token_forget_all(store,
                                          ngx_http_auth_api_token_match_purged,
                                          purge);
    }

    ngx_http_auth_api_token_store_lock(store);

    store->totals.purges++;
    store->totals.purged += n;

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

    (void) ngx_http_auth_api_token_forget_all(store,
                                             ngx_http_auth_api_token_match_old,
                                             &now);
}


/*
 * Whose account a lookup is about is not known before it ends: a purge of an
 * account is for all of them.
 */

static void
ngx_http_auth_api_token_purge_leases(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge, ngx_uint_t node_key)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (purge->id.len && !lease->opaque && lease->node_key != node_key) {
            continue;
        }

        if (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING) {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_PURGED;

        } else if (lease->state == NGX_HTTP_AUTH_API_TOKEN_FAILED) {
            lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        }
    }
}


static ngx_uint_t
ngx_http_auth_api_token_forget_all(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_match_pt match, void *data)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < store->nroots; i++) {
        n += ngx_http_auth_api_token_forget(store, i << store->shift,
                                            (ngx_uint_t) -1, match, data);
    }

    return n;
}


/*
 * Walks the tree of "first" up to "last", in batches.  Each begins where the
 * one before it ended, whatever happened in between.
 */

static ngx_uint_t
ngx_http_auth_api_token_forget(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t first, ngx_uint_t last, ngx_http_auth_api_token_match_pt match,
    void *data)
{
    u_char                             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t                         i, n;
    ngx_http_auth_api_token_record_t  *record, *next;

    n = 0;

    ngx_memzero(key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    do {
        ngx_http_auth_api_token_store_lock(store);

        next = ngx_http_auth_api_token_index_from(store, first, key);

        for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_BATCH && next; i++) {
            record = next;

            if (record->node.key > last) {
                next = NULL;
                break;
            }

            next = ngx_http_auth_api_token_index_next(store, record);

            if (match(store, record, data)) {
                ngx_http_auth_api_token_store_change(store);
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


/* of the records with one node.key, those of tokens that claim the id */

static ngx_uint_t
ngx_http_auth_api_token_match_claimed(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data)
{
    return record->reason != NGX_HTTP_AUTH_API_TOKEN_UNDECIDED
           && !ngx_http_auth_api_token_opaque(record);
}


static ngx_uint_t
ngx_http_auth_api_token_match_purged(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data)
{
    ngx_http_auth_api_token_purge_t *purge = data;

    uint64_t                          buf[NGX_HTTP_AUTH_API_TOKEN_COPY
                                          / sizeof(uint64_t)];
    ngx_str_t                        *fact, *value;
    ngx_http_auth_api_token_facts_t   facts;

    ngx_http_auth_api_token_record_facts(
                     ngx_http_auth_api_token_record_copy(store, record, NULL,
                                                         buf),
                     &facts);

    if (purge->id.len) {
        fact = &facts.id;
        value = &purge->id;

    } else {
        fact = &facts.account_id;
        value = &purge->account;
    }

    return fact->len == value->len
           && ngx_memcmp(fact->data, value->data, fact->len) == 0;
}


static ngx_uint_t
ngx_http_auth_api_token_match_old(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *data)
{
    ngx_msec_t  *now = data;

    return ngx_http_auth_api_token_old(*now, record->asked);
}
