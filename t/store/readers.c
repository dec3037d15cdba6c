
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "readers.h"
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "locks.h"
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


/*
 * Reads a store without the mutex while others change it, purge it and die:
 *
 *     readers [READS [SEED]]
 *
 * Each answer is judged.  Who changes the store pauses, or dies, in the middle
 * of some changes, see readers_raise(); who reads is stopped at any moment.
 */


#define READERS_READERS   4
#define READERS_WRITERS   2
#define READERS_CHILDREN  (READERS_READERS + READERS_WRITERS)
#define READERS_CELLS     400
#define READERS_LOOKUPS   16
#define READERS_DENIED    20
#define READERS_BATCH     512          /* reads until they are counted */
#define READERS_SLICE     500          /* us, until a reader is stopped */
#define READERS_REST      4            /* times that others run, less one */
#define READERS_TIMEOUT   300          /* s, and as long for so many reads: */
#define READERS_SPEED     20000        /* a second, at least */


static void readers_start(ngx_uint_t n);
static void readers_reap(ngx_uint_t n);
static void readers_stop_one(struct timespec *pause);
static ngx_int_t readers_end(void);
static ngx_uint_t readers_idle(void);
static void readers_read(void);
static void readers_slice(int signo);
static void readers_peek(void);
static void readers_peek_budget(void);
static void readers_ask(ngx_uint_t n);
static void readers_write(void);
static void readers_rest(void);
static void readers_learn(question_t *q, ngx_uint_t n, ticket_t *ticket);
static void readers_leave_garbage(void);
static ngx_uint_t readers_gone(ngx_pid_t pid);
static void readers_alarm(int signo);

/* instead of raise(), for the points where processes may die */

int readers_raise(int signo);


static pid_t       readers_pids[READERS_CHILDREN];
static ngx_uint_t  readers_mortal;
static ngx_uint_t  readers_deaths;
static readers_t   readers_counts;     /* of this process */
static uint64_t    readers_cell[T(CELL) / sizeof(uint64_t)];
static uint64_t    readers_buf[T(COPY) / sizeof(uint64_t)];


int
main(int argc, char **argv)
{
    size_t           size;
    ngx_uint_t       i, seed;
    ngx_atomic_t     reads;
    struct timespec  pause;

    reads = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000000;
    seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (ngx_uint_t) getpid();

    printf("readers: %lu reads, seed %lu\n", (unsigned long) reads,
           (unsigned long) seed);
    fflush(stdout);

    env_init();
    srandom(seed);

    size = env_size(READERS_LOOKUPS, READERS_CELLS);

    readers = env_shared(sizeof(readers_t));
    readers->clock = READERS_BASE;

    readers_store = store_create(env_shared(size), size, env_mutex(),
                                 env_secret, READERS_LOOKUPS, 0,
                                 READERS_DENIED);

    if (readers_store == NULL) {
        fprintf(stderr, "readers: no store\n");
        return 1;
    }

    readers_data_init();

    (void) signal(SIGALRM, readers_alarm);
    (void) alarm(READERS_TIMEOUT + reads / READERS_SPEED);

    for (i = 0; i < READERS_CHILDREN; i++) {
        readers_start(i);
    }

    pause.tv_sec = 0;
    pause.tv_nsec = 500000;

    /* until there was something of everything, too */

    while ((readers->reads < reads || readers_idle()) && !readers->failed) {

        for (i = 0; i < READERS_CHILDREN; i++) {
            readers_reap(i);
        }

        readers_stop_one(&pause);
    }

    readers->stop = 1;

    for (i = 0; i < READERS_CHILDREN; i++) {
        (void) kill(readers_pids[i], SIGKILL);
        (void) waitpid(readers_pids[i], NULL, 0);
        (void) ngx_shmtx_force_unlock(readers_store->mutex, readers_pids[i]);
    }

    return readers_end() == NGX_OK ? 0 : 1;
}


