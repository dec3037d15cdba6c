
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive.h"


static void naive_answer(naive_t *m, naive_question_t *q,
    naive_reply_t *reply);
static int naive_refresh(naive_t *m, naive_record_t *r, naive_question_t *q);
static naive_lease_t *naive_lease(naive_t *m, int key, int64_t now);
static naive_lease_t *naive_held(naive_t *m, int slot, int64_t seq);
static int naive_spare(naive_t *m, int64_t now);
static void naive_take(naive_t *m, int slot, naive_question_t *q,
    naive_reply_t *reply);
static void naive_stop(naive_reply_t *reply, int reason, int64_t wait);
static int64_t naive_breaker(naive_t *m, int64_t now);
static void naive_tell(naive_t *m, int probe, naive_verdict_t *v, int64_t now);
static int64_t naive_excess(naive_record_t *r, int64_t rate, int64_t now);
static int64_t naive_limit(naive_t *m, naive_question_t *q);
static void naive_charge(naive_t *m, naive_question_t *q);
static void naive_keep(naive_t *m, naive_lease_t *l, naive_question_t *q,
    naive_verdict_t *v);


void
naive_ask(naive_t *m, naive_question_t *q, naive_reply_t *reply)
{
    naive_answer(m, q, reply);

    if (q->queued && reply->rc != T(QUEUE) && reply->rc != T(CHARGE)) {
        naive_unqueue(m, q->pid);
    }
}


static void
naive_answer(naive_t *m, naive_question_t *q, naive_reply_t *reply)
{
    int64_t          wait;
    naive_lease_t   *l;
    naive_record_t  *r;

    memset(reply, 0, sizeof(naive_reply_t));

    r = naive_find(m, 0, q->key);

    if (r && ((q->again && r->asked >= q->since)
              || naive_age(r, q->now)
                 < (r->kind == T(FACTS) ? q->valid : q->denied)))
    {
        naive_touch(m, r, q->now);

        reply->rc = T(HIT);
        reply->record = r;

        if (q->refresh && r->kind == T(FACTS) && naive_refresh(m, r, q)) {
            naive_take(m, naive_spare(m, q->now), q, reply);
            m->leases[reply->slot].budget = NAIVE_NONE;
            reply->rc = T(REFRESH);
            m->refreshes++;
        }

        return;
    }

    l = naive_lease(m, q->key, q->now);

    if (l && l->state == T(ASKING)) {
        reply->rc = T(WAIT);
        reply->slot = l - m->leases;
        reply->seq = l->seq;
        return;
    }

    reply->rc = T(STOP);

    if (l) {
        naive_stop(reply, T(UNAVAILABLE), l->deadline - q->now);
        reply->status = l->status;
        reply->health = l->health;
        return;
    }

    wait = naive_breaker(m, q->now);

    if (wait) {
        naive_stop(reply, T(BUSY), wait);
        reply->health = T(FAULT);
        return;
    }

    if (q->charge) {
        reply->rc = T(CHARGE);
        return;
    }

    wait = naive_limit(m, q);

    if (wait) {
        naive_stop(reply, T(LIMITED), wait);
        return;
    }

    if (q->behind || !naive_share(m, q->pid, q->now)
        || naive_spare(m, q->now) == NAIVE_NONE
        || naive_leave(m, naive_spare(m, q->now), q->pid, q->now))
    {

        if (naive_queue(m, q)) {
            reply->rc = T(QUEUE);

        } else {
            naive_stop(reply, T(BUSY), 1);
        }

        return;
    }

    naive_take(m, naive_spare(m, q->now), q, reply);
    reply->rc = T(MISS);
}


static int
naive_refresh(naive_t *m, naive_record_t *r, naive_question_t *q)
{
    int64_t  due, jitter;

    jitter = (q->first + m->base + (uint64_t) r->asked) % 256;
    due = q->valid - q->valid / 4 + q->valid / 8 * jitter / 256;

    if (naive_age(r, q->now) < due
        || (q->now >= r->tried && q->now < r->tried + 1000))
    {
        return 0;
    }

    r->tried = q->now;

    return naive_lease(m, q->key, q->now) == NULL
           && naive_breaker(m, q->now) == 0
           && naive_spare(m, q->now) != NAIVE_NONE;
}


int
naive_live(naive_lease_t *l, int64_t now)
{
    return (l->state == T(ASKING) || l->state == T(PURGED))
           && now < l->deadline;
}


static naive_lease_t *
naive_lease(naive_t *m, int key, int64_t now)
{
    int  i;

    for (i = 0; i < m->lookups; i++) {
        if (m->leases[i].key == key && now < m->leases[i].deadline
            && (m->leases[i].state == T(ASKING)
                || m->leases[i].state == T(FAILED)))
        {
            return &m->leases[i];
        }
    }

    return NULL;
}


