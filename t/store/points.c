
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "points.h"
#include <sys/wait.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"


#define POINTS_MAX     64
#define POINTS_TOKENS  256             /* all that are ever asked for */


typedef struct {
    store_t     *store;
    question_t   question;
    budget_t     budget;
    reply_t      reply;
    verdict_t    verdict;
} points_t;


typedef struct {
    const char  *name;
    void       (*prepare)(points_t *p);
    void       (*change)(points_t *p);
} points_change_t;


static ngx_int_t points_try(points_change_t *c, ngx_uint_t point);
static ngx_uint_t points_peek(points_t *p);
static void points_seed(ngx_uint_t point);
static void points_token(points_t *p, ngx_uint_t n);
static void points_ask(points_t *p, ngx_uint_t n);
static void points_learn(points_t *p, ngx_uint_t n, ngx_uint_t reason);
static void points_know(points_t *p);
static void points_large(points_t *p);
static void points_due_head(points_t *p);
static void points_due_tail(points_t *p);
static void points_fill(points_t *p);
static void points_touch(points_t *p);
static void points_miss(points_t *p);
static void points_pass(points_t *p);
static void points_replace(points_t *p);
static void points_deny(points_t *p);
static void points_wait(points_t *p);
static void points_queue(points_t *p);
static void points_turn(points_t *p);
static void points_found(points_t *p);
static void points_unqueue(points_t *p);
static void points_release(points_t *p);
static void points_reset(points_t *p);
static ngx_uint_t points_gone(ngx_pid_t pid);
static void points_purge_id(points_t *p);
static void points_purge_account(points_t *p);


static u_char  points_bytes[T(MAX_FACTS)];


static points_change_t  points_changes[] = {
    { "hit", points_know, points_touch },
    { "refresh of the last used", points_due_head, points_touch },
    { "refresh of another", points_due_tail, points_touch },
    { "miss", points_know, points_miss },
    { "pass", points_know, points_pass },
    { "pass that replaces", points_large, points_replace },
    { "pass that evicts", points_fill, points_pass },
    { "denial", points_know, points_deny },
    { "denial that evicts", points_fill, points_deny },
    { "place in the queue", points_know, points_queue },
    { "another place in the queue", points_wait, points_queue },
    { "turn of one that waits", points_wait, points_turn },
    { "hit of one that waits", points_wait, points_found },
    { "one that waits leaves", points_wait, points_unqueue },
    { "one that waits is gone", points_wait, points_release },
    { "reset", points_wait, points_reset },
    { "purge by id", points_large, points_purge_id },
    { "purge by account", points_large, points_purge_account },
    { NULL, NULL, NULL }
};


ngx_uint_t
points_test(void)
{
    ngx_int_t         rc;
    ngx_uint_t        i, n, failed;
    points_change_t  *c;

    n = 0;
    failed = 0;

    for (c = points_changes; c->name; c++) {

        for (i = 0; i < POINTS_MAX; i++) {
            rc = points_try(c, i);

            if (rc == NGX_DONE) {
                break;
            }

            n++;
            failed += (rc != NGX_OK);
        }

        if (i == 0 || i == POINTS_MAX) {
            fprintf(stderr, "crash: %s: %d points\n", c->name, (int) i);
            failed++;
        }
    }

    return failed ? 0 : n;
}


/* returns NGX_DONE if there is no such point */

