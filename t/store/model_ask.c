
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


static void model_question(model_t *m, model_held_t *h);
static int model_charge(model_t *m, model_held_t *h, naive_reply_t *expected);
static void model_stop(model_t *m, model_held_t *h, naive_reply_t *expected);
static void model_wait(model_t *m, naive_question_t *n);


uint64_t  model_replies[T(STOP) + 1];

static uint64_t  model_cell[T(CELL) / sizeof(uint64_t)];


void
model_ask(model_t *m)
{
    int            rc;
    model_held_t   h, *held;
    naive_reply_t  expected;

    model_question(m, &h);

    m->reply.cell = model_random(2) ? model_cell : NULL;

    if (h.question.budget && model_random(2)) {
        rc = model_charge(m, &h, &expected);

    } else {
        rc = store_ask(m->store, &h.question, &m->reply);
        naive_ask(&m->naive, &h.naive, &expected);
    }

    model_equal("reply", rc, expected.rc);
    model_replies[rc]++;

    if (rc == T(HIT) || rc == T(REFRESH)) {
        model_hit(m, &h, expected.record);
        model_promise_hit(m, &h.naive, &m->reply.verdict, 0);
    }

    switch (rc) {

    case T(HIT):
        return;

    case T(STOP):
        model_stop(m, &h, &expected);
        return;

    case T(QUEUE):
        model_wait(m, &h.naive);
        return;
    }

    model_equal("slot", m->reply.ticket.slot, expected.slot);
    model_equal("seq", m->reply.ticket.seq, expected.seq);

    if (rc == T(WAIT)) {
        m->waiting[model_random(MODEL_HELD)] = m->reply.ticket;
        return;
    }

    model_promise_begin(m, &h.naive, &m->reply.ticket);

    h.used = 1;
    h.ticket = m->reply.ticket;

    held = &m->held[model_random(MODEL_HELD)];
    *held = h;

    if (held->question.budget) {
        held->question.budget = &held->budget;
    }
}


/* some ask with a clock that is behind, and some say that they waited */

static void
model_question(model_t *m, model_held_t *h)
{
    question_t        *q;
    model_queued_t    *waits;
    naive_question_t  *n;

    memset(h, 0, sizeof(model_held_t));

    q = &h->question;
    n = &h->naive;

    n->key = model_random(model_random(2) ? m->few : MODEL_KEYS);
    n->pid = MODEL_PID + model_random(m->pids);
    n->behind = model_random(6) == 0;
    n->queued = model_random(50) == 0;

    waits = &m->queued[model_random(MODEL_HELD)];

    if (waits->used && model_random(2)) {
        n->key = waits->key;
        n->pid = waits->pid;
        n->queued = 1;
        waits->used = 0;
    }

    n->first = model_key[n->key][0];
    n->id = n->key % 5 ? n->key % MODEL_IDS : NAIVE_NONE;
    n->budget = model_random(4) ? NAIVE_NONE
                                : (int) model_random(MODEL_BUDGETS);
    n->rate = model_random(2) ? 500 : 7000;
    n->burst = 1 + model_random(4);
    n->now = m->now - (model_random(8) ? 0 : model_random(30));
    n->valid = model_random(2) ? 2000 : 5000;
    n->denied = model_random(2) ? 700 : 2500;
    n->stale = model_random(2) ? 0 : 3000;
    n->timeout = model_random(2) ? 200 : 2000;
    n->refresh = model_random(3) != 0;
    n->again = model_random(3) == 0;
    n->since = n->now - model_random(8000);

    memcpy(q->key, model_key[n->key], T(KEY_LEN));

    if (n->id != NAIVE_NONE) {
        q->id.data = (u_char *) model_id[n->id];
        q->id.len = strlen(model_id[n->id]);
    }

    if (model_random(2)) {
        store_prefetch(m->store, q);
    }

    q->now = model_ms(m, n->now);
    q->valid = n->valid;
    q->denied = n->denied;
    q->stale = n->stale;
    q->timeout = n->timeout;
    q->pid = n->pid;
    q->refresh = n->refresh;
    q->again = n->again;
    q->behind = n->behind;
    q->queued = n->queued;
    q->since = model_ms(m, n->since);

    if (n->budget != NAIVE_NONE) {
        memcpy(h->budget.key, model_budget[n->budget], T(KEY_LEN));
        h->budget.rate = n->rate;
        h->budget.burst = n->burst;
        q->budget = &h->budget;
    }
}


/* only a caller that needs a budget is told of it */

static int
model_charge(model_t *m, model_held_t *h, naive_reply_t *expected)
{
    int  rc;

    h->question.budget = NULL;
    h->question.charge = 1;

    h->naive.charge = 1;

    rc = store_ask(m->store, &h->question, &m->reply);
    naive_ask(&m->naive, &h->naive, expected);

    h->question.budget = &h->budget;
    h->naive.charge = 0;

    if (rc == T(CHARGE)) {
        model_equal("charge", rc, expected->rc);

        rc = store_ask(m->store, &h->question, &m->reply);
        naive_ask(&m->naive, &h->naive, expected);
    }

    return rc;
}


