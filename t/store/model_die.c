
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"
#include <setjmp.h>


/* how many places in the code a process may die at, more or less */

#define MODEL_CRASHES  24

/* when whatever was asked, or learned, is over, ms */

#define MODEL_LATER    61000


static void model_recover(model_t *m);
static int64_t model_time_of(model_t *m, ngx_msec_t ms);
static int model_last(model_t *m, question_t *q, int key);


int  model_dead;

static int      model_crashes;         /* the process dies at the last one */
static jmp_buf  model_crash;


/* a process died before it changed anything */

void
model_reset(model_t *m)
{
    m->store->sequence |= 1;

    model_recover(m);
}


/* a process dies on the way, and nginx frees the mutex it held */

void
model_die(model_t *m)
{
    uint32_t  step;

    step = model_random(MODEL_DIE);

    if (setjmp(model_crash) == 0) {
        model_crashes = 1 + model_random(MODEL_CRASHES);
        model_steps[step](m);
        model_crashes = 0;
        return;
    }

    model_equal("mutex of who died", *m->store->mutex->lock, ngx_pid);
    model_equal("the mark of who died", m->store->sequence % 2, 1);

    (void) ngx_shmtx_force_unlock(m->store->mutex, ngx_pid);

    model_recover(m);
}


/* a process that dies here is not killed, as there is only this one */

int
model_raise(int signo)
{
    if (model_crashes && --model_crashes == 0) {
        longjmp(model_crash, 1);
    }

    return 0;
}


/* what it got done before it died is counted */

static void
model_recover(model_t *m)
{
    naive_t     *n;
    totals_t    *t;
    figures_t    figures;
    ngx_uint_t   i;

    store_figures(m->store, &figures);

    t = &figures.totals;
    n = &m->naive;

    naive_reset(n);
    model_promise_release(m, NAIVE_NONE);

    model_equal("in flight after a reset", figures.in_flight, 0);
    model_equal("queued after a reset", figures.queued, 0);
    model_equal("resets", t->resets, n->resets);

    n->seq = m->store->seq;
    n->failures = m->store->failures;
    n->delay = m->store->delay;
    n->until = model_time_of(m, m->store->until);
    n->checked = model_time_of(m, m->store->checked);

    n->refreshes = t->refreshes;
    n->purges = t->purges;
    n->purged = t->purged;
    n->opened = t->opened;
    n->evicted_age = t->evicted_age;

    for (i = 0; i < T(KINDS); i++) {
        n->evicted[i] = t->evicted[i];
    }

    for (i = 0; i < T(REASONS); i++) {
        n->ended[i] = t->lookups[i];
    }
}


/* the time of the store that is nearest to now */

static int64_t
model_time_of(model_t *m, ngx_msec_t ms)
{
    return m->now + (ngx_msec_int_t) (ms - model_ms(m, m->now));
}


/* after all is lost, each lease can be taken again, and no more than those */

void
model_finish(model_t *m)
{
    int         i, n;
    ticket_t    ticket;
    verdict_t   v;
    figures_t   figures;
    question_t  q, probe;

    n = m->naive.lookups;

    if (model_random(2)) {
        model_dead = NAIVE_NONE;
        store_release(m->store, model_gone);
        store_figures(m->store, &figures);

        model_equal("in flight in the end", figures.in_flight, 0);
        model_equal("queued in the end", figures.queued, 0);
    }

    m->now += MODEL_LATER;

    if (m->naive.failures >= 5) {
        model_equal("probe in the end", model_last(m, &q, 0), T(MISS));

        ticket = m->reply.ticket;

        probe = q;

        model_equal("another one", model_last(m, &q, 1), T(STOP));

        memset(&v, 0, sizeof(verdict_t));

        v.reason = T(UNAVAILABLE);
        v.health = T(WELL);
        v.asked = probe.now;

        model_equal("end of the probe",
                    store_end(m->store, &ticket, &probe, &v), NGX_OK);
    }

    for (i = 1; i <= n; i++) {
        model_equal("lease in the end", model_last(m, &q, i), T(MISS));
    }

    model_equal("no lease in the end", model_last(m, &q, i) == T(MISS), 0);
}


static int
model_last(model_t *m, question_t *q, int key)
{
    memset(q, 0, sizeof(question_t));
    memcpy(q->key, model_key[key], T(KEY_LEN));

    q->now = model_ms(m, m->now);
    q->valid = 1000;
    q->denied = 1000;
    q->timeout = 1000;
    q->pid = MODEL_PID + MODEL_KEYS + key;

    m->reply.cell = NULL;

    return store_ask(m->store, q, &m->reply);
}


ngx_uint_t
model_gone(ngx_pid_t pid)
{
    return model_dead == NAIVE_NONE || pid == model_dead;
}
