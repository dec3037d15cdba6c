
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * Many processes that ask a store at once, and do nothing else:
 *
 *     hammer [TOKENS [SECONDS [ROUNDS]]]
 *
 * A round is: one process; many, each with a store of its own, which is what
 * the machine can do; as many with one store; and both once more beside a
 * writer, a process that changes a store 10,000 times a second: one that nobody
 * asks, or the one that all ask.  The first table compares the hits of all with
 * those of the one process of the same round.
 *
 * The second table has the CPU time of a hit, and how many hits took a mutex.
 * The rest is the worst that happened to any process: how many hits the slowest
 * and the quickest had, compared with an equal share; and the longest time that
 * 32 hits took, and one change, including the time for which the process had no
 * core.  For processes with stores of their own that is the scheduler's work.
 *
 * The program is linked with --wrap=ngx_shmtx_lock.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "fill.h"


#define HAMMER_MAX      32
#define HAMMER_SIZES    6              /* 1, 2, 4 ... HAMMER_MAX processes */
#define HAMMER_ROUNDS   99             /* at most */
#define HAMMER_BATCH    32             /* hits between looks at the clock */
#define HAMMER_CHANGES  10000          /* a second */
#define HAMMER_READY    10             /* s, to start all processes */


typedef enum {
    HAMMER_ALONE = 0,
    HAMMER_APART,
    HAMMER_SHARED,
    HAMMER_BESIDE,                     /* apart, and a writer with its own */
    HAMMER_CHANGED,                    /* shared, and a writer in the same */
    HAMMER_KINDS
} hammer_kind_e;


/* what a process did; in cache lines of its own */

typedef struct {
    ngx_uint_t    count;               /* of hits or changes */
    ngx_uint_t    locks;
    double        longest;
    double        cpu;
    u_char        pad[128 - 2 * sizeof(ngx_uint_t) - 2 * sizeof(double)];
} hammer_count_t;


typedef struct {
    ngx_atomic_t    ready;
    ngx_atomic_t    start;
    ngx_atomic_t    stop;
    u_char          pad[128 - 3 * sizeof(ngx_atomic_t)];
    hammer_count_t  counts[HAMMER_MAX + 1];      /* the writer is the last */
} hammer_t;


typedef struct {
    double  hits[HAMMER_ROUNDS];       /* a second */
    double  ratio[HAMMER_ROUNDS];
    double  cpu[HAMMER_ROUNDS];        /* of a hit */
    double  least;
    double  most;
    double  longest;
    double  locks;                     /* of 1,000 hits, at most */
    double  changes[HAMMER_ROUNDS];    /* a second */
    double  change;                    /* the longest */
} hammer_result_t;


static ngx_int_t hammer_stores(void);
static ngx_int_t hammer_round(hammer_kind_e kind, ngx_uint_t n, ngx_uint_t i,
    hammer_result_t *result);
static ngx_int_t hammer_run(hammer_kind_e kind, ngx_uint_t n, double *took);
static void hammer_child(hammer_kind_e kind, ngx_uint_t n);
static void hammer_hits(store_t *store, ngx_uint_t i, hammer_count_t *count);
static ngx_inline void hammer_hit(store_t *store, ngx_uint_t i, double now);
static void hammer_changes(store_t *store, hammer_count_t *count);
static void hammer_lookup(store_t *store, ngx_uint_t token,
    ngx_http_auth_api_token_reason_e reason, hammer_count_t *count);
static void hammer_purge(store_t *store, ngx_uint_t token,
    hammer_count_t *count);
static double hammer_due(hammer_count_t *count);
static double hammer_took(hammer_count_t *count, double since);
static void hammer_fail(const char *what);
static void hammer_sleep(double seconds);
static double hammer_median(double *values);


static const char *hammer_names[] = {
    "alone", "a store each", "one store", "each, a writer beside",
    "one store, changed"
};

static hammer_t    *hammer;
static store_t     *hammer_apart[HAMMER_MAX];
static store_t     *hammer_shared;
static store_t     *hammer_changed;

static ngx_uint_t   hammer_tokens = 10000;
static double       hammer_seconds = 0.5;
static ngx_uint_t   hammer_rounds = 15;
static double       hammer_start;      /* of the writer */
static ngx_uint_t   hammer_unknown;    /* tokens the writer asked about */
static ngx_uint_t   hammer_locks;      /* that this process took */


