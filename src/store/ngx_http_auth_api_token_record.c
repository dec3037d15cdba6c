
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


#define ngx_http_auth_api_token_lru(store, kind)                              \
    ((kind) == NGX_HTTP_AUTH_API_TOKEN_FACTS ? &(store)->facts                \
                                             : &(store)->others)


/* bytes that the first cell of a record has for its strings */

#define NGX_HTTP_AUTH_API_TOKEN_FIRST                                         \
    (NGX_HTTP_AUTH_API_TOKEN_CELL                                             \
     - offsetof(ngx_http_auth_api_token_record_t, data))


/* the second, more or less; the numbers come again after some minutes */

#define ngx_http_auth_api_token_second(now)  ((u_char) ((now) >> 10))


static ngx_int_t ngx_http_auth_api_token_make_room(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_kind_e kind, ngx_uint_t n, ngx_msec_t now);
static ngx_int_t ngx_http_auth_api_token_evict(
    ngx_http_auth_api_token_store_t *store, ngx_queue_t *queue,
    ngx_msec_t now);
static uint32_t ngx_http_auth_api_token_alloc_cell(
    ngx_http_auth_api_token_store_t *store);
static void ngx_http_auth_api_token_free_cell(
    ngx_http_auth_api_token_store_t *store, uint32_t n);
static ngx_uint_t ngx_http_auth_api_token_count_cells(size_t len);
static size_t ngx_http_auth_api_token_record_len(
    ngx_http_auth_api_token_record_t *record);


void
ngx_http_auth_api_token_record_touch(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, ngx_msec_t now)
{
    ngx_queue_t  *queue;

    if (ngx_http_auth_api_token_record_is_touched(record, now)) {
        return;
    }

    record->node.data = ngx_http_auth_api_token_second(now);

    queue = ngx_http_auth_api_token_lru(store,
                                        ngx_http_auth_api_token_kind(record));

    if (ngx_queue_head(queue) == &record->queue) {
        return;
    }

    ngx_http_auth_api_token_store_change(store);

    ngx_queue_remove(&record->queue);
    ngx_http_auth_api_token_crash();
    ngx_queue_insert_head(queue, &record->queue);
}


ngx_uint_t
ngx_http_auth_api_token_record_is_touched(
    ngx_http_auth_api_token_record_t *record, ngx_msec_t now)
{
    return record->node.data == ngx_http_auth_api_token_second(now)
           && record->reason == NGX_HTTP_AUTH_API_TOKEN_PASS;
}


ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_record_copy(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record, void *cell, void *buf)
{
    u_char                            *p, *last;
    uint32_t                           n;
    ngx_http_auth_api_token_cell_t    *next;
    ngx_http_auth_api_token_record_t  *copy;

    copy = cell ? cell : buf;

    ngx_memcpy(copy, record, NGX_HTTP_AUTH_API_TOKEN_CELL);

    if (copy->next == 0) {
        return copy;
    }

    if (copy != buf) {
        ngx_memcpy(buf, copy, NGX_HTTP_AUTH_API_TOKEN_CELL);
        copy = buf;
    }

    p = (u_char *) copy + NGX_HTTP_AUTH_API_TOKEN_CELL;
    last = (u_char *) copy + NGX_HTTP_AUTH_API_TOKEN_COPY;

    n = ngx_http_auth_api_token_read(uint32_t, copy->next);

    while (n) {

        if (n > store->ncells || (size_t) (last - p) < sizeof(next->data)) {
            return NULL;
        }

        next = ngx_http_auth_api_token_cell(store, n);

        p = ngx_cpymem(p, next->data, sizeof(next->data));
        n = ngx_http_auth_api_token_read(uint32_t, next->next);
    }

    return copy;
}


