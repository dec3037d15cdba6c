
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


static void test_hits(void);
static void test_denials(void);
static void test_replaced(void);
static void test_stale_facts(void);
static void test_clock_behind(void);
static void test_wrap(void);
static void test_counts(void);
static void test_due(void);
static void test_jitter(void);
static void test_once(void);
static void test_pause(void);
static ngx_msec_t test_first_refresh(test_t *t, const char *name);


void
test_verdicts(void)
{
    test_hits();
    test_denials();
    test_replaced();
    test_stale_facts();
    test_clock_behind();
    test_wrap();
    test_counts();
}


static void
test_hits(void)
{
    test_t      t;
    ngx_msec_t  asked;

    test_create(&t, 4, 64, 50);

    ngx_str_set(&t.verdict.facts.name, "name");
    asked = t.question.now;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    /* the age is that of the question, not of the answer */

    t.question.now = asked + 500;
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.reply.verdict.reason, T(PASS));
    EQUAL(t.reply.verdict.asked, asked);
    EQUAL(t.reply.verdict.facts.name.len, 4);
    EQUAL(memcmp(t.reply.verdict.facts.name.data, "name", 4), 0);
    EQUAL(t.reply.verdict.facts.id.len, 5);
    EQUAL(memcmp(t.reply.verdict.facts.id.data, "TKN-1", 5), 0);

    /* another token of the same id is another one */

    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));

    t.question.now = asked + t.question.valid - 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now = asked + t.question.valid;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


static void
test_denials(void)
{
    test_t      t;
    ngx_uint_t  reason;
    ngx_msec_t  asked;

    for (reason = T(UNKNOWN); reason <= T(UNREADABLE); reason++) {
        test_create(&t, 4, 64, 50);

        asked = t.question.now;

        ngx_str_set(&t.verdict.facts.name, "name");
        ngx_str_set(&t.verdict.facts.account_id, "ACC-1");

        test_learn(&t, "TKN-1/a", reason);

        t.question.now = asked + t.question.denied - 1;
        EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
        EQUAL(t.reply.verdict.reason, reason);
        EQUAL(t.reply.verdict.facts.name.len, 0);
        EQUAL(t.reply.verdict.facts.account_id.len, 5);

        /* a denial is never refreshed, and is not used when it is stale */

        t.question.refresh = 1;
        EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

        t.question.stale = 10000;
        EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

        t.question.now = asked + t.question.denied;
        EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

        test_free(&t);
    }
}


static void
test_replaced(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    t.question.now += t.question.valid;
    test_learn(&t, "TKN-1/a", T(DISABLED));

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.reply.verdict.reason, T(DISABLED));
    EQUAL(t.store->entries[T(FACTS)], 0);
    EQUAL(t.store->entries[T(DENIAL)], 1);

    t.question.now += t.question.denied;
    test_learn(&t, "TKN-1/a", T(PASS));

    EQUAL(t.store->entries[T(FACTS)], 1);
    EQUAL(t.store->entries[T(DENIAL)], 0);

    /* what is no verdict changes nothing */

    t.question.now += t.question.valid;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_DECLINED);
    EQUAL(t.store->entries[T(FACTS)], 1);
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/b", 0), NGX_OK);
    EQUAL(t.store->entries[T(FACTS)], 1);

    test_free(&t);
}


static void
test_stale_facts(void)
{
    test_t      t;
    ngx_msec_t  asked;

    test_create(&t, 4, 64, 50);

    asked = t.question.now;
    t.question.stale = 5000;

    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now = asked + t.question.valid + t.question.stale - 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_OK);
    EQUAL(t.reply.verdict.reason, T(PASS));
    EQUAL(t.reply.verdict.asked, asked);

    t.question.now++;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    t.question.now = asked + t.question.valid;
    t.question.stale = 0;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    test_free(&t);
}


static void
test_clock_behind(void)
{
    test_t      t;
    ngx_msec_t  asked;

    test_create(&t, 4, 64, 50);

    asked = t.question.now;
    t.question.refresh = 1;

    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now = asked - 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now = asked - 59999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    /* not of the future, but of the past, where times wrap */

    t.question.now = asked - 60000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


static void
test_wrap(void)
{
    test_t      t;
    ngx_msec_t  asked;

    test_create(&t, 2, 64, 50);

    asked = (ngx_msec_t) -3000;
    t.question.now = asked;
    t.question.stale = 1000;

    test_learn(&t, "TKN-1/a", T(PASS));
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));

    t.question.now = asked + 2999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1/b"), T(WAIT));

    /* the lease ends, too: for the time limit and a second */

    t.question.now = asked + 3000;
    EQUAL(t.question.now, 0);
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));

    t.question.now = asked + t.question.valid - 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now++;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_OK);

    t.question.now += 1000;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    test_free(&t);
}


