
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive.h"


static int naive_cells(size_t len);
static int naive_second(naive_t *m, int64_t now);
static int naive_evict(naive_t *m, int facts, int64_t now);


naive_record_t *
naive_find(naive_t *m, int budget, int key)
{
    int  i;

    for (i = 0; i < m->nrecords; i++) {
        if (m->records[i].used && m->records[i].key == key
            && (m->records[i].kind == T(BUDGET)) == budget)
        {
            return &m->records[i];
        }
    }

    return NULL;
}


int64_t
naive_age(naive_record_t *r, int64_t now)
{
    return now > r->asked ? now - r->asked : 0;
}


static int
naive_cells(size_t len)
{
    int     n;
    size_t  room;

    room = 256 - offsetof(record_t, data);

    for (n = 1; room < len; n++) {
        room += 256 - sizeof(uint32_t);
    }

    return n;
}


naive_record_t *
naive_add(naive_t *m, int kind, size_t len, int64_t now)
{
    int              i;
    int64_t          cells, facts, others, kept;
    naive_record_t  *r;

    if (len > 4096) {
        return NULL;
    }

    cells = naive_cells(len);

    for ( ;; ) {
        facts = naive_used(m, T(FACTS));
        others = naive_used(m, T(DENIAL)) + naive_used(m, T(BUDGET));
        kept = others > m->reserve ? others : m->reserve;

        if (kind == T(FACTS)) {
            if (facts + cells + kept <= m->ncells) {
                break;
            }

            if (naive_evict(m, others <= m->reserve, now) != NGX_OK) {
                return NULL;
            }

            continue;
        }

        if (facts + others + cells <= m->ncells
            && others + cells <= m->max_denied)
        {
            break;
        }

        if (naive_evict(m, 0, now) != NGX_OK) {
            return NULL;
        }
    }

    for (i = 0; i < NAIVE_RECORDS; i++) {
        r = &m->records[i];

        if (!r->used) {
            m->nrecords = (i < m->nrecords) ? m->nrecords : i + 1;

            memset(r, 0, sizeof(naive_record_t));
            r->used = 1;
            r->kind = kind;
            r->cells = cells;
            r->stamp = ++m->stamp;
            r->moved = naive_second(m, now);
            return r;
        }
    }

    return NULL;
}


static int
naive_evict(naive_t *m, int facts, int64_t now)
{
    int              i;
    naive_record_t  *r, *oldest;

    oldest = NULL;

    for (i = 0; i < m->nrecords; i++) {
        r = &m->records[i];

        if (r->used && (r->kind == T(FACTS)) == facts
            && (oldest == NULL || r->stamp < oldest->stamp))
        {
            oldest = r;
        }
    }

    if (oldest == NULL) {
        return NGX_DECLINED;
    }

    oldest->used = 0;
    m->evicted[oldest->kind]++;

    if (facts) {
        m->evicted_age = naive_age(oldest, now);

        if (m->evicted_age == 0) {
            m->evicted_age = 1;
        }
    }

    return NGX_OK;
}


void
naive_touch(naive_t *m, naive_record_t *r, int64_t now)
{
    int  second;

    second = naive_second(m, now);

    if (r->kind == T(FACTS) && r->moved == second) {
        return;
    }

    r->moved = second;
    r->stamp = ++m->stamp;
}


static int
naive_second(naive_t *m, int64_t now)
{
    return ((m->base + (uint64_t) now) / 1024) % 256;
}


void
naive_reset(naive_t *m)
{
    memset(m->records, 0, m->nrecords * sizeof(naive_record_t));
    memset(m->leases, 0, sizeof(m->leases));
    m->queued = 0;
    m->resets++;
}


void
naive_tidy(naive_t *m, int64_t now)
{
    int  i;

    for (i = 0; i < m->lookups; i++) {
        if (now - m->leases[i].deadline > T(TIDY)) {
            m->leases[i].state = T(FREE);
        }
    }

    for (i = 0; i < m->nrecords; i++) {
        if (now - m->records[i].asked > T(TIDY)) {
            m->records[i].used = 0;
        }
    }
}


int64_t
naive_used(naive_t *m, int kind)
{
    int      i;
    int64_t  n;

    n = 0;

    for (i = 0; i < m->nrecords; i++) {
        if (m->records[i].used && m->records[i].kind == kind) {
            n += m->records[i].cells;
        }
    }

    return n;
}


int64_t
naive_entries(naive_t *m, int kind)
{
    int      i;
    int64_t  n;

    n = 0;

    for (i = 0; i < m->nrecords; i++) {
        n += (m->records[i].used && m->records[i].kind == kind);
    }

    return n;
}