int
main(int argc, char *const *argv)
{
    double                   median, *ratio;
    ngx_uint_t               i, k, n, size;
    hammer_result_t         *result;

    static hammer_result_t   results[HAMMER_SIZES][HAMMER_KINDS];

    if (argc > 1) {
        hammer_tokens = atoi(argv[1]);
    }

    if (argc > 2) {
        hammer_seconds = atof(argv[2]);
    }

    if (argc > 3) {
        hammer_rounds = ngx_min(ngx_max(atoi(argv[3]), 1), HAMMER_ROUNDS);
    }

    env_init();

    hammer = env_shared(sizeof(hammer_t));

    if (hammer_stores() != NGX_OK) {
        fprintf(stderr, "hammer: a store could not be filled\n");
        return 1;
    }

    printf("%lu tokens, %ld cores, %lu rounds of %.2f s; hits, to those of one "
           "process\n\n", hammer_tokens, (long) ngx_ncpu, hammer_rounds,
           hammer_seconds);
    printf("| processes | alone, million/s |");

    for (k = HAMMER_APART; k < HAMMER_KINDS; k++) {
        printf(" %s |", hammer_names[k]);
    }

    printf("\n| ---: | ---: | ---: | ---: | ---: | ---: |\n");

    for (size = 0; size < HAMMER_SIZES; size++) {

        n = 1 << size;
        result = results[size];

        for (i = 0; i < hammer_rounds; i++) {

            /* each is the first as often as the others */

            for (k = 0; k < HAMMER_KINDS; k++) {

                if (hammer_round((i + k) % HAMMER_KINDS, n, i,
                                 &result[(i + k) % HAMMER_KINDS])
                    != NGX_OK)
                {
                    return 1;
                }
            }

            for (k = HAMMER_APART; k < HAMMER_KINDS; k++) {
                result[k].ratio[i] = result[k].hits[i]
                                     / result[HAMMER_ALONE].hits[i];
            }
        }

        printf("| %lu | %.2f |", n,
               hammer_median(result[HAMMER_ALONE].hits) / 1e6);

        for (k = HAMMER_APART; k < HAMMER_KINDS; k++) {
            ratio = result[k].ratio;
            median = hammer_median(ratio);

            printf(" %.2f (%.2f to %.2f) |", median, ratio[0],
                   ratio[hammer_rounds - 1]);
        }

        printf("\n");
        (void) fflush(stdout);
    }

    printf("\n| processes | store | CPU, ns | mutex, of 1,000 | least share "
           "| most | 32 hits, ms | changes/s (least) | longest, ms |\n");
    printf("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: "
           "|\n");

    for (size = 0; size < HAMMER_SIZES; size++) {
        for (k = HAMMER_APART; k < HAMMER_KINDS; k++) {

            result = &results[size][k];

            printf("| %d | %s | %.0f | %.1f | %.2f | %.2f | %.1f |", 1 << size,
                   hammer_names[k], hammer_median(result->cpu) * 1e9,
                   result->locks, result->least, result->most,
                   result->longest * 1e3);

            if (k >= HAMMER_BESIDE) {
                median = hammer_median(result->changes);

                printf(" %.0f (%.0f) | %.1f |\n", median, result->changes[0],
                       result->change * 1e3);

            } else {
                printf(" - | - |\n");
            }
        }
    }

    return 0;
}