static void
readers_start(ngx_uint_t n)
{
    pid_t  pid;
    long   seed;

    seed = random();
    pid = fork();

    if (pid == -1) {
        perror("fork()");
        readers_alarm(0);
    }

    if (pid) {
        readers_pids[n] = pid;
        return;
    }

    (void) alarm(0);
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    env_init();
    srandom(seed);
    readers_data_init();

    store_release(readers_store, readers_gone);

    if (n < READERS_READERS) {
        readers_read();

    } else {
        readers_mortal = 1;

        while (!readers->failed) {
            readers_write();
            readers_rest();
        }
    }

    /* the parent ends all of them */

    for ( ;; ) {
        (void) pause();
    }
}


/* what nginx does when a child is gone, and starts another */

static void
readers_reap(ngx_uint_t n)
{
    int    status;
    pid_t  pid;

    pid = waitpid(readers_pids[n], &status, WNOHANG);

    if (pid == 0) {
        return;
    }

    if (pid == -1 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL
        || n < READERS_READERS)
    {
        readers_fail("child %lu ended with %d", n, pid == -1 ? -1 : status);
        return;
    }

    readers_deaths++;

    (void) ngx_shmtx_force_unlock(readers_store->mutex, pid);

    readers_start(n);
}


/* one of the readers goes on only when much has changed */

static void
readers_stop_one(struct timespec *pause)
{
    pid_t  pid;

    pid = readers_pids[random() % READERS_READERS];

    (void) kill(pid, SIGSTOP);
    (void) nanosleep(pause, NULL);
    (void) kill(pid, SIGCONT);
}


static ngx_int_t
readers_end(void)
{
    char        err[256];
    figures_t   figures;
    ngx_uint_t  i, evicted;

    if (readers->failed) {
        fprintf(stderr, "readers: failed after %lu reads: %s\n",
                (unsigned long) readers->reads, readers->err);
        return NGX_ERROR;
    }

    store_release(readers_store, readers_gone);
    store_figures(readers_store, &figures);

    if (store_check(readers_store, err, sizeof(err)) != NGX_OK) {
        fprintf(stderr, "readers: broken: %s\n", err);
        return NGX_ERROR;
    }

    evicted = 0;

    for (i = 0; i < T(KINDS); i++) {
        evicted += figures.totals.evicted[i];
    }

    printf("readers: ok, %lu reads without the mutex, %lu of them hits, "
           "%lu of several cells; %lu hits with it; %lu times nothing; "
           "%lu lookups, %lu purges, %lu records purged, %lu evicted, "
           "%lu deaths, %lu resets\n",
           (unsigned long) readers->reads, (unsigned long) readers->asked,
           (unsigned long) readers->several, (unsigned long) readers->locked,
           (unsigned long) readers->nothing, (unsigned long) readers->ends,
           (unsigned long) readers->purges,
           (unsigned long) figures.totals.purged, (unsigned long) evicted,
           (unsigned long) readers_deaths,
           (unsigned long) figures.totals.resets);

    return NGX_OK;
}


static ngx_uint_t
readers_idle(void)
{
    totals_t  *t;

    t = &readers_store->totals;

    return readers->asked == 0
           || readers->several == 0
           || readers->locked == 0
           || readers->ends == 0
           || readers_deaths == 0
           || t->resets == 0
           || t->purged == 0
           || t->evicted[T(FACTS)] == 0;
}


static void
readers_read(void)
{
    ngx_uint_t        i;
    readers_t        *c;
    struct itimerval  slice;

    memset(&slice, 0, sizeof(struct itimerval));

    slice.it_value.tv_usec = READERS_SLICE;
    slice.it_interval.tv_usec = READERS_SLICE;

    (void) signal(SIGALRM, readers_slice);
    (void) setitimer(ITIMER_REAL, &slice, NULL);

    c = &readers_counts;

    while (!readers->failed && !readers->stop) {

        for (i = 0; i < READERS_BATCH && !readers->failed; i++) {

            if (readers_random(4) == 0) {
                readers_ask(readers_random(READERS_KEYS - READERS_ABSENT));

            } else {
                readers_peek();
            }
        }

        (void) ngx_atomic_fetch_add(&readers->asked, c->asked);
        (void) ngx_atomic_fetch_add(&readers->several, c->several);
        (void) ngx_atomic_fetch_add(&readers->nothing, c->nothing);
        (void) ngx_atomic_fetch_add(&readers->locked, c->locked);
        (void) ngx_atomic_fetch_add(&readers->reads, c->reads);

        memset(c, 0, sizeof(readers_t));
    }
}


