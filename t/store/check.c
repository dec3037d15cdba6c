
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "check.h"
#include "check_ctx.h"


/* the nodes on a path of a red-black tree of 2^32 nodes */

#define CHECK_MAX_DEPTH    66

#define CHECK_MAX_ID  64

#define CHECK_CELL         NGX_HTTP_AUTH_API_TOKEN_CELL
#define CHECK_FACTS        NGX_HTTP_AUTH_API_TOKEN_FACTS
#define CHECK_DENIAL       NGX_HTTP_AUTH_API_TOKEN_DENIAL
#define CHECK_BUDGET       NGX_HTTP_AUTH_API_TOKEN_BUDGET


static ngx_int_t check_head(check_ctx_t *ctx);
static ngx_int_t check_trees(check_ctx_t *ctx);
static ngx_int_t check_node(check_ctx_t *ctx, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *parent, ngx_uint_t depth, ngx_uint_t *black);
static ngx_int_t check_order(check_ctx_t *ctx, check_record_t *record);
static ngx_int_t check_record(check_ctx_t *ctx, check_record_t *record);
static ngx_int_t check_strings(check_ctx_t *ctx, check_record_t *record);
static ngx_int_t check_take(check_ctx_t *ctx, uint32_t n);
static ngx_int_t check_counters(check_ctx_t *ctx);
static ngx_int_t check_free(check_ctx_t *ctx);
static ngx_int_t check_queue(check_ctx_t *ctx, ngx_queue_t *queue,
    ngx_uint_t facts);
static uint32_t check_number(check_store_t *store, uintptr_t p);


