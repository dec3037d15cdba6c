
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_lease.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


/* a lookup has a time limit of its own; the lease ends if that did not work */

#define NGX_HTTP_AUTH_API_TOKEN_GRACE        1000

/* how long the breaker stays open before a probe */

#define NGX_HTTP_AUTH_API_TOKEN_BREAKER_MIN  1000
#define NGX_HTTP_AUTH_API_TOKEN_BREAKER_MAX  30000


/* times are compared as differences, as they may wrap */

#define ngx_http_auth_api_token_before(now, time)                             \
    ((ngx_msec_int_t) ((now) - (time)) < 0)


static ngx_uint_t ngx_http_auth_api_token_lease_asking(
    ngx_http_auth_api_token_lease_t *lease, ngx_msec_t now);
static ngx_uint_t ngx_http_auth_api_token_budget_node_key(
    ngx_http_auth_api_token_budget_t *budget);
static ngx_uint_t ngx_http_auth_api_token_budget_excess(
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now);


ngx_http_auth_api_token_lease_t *
ngx_http_auth_api_token_lease_find(ngx_http_auth_api_token_store_t *store,
    u_char *key, ngx_msec_t now)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if ((lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
             || lease->state == NGX_HTTP_AUTH_API_TOKEN_FAILED)
            && ngx_http_auth_api_token_before(now, lease->deadline)
            && ngx_memcmp(lease->key, key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
               == 0)
        {
            return lease;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_auth_api_token_lease_count(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid, ngx_msec_t now)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < store->lookups; i++) {
        if (store->leases[i].pid == pid
            && ngx_http_auth_api_token_lease_asking(&store->leases[i], now))
        {
            n++;
        }
    }

    return n;
}


ngx_http_auth_api_token_lease_t *
ngx_http_auth_api_token_lease_spare(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_lease_t  *lease, *spare;

    spare = NULL;

    for (i = 0; i < store->lookups; i++) {
        lease = &store->leases[i];

        if (lease->state == NGX_HTTP_AUTH_API_TOKEN_FREE) {
            return lease;
        }

        if (ngx_http_auth_api_token_lease_asking(lease, now)) {
            continue;
        }

        /* the longer ago one failed, the fewer requests may still read it */

        if (spare == NULL
            || ngx_http_auth_api_token_before(lease->deadline, spare->deadline))
        {
            spare = lease;
        }
    }

    return spare;
}


static ngx_uint_t
ngx_http_auth_api_token_lease_asking(ngx_http_auth_api_token_lease_t *lease,
    ngx_msec_t now)
{
    return (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
            || lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED)
           && ngx_http_auth_api_token_before(now, lease->deadline);
}


void
ngx_http_auth_api_token_lease_take(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key)
{
    lease->seq = ++store->seq;
    lease->state = NGX_HTTP_AUTH_API_TOKEN_ASKING;
    ngx_http_auth_api_token_crash();
    lease->asked = question->now;
    lease->deadline = question->now + question->timeout
                      + NGX_HTTP_AUTH_API_TOKEN_GRACE;
    lease->node_key = node_key;
    lease->budget = 0;
    lease->pid = question->pid;
    lease->retry_after = 0;
    lease->status = 0;
    lease->health = NGX_HTTP_AUTH_API_TOKEN_UNTOLD;
    lease->probe = (store->failures >= NGX_HTTP_AUTH_API_TOKEN_FAILURES);
    lease->opaque = (question->id.len == 0);

    ngx_memcpy(lease->key, question->key, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN);

    if (question->budget) {
        ngx_memcpy(&lease->budget, question->budget->key, sizeof(uint64_t));
    }
}


ngx_http_auth_api_token_lease_t *
ngx_http_auth_api_token_lease_get(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lease_t  *lease;

    lease = &store->leases[ticket->slot];

    if (lease->seq != ticket->seq
        || (lease->state != NGX_HTTP_AUTH_API_TOKEN_ASKING
            && lease->state != NGX_HTTP_AUTH_API_TOKEN_PURGED))
    {
        return NULL;
    }

    return lease;
}


void
ngx_http_auth_api_token_store_cancel(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lease_t  *lease;

    ngx_http_auth_api_token_store_lock(store);

    lease = ngx_http_auth_api_token_lease_get(store, ticket);

    if (lease) {
        lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
    }

    ngx_http_auth_api_token_store_unlock(store);
}


void
ngx_http_auth_api_token_store_sent(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lease_t  *lease;

    lease = &store->leases[ticket->slot];

    if (lease->seq == ticket->seq) {
        lease->health = NGX_HTTP_AUTH_API_TOKEN_SILENT;
    }
}


ngx_uint_t
ngx_http_auth_api_token_store_is_sent(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_http_auth_api_token_lease_t  *lease;

    lease = &store->leases[ticket->slot];

    return lease->seq == ticket->seq
           && lease->health == NGX_HTTP_AUTH_API_TOKEN_SILENT;
}


