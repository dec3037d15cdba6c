
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


static void test_wait(void);
static void test_failed(void);
static void test_cancelled(void);
static void test_released(void);
static void test_deadline(void);
static void test_lookups(void);
static void test_retry_after(void);
static void test_opens(void);
static void test_closed(void);
static void test_doubles(void);
static void test_late(void);
static void test_untold(void);
static void test_expired(void);
static void test_lengthened(void);
static void test_probe(void);
static void test_open(test_t *t, ngx_uint_t n);
static ngx_uint_t test_gone(ngx_pid_t pid);


void
test_flights(void)
{
    test_wait();
    test_failed();
    test_cancelled();
    test_released();
    test_deadline();
    test_lookups();
    test_retry_after();
}


static void
test_wait(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 4, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;

    t.question.pid = 8;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));
    EQUAL(t.reply.ticket.seq, first.seq);
    EQUAL(t.reply.ticket.slot, first.slot);

    /* while it lasts, that takes no mutex */

    ngx_shmtx_lock(t.store->mutex);
    EQUAL(test_poll(&t, first), NGX_AGAIN);
    ngx_shmtx_unlock(t.store->mutex);

    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_poll(&t, first), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    /* nobody can give back what another has */

    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(t.reply.ticket.slot, first.slot);
    test_cancel(&t, first);
    EQUAL(test_end_of(&t, first, "TKN-2/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-2/a"), T(WAIT));

    test_free(&t);
}


static void
test_failed(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 4, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));

    t.question.now += 70;
    EQUAL(test_fault(&t, "TKN-1/a", 3), NGX_OK);

    EQUAL(test_poll(&t, first), NGX_OK);
    EQUAL(t.reply.verdict.reason, T(UNAVAILABLE));
    EQUAL(t.reply.verdict.health, T(FAULT));
    EQUAL(t.reply.verdict.status, 503);
    EQUAL(t.reply.verdict.retry_after, 3);
    EQUAL(t.reply.verdict.asked, t.question.now - 70);
    CHECK(t.reply.verdict.cause != NULL);

    /* as often as there are some that wait */

    EQUAL(test_poll(&t, first), NGX_OK);

    /* until another needs the place */

    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/b"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/c"), T(MISS));
    EQUAL(test_poll(&t, first), NGX_OK);
    EQUAL(test_ask(&t, "TKN-2/d"), T(MISS));
    EQUAL(test_poll(&t, first), NGX_DECLINED);

    test_free(&t);

    test_create(&t, 4, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;
    EQUAL(test_fault(&t, "TKN-1/a", 0), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_poll(&t, first), NGX_OK);

    test_free(&t);
}


static void
test_cancelled(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 1, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));

    test_cancel(&t, first);
    EQUAL(test_poll(&t, first), NGX_DECLINED);
    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    CHECK(t.reply.ticket.seq != first.seq);
    EQUAL(test_poll(&t, first), NGX_DECLINED);

    test_free(&t);
}


static void
test_released(void)
{
    test_t    t;
    ticket_t  first, second;

    test_create(&t, 3, 64, 50);

    t.question.pid = 13;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;

    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    EQUAL(test_purge(&t, "TKN-3", NULL), 0);

    t.question.pid = 7;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    second = t.reply.ticket;
    EQUAL(test_ask(&t, "TKN-2/b"), T(STOP));

    store_release(t.store, test_gone);

    EQUAL(test_poll(&t, first), NGX_DECLINED);
    EQUAL(test_poll(&t, second), NGX_AGAIN);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/b"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/c"), T(STOP));

    test_free(&t);
}


static ngx_uint_t
test_gone(ngx_pid_t pid)
{
    return pid == 13;
}


/* a question has a time limit; what it holds is free a second after that */

static void
test_deadline(void)
{
    test_t      t;
    ticket_t    first;
    ngx_msec_t  asked;

    test_create(&t, 1, 64, 50);

    asked = t.question.now;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;

    t.question.now = asked + t.question.timeout + 999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(WAIT));
    EQUAL(test_poll(&t, first), NGX_AGAIN);
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));

    t.question.now++;
    EQUAL(test_poll(&t, first), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    CHECK(t.reply.ticket.seq != first.seq);
    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    test_free(&t);
}


