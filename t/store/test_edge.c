
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


/* what rarely happens */


static void test_found(void);
static void test_sent(void);
static void test_success(void);
static void test_long(void);
static void test_same_node(void);
static void test_other_id(void);


void
test_edges(void)
{
    test_found();
    test_sent();
    test_success();
    test_long();
    test_same_node();
    test_other_id();
}


/* a store that is found again is used only if it is the same in all */

static void
test_found(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);

    EQUAL(store_matches(t.store, 4), 1);
    EQUAL(store_matches(t.store, 5), 0);

    t.store->layout++;
    EQUAL(store_matches(t.store, 4), 0);
    t.store->layout--;

    CHECK(memcmp(store_secret(t.store), env_secret, T(KEY_LEN)) == 0);
    CHECK(store_logged(t.store) == t.store->logged);
    CHECK(store_counters(t.store, 3) == &t.store->workers[3].counters);
    EQUAL(store_overhead(5) - store_overhead(4), sizeof(lease_t));

    test_free(&t);
}


/* until the question is sent, it is held up */

static void
test_sent(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 1, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    ticket = t.reply.ticket;

    EQUAL(store_is_sent(t.store, &ticket), 0);
    store_sent(t.store, &ticket);
    EQUAL(store_is_sent(t.store, &ticket), 1);

    /* the lease is another's */

    test_cancel(&t, ticket);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(store_is_sent(t.store, &t.reply.ticket), 0);
    EQUAL(store_is_sent(t.store, &ticket), 0);
    store_sent(t.store, &ticket);
    EQUAL(store_is_sent(t.store, &t.reply.ticket), 0);

    test_free(&t);
}


/* the last one, even if the clock was set back since the one before it */

static void
test_success(void)
{
    test_t     t;
    figures_t  figures;

    test_create(&t, 1, 64, 50);

    store_succeeded(t.store, 1000000002);
    store_succeeded(t.store, 1000000001);

    store_figures(t.store, &figures);
    EQUAL(figures.totals.success, 1000000001);

    test_free(&t);
}


/* ids that are too long: the facts are not kept, the denial is without it */

static void
test_long(void)
{
    char         id[256];
    test_t       t;
    verdict_t   *v;

    test_create(&t, 4, 64, 50);

    memset(id, 'x', sizeof(id));

    v = &t.verdict;
    v->facts.id.data = (u_char *) id;
    v->facts.id.len = 256;

    test_learn(&t, "opaque", T(PASS));
    EQUAL(t.store->entries[T(FACTS)], 0);

    test_learn(&t, "opaque", T(UNKNOWN));
    EQUAL(test_ask(&t, "opaque"), T(HIT));
    EQUAL(t.reply.verdict.facts.id.len, 0);

    v->facts.id.len = 64;
    test_learn(&t, "another", T(UNKNOWN));
    EQUAL(test_ask(&t, "another"), T(HIT));
    EQUAL(t.reply.verdict.facts.id.len, 64);

    v->facts.id.len = 255;
    test_learn(&t, "yet another", T(PASS));
    EQUAL(test_ask(&t, "yet another"), T(HIT));
    EQUAL(t.reply.verdict.facts.id.len, 255);

    test_free(&t);
}


/* a token without an id that stands where those of the id stand */

static void
test_same_node(void)
{
    test_t      t;
    ngx_uint_t  node_key;

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));

    test_name(&t, "TKN-1/a");
    store_prefetch(t.store, &t.question);
    node_key = t.question.node_key;
    t.question.node_key = 0;

    t.verdict.facts.id.data = (u_char *) "TKN-2";
    t.verdict.facts.id.len = 5;

    test_name(&t, "opaque");
    memcpy(t.question.key, &node_key, sizeof(ngx_uint_t));
    EQUAL(store_ask(t.store, &t.question, &t.reply), T(MISS));

    t.verdict.reason = T(PASS);
    t.verdict.asked = t.question.now;
    EQUAL(store_end(t.store, &t.reply.ticket, &t.question, &t.verdict), NGX_OK);

    EQUAL(test_purge(&t, "TKN-1", NULL), 1);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    test_cancel(&t, t.reply.ticket);

    test_name(&t, "opaque");
    memcpy(t.question.key, &node_key, sizeof(ngx_uint_t));
    EQUAL(store_ask(t.store, &t.question, &t.reply), T(HIT));
    EQUAL(test_purge(&t, "TKN-2", NULL), 1);

    test_free(&t);
}


/* two ids that got one node.key where words have 32 bits */

static void
test_other_id(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-0008-0456/a", T(PASS));
    test_learn(&t, "TKN-0004-0496/a", T(PASS));

    EQUAL(test_purge(&t, "TKN-0008-0456", NULL), 1);
    EQUAL(test_ask(&t, "TKN-0004-0496/a"), T(HIT));

    test_free(&t);
}
