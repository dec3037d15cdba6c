
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


/*
 * Does random things to a small store and to the naive one, and compares:
 *
 *     model [STEPS [SEED]]
 */


#define MODEL_ROUNDS  20
#define MODEL_VERIFY  1000


static void model_create(model_t *m);
static void model_step(model_t *m);
static void model_time(model_t *m);
static void model_question(model_t *m, model_held_t *h);
static ngx_uint_t model_bound(void);
static void model_ask(model_t *m);
static void model_wait(model_t *m, naive_question_t *n);
static void model_unqueue(model_t *m);
static void model_hit(model_t *m, model_held_t *h, naive_record_t *r);
static model_held_t *model_pick(model_t *m);
static void model_end(model_t *m);
static void model_poll(model_t *m);
static void model_purge(model_t *m);
static ngx_uint_t model_gone(ngx_pid_t pid);


static int       model_dead;
static uint64_t  model_steps;
static uint64_t  model_replies[T(STOP) + 1];


int
main(int argc, char **argv)
{
    uint64_t        seed, n, i, evicted;
    static model_t  m;

    model_steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20220517;

    printf("model: %llu steps, seed %llu\n",
           (unsigned long long) model_steps, (unsigned long long) seed);
    fflush(stdout);

    evicted = 0;

    env_init();
    model_init(seed);

    n = model_steps / MODEL_ROUNDS + 1;

    while (model_n < model_steps) {
        model_create(&m);

        for (i = 0; i < n && model_n < model_steps; i++) {
            model_step(&m);
            model_n++;

            if (i % MODEL_VERIFY == 0) {
                model_verify(&m);
            }
        }

        model_verify(&m);

        evicted += m.naive.evicted[0] + m.naive.evicted[1]
                   + m.naive.evicted[2];

        free(m.store);
    }

    printf("model: ok, replies: %llu hit, %llu refresh, %llu miss, %llu wait, "
           "%llu queue, %llu stop; %llu evicted\n",
           (unsigned long long) model_replies[T(HIT)],
           (unsigned long long) model_replies[T(REFRESH)],
           (unsigned long long) model_replies[T(MISS)],
           (unsigned long long) model_replies[T(WAIT)],
           (unsigned long long) model_replies[T(QUEUE)],
           (unsigned long long) model_replies[T(STOP)],
           (unsigned long long) evicted);

    return 0;
}


/* the clock wraps in the middle of some rounds */

static void
model_create(model_t *m)
{
    void                *p;
    size_t               size;
    ngx_uint_t           lookups, cells, denied;
    static ngx_shmtx_t  *mutex;

    if (mutex == NULL) {
        mutex = env_mutex();
    }

    memset(m, 0, sizeof(model_t));

    lookups = 1 + model_random(NAIVE_LEASES);
    cells = 64 + model_random(400);
    denied = 1 + model_random(60);

    size = env_size(lookups, cells);

    p = malloc(size);
    model_equal("malloc()", p != NULL, 1);

    m->denied = denied;
    m->pids = model_random(4) ? 4 : 200;
    m->naive.queue = model_bound();

    m->store = store_create(p, size, mutex, env_secret, lookups,
                            m->naive.queue, denied);
    model_equal("create()", m->store != NULL, 1);
    model_equal("ncells", m->store->ncells, cells);

    m->naive.lookups = lookups;
    m->naive.ncells = cells;
    m->naive.reserve = cells / 128 > 8 ? cells / 128 : 8;
    m->naive.max_denied = cells * denied / 100;
    m->naive.base = model_random(2) ? (uint64_t) 0 - model_random(20000000)
                                    : model_random(1000000000);

    m->naive.checked = (int64_t) (0 - m->naive.base);

    if (m->naive.max_denied < m->naive.reserve) {
        m->naive.max_denied = m->naive.reserve;
    }
}


/* none, a few, or more than there are entries for processes */

static ngx_uint_t
model_bound(void)
{
    switch (model_random(4)) {

    case 0:
        return 0;

    case 1:
        return T(QUEUES) + model_random(NAIVE_PLACES - T(QUEUES));

    default:
        return 1 + model_random(12);
    }
}


