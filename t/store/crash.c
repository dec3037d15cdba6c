
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "points.h"
#include <sys/prctl.h>
#include <sys/wait.h>


/*
 * Processes use one store, and are killed at any moment:
 *
 *     crash [KILLS [SEED]]
 *
 * They also kill themselves in the middle of a change, see
 * ngx_http_auth_api_token_crash(); before that, one does at each point of each
 * change.  The parent does what nginx's master does, and never takes the mutex
 * while they live: who holds it may have died.
 */


#define CRASH_CHILDREN  6
#define CRASH_KEYS      320
#define CRASH_IDS       40
#define CRASH_BUDGETS   4
#define CRASH_CELLS     512
#define CRASH_LOOKUPS   32
#define CRASH_QUEUE     12
#define CRASH_WAITING   4              /* in each process */
#define CRASH_DENIED    10
#define CRASH_TIMEOUT   300            /* s, of all */


typedef struct {
    ngx_atomic_t      ops;
    ngx_atomic_t      hits;
    ngx_atomic_t      checks;
    ngx_atomic_t      queued;
    ngx_atomic_t      failed;
    char              err[256];
} crash_shared_t;


static void crash_keys(void);
static void crash_start(ngx_uint_t n);
static void crash_reap(ngx_uint_t n, ngx_uint_t wait);
static void crash_child(void);
static void crash_step(reply_t *reply);
static ngx_uint_t crash_ask(question_t *q, reply_t *reply);
static void crash_question(question_t *q, budget_t *budget);
static void crash_end(question_t *q, ticket_t *ticket, ngx_uint_t i);
static void crash_verify(question_t *q, reply_t *reply);
static void crash_facts(u_char *key, ngx_str_t *id, facts_t *facts,
    u_char *buf);
static ngx_uint_t crash_good(u_char *key);
static void crash_purge(void);
static void crash_consistent(void);
static ngx_uint_t crash_gone(ngx_pid_t pid);
static ngx_msec_t crash_now(void);
static void crash_fail(const char *err);
static void crash_alarm(int signo);


static store_t         *crash_store;
static crash_shared_t  *crash_shared;
static pid_t            crash_pids[CRASH_CHILDREN];
static u_char           crash_key[CRASH_KEYS][T(KEY_LEN)];
static char             crash_id[CRASH_IDS][16];
static uint64_t         crash_seed;
static ngx_uint_t       crash_deaths;