static naive_lease_t *
naive_held(naive_t *m, int slot, int64_t seq)
{
    naive_lease_t  *l;

    l = &m->leases[slot];

    return (l->seq == seq && (l->state == T(ASKING) || l->state == T(PURGED)))
           ? l : NULL;
}


static int
naive_spare(naive_t *m, int64_t now)
{
    int  i, best;

    for (i = 0; i < m->lookups; i++) {
        if (m->leases[i].state == T(FREE)) {
            return i;
        }
    }

    best = NAIVE_NONE;

    for (i = 0; i < m->lookups; i++) {
        if (!naive_live(&m->leases[i], now)
            && (best == NAIVE_NONE
                || m->leases[i].deadline < m->leases[best].deadline))
        {
            best = i;
        }
    }

    return best;
}


static void
naive_take(naive_t *m, int slot, naive_question_t *q, naive_reply_t *reply)
{
    naive_lease_t  *l;

    l = &m->leases[slot];

    memset(l, 0, sizeof(naive_lease_t));

    l->state = T(ASKING);
    l->key = q->key;
    l->id = q->id;
    l->budget = q->budget;
    l->pid = q->pid;
    l->probe = (m->failures >= 5);
    l->seq = ++m->seq;
    l->asked = q->now;
    l->deadline = q->now + q->timeout + 1000;

    reply->slot = slot;
    reply->seq = l->seq;
}


static void
naive_stop(naive_reply_t *reply, int reason, int64_t wait)
{
    reply->reason = reason;
    reply->retry_after = (wait + 999) / 1000;
}


static int64_t
naive_breaker(naive_t *m, int64_t now)
{
    int  i;

    if (m->failures < 5) {
        return 0;
    }

    if (now < m->until) {
        return m->until - now;
    }

    for (i = 0; i < m->lookups; i++) {
        if (m->leases[i].probe && naive_live(&m->leases[i], now)) {
            return 1;
        }
    }

    return 0;
}


static void
naive_tell(naive_t *m, int probe, naive_verdict_t *v, int64_t now)
{
    int64_t  wait;

    if (v->health == T(UNTOLD)) {
        return;
    }

    if (v->health == T(WELL)) {
        m->failures = 0;
        return;
    }

    m->failures++;

    if (m->failures < 5) {
        return;
    }

    if (probe) {
        m->delay = m->delay * 2 < 30000 ? m->delay * 2 : 30000;

    } else if (m->failures == 5) {
        m->delay = 1000;
        m->opened++;

    } else {
        return;
    }

    wait = v->retry_after < 30 ? v->retry_after * 1000 : 30000;

    m->until = now + (wait > m->delay ? wait : m->delay);
}


static int64_t
naive_excess(naive_record_t *r, int64_t rate, int64_t now)
{
    int64_t  leaked;

    leaked = rate * naive_age(r, now) / 1000;

    return leaked < r->excess ? r->excess - leaked : 0;
}


static int64_t
naive_limit(naive_t *m, naive_question_t *q)
{
    int              i;
    int64_t          excess, over;
    naive_record_t  *r;

    r = (q->budget == NAIVE_NONE) ? NULL : naive_find(m, 1, q->budget);

    if (r == NULL) {
        return 0;
    }

    r->stamp = ++m->stamp;
    excess = naive_excess(r, q->rate, q->now);

    if (excess == 0) {
        return 0;
    }

    for (i = 0; i < m->lookups; i++) {
        if (m->leases[i].budget == q->budget
            && naive_live(&m->leases[i], q->now))
        {
            excess += 1000;
        }
    }

    over = excess + 1000 - q->burst * 1000;

    return over > 0 ? over * 1000 / q->rate + 1 : 0;
}


static void
naive_charge(naive_t *m, naive_question_t *q)
{
    int64_t          excess;
    naive_record_t  *r;

    r = naive_find(m, 1, q->budget);
    excess = 0;

    if (r) {
        excess = naive_excess(r, q->rate, q->now);

    } else {
        r = naive_add(m, T(BUDGET), 0, q->now);

        if (r == NULL) {
            return;
        }

        r->key = q->budget;
        r->id = r->facts_id = r->account = NAIVE_NONE;
    }

    r->excess = excess + 1000;
    r->asked = q->now;
}


naive_record_t *
naive_stale(naive_t *m, naive_question_t *q)
{
    naive_record_t  *r;

    r = naive_find(m, 0, q->key);

    if (r == NULL || r->kind != T(FACTS)
        || naive_age(r, q->now) >= q->valid + q->stale)
    {
        return NULL;
    }

    naive_touch(m, r, q->now);

    return r;
}