static void
model_step(model_t *m)
{
    int64_t        now;
    figures_t      figures;
    ngx_uint_t     n, flight;
    model_held_t  *h;

    n = model_random(10000);

    if (n < 5500) {
        model_ask(m);

    } else if (n < 8900) {
        model_end(m);

    } else if (n < 9200) {
        model_poll(m);

    } else if (n < 9340) {
        h = model_pick(m);

        if (h) {
            store_cancel(m->store, &h->ticket);
            naive_cancel(&m->naive, h->ticket.slot, h->ticket.seq);
            h->used = model_random(8) == 0;
        }

    } else if (n < 9350) {
        model_purge(m);

    } else if (n < 9360) {
        model_dead = MODEL_PID + model_random(m->pids);
        store_release(m->store, model_gone);
        naive_release(&m->naive, model_dead);

    } else if (n < 9379) {
        model_dead = MODEL_PID + model_random(m->pids);
        now = m->now - (model_random(8) ? 0 : model_random(300));
        store_reap(m->store, m->naive.base + (uint64_t) now, model_gone);
        naive_reap(&m->naive, model_dead, now);

    } else if (n < 9380) {
        m->naive.queue = model_bound();
        store_limits(m->store, m->naive.queue, m->denied);

    } else if (n < 9381) {
        m->store->changing = 1;
        naive_reset(&m->naive);
        store_figures(m->store, &figures);
        model_equal("in flight after a reset", figures.in_flight, 0);

    } else if (n < 9400) {
        m->faulty = model_random(6) == 0;

    } else if (n < 9430) {
        model_unqueue(m);

    } else if (n < 9470) {
        store_figures(m->store, &figures);

        for (n = 0, flight = 0; n < m->store->lookups; n++) {
            flight += m->naive.leases[n].state == T(ASKING)
                      || m->naive.leases[n].state == T(PURGED);
        }

        model_equal("in flight", figures.in_flight, flight);
        model_equal("queued of figures()", figures.queued, m->naive.queued);

    } else {
        model_time(m);
    }

    for (n = 0; n < T(KINDS); n++) {
        model_equal("entries", m->store->entries[n],
                    naive_entries(&m->naive, n));
        model_equal("used", m->store->used[n], naive_used(&m->naive, n));
    }

    model_equal("queued", m->store->queued, m->naive.queued);
    model_equal("changing", m->store->changing, 0);
    model_equal("mutex", *m->store->mutex->lock, 0);
}