static void
model_stop(model_t *m, model_held_t *h, naive_reply_t *expected)
{
    int              rc;
    verdict_t       *v;
    naive_record_t  *r;

    v = &m->reply.verdict;

    model_equal("reason", v->reason, expected->reason);
    model_equal("retry_after", v->retry_after, expected->retry_after);
    model_equal("status", v->status, expected->status);
    model_equal("health", v->health, expected->health);

    if (model_random(2)) {
        return;
    }

    rc = store_stale(m->store, &h->question, &m->reply);
    r = naive_stale(&m->naive, &h->naive);

    model_equal("stale()", rc, r ? NGX_OK : NGX_DECLINED);

    if (r) {
        model_hit(m, h, r);
        model_promise_hit(m, &h->naive, v, 1);
    }
}


static void
model_wait(model_t *m, naive_question_t *n)
{
    model_queued_t  *waits;

    waits = &m->queued[model_random(MODEL_HELD)];

    /* there may be no more of them than we remember: the other one leaves */

    if (waits->used) {
        store_unqueue(m->store, waits->pid);
        naive_unqueue(&m->naive, waits->pid);
    }

    waits->used = (model_random(32) != 0);
    waits->key = n->key;
    waits->pid = n->pid;
}


void
model_hit(model_t *m, model_held_t *h, naive_record_t *r)
{
    int         id, account;
    facts_t     facts;
    ngx_str_t  *value, *expected;
    ngx_uint_t  i;
    verdict_t  *v;

    v = &m->reply.verdict;

    model_equal("reason of a hit", v->reason, r->reason);
    model_equal("asked of a hit", v->asked, model_ms(m, r->asked));
    model_equal("health of a hit", v->health, T(UNTOLD));

    (void) model_facts(r->version, 1, &facts, &id, &account);

    if (r->kind == T(DENIAL)) {
        expected = (ngx_str_t *) &facts;

        for (i = 0; i < T(STRINGS); i++) {
            if ((&expected[i] != &facts.account_id || r->account == NAIVE_NONE)
                && (&expected[i] != &facts.id || r->facts_id == NAIVE_NONE))
            {
                expected[i].len = 0;
            }
        }
    }

    if (r->facts_id == NAIVE_NONE) {
        facts.id = h->question.id;
    }

    value = (ngx_str_t *) &v->facts;
    expected = (ngx_str_t *) &facts;

    for (i = 0; i < T(STRINGS); i++) {
        model_equal("length of a string", value[i].len, expected[i].len);
        model_equal("string", value[i].len == 0
                              || memcmp(value[i].data, expected[i].data,
                                        value[i].len) == 0, 1);
    }
}


void
model_end(model_t *m)
{
    int                     rc;
    int64_t                 evicted;
    verdict_t               v;
    model_held_t           *h;
    naive_verdict_t         n;
    static const ngx_int_t  retry[] = { 0, 0, 0, 1, 5, 45 };

    h = model_pick(m);

    if (h == NULL) {
        return;
    }

    memset(&v, 0, sizeof(verdict_t));
    memset(&n, 0, sizeof(naive_verdict_t));

    if (model_random(100) < (m->faulty ? 90 : 5)) {
        v.reason = T(UNAVAILABLE);
        v.health = model_random(12) ? T(FAULT) : T(UNTOLD);
        v.retry_after = retry[model_random(6)];
        v.status = 500 + model_random(10);

    } else if (model_random(3)) {
        v.reason = T(PASS);
        v.health = model_random(20) ? T(WELL) : T(UNTOLD);
        v.age = model_random(3) ? 0 : model_random(20) * 1000;

    } else {
        v.reason = T(UNKNOWN) + model_random(T(UNREADABLE) - T(UNKNOWN) + 1);
        v.health = model_random(20) ? T(WELL) : T(UNTOLD);
    }

    n.version = (m->words++ % MODEL_WORDS) << 16 | model_random(65536);
    n.reason = v.reason;
    n.health = v.health;
    n.status = v.status;
    n.retry_after = v.retry_after;
    n.asked = h->naive.now - (int64_t) v.age;
    n.age = v.age;
    n.len = model_facts(n.version, h->naive.id == NAIVE_NONE, &v.facts,
                        &n.facts_id, &n.account);
    n.id_len = v.facts.id.len;
    n.account_len = v.facts.account_id.len;

    v.asked = h->question.now - v.age;

    h->question.now = model_ms(m, m->now);
    h->naive.now = m->now;

    evicted = m->naive.evicted[T(FACTS)];

    rc = store_end(m->store, &h->ticket, &h->question, &v);

    model_equal("end()", rc, naive_end(&m->naive, h->ticket.slot, h->ticket.seq,
                                       &h->naive, &n));
    model_equal("reason of end()", v.reason, n.reason);

    model_promise_end(m, &h->ticket, &h->naive, &n, rc);

    if (v.reason != T(PASS)) {
        model_equal("facts that gave way to a denial",
                    m->store->totals.evicted[T(FACTS)], evicted);
    }

    /* some give back what they have not got any more */

    h->used = model_random(16) == 0;
    h->question.now = v.asked + v.age;
    h->naive.now = n.asked + n.age;
}


model_held_t *
model_pick(model_t *m)
{
    ngx_uint_t  i, n;

    n = model_random(MODEL_HELD);

    for (i = 0; i < MODEL_HELD; i++) {
        if (m->held[(n + i) % MODEL_HELD].used) {
            return &m->held[(n + i) % MODEL_HELD];
        }
    }

    return NULL;
}