static ngx_int_t
hammer_stores(void)
{
    ngx_uint_t  i;

    for (i = 0; i < HAMMER_MAX; i++) {
        hammer_apart[i] = bench_fill(hammer_tokens);

        if (hammer_apart[i] == NULL) {
            return NGX_ERROR;
        }
    }

    hammer_shared = bench_fill(hammer_tokens);
    hammer_changed = bench_fill(hammer_tokens);

    if (hammer_shared == NULL || hammer_changed == NULL) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a part of round i: of so many processes that ask */

static ngx_int_t
hammer_round(hammer_kind_e kind, ngx_uint_t n, ngx_uint_t i,
    hammer_result_t *result)
{
    double           took, sum, cpu, least, most, locks;
    ngx_uint_t       p;
    hammer_count_t  *count, *writer;

    if (kind == HAMMER_ALONE) {
        n = 1;
    }

    if (hammer_run(kind, n, &took) != NGX_OK) {
        return NGX_ERROR;
    }

    sum = 0;
    cpu = 0;
    least = 1e18;
    most = 0;
    locks = 0;

    for (p = 0; p < n; p++) {
        count = &hammer->counts[p];

        sum += count->count;
        cpu += count->cpu;
        locks += count->locks;
        least = ngx_min(least, count->count);
        most = ngx_max(most, count->count);
        result->longest = ngx_max(result->longest, count->longest);
    }

    result->hits[i] = sum / took;
    result->cpu[i] = cpu / sum;

    locks = locks / sum * 1000;
    least = least * n / sum;
    most = most * n / sum;

    result->locks = ngx_max(result->locks, locks);
    result->least = (i == 0) ? least : ngx_min(result->least, least);
    result->most = ngx_max(result->most, most);

    writer = &hammer->counts[HAMMER_MAX];
    hammer_unknown += writer->count;

    result->changes[i] = writer->count / took;
    result->change = ngx_max(result->change, writer->longest);

    return NGX_OK;
}


/* starts the processes, and ends them */

static ngx_int_t
hammer_run(hammer_kind_e kind, ngx_uint_t n, double *took)
{
    int         status;
    pid_t       pids[HAMMER_MAX + 1];
    double      start;
    ngx_int_t   rc;
    ngx_uint_t  i, all;

    rc = NGX_OK;
    all = (kind >= HAMMER_BESIDE) ? n + 1 : n;

    ngx_memzero(hammer, sizeof(hammer_t));

    for (i = 0; i < all; i++) {
        pids[i] = fork();

        if (pids[i] == -1) {
            perror("fork()");
            rc = NGX_ERROR;
            break;
        }

        if (pids[i] == 0) {
            hammer_child(kind, i < n ? i : HAMMER_MAX);
            _exit(0);
        }
    }

    all = i;
    start = bench_now();

    while (hammer->ready < all) {
        if (bench_now() - start > HAMMER_READY) {
            fprintf(stderr, "hammer: a process did not start\n");
            rc = NGX_ERROR;
            break;
        }

        hammer_sleep(0.001);
    }

    start = bench_now();
    hammer->start = 1;

    hammer_sleep(rc == NGX_OK ? hammer_seconds : 0);

    hammer->stop = 1;
    *took = bench_now() - start;

    for (i = 0; i < all; i++) {
        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
            fprintf(stderr, "hammer: a process failed\n");
            rc = NGX_ERROR;
        }
    }

    return rc;
}


static void
hammer_child(hammer_kind_e kind, ngx_uint_t n)
{
    double           now, cpu;
    store_t         *store;
    ngx_uint_t       i;
    hammer_count_t  *count;

    env_init();

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1
        || prctl(PR_SET_TIMERSLACK, 1) == -1)
    {
        hammer_fail("prctl() failed");
    }

    if (n < HAMMER_MAX && (kind == HAMMER_APART || kind == HAMMER_BESIDE)) {
        store = hammer_apart[n];

    } else if (kind >= HAMMER_BESIDE) {
        store = hammer_changed;

    } else {
        store = hammer_shared;
    }

    /* what has not been asked for in this second takes the mutex */

    now = bench_now();

    for (i = 0; i < hammer_tokens && n < HAMMER_MAX; i++) {
        hammer_hit(store, i, now);
    }

    (void) ngx_atomic_fetch_add(&hammer->ready, 1);

    while (!hammer->start) {
        hammer_sleep(0.0001);
    }

    cpu = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

    hammer_locks = 0;
    hammer_start = bench_now();

    count = &hammer->counts[n];

    if (n == HAMMER_MAX) {
        hammer_changes(store, count);

    } else {
        hammer_hits(store, n * 7919, count);
    }

    count->locks = hammer_locks;
    count->cpu = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}


static void
hammer_hits(store_t *store, ngx_uint_t i, hammer_count_t *count)
{
    double      now;
    ngx_uint_t  n;

    now = hammer_start;

    while (!hammer->stop) {

        for (n = 0; n < HAMMER_BATCH; n++) {
            hammer_hit(store, i++, now);
        }

        count->count += HAMMER_BATCH;
        now = hammer_took(count, now);
    }
}


