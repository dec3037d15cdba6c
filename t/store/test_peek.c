
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"
#include "locks.h"
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"


#define TEST_CELLS   64
#define TEST_TOKENS  24
#define TEST_BROKEN  20000


static void test_hit(void);
static void test_hits(test_t *t, void *cell);
static void test_not_there(void);
static void test_writes(void);
static ngx_uint_t test_locks(test_t *t, const char *name, int expected);
static void test_changes(void);
static ngx_uint_t test_changed(test_t *t);
static void test_odd(void);
static void test_broken(void);
static void test_break(test_t *t, ngx_uint_t n);
static void test_broken_at_random(void);
static void test_fill(test_t *t);
static void test_peeks(test_t *t);
static record_t *test_peek_of(test_t *t, const char *name, void *cell);
static record_t *test_record(test_t *t, const char *name);
static void test_token(char *name, ngx_uint_t n);
static u_char *test_copy(test_t *t);
static size_t test_all(test_t *t);


static u_char    test_bytes[T(MAX_FACTS)];
static uint64_t  test_cell[T(CELL) / sizeof(uint64_t)];
static uint64_t  test_buf[T(COPY) / sizeof(uint64_t)];


void
test_peek(void)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(test_bytes); i++) {
        test_bytes[i] = i * 11 + i / 253;
    }

    test_hit();
    test_not_there();
    test_writes();
    test_changes();
    test_odd();
    test_broken();
    test_broken_at_random();
}


/* a hit takes no mutex, and writes nothing at all */

static void
test_hit(void)
{
    test_t  t;

    test_create(&t, 4, TEST_CELLS, 50);
    test_fill(&t);

    test_hits(&t, test_cell);
    test_hits(&t, NULL);

    /* one that waited may have what is too old for others */

    t.question.now += 1;
    t.question.valid = 1;
    t.question.again = 1;
    t.question.since = t.question.now - 1;

    test_hits(&t, test_cell);

    test_free(&t);
}


static void
test_hits(test_t *t, void *cell)
{
    char         name[32];
    size_t       size, len;
    u_char      *before;
    ngx_str_t   *facts;
    ngx_uint_t   i;

    before = test_copy(t);
    size = test_all(t);

    for (i = 0; i < TEST_TOKENS; i++) {
        test_token(name, i);

        locks_hold(t->store->mutex);
        locks_taken = 0;
        t->reply.cell = cell;

        EQUAL(test_ask(t, name), T(HIT));
        EQUAL(locks_taken, 0);

        locks_free(t->store->mutex);

        EQUAL(memcmp(t->store, before, size), 0);

        len = i * i;
        facts = &t->reply.verdict.facts.name;

        EQUAL(t->reply.verdict.reason, T(PASS));
        EQUAL(facts->len, len);
        EQUAL(memcmp(facts->data, test_bytes + i, len), 0);
        EQUAL(t->reply.cell == NULL, cell == NULL
                                     || len > T(CELL)
                                              - offsetof(record_t, data));
    }

    EQUAL(t->store->sequence % 2, 0);

    free(before);
}


/* what is not there is not found, whoever its neighbours are */

static void
test_not_there(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, TEST_CELLS, 50);

    CHECK(test_peek_of(&t, "TKN-1/0", test_cell) == NULL);

    test_fill(&t);

    for (i = 0; i < TEST_TOKENS; i++) {
        test_token(name, i);
        CHECK(test_peek_of(&t, name, test_cell) != NULL);

        test_token(name, TEST_TOKENS + i);
        CHECK(test_peek_of(&t, name, test_cell) == NULL);
    }

    test_purge(&t, "TKN-1", NULL);

    for (i = 0; i < TEST_TOKENS; i++) {
        test_token(name, i);
        EQUAL(test_peek_of(&t, name, test_cell) != NULL, i % 3 != 1);
    }

    (void) test_purge(&t, NULL, NULL);

    for (i = 0; i < TEST_TOKENS; i++) {
        test_token(name, i);
        CHECK(test_peek_of(&t, name, test_cell) == NULL);
    }

    test_free(&t);
}


/* what has to write takes the mutex */