/* others run, while this one is anywhere */

static void
readers_slice(int signo)
{
    ngx_sched_yield();
}


static void
readers_peek(void)
{
    void        *cell;
    verdict_t    v;
    record_t    *copy;
    question_t   q;
    ngx_uint_t   n, node_key;
    ngx_msec_t   floor;

    n = readers_random(READERS_KEYS + 16);

    if (n >= READERS_KEYS) {
        readers_peek_budget();
        return;
    }

    readers_question(&q, n);

    cell = readers_random(2) ? readers_cell : NULL;
    node_key = ngx_http_auth_api_token_index_node_key(&q.id, q.key);

    floor = readers->floor[n];
    ngx_http_auth_api_token_read_fence();

    copy = ngx_http_auth_api_token_peek(readers_store, node_key, q.key, cell,
                                        readers_buf);

    if (copy == NULL) {
        readers_counts.nothing++;
        return;
    }

    if (copy->node.key != node_key || memcmp(copy->key, q.key, T(KEY_LEN))) {
        readers_fail("token %lu: another one", n);
        return;
    }

    memset(&v, 0, sizeof(verdict_t));

    ngx_http_auth_api_token_record_facts(copy, &v.facts);

    if (v.facts.id.len == 0) {
        v.facts.id = q.id;
    }

    v.reason = copy->reason;
    v.asked = copy->asked;

    readers_judge(n, &v, floor);
    readers_raise_floor(n, v.asked);

    readers_counts.reads++;
    readers_counts.several += (copy->next != 0);
}


static void
readers_peek_budget(void)
{
    u_char      *key;
    record_t    *copy;
    ngx_str_t    none;
    ngx_uint_t   node_key;

    ngx_str_null(&none);

    key = readers_budget(readers_random(READERS_BUDGETS));
    node_key = ngx_http_auth_api_token_index_node_key(&none, key);

    copy = ngx_http_auth_api_token_peek(readers_store, node_key, key, NULL,
                                        readers_buf);

    if (copy == NULL) {
        readers_counts.nothing++;
        return;
    }

    if (copy->node.key != node_key || memcmp(copy->key, key, T(KEY_LEN))
        || copy->reason != T(UNDECIDED) || copy->next != 0
        || copy->short_len[0] || copy->short_len[1] || copy->len[0]
        || copy->tried < 1000)
    {
        readers_fail("a budget is another record");
    }

    readers_counts.reads++;
}


static void
readers_ask(ngx_uint_t n)
{
    reply_t         reply;
    question_t      q;
    ngx_uint_t      locks;
    ngx_msec_t      floor;
    ngx_msec_int_t  age;

    readers_question(&q, n);

    q.refresh = readers_random(2);
    reply.cell = readers_random(2) ? readers_cell : NULL;

    floor = readers->floor[n];
    ngx_http_auth_api_token_read_fence();

    locks = locks_taken;

    switch (store_ask(readers_store, &q, &reply)) {

    case T(HIT):
        break;

    case T(REFRESH):
    case T(MISS):
        store_cancel(readers_store, &reply.ticket);
        return;

    default:
        return;
    }

    age = (ngx_msec_int_t) (q.now - reply.verdict.asked);

    if (age >= (ngx_msec_int_t) q.valid) {
        readers_fail("token %lu of %lu: it is %lu", n,
                     (ngx_uint_t) reply.verdict.asked, (ngx_uint_t) q.now);
        return;
    }

    readers_judge(n, &reply.verdict, floor);
    readers_raise_floor(n, reply.verdict.asked);

    if (locks_taken != locks) {
        readers_counts.locked++;
        return;
    }

    readers_counts.asked++;
    readers_counts.reads++;
}