static ngx_int_t
points_try(points_change_t *c, ngx_uint_t point)
{
    int               status;
    char              err[256];
    size_t            size;
    pid_t             pid;
    points_t         *p;
    figures_t         figures;
    ngx_atomic_t      resets;
    static void      *addr;
    ngx_shmtx_t      *mutex;
    static points_t   points;

    p = &points;
    size = env_size(8, 64);

    memset(p, 0, sizeof(points_t));
    memset(points_bytes, 'x', sizeof(points_bytes));

    addr = env_shared(size);
    mutex = env_mutex();

    p->store = store_create(addr, size, mutex, env_secret, 8, 8, 20);

    if (p->store == NULL) {
        fprintf(stderr, "crash: no store\n");
        return NGX_ERROR;
    }

    p->question.now = 1000000;
    p->question.valid = 10000;
    p->question.denied = 10000;
    p->question.timeout = 1000;
    p->question.pid = ngx_pid;
    p->question.refresh = 1;

    /* nothing dies here but by a seed that is chosen so */

    points_seed(POINTS_MAX * 100);
    c->prepare(p);

    resets = p->store->totals.resets;

    pid = fork();

    if (pid == -1) {
        perror("fork()");
        return NGX_ERROR;
    }

    if (pid == 0) {
        env_init();
        points_seed(point);
        c->change(p);
        _exit(0);
    }

    if (waitpid(pid, &status, 0) != pid) {
        perror("waitpid()");
        return NGX_ERROR;
    }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        (void) munmap(addr, size);
        return NGX_DONE;
    }

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        fprintf(stderr, "crash: %s: child ended with %d\n", c->name, status);
        return NGX_ERROR;
    }

    if (ngx_shmtx_force_unlock(mutex, pid) != 1
        || p->store->sequence % 2 == 0)
    {
        fprintf(stderr, "crash: %s: no mark at point %d\n", c->name,
                (int) point);
        return NGX_ERROR;
    }

    if (points_peek(p)) {
        fprintf(stderr, "crash: %s: read without the mutex at point %d\n",
                c->name, (int) point);
        return NGX_ERROR;
    }

    store_figures(p->store, &figures);

    if (store_check(p->store, err, sizeof(err)) != NGX_OK) {
        fprintf(stderr, "crash: %s: point %d: %s\n", c->name, (int) point, err);
        return NGX_ERROR;
    }

    if (p->store->totals.resets != resets + 1
        || figures.in_flight != 0
        || figures.queued != 0)
    {
        fprintf(stderr, "crash: %s: no reset at point %d\n", c->name,
                (int) point);
        return NGX_ERROR;
    }

    points_learn(p, 1, T(PASS));

    if (p->store->entries[T(FACTS)] != 1 || points_peek(p) != 1) {
        fprintf(stderr, "crash: %s: nothing is kept\n", c->name);
        return NGX_ERROR;
    }

    (void) munmap(addr, size);

    return NGX_OK;
}


/* such that so many points are passed, and not the next one */

static void
points_seed(ngx_uint_t point)
{
    ngx_uint_t  i, seed;

    for (seed = 1; seed < 10000000; seed++) {
        srandom(seed);

        for (i = 0; i < point; i++) {
            if (random() % NGX_HTTP_AUTH_API_TOKEN_CRASH == 0) {
                break;
            }
        }

        if (i == point
            && (point > POINTS_MAX
                || random() % NGX_HTTP_AUTH_API_TOKEN_CRASH == 0))
        {
            srandom(seed);
            return;
        }
    }
}


/* how many tokens are known without the mutex */

static ngx_uint_t
points_peek(points_t *p)
{
    uint64_t         cell[T(CELL) / sizeof(uint64_t)];
    question_t      *q;
    ngx_uint_t       i, n;
    static uint64_t  buf[T(COPY) / sizeof(uint64_t)];

    q = &p->question;
    n = 0;

    for (i = 0; i < POINTS_TOKENS; i++) {
        points_token(p, i);

        n += ngx_http_auth_api_token_peek(p->store,
                          ngx_http_auth_api_token_index_node_key(&q->id,
                                                                 q->key),
                          q->key, i % 2 ? cell : NULL, buf)
             != NULL;
    }

    return n;
}


static void
points_ask(points_t *p, ngx_uint_t n)
{
    points_token(p, n);

    (void) store_ask(p->store, &p->question, &p->reply);
}


static void
points_token(points_t *p, ngx_uint_t n)
{
    char  name[32];

    (void) snprintf(name, sizeof(name), "token %d", (int) n);
    env_key(p->question.key, name);

    if (n % 2) {
        ngx_str_null(&p->question.id);

    } else {
        ngx_str_set(&p->question.id, "TKN-1");
    }
}


