
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


static void test_place(void);
static void test_behind(void);
static void test_no_queue(void);
static void test_bound(void);
static void test_replies(void);
static void test_refreshed(void);
static void test_charged(void);
static void test_unqueue(void);
static void test_entries(void);
static void test_gone_waiting(void);
static void test_reaped(void);
static void test_reset(void);
static void test_limits(void);
static void test_waited(void);
static void test_workers(void);
static ngx_uint_t test_waiting(test_t *t, ngx_pid_t pid);
static ngx_uint_t test_is_13(ngx_pid_t pid);


static ngx_uint_t  test_asked;         /* whether one is gone */


void
test_queues(void)
{
    test_place();
    test_behind();
    test_no_queue();
    test_bound();
    test_replies();
    test_refreshed();
    test_charged();
    test_unqueue();
    test_entries();
    test_gone_waiting();
    test_reaped();
    test_reset();
    test_limits();
    test_waited();
    test_workers();
}


static ngx_uint_t
test_waiting(test_t *t, ngx_pid_t pid)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < T(QUEUES); i++) {
        if (t->store->queues[i].pid == pid) {
            n += t->store->queues[i].waiting;
        }
    }

    return n;
}


static void
test_place(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 1, 64, 50);
    store_limits(t.store, 8, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(MISS));
    first = t.reply.ticket;
    EQUAL(t.store->queued, 0);

    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 8, 0), T(QUEUE));
    EQUAL(t.store->queued, 3);
    EQUAL(test_waiting(&t, 7), 2);
    EQUAL(test_waiting(&t, 8), 1);

    /* one that asks in vain keeps the place it has */

    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(QUEUE));
    EQUAL(t.store->queued, 3);
    EQUAL(test_waiting(&t, 7), 2);

    /* and gives it back for one among the lookups */

    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_OK);
    t.question.now += 20;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(MISS));
    EQUAL(t.store->queued, 2);
    EQUAL(test_waiting(&t, 7), 1);

    EQUAL(test_end(&t, "TKN-2/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-4/a", 8, 1), T(MISS));
    EQUAL(test_waiting(&t, 8), 0);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 1), T(QUEUE));
    EQUAL(test_end(&t, "TKN-4/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 1), T(MISS));
    EQUAL(t.store->queued, 0);
    EQUAL(test_waiting(&t, 7), 0);

    test_free(&t);
}


/* no request overtakes those that wait in its process, place free or not */

static void
test_behind(void)
{
    test_t  t;

    test_create(&t, 4, 64, 50);
    store_limits(t.store, 2, 50);

    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-1/a", 7, 1), T(QUEUE));
    EQUAL(test_waiting(&t, 7), 1);

    t.question.behind = 0;
    EQUAL(test_queue(&t, "TKN-2/a", 8, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-1/a", 7, 1), T(MISS));
    EQUAL(t.store->queued, 0);

    /* what is known, or asked about, needs no place */

    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(HIT));
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(WAIT));
    EQUAL(t.store->queued, 0);

    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-5/a", 7, 0), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(t.store->queued, 2);

    test_free(&t);
}


static void
test_no_queue(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);

    t.question.behind = 1;
    EQUAL(test_ask(&t, "TKN-1/a"), T(STOP));

    t.question.behind = 0;
    EQUAL(test_ask(&t, "TKN-1/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-2/a"), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(t.reply.verdict.retry_after, 1);
    EQUAL(t.reply.verdict.health, T(UNTOLD));
    EQUAL(strcmp(t.reply.verdict.cause, "all \"lookups\" are taken"), 0);
    EQUAL(t.store->queued, 0);

    test_free(&t);
}


static void
test_bound(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 1, 64, 50);
    store_limits(t.store, 3, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(MISS));
    first = t.reply.ticket;

    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 8, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 9, 0), T(QUEUE));

    EQUAL(test_queue(&t, "TKN-5/a", 7, 0), T(STOP));
    EQUAL(t.reply.verdict.reason, T(BUSY));
    EQUAL(t.reply.verdict.retry_after, 1);
    EQUAL(t.reply.verdict.health, T(UNTOLD));
    EQUAL(strcmp(t.reply.verdict.cause, "the \"queue\" is full"), 0);
    EQUAL(test_queue(&t, "TKN-5/a", 10, 0), T(STOP));
    EQUAL(t.store->queued, 3);

    /* one that has a place goes on waiting, and others may join in */

    EQUAL(test_queue(&t, "TKN-4/a", 9, 1), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-1/a", 10, 0), T(WAIT));
    EQUAL(t.store->queued, 3);

    EQUAL(test_end_of(&t, first, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-3/a", 8, 1), T(MISS));
    EQUAL(test_queue(&t, "TKN-5/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-6/a", 7, 0), T(STOP));

    test_free(&t);
}


/* any reply but that it has to wait takes the place back */

static void
test_replies(void)
{
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 8, 64, 50);
    store_limits(t.store, 8, 50);

    test_learn(&t, "TKN-1/a", T(PASS));
    EQUAL(test_ask(&t, "TKN-2/a"), T(MISS));
    EQUAL(test_ask(&t, "TKN-3/a"), T(MISS));
    EQUAL(test_fault(&t, "TKN-3/a", 60), NGX_OK);

    t.question.behind = 1;

    for (i = 0; i < 6; i++) {
        EQUAL(test_queue(&t, "TKN-9/a", 7, 0), T(QUEUE));
    }

    EQUAL(test_queue(&t, "TKN-1/a", 7, 1), T(HIT));
    EQUAL(t.store->queued, 5);
    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(WAIT));
    EQUAL(t.store->queued, 4);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 1), T(STOP));
    EQUAL(t.reply.verdict.reason, T(UNAVAILABLE));
    EQUAL(t.store->queued, 3);

    /* a hit of another that waits for nothing */

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(HIT));
    EQUAL(t.store->queued, 3);

    /* the breaker opens */

    for (i = 0; i < 4; i++) {
        t.question.behind = 0;
        EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(MISS));
        EQUAL(test_fault(&t, "TKN-4/a", 0), NGX_OK);
    }

    EQUAL(t.store->totals.opened, 1);
    EQUAL(t.store->queued, 3);

    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-9/a", 7, 1), T(STOP));
    EQUAL(t.reply.verdict.health, T(FAULT));
    EQUAL(t.store->queued, 2);

    EQUAL(test_queue(&t, "TKN-8/a", 7, 0), T(STOP));
    EQUAL(t.store->queued, 2);

    /* and lets one try */

    t.question.now += 1000;
    t.question.behind = 0;
    EQUAL(test_queue(&t, "TKN-9/a", 7, 1), T(MISS));
    EQUAL(t.store->queued, 1);

    test_free(&t);
}


