
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"
#include "test_peek.h"


#define TEST_BROKEN  20000


static void test_broken(void);
static void test_break(test_t *t, ngx_uint_t n);
static void test_between(void);
static void test_broken_at_random(void);
static void test_peeks(test_t *t);


void
test_peek_broken(void)
{
    test_broken();
    test_between();
    test_broken_at_random();
}


/*
 * What is half changed may have any pointer anywhere: to be read, it has to be
 * that of a cell, and the reading has to end.
 */

static void
test_broken(void)
{
    test_t       t;
    size_t       size;
    u_char      *before;
    ngx_uint_t   i;

    test_create(&t, 4, TEST_CELLS, 50);
    test_fill(&t);

    before = test_copy(&t);
    size = test_all(&t);

    for (i = 0; i < 24; i++) {
        test_break(&t, i);
        test_peeks(&t);

        memcpy(t.store, before, size);
    }

    test_peeks(&t);

    free(before);
    test_free(&t);
}


static void
test_break(test_t *t, ngx_uint_t n)
{
    u_char                           *p;
    uint32_t                          next;
    record_t                         *record;
    ngx_uint_t                        i;
    ngx_rbtree_node_t                *node;
    ngx_http_auth_api_token_cell_t   *cell;

    p = NULL;
    next = 0;

    switch (n % 12) {

    case 0:
        next = 0xffffffff;
        break;

    case 1:
        p = t->store->cells - T(CELL);
        next = t->store->ncells + 1;
        break;

    case 2:
        p = t->store->cells + t->store->ncells * T(CELL);
        next = 0x80000000;
        break;

    case 3:
        p = t->store->cells + 8;
        next = 0x01000001;
        break;

    case 4:
        p = t->store->cells + t->store->ncells * T(CELL) - 8;
        next = t->store->ncells;
        break;

    case 5:
        p = (u_char *) (uintptr_t) -1;
        break;

    case 6:
        p = (u_char *) &t->store->sentinel;
        break;

    case 7:
        p = (u_char *) t->store;
        break;

    case 8:
        p = (u_char *) (uintptr_t) 256;
        break;

    case 9:
        p = (u_char *) ((uintptr_t) 1 << (8 * sizeof(uintptr_t) - 1));
        break;

    case 10:
        p = t->store->cells + T(CELL) / 2;
        break;

    default:

        /* each leads to itself, and nothing to what is looked for */

        for (i = 0; i < t->store->nroots; i++) {
            if (t->store->roots[i] == 0) {
                t->store->roots[i] = 1;
            }
        }

        for (i = 1; i <= t->store->ncells; i++) {
            cell = ngx_http_auth_api_token_cell(t->store, i);
            node = (ngx_rbtree_node_t *) cell;

            node->key = 0;
            node->left = node;
            node->right = node;
        }

        return;
    }

    for (i = 1; i <= t->store->ncells; i++) {
        cell = ngx_http_auth_api_token_cell(t->store, i);
        record = (record_t *) cell;

        if (n < 12) {
            record->node.left = (ngx_rbtree_node_t *) p;
            record->node.right = (ngx_rbtree_node_t *) p;
            continue;
        }

        /* lists that leave the store, or never end, and what is too long */

        record->next = n % 2 ? t->store->ncells : next;
        memset(record->len, 0xff, sizeof(record->len));
        memset(record->short_len, 0xff, sizeof(record->short_len));
    }

    if (n >= 12) {

        /* a cell that is free, and may come after itself */

        cell = ngx_http_auth_api_token_cell(t->store, t->store->ncells);
        cell->next = next;
    }

    if (n % 3 == 0) {
        for (i = 0; i < t->store->nroots; i++) {
            t->store->roots[i] = next ? next : t->store->ncells + 1;
        }
    }
}


/* a record that begins in the middle of a cell is none */

static void
test_between(void)
{
    char                name[32];
    test_t              t;
    u_char             *before, *p;
    record_t           *copy;
    ngx_uint_t          i, n, found;
    ngx_rbtree_node_t  *node;

    test_create(&t, 4, TEST_CELLS, 50);
    test_fill(&t);

    before = test_copy(&t);
    p = t.store->cells + T(CELL);
    found = 0;

    for (i = 0; i < TEST_TOKENS; i++) {
        test_token(name, i);

        copy = test_peek_of(&t, name, NULL);
        CHECK(copy != NULL);

        for (n = 0; n < T(CELL); n += 8) {
            memcpy(p + n, copy, T(CELL));
            node = (ngx_rbtree_node_t *) t.store->cells;

            /* all trees begin with the first cell, which leads there */

            memset(node, 0, T(CELL));
            node->left = (ngx_rbtree_node_t *) (void *) (p + n);
            node->right = node->left;
            node->key = copy->node.key + 1;

            memcpy(t.store->roots, before
                                   + ((u_char *) t.store->roots
                                      - (u_char *) t.store),
                   t.store->nroots * sizeof(uint32_t));

            t.store->roots[copy->node.key >> t.store->shift] = 1;

            found += (test_peek_of(&t, name, test_cell) != NULL);
            copy = (record_t *) memcpy(test_buf, p + n, T(CELL));
        }

        memcpy(t.store, before, test_all(&t));
    }

    /* but for those that are where they may be */

    EQUAL(found, TEST_TOKENS);

    free(before);
    test_free(&t);
}


static void
test_broken_at_random(void)
{
    test_t       t;
    size_t       size;
    u_char      *before, *p;
    uint32_t     n;
    ngx_uint_t   i, j;

    test_create(&t, 4, TEST_CELLS, 50);
    test_fill(&t);

    before = test_copy(&t);
    size = test_all(&t);
    n = 1;

    for (i = 0; i < TEST_BROKEN; i++) {

        for (j = 0; j < 8; j++) {
            n = n * 1103515245 + 12345;
            p = t.store->cells + (n >> 8) % (t.store->ncells * T(CELL) - 8);

            n = n * 1103515245 + 12345;

            switch ((n >> 16) % 4) {

            case 0:
                *p = n >> 24;
                break;

            case 1:
                n = n * 1103515245 + 12345;
                n = (n >> 16) % (t.store->ncells + 3);
                memcpy(p, &n, sizeof(uint32_t));
                break;

            case 2:
                memset(p, n >> 24, 8);
                break;

            default:

                /* where nodes have them: to the next cell, or beside it */

                p -= (p - t.store->cells) % sizeof(void *);
                *(u_char **) (void *) p = t.store->cells
                                    + (n >> 8) % (t.store->ncells + 2) * T(CELL)
                                    + (n % 8 ? 0 : n % 256);
            }
        }

        test_peeks(&t);

        if (i % 16 == 0) {
            memcpy(t.store, before, size);
        }
    }

    memcpy(t.store, before, size);

    free(before);
    test_free(&t);
}


/* a copy is where it should be, or there is none */

static void
test_peeks(test_t *t)
{
    char        name[32];
    void       *cell;
    record_t   *copy;
    ngx_uint_t  i, bad;

    bad = 0;

    for (i = 0; i < 2 * TEST_TOKENS; i++) {
        test_token(name, i);

        cell = i % 2 ? test_cell : NULL;
        copy = test_peek_of(t, name, cell);

        bad += (copy && copy != cell && copy != (record_t *) test_buf);
        bad += (copy && copy == cell && copy->next != 0);
    }

    EQUAL(bad, 0);
}