static void
test_writes(void)
{
    test_t  t;

    test_create(&t, 4, TEST_CELLS, 50);

    EQUAL(test_locks(&t, "TKN-1/a", T(MISS)), 1);
    EQUAL(test_locks(&t, "TKN-1/a", T(WAIT)), 1);
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    test_learn(&t, "TKN-2/a", T(PASS));
    test_learn(&t, "TKN-3/a", T(UNKNOWN));

    /* the first use in a second, of the last used and of another */

    t.question.now += 1024;

    EQUAL(test_locks(&t, "TKN-2/a", T(HIT)), 1);
    EQUAL(test_locks(&t, "TKN-2/a", T(HIT)), 0);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 1);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);
    EQUAL(test_locks(&t, "TKN-2/a", T(HIT)), 0);

    CHECK(ngx_queue_head(&t.store->facts)
          == &test_record(&t, "TKN-1/a")->queue);

    /* denials are always moved */

    EQUAL(test_locks(&t, "TKN-3/a", T(HIT)), 1);
    EQUAL(test_locks(&t, "TKN-3/a", T(HIT)), 1);

    /* a place in the queue is given back */

    t.question.queued = 1;
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 1);
    t.question.queued = 0;
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    /* a refresh that is due, and that is not */

    t.question.refresh = 1;
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    t.question.now += t.question.valid - 1024 - 1;
    t.question.refresh = 0;
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 1);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    t.question.refresh = 1;
    EQUAL(test_locks(&t, "TKN-1/a", T(REFRESH)), 1);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);
    test_cancel(&t, t.reply.ticket);

    /* too old */

    t.question.refresh = 0;
    t.question.now += 1;
    EQUAL(test_locks(&t, "TKN-1/a", T(MISS)), 1);

    test_free(&t);
}


static ngx_uint_t
test_locks(test_t *t, const char *name, int expected)
{
    ngx_uint_t  n;

    locks_hold(t->store->mutex);
    locks_taken = 0;

    EQUAL(test_ask(t, name), expected);

    n = locks_taken;
    locks_free(t->store->mutex);

    return n;
}


/* whatever changes what others may be reading moves the sequence on */

static void
test_changes(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 2, TEST_CELLS, 50);

    store_limits(t.store, 2, 50);

    EQUAL(test_changed(&t), 0);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_changed(&t), 1);
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_changed(&t), 1);

    test_learn(&t, "TKN-2/a", T(PASS));
    (void) test_changed(&t);

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_OK);
    EQUAL(test_changed(&t), 0);

    /* moved in the queue; only the byte of the second is written otherwise */

    t.question.now += 1024;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_changed(&t), 1);
    t.question.now += 1024;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_changed(&t), 0);
    EQUAL(test_stale(&t, "TKN-2/a"), NGX_OK);
    EQUAL(test_changed(&t), 1);

    t.question.now += t.question.valid - 2048 - 1;
    t.question.refresh = 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    EQUAL(test_changed(&t), 1);
    test_cancel(&t, t.reply.ticket);
    t.question.refresh = 0;

    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    ticket = t.reply.ticket;
    EQUAL(test_ask(&t, "TKN-4/a"), T(MISS));
    (void) test_changed(&t);

    EQUAL(test_queue(&t, "TKN-5/a", 7, 0), T(QUEUE));
    EQUAL(test_changed(&t), 1);
    store_unqueue(t.store, 7);
    EQUAL(test_changed(&t), 1);
    store_unqueue(t.store, 7);
    EQUAL(test_changed(&t), 0);

    EQUAL(test_end_of(&t, ticket, "TKN-3/a", T(UNKNOWN)), NGX_OK);
    EQUAL(test_changed(&t), 1);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(HIT));
    EQUAL(test_changed(&t), 0);

    /* one by one where there are few, or all at once */

    EQUAL(test_purge(&t, "TKN-1", NULL), 1);
    EQUAL(test_changed(&t), 2);
    EQUAL(test_purge(&t, NULL, NULL), 2);
    EQUAL(test_changed(&t), 1);

    ngx_str_set(&t.verdict.facts.account_id, "ACC-1");
    test_learn(&t, "TKN-1/a", T(PASS));
    (void) test_changed(&t);
    EQUAL(test_purge(&t, NULL, "ACC-1"), 1);
    EQUAL(test_changed(&t), 2);

    test_learn(&t, "TKN-1/a", T(PASS));
    (void) test_changed(&t);
    store_tidy(t.store, t.question.now + T(TIDY));
    EQUAL(test_changed(&t), 1);
    store_tidy(t.store, t.question.now + T(TIDY) + 1);
    EQUAL(test_changed(&t), 2);
    EQUAL(t.store->entries[T(FACTS)], 0);

    /* what a process left half changed is emptied while it is still odd */

    t.store->sequence |= 1;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);
    EQUAL(test_changed(&t), 1);
    EQUAL(t.store->totals.resets, 1);

    test_free(&t);
}