static void
test_lookups(void)
{
    char        name[32];
    test_t      t;
    ticket_t    first;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);

    for (i = 0; i < 8; i++) {
        (void) snprintf(name, sizeof(name), "TKN-%d/a", (int) i);

        EQUAL(test_ask(&t, name), T(MISS));

        if (i == 0) {
            first = t.reply.ticket;
        }
    }

    EQUAL(test_ask(&t, "TKN-9/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(t.reply.verdict.retry_after, 1);
    EQUAL(t.reply.verdict.health, T(UNTOLD));
    CHECK(t.reply.verdict.cause != NULL);

    EQUAL(test_ask(&t, "TKN-3/a"), T(WAIT));

    /* a lookup that was purged has its place until it ends */

    EQUAL(test_purge(&t, NULL, NULL), 0);
    EQUAL(test_ask(&t, "TKN-9/a"), T(STOP));

    EQUAL(test_end_of(&t, first, "TKN-0/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-9/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-10/a"), T(STOP));

    test_free(&t);
}


static void
test_retry_after(void)
{
    test_t      t;
    ngx_msec_t  ended;

    test_create(&t, 4, 64, 50);

    t.question.now += 20;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 10), NGX_OK);
    ended = t.question.now;

    EQUAL(test_ask(&t, "TKN-1/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(UNAVAILABLE));
    EQUAL(t.reply.verdict.health, T(FAULT));
    EQUAL(t.reply.verdict.status, 503);
    EQUAL(t.reply.verdict.retry_after, 10);

    /* others may be asked about */

    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));

    t.question.now = ended + 9999;
    EQUAL(test_ask(&t, "TKN-1/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 1);

    t.question.now = ended + 10000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));

    test_free(&t);
}


void
test_breaker(void)
{
    test_opens();
    test_closed();
    test_doubles();
    test_late();
    test_expired();
    test_untold();
    test_lengthened();
    test_probe();
}


/* lookups that end as faults of the API */

static void
test_open(test_t *t, ngx_uint_t n)
{
    char        name[32];
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "FLT-%d/a", (int) i);

        EQUAL(test_ask(t, name), T(MISS));
        EQUAL(test_fault(t, name, 0), NGX_OK);
    }
}


static void
test_opens(void)
{
    test_t      t;
    ngx_msec_t  opened;

    test_create(&t, 8, 64, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    test_open(&t, 4);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(t.store->totals.opened, 0);

    opened = t.question.now;
    EQUAL(test_fault(&t, "TKN-2/a", 0), NGX_OK);
    EQUAL(t.store->totals.opened, 1);

    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(t.reply.verdict.health, T(FAULT));
    EQUAL(t.reply.verdict.retry_after, 1);

    /* what is known is known */

    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now = opened + 999;
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));

    /* one at a time tries whether it is back */

    t.question.now = opened + 1000;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(test_ask(&t, "TKN-2/a"), T(WAIT));
    EQUAL(test_end(&t, "TKN-2/a", T(UNKNOWN)), NGX_OK);

    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-4/a"), T(MISS));

    test_free(&t);
}


static void
test_closed(void)
{
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);

    for (i = 0; i < 3; i++) {
        test_open(&t, 4);
        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        EQUAL(test_end(&t, "TKN-2/a", T(UNKNOWN)), NGX_OK);
        t.question.now += t.question.denied;
    }

    EQUAL(t.store->totals.opened, 0);

    /* refreshes are no better than others while it is open */

    test_learn(&t, "TKN-1/a", T(PASS));
    t.question.now += 14000;
    t.question.refresh = 1;
    test_open(&t, 5);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));

    t.question.now += 1000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(REFRESH));
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.store->leases[t.reply.ticket.slot].probe, 1);

    test_free(&t);
}


static void
test_doubles(void)
{
    test_t      t;
    ngx_msec_t  delay;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);

    t.question.now = (ngx_msec_t) -40000;
    test_open(&t, 5);
    delay = 1000;

    for (i = 0; i < 8; i++) {
        t.question.now += delay - 1;
        EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
        EQUAL(t.reply.verdict.retry_after, 1);

        t.question.now += 1;
        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        EQUAL(test_fault(&t, "TKN-2/a", 0), NGX_OK);

        delay = ngx_min(delay * 2, 30000);

        EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
        EQUAL(t.reply.verdict.retry_after, delay / 1000);
    }

    EQUAL(delay, 30000);
    EQUAL(t.store->totals.opened, 1);

    /* once it was closed, it starts again */

    t.question.now += delay;
    test_learn(&t, "TKN-2/a", T(PASS));
    test_open(&t, 5);
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 1);
    EQUAL(t.store->totals.opened, 2);

    test_free(&t);
}


