
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "readers.h"


#define READERS_POOL  65536            /* a power of two */


static uint64_t readers_mix(uint64_t x);
static uint64_t readers_next(uint64_t *x);
static size_t readers_len(uint64_t n, ngx_uint_t i);
static ngx_uint_t readers_reason(ngx_uint_t n, uint64_t x);
static void readers_pool_init(void);


store_t    *readers_store;
readers_t  *readers;

static u_char    readers_keys[READERS_KEYS][T(KEY_LEN)];
static u_char    readers_budgets[READERS_BUDGETS][T(KEY_LEN)];
static uint64_t  readers_hash[READERS_KEYS];
static char      readers_ids[READERS_IDS][16];
static char      readers_accounts[READERS_ACCOUNTS][16];
static uint64_t  readers_state;

/* what strings are parts of, with room for the longest */

static u_char    readers_pool[READERS_POOL + 2 * T(MAX_FACTS)];


void
readers_data_init(void)
{
    char        name[32];
    ngx_uint_t  i;

    for (i = 0; i < READERS_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "token %d", (int) i);
        env_key(readers_keys[i], name);
        memcpy(&readers_hash[i], readers_keys[i] + 8, sizeof(uint64_t));
    }

    for (i = 0; i < READERS_BUDGETS; i++) {
        (void) snprintf(name, sizeof(name), "client %d", (int) i);
        env_key(readers_budgets[i], name);
    }

    for (i = 0; i < READERS_IDS; i++) {
        (void) snprintf(readers_ids[i], sizeof(readers_ids[i]), "TKN-%d",
                        (int) i);
    }

    for (i = 0; i < READERS_ACCOUNTS; i++) {
        (void) snprintf(readers_accounts[i], sizeof(readers_accounts[i]),
                        "ACC-%d", (int) i);
    }

    readers_pool_init();

    readers_state = (uint64_t) getpid() << 32 | (uint32_t) random();
}


/* no two places are the same, and much looks like what the store is made of */

static void
readers_pool_init(void)
{
    u_char      *p, *last;
    uint32_t     n;
    uint64_t     x;

    p = readers_pool;
    last = p + sizeof(readers_pool);
    readers_state = 1;

    while (last - p >= 2 * T(KEY_LEN)) {
        x = readers_mix(readers_random(0xffffffff));
        n = x % (readers_store->ncells + 2);

        switch (readers_random(8)) {

        case 0:
            memcpy(p, readers_keys[x % READERS_KEYS], T(KEY_LEN));
            p += T(KEY_LEN);
            break;

        case 1:
        case 2:

            /* a cell, or a place inside of one */

            *(u_char **) (void *) p = readers_store->cells + n * T(CELL)
                                      + (x >> 63 ? 0 : (x >> 32) % T(CELL));
            p += sizeof(uint64_t);
            break;

        case 3:
            memcpy(p, &n, sizeof(uint32_t));
            memcpy(p + sizeof(uint32_t), &x, sizeof(uint32_t));
            p += sizeof(uint64_t);
            break;

        default:
            memcpy(p, &x, sizeof(uint64_t));
            p += sizeof(uint64_t);
        }
    }
}


uint32_t
readers_random(uint32_t n)
{
    readers_state = readers_state * 6364136223846793005ULL
                    + 1442695040888963407ULL;

    return (uint32_t) (readers_state >> 33) % n;
}


static uint64_t
readers_mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15ULL;

    return x ^ (x >> 29);
}


static uint64_t
readers_next(uint64_t *x)
{
    *x += 0x9e3779b97f4a7c15ULL;

    return readers_mix(*x);
}


void
readers_question(question_t *q, ngx_uint_t n)
{
    memset(q, 0, sizeof(question_t));
    memcpy(q->key, readers_keys[n], T(KEY_LEN));

    if (n % 5) {
        q->id.data = (u_char *) readers_ids[n % READERS_IDS];
        q->id.len = strlen(readers_ids[n % READERS_IDS]);
    }

    q->now = readers->clock;
    q->valid = 200 << readers_random(8);
    q->denied = q->valid;
    q->timeout = 0x10000000;           /* none is lost but by a death */
    q->pid = ngx_pid;
}


u_char *
readers_budget(ngx_uint_t n)
{
    return readers_budgets[n];
}