ngx_int_t
ngx_http_auth_api_token_store_poll(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket, ngx_msec_t now,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_int_t                         rc;
    ngx_http_auth_api_token_lease_t  *lease;

    lease = &store->leases[ticket->slot];

    if (lease->seq == ticket->seq
        && lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
        && ngx_http_auth_api_token_before(now, lease->deadline))
    {
        return NGX_AGAIN;
    }

    rc = NGX_DECLINED;

    ngx_http_auth_api_token_store_lock(store);

    if (lease->seq == ticket->seq
        && lease->state == NGX_HTTP_AUTH_API_TOKEN_FAILED)
    {
        ngx_memzero(verdict, sizeof(ngx_http_auth_api_token_verdict_t));

        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
        verdict->asked = lease->asked;
        verdict->health = lease->health;
        verdict->status = lease->status;
        verdict->retry_after = lease->retry_after;
        verdict->cause = "the lookup of another worker failed";

        rc = NGX_OK;
    }

    ngx_http_auth_api_token_store_unlock(store);

    return rc;
}


ngx_msec_t
ngx_http_auth_api_token_breaker_wait(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now)
{
    ngx_uint_t  i;

    if (store->failures < NGX_HTTP_AUTH_API_TOKEN_FAILURES) {
        return 0;
    }

    if (ngx_http_auth_api_token_before(now, store->until)) {
        return store->until - now;
    }

    for (i = 0; i < store->lookups; i++) {
        if (store->leases[i].probe
            && ngx_http_auth_api_token_lease_asking(&store->leases[i], now))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_auth_api_token_breaker_tell(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t probe, ngx_http_auth_api_token_verdict_t *verdict,
    ngx_msec_t now)
{
    ngx_msec_t  delay;

    if (verdict->health == NGX_HTTP_AUTH_API_TOKEN_UNTOLD) {
        return;
    }

    if (verdict->health == NGX_HTTP_AUTH_API_TOKEN_WELL) {
        store->failures = 0;
        return;
    }

    store->failures++;

    if (store->failures < NGX_HTTP_AUTH_API_TOKEN_FAILURES) {
        return;
    }

    if (probe) {
        store->delay = ngx_min(2 * store->delay,
                               NGX_HTTP_AUTH_API_TOKEN_BREAKER_MAX);

    } else if (store->failures == NGX_HTTP_AUTH_API_TOKEN_FAILURES) {
        store->delay = NGX_HTTP_AUTH_API_TOKEN_BREAKER_MIN;
        store->totals.opened++;

    } else {

        /* it began before the breaker opened */

        return;
    }

    /* a longer Retry-After holds for the token only */

    delay = ngx_min((ngx_msec_t) verdict->retry_after * 1000,
                    NGX_HTTP_AUTH_API_TOKEN_BREAKER_MAX);

    store->until = now + ngx_max(delay, store->delay);
}


ngx_msec_t
ngx_http_auth_api_token_budget_wait(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now)
{
    uint64_t                           prefix;
    ngx_uint_t                         i, node_key, excess, limit;
    ngx_http_auth_api_token_record_t  *record;

    node_key = ngx_http_auth_api_token_budget_node_key(budget);

    record = ngx_http_auth_api_token_index_find(store, node_key, budget->key);

    if (record == NULL) {
        return 0;
    }

    ngx_http_auth_api_token_record_touch(store, record, now);

    excess = ngx_http_auth_api_token_budget_excess(record, budget, now);

    if (excess == 0) {
        return 0;
    }

    ngx_memcpy(&prefix, budget->key, sizeof(uint64_t));

    for (i = 0; i < store->lookups; i++) {
        if (store->leases[i].budget == prefix
            && ngx_http_auth_api_token_lease_asking(&store->leases[i], now))
        {
            excess += 1000;
        }
    }

    limit = budget->burst * 1000;
    excess += 1000;

    if (excess <= limit) {
        return 0;
    }

    return (excess - limit) * 1000 / budget->rate + 1;
}


void
ngx_http_auth_api_token_budget_charge(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now)
{
    ngx_uint_t                         node_key;
    ngx_http_auth_api_token_facts_t    facts;
    ngx_http_auth_api_token_record_t  *record;

    node_key = ngx_http_auth_api_token_budget_node_key(budget);

    record = ngx_http_auth_api_token_index_find(store, node_key, budget->key);

    if (record == NULL) {
        ngx_memzero(&facts, sizeof(ngx_http_auth_api_token_facts_t));

        record = ngx_http_auth_api_token_record_add(store,
                                             NGX_HTTP_AUTH_API_TOKEN_UNDECIDED,
                                             node_key, budget->key, &facts,
                                             now);
        if (record == NULL) {
            return;
        }
    }

    record->tried = 1000 + ngx_http_auth_api_token_budget_excess(record, budget,
                                                                 now);
    record->asked = now;
}


static ngx_uint_t
ngx_http_auth_api_token_budget_node_key(
    ngx_http_auth_api_token_budget_t *budget)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    return ngx_http_auth_api_token_index_node_key(&none, budget->key);
}


static ngx_uint_t
ngx_http_auth_api_token_budget_excess(ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_budget_t *budget, ngx_msec_t now)
{
    uint64_t        leaked;
    ngx_msec_int_t  ms;

    ms = (ngx_msec_int_t) (now - record->asked);
    ms = ngx_max(ms, 0);

    leaked = (uint64_t) budget->rate * ms / 1000;

    return (leaked < record->tried) ? record->tried - (ngx_uint_t) leaked : 0;
}
