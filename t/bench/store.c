
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * How long the store is held, alone and in one process:
 *
 *     store [TOKENS [HITS [PURGES]]]
 *
 * A purge takes the mutex for less than what is printed, as that is the time of
 * the whole call.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "fill.h"


static double bench_hits(store_t *store, ngx_uint_t tokens, ngx_uint_t hits,
    ngx_msec_t step);
static void bench_print(const char *what, double *took, ngx_uint_t n);


int
main(int argc, char *const *argv)
{
    u_char      id[BENCH_ID];
    double      start, *took;
    store_t    *store;
    purge_t     purge;
    question_t  question;
    ngx_uint_t  i, n, hits, purges, tokens;

    tokens = (argc > 1) ? (ngx_uint_t) atoi(argv[1]) : 100000;
    hits = (argc > 2) ? (ngx_uint_t) atoi(argv[2]) : 2000000;
    purges = (argc > 3) ? (ngx_uint_t) atoi(argv[3]) : 1000;

    env_init();

    store = bench_fill(tokens);
    took = calloc(purges + 2, sizeof(double));

    if (store == NULL || took == NULL) {
        return 1;
    }

    printf("%lu tokens\n", tokens);

    took[0] = bench_hits(store, tokens, hits, 0);

    if (purges == 0) {
        return 0;
    }

    took[1] = bench_hits(store, tokens, hits, 1024);

    printf("hit: %.0f ns, and %.0f ns the first time in a second, without the "
           "digest of the token\n", took[0], took[1]);

    for (i = 0; i < purges; i++) {
        bench_question(&question, (i * 104729) % tokens, id);

        ngx_memzero(&purge, sizeof(purge_t));
        purge.id = question.id;

        start = bench_now();
        n = store_purge(store, &purge);
        took[i] = bench_now() - start;

        if (n != 1) {
            return 1;
        }
    }

    bench_print("purge by id", took, purges);

    ngx_memzero(&purge, sizeof(purge_t));
    ngx_str_set(&purge.account, "ACC-8765-4321");

    start = bench_now();
    n = store_purge(store, &purge);

    printf("purge by account: %lu tokens in %.1f ms, 32 at a time or less\n", n,
           (bench_now() - start) * 1e3);

    return 0;
}


/* nanoseconds of a hit; time goes on by a step from round to round */

static double
bench_hits(store_t *store, ngx_uint_t tokens, ngx_uint_t hits, ngx_msec_t step)
{
    u_char      id[BENCH_ID];
    double      start;
    question_t  question;
    ngx_uint_t  i;

    static reply_t  reply;

    start = bench_now();

    for (i = 0; i < hits; i++) {
        bench_question(&question, (i * 7919) % tokens, id);
        question.now += (i / tokens + 1) * step;
        store_prefetch(store, &question);

        if (store_ask(store, &question, &reply) != T(HIT)) {
            fprintf(stderr, "no hit\n");
            exit(1);
        }
    }

    return (bench_now() - start) / ngx_max(hits, 1) * 1e9;
}


static void
bench_print(const char *what, double *took, ngx_uint_t n)
{
    qsort(took, n, sizeof(double), bench_cmp);

    printf("%s: median %.2f us, 99 of 100 in %.2f us, longest %.2f us\n", what,
           took[n / 2] * 1e6, took[n * 99 / 100] * 1e6, took[n - 1] * 1e6);
}
