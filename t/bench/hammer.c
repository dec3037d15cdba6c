
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * Many processes that ask one store at once, and do nothing else:
 *
 *     hammer [TOKENS [SECONDS]]
 *
 * Rounds with one process stand between those with many.  Prints hits in all,
 * their ratio to those of one process, how many the slowest and the quickest of
 * the processes had compared with an equal share, and the longest time that
 * one of them took for 32 hits, including the time for which it had no core.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <signal.h>
#include <sys/wait.h>
#include "fill.h"


#define HAMMER_MAX     32
#define HAMMER_ROUNDS  15
#define HAMMER_BATCH   32              /* hits between looks at the clock */


/* a cache line for each, so that they do not slow one another down */

typedef struct {
    ngx_atomic_t  hits;
    double        longest;
    u_char        pad[128 - sizeof(ngx_atomic_t) - sizeof(double)];
} hammer_count_t;


typedef struct {
    ngx_atomic_t    ready;
    ngx_atomic_t    start;
    ngx_atomic_t    stop;
    u_char          pad[128 - 3 * sizeof(ngx_atomic_t)];
    hammer_count_t  counts[HAMMER_MAX];
} hammer_t;


typedef struct {
    double  hits;                      /* a second */
    double  least;
    double  most;
    double  longest;
} hammer_result_t;


static ngx_int_t hammer_round(ngx_uint_t n, hammer_result_t *result);
static void hammer_child(ngx_uint_t n);
static void hammer_pause(double seconds);


static store_t     *hammer_store;
static hammer_t    *hammer;
static ngx_uint_t   hammer_tokens = 10000;
static double       hammer_seconds = 0.5;


int
main(int argc, char *const *argv)
{
    double           ratio[HAMMER_ROUNDS], hits[HAMMER_ROUNDS];
    ngx_uint_t       i, n;
    hammer_result_t  one, many, worst;

    if (argc > 1) {
        hammer_tokens = atoi(argv[1]);
    }

    if (argc > 2) {
        hammer_seconds = atof(argv[2]);
    }

    env_init();

    hammer = env_shared(sizeof(hammer_t));
    hammer_store = bench_fill(hammer_tokens);

    if (hammer_store == NULL) {
        return 1;
    }

    printf("%lu tokens, %ld cores\n\n", hammer_tokens, (long) ngx_ncpu);
    printf("| processes | hits, million/s | ratio to one | least share "
           "| most | 32 hits took at most, ms |\n");
    printf("| ---: | ---: | ---: | ---: | ---: | ---: |\n");

    for (n = 1; n <= HAMMER_MAX; n *= 2) {

        worst.least = 1;
        worst.most = 1;
        worst.longest = 0;

        for (i = 0; i < HAMMER_ROUNDS; i++) {

            if (hammer_round(1, &one) != NGX_OK
                || hammer_round(n, &many) != NGX_OK)
            {
                return 1;
            }

            hits[i] = many.hits;
            ratio[i] = many.hits / one.hits;

            worst.least = ngx_min(worst.least, many.least);
            worst.most = ngx_max(worst.most, many.most);
            worst.longest = ngx_max(worst.longest, many.longest);
        }

        qsort(hits, HAMMER_ROUNDS, sizeof(double), bench_cmp);
        qsort(ratio, HAMMER_ROUNDS, sizeof(double), bench_cmp);

        printf("| %lu | %.2f | %.2f (%.2f to %.2f) | %.2f | %.2f | %.1f |\n",
               n, hits[HAMMER_ROUNDS / 2] / 1e6, ratio[HAMMER_ROUNDS / 2],
               ratio[0], ratio[HAMMER_ROUNDS - 1], worst.least, worst.most,
               worst.longest * 1e3);
        (void) fflush(stdout);
    }

    return 0;
}


static ngx_int_t
hammer_round(ngx_uint_t n, hammer_result_t *result)
{
    int         status;
    pid_t       pids[HAMMER_MAX];
    double      start, took, sum, least, most;
    ngx_int_t   rc;
    ngx_uint_t  i;

    ngx_memzero(hammer, sizeof(hammer_t));

    for (i = 0; i < n; i++) {
        pids[i] = fork();

        if (pids[i] == -1) {
            perror("fork()");
            hammer->stop = 1;
            hammer->start = 1;
            return NGX_ERROR;
        }

        if (pids[i] == 0) {
            hammer_child(i);
            _exit(0);
        }
    }

    for (i = 0; hammer->ready < n && i < 10000; i++) {
        hammer_pause(0.001);
    }

    start = bench_now();
    hammer->start = 1;

    hammer_pause(hammer_seconds);

    hammer->stop = 1;
    took = bench_now() - start;

    rc = NGX_OK;
    sum = 0;
    least = 1e18;
    most = 0;
    result->longest = 0;

    for (i = 0; i < n; i++) {

        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
            fprintf(stderr, "hammer: a process failed\n");
            rc = NGX_ERROR;
        }

        sum += hammer->counts[i].hits;
        least = ngx_min(least, hammer->counts[i].hits);
        most = ngx_max(most, hammer->counts[i].hits);
        result->longest = ngx_max(result->longest, hammer->counts[i].longest);
    }

    result->hits = sum / took;
    result->least = least * n / sum;
    result->most = most * n / sum;

    return rc;
}


/* it ends with its parent, and after the round */

static void
hammer_child(ngx_uint_t n)
{
    pid_t       parent;
    double      now, last;
    u_char      id[13];
    ngx_uint_t  i, hits, batch;
    question_t  question;

    static reply_t  reply;

    env_init();

    parent = getppid();

    (void) ngx_atomic_fetch_add(&hammer->ready, 1);

    while (!hammer->start && getppid() == parent) {
        hammer_pause(0.0001);
    }

    hits = 0;
    i = n * 7919;
    last = bench_now();

    while (!hammer->stop && getppid() == parent) {

        for (batch = 0; batch < HAMMER_BATCH; batch++) {
            bench_question(&question, (i++ * 7919) % hammer_tokens, id);
            question.now = (ngx_msec_t) (last * 1000);
            store_prefetch(hammer_store, &question);

            if (store_ask(hammer_store, &question, &reply) != T(HIT)) {
                _exit(1);
            }
        }

        hits += HAMMER_BATCH;

        now = bench_now();
        hammer->counts[n].longest = ngx_max(hammer->counts[n].longest,
                                            now - last);
        last = now;
    }

    hammer->counts[n].hits = hits;
}


static void
hammer_pause(double seconds)
{
    struct timespec  ts;

    ts.tv_sec = (time_t) seconds;
    ts.tv_nsec = (long) ((seconds - (time_t) seconds) * 1e9);

    (void) nanosleep(&ts, NULL);
}
