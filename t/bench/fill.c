
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "fill.h"


store_t *
bench_fill(ngx_uint_t tokens)
{
    size_t      size;
    u_char      id[BENCH_ID], name[BENCH_NAME];
    store_t    *store;
    verdict_t   verdict;
    question_t  question;
    ngx_uint_t  i;

    static reply_t  reply;

    size = env_size(64, tokens + tokens / 10 + 100);

    store = store_create(env_shared(size), size, env_mutex(), env_secret, 64, 0,
                         10);
    if (store == NULL) {
        return NULL;
    }

    for (i = 0; i < tokens; i++) {
        bench_question(&question, i, id);
        bench_facts(&verdict, id, name);
        verdict.asked = question.now;

        if (store_ask(store, &question, &reply) != T(MISS)
            || store_end(store, &reply.ticket, &question, &verdict) != NGX_OK)
        {
            return NULL;
        }
    }

    return store->entries[T(FACTS)] == tokens ? store : NULL;
}


void
bench_question(question_t *question, ngx_uint_t n, u_char *id)
{
    uint64_t    x;
    ngx_uint_t  i;

    ngx_memzero(question, sizeof(question_t));

    x = n + 1;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_KEY_LEN; i += sizeof(x)) {
        x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15;
        ngx_memcpy(question->key + i, &x, sizeof(x));
    }

    ngx_memcpy(id, "TKN-0000-0000", 13);

    for (i = 12; i > 3; i--) {
        if (id[i] != '-') {
            id[i] = '0' + n % 10;
            n /= 10;
        }
    }

    question->id.data = id;
    question->id.len = 13;
    question->now = 1000;
    question->valid = NGX_MAX_INT_T_VALUE;
    question->denied = 5000;
    question->timeout = 10000;
    question->pid = ngx_pid;
}


void
bench_facts(verdict_t *verdict, u_char *id, u_char *name)
{
    facts_t  *facts;

    ngx_memzero(verdict, sizeof(verdict_t));

    verdict->reason = T(PASS);
    verdict->health = T(WELL);

    (void) ngx_cpymem(ngx_cpymem(name, "robot, ", BENCH_NAME - BENCH_ID), id,
                      BENCH_ID);

    facts = &verdict->facts;

    facts->name.data = name;
    facts->name.len = BENCH_NAME;
    facts->account_name = facts->name;

    ngx_str_set(&facts->account_id, "ACC-8765-4321");
    ngx_str_set(&facts->account_type, "Vendor");
    ngx_str_set(&facts->modules, "MOD-0478,MOD-1756,MOD-9042");
}


ngx_uint_t
bench_right(facts_t *facts, u_char *id)
{
    u_char  *name;

    name = facts->name.data;

    return facts->name.len == BENCH_NAME
           && facts->account_name.len == BENCH_NAME
           && ngx_memcmp(name + BENCH_NAME - BENCH_ID, id, BENCH_ID) == 0
           && ngx_memcmp(facts->account_name.data, name, BENCH_NAME) == 0;
}


double
bench_now(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}


double
bench_clock(clockid_t clock)
{
    struct timespec  ts;

    (void) clock_gettime(clock, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


int
bench_cmp(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}