int
main(int argc, char **argv)
{
    char             err[256];
    size_t           size;
    figures_t        figures;
    ngx_uint_t       i, points, kills, done;
    ngx_atomic_t     ops;
    struct timespec  pause;

    kills = argc > 1 ? strtoul(argv[1], NULL, 10) : 400;
    crash_seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uint64_t) getpid();

    printf("crash: %lu kills, seed %llu\n", (unsigned long) kills,
           (unsigned long long) crash_seed);
    fflush(stdout);

    env_init();

    (void) signal(SIGALRM, crash_alarm);
    (void) alarm(CRASH_TIMEOUT);

    points = points_test();

    crash_keys();
    srandom(crash_seed);

    size = env_size(CRASH_LOOKUPS, CRASH_CELLS);

    crash_shared = env_shared(sizeof(crash_shared_t));
    crash_store = store_create(env_shared(size), size, env_mutex(), env_secret,
                               CRASH_LOOKUPS, CRASH_QUEUE, CRASH_DENIED);

    if (crash_store == NULL) {
        fprintf(stderr, "crash: no store\n");
        return 1;
    }

    for (i = 0; i < CRASH_CHILDREN; i++) {
        crash_start(i);
    }

    pause.tv_sec = 0;
    pause.tv_nsec = 100000;

    for (done = 0; done < kills && !crash_shared->failed; done++) {

        /* until there was some work, by at least one that is alive */

        ops = crash_shared->ops + random() % 1500;

        while (crash_shared->ops < ops && !crash_shared->failed) {

            for (i = 0; i < CRASH_CHILDREN; i++) {
                crash_reap(i, 0);
            }

            (void) nanosleep(&pause, NULL);
        }

        i = random() % CRASH_CHILDREN;

        (void) kill(crash_pids[i], SIGKILL);
        crash_reap(i, 1);
    }

    for (i = 0; i < CRASH_CHILDREN; i++) {
        (void) kill(crash_pids[i], SIGKILL);
        (void) waitpid(crash_pids[i], NULL, 0);
        (void) ngx_shmtx_force_unlock(crash_store->mutex, crash_pids[i]);
    }

    if (crash_shared->failed) {
        fprintf(stderr, "crash: failed: %s\n", crash_shared->err);
        return 1;
    }

    store_release(crash_store, crash_gone);
    store_figures(crash_store, &figures);

    if (store_check(crash_store, err, sizeof(err)) != NGX_OK) {
        fprintf(stderr, "crash: broken: %s\n", err);
        return 1;
    }

    if (figures.in_flight || figures.probing || figures.queued) {
        fprintf(stderr, "crash: %lu in flight, %lu probing, %lu queued\n",
                (unsigned long) figures.in_flight,
                (unsigned long) figures.probing,
                (unsigned long) figures.queued);
        return 1;
    }

    if (figures.totals.resets == 0 || crash_deaths == 0
        || crash_shared->hits == 0 || crash_shared->checks == 0
        || crash_shared->queued == 0)
    {
        fprintf(stderr, "crash: nothing was tested\n");
        return 1;
    }

    printf("crash: %s, %lu points, %lu kills, %lu deaths inside of changes, "
           "%lu resets, %lu operations, %lu hits, %lu waits in the queue, "
           "%lu checks\n",
           points ? "ok" : "failed", (unsigned long) points,
           (unsigned long) done, (unsigned long) crash_deaths,
           (unsigned long) figures.totals.resets,
           (unsigned long) crash_shared->ops,
           (unsigned long) crash_shared->hits,
           (unsigned long) crash_shared->queued,
           (unsigned long) crash_shared->checks);

    return points ? 0 : 1;
}


static void
crash_keys(void)
{
    char        name[32];
    ngx_uint_t  i;

    for (i = 0; i < CRASH_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "token %d", (int) i);
        env_key(crash_key[i], name);
    }

    for (i = 0; i < CRASH_IDS; i++) {
        (void) snprintf(crash_id[i], sizeof(crash_id[i]), "TKN-%d", (int) i);
    }
}


static void
crash_start(ngx_uint_t n)
{
    pid_t  pid;

    crash_seed++;

    pid = fork();

    if (pid == -1) {
        perror("fork()");
        crash_alarm(0);
    }

    if (pid == 0) {
        crash_child();
    }

    crash_pids[n] = pid;
}


/* what nginx does when a child is gone, and starts another */

static void
crash_reap(ngx_uint_t n, ngx_uint_t wait)
{
    int    status;
    pid_t  pid;

    pid = waitpid(crash_pids[n], &status, wait ? 0 : WNOHANG);

    if (pid == 0) {
        return;
    }

    if (pid == -1 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        crash_fail("a child did not die of SIGKILL");
        return;
    }

    crash_deaths += !wait;

    (void) ngx_shmtx_force_unlock(crash_store->mutex, pid);

    crash_start(n);
}


static void
crash_child(void)
{
    static reply_t  reply;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    env_init();
    srandom(crash_seed);

    store_release(crash_store, crash_gone);

    while (!crash_shared->failed) {
        crash_step(&reply);

        (void) ngx_atomic_fetch_add(&crash_shared->ops, 1);
    }

    /* the parent ends all of them */

    for ( ;; ) {
        (void) pause();
    }
}


