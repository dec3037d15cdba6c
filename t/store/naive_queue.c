
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive.h"


static int64_t naive_processes(naive_t *m);


int
naive_queue(naive_t *m, naive_question_t *q)
{
    if (q->queued && naive_waiting(m, q->pid)) {
        return 1;
    }

    if ((m->queued >= m->queue && !q->again)
        || (naive_waiting(m, q->pid) == 0 && naive_processes(m) == T(QUEUES)))
    {
        return 0;
    }

    m->places[m->queued++] = q->pid;

    return 1;
}


void
naive_unqueue(naive_t *m, int pid)
{
    int64_t  i;

    for (i = 0; i < m->queued; i++) {
        if (m->places[i] == pid) {
            m->places[i] = m->places[--m->queued];
            return;
        }
    }
}


int64_t
naive_waiting(naive_t *m, int pid)
{
    int64_t  i, n;

    n = 0;

    for (i = 0; i < m->queued; i++) {
        n += (m->places[i] == pid);
    }

    return n;
}


/* with as many as it holds, may the process take a place while others wait? */

int
naive_share(naive_t *m, int pid, int64_t now)
{
    int64_t  i, held, others;

    if (m->queued == 0) {
        return 1;
    }

    held = 0;

    for (i = 0; i < m->lookups; i++) {
        held += (m->leases[i].pid == pid && naive_live(&m->leases[i], now));
    }

    others = naive_processes(m) - (naive_waiting(m, pid) != 0);

    return held * (others + 1) < m->lookups;
}


/* did the process have it until just now, and are there others to take it? */

int
naive_leave(naive_t *m, int slot, int pid, int64_t now)
{
    int64_t         others;
    naive_lease_t  *l;

    l = &m->leases[slot];
    others = naive_processes(m) - (naive_waiting(m, pid) != 0);

    return others + 1 > m->lookups && others && l->pid == pid
           && now >= l->deadline && now < l->deadline + 20;
}


static int64_t
naive_processes(naive_t *m)
{
    int64_t  i, k, n;

    n = 0;

    for (i = 0; i < m->queued; i++) {

        for (k = 0; k < i; k++) {
            if (m->places[k] == m->places[i]) {
                break;
            }
        }

        n += (k == i);
    }

    return n;
}


void
naive_reap(naive_t *m, int pid, int64_t now)
{
    ngx_msec_int_t  ms;

    /* where times wrap, once in weeks it is not checked: no harm is done */

    ms = (ngx_msec_int_t) (now - m->checked);

    if (ms < 100 && ms > -100) {
        return;
    }

    m->checked = now;
    naive_release(m, pid);
}