static void
test_refreshed(void)
{
    test_t  t;

    test_create(&t, 2, 64, 50);
    store_limits(t.store, 8, 50);

    test_learn(&t, "TKN-1/a", T(PASS));

    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-9/a", 7, 0), T(QUEUE));

    t.question.now += 14000;
    t.question.refresh = 1;
    EQUAL(test_queue(&t, "TKN-1/a", 7, 1), T(REFRESH));
    EQUAL(t.store->queued, 0);

    test_free(&t);
}


/* to ask for the budget is no answer yet */

static void
test_charged(void)
{
    test_t  t;

    test_create(&t, 2, 64, 50);
    store_limits(t.store, 8, 50);

    env_key(t.budget.key, "client");
    t.budget.rate = 1;
    t.budget.burst = 1;

    t.question.budget = &t.budget;
    test_learn(&t, "TKN-1/a", T(UNKNOWN));

    t.question.budget = NULL;
    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(QUEUE));

    t.question.behind = 0;
    t.question.charge = 1;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(CHARGE));
    EQUAL(t.store->queued, 1);

    t.question.charge = 0;
    t.question.budget = &t.budget;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(STOP));
    EQUAL(t.reply.verdict.reason, T(LIMITED));
    EQUAL(t.store->queued, 0);

    /* it comes before the queue */

    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(STOP));
    EQUAL(t.reply.verdict.reason, T(LIMITED));
    EQUAL(t.store->queued, 0);

    test_free(&t);
}


static void
test_unqueue(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);
    store_limits(t.store, 2, 50);

    t.question.behind = 1;
    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-2/a", 8, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(STOP));

    store_unqueue(t.store, 8);
    EQUAL(t.store->queued, 1);
    EQUAL(test_waiting(&t, 7), 1);
    EQUAL(test_waiting(&t, 8), 0);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(QUEUE));
    EQUAL(test_waiting(&t, 7), 2);

    /* one that has none gives none back */

    store_unqueue(t.store, 8);
    store_unqueue(t.store, 9);
    store_unqueue(t.store, 0);
    EQUAL(t.store->queued, 2);

    store_unqueue(t.store, 7);
    store_unqueue(t.store, 7);
    store_unqueue(t.store, 7);
    EQUAL(t.store->queued, 0);

    test_free(&t);
}


/* more processes than there are entries */

