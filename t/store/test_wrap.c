
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


/*
 * The clock where it wraps: on 32-bit systems after 49.7 days, and elsewhere
 * never in practice.
 */


static void test_create_at_end(test_t *t, ngx_uint_t lookups);
static void test_facts(void);
static void test_refresh(void);
static void test_skew(void);
static void test_waited(void);
static void test_lease(void);
static void test_failed(void);
static void test_open(void);
static void test_budget(void);
static void test_turns(void);
static void test_reaped(void);
static void test_tidy(void);
static void test_weeks(void);
static void test_weeks_failed(void);
static void test_weeks_lost(void);
static void test_weeks_budget(void);
static void test_pass_days(test_t *t, ngx_uint_t days);
static ngx_uint_t test_gone(ngx_pid_t pid);


void
test_wraps(void)
{
    test_facts();
    test_refresh();
    test_skew();
    test_waited();
    test_lease();
    test_failed();
    test_open();
    test_budget();
    test_turns();
    test_reaped();
    test_tidy();
    test_weeks();
    test_weeks_failed();
    test_weeks_lost();
    test_weeks_budget();
}


/* half a second before */

static void
test_create_at_end(test_t *t, ngx_uint_t lookups)
{
    test_create(t, lookups, 64, 50);

    t->question.now = (ngx_msec_t) 0 - 500;
}


static void
test_facts(void)
{
    test_t  t;

    test_create_at_end(&t, 4);
    t.question.stale = 4000;

    test_learn(&t, "TKN-1/a", T(PASS));
    test_learn(&t, "TKN-2/a", T(UNKNOWN));

    t.question.now += 3999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.reply.verdict.asked, (ngx_msec_t) 0 - 500);
    EQUAL(test_ask(&t, "TKN-2/a"), T(HIT));

    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));

    t.question.now += 11999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    t.question.now += 3999;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_OK);

    t.question.now += 1;
    EQUAL(test_stale(&t, "TKN-1/a"), NGX_DECLINED);

    test_free(&t);
}


/* due after three quarters, and not again for a while */

static void
test_refresh(void)
{
    test_t  t;

    test_create_at_end(&t, 4);
    t.question.refresh = 1;

    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now += 11999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now += 2001;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    test_cancel(&t, t.reply.ticket);

    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));

    /* one that was tried before the clock wrapped */

    test_cancel(&t, t.reply.ticket);
    t.question.now = (ngx_msec_t) 0 - 14500;
    test_learn(&t, "TKN-2/a", T(PASS));
    t.question.now += 14000;
    EQUAL(test_ask(&t, "TKN-2/a"), T(REFRESH));
    test_cancel(&t, t.reply.ticket);
    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-2/a"), T(HIT));
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-2/a"), T(REFRESH));

    test_free(&t);
}


/* the clocks of two workers are on either side of it */

static void
test_skew(void)
{
    test_t  t;

    test_create_at_end(&t, 4);

    t.question.now = 20;
    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now = (ngx_msec_t) 0 - 20;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    test_free(&t);
}


/* one that waited takes what was asked since, on either side of it */

static void
test_waited(void)
{
    test_t  t;

    test_create_at_end(&t, 4);

    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.now += 16500;
    t.question.again = 1;

    t.question.since = (ngx_msec_t) 0 - 500;
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.since = (ngx_msec_t) 0 - 499;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    test_cancel(&t, t.reply.ticket);

    t.question.since = 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


/* a lease lasts for the time of a lookup and a second */

static void
test_lease(void)
{
    test_t    t;
    ticket_t  ticket;

    test_create_at_end(&t, 1);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    ticket = t.reply.ticket;

    t.question.now += 2999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));
    EQUAL(test_poll(&t, ticket), NGX_AGAIN);
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));

    t.question.now += 1;
    EQUAL(test_poll(&t, ticket), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_end_of(&t, ticket, "TKN-1/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_end(&t, "TKN-2/a", T(PASS)), NGX_OK);

    test_free(&t);
}


/* a lookup that failed, and the API asked to wait */

static void
test_failed(void)
{
    test_t  t;

    test_create_at_end(&t, 2);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 5), NGX_OK);

    t.question.now += 4999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(UNAVAILABLE));
    EQUAL(t.reply.verdict.retry_after, 1);

    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


/* the breaker, and that one lookup at a time tries the API */

static void
test_open(void)
{
    int       i;
    test_t    t;
    ticket_t  probe;

    test_create_at_end(&t, 8);

    for (i = 0; i < T(FAILURES); i++) {
        EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
        EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);
    }

    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));

    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));

    /* one that begins before it and is lost, and the next one after it */

    test_cancel(&t, t.reply.ticket);
    t.question.now = (ngx_msec_t) 0 - 500;
    t.store->until = t.question.now;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    probe = t.reply.ticket;

    t.question.now += 2999;
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    EQUAL(test_end(&t, "TKN-3/a", T(PASS)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-4/a"), T(MISS));
    test_cancel(&t, probe);

    test_free(&t);
}


/* 6 a minute, one at once: it is back after ten seconds */

static void
test_budget(void)
{
    test_t  t;

    test_create_at_end(&t, 8);

    env_key(t.budget.key, "client");
    t.budget.rate = 100;
    t.budget.burst = 1;
    t.question.budget = &t.budget;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_end(&t, "TKN-1/a", T(UNKNOWN)), NGX_OK);

    t.question.now += 9000;
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(LIMITED));
    EQUAL(t.reply.verdict.retry_after, 2);

    t.question.now += 1000;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));

    test_free(&t);
}