ngx_int_t
store_check(check_store_t *store, char *err, size_t size)
{
    ngx_int_t    rc;
    check_ctx_t  ctx;

    ngx_memzero(&ctx, sizeof(check_ctx_t));

    ctx.store = store;
    ctx.err = err;
    ctx.size = size;

    if (check_head(&ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx.seen = calloc(store->ncells + 1, 1);
    if (ctx.seen == NULL) {
        return check_fail(&ctx, "no memory");
    }

    rc = NGX_ERROR;

    if (check_trees(&ctx) == NGX_OK
        && check_counters(&ctx) == NGX_OK
        && check_queue(&ctx, &store->facts, 1) == NGX_OK
        && check_queue(&ctx, &store->others, 0) == NGX_OK
        && check_free(&ctx) == NGX_OK
        && check_leases(&ctx) == NGX_OK)
    {
        rc = NGX_OK;
    }

    free(ctx.seen);

    return rc;
}


static ngx_int_t
check_head(check_ctx_t *ctx)
{
    uintptr_t       cells, roots, workers, leases;
    check_store_t  *store;

    store = ctx->store;

    if (store->layout != NGX_HTTP_AUTH_API_TOKEN_LAYOUT) {
        return check_fail(ctx, "layout %u", store->layout);
    }

    if (store->sequence % 2) {
        return check_fail(ctx, "marked as being changed");
    }

    if (store->lookups > NGX_HTTP_AUTH_API_TOKEN_MAX_LOOKUPS) {
        return check_fail(ctx, "%u lookups", store->lookups);
    }

    leases = (uintptr_t) &store->leases[store->lookups] - (uintptr_t) store;
    workers = (uintptr_t) store->workers - (uintptr_t) store;

    if (workers < leases
        || workers - leases >= sizeof(ngx_http_auth_api_token_worker_t)
        || workers % sizeof(ngx_http_auth_api_token_worker_t) != 0)
    {
        return check_fail(ctx, "workers at %p", store->workers);
    }

    if (store->roots
        != (uint32_t *) &store->workers[NGX_HTTP_AUTH_API_TOKEN_WORKERS])
    {
        return check_fail(ctx, "roots at %p", store->roots);
    }

    if (store->shift == 0 || store->shift >= 8 * sizeof(ngx_uint_t)
        || store->nroots != (uint64_t) 1 << (8 * sizeof(ngx_uint_t)
                                             - store->shift))
    {
        return check_fail(ctx, "nroots %u, shift %u", store->nroots,
                          store->shift);
    }

    cells = (uintptr_t) store->cells;
    roots = (uintptr_t) &store->roots[store->nroots];

    if (cells < roots || cells - roots >= 256
        || cells % sizeof(uint64_t) != 0)
    {
        return check_fail(ctx, "cells at %p", store->cells);
    }

    if (store->ncells == 0
        || store->reserve == 0 || store->reserve > store->ncells
        || store->max_denied < store->reserve
        || store->max_denied > store->ncells)
    {
        return check_fail(ctx, "ncells %u, reserve %u, max_denied %u",
                          store->ncells, store->reserve, store->max_denied);
    }

    if (store->fresh == 0 || store->fresh > store->ncells + 1) {
        return check_fail(ctx, "fresh %u of %u", store->fresh, store->ncells);
    }

    return NGX_OK;
}


static ngx_int_t
check_trees(check_ctx_t *ctx)
{
    uint32_t            n;
    ngx_uint_t          black;
    check_store_t      *store;
    ngx_rbtree_node_t  *root;

    store = ctx->store;

    if (ngx_rbt_is_red(&store->sentinel)) {
        return check_fail(ctx, "red sentinel");
    }

    for (ctx->tree = 0; ctx->tree < store->nroots; ctx->tree++) {

        n = store->roots[ctx->tree];

        if (n == 0) {
            continue;
        }

        if (n > store->ncells) {
            return check_fail(ctx, "cell %u as root of tree %lu", n,
                              ctx->tree);
        }

        root = (ngx_rbtree_node_t *)
                   (store->cells + ((size_t) n - 1) * CHECK_CELL);

        if (check_node(ctx, root, NULL, 0, &black) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_rbt_is_red(root)) {
            return check_fail(ctx, "red root of tree %lu", ctx->tree);
        }
    }

    return NGX_OK;
}


static ngx_int_t
check_node(check_ctx_t *ctx, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *parent, ngx_uint_t depth, ngx_uint_t *black)
{
    uint32_t         n;
    ngx_uint_t       left, right;
    check_record_t  *record;

    if (node == &ctx->store->sentinel) {
        *black = 1;
        return NGX_OK;
    }

    n = check_number(ctx->store, (uintptr_t) node);

    if (n == 0 || depth > CHECK_MAX_DEPTH) {
        return check_fail(ctx, "node at %p, depth %lu", node, depth);
    }

    /* who takes a cell twice ends here: so this ends at loops */

    if (check_take(ctx, n) != NGX_OK) {
        return NGX_ERROR;
    }

    if (parent && node->parent != parent) {
        return check_fail(ctx, "parent %p of cell %u", node->parent, n);
    }

    if (node->color > 1) {
        return check_fail(ctx, "color %u of cell %u", node->color, n);
    }

    if (parent && ngx_rbt_is_red(node) && ngx_rbt_is_red(parent)) {
        return check_fail(ctx, "red cell %u of a red parent", n);
    }

    record = (check_record_t *) node;

    if (check_node(ctx, node->left, node, depth + 1, &left) != NGX_OK
        || check_order(ctx, record) != NGX_OK
        || check_record(ctx, record) != NGX_OK
        || check_node(ctx, node->right, node, depth + 1, &right) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (left != right) {
        return check_fail(ctx, "black heights %lu and %lu of cell %u",
                          left, right, n);
    }

    *black = left + (ngx_rbt_is_black(node) ? 1 : 0);

    return NGX_OK;
}


static ngx_int_t
check_order(check_ctx_t *ctx, check_record_t *record)
{
    check_record_t  *previous;

    if (record->node.key >> ctx->store->shift != ctx->tree) {
        return check_fail(ctx, "cell %u in tree %lu",
                          check_number(ctx->store, (uintptr_t) record),
                          ctx->tree);
    }

    previous = ctx->previous;
    ctx->previous = record;

    if (previous == NULL || previous->node.key < record->node.key) {
        return NGX_OK;
    }

    if (previous->node.key == record->node.key
        && ngx_memcmp(previous->key, record->key,
                      NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
           < 0)
    {
        return NGX_OK;
    }

    return check_fail(ctx, "order of cells %u and %u",
                      check_number(ctx->store, (uintptr_t) previous),
                      check_number(ctx->store, (uintptr_t) record));
}


static ngx_int_t
check_record(check_ctx_t *ctx, check_record_t *record)
{
    uint32_t    n;
    ngx_uint_t  kind, opaque;

    n = check_number(ctx->store, (uintptr_t) record);
    kind = ngx_http_auth_api_token_kind(record);

    if (kind >= CHECK_KINDS) {
        return check_fail(ctx, "kind %lu of cell %u", kind, n);
    }

    if (kind == CHECK_BUDGET
        ? record->reason != 0
        : (record->reason == NGX_HTTP_AUTH_API_TOKEN_PASS)
          != (kind == CHECK_FACTS))
    {
        return check_fail(ctx, "reason %u of cell %u of kind %lu",
                          record->reason, n, kind);
    }

    if (record->reason >= NGX_HTTP_AUTH_API_TOKEN_REASONS
        || record->reason == NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE)
    {
        return check_fail(ctx, "reason %u of cell %u", record->reason, n);
    }

    opaque = ngx_http_auth_api_token_opaque(record);

    if ((opaque || kind == CHECK_BUDGET)
        && record->node.key != check_prefix(record->key))
    {
        return check_fail(ctx, "key of the node of cell %u", n);
    }

    if (opaque && kind == CHECK_BUDGET) {
        return check_fail(ctx, "id in cell %u of kind %lu", n, kind);
    }

    ctx->entries[kind]++;
    ctx->opaque += opaque;

    return check_strings(ctx, record);
}


static ngx_int_t
check_strings(check_ctx_t *ctx, check_record_t *record)
{
    size_t                           len, size;
    uint32_t                         n, next;
    ngx_uint_t                       i, kind;
    ngx_http_auth_api_token_cell_t  *cell;

    n = check_number(ctx->store, (uintptr_t) record);
    kind = ngx_http_auth_api_token_kind(record);
    len = 0;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_STRINGS; i++) {
        len += ngx_http_auth_api_token_len(record, i);
    }

    if (len > NGX_HTTP_AUTH_API_TOKEN_MAX_FACTS
        || (kind == CHECK_BUDGET && len)
        || (kind == CHECK_DENIAL
            && (len != (size_t) record->short_len[0] + record->short_len[1]
                || record->short_len[0] > CHECK_MAX_ID
                || record->short_len[1] > CHECK_MAX_ID)))
    {
        return check_fail(ctx, "%lu bytes in cell %u of kind %lu",
                          len, n, kind);
    }

    ctx->used[kind]++;

    size = CHECK_CELL - offsetof(check_record_t, data);
    len -= ngx_min(len, size);

    for (next = record->next; len; next = cell->next) {

        if (check_take(ctx, next) != NGX_OK) {
            return NGX_ERROR;
        }

        cell = (ngx_http_auth_api_token_cell_t *)
                   (ctx->store->cells + ((size_t) next - 1) * CHECK_CELL);

        len -= ngx_min(len, sizeof(cell->data));

        ctx->used[kind]++;
    }

    if (next != 0) {
        return check_fail(ctx, "cell %u after the last one of %u", next, n);
    }

    return NGX_OK;
}


static ngx_int_t
check_take(check_ctx_t *ctx, uint32_t n)
{
    if (n == 0 || n >= ctx->store->fresh) {
        return check_fail(ctx, "cell %u, fresh %u", n, ctx->store->fresh);
    }

    if (ctx->seen[n]) {
        return check_fail(ctx, "cell %u is used twice", n);
    }

    ctx->seen[n] = 1;

    return NGX_OK;
}


static ngx_int_t
check_counters(check_ctx_t *ctx)
{
    uint64_t        denied;
    ngx_uint_t      i;
    check_store_t  *store;

    store = ctx->store;

    for (i = 0; i < CHECK_KINDS; i++) {
        if (ctx->entries[i] != store->entries[i]
            || ctx->used[i] != store->used[i])
        {
            return check_fail(ctx, "kind %lu: %lu of %u entries, %lu of %u "
                              "cells", i, ctx->entries[i], store->entries[i],
                              ctx->used[i], store->used[i]);
        }
    }

    if (ctx->opaque != store->opaque) {
        return check_fail(ctx, "%lu of %u opaque", ctx->opaque, store->opaque);
    }

    denied = ctx->used[CHECK_DENIAL] + ctx->used[CHECK_BUDGET];

    if (denied > store->max_denied) {
        return check_fail(ctx, "%lu cells of denials, not %u",
                          denied, store->max_denied);
    }

    if (ctx->used[CHECK_FACTS] > store->ncells - store->reserve) {
        return check_fail(ctx, "%lu cells of facts leave less than %u",
                          ctx->used[CHECK_FACTS], store->reserve);
    }

    return NGX_OK;
}


static ngx_int_t
check_queue(check_ctx_t *ctx, ngx_queue_t *queue, ngx_uint_t facts)
{
    uint32_t         n;
    uint64_t         count, expected;
    uintptr_t        p;
    ngx_queue_t     *q, *prev;
    check_record_t  *record;

    expected = facts ? ctx->entries[CHECK_FACTS]
                     : ctx->entries[CHECK_DENIAL] + ctx->entries[CHECK_BUDGET];
    count = 0;
    prev = queue;

    for (q = queue->next; q != queue; q = q->next) {

        p = (uintptr_t) q - offsetof(check_record_t, queue);
        n = check_number(ctx->store, p);

        if (n == 0 || n >= ctx->store->fresh) {
            return check_fail(ctx, "queue at %p", q);
        }

        if (q->prev != prev) {
            return check_fail(ctx, "queue of cell %u, prev %p", n, q->prev);
        }

        if (++count > expected) {
            return check_fail(ctx, "more than %lu in a queue", expected);
        }

        record = (check_record_t *) p;

        /* a record of the tree, as many as there are, none of them twice */

        if (ctx->seen[n] != 1
            || (ngx_http_auth_api_token_kind(record) == CHECK_FACTS) != facts)
        {
            return check_fail(ctx, "cell %u is in the wrong queue", n);
        }

        ctx->seen[n] = 2;
        prev = q;
    }

    if (queue->prev != prev || count != expected) {
        return check_fail(ctx, "%lu of %lu in a queue", count, expected);
    }

    return NGX_OK;
}


static ngx_int_t
check_free(check_ctx_t *ctx)
{
    uint32_t                         n, count;
    check_store_t                   *store;
    ngx_http_auth_api_token_cell_t  *cell;

    store = ctx->store;
    count = 0;

    for (n = store->free; n; n = cell->next) {

        if (check_take(ctx, n) != NGX_OK) {
            return NGX_ERROR;
        }

        cell = (ngx_http_auth_api_token_cell_t *)
                   (store->cells + ((size_t) n - 1) * CHECK_CELL);
        count++;
    }

    for (n = 1; n < store->fresh; n++) {
        if (!ctx->seen[n]) {
            return check_fail(ctx, "cell %u is lost", n);
        }
    }

    if (store->nfree != count + store->ncells - (store->fresh - 1)) {
        return check_fail(ctx, "nfree %u, with %u in the list and fresh %u",
                          store->nfree, count, store->fresh);
    }

    return NGX_OK;
}


/* the number of the cell that begins there, or 0 */

static uint32_t
check_number(check_store_t *store, uintptr_t p)
{
    uintptr_t  offset;

    offset = p - (uintptr_t) store->cells;

    if (p < (uintptr_t) store->cells
        || offset % CHECK_CELL != 0
        || offset / CHECK_CELL >= store->ncells)
    {
        return 0;
    }

    return (uint32_t) (offset / CHECK_CELL) + 1;
}


ngx_uint_t
check_prefix(u_char *key)
{
    ngx_uint_t  prefix;

    ngx_memcpy(&prefix, key, sizeof(ngx_uint_t));

    return prefix;
}


ngx_int_t
check_fail(check_ctx_t *ctx, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(ctx->err, ctx->size, fmt, args);
    va_end(args);

    return NGX_ERROR;
}
