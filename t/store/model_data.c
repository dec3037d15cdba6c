
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


static void model_queue(model_t *m, ngx_queue_t *queue, ngx_uint_t facts);
static void model_places(model_t *m);


u_char    model_key[MODEL_KEYS][T(KEY_LEN)];
u_char    model_budget[MODEL_BUDGETS][T(KEY_LEN)];
char      model_id[MODEL_IDS][16];
char      model_account[MODEL_ACCOUNTS + 2][80];
uint64_t  model_n;

static u_char  model_bytes[2 * T(MAX_FACTS)];


void
model_init(void)
{
    char        name[32];
    ngx_uint_t  i;

    env_init();

    for (i = 0; i < MODEL_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "token %d", (int) i);
        env_key(model_key[i], name);
    }

    for (i = 0; i < MODEL_BUDGETS; i++) {
        (void) snprintf(name, sizeof(name), "client %d", (int) i);
        env_key(model_budget[i], name);
    }

    for (i = 0; i < MODEL_IDS; i++) {
        (void) snprintf(model_id[i], sizeof(model_id[i]), "TKN-%d", (int) i);
    }

    for (i = 0; i < MODEL_ACCOUNTS; i++) {
        (void) snprintf(model_account[i], sizeof(model_account[i]), "ACC-%d",
                        (int) i);
    }

    memset(model_account[i], 'a', 64);
    memset(model_account[i + 1], 'b', 65);
}


size_t
model_facts(uint32_t version, ngx_uint_t opaque, facts_t *facts, int *id,
    int *account)
{
    size_t       len, total;
    u_char      *p;
    uint32_t     n;
    ngx_str_t   *value;
    ngx_uint_t   i;

    memset(facts, 0, sizeof(facts_t));

    value = (ngx_str_t *) facts;
    p = model_bytes;
    n = version;
    total = 0;

    *id = NAIVE_NONE;
    *account = NAIVE_NONE;

    if (opaque && version % 7) {
        *id = version % MODEL_IDS;
        facts->id.data = (u_char *) model_id[*id];
        facts->id.len = strlen(model_id[*id]);
    }

    if (version % 11) {
        *account = version % (MODEL_ACCOUNTS + 2);
        facts->account_id.data = (u_char *) model_account[*account];
        facts->account_id.len = strlen(model_account[*account]);
        total += facts->account_id.len;
    }

    for (i = 1; i < T(STRINGS); i++) {

        if (&value[i] == &facts->account_id) {
            continue;
        }

        n = n * 1103515245 + 12345;
        len = (n >> 16) % 24;

        if ((n >> 8) % (version % 16 ? 64 : 2) == 0) {
            len = (n >> 16) % (i < T(SHORT) ? 256 : 1500);
        }

        value[i].data = p;

        if (&value[i] == &facts->name) {
            memcpy(p, &version, sizeof(uint32_t));
            p += sizeof(uint32_t);
            total += sizeof(uint32_t);
        }

        total += len;

        while (len--) {
            n = n * 1103515245 + 12345;
            *p++ = n >> 24;
        }

        value[i].len = p - value[i].data;
    }

    return total;
}


uint32_t
model_version(facts_t *facts)
{
    uint32_t  version;

    memcpy(&version, facts->name.data, sizeof(uint32_t));

    return version % ((uint32_t) MODEL_WORDS << 16);
}


void
model_equal(const char *what, long long is, long long expected)
{
    if (is != expected) {
        fprintf(stderr, "step %llu: %s is %lld, not %lld\n",
                (unsigned long long) model_n, what, is, expected);
        abort();
    }
}


void
model_verify(model_t *m)
{
    char         err[256];
    naive_t     *n;
    totals_t    *t;
    ngx_uint_t   i;

    if (store_check(m->store, err, sizeof(err)) != NGX_OK) {
        fprintf(stderr, "step %llu: %s\n", (unsigned long long) model_n, err);
        abort();
    }

    model_queue(m, &m->store->facts, 1);
    model_queue(m, &m->store->others, 0);
    model_places(m);

    t = &m->store->totals;
    n = &m->naive;

    model_equal("refreshes", t->refreshes, n->refreshes);
    model_equal("purges", t->purges, n->purges);
    model_equal("purged", t->purged, n->purged);
    model_equal("opened", t->opened, n->opened);
    model_equal("resets", t->resets, n->resets);
    model_equal("evicted_age", t->evicted_age, n->evicted_age);

    for (i = 0; i < T(KINDS); i++) {
        model_equal("evicted", t->evicted[i], n->evicted[i]);
    }

    for (i = 0; i < T(REASONS); i++) {
        model_equal("lookups", t->lookups[i], n->ended[i]);
    }
}


static void
model_queue(model_t *m, ngx_queue_t *queue, ngx_uint_t facts)
{
    int64_t          stamp;
    record_t        *record;
    ngx_uint_t       i;
    ngx_queue_t     *q;
    naive_record_t  *r, *next;

    stamp = m->naive.stamp + 1;

    for (q = ngx_queue_head(queue); q != queue; q = ngx_queue_next(q)) {
        record = ngx_queue_data(q, record_t, queue);
        next = NULL;

        for (i = 0; i < (ngx_uint_t) m->naive.nrecords; i++) {
            r = &m->naive.records[i];

            if (r->used && (r->kind == T(FACTS)) == (int) facts
                && r->stamp < stamp && (next == NULL || next->stamp < r->stamp))
            {
                next = r;
            }
        }

        model_equal("record in a queue", next != NULL, 1);
        model_equal("kind in a queue", ngx_http_auth_api_token_kind(record),
                    next->kind);
        model_equal("key in a queue",
                    memcmp(record->key,
                           next->kind == T(BUDGET) ? model_budget[next->key]
                                                   : model_key[next->key],
                           T(KEY_LEN)), 0);

        stamp = next->stamp;
    }
}


/* store_check() has verified that all together are as many as wait */

static void
model_places(model_t *m)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_queue_t  *queue;

    for (i = 0; i < T(QUEUES); i++) {
        queue = &m->store->queues[i];

        if (queue->waiting) {
            model_equal("places of a process", queue->waiting,
                        naive_waiting(&m->naive, queue->pid));
        }
    }

    model_equal("bound of the queue", m->store->queue, m->naive.queue);
}
