
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "test.h"


/* processes that share the places among "lookups" */


static void test_leave(void);
static void test_enough(void);


void
test_shares(void)
{
    test_leave();
    test_enough();
}


/* one that gave a place back leaves it to others if there are too few */

static void
test_leave(void)
{
    test_t  t;

    test_create(&t, 1, 64, 50);
    store_limits(t.store, 8, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 1, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 1, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 2, 0), T(QUEUE));
    EQUAL(test_end(&t, "TKN-1/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-2/a", 1, 1), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 1, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-3/a", 2, 1), T(MISS));

    /* a lookup that failed is one that ended */

    EQUAL(test_fault(&t, "TKN-3/a", 0), NGX_OK);
    EQUAL(test_queue(&t, "TKN-5/a", 2, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-2/a", 1, 1), T(MISS));

    /* nobody else takes it, or a clock is behind */

    EQUAL(test_end(&t, "TKN-2/a", T(PASS)), NGX_OK);
    t.question.now += 19;
    EQUAL(test_queue(&t, "TKN-4/a", 1, 1), T(QUEUE));
    t.question.now += 1;
    EQUAL(test_queue(&t, "TKN-4/a", 1, 1), T(MISS));
    EQUAL(test_end(&t, "TKN-4/a", T(PASS)), NGX_OK);
    t.question.now--;
    EQUAL(test_queue(&t, "TKN-6/a", 1, 0), T(MISS));

    /* nobody else waits */

    store_unqueue(t.store, 2);
    EQUAL(test_queue(&t, "TKN-7/a", 1, 0), T(QUEUE));
    EQUAL(test_end(&t, "TKN-6/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-7/a", 1, 1), T(MISS));

    test_free(&t);
}


/* there is one for each of them, and none is left idle */

static void
test_enough(void)
{
    test_t  t;

    test_create(&t, 2, 64, 50);
    store_limits(t.store, 8, 50);

    EQUAL(test_queue(&t, "TKN-1/a", 2, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-2/a", 1, 0), T(MISS));
    EQUAL(test_queue(&t, "TKN-3/a", 2, 0), T(QUEUE));
    EQUAL(test_queue(&t, "TKN-4/a", 1, 0), T(QUEUE));
    EQUAL(test_end(&t, "TKN-2/a", T(PASS)), NGX_OK);
    EQUAL(test_queue(&t, "TKN-4/a", 1, 1), T(MISS));

    test_free(&t);
}
