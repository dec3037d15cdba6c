
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


/* what lookups said */

#define model_word(version)  (&model_words[(version) >> 16])


typedef struct {
    int       key;
    int       id;                      /* claimed, or of the answer, or none */
    int       account;
    int64_t   asked;
    int64_t   begun;
} model_word_t;


static ngx_uint_t model_purged(model_t *m, model_word_t *w);
static ngx_uint_t model_void(model_t *m, model_lookup_t *l);


static model_word_t  model_words[MODEL_WORDS];


/* one lease is one call: the one that had it before has lost it */

void
model_promise_begin(model_t *m, naive_question_t *q, ticket_t *ticket)
{
    int              i;
    model_lookup_t  *l;

    model_equal("a call within \"lookups\"", ticket->slot
                                          < (ngx_uint_t) m->naive.lookups, 1);

    for (i = 0; i < m->naive.lookups; i++) {
        l = &m->lookups[i];

        if (!l->used || q->now >= l->deadline) {
            continue;
        }

        model_equal("a lease that others have",
                    i == (int) ticket->slot, 0);
        model_equal("one question", l->key == q->key && !model_void(m, l), 0);
    }

    l = &m->lookups[ticket->slot];

    l->used = 1;
    l->key = q->key;
    l->id = q->id;
    l->pid = q->pid;
    l->seq = ticket->seq;
    l->deadline = q->now + q->timeout + 1000;
    l->begun = m->step;
}


/* what is used now is remembered, as it may be served later */

void
model_promise_end(model_t *m, ticket_t *ticket, naive_question_t *q,
    naive_verdict_t *v, int rc)
{
    model_word_t    *w;
    model_lookup_t  *l;

    l = &m->lookups[ticket->slot];

    if (!l->used || l->seq != (int64_t) ticket->seq) {
        model_equal("end of a lookup that was lost", rc, NGX_DECLINED);
        return;
    }

    l->used = 0;

    if (rc != NGX_OK) {
        return;
    }

    model_equal("end of a lookup in time", q->now < l->deadline, 1);

    w = model_word(v->version);

    w->key = q->key;
    w->id = (q->id == NAIVE_NONE) ? v->facts_id : q->id;
    w->account = v->account;
    w->asked = v->asked;
    w->begun = l->begun;

    if (v->reason == T(PASS)) {
        model_equal("facts from before a purge", model_purged(m, w), 0);
    }
}


void
model_promise_cancel(model_t *m, ticket_t *ticket)
{
    model_lookup_t  *l;

    l = &m->lookups[ticket->slot];

    if (l->seq == (int64_t) ticket->seq) {
        l->used = 0;
    }
}


void
model_promise_hit(model_t *m, naive_question_t *q, verdict_t *v,
    ngx_uint_t stale)
{
    int64_t        age;
    model_word_t  *w;

    if (v->reason != T(PASS)) {
        model_equal("stale denial", stale, 0);
        return;
    }

    w = model_word(model_version(&v->facts));
    age = q->now - w->asked;

    model_equal("token of the facts", w->key, q->key);
    model_equal("when the API was asked", v->asked, model_ms(m, w->asked));
    model_equal("facts from before a purge", model_purged(m, w), 0);

    if (stale) {
        model_equal("stale facts in time", age < q->valid + q->stale, 1);
        return;
    }

    if (!q->again || w->asked < q->since) {
        model_equal("facts in time", age < q->valid, 1);
    }
}


/* lookups that began before a purge are no better than what it purged */

static ngx_uint_t
model_purged(model_t *m, model_word_t *w)
{
    return w->begun <= m->purged
           || (w->id != NAIVE_NONE && w->begun <= m->purged_id[w->id])
           || (w->account != NAIVE_NONE
               && w->begun <= m->purged_account[w->account]);
}


/* nobody knows yet what it will say, but for the id that was claimed */

static ngx_uint_t
model_void(model_t *m, model_lookup_t *l)
{
    return l->begun <= m->purged
           || l->begun <= m->purged_any_account
           || l->begun <= (l->id == NAIVE_NONE ? m->purged_any_id
                                               : m->purged_id[l->id]);
}


void
model_promise_purge(model_t *m, int id, int account)
{
    if (id != NAIVE_NONE) {
        m->purged_id[id] = m->step;
        m->purged_any_id = m->step;

    } else if (account != NAIVE_NONE) {
        m->purged_account[account] = m->step;
        m->purged_any_account = m->step;

    } else {
        m->purged = m->step;
    }
}


void
model_promise_release(model_t *m, int pid)
{
    int  i;

    for (i = 0; i < NAIVE_LEASES; i++) {
        if (pid == NAIVE_NONE || m->lookups[i].pid == pid) {
            m->lookups[i].used = 0;
        }
    }
}