void
ngx_http_auth_api_token_record_facts(ngx_http_auth_api_token_record_t *copy,
    ngx_http_auth_api_token_facts_t *facts)
{
    u_char      *p;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = (ngx_str_t *) facts;
    p = copy->data;

    /* two loops without a condition, as each hit comes here */

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_SHORT; i++) {
        value[i].len = copy->short_len[i];
        value[i].data = p;
        p += copy->short_len[i];
    }

    value += NGX_HTTP_AUTH_API_TOKEN_SHORT;

    for (i = 0;
         i < NGX_HTTP_AUTH_API_TOKEN_STRINGS - NGX_HTTP_AUTH_API_TOKEN_SHORT;
         i++)
    {
        value[i].len = copy->len[i];
        value[i].data = p;
        p += copy->len[i];
    }
}


ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_record_add(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_reason_e reason, ngx_uint_t node_key, u_char *key,
    ngx_http_auth_api_token_facts_t *facts, ngx_msec_t now)
{
    size_t                             len, size;
    u_char                            *p, *last;
    uint32_t                           n, *next;
    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_auth_api_token_cell_t    *cell;
    ngx_http_auth_api_token_kind_e     kind;
    ngx_http_auth_api_token_record_t  *record;

    value = (ngx_str_t *) facts;
    len = 0;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_STRINGS; i++) {
        len += value[i].len;

        if (i < NGX_HTTP_AUTH_API_TOKEN_SHORT && value[i].len > 255) {
            return NULL;
        }
    }

    if (len > NGX_HTTP_AUTH_API_TOKEN_MAX_FACTS) {
        return NULL;
    }

    n = ngx_http_auth_api_token_count_cells(len);
    kind = ngx_http_auth_api_token_kind_of(reason);

    if (ngx_http_auth_api_token_make_room(store, kind, n, now) != NGX_OK) {
        return NULL;
    }

    store->entries[kind]++;
    store->used[kind] += n;

    record = (ngx_http_auth_api_token_record_t *)
                 ngx_http_auth_api_token_cell(store,
                                    ngx_http_auth_api_token_alloc_cell(store));

    ngx_http_auth_api_token_crash();

    next = &record->next;
    p = record->data;
    last = p + NGX_HTTP_AUTH_API_TOKEN_FIRST;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_STRINGS; i++) {

        if (i < NGX_HTTP_AUTH_API_TOKEN_SHORT) {
            record->short_len[i] = (u_char) value[i].len;

        } else {
            record->len[i - NGX_HTTP_AUTH_API_TOKEN_SHORT] =
                                                       (u_short) value[i].len;
        }

        for (len = 0; len < value[i].len; len += size) {

            if (p == last) {
                *next = ngx_http_auth_api_token_alloc_cell(store);

                cell = ngx_http_auth_api_token_cell(store, *next);

                next = &cell->next;
                p = cell->data;
                last = p + sizeof(cell->data);
            }

            size = ngx_min((size_t) (last - p), value[i].len - len);
            p = ngx_cpymem(p, value[i].data + len, size);
        }
    }

    *next = 0;

    if (ngx_http_auth_api_token_opaque(record)) {
        store->opaque++;
    }

    record->node.key = node_key;
    record->node.data = ngx_http_auth_api_token_second(now);
    record->asked = now;
    record->tried = 0;
    record->reason = (u_char) reason;

    ngx_memcpy(record->key, key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    ngx_http_auth_api_token_index_insert(store, record);
    ngx_http_auth_api_token_crash();

    ngx_queue_insert_head(ngx_http_auth_api_token_lru(store, kind),
                          &record->queue);

    return record;
}


