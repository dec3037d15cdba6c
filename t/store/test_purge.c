
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


static void test_client(test_t *t, const char *name, ngx_uint_t rate,
    ngx_uint_t burst);
static void test_burst(void);
static void test_in_flight(void);
static void test_charged(void);
static void test_by_id(void);
static void test_opaque(void);
static void test_by_account(void);
static void test_all(void);
static void test_many(void);
static void test_meanwhile(void);
static void test_batches(void);


void
test_budgets(void)
{
    test_burst();
    test_in_flight();
    test_charged();
}


static void
test_client(test_t *t, const char *name, ngx_uint_t rate, ngx_uint_t burst)
{
    env_key(t->budget.key, name);

    t->budget.rate = rate;
    t->budget.burst = burst;

    t->question.budget = &t->budget;
}


static void
test_burst(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);

    /* three at once, and one in two seconds */

    test_client(&t, "client", 500, 3);

    for (i = 0; i < 3; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
    }

    EQUAL(test_ask(&t, "TKN-9/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(LIMITED));
    EQUAL(t.reply.verdict.retry_after, 3);

    /* what is known is known, and others are others */

    EQUAL(test_ask(&t, "TKN-0/a"), T(HIT));
    EQUAL(t.store->entries[T(BUDGET)], 1);

    test_client(&t, "another", 500, 3);
    EQUAL(test_ask(&t, "TKN-9/a"), T(MISS));
    test_cancel(&t, t.reply.ticket);

    t.question.budget = NULL;
    EQUAL(test_ask(&t, "TKN-9/a"), T(MISS));
    test_cancel(&t, t.reply.ticket);

    test_client(&t, "client", 500, 3);

    t.question.now += 1000;
    EQUAL(test_ask(&t, "TKN-9/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 2);

    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-9/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 1);

    t.question.now += 1;
    test_learn(&t, "TKN-9/a", T(UNKNOWN));
    EQUAL(test_ask(&t, "TKN-8/a"), T(STOP));

    /* empty after so long, and not emptier after longer */

    t.question.now += 60000;

    for (i = 20; i < 23; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        test_learn(&t, name, T(UNKNOWN));
    }

    EQUAL(test_ask(&t, "TKN-24/a"), T(STOP));

    /* a clock that is behind leaks nothing */

    t.question.now -= 100000;
    EQUAL(test_ask(&t, "TKN-24/a"), T(STOP));

    /* one that waits for another asks nothing */

    t.question.budget = NULL;
    EQUAL(test_ask(&t, "TKN-24/a"), T(MISS));
    t.question.budget = &t.budget;
    EQUAL(test_ask(&t, "TKN-24/a"), T(WAIT));

    test_free(&t);
}


static void
test_in_flight(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 16, 64, 50);

    test_client(&t, "client", 1000, 3);

    /* a crowd of which none was denied */

    for (i = 0; i < 10; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
        EQUAL(test_ask(&t, name), T(MISS));
    }

    /* the first that is: those on their way count, and are too many */

    EQUAL(test_end(&t, name, T(UNKNOWN)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-20/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(LIMITED));
    EQUAL(t.reply.verdict.retry_after, 9);

    /* those of another do not */

    test_client(&t, "another", 1000, 3);
    test_learn(&t, "TKN-21/a", T(UNKNOWN));
    EQUAL(test_ask(&t, "TKN-22/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-23/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-24/a"), T(STOP));

    /* and those that were given up do not */

    test_client(&t, "client", 1000, 3);
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-20/a"), T(STOP));
    t.question.now += t.question.timeout + 999;
    EQUAL(test_ask(&t, "TKN-20/a"), T(MISS));

    test_free(&t);
}


/* denials only */

static void
test_charged(void)
{
    test_t      t;
    ngx_uint_t  reason;

    test_create(&t, 4, 64, 50);

    test_client(&t, "client", 1, 1);

    test_learn(&t, "TKN-1/a", T(PASS));
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/b", 0), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    test_cancel(&t, t.reply.ticket);

    EQUAL(t.store->entries[T(BUDGET)], 0);
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));

    /* not if it may not be believed */

    EQUAL(test_purge(&t, "TKN-1", NULL), 1);
    EQUAL(test_end(&t, "TKN-1/b", T(UNKNOWN)), NGX_DECLINED);
    EQUAL(t.store->entries[T(BUDGET)], 0);

    test_free(&t);

    for (reason = T(UNKNOWN); reason <= T(UNREADABLE); reason++) {
        test_create(&t, 4, 64, 50);

        test_client(&t, "client", 1, 1);
        test_learn(&t, "TKN-1/a", reason);
        EQUAL(t.store->entries[T(BUDGET)], 1);
        EQUAL(test_ask(&t, "TKN-1/b"), T(STOP));
        EQUAL(t.reply.verdict.reason, T(LIMITED));
        EQUAL(t.reply.verdict.retry_after, 1001);

        test_free(&t);
    }
}