static void
crash_step(reply_t *reply)
{
    ngx_uint_t  i, n;
    verdict_t   verdict;
    ticket_t    ticket;
    budget_t    budget, none;
    figures_t   figures;
    question_t  q, other;

    i = random() % 1000;

    if (i < 4) {
        crash_purge();
        return;
    }

    if (i < 7) {
        crash_consistent();
        return;
    }

    if (i < 10) {
        store_figures(crash_store, &figures);
        return;
    }

    if (i < 12) {
        store_reap(crash_store, crash_now(), crash_gone);
        return;
    }

    crash_question(&q, &budget);

    switch (crash_ask(&q, reply)) {

    case T(HIT):
        crash_verify(&q, reply);
        break;

    case T(REFRESH):
        crash_verify(&q, reply);
        crash_end(&q, &reply->ticket, i);
        break;

    case T(MISS):
        ticket = reply->ticket;

        /* some do something else before they end, some do not end */

        for (n = random() % 3; n; n--) {
            crash_question(&other, &none);

            if (store_stale(crash_store, &other, reply) == NGX_OK) {
                crash_verify(&other, reply);
            }
        }

        crash_end(&q, &ticket, i);
        break;

    case T(WAIT):
        ticket = reply->ticket;

        for (n = 0; n < 3; n++) {
            if (store_poll(crash_store, &ticket, crash_now(), &verdict)
                != NGX_AGAIN)
            {
                break;
            }
        }

        break;

    case T(STOP):
        if (store_stale(crash_store, &q, reply) == NGX_OK) {
            crash_verify(&q, reply);
        }

        break;

    case T(QUEUE):
        (void) ngx_atomic_fetch_add(&crash_shared->queued, 1);
        break;

    default:
        crash_fail("unknown reply");
    }
}


/* a process has a few places in the queue, and some leave */

static ngx_uint_t
crash_ask(question_t *q, reply_t *reply)
{
    ngx_uint_t         rc;
    static ngx_uint_t  waiting;

    if (waiting > CRASH_WAITING || (waiting && random() % 64 == 0)) {
        store_unqueue(crash_store, q->pid);
        waiting--;
    }

    q->queued = (waiting && random() % 2);
    q->behind = (random() % 8 == 0);

    rc = store_ask(crash_store, q, reply);

    if (q->queued) {
        waiting -= (rc != T(QUEUE));

    } else {
        waiting += (rc == T(QUEUE));
    }

    return rc;
}


static void
crash_question(question_t *q, budget_t *budget)
{
    ngx_uint_t  n;

    memset(q, 0, sizeof(question_t));
    memset(budget, 0, sizeof(budget_t));

    n = random() % (random() % 4 ? CRASH_KEYS : 4);

    memcpy(q->key, crash_key[n], T(KEY_LEN));

    if (n % 5) {
        q->id.data = (u_char *) crash_id[n % CRASH_IDS];
        q->id.len = strlen(crash_id[n % CRASH_IDS]);
    }

    q->now = crash_now();
    q->valid = 40;
    q->denied = 20;
    q->stale = 40;
    q->timeout = 10;
    q->pid = ngx_pid;
    q->refresh = 1;

    if (random() % 4 == 0) {
        memcpy(budget->key, crash_key[n], T(KEY_LEN));
        budget->key[31] ^= 1;
        budget->key[0] = n % CRASH_BUDGETS;
        budget->rate = 100000;
        budget->burst = 10;
        q->budget = budget;
    }
}


static void
crash_end(question_t *q, ticket_t *ticket, ngx_uint_t i)
{
    u_char     buf[T(MAX_FACTS)];
    verdict_t  verdict;

    if (i < 30) {
        store_cancel(crash_store, ticket);
        return;
    }

    if (i < 40) {
        return;
    }

    memset(&verdict, 0, sizeof(verdict_t));

    verdict.asked = q->now;
    verdict.health = T(WELL);
    verdict.reason = crash_good(q->key) ? T(PASS) : T(DISABLED);

    q->now = crash_now();

    if (i < 60) {
        verdict.reason = T(UNAVAILABLE);
        verdict.health = T(FAULT);
    }

    crash_facts(q->key, &q->id, &verdict.facts, buf);

    (void) store_end(crash_store, ticket, q, &verdict);
}


