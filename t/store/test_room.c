
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


static void test_sizes(void);
static void test_size(test_t *t, size_t size);
static void test_sized(test_t *t, const char *name, size_t size);
static void test_lru(void);
static void test_share(void);
static void test_share_changed(void);
static void test_reserve(void);
static void test_give_way(void);
static void test_large_evicts(void);
static void test_capacity(ngx_uint_t lookups);
static void test_too_small(void);
static void test_marked(void);
static void test_marked_waiting(void);


static u_char  test_bytes[T(MAX_FACTS) + 64];


void
test_room(void)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(test_bytes); i++) {
        test_bytes[i] = i * 7 + i / 251;
    }

    test_sizes();
    test_lru();
    test_share();
    test_share_changed();
    test_reserve();
    test_give_way();
    test_large_evicts();
    test_capacity(40);
    test_capacity(64);
    test_too_small();
    test_marked();
    test_marked_waiting();
}


static void
test_sizes(void)
{
    test_t      t;
    size_t      first, more;
    ngx_uint_t  i;

    first = T(CELL) - offsetof(record_t, data);
    more = T(CELL) - sizeof(uint32_t);

    test_create(&t, 4, 64, 50);

    for (i = 0; i < 20; i++) {
        test_size(&t, i);
    }

    for (i = 0; first + i * more + 1 < T(MAX_FACTS); i++) {
        test_size(&t, first + i * more - 1);
        test_size(&t, first + i * more);
        test_size(&t, first + i * more + 1);
    }

    test_size(&t, T(MAX_FACTS) - 1);
    test_size(&t, T(MAX_FACTS));

    /* used, and not kept; and what there was is not true any more */

    test_sized(&t, "TKN-1/a", 10);
    t.question.now += t.question.valid;
    test_sized(&t, "TKN-1/a", T(MAX_FACTS) + 1);
    EQUAL(t.store->entries[T(FACTS)], 0);
    EQUAL(t.store->used[T(FACTS)], 0);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


static void
test_size(test_t *t, size_t size)
{
    size_t      first, more;
    ngx_str_t  *value, *expected;
    ngx_uint_t  i, cells;

    first = T(CELL) - offsetof(record_t, data);
    more = T(CELL) - sizeof(uint32_t);

    cells = size <= first ? 1 : 1 + (size - first + more - 1) / more;

    test_sized(t, "TKN-1/a", size);

    EQUAL(t->store->used[T(FACTS)], cells);


    EQUAL(test_ask(t, "TKN-1/a"), T(HIT));

    value = (ngx_str_t *) &t->reply.verdict.facts;
    expected = (ngx_str_t *) &t->verdict.facts;

    /* the id is claimed, and takes no place */

    for (i = 1; i < T(STRINGS); i++) {
        EQUAL(value[i].len, expected[i].len);
        CHECK(value[i].len == 0
              || memcmp(value[i].data, expected[i].data, value[i].len) == 0);
    }

    EQUAL(test_purge(t, "TKN-1", NULL), 1);
    EQUAL(t->store->nfree, t->store->ncells);
}


/* the strings have so many bytes together, each at another place */

static void
test_sized(test_t *t, const char *name, size_t size)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *value;
    ngx_uint_t  i;

    value = (ngx_str_t *) &t->verdict.facts;
    p = test_bytes;

    ngx_str_set(&value[0], "an id");

    for (i = 1; i < T(STRINGS); i++) {
        len = (i == T(STRINGS) - 1) ? size : size / 3;

        if (i < T(SHORT)) {
            len = ngx_min(len, 255);
        }

        value[i].data = p;
        value[i].len = len;

        p += len;
        size -= len;
    }

    test_learn(t, name, T(PASS));
}