static void
readers_write(void)
{
    reply_t     reply;
    budget_t    budget;
    question_t  q;
    ngx_uint_t  i, n, rc;

    i = readers_random(4000);

    if (i < 30) {
        readers_purge();
        return;
    }

    if (i == 30) {

        /* what is a little old is a lot older to this one */

        store_tidy(readers_store, (ngx_msec_t) readers->clock + T(TIDY) - 3000);
        return;
    }

    if (i == 31 && readers_random(4) == 0) {
        readers_leave_garbage();
    }

    n = readers_random(READERS_KEYS);

    readers_question(&q, n);

    q.refresh = 1;
    reply.cell = NULL;

    if (readers_random(4) == 0) {
        memcpy(budget.key, readers_budget(n % READERS_BUDGETS), T(KEY_LEN));
        budget.rate = 1000000;
        budget.burst = 1000;
        q.budget = &budget;
    }

    rc = store_ask(readers_store, &q, &reply);

    if (rc == T(MISS) || rc == T(REFRESH)) {
        readers_learn(&q, n, &reply.ticket);
    }
}


/* now and then it leaves the store to those who read it */

static void
readers_rest(void)
{
    ngx_uint_t  i, n;

    n = readers_random(64) ? 0 : readers_random(READERS_REST);

    for (i = 0; i < n && !readers->failed; i++) {
        ngx_sched_yield();
    }
}


/* the lookup is numbered when it has begun, and before it ends */

static void
readers_learn(question_t *q, ngx_uint_t n, ticket_t *ticket)
{
    verdict_t   v;
    ngx_msec_t  clock;

    clock = ngx_atomic_fetch_add(&readers->clock, 1) + 1;

    if (n >= READERS_KEYS - READERS_ABSENT || readers_random(64) == 0) {
        store_cancel(readers_store, ticket);
        return;
    }

    readers_verdict(n, clock, &v);

    if (readers_random(64) == 0) {
        v.reason = T(UNAVAILABLE);
        v.health = T(FAULT);
    }

    q->now = readers->clock;

    (void) store_end(readers_store, ticket, q, &v);

    (void) ngx_atomic_fetch_add(&readers->ends, 1);
}


/* dies while the store has its mark, and there is anything in it */

static void
readers_leave_garbage(void)
{
    u_char      *p;
    size_t       size;
    uint32_t     n;
    ngx_uint_t   i;

    ngx_http_auth_api_token_store_lock(readers_store);
    ngx_http_auth_api_token_store_change(readers_store);

    size = READERS_CELLS * T(CELL) - sizeof(uint64_t);

    for (i = 0; i < 2000; i++) {
        p = readers_store->cells + readers_random(size);

        if (i % 2) {
            p -= (p - readers_store->cells) % sizeof(void *);
            *(u_char **) (void *) p = readers_store->cells
                                      + readers_random(size);

        } else {
            n = readers_random(0xffffffff);
            memcpy(p, &n, sizeof(uint32_t));
        }
    }

    for (i = 0; i < readers_store->nroots; i++) {
        readers_store->roots[i] = readers_random(2 * READERS_CELLS);
    }

    (void) kill(getpid(), SIGKILL);
}


int
readers_raise(int signo)
{
    ngx_uint_t  i, n;

    n = readers_random(2000);

    if (n == 0 && readers_mortal) {
        (void) kill(getpid(), SIGKILL);
    }

    if (n % 2) {
        ngx_sched_yield();
        return 0;
    }

    for (i = 0; i < n; i++) {
        ngx_cpu_pause();
    }

    return 0;
}


static ngx_uint_t
readers_gone(ngx_pid_t pid)
{
    return kill(pid, 0) == -1 && errno == ESRCH;
}


static void
readers_alarm(int signo)
{
    ngx_uint_t         i;
    static const char  text[] = "readers: hangs\n";

    for (i = 0; i < READERS_CHILDREN; i++) {
        if (readers_pids[i] > 0) {
            (void) kill(readers_pids[i], SIGKILL);
        }
    }

    if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1) {
        _exit(2);
    }

    _exit(1);
}
