
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"


#define MODEL_OTHER  0x7fffffff        /* a process that has the mutex */


/* without the mutex, which another one has, all is found that there is */

void
model_peek(model_t *m)
{
    int               key;
    record_t         *copy;
    verdict_t        *v;
    question_t       *q;
    ngx_uint_t        node_key;
    model_held_t      h;
    naive_record_t   *r;
    static uint64_t   cell[T(CELL) / sizeof(uint64_t)];
    static uint64_t   buf[T(COPY) / sizeof(uint64_t)];

    memset(&h, 0, sizeof(model_held_t));

    key = model_n * 7 % MODEL_KEYS;
    q = &h.question;

    if (key % 5) {
        q->id.data = (u_char *) model_id[key % MODEL_IDS];
        q->id.len = strlen(model_id[key % MODEL_IDS]);
    }

    node_key = ngx_http_auth_api_token_index_node_key(&q->id, model_key[key]);

    *m->store->mutex->lock = MODEL_OTHER;

    copy = ngx_http_auth_api_token_peek(m->store, node_key, model_key[key],
                                        model_n % 2 ? cell : NULL, buf);

    *m->store->mutex->lock = 0;

    r = naive_find(&m->naive, 0, key);

    model_equal("known without the mutex", copy != NULL, r != NULL);

    if (r == NULL) {
        return;
    }

    model_equal("key of a read", memcmp(copy->key, model_key[key],
                                        T(KEY_LEN)), 0);

    v = &m->reply.verdict;

    ngx_http_auth_api_token_record_facts(copy, &v->facts);

    if (v->facts.id.len == 0) {
        v->facts.id = q->id;
    }

    v->reason = copy->reason;
    v->asked = copy->asked;
    v->health = T(UNTOLD);

    model_hit(m, &h, r);
}
