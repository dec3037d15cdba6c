
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_TEST_H_INCLUDED_
#define _STORE_TEST_H_INCLUDED_


#include "env.h"


#define CHECK(expr)                                                           \
    test_equal((expr) ? 1 : 0, 1, #expr, __FILE__, __LINE__)

#define EQUAL(is, expected)                                                   \
    test_equal((long long) (is), (long long) (expected), #is, __FILE__,       \
               __LINE__)


/* a store, what asks it, and what it answered last */

typedef struct {
    store_t            *store;
    question_t          question;
    budget_t            budget;
    reply_t             reply;
    verdict_t           verdict;
} test_t;


void test_equal(long long is, long long expected, const char *text,
    const char *file, int line);


/*
 * A store of so many cells, and a question with the defaults; the end verifies
 * the store, too.
 */

void test_create(test_t *t, ngx_uint_t lookups, ngx_uint_t cells,
    ngx_uint_t denied);
void test_free(test_t *t);


/*
 * Tokens have names, of which the part before the slash is the id claimed; if
 * there is no slash, the token is opaque.
 */

void test_name(test_t *t, const char *name);

/* asks, now or later, and returns the reply */

int test_ask(test_t *t, const char *name);
int test_stale(test_t *t, const char *name);

/* asks for a process, with a place in the queue or without */

int test_queue(test_t *t, const char *name, ngx_pid_t pid, ngx_uint_t queued);

/* ends what was asked last, or what the ticket is of, as t->verdict is */

int test_end(test_t *t, const char *name, int reason);
int test_end_of(test_t *t, ticket_t ticket, const char *name, int reason);
int test_fault(test_t *t, const char *name, int retry_after);

/* asks, and ends it; there must be nothing in the store */

void test_learn(test_t *t, const char *name, int reason);

int test_poll(test_t *t, ticket_t ticket);
void test_cancel(test_t *t, ticket_t ticket);

/* purges, and returns how many */

int test_purge(test_t *t, const char *id, const char *account);


/* the groups of tests */

void test_verdicts(void);
void test_refreshes(void);
void test_flights(void);
void test_queues(void);
void test_shares(void);
void test_breaker(void);
void test_budgets(void);
void test_purges(void);
void test_room(void);
void test_wraps(void);
void test_edges(void);
void test_peek(void);


#endif /* _STORE_TEST_H_INCLUDED_ */
