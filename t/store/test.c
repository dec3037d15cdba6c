
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


/* tests of the store, one behaviour each */

#define TEST_TIMEOUT  120              /* s, of all */


static ngx_uint_t  test_count;
static ngx_uint_t  test_failed;


int
main(void)
{
    env_init();

    (void) alarm(TEST_TIMEOUT);

    test_verdicts();
    test_refreshes();
    test_flights();
    test_queues();
    test_shares();
    test_breaker();
    test_budgets();
    test_purges();
    test_room();
    test_wraps();
    test_edges();
    test_peek();

    printf("test: %s, %lu checks, %lu failed\n",
           test_failed ? "failed" : "ok", (unsigned long) test_count,
           (unsigned long) test_failed);

    return test_failed ? 1 : 0;
}


void
test_equal(long long is, long long expected, const char *text,
    const char *file, int line)
{
    test_count++;

    if (is != expected) {
        test_failed++;
        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, text, is,
                expected);
    }
}


void
test_create(test_t *t, ngx_uint_t lookups, ngx_uint_t cells,
    ngx_uint_t denied)
{
    void                *p;
    size_t               size;
    static ngx_shmtx_t  *mutex;

    if (mutex == NULL) {
        mutex = env_mutex();
    }

    memset(t, 0, sizeof(test_t));

    /* not a byte more, so that the sanitizer sees what is written behind it */

    size = env_size(lookups, cells);
    p = malloc(size);

    t->store = p ? store_create(p, size, mutex, env_secret, lookups, 0,
                                denied) : NULL;

    if (t->store == NULL) {
        fprintf(stderr, "test: no store\n");
        exit(1);
    }

    EQUAL(t->store->ncells, cells);

    t->question.now = 1000000;
    t->question.valid = 16000;
    t->question.denied = 4000;
    t->question.stale = 0;
    t->question.timeout = 2000;
    t->question.pid = 7;

    t->verdict.health = T(WELL);
}


void
test_free(test_t *t)
{
    char  err[256];

    EQUAL(*t->store->mutex->lock, 0);

    if (store_check(t->store, err, sizeof(err)) != NGX_OK) {
        fprintf(stderr, "%s\n", err);
        CHECK(!"store_check()");
    }

    free(t->store);
}


void
test_name(test_t *t, const char *name)
{
    const char  *slash;

    env_key(t->question.key, name);

    slash = strchr(name, '/');

    t->question.id.data = (u_char *) name;
    t->question.id.len = slash ? slash - name : 0;
}


int
test_ask(test_t *t, const char *name)
{
    test_name(t, name);

    return store_ask(t->store, &t->question, &t->reply);
}


int
test_queue(test_t *t, const char *name, ngx_pid_t pid, ngx_uint_t queued)
{
    t->question.pid = pid;
    t->question.queued = queued;

    return test_ask(t, name);
}


int
test_stale(test_t *t, const char *name)
{
    test_name(t, name);

    return store_stale(t->store, &t->question, &t->reply);
}


int
test_end(test_t *t, const char *name, int reason)
{
    return test_end_of(t, t->reply.ticket, name, reason);
}


int
test_end_of(test_t *t, ticket_t ticket, const char *name, int reason)
{
    test_name(t, name);

    t->verdict.reason = reason;
    t->verdict.asked = t->store->leases[ticket.slot].asked;

    return store_end(t->store, &ticket, &t->question, &t->verdict);
}


int
test_fault(test_t *t, const char *name, int retry_after)
{
    int  rc;

    t->verdict.health = T(FAULT);
    t->verdict.retry_after = retry_after;
    t->verdict.status = 503;

    rc = test_end(t, name, T(UNAVAILABLE));

    t->verdict.health = T(WELL);
    t->verdict.retry_after = 0;
    t->verdict.status = 0;

    return rc;
}


void
test_learn(test_t *t, const char *name, int reason)
{
    EQUAL(test_ask(t, name), T(MISS));
    EQUAL(test_end(t, name, reason), NGX_OK);
}


int
test_poll(test_t *t, ticket_t ticket)
{
    return store_poll(t->store, &ticket, t->question.now, &t->reply.verdict);
}


void
test_cancel(test_t *t, ticket_t ticket)
{
    store_cancel(t->store, &ticket);
}


int
test_purge(test_t *t, const char *id, const char *account)
{
    purge_t  purge;

    memset(&purge, 0, sizeof(purge_t));

    if (id) {
        purge.id.data = (u_char *) id;
        purge.id.len = strlen(id);
    }

    if (account) {
        purge.account.data = (u_char *) account;
        purge.account.len = strlen(account);
    }

    purge.all = (id == NULL && account == NULL);

    return store_purge(t->store, &purge);
}
