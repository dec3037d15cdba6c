
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_recover.h"


/* a red-black tree of 2^32 records is not deeper */

#define NGX_HTTP_AUTH_API_TOKEN_DEPTH   64

/* odd, so that no two numbers have the same product */

#define NGX_HTTP_AUTH_API_TOKEN_SPREAD  ((uint64_t) 0x9e3779b97f4a7c15)


static void ngx_http_auth_api_token_index_tree(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key,
    ngx_rbtree_t *tree);
static void ngx_http_auth_api_token_index_set_root(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key,
    ngx_rbtree_t *tree);
static ngx_int_t ngx_http_auth_api_token_index_cmp(ngx_uint_t node_key,
    u_char *key, ngx_http_auth_api_token_record_t *record);
static void ngx_http_auth_api_token_index_attach(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


ngx_uint_t
ngx_http_auth_api_token_index_node_key(ngx_str_t *id, u_char *key)
{
    u_char      *p, *last;
    uint64_t     hash, word;
    ngx_uint_t   node_key;

    if (id->len == 0) {
        ngx_memcpy(&node_key, key, sizeof(ngx_uint_t));
        return node_key;
    }

    p = id->data;
    last = p + id->len;
    hash = 0;

    /* each bit of the id changes higher ones: the first bits choose the tree */

    while ((size_t) (last - p) >= sizeof(uint64_t)) {
        ngx_memcpy(&word, p, sizeof(uint64_t));
        hash = (hash ^ word) * NGX_HTTP_AUTH_API_TOKEN_SPREAD;
        p += sizeof(uint64_t);
    }

    word = 0;
    ngx_memcpy(&word, p, last - p);

    hash = (hash ^ word) * NGX_HTTP_AUTH_API_TOKEN_SPREAD;

    return (ngx_uint_t) (hash >> (64 - 8 * sizeof(ngx_uint_t)));
}


ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_index_find(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key, u_char *key)
{
    ngx_int_t                          rc;
    ngx_uint_t                         depth;
    ngx_rbtree_node_t                 *node;
    ngx_http_auth_api_token_record_t  *record;

    node = ngx_http_auth_api_token_index_root(store, node_key);

    for (depth = 0; depth < NGX_HTTP_AUTH_API_TOKEN_DEPTH; depth++) {

        /* the sentinel is not a cell either */

        if (!ngx_http_auth_api_token_is_cell(store, node)) {
            return NULL;
        }

        record = ngx_rbtree_data(node, ngx_http_auth_api_token_record_t, node);

        rc = ngx_http_auth_api_token_index_cmp(node_key, key, record);

        if (rc == 0) {
            return record;
        }

        node = (rc < 0)
               ? ngx_http_auth_api_token_read(ngx_rbtree_node_t *, node->left)
               : ngx_http_auth_api_token_read(ngx_rbtree_node_t *, node->right);
    }

    return NULL;
}


ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_index_from(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key, u_char *key)
{
    ngx_int_t                          rc;
    ngx_rbtree_node_t                 *node, *sentinel;
    ngx_http_auth_api_token_record_t  *record, *next;

    node = ngx_http_auth_api_token_index_root(store, node_key);
    sentinel = &store->sentinel;
    next = NULL;

    while (node != sentinel) {

        record = ngx_rbtree_data(node, ngx_http_auth_api_token_record_t, node);

        rc = ngx_http_auth_api_token_index_cmp(node_key, key, record);

        if (rc == 0) {
            return record;
        }

        if (rc < 0) {
            next = record;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return next;
}


ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_index_next(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record)
{
    ngx_rbtree_t        tree;
    ngx_rbtree_node_t  *node;

    ngx_http_auth_api_token_index_tree(store, record->node.key, &tree);

    node = ngx_rbtree_next(&tree, &record->node);

    return node ? ngx_rbtree_data(node, ngx_http_auth_api_token_record_t, node)
                : NULL;
}


/*
 * The store has the roots only: after a reload the module, and with it the
 * function, may be at another address.
 */

static void
ngx_http_auth_api_token_index_tree(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key, ngx_rbtree_t *tree)
{
    tree->root = ngx_http_auth_api_token_index_root(store, node_key);
    tree->sentinel = &store->sentinel;
    tree->insert = ngx_http_auth_api_token_index_attach;
}


static void
ngx_http_auth_api_token_index_set_root(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key,
    ngx_rbtree_t *tree)
{
    uint32_t  *root;

    root = ngx_http_auth_api_token_root(store, node_key);

    *root = (tree->root == tree->sentinel)
            ? 0 : ngx_http_auth_api_token_cell_number(store, tree->root);
}


static ngx_int_t
ngx_http_auth_api_token_index_cmp(ngx_uint_t node_key, u_char *key,
    ngx_http_auth_api_token_record_t *record)
{
    if (node_key != record->node.key) {
        return (node_key < record->node.key) ? -1 : 1;
    }

    return ngx_memcmp(key, record->key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);
}


static void
ngx_http_auth_api_token_index_attach(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t                 **p;
    ngx_http_auth_api_token_record_t   *record;

    record = ngx_rbtree_data(node, ngx_http_auth_api_token_record_t, node);

    for ( ;; ) {

        p = (ngx_http_auth_api_token_index_cmp(node->key, record->key,
                 ngx_rbtree_data(temp, ngx_http_auth_api_token_record_t, node))
             < 0)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


void
ngx_http_auth_api_token_index_insert(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record)
{
    ngx_rbtree_t  tree;

    ngx_http_auth_api_token_index_tree(store, record->node.key, &tree);

    ngx_rbtree_insert(&tree, &record->node);
    ngx_http_auth_api_token_crash();

    ngx_http_auth_api_token_index_set_root(store, record->node.key, &tree);
}


void
ngx_http_auth_api_token_index_delete(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record)
{
    ngx_uint_t    node_key;
    ngx_rbtree_t  tree;

    /* ngx_rbtree_delete() clears the node's key */

    node_key = record->node.key;

    ngx_http_auth_api_token_index_tree(store, node_key, &tree);

    ngx_rbtree_delete(&tree, &record->node);
    ngx_http_auth_api_token_crash();

    ngx_http_auth_api_token_index_set_root(store, node_key, &tree);
}