static void
model_time(model_t *m)
{
    ngx_uint_t  n;

    if (m->naive.failures >= 5 && model_random(4) == 0) {
        m->now += model_random(8000);
        return;
    }

    n = model_random(1000);

    if (n < 900) {
        m->now += model_random(20);

    } else if (n < 990) {
        m->now += model_random(600);

    } else if (n < 999) {
        m->now += model_random(5000);

    } else {
        m->now += model_random(60000);
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

    n->key = model_random(model_random(2) ? 60 : MODEL_KEYS);
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

    q->now = m->naive.base + (uint64_t) n->now;
    q->valid = n->valid;
    q->denied = n->denied;
    q->stale = n->stale;
    q->timeout = n->timeout;
    q->pid = n->pid;
    q->refresh = n->refresh;
    q->again = n->again;
    q->behind = n->behind;
    q->queued = n->queued;
    q->since = m->naive.base + (uint64_t) n->since;

    if (n->budget != NAIVE_NONE) {
        memcpy(h->budget.key, model_budget[n->budget], T(KEY_LEN));
        h->budget.rate = n->rate;
        h->budget.burst = n->burst;
        q->budget = &h->budget;
    }
}


static void
model_ask(model_t *m)
{
    int            rc;
    verdict_t     *v;
    model_held_t   h, *held;
    naive_reply_t  expected;

    model_question(m, &h);

    rc = store_ask(m->store, &h.question, &m->reply);
    naive_ask(&m->naive, &h.naive, &expected);

    model_equal("reply", rc, expected.rc);
    model_replies[rc]++;

    v = &m->reply.verdict;

    if (rc == T(HIT) || rc == T(REFRESH)) {
        model_hit(m, &h, expected.record);
    }

    if (rc == T(STOP)) {
        model_equal("reason", v->reason, expected.reason);
        model_equal("retry_after", v->retry_after, expected.retry_after);
        model_equal("status", v->status, expected.status);

        model_equal("health", v->health, expected.health);

        if (model_random(2)) {
            model_equal("stale()",
                        store_stale(m->store, &h.question, &m->reply),
                        (expected.record = naive_stale(&m->naive, &h.naive))
                        ? NGX_OK : NGX_DECLINED);

            if (expected.record) {
                model_hit(m, &h, expected.record);
            }
        }

        return;
    }

    if (rc == T(HIT)) {
        return;
    }

    if (rc == T(QUEUE)) {
        model_wait(m, &h.naive);
        return;
    }

    model_equal("slot", m->reply.ticket.slot, expected.slot);
    model_equal("seq", m->reply.ticket.seq, expected.seq);

    if (rc == T(WAIT)) {
        m->waiting[model_random(MODEL_HELD)] = m->reply.ticket;
        return;
    }

    h.used = 1;
    h.ticket = m->reply.ticket;

    held = &m->held[model_random(MODEL_HELD)];
    *held = h;

    if (held->question.budget) {
        held->question.budget = &held->budget;
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


/* who leaves may have lost the place, or never have had any */

static void
model_unqueue(model_t *m)
{
    int              pid;
    model_queued_t  *waits;

    waits = &m->queued[model_random(MODEL_HELD)];

    pid = waits->used ? waits->pid : (int) (MODEL_PID + model_random(m->pids));

    waits->used = 0;

    store_unqueue(m->store, pid);
    naive_unqueue(&m->naive, pid);
}


static void
model_hit(model_t *m, model_held_t *h, naive_record_t *r)
{
    int         id, account;
    facts_t     facts;
    ngx_str_t  *value, *expected;
    ngx_uint_t  i;
    verdict_t  *v;

    v = &m->reply.verdict;

    model_equal("reason of a hit", v->reason, r->reason);
    model_equal("asked of a hit", v->asked,
                m->naive.base + (uint64_t) r->asked);
    model_equal("health of a hit", v->health, T(UNTOLD));

    (void) model_facts(m, r->version, 1, &facts, &id, &account);

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


static model_held_t *
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


static void
model_end(model_t *m)
{
    int                     rc;
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

    n.version = model_random(0x7fffffff);
    n.reason = v.reason;
    n.health = v.health;
    n.status = v.status;
    n.retry_after = v.retry_after;
    n.asked = h->naive.now - (int64_t) v.age;
    n.age = v.age;
    n.len = model_facts(m, n.version, h->naive.id == NAIVE_NONE, &v.facts,
                        &n.facts_id, &n.account);
    n.id_len = v.facts.id.len;
    n.account_len = v.facts.account_id.len;

    v.asked = h->question.now - v.age;

    h->question.now = m->naive.base + (uint64_t) m->now;
    h->naive.now = m->now;

    rc = store_end(m->store, &h->ticket, &h->question, &v);

    model_equal("end()", rc, naive_end(&m->naive, h->ticket.slot, h->ticket.seq,
                                       &h->naive, &n));
    model_equal("reason of end()", v.reason, n.reason);

    /* some give back what they have not got any more */

    h->used = model_random(16) == 0;
    h->question.now = v.asked + v.age;
    h->naive.now = n.asked + n.age;
}


static void
model_poll(model_t *m)
{
    int             rc;
    int64_t         now;
    ticket_t       *ticket;
    verdict_t       v;
    naive_lease_t  *l;

    ticket = &m->waiting[model_random(MODEL_HELD)];

    if (ticket->seq == 0) {
        return;
    }

    now = m->now - (model_random(8) ? 0 : model_random(30));

    rc = store_poll(m->store, ticket, m->naive.base + (uint64_t) now, &v);

    model_equal("poll()", rc, naive_poll(&m->naive, ticket->slot, ticket->seq,
                                         now));

    if (rc != NGX_OK) {
        return;
    }

    l = &m->naive.leases[ticket->slot];

    model_equal("reason of poll()", v.reason, T(UNAVAILABLE));
    model_equal("health of poll()", v.health, l->health);
    model_equal("status of poll()", v.status, l->status);
    model_equal("retry_after of poll()", v.retry_after, l->retry_after);
    model_equal("asked of poll()", v.asked, m->naive.base + l->asked);
}


static void
model_purge(model_t *m)
{
    int         id, account;
    purge_t     purge;
    ngx_uint_t  n;

    memset(&purge, 0, sizeof(purge_t));

    id = NAIVE_NONE;
    account = NAIVE_NONE;

    n = model_random(40);

    if (n < 30) {
        id = model_random(MODEL_IDS);
        purge.id.data = (u_char *) model_id[id];
        purge.id.len = strlen(model_id[id]);

    } else if (n < 39) {
        account = model_random(MODEL_ACCOUNTS + 2);
        purge.account.data = (u_char *) model_account[account];
        purge.account.len = strlen(model_account[account]);

    } else {
        purge.all = 1;
    }

    model_equal("purge()", store_purge(m->store, &purge),
                naive_purge(&m->naive, id, account));
}


static ngx_uint_t
model_gone(ngx_pid_t pid)
{
    return pid == model_dead;
}