void
readers_verdict(ngx_uint_t n, ngx_msec_t clock, verdict_t *v)
{
    uint64_t         x, r;
    facts_t         *facts;
    ngx_str_t       *value;
    ngx_uint_t       i;
    static uint64_t  sum[2];

    x = readers_mix(readers_hash[n] ^ clock);

    memset(v, 0, sizeof(verdict_t));

    v->asked = clock;
    v->health = T(WELL);
    v->reason = readers_reason(n, x);

    facts = &v->facts;
    value = (ngx_str_t *) facts;

    for (i = 0; i < T(STRINGS); i++) {
        r = readers_next(&x);

        value[i].data = readers_pool + r % READERS_POOL;
        value[i].len = readers_len(r >> 32, i);
    }

    /* what tokens without an id are known by, and the rest by the question */

    facts->id.data = (u_char *) readers_ids[n % READERS_IDS];
    facts->id.len = strlen(readers_ids[n % READERS_IDS]);

    facts->account_id.data = (u_char *) readers_accounts[n % READERS_ACCOUNTS];
    facts->account_id.len = strlen(readers_accounts[n % READERS_ACCOUNTS]);

    sum[0] = x;
    sum[1] = readers_mix(x);

    facts->name.data = (u_char *) sum;
    facts->name.len = sizeof(sum);
}


/* most fit into one cell, some take two or three, a few all there may be */

static size_t
readers_len(uint64_t n, ngx_uint_t i)
{
    uint64_t  size;

    size = n % 64 ? (n % 8 ? 20 : 90) : 780;

    if (i < T(SHORT)) {
        size = ngx_min(size, 255);
    }

    return (n >> 6) % size;
}


/* some tokens are never good, and some sometimes */

static ngx_uint_t
readers_reason(ngx_uint_t n, uint64_t x)
{
    switch (n % 8) {

    case 0:
        break;

    case 1:
        if (x >> 63) {
            break;
        }

        /* fall through */

    default:
        return T(PASS);
    }

    return T(UNKNOWN) + (x >> 32) % (T(UNREADABLE) - T(UNKNOWN) + 1);
}


void
readers_judge(ngx_uint_t n, verdict_t *v, ngx_msec_t floor)
{
    verdict_t    expected;
    ngx_str_t   *is, *was;
    ngx_uint_t   i;

    if (n >= READERS_KEYS - READERS_ABSENT) {
        readers_fail("token %lu is known", n);
        return;
    }

    if ((ngx_msec_int_t) (v->asked - floor) < 0
        || (ngx_msec_int_t) ((ngx_msec_t) readers->clock - v->asked) < 0)
    {
        readers_fail("token %lu of %lu, which is not from %lu to %lu", n,
                     (ngx_uint_t) v->asked, (ngx_uint_t) floor,
                     (ngx_uint_t) readers->clock);
        return;
    }

    readers_verdict(n, v->asked, &expected);

    if (v->reason != expected.reason) {
        readers_fail("token %lu of %lu: reason %d, not %d", n,
                     (ngx_uint_t) v->asked, (int) v->reason,
                     (int) expected.reason);
        return;
    }

    is = (ngx_str_t *) &v->facts;
    was = (ngx_str_t *) &expected.facts;

    for (i = 0; i < T(STRINGS); i++) {

        if (v->reason != T(PASS) && i > 1) {
            was[i].len = 0;
        }

        if (is[i].len != was[i].len
            || memcmp(is[i].data, was[i].data, was[i].len) != 0)
        {
            readers_fail("token %lu of %lu: string %lu, %lu bytes, not %lu", n,
                         (ngx_uint_t) v->asked, i, (ngx_uint_t) is[i].len,
                         (ngx_uint_t) was[i].len);
            return;
        }
    }
}


/* what had begun before a purge is never found after it */

void
readers_purge(void)
{
    purge_t            purge;
    ngx_uint_t         i, id, account;
    ngx_atomic_uint_t  clock;

    memset(&purge, 0, sizeof(purge_t));

    id = READERS_IDS;
    account = READERS_ACCOUNTS;

    i = readers_random(64);

    if (i < 40) {
        id = readers_random(READERS_IDS);
        purge.id.data = (u_char *) readers_ids[id];
        purge.id.len = strlen(readers_ids[id]);

    } else if (i < 63) {
        account = readers_random(READERS_ACCOUNTS);
        purge.account.data = (u_char *) readers_accounts[account];
        purge.account.len = strlen(readers_accounts[account]);

    } else {
        purge.all = 1;
    }

    clock = ngx_atomic_fetch_add(&readers->clock, 1) + 1;

    (void) store_purge(readers_store, &purge);

    for (i = 0; i < READERS_KEYS; i++) {
        if (purge.all
            || i % READERS_IDS == id
            || i % READERS_ACCOUNTS == account)
        {
            readers_raise_floor(i, clock);
        }
    }

    (void) ngx_atomic_fetch_add(&readers->purges, 1);
}


void
readers_raise_floor(ngx_uint_t n, ngx_atomic_uint_t floor)
{
    ngx_atomic_uint_t  old;

    do {
        old = readers->floor[n];

        if (old >= floor) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&readers->floor[n], old, floor));
}


void
readers_fail(const char *fmt, ...)
{
    va_list  args;

    if (ngx_atomic_fetch_add(&readers->failed, 1) != 0) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(readers->err, sizeof(readers->err), fmt, args);
    va_end(args);
}