void
test_purges(void)
{
    test_by_id();
    test_opaque();
    test_by_account();
    test_all();
    test_many();
    test_meanwhile();
    test_batches();
}


static void
test_by_id(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    test_learn(&t, "TKN-1/b", T(PASS));
    test_learn(&t, "TKN-1/c", T(UNKNOWN));
    test_learn(&t, "TKN-2/a", T(PASS));
    test_learn(&t, "TKN-2/b", T(UNKNOWN));

    EQUAL(test_purge(&t, "TKN-3", NULL), 0);
    EQUAL(test_purge(&t, "TKN-", NULL), 0);
    EQUAL(test_purge(&t, "TKN-1", NULL), 3);

    EQUAL(test_ask(&t, "TKN-2/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-2/b"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    EQUAL(test_ask(&t, "TKN-1/c"), T(MISS));

    t.question.stale = 100000;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    EQUAL(t.store->totals.purges, 3);
    EQUAL(t.store->totals.purged, 3);

    test_free(&t);
}


/* tokens that claim no id are found by that of their facts */

static void
test_opaque(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 4, 64, 50);

    ngx_str_set(&t.verdict.facts.id, "TKN-1");

    test_learn(&t, "one", T(PASS));
    test_learn(&t, "TKN-1/a", T(PASS));

    ngx_str_set(&t.verdict.facts.id, "TKN-2");

    test_learn(&t, "two", T(PASS));

    EQUAL(t.store->opaque, 2);
    EQUAL(test_ask(&t, "one"), T(HIT));
    EQUAL(t.reply.verdict.facts.id.len, 5);
    EQUAL(memcmp(t.reply.verdict.facts.id.data, "TKN-1", 5), 0);

    EQUAL(test_purge(&t, "TKN-1", NULL), 2);
    EQUAL(t.store->opaque, 1);
    EQUAL(test_ask(&t, "two"), T(HIT));
    EQUAL(memcmp(t.reply.verdict.facts.id.data, "TKN-2", 5), 0);
    EQUAL(test_ask(&t, "one"), T(MISS));

    /* nobody knows whose lookup that is */

    ticket = t.reply.ticket;
    EQUAL(test_purge(&t, "TKN-3", NULL), 0);
    EQUAL(test_end_of(&t, ticket, "one", T(PASS)), NGX_DECLINED);

    test_free(&t);
}


static void
test_by_account(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 4, 64, 50);

    ngx_str_set(&t.verdict.facts.account_id, "ACC-1");

    test_learn(&t, "TKN-1/a", T(PASS));
    test_learn(&t, "TKN-2/a", T(ACCOUNT_DISABLED));
    test_learn(&t, "opaque", T(PASS));

    ngx_str_set(&t.verdict.facts.account_id, "ACC-11");

    test_learn(&t, "TKN-3/a", T(PASS));

    ngx_str_null(&t.verdict.facts.account_id);

    test_learn(&t, "TKN-4/a", T(PASS));

    EQUAL(test_ask(&t, "TKN-5/a"), T(MISS));
    ticket = t.reply.ticket;

    EQUAL(test_purge(&t, NULL, "ACC-1"), 3);

    EQUAL(test_ask(&t, "TKN-3/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-4/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    /* any lookup may be about that account */

    EQUAL(test_end_of(&t, ticket, "TKN-5/a", T(PASS)), NGX_DECLINED);

    test_free(&t);
}


static void
test_all(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 4, 64, 50);

    t.question.budget = &t.budget;
    t.budget.rate = 1;
    t.budget.burst = 10;

    test_learn(&t, "TKN-1/a", T(PASS));
    test_learn(&t, "TKN-2/a", T(UNKNOWN));
    test_learn(&t, "opaque", T(PASS));
    EQUAL(t.store->entries[T(BUDGET)], 1);

    EQUAL(test_ask(&t, "TKN-5/a"), T(MISS));
    ticket = t.reply.ticket;

    EQUAL(test_purge(&t, NULL, NULL), 3);
    EQUAL(t.store->entries[T(FACTS)], 0);
    EQUAL(t.store->entries[T(DENIAL)], 0);
    EQUAL(t.store->totals.resets, 0);
    EQUAL(test_end_of(&t, ticket, "TKN-5/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_purge(&t, NULL, NULL), 0);

    test_free(&t);
}


/* records of one id, and of others around it */

static void
test_many(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 4096, 50);

    for (i = 0; i < 1500; i++) {
        (void) snprintf(name, sizeof(name), "TKN-1/%d", (int) i);
        test_learn(&t, name, i % 4 ? T(PASS) : T(UNKNOWN));

        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i + 2);
        test_learn(&t, name, T(PASS));
    }

    EQUAL(test_purge(&t, "TKN-1", NULL), 1500);
    EQUAL(t.store->entries[T(FACTS)], 1500);
    EQUAL(t.store->entries[T(DENIAL)], 0);

    for (i = 0; i < 1500; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i + 2);
        EQUAL(test_ask(&t, name), T(HIT));
    }

    EQUAL(test_purge(&t, "TKN-1", NULL), 0);
    EQUAL(test_purge(&t, "TKN-1501", NULL), 1);

    test_free(&t);
}


