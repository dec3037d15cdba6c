
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"
#include "test_peek.h"
#include "locks.h"
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"


static void test_hit(void);
static void test_hits(test_t *t, void *cell);
static void test_not_there(void);
static void test_writes(void);
static ngx_uint_t test_locks(test_t *t, const char *name, int expected);
static void test_changes(void);
static ngx_uint_t test_changed(test_t *t);
static void test_odd(void);
static record_t *test_record(test_t *t, const char *name);


static u_char  test_bytes[T(MAX_FACTS)];
uint64_t  test_cell[T(CELL) / sizeof(uint64_t)];
uint64_t  test_buf[T(COPY) / sizeof(uint64_t)];


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
    test_peek_broken();
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
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_changed(&t), 1);
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


/* tokens of three ids, with more and more bytes, that were all just used */

void
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


record_t *
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


void
test_token(char *name, ngx_uint_t n)
{
    (void) snprintf(name, 32, "TKN-%d/%d", (int) (n % 3), (int) n);
}


/* all of a store, to be freed */

u_char *
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


size_t
test_all(test_t *t)
{
    return t->store->cells + t->store->ncells * T(CELL) - (u_char *) t->store;
}