static ngx_inline void
hammer_hit(store_t *store, ngx_uint_t i, double now)
{
    u_char      id[BENCH_ID];
    uint64_t    cell[T(CELL) / sizeof(uint64_t)];
    reply_t     reply;
    question_t  question;

    bench_question(&question, (i * 7919) % hammer_tokens, id);
    question.now = (ngx_msec_t) (now * 1000);
    store_prefetch(store, &question);

    reply.cell = cell;

    if (store_ask(store, &question, &reply) != T(HIT)) {
        hammer_fail("a token that is in the store was not found");
    }

    if (!bench_right(&reply.verdict.facts, id)) {
        hammer_fail("a hit had the facts of another token");
    }
}


/*
 * Half of the lookups replace the facts of a token that is asked for.  The
 * others find that a token is unknown, and most of them evict an older denial;
 * every second of these is purged.
 */

static void
hammer_changes(store_t *store, hammer_count_t *count)
{
    ngx_uint_t  i;

    for (i = hammer_unknown; !hammer->stop; i++) {

        hammer_lookup(store, (i * 7919) % hammer_tokens, T(PASS), count);
        hammer_lookup(store, hammer_tokens + i, T(UNKNOWN), count);

        if (i % 2) {
            hammer_purge(store, hammer_tokens + i, count);
        }
    }
}


static void
hammer_lookup(store_t *store, ngx_uint_t token,
    ngx_http_auth_api_token_reason_e reason, hammer_count_t *count)
{
    double      start;
    u_char      id[BENCH_ID], name[BENCH_NAME];
    reply_t     reply;
    verdict_t   verdict;
    question_t  question;

    bench_question(&question, token, id);
    bench_facts(&verdict, id, name);

    /* nothing is fresh */

    question.valid = 0;
    question.denied = 0;
    reply.cell = NULL;

    start = hammer_due(count);
    question.now = (ngx_msec_t) (start * 1000);

    if (store_ask(store, &question, &reply) != T(MISS)) {
        hammer_fail("a lookup did not begin");
    }

    (void) hammer_took(count, start);

    verdict.reason = reason;
    verdict.asked = question.now;

    start = hammer_due(count);
    question.now = (ngx_msec_t) (start * 1000);

    if (store_end(store, &reply.ticket, &question, &verdict) != NGX_OK) {
        hammer_fail("a lookup did not end");
    }

    (void) hammer_took(count, start);
}


static void
hammer_purge(store_t *store, ngx_uint_t token, hammer_count_t *count)
{
    double      start;
    u_char      id[BENCH_ID];
    purge_t     purge;
    question_t  question;

    bench_question(&question, token, id);

    ngx_memzero(&purge, sizeof(purge_t));
    purge.id = question.id;

    start = hammer_due(count);

    if (store_purge(store, &purge) != 1) {
        hammer_fail("a purge by id did not find one verdict");
    }

    (void) hammer_took(count, start);
}


/* waits for the time of the next change, or for the end; returns the time */

static double
hammer_due(hammer_count_t *count)
{
    double  now, due;

    due = hammer_start + (double) count->count / HAMMER_CHANGES;

    for ( ;; ) {
        now = bench_now();

        if (hammer->stop) {
            return now;
        }

        if (now >= due) {
            count->count++;
            return now;
        }

        hammer_sleep(due - now);
    }
}


static double
hammer_took(hammer_count_t *count, double since)
{
    double  now;

    now = bench_now();

    count->longest = ngx_max(count->longest, now - since);

    return now;
}


static void
hammer_fail(const char *what)
{
    fprintf(stderr, "hammer: %s\n", what);
    _exit(1);
}


static void
hammer_sleep(double seconds)
{
    struct timespec  ts;

    ts.tv_sec = (time_t) seconds;
    ts.tv_nsec = (long) ((seconds - (time_t) seconds) * 1e9);

    (void) nanosleep(&ts, NULL);
}


/* sorts them, too */

static double
hammer_median(double *values)
{
    qsort(values, hammer_rounds, sizeof(double), bench_cmp);

    return values[hammer_rounds / 2];
}


/* what the linker has the store call in place of ngx_shmtx_lock() */

void __real_ngx_shmtx_lock(ngx_shmtx_t *mtx);
void __wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx);


void
__wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    hammer_locks++;

    __real_ngx_shmtx_lock(mtx);
}