static void
points_learn(points_t *p, ngx_uint_t n, ngx_uint_t reason)
{
    points_ask(p, n);

    ngx_str_set(&p->verdict.facts.id, "TKN-1");
    ngx_str_set(&p->verdict.facts.account_id, "ACC-1");

    p->verdict.reason = reason;
    p->verdict.health = T(WELL);
    p->verdict.asked = p->question.now;

    (void) store_end(p->store, &p->reply.ticket, &p->question, &p->verdict);
}


static void
points_know(points_t *p)
{
    points_learn(p, 1, T(PASS));
    points_learn(p, 2, T(PASS));
    points_learn(p, 3, T(PASS));
}


static void
points_large(points_t *p)
{
    ngx_uint_t  i;

    p->verdict.facts.name.data = points_bytes;

    for (i = 1; i < 5; i++) {
        p->verdict.facts.name.len = i * 300;
        points_learn(p, i, T(PASS));
    }

    points_learn(p, 5, T(UNKNOWN));
    points_learn(p, 6, T(UNKNOWN));

    p->verdict.facts.name.len = 900;
}


static void
points_due_head(points_t *p)
{
    points_learn(p, 2, T(PASS));
    points_learn(p, 1, T(PASS));
    p->question.now += 7000;
}


static void
points_due_tail(points_t *p)
{
    points_learn(p, 1, T(PASS));
    points_learn(p, 2, T(PASS));
    p->question.now += 7000;
}


static void
points_fill(points_t *p)
{
    ngx_uint_t  i;

    for (i = 1; i < 15; i++) {
        points_learn(p, 200 + i, T(UNKNOWN));
    }

    for (i = 1; i < 64; i++) {
        points_learn(p, i, T(PASS));
    }
}


static void
points_touch(points_t *p)
{
    p->question.now += 2000;
    points_ask(p, 1);
}


static void
points_miss(points_t *p)
{
    points_ask(p, 100);
}


static void
points_pass(points_t *p)
{
    p->verdict.facts.name.data = points_bytes;
    p->verdict.facts.name.len = 600;

    points_learn(p, 100, T(PASS));
}


static void
points_replace(points_t *p)
{
    p->question.now += 10000;
    points_learn(p, 2, T(PASS));
}


static void
points_deny(points_t *p)
{
    env_key(p->budget.key, "client");

    p->budget.rate = 1;
    p->budget.burst = 1;
    p->question.budget = &p->budget;

    points_learn(p, 100, T(UNKNOWN));
}


static void
points_wait(points_t *p)
{
    points_know(p);
    points_queue(p);
    points_queue(p);

    p->question.behind = 0;
}


static void
points_queue(points_t *p)
{
    p->question.behind = 1;
    points_ask(p, 100);
}


static void
points_turn(points_t *p)
{
    p->question.queued = 1;
    points_ask(p, 100);
}


static void
points_found(points_t *p)
{
    p->question.queued = 1;
    points_ask(p, 3);
}


static void
points_unqueue(points_t *p)
{
    store_unqueue(p->store, p->question.pid);
}


static void
points_release(points_t *p)
{
    store_release(p->store, points_gone);
}


static ngx_uint_t
points_gone(ngx_pid_t pid)
{
    return 1;
}


/* one that finds the mark may die as well */

static void
points_reset(points_t *p)
{
    p->store->sequence |= 1;
    store_unqueue(p->store, p->question.pid);
}


static void
points_purge_id(points_t *p)
{
    purge_t  purge;

    memset(&purge, 0, sizeof(purge_t));

    ngx_str_set(&purge.id, "TKN-1");

    (void) store_purge(p->store, &purge);
}


static void
points_purge_account(points_t *p)
{
    purge_t  purge;

    memset(&purge, 0, sizeof(purge_t));

    ngx_str_set(&purge.account, "ACC-1");

    (void) store_purge(p->store, &purge);
}