void
ngx_http_auth_api_token_record_delete(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record)
{
    uint32_t                         n, next;
    ngx_uint_t                       kind;
    ngx_http_auth_api_token_cell_t  *cell;

    kind = ngx_http_auth_api_token_kind(record);

    store->entries[kind]--;
    store->used[kind] -= ngx_http_auth_api_token_count_cells(
                                ngx_http_auth_api_token_record_len(record));

    if (ngx_http_auth_api_token_opaque(record)) {
        store->opaque--;
    }

    ngx_queue_remove(&record->queue);
    ngx_http_auth_api_token_crash();

    ngx_http_auth_api_token_index_delete(store, record);
    ngx_http_auth_api_token_crash();

    for (n = record->next; n; n = next) {
        cell = ngx_http_auth_api_token_cell(store, n);
        next = cell->next;

        ngx_http_auth_api_token_free_cell(store, n);
        ngx_http_auth_api_token_crash();
    }

    n = ngx_http_auth_api_token_cell_number(store, record);

    ngx_http_auth_api_token_free_cell(store, n);
}


/*
 * Facts are evicted for other facts only.  Denials and budgets take the cells
 * that facts leave, up to their share; a few cells are reserved for them.
 */

static ngx_int_t
ngx_http_auth_api_token_make_room(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_kind_e kind, ngx_uint_t n, ngx_msec_t now)
{
    ngx_uint_t  denied, reserve;

    for ( ;; ) {

        denied = store->used[NGX_HTTP_AUTH_API_TOKEN_DENIAL]
                 + store->used[NGX_HTTP_AUTH_API_TOKEN_BUDGET];

        if (kind == NGX_HTTP_AUTH_API_TOKEN_FACTS) {

            reserve = (denied < store->reserve) ? store->reserve - denied : 0;

            if (n + reserve <= store->nfree) {
                return NGX_OK;
            }

            if (denied <= store->reserve) {

                if (ngx_http_auth_api_token_evict(store, &store->facts, now)
                    != NGX_OK)
                {
                    return NGX_DECLINED;
                }

                continue;
            }

        } else if (n <= store->nfree && n + denied <= store->max_denied) {
            return NGX_OK;
        }

        if (ngx_http_auth_api_token_evict(store, &store->others, now)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }
}


static ngx_int_t
ngx_http_auth_api_token_evict(ngx_http_auth_api_token_store_t *store,
    ngx_queue_t *queue, ngx_msec_t now)
{
    ngx_queue_t                       *q;
    ngx_msec_int_t                     age;
    ngx_http_auth_api_token_record_t  *record;

    if (ngx_queue_empty(queue)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_last(queue);
    record = ngx_queue_data(q, ngx_http_auth_api_token_record_t, queue);

    store->totals.evicted[ngx_http_auth_api_token_kind(record)]++;

    if (queue == &store->facts) {
        age = (ngx_msec_int_t) (now - record->asked);
        store->totals.evicted_age = ngx_max(age, 1);
    }

    ngx_http_auth_api_token_record_delete(store, record);

    return NGX_OK;
}


static uint32_t
ngx_http_auth_api_token_alloc_cell(ngx_http_auth_api_token_store_t *store)
{
    uint32_t  n;

    store->nfree--;

    if (store->free == 0) {
        return store->fresh++;
    }

    n = store->free;
    store->free = ngx_http_auth_api_token_cell(store, n)->next;

    return n;
}


static void
ngx_http_auth_api_token_free_cell(ngx_http_auth_api_token_store_t *store,
    uint32_t n)
{
    ngx_http_auth_api_token_cell(store, n)->next = store->free;

    store->free = n;
    store->nfree++;
}


static ngx_uint_t
ngx_http_auth_api_token_count_cells(size_t len)
{
    size_t  size;

    if (len <= NGX_HTTP_AUTH_API_TOKEN_FIRST) {
        return 1;
    }

    size = NGX_HTTP_AUTH_API_TOKEN_CELL
           - offsetof(ngx_http_auth_api_token_cell_t, data);

    return 1 + (len - NGX_HTTP_AUTH_API_TOKEN_FIRST + size - 1) / size;
}


static size_t
ngx_http_auth_api_token_record_len(ngx_http_auth_api_token_record_t *record)
{
    size_t      len;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_STRINGS; i++) {
        len += ngx_http_auth_api_token_len(record, i);
    }

    return len;
}