/* a purge wins over a lookup that began before it */

static void
test_meanwhile(void)
{
    test_t      t;
    ticket_t    first, second, other;
    ngx_uint_t  i;

    for (i = 0; i < 3; i++) {
        test_create(&t, 8, 64, 50);

        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        other = t.reply.ticket;
        EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
        first = t.reply.ticket;
        EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));

        if (i == 0) {
            EQUAL(test_purge(&t, "TKN-1", NULL), 0);

        } else if (i == 1) {
            EQUAL(test_purge(&t, NULL, "ACC-1"), 0);

        } else {
            EQUAL(test_purge(&t, NULL, NULL), 0);
        }

        /* one that waited asks again, and does not wait for the old one */

        EQUAL(test_poll(&t, first), NGX_DECLINED);
        EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
        second = t.reply.ticket;
        CHECK(second.seq != first.seq);
        EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));
        EQUAL(t.reply.ticket.seq, second.seq);

        EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_DECLINED);
        EQUAL(t.store->entries[T(FACTS)], 0);
        EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));

        EQUAL(test_end_of(&t, second, "TKN-1/a", T(DISABLED)), NGX_OK);
        EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
        EQUAL(t.reply.verdict.reason, T(DISABLED));

        /* of another id it is not lost, if that can be told */

        EQUAL(test_end_of(&t, other, "TKN-2/a", T(PASS)),
              i == 0 ? NGX_OK : NGX_DECLINED);

        test_free(&t);
    }

    /* a refresh, too */

    test_create(&t, 8, 64, 50);

    t.question.refresh = 1;
    test_learn(&t, "TKN-1/a", T(PASS));
    t.question.now += 14000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    first = t.reply.ticket;

    EQUAL(test_purge(&t, "TKN-1", NULL), 1);
    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


/* budgets stay, and are no verdicts; more than a batch of all sorts */

static void
test_batches(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i, n;

    for (n = 0; n <= 126; n += 7) {
        test_create(&t, 4, 512, 50);

        t.question.budget = &t.budget;
        t.budget.rate = 1000000;
        t.budget.burst = 1000;

        for (i = 0; i < n; i++) {
            (void) snprintf(name, sizeof(name), "client %d", (int) i);
            env_key(t.budget.key, name);

            ngx_str_set(&t.verdict.facts.account_id, "ACC-1");

            if (i % 3 == 0) {
                ngx_str_set(&t.verdict.facts.account_id, "ACC-2");
            }

            (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);
            test_learn(&t, name, T(DISABLED));
        }

        EQUAL(test_purge(&t, NULL, "ACC-1"), n - (n + 2) / 3);
        EQUAL(t.store->entries[T(DENIAL)], (n + 2) / 3);
        EQUAL(test_purge(&t, NULL, "ACC-2"), (n + 2) / 3);
        EQUAL(t.store->entries[T(DENIAL)], 0);
        EQUAL(t.store->entries[T(BUDGET)], n);

        test_free(&t);
    }
}