/* faults of lookups that began before it opened are no news */

static void
test_late(void)
{
    test_t    t;
    ticket_t  first, second;

    test_create(&t, 8, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;
    EQUAL(test_ask(&t, "TKN-1/b"), T(MISS));
    second = t.reply.ticket;

    test_open(&t, 5);

    t.question.now += 600;
    t.reply.ticket = first;
    EQUAL(test_fault(&t, "TKN-1/a", 60), NGX_OK);

    t.question.now += 400;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-2/a", 0), NGX_OK);

    t.question.now += 1000;
    t.reply.ticket = second;
    EQUAL(test_fault(&t, "TKN-1/b", 60), NGX_OK);

    t.question.now += 999;
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(t.store->totals.opened, 1);

    test_free(&t);
}


/* one that ends too late does not take the place of what is newer */

static void
test_expired(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 8, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;

    t.question.now += t.question.timeout + 1000;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_end(&t, "TKN-1/a", T(DISABLED)), NGX_OK);

    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-1/a"), T(HIT));
    EQUAL(t.reply.verdict.reason, T(DISABLED));

    test_free(&t);
}


/* what says nothing of the API does not count, and does not move it */

static void
test_untold(void)
{
    test_t      t;
    ticket_t    first;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    first = t.reply.ticket;

    t.verdict.health = T(UNTOLD);
    t.verdict.retry_after = 0;

    for (i = 0; i < 20; i++) {
        EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
        EQUAL(test_end(&t, "TKN-2/a", T(UNAVAILABLE)), NGX_OK);
    }

    EQUAL(t.store->failures, 0);

    test_open(&t, 4);

    t.verdict.health = T(UNTOLD);
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_end(&t, "TKN-2/a", T(UNAVAILABLE)), NGX_OK);
    EQUAL(t.store->failures, 4);
    EQUAL(t.store->totals.opened, 0);

    test_open(&t, 1);

    t.question.now += 900;
    t.verdict.health = T(UNTOLD);
    t.verdict.retry_after = 20;
    EQUAL(test_end_of(&t, first, "TKN-1/a", T(UNAVAILABLE)), NGX_OK);

    t.question.now += 100;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(t.store->totals.opened, 1);

    test_free(&t);
}


static void
test_lengthened(void)
{
    test_t  t;

    test_create(&t, 8, 64, 50);

    test_open(&t, 4);
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-1/a", 12), NGX_OK);

    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 12);

    t.question.now += 12000;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-2/a", 100), NGX_OK);

    /* no longer than the breaker is ever open */

    t.question.now += 29999;
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
    t.question.now += 1;
    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));

    /* shorter than the breaker would be: ignored */

    EQUAL(test_fault(&t, "TKN-3/a", 1), NGX_OK);
    EQUAL(test_ask(&t, "TKN-4/a"), T(STOP));
    EQUAL(t.reply.verdict.retry_after, 4);

    test_free(&t);
}


/* a probe that nobody will end is replaced */

static void
test_probe(void)
{
    test_t      t;
    figures_t   figures;

    test_create(&t, 8, 64, 50);

    test_open(&t, 5);
    t.question.now += 1000;

    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));

    store_figures(t.store, &figures);
    EQUAL(figures.in_flight, 1);
    EQUAL(figures.probing, 1);

    test_cancel(&t, t.reply.ticket);

    t.question.pid = 13;
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));

    t.question.pid = 7;
    EQUAL(test_ask(&t, "TKN-3/a"), T(STOP));
    store_release(t.store, test_gone);
    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));

    /* one that was purged is still on its way */

    EQUAL(test_purge(&t, "TKN-3", NULL), 0);
    EQUAL(test_ask(&t, "TKN-4/a"), T(STOP));

    t.question.now += t.question.timeout + 1000;
    EQUAL(test_ask(&t, "TKN-4/a"), T(MISS));

    /* and tells of the API all the same */

    EQUAL(test_purge(&t, "TKN-4", NULL), 0);
    EQUAL(test_end(&t, "TKN-4/a", T(UNKNOWN)), NGX_DECLINED);
    EQUAL(test_ask(&t, "TKN-5/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-6/a"), T(MISS));

    test_free(&t);
}