int
naive_end(naive_t *m, int slot, int64_t seq, naive_question_t *q,
    naive_verdict_t *v)
{
    naive_lease_t  *l;

    l = naive_held(m, slot, seq);

    m->ended[v->reason]++;

    if (l && q->now >= l->deadline) {
        l->state = T(FREE);
        l->deadline = q->now;
        l = NULL;
    }

    naive_tell(m, l && l->probe, v, q->now);

    if (l == NULL) {
        return NGX_DECLINED;
    }

    if (l->state == T(PURGED)) {
        l->state = T(FREE);
        l->deadline = q->now;
        return NGX_DECLINED;
    }

    naive_keep(m, l, q, v);

    return NGX_OK;
}


static void
naive_keep(naive_t *m, naive_lease_t *l, naive_question_t *q,
    naive_verdict_t *v)
{
    size_t           len;
    naive_record_t  *r;

    r = naive_find(m, 0, q->key);

    if (v->reason == T(UNAVAILABLE)) {

        if (r) {
            r->tried = q->now;
        }

        l->state = T(FAILED);
        l->status = v->status;
        l->health = v->health;
        l->retry_after = v->retry_after;
        l->deadline = q->now + v->retry_after * 1000;
        return;
    }

    l->state = T(FREE);
    l->deadline = q->now;

    if (r && v->age && r->asked > v->asked) {
        if (r->kind == T(DENIAL)) {
            v->reason = r->reason;
        }

        r->tried = q->now;
        return;
    }

    if (r) {
        r->used = 0;
    }

    if (v->reason == T(PASS)) {
        len = v->len + (q->id == NAIVE_NONE ? v->id_len : 0);
        r = naive_add(m, T(FACTS), len, q->now);

    } else {

        if (q->budget != NAIVE_NONE) {
            naive_charge(m, q);
        }

        len = v->account_len <= 64 ? v->account_len : 0;
        len += q->id == NAIVE_NONE && v->id_len <= 64 ? v->id_len : 0;
        r = naive_add(m, T(DENIAL), len, q->now);
    }

    if (r == NULL) {
        return;
    }

    r->key = q->key;
    r->id = q->id;
    r->facts_id = NAIVE_NONE;
    r->account = v->account;
    r->version = v->version;
    r->reason = v->reason;
    r->asked = v->asked;
    r->tried = q->now - (v->age ? 0 : 1000);

    if (q->id == NAIVE_NONE && (r->kind == T(FACTS) || v->id_len <= 64)) {
        r->facts_id = v->facts_id;
    }

    if (r->kind == T(DENIAL) && v->account_len > 64) {
        r->account = NAIVE_NONE;
    }
}


void
naive_cancel(naive_t *m, int slot, int64_t seq)
{
    naive_lease_t  *l;

    l = naive_held(m, slot, seq);

    if (l) {
        l->state = T(FREE);
    }
}


int
naive_poll(naive_t *m, int slot, int64_t seq, int64_t now)
{
    naive_lease_t  *l;

    l = &m->leases[slot];

    if (l->seq == seq && l->state == T(ASKING) && now < l->deadline) {
        return NGX_AGAIN;
    }

    return (l->seq == seq && l->state == T(FAILED)) ? NGX_OK : NGX_DECLINED;
}


int
naive_sent(naive_t *m, int slot, int64_t seq)
{
    naive_lease_t  *l;

    l = &m->leases[slot];

    if (l->seq != seq) {
        return 0;
    }

    l->health = T(SILENT);

    return 1;
}


void
naive_release(naive_t *m, int pid)
{
    int  i;

    for (i = 0; i < m->lookups; i++) {
        if (m->leases[i].pid == pid
            && (m->leases[i].state == T(ASKING)
                || m->leases[i].state == T(PURGED)))
        {
            m->leases[i].state = T(FREE);
        }
    }

    while (naive_waiting(m, pid)) {
        naive_unqueue(m, pid);
    }
}


int64_t
naive_purge(naive_t *m, int id, int account)
{
    int              i, match;
    int64_t          n;
    naive_lease_t   *l;
    naive_record_t  *r;

    n = 0;

    for (i = 0; i < m->lookups; i++) {
        l = &m->leases[i];

        if (id != NAIVE_NONE && l->id != NAIVE_NONE && l->id != id) {
            continue;
        }

        if (l->state == T(ASKING)) {
            l->state = T(PURGED);

        } else if (l->state == T(FAILED)) {
            l->state = T(FREE);
        }
    }

    for (i = 0; i < m->nrecords; i++) {
        r = &m->records[i];

        if (!r->used) {
            continue;
        }

        if (id == NAIVE_NONE && account == NAIVE_NONE) {
            n += (r->kind != T(BUDGET));
            r->used = 0;
            continue;
        }

        match = (id != NAIVE_NONE) ? (r->id == id || r->facts_id == id)
                                   : (r->account == account);

        if (match && r->kind != T(BUDGET)) {
            r->used = 0;
            n++;
        }
    }

    m->purges++;
    m->purged += n;

    return n;
}