static void
test_lru(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 64, 50);

    /* eight are left for others */

    for (i = 0; i < 56; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(PASS));
    }

    EQUAL(t.store->entries[T(FACTS)], 56);

    t.question.now += 2000;

    EQUAL(test_ask(&t, "TKN-0/a"), T(HIT));
    EQUAL(test_stale(&t, "TKN-2/a"), NGX_OK);
    CHECK(ngx_queue_next(ngx_queue_head(&t.store->facts))
          == &((record_t *) t.store->cells)->queue);

    /* not again within a second */

    EQUAL(test_ask(&t, "TKN-0/a"), T(HIT));
    CHECK(ngx_queue_next(ngx_queue_head(&t.store->facts))
          == &((record_t *) t.store->cells)->queue);

    t.question.now += 100;
    test_learn(&t, "TKN-100/a", T(PASS));
    EQUAL(t.store->totals.evicted[T(FACTS)], 1);
    EQUAL(t.store->totals.evicted_age, 2100);
    test_learn(&t, "TKN-101/a", T(PASS));

    EQUAL(t.store->entries[T(FACTS)], 56);
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);
    EQUAL(test_stale(&t, "TKN-3/a"), NGX_DECLINED);

    /* the others are still there, in order */

    for (i = 4; i < 56; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i + 100);
        test_learn(&t, name, T(PASS));

        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        EQUAL(test_stale(&t, name), NGX_DECLINED);
    }

    EQUAL(test_stale(&t, "TKN-0/a"), NGX_OK);
    EQUAL(test_stale(&t, "TKN-2/a"), NGX_OK);
    EQUAL(t.store->totals.evicted[T(FACTS)], 54);

    test_free(&t);
}


/* denials and budgets have a share, and their own order */

static void
test_share(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 100, 10);

    EQUAL(t.store->max_denied, 10);

    test_learn(&t, "TKN-1000/a", T(PASS));

    for (i = 0; i < 500; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
        CHECK(t.store->used[T(DENIAL)] <= 10);

        EQUAL(test_ask(&t, name), T(HIT));
        EQUAL(test_ask(&t, "TKN-0/a"), T(HIT));
    }

    EQUAL(t.store->entries[T(DENIAL)], 10);
    EQUAL(t.store->totals.evicted[T(DENIAL)], 490);
    EQUAL(test_ask(&t, "TKN-1000/a"), T(HIT));

    /* an account that is too long is not kept */

    t.verdict.facts.account_id.data = test_bytes;
    t.verdict.facts.account_id.len = 64;
    test_learn(&t, "TKN-2000/a", T(DISABLED));
    EQUAL(test_ask(&t, "TKN-2000/a"), T(HIT));
    EQUAL(t.reply.verdict.facts.account_id.len, 64);
    EQUAL(t.store->used[T(DENIAL)], 10);

    t.verdict.facts.account_id.len = 65;
    test_learn(&t, "TKN-2001/a", T(DISABLED));
    EQUAL(test_ask(&t, "TKN-2001/a"), T(HIT));
    EQUAL(t.reply.verdict.facts.account_id.len, 0);
    EQUAL(t.store->used[T(DENIAL)], 10);

    /* a budget in the same place; others are evicted for it */

    t.question.budget = &t.budget;
    t.budget.rate = 1;
    t.budget.burst = 100;
    test_learn(&t, "TKN-3000/a", T(UNKNOWN));
    EQUAL(t.store->entries[T(DENIAL)], 9);
    EQUAL(t.store->entries[T(BUDGET)], 1);

    test_free(&t);
}


/* a share that becomes smaller is kept to from the next denial on */

static void
test_share_changed(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 100, 10);

    store_limits(t.store, 0, 30);
    EQUAL(t.store->max_denied, 30);

    for (i = 0; i < 50; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
    }

    EQUAL(t.store->entries[T(DENIAL)], 30);

    store_limits(t.store, 0, 5);
    test_learn(&t, "TKN-100/a", T(UNKNOWN));
    EQUAL(t.store->entries[T(DENIAL)], 8);
    EQUAL(test_ask(&t, "TKN-49/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-42/a"), T(MISS));

    /* never less than the reserve */

    store_limits(t.store, 0, 0);
    EQUAL(t.store->max_denied, 8);
    test_learn(&t, "TKN-101/a", T(UNKNOWN));
    EQUAL(test_ask(&t, "TKN-101/a"), T(HIT));
    EQUAL(t.store->entries[T(DENIAL)], 8);

    test_free(&t);
}


/* a full zone: facts stay, and a denial is known all the same */