/* a hit has what belongs to the key, and nothing else */

static void
crash_verify(question_t *q, reply_t *reply)
{
    u_char      buf[T(MAX_FACTS)];
    facts_t     facts;
    ngx_str_t  *value, *expected;
    ngx_uint_t  i;

    crash_facts(q->key, &q->id, &facts, buf);

    if (reply->verdict.reason
        != (crash_good(q->key) ? T(PASS) : T(DISABLED)))
    {
        crash_fail("wrong verdict");
    }

    value = (ngx_str_t *) &reply->verdict.facts;
    expected = (ngx_str_t *) &facts;

    if (!crash_good(q->key)) {
        ngx_str_null(&facts.name);
        ngx_str_null(&facts.modules);
    }

    for (i = 0; i < T(STRINGS); i++) {
        if (value[i].len != expected[i].len
            || (value[i].len != 0
                && memcmp(value[i].data, expected[i].data, value[i].len) != 0))
        {
            crash_fail("wrong facts");
        }
    }

    (void) ngx_atomic_fetch_add(&crash_shared->hits, 1);
}


static void
crash_facts(u_char *key, ngx_str_t *id, facts_t *facts, u_char *buf)
{
    size_t  i, len;

    memset(facts, 0, sizeof(facts_t));

    len = key[1] % 4 ? key[2] % 60 : (key[2] << 8 | key[3]) % 1500;

    for (i = 0; i < len; i++) {
        buf[i] = key[i % T(KEY_LEN)] + i / T(KEY_LEN);
    }

    facts->id = *id;

    if (id->len == 0 && key[4] % 4) {
        facts->id.data = (u_char *) crash_id[key[4] % CRASH_IDS];
        facts->id.len = strlen((char *) facts->id.data);
    }

    facts->name.data = buf;
    facts->name.len = len / 3;
    facts->account_id.data = key;
    facts->account_id.len = key[5] % 30;
    facts->modules.data = buf + len / 3;
    facts->modules.len = len - len / 3;
}


static ngx_uint_t
crash_good(u_char *key)
{
    return key[6] % 4 != 0;
}


static void
crash_purge(void)
{
    u_char      *key;
    purge_t      purge;
    ngx_uint_t   n;

    memset(&purge, 0, sizeof(purge_t));

    n = random() % 20;

    if (n < 14) {
        purge.id.data = (u_char *) crash_id[random() % CRASH_IDS];
        purge.id.len = strlen((char *) purge.id.data);

    } else if (n < 19) {
        key = crash_key[random() % CRASH_KEYS];
        purge.account.data = key;
        purge.account.len = key[5] % 30;

    } else {
        purge.all = 1;
    }

    (void) store_purge(crash_store, &purge);
}


/* a process that has the mutex and sees no mark sees a store that works */

static void
crash_consistent(void)
{
    char  err[256];

    ngx_shmtx_lock(crash_store->mutex);

    if (crash_store->sequence % 2 == 0) {

        if (store_check(crash_store, err, sizeof(err)) != NGX_OK) {
            crash_fail(err);
        }

        (void) ngx_atomic_fetch_add(&crash_shared->checks, 1);
    }

    ngx_shmtx_unlock(crash_store->mutex);
}


static ngx_uint_t
crash_gone(ngx_pid_t pid)
{
    return kill(pid, 0) == -1 && errno == ESRCH;
}


static ngx_msec_t
crash_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (ngx_msec_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
crash_fail(const char *err)
{
    if (!crash_shared->failed) {
        (void) snprintf(crash_shared->err, sizeof(crash_shared->err), "%s",
                        err);
        crash_shared->failed = 1;
    }
}


static void
crash_alarm(int signo)
{
    ngx_uint_t         i;
    static const char  text[] = "crash: hangs\n";

    for (i = 0; i < CRASH_CHILDREN; i++) {
        if (crash_pids[i] > 0) {
            (void) kill(crash_pids[i], SIGKILL);
        }
    }

    if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1) {
        _exit(2);
    }

    _exit(1);
}
