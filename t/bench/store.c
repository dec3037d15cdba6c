
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * How long the store is held, alone and in one process:
 *
 *     store [TOKENS]
 *
 * A purge takes the mutex for less than what is printed, as that is the time of
 * the whole call.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "env.h"


#define BENCH_PURGES  1000


static void bench_question(question_t *question, ngx_uint_t n, u_char *id);
static double bench_now(void);
static int bench_cmp(const void *one, const void *two);
static void bench_print(const char *what, double *took, ngx_uint_t n);


static store_t  *bench_store;


int
main(int argc, char *const *argv)
{
    size_t      size;
    u_char      id[32];
    double      start, *took;
    purge_t     purge;
    reply_t     reply;
    verdict_t   verdict;
    question_t  question;
    ngx_uint_t  i, n, tokens;

    tokens = (argc > 1) ? (ngx_uint_t) atoi(argv[1]) : 100000;

    env_init();

    size = env_size(64, tokens + tokens / 10 + 100);

    bench_store = store_create(env_shared(size), size, env_mutex(), 64, 10);
    took = calloc(tokens, sizeof(double));

    if (bench_store == NULL || took == NULL) {
        return 1;
    }

    ngx_memzero(&verdict, sizeof(verdict_t));

    verdict.reason = T(PASS);
    verdict.health = T(WELL);
    verdict.asked = 1000;
    ngx_str_set(&verdict.facts.name, "a name of 20 letters");
    ngx_str_set(&verdict.facts.account_id, "ACC-8765-4321");
    ngx_str_set(&verdict.facts.account_name, "a name of 20 letters");
    ngx_str_set(&verdict.facts.account_type, "Vendor");
    ngx_str_set(&verdict.facts.modules, "MOD-0478,MOD-1756,MOD-9042");

    for (i = 0; i < tokens; i++) {
        bench_question(&question, i, id);

        if (store_ask(bench_store, &question, &reply) != T(MISS)
            || store_end(bench_store, &reply.ticket, &question, &verdict)
               != NGX_OK)
        {
            return 1;
        }
    }

    printf("%u tokens\n", bench_store->entries[T(FACTS)]);

    start = bench_now();

    for (i = 0; i < tokens; i++) {
        bench_question(&question, (i * 7919) % tokens, id);

        if (store_ask(bench_store, &question, &reply) != T(HIT)) {
            return 1;
        }
    }

    printf("hit: %.0f ns, without the digest of the token\n",
           (bench_now() - start) / tokens * 1e9);

    for (i = 0; i < BENCH_PURGES; i++) {
        bench_question(&question, (i * 104729) % tokens, id);

        ngx_memzero(&purge, sizeof(purge_t));
        purge.id = question.id;

        start = bench_now();
        n = store_purge(bench_store, &purge);
        took[i] = bench_now() - start;

        if (n != 1) {
            return 1;
        }
    }

    bench_print("purge by id", took, BENCH_PURGES);

    ngx_memzero(&purge, sizeof(purge_t));
    ngx_str_set(&purge.account, "ACC-8765-4321");

    start = bench_now();
    n = store_purge(bench_store, &purge);

    printf("purge by account: %lu tokens in %.1f ms, 32 at a time\n", n,
           (bench_now() - start) * 1e3);

    return 0;
}


/* keys are spread as digests are, and cost next to nothing to make */

static void
bench_question(question_t *question, ngx_uint_t n, u_char *id)
{
    uint64_t    x;
    ngx_uint_t  i;

    ngx_memzero(question, sizeof(question_t));

    x = n + 1;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN; i += sizeof(x)) {
        x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15;
        ngx_memcpy(question->key + i, &x, sizeof(x));
    }

    ngx_memcpy(id, "TKN-0000-0000", 13);

    for (i = 12; i > 3; i--) {
        if (id[i] != '-') {
            id[i] = '0' + n % 10;
            n /= 10;
        }
    }

    question->id.data = id;
    question->id.len = 13;
    question->now = 1000;
    question->valid = 60000;
    question->denied = 5000;
    question->timeout = 10000;
    question->pid = ngx_pid;
}


static double
bench_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static int
bench_cmp(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}


static void
bench_print(const char *what, double *took, ngx_uint_t n)
{
    qsort(took, n, sizeof(double), bench_cmp);

    printf("%s: median %.2f us, 99 of 100 in %.2f us, longest %.2f us\n", what,
           took[n / 2] * 1e6, took[n * 99 / 100] * 1e6, took[n - 1] * 1e6);
}
