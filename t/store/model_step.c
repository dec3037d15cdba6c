
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


static void *model_memory(model_t *m, size_t size);
static ngx_uint_t model_bound(void);
static void model_time(model_t *m);
static void model_unqueue(model_t *m);
static void model_cancel(model_t *m);
static void model_sent(model_t *m);
static void model_poll(model_t *m);
static void model_purge(model_t *m);
static void model_figures(model_t *m);
static void model_release(model_t *m);
static void model_reap(model_t *m);
static void model_reload(model_t *m);
static void model_tidy(model_t *m);
static void model_faulty(model_t *m);


const model_step_pt  model_steps[MODEL_STEPS] = {
    model_ask,
    model_end,
    model_time,
    model_poll,
    model_cancel,
    model_sent,
    model_purge,
    model_unqueue,
    model_figures,
    model_release,
    model_reap,
    model_reload,
    model_tidy,
    model_faulty,
    model_reset,
    model_die
};


/* the clock wraps in the middle of some rounds */

void
model_create(model_t *m)
{
    u_char              *p;
    size_t               size;
    ngx_uint_t           lookups, cells, denied;
    static ngx_shmtx_t  *mutex;

    if (mutex == NULL) {
        mutex = env_mutex();
    }

    lookups = 1 + model_random(NAIVE_LEASES);
    cells = 64 + model_random(model_random(2) ? 8 : MODEL_CELLS - 63);
    denied = 1 + model_random(60);

    size = env_size(lookups, cells);
    p = model_memory(m, size);

    memset(m, 0, sizeof(model_t));

    m->denied = denied;
    m->pids = model_random(4) ? 4 : 200;
    m->few = model_random(2) ? 60 : 4;
    m->naive.queue = model_bound();

    m->store = store_create(p, size, mutex, env_secret, lookups,
                            m->naive.queue, denied);
    model_equal("create()", m->store != NULL, 1);
    model_equal("ncells", m->store->ncells, cells);

    m->naive.lookups = lookups;
    m->naive.ncells = cells;
    m->naive.reserve = cells / 128 > 8 ? cells / 128 : 8;
    m->naive.max_denied = cells * denied / 100;

    switch (model_random(4)) {

    case 0:
        m->naive.base = (uint64_t) 0 - model_random(4096);
        break;

    case 1:
        m->naive.base = (uint64_t) 0 - model_random(20000000);
        break;

    default:
        m->naive.base = model_random(1000000000);
    }

    m->naive.checked = (int64_t) (0 - m->naive.base);

    if (m->naive.max_denied < m->naive.reserve) {
        m->naive.max_denied = m->naive.reserve;
    }
}


/*
 * The store ends where the memory does, so that the sanitizer sees what is
 * written behind it, and the memory is as if it were new.
 */

static void *
model_memory(model_t *m, size_t size)
{
    size_t          max;
    store_t        *store;
    static u_char  *memory;

    max = env_size(NAIVE_LEASES, MODEL_CELLS);
    store = m->store;

    if (memory == NULL) {
        memory = calloc(max, 1);
        model_equal("calloc()", memory != NULL, 1);
    }

    if (store) {
        memset(store, 0, store->cells + (store->fresh - 1) * T(CELL)
                         - (u_char *) store);
    }

    return memory + max - size;
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


void
model_step(model_t *m, ngx_uint_t step)
{
    ngx_uint_t  n;

    model_n++;
    m->step++;

    model_steps[step](m);

    for (n = 0; n < T(KINDS); n++) {
        model_equal("entries", m->store->entries[n],
                    naive_entries(&m->naive, n));
        model_equal("used", m->store->used[n], naive_used(&m->naive, n));
    }

    model_equal("queued", m->store->queued, m->naive.queued);
    model_equal("the mark", m->store->sequence % 2, 0);
    model_equal("mutex", *m->store->mutex->lock, 0);

    model_peek(m);
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


/* one that leaves may have lost its place, or never had one */

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
model_cancel(model_t *m)
{
    model_held_t  *h;

    h = model_pick(m);

    if (h == NULL) {
        return;
    }

    store_cancel(m->store, &h->ticket);
    naive_cancel(&m->naive, h->ticket.slot, h->ticket.seq);
    model_promise_cancel(m, &h->ticket);

    h->used = model_random(8) == 0;
}


static void
model_sent(model_t *m)
{
    model_held_t  *h;

    h = model_pick(m);

    if (h == NULL) {
        return;
    }

    store_sent(m->store, &h->ticket);

    model_equal("is_sent()", store_is_sent(m->store, &h->ticket),
                naive_sent(&m->naive, h->ticket.slot, h->ticket.seq));
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

    rc = store_poll(m->store, ticket, model_ms(m, now), &v);

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
    model_equal("asked of poll()", v.asked, model_ms(m, l->asked));
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

    model_promise_purge(m, id, account);
}


/* what clients waited is counted without the mutex */

static void
model_figures(model_t *m)
{
    int         i, flight;
    uint32_t    ms;
    figures_t   figures;

    ms = model_random(16384);

    count_waited(store_counters(m->store, model_random(256)), ms);
    m->waited += ms;

    store_figures(m->store, &figures);

    for (i = 0, flight = 0; i < m->naive.lookups; i++) {
        flight += m->naive.leases[i].state == T(ASKING)
                  || m->naive.leases[i].state == T(PURGED);
    }

    model_equal("in flight", figures.in_flight, flight);
    model_equal("limit", figures.limit, m->naive.lookups);
    model_equal("queued of figures()", figures.queued, m->naive.queued);
    model_equal("open", figures.open, m->naive.failures >= 5);
    model_equal("waited", figures.counters.waited_sum, m->waited);
}


static void
model_release(model_t *m)
{
    model_dead = MODEL_PID + model_random(m->pids);

    store_release(m->store, model_gone);
    naive_release(&m->naive, model_dead);
    model_promise_release(m, model_dead);
}


static void
model_reap(model_t *m)
{
    int64_t  now, checked;

    model_dead = MODEL_PID + model_random(m->pids);
    now = m->now - (model_random(8) ? 0 : model_random(300));
    checked = m->naive.checked;

    store_reap(m->store, model_ms(m, now), model_gone);
    naive_reap(&m->naive, model_dead, now);

    if (m->naive.checked != checked) {
        model_promise_release(m, model_dead);
    }
}


/* the store is found again, and has other limits than before */

static void
model_reload(model_t *m)
{
    model_equal("matches()", store_matches(m->store, m->naive.lookups), 1);
    model_equal("matches() for others",
                store_matches(m->store, m->naive.lookups + 1), 0);
    model_equal("secret()", memcmp(store_secret(m->store), env_secret,
                                   T(KEY_LEN)), 0);

    m->naive.queue = model_bound();

    store_limits(m->store, m->naive.queue, m->denied);
}


/* days go by */

static void
model_tidy(model_t *m)
{
    m->now += model_random(2) ? model_random(T(TIDY)) : 0;

    store_tidy(m->store, model_ms(m, m->now));
    naive_tidy(&m->naive, m->now);
}


static void
model_faulty(model_t *m)
{
    m->faulty = model_random(6) == 0;
}