static void
test_counts(void)
{
    test_t      t;
    figures_t   figures;

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    EQUAL(test_ask(&t, "TKN-1/b"), T(WAIT));

    t.question.again = 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(test_ask(&t, "TKN-1/b"), T(WAIT));

    t.question.now += 30;
    EQUAL(test_end(&t, "TKN-1/b", T(UNKNOWN)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/c"), T(MISS));

    store_figures(t.store, &figures);

    EQUAL(figures.in_flight, 1);
    EQUAL(figures.probing, 0);
    EQUAL(figures.totals.lookups[T(PASS)], 1);
    EQUAL(figures.totals.lookups[T(UNKNOWN)], 1);
    EQUAL(figures.totals.latency_sum, 30);
    EQUAL(figures.totals.latencies[0], 1);
    EQUAL(figures.totals.latencies[3], 1);
    EQUAL(figures.entries[T(FACTS)], 1);
    EQUAL(figures.entries[T(DENIAL)], 1);

    test_free(&t);
}


void
test_refreshes(void)
{
    test_due();
    test_jitter();
    test_once();
    test_pause();
}


/* between 3/4 and 7/8 of the time */

static void
test_due(void)
{
    char        name[32];
    test_t      t;
    ngx_int_t   i, age;

    for (i = 0; i < 300; i++) {
        test_create(&t, 4, 64, 50);

        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);

        t.question.now += i * 7919;
        age = test_first_refresh(&t, name);

        CHECK(age >= 12000);
        CHECK(age < 14000);

        test_free(&t);
    }

    test_create(&t, 4, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    t.question.now += t.question.valid - 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    test_free(&t);
}


/* milliseconds from the question to when a refresh is due */

static ngx_msec_t
test_first_refresh(test_t *t, const char *name)
{
    ngx_msec_t  asked, low, high, middle;
    ticket_t    ticket;

    asked = t->question.now;
    t->question.refresh = 0;

    test_learn(t, name, T(PASS));

    t->question.refresh = 1;
    low = 0;
    high = t->question.valid;

    /* a refresh is undone by learning the same again */

    while (low + 1 < high) {
        middle = low + (high - low) / 2;

        t->question.now = asked + middle;

        if (test_ask(t, name) == T(REFRESH)) {
            ticket = t->reply.ticket;
            high = middle;

            t->question.now = asked;
            t->store->leases[ticket.slot].asked = asked;
            EQUAL(test_end_of(t, ticket, name, T(PASS)), NGX_OK);

        } else {
            low = middle;
        }
    }

    t->question.now = asked;

    return high;
}


static void
test_jitter(void)
{
    char        name[32];
    test_t      t;
    ngx_uint_t  i, due, buckets[8], used;

    memset(buckets, 0, sizeof(buckets));
    test_create(&t, 4, 1024, 50);

    /* the same moment for all of them */

    for (i = 0; i < 200; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);

        due = test_first_refresh(&t, name);

        if (due >= 12000 && due < 14000) {
            buckets[(due - 12000) / 250]++;
        }
    }

    for (i = 0, used = 0; i < 8; i++) {
        used += buckets[i];
        CHECK(buckets[i] >= 8);
        CHECK(buckets[i] <= 50);
    }

    EQUAL(used, 200);

    test_free(&t);
}


static void
test_once(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create(&t, 4, 64, 50);

    t.question.refresh = 1;
    test_learn(&t, "TKN-1/a", T(PASS));

    /* a lookup without the right to refresh does not */

    t.question.now += 14000;
    t.question.refresh = 0;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.refresh = 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    EQUAL(t.reply.verdict.reason, T(PASS));
    ticket = t.reply.ticket;

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now += 1500;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.store->totals.refreshes, 1);

    /* after all of it, others wait for the one that asks */

    t.question.now += 500;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));
    EQUAL(t.reply.ticket.seq, ticket.seq);

    EQUAL(test_end_of(&t, ticket, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.reply.verdict.asked, t.question.now - 2000);

    test_free(&t);
}


static void
test_pause(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);

    t.question.refresh = 1;
    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now += 14000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);

    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now++;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));

    /* the API asked for more */

    EQUAL(test_fault(&t, "TKN-1/a", 5), NGX_OK);
    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    /* and there it is too old, and nobody may ask before */

    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(UNAVAILABLE));
    EQUAL(t.reply.verdict.retry_after, 4);

    test_free(&t);

    /* if there is no place, a hit is a hit */

    test_create(&t, 1, 64, 50);

    t.question.refresh = 1;
    test_learn(&t, "TKN-1/a", T(PASS));
    t.question.now += 14000;
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    test_free(&t);
}