static void
test_entries(void)
{
    test_t      t;
    ngx_uint_t  i;

    test_create(&t, 4, 64, 50);
    store_limits(t.store, 1000, 50);

    t.question.behind = 1;

    for (i = 0; i < T(QUEUES); i++) {
        EQUAL(test_queue(&t, "TKN-1/a", 100 + i, 0), T(QUEUE));
    }

    EQUAL(t.store->queued, T(QUEUES));
    EQUAL(test_queue(&t, "TKN-1/a", 99, 0), T(STOP));
    EQUAL(strcmp(t.reply.verdict.cause, "the \"queue\" is full"), 0);

    /* those that have one may take more */

    EQUAL(test_queue(&t, "TKN-1/a", 100, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-1/a", 99 + T(QUEUES), 0), T(QUEUE));
    EQUAL(t.store->queued, T(QUEUES) + 2);

    store_unqueue(t.store, 100);
    EQUAL(test_queue(&t, "TKN-1/a", 99, 0), T(STOP));
    store_unqueue(t.store, 100);
    EQUAL(test_queue(&t, "TKN-1/a", 99, 0), T(QUEUE));
    EQUAL(test_waiting(&t, 99), 1);
    EQUAL(test_queue(&t, "TKN-1/a", 100, 0), T(STOP));

    test_free(&t);
}


/* a process that died had leases and places in the queue */

static void
test_gone_waiting(void)
{
    test_t    t;
    ticket_t  first;

    test_create(&t, 2, 64, 50);
    store_limits(t.store, 4, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 13, 0), T(MISS));
    first = t.reply.ticket;
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(MISS));

    EQUAL(test_queue(&t, "TKN-3/a", 13, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-5/a", 13, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-6/a", 13, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-7/a", 7, 0), T(STOP));

    store_release(t.store, test_is_13);

    EQUAL(t.store->queued, 1);
    EQUAL(test_waiting(&t, 7), 1);
    EQUAL(test_waiting(&t, 13), 0);
    EQUAL(test_poll(&t, first), NGX_DECLINED);
    EQUAL(test_queue(&t, "TKN-4/a", 7, 1), T(MISS));
    EQUAL(test_queue(&t, "TKN-7/a", 7, 0), T(QUEUE));

    /* a new process has the same number */

    EQUAL(test_queue(&t, "TKN-8/a", 13, 1), T(QUEUE));
    EQUAL(test_waiting(&t, 13), 1);

    test_free(&t);
}


static ngx_uint_t
test_is_13(ngx_pid_t pid)
{
    test_asked++;

    return pid == 13;
}


/* all that wait may ask for it, and it is done once in a while */

static void
test_reaped(void)
{
    test_t      t;
    ngx_msec_t  now;

    test_create(&t, 2, 64, 50);
    store_limits(t.store, 8, 50);

    now = t.question.now;
    test_asked = 0;

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 13, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-3/a", 13, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(QUEUE));

    store_reap(t.store, now, test_is_13);
    EQUAL(test_asked, 4);
    EQUAL(t.store->queued, 1);
    EQUAL(test_queue(&t, "TKN-4/a", 7, 1), T(MISS));

    EQUAL(test_queue(&t, "TKN-5/a", 13, 0), T(QUEUE));

    /* that takes no mutex */

    ngx_shmtx_lock(t.store->mutex);
    store_reap(t.store, now, test_is_13);
    store_reap(t.store, now + 99, test_is_13);
    store_reap(t.store, now - 99, test_is_13);
    ngx_shmtx_unlock(t.store->mutex);

    EQUAL(test_asked, 4);
    EQUAL(t.store->queued, 1);

    store_reap(t.store, now + 100, test_is_13);
    EQUAL(test_asked, 7);
    EQUAL(t.store->queued, 0);

    store_reap(t.store, now + 199, test_is_13);
    EQUAL(test_asked, 7);

    /* a clock that wrapped is not waited for */

    EQUAL(test_queue(&t, "TKN-5/a", 13, 0), T(QUEUE));
    store_reap(t.store, now + 100 - ((ngx_msec_t) -1 / 2 + 1), test_is_13);
    EQUAL(test_asked, 10);
    EQUAL(t.store->queued, 0);

    test_free(&t);
}


/* one that waited before the store was emptied waits again, if there is room */

static void
test_reset(void)
{
    test_t      t;
    figures_t   figures;

    test_create(&t, 1, 64, 50);
    store_limits(t.store, 2, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 8, 0), T(QUEUE));

    store_figures(t.store, &figures);
    EQUAL(figures.queued, 2);
    EQUAL(figures.in_flight, 1);

    t.store->sequence |= 1;
    store_figures(t.store, &figures);
    EQUAL(figures.queued, 0);
    EQUAL(figures.in_flight, 0);

    EQUAL(t.store->queue, 2);
    EQUAL(test_waiting(&t, 7), 0);
    EQUAL(test_waiting(&t, 8), 0);

    store_unqueue(t.store, 8);
    EQUAL(t.store->queued, 0);

    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(MISS));
    EQUAL(t.store->queued, 0);

    EQUAL(test_queue(&t, "TKN-3/a", 8, 1), T(QUEUE));
    EQUAL(test_waiting(&t, 8), 1);
    EQUAL(test_queue(&t, "TKN-3/a", 8, 1), T(QUEUE));
    EQUAL(test_waiting(&t, 8), 1);

    EQUAL(test_queue(&t, "TKN-4/a", 9, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-5/a", 10, 1), T(STOP));
    EQUAL(strcmp(t.reply.verdict.cause, "the \"queue\" is full"), 0);
    EQUAL(t.store->queued, 2);

    test_free(&t);
}


static void
test_limits(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 7, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(STOP));

    store_limits(t.store, 2, 50);
    EQUAL(test_queue(&t, "TKN-2/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 7, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(STOP));

    /* more wait than the new limit allows, and go on waiting */

    store_limits(t.store, 1, 50);
    EQUAL(test_queue(&t, "TKN-2/a", 7, 1), T(QUEUE));
    store_unqueue(t.store, 7);
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(STOP));
    EQUAL(strcmp(t.reply.verdict.cause, "the \"queue\" is full"), 0);

    store_limits(t.store, 0, 50);
    EQUAL(test_queue(&t, "TKN-3/a", 7, 1), T(QUEUE));
    EQUAL(t.store->queued, 1);
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(STOP));
    EQUAL(strcmp(t.reply.verdict.cause, "all \"lookups\" are taken"), 0);
    store_unqueue(t.store, 7);
    EQUAL(test_queue(&t, "TKN-4/a", 7, 0), T(STOP));

    store_limits(t.store, 65536, 50);
    EQUAL(t.store->queue, 65536);
    EQUAL(t.store->max_denied, 32);

    test_free(&t);
}


static void
test_waited(void)
{
    test_t       t;
    ngx_uint_t   i;
    counters_t  *c;

    test_create(&t, 1, 64, 50);

    c = store_counters(t.store, 5);

    /* a bound belongs to what is below it */

    for (i = 0; i < T(LATENCIES); i++) {
        count_waited(c, ngx_http_auth_api_token_latencies[i]);
        EQUAL(c->waited[i], 1);

        count_waited(c, ngx_http_auth_api_token_latencies[i] + 1);
        EQUAL(c->waited[i], 1);
        EQUAL(c->waited[i + 1], 1);
        c->waited[i + 1] = 0;
    }

    EQUAL(c->waited_sum, 2 * 19440 + 11);

    /* none of the store's own lookups */

    for (i = 0; i <= T(LATENCIES); i++) {
        EQUAL(t.store->totals.latencies[i], 0);
    }

    ngx_shmtx_lock(t.store->mutex);
    count_waited(c, 0);
    ngx_shmtx_unlock(t.store->mutex);
    EQUAL(c->waited[0], 2);

    test_free(&t);
}


/* no two workers write to one cache line, unless they are too many */

static void
test_workers(void)
{
    test_t       t;
    size_t       p, last;
    ngx_uint_t   i;
    figures_t    figures;
    counters_t  *c;

    test_create(&t, 1, 64, 50);

    last = 0;

    for (i = 0; i < T(WORKERS); i++) {
        c = store_counters(t.store, i);
        p = (u_char *) c - (u_char *) t.store;

        CHECK(p / 128 > last);
        last = (p + sizeof(counters_t) - 1) / 128;

        CHECK(c == store_counters(t.store, T(WORKERS) + i));

        c->requests[T(PASS)] = i;
        c->dry_run[T(MALFORMED)] = 1;
        c->cache[T(CACHE_HIT)] = 2;
        c->waited[T(LATENCIES)] = 3;
        c->waited_sum = i * 1000;
    }

    CHECK(last
          < (size_t) ((u_char *) t.store->roots - (u_char *) t.store) / 128);

    store_figures(t.store, &figures);
    c = &figures.counters;

    EQUAL(c->requests[T(PASS)], T(WORKERS) * (T(WORKERS) - 1) / 2);
    EQUAL(c->requests[T(NO_TOKEN)], 0);
    EQUAL(c->dry_run[T(MALFORMED)], T(WORKERS));
    EQUAL(c->cache[T(CACHE_HIT)], 2 * T(WORKERS));
    EQUAL(c->waited[T(LATENCIES)], 3 * T(WORKERS));
    EQUAL(c->waited_sum, 1000 * T(WORKERS) * (T(WORKERS) - 1) / 2);

    test_free(&t);
}