static void
test_reserve(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i, n;

    test_create(&t, 4, 1280, 20);

    EQUAL(t.store->reserve, 10);

    n = 1270;

    for (i = 0; i < 2000; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(PASS));
        CHECK(t.store->used[T(FACTS)] <= n);
    }

    EQUAL(t.store->entries[T(FACTS)], n);
    EQUAL(t.store->totals.evicted[T(FACTS)], 2000 - n);

    for (i = 0; i < 1000; i++) {
        (void) snprintf(name, sizeof(name), "BAD-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
        EQUAL(test_ask(&t, name), T(HIT));
        EQUAL(t.store->entries[T(FACTS)], n);
    }

    EQUAL(t.store->entries[T(DENIAL)], 10);

    for (i = 2000 - n; i < 2000; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        EQUAL(test_ask(&t, name), T(HIT));
    }

    test_free(&t);
}


/* facts take what denials have beyond the reserve */

static void
test_give_way(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 1280, 20);

    for (i = 0; i < 300; i++) {
        (void) snprintf(name, sizeof(name), "BAD-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
    }

    EQUAL(t.store->entries[T(DENIAL)], 256);

    for (i = 0; i < 1270; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(PASS));
        EQUAL(t.store->entries[T(FACTS)], i + 1);
    }

    EQUAL(t.store->entries[T(DENIAL)], 10);
    EQUAL(t.store->totals.evicted[T(FACTS)], 0);

    /* the last of them stay */

    for (i = 290; i < 300; i++) {
        (void) snprintf(name, sizeof(name), "BAD-%d/a", (int) i);
        EQUAL(test_ask(&t, name), T(HIT));
    }

    test_learn(&t, "TKN-2000/a", T(PASS));
    EQUAL(t.store->entries[T(DENIAL)], 10);
    EQUAL(t.store->totals.evicted[T(FACTS)], 1);

    test_free(&t);
}


static void
test_large_evicts(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 64, 50);

    for (i = 0; i < 100; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_sized(&t, name, i * 1237 % (T(MAX_FACTS) + 1));
        EQUAL(test_ask(&t, name), T(HIT));
        CHECK(t.store->used[T(FACTS)] <= 63);
    }

    test_sized(&t, "TKN-1000/a", T(MAX_FACTS));
    test_sized(&t, "TKN-1001/a", T(MAX_FACTS));
    test_sized(&t, "TKN-1002/a", T(MAX_FACTS));
    EQUAL(t.store->used[T(FACTS)], 51);
    EQUAL(test_ask(&t, "TKN-1000/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1001/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1002/a"), T(HIT));

    test_free(&t);
}


/* what nginx leaves of a zone of 1 MiB */

static void
test_capacity(ngx_uint_t lookups)
{
    char          name[32];
    test_t        t;
    size_t        size;
    void         *p;
    ngx_uint_t    i, n;
    ngx_shmtx_t  *mutex;

    test_create(&t, 4, 64, 50);
    mutex = t.store->mutex;
    test_free(&t);

    /* what nginx and the directive make of 1m: whole pages, least with 40 */

    size = (1024 * 1024 + store_overhead(lookups)) / 4096 * 4096 - 2 * 4096;
    p = malloc(size);
    CHECK(p != NULL);

    t.store = store_create(p, size, mutex, env_secret, lookups, 0, 10);
    CHECK(t.store != NULL);

    ngx_str_set(&t.verdict.facts.name, "a name of 20 letters");
    ngx_str_set(&t.verdict.facts.account_id, "ACC-1234-5678");
    ngx_str_set(&t.verdict.facts.account_name, "an account of twenty");
    ngx_str_set(&t.verdict.facts.account_type, "Vendor");
    ngx_str_set(&t.verdict.facts.modules, "MOD-0478,MOD-1756,MOD-9042");
    ngx_str_set(&t.verdict.facts.codes,
                "new-marketplace,access-management,account-management");
    ngx_str_set(&t.verdict.facts.extensions,
                NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL);

    EQUAL(t.verdict.facts.name.len, 20);
    EQUAL(t.verdict.facts.account_id.len, 13);
    EQUAL(t.verdict.facts.account_name.len, 20);
    EQUAL(t.verdict.facts.account_type.len, 6);

    for (i = 0; i < 4000; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(PASS));
    }

    for (n = 0, i = 0; i < 4000; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        n += (test_ask(&t, name) == T(HIT));
    }

    EQUAL(n, 4000);
    EQUAL(t.store->totals.evicted[T(FACTS)], 0);

    test_free(&t);
}