/* how often the store was changed since the last call */

static ngx_uint_t
test_changed(test_t *t)
{
    ngx_uint_t                n;
    static ngx_atomic_uint_t  sequence;

    EQUAL(t->store->sequence % 2, 0);

    n = (t->store->sequence - sequence) / 2;
    sequence = t->store->sequence;

    return n;
}


/* nobody reads what is being changed, or was left half changed */

static void
test_odd(void)
{
    test_t  t;

    test_create(&t, 4, TEST_CELLS, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    t.store->sequence++;
    CHECK(test_peek_of(&t, "TKN-1/a", test_cell) == NULL);
    CHECK(test_peek_of(&t, "TKN-1/a", NULL) == NULL);

    t.store->sequence++;
    CHECK(test_peek_of(&t, "TKN-1/a", test_cell) != NULL);
    EQUAL(test_locks(&t, "TKN-1/a", T(HIT)), 0);

    t.store->sequence++;
    EQUAL(test_locks(&t, "TKN-1/a", T(MISS)), 1);
    EQUAL(t.store->sequence % 2, 0);
    EQUAL(t.store->totals.resets, 1);

    test_free(&t);
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

            if (n >= 12) {
                record = (record_t *) cell;
                record->next = i;
                cell->next = i;
            }
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

        record->next = next;
        memset(record->len, 0xff, sizeof(record->len));
        memset(record->short_len, 0xff, sizeof(record->short_len));

        if (n % 2) {
            cell->next = next;
        }
    }

    if (n % 3 == 0) {
        for (i = 0; i < t->store->nroots; i++) {
            t->store->roots[i] = next ? next : t->store->ncells + 1;
        }
    }
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


/* tokens of three ids, with more and more bytes, that were all just used */

static void
test_fill(test_t *t)
{
    char        name[32];
    ngx_uint_t  i;

    for (i = 0; i < TEST_TOKENS; i++) {
        t->verdict.facts.name.data = test_bytes + i;
        t->verdict.facts.name.len = i * i;

        test_token(name, i);
        test_learn(t, name, T(PASS));
    }

    EQUAL(t->store->totals.evicted[T(FACTS)], 0);
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


static record_t *
test_peek_of(test_t *t, const char *name, void *cell)
{
    ngx_uint_t   node_key, locks;
    record_t    *copy;

    test_name(t, name);

    locks = locks_taken;
    node_key = ngx_http_auth_api_token_index_node_key(&t->question.id,
                                                      t->question.key);

    copy = ngx_http_auth_api_token_peek(t->store, node_key, t->question.key,
                                        cell, test_buf);

    if (locks_taken != locks) {
        EQUAL(locks_taken, locks);
    }

    return copy;
}


static record_t *
test_record(test_t *t, const char *name)
{
    test_name(t, name);

    return ngx_http_auth_api_token_index_find(t->store,
                ngx_http_auth_api_token_index_node_key(&t->question.id,
                                                       t->question.key),
                t->question.key);
}


static void
test_token(char *name, ngx_uint_t n)
{
    (void) snprintf(name, 32, "TKN-%d/%d", (int) (n % 3), (int) n);
}


/* all of a store, to be freed */

static u_char *
test_copy(test_t *t)
{
    u_char  *p;

    p = malloc(test_all(t));

    if (p == NULL) {
        perror("malloc()");
        exit(1);
    }

    return memcpy(p, t->store, test_all(t));
}


static size_t
test_all(test_t *t)
{
    return t->store->cells + t->store->ncells * T(CELL) - (u_char *) t->store;
}