/* one that gave a place back leaves it to others for 20 ms */

static void
test_turns(void)
{
    test_t  t;

    test_create_at_end(&t, 1);
    store_limits(t.store, 8, 50);

    t.question.now = (ngx_msec_t) 0 - 10;

    EQUAL(test_queue(&t, "TKN-1/a", 1, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 1, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 2, 0), T(QUEUE));
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);

    t.question.now += 19;
    EQUAL(test_queue(&t, "TKN-2/a", 1, 1), T(QUEUE));
    t.question.now += 1;
    EQUAL(test_queue(&t, "TKN-2/a", 1, 1), T(MISS));
    EQUAL(t.store->queued, 1);

    test_free(&t);
}


/* every 100 ms the store looks for processes that are gone */

static void
test_reaped(void)
{
    test_t  t;

    test_create_at_end(&t, 1);
    store_limits(t.store, 8, 50);

    t.question.now = (ngx_msec_t) 0 - 50;
    t.store->checked = t.question.now;

    EQUAL(test_queue(&t, "TKN-1/a", 9, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 9, 0), T(QUEUE));

    store_reap(t.store, t.question.now + 99, test_gone);
    EQUAL(t.store->queued, 1);
    EQUAL(test_queue(&t, "TKN-3/a", 1, 0), T(QUEUE));

    store_reap(t.store, t.question.now + 100, test_gone);
    EQUAL(t.store->queued, 1);
    EQUAL(test_queue(&t, "TKN-3/a", 1, 1), T(MISS));

    test_free(&t);
}


/* what is old goes, and is neither evicted nor purged; the rest stays */

static void
test_tidy(void)
{
    int       i;
    char      name[32];
    test_t    t;
    ticket_t  ticket;

    test_create_at_end(&t, 4);

    for (i = 0; i < 20; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", i);
        test_learn(&t, name, i % 2 ? T(UNKNOWN) : T(PASS));
    }

    EQUAL(test_ask(&t, "TKN-20/a"), T(MISS));
    ticket = t.reply.ticket;

    t.question.now += T(TIDY);
    test_learn(&t, "TKN-21/a", T(PASS));

    store_tidy(t.store, t.question.now);
    EQUAL(t.store->entries[T(FACTS)], 11);
    EQUAL(t.store->entries[T(DENIAL)], 10);
    EQUAL(t.store->leases[ticket.slot].state, T(ASKING));

    store_tidy(t.store, t.question.now + 1);
    EQUAL(t.store->entries[T(FACTS)], 1);
    EQUAL(t.store->entries[T(DENIAL)], 0);
    EQUAL(test_ask(&t, "TKN-21/a"), T(HIT));

    EQUAL(t.store->totals.evicted[T(FACTS)], 0);
    EQUAL(t.store->totals.purges, 0);
    EQUAL(t.store->totals.purged, 0);

    store_tidy(t.store, t.question.now + 3001);
    EQUAL(t.store->leases[ticket.slot].state, T(FREE));

    test_free(&t);
}


/* facts of weeks ago, where the clock says that they are quite new */

static void
test_weeks(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);
    t.question.stale = 4000;

    test_learn(&t, "TKN-1/a", T(PASS));
    test_learn(&t, "TKN-2/a", T(PASS));

    test_pass_days(&t, 30);

    t.question.again = 1;
    t.question.since = t.question.now - 100;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    t.question.again = 0;

    /* 2^32 ms later */

    test_pass_days(&t, 19);
    t.question.now += 61367296 + 1000;

    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_stale(&t, "TKN-2/a"), NGX_DECLINED);

    test_free(&t);
}


/* a lookup that failed, and the breaker that it opened */

static void
test_weeks_failed(void)
{
    int     i;
    test_t  t;

    test_create(&t, 4, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);

    test_pass_days(&t, 25);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);

    for (i = 2; i < T(FAILURES); i++) {
        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        EQUAL(test_fault(&t, "TKN-2/a", 0), NGX_OK);
    }

    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));

    test_pass_days(&t, 25);
    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-4/a"), T(STOP));

    test_free(&t);
}


/* a lease that nobody gave back */

static void
test_weeks_lost(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_pass_days(&t, 26);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_pass_days(&t, 26);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));

    test_free(&t);
}


static void
test_weeks_budget(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);

    env_key(t.budget.key, "client");
    t.budget.rate = 100;
    t.budget.burst = 1;
    t.question.budget = &t.budget;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_end(&t, "TKN-1/a", T(UNKNOWN)), NGX_OK);

    test_pass_days(&t, 26);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));

    test_free(&t);
}


/* each worker looks after the store once in six days */

static void
test_pass_days(test_t *t, ngx_uint_t days)
{
    ngx_uint_t  i;

    for (i = 0; i < days; i++) {
        t->question.now += 86400000;

        if (i % 6 == 5) {
            store_tidy(t->store, t->question.now);
        }
    }
}


static ngx_uint_t
test_gone(ngx_pid_t pid)
{
    return pid == 9;
}