static void
test_too_small(void)
{
    u_char       *p;
    size_t        size, limit;
    store_t      *store;
    ngx_shmtx_t  *mutex;

    mutex = env_mutex();
    limit = env_size(4, 64);

    for (size = 0; size < limit; size += (size + 300 < limit) ? 97 : 1) {
        p = malloc(size + 1);
        CHECK(p != NULL);

        EQUAL(store_create(p, size, mutex, env_secret, 4, 0, 10) == NULL, 1);

        free(p);
    }

    p = malloc(limit);
    CHECK(p != NULL);

    store = store_create(p, limit, mutex, env_secret, 4, 0, 10);
    CHECK(store != NULL);
    EQUAL(store->ncells, 64);

    free(p);
}


/* the mark of a process that died while it changed the store */

static void
test_marked(void)
{
    char        name[32];
    test_t      t;
    u_char      secret[T(KEY_LEN)];
    ticket_t    ticket;
    ngx_uint_t  i;

    test_create(&t, 4, 64, 50);

    for (i = 0; i < 40; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, i % 4 ? T(PASS) : T(UNKNOWN));
    }

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-50/a"), T(MISS));
    ticket = t.reply.ticket;

    memcpy(secret, t.store->secret, T(KEY_LEN));

    /* half of something */

    memset(&t.store->facts, 0xa5, sizeof(ngx_queue_t));
    memset(t.store->roots, 0x5a, sizeof(uint32_t));
    memset(t.store->cells, 0x77, 20 * T(CELL));
    t.store->nfree = 12345;
    t.store->sequence |= 1;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    EQUAL(t.store->sequence % 2, 0);
    EQUAL(t.store->totals.resets, 1);
    EQUAL(memcmp(secret, t.store->secret, T(KEY_LEN)), 0);
    EQUAL(t.store->entries[T(FACTS)], 0);
    EQUAL(t.store->entries[T(DENIAL)], 0);
    EQUAL(t.store->used[T(FACTS)], 0);
    EQUAL(t.store->nfree, 64);

    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    EQUAL(test_poll(&t, ticket), NGX_DECLINED);
    EQUAL(test_end_of(&t, ticket, "TKN-50/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-50/a"), T(MISS));
    EQUAL(t.store->totals.resets, 1);

    test_free(&t);
}


/* every function that takes the mutex looks for the mark */

static void
test_marked_waiting(void)
{
    test_t      t;
    ticket_t    ticket;
    figures_t   figures;
    ngx_uint_t  i;

    for (i = 0; i < 6; i++) {
        test_create(&t, 4, 64, 50);

        test_learn(&t, "TKN-1/a", T(PASS));
        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        ticket = t.reply.ticket;

        t.store->sequence |= 1;

        switch (i) {

        case 0:
            EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);
            break;

        case 1:
            EQUAL(test_end_of(&t, ticket, "TKN-2/a", T(PASS)), NGX_DECLINED);
            break;

        case 2:
            test_cancel(&t, ticket);
            break;

        case 3:
            t.question.now += 10000;
            EQUAL(test_poll(&t, ticket), NGX_DECLINED);
            break;

        case 4:
            EQUAL(test_purge(&t, "TKN-1", NULL), 0);
            break;

        default:
            store_figures(t.store, &figures);
            EQUAL(figures.in_flight, 0);
            EQUAL(figures.entries[T(FACTS)], 0);
        }

        EQUAL(t.store->sequence % 2, 0);
        EQUAL(t.store->totals.resets, 1);
        EQUAL(t.store->entries[T(FACTS)], 0);
        EQUAL(test_end_of(&t, ticket, "TKN-2/a", T(PASS)), NGX_DECLINED);

        test_free(&t);
    }
}
