
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_lease.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_queue.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


#define NGX_HTTP_AUTH_API_TOKEN_MAX_ID  64           /* of denials */

/* how far the clocks of two workers may be apart, ms */

#define NGX_HTTP_AUTH_API_TOKEN_SKEW    60000

/* a refresh that failed is not tried again for a while, ms */

#define NGX_HTTP_AUTH_API_TOKEN_PAUSE   1000


/* where records are copied to, unless the caller has room for them */

static uint64_t  ngx_http_auth_api_token_copy[NGX_HTTP_AUTH_API_TOKEN_COPY
                                              / sizeof(uint64_t)];


static ngx_uint_t ngx_http_auth_api_token_store_node_key(
    ngx_http_auth_api_token_question_t *question);
static ngx_uint_t ngx_http_auth_api_token_store_is_fresh(
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question);
static ngx_msec_t ngx_http_auth_api_token_store_age(
    ngx_http_auth_api_token_record_t *record, ngx_msec_t now);
static ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_store_peek(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_reply_t *reply);
static ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_store_hit(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);
static void ngx_http_auth_api_token_store_set_verdict(
    ngx_http_auth_api_token_record_t *copy,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);
static ngx_uint_t ngx_http_auth_api_token_store_is_due(
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question);
static ngx_int_t ngx_http_auth_api_token_store_refresh(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_ticket_t *ticket);
static ngx_http_auth_api_token_reply_e ngx_http_auth_api_token_store_miss(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_reply_t *reply);
static void ngx_http_auth_api_token_store_ticket(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_ticket_t *ticket);
static void ngx_http_auth_api_token_store_stop(
    ngx_http_auth_api_token_verdict_t *verdict,
    ngx_http_auth_api_token_reason_e reason, ngx_msec_t wait,
    const char *cause);
static void ngx_http_auth_api_token_store_keep(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict);


void
ngx_http_auth_api_token_store_prefetch(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question)
{
    if (question->id.len == 0) {
        return;
    }

    question->node_key = ngx_http_auth_api_token_index_node_key(&question->id,
                                                                NULL);

    ngx_http_auth_api_token_index_prefetch(store, question->node_key);
}


ngx_http_auth_api_token_reply_e
ngx_http_auth_api_token_store_ask(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_uint_t                         node_key;
    ngx_http_auth_api_token_reply_e    rc;
    ngx_http_auth_api_token_record_t  *record, *copy;

    node_key = ngx_http_auth_api_token_store_node_key(question);

    copy = ngx_http_auth_api_token_store_peek(store, question, node_key, reply);

    if (copy) {
        ngx_http_auth_api_token_store_set_verdict(copy, question, reply);

        return NGX_HTTP_AUTH_API_TOKEN_HIT;
    }

    ngx_http_auth_api_token_store_lock(store);

    record = ngx_http_auth_api_token_index_find(store, node_key, question->key);

    if (record && ngx_http_auth_api_token_store_is_fresh(record, question)) {
        copy = ngx_http_auth_api_token_store_hit(store, record, question,
                                                 reply);
    }

    if (copy) {
        rc = NGX_HTTP_AUTH_API_TOKEN_HIT;

        if (ngx_http_auth_api_token_store_is_due(record, question)
            && ngx_http_auth_api_token_store_refresh(store, record, question,
                                                     node_key, &reply->ticket)
               == NGX_OK)
        {
            rc = NGX_HTTP_AUTH_API_TOKEN_REFRESH;
        }

    } else {
        rc = ngx_http_auth_api_token_store_miss(store, question, node_key,
                                                reply);
    }

    if (question->queued
        && rc != NGX_HTTP_AUTH_API_TOKEN_QUEUE
        && rc != NGX_HTTP_AUTH_API_TOKEN_CHARGE)
    {
        ngx_http_auth_api_token_queue_give(store, question->pid);
    }

    ngx_http_auth_api_token_store_unlock(store);

    if (copy) {
        ngx_http_auth_api_token_store_set_verdict(copy, question, reply);
    }

    return rc;
}


static ngx_uint_t
ngx_http_auth_api_token_store_node_key(
    ngx_http_auth_api_token_question_t *question)
{
    if (question->node_key) {
        return question->node_key;
    }

    return ngx_http_auth_api_token_index_node_key(&question->id,
                                                  question->key);
}


static ngx_uint_t
ngx_http_auth_api_token_store_is_fresh(ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question)
{
    ngx_msec_t  age;

    if (question->again
        && (ngx_msec_int_t) (record->asked - question->since) >= 0)
    {
        return 1;
    }

    age = ngx_http_auth_api_token_store_age(record, question->now);

    return age < (record->reason == NGX_HTTP_AUTH_API_TOKEN_PASS
                  ? question->valid : question->denied);
}


/*
 * The clock of the worker that asked may be a little ahead of this one's.
 * Where times wrap, after weeks, what seems to be in the future is in the past.
 */

static ngx_msec_t
ngx_http_auth_api_token_store_age(ngx_http_auth_api_token_record_t *record,
    ngx_msec_t now)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) (now - record->asked);

    if (age >= 0) {
        return age;
    }

    return (age > -NGX_HTTP_AUTH_API_TOKEN_SKEW) ? 0 : (ngx_msec_t) age;
}


/* a hit that writes nothing: neither the record nor the queue needs it */

static ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_store_peek(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_http_auth_api_token_record_t  *copy;

    if (question->queued) {
        return NULL;
    }

    copy = ngx_http_auth_api_token_peek(store, node_key, question->key,
                                        reply->cell,
                                        ngx_http_auth_api_token_copy);

    if (copy == NULL
        || !ngx_http_auth_api_token_record_is_touched(copy, question->now)
        || !ngx_http_auth_api_token_store_is_fresh(copy, question)
        || ngx_http_auth_api_token_store_is_due(copy, question))
    {
        return NULL;
    }

    return copy;
}


static ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_store_hit(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_http_auth_api_token_record_touch(store, record, question->now);

    return ngx_http_auth_api_token_record_copy(store, record, reply->cell,
                                               ngx_http_auth_api_token_copy);
}


/* the part of a hit that needs no mutex */

static void
ngx_http_auth_api_token_store_set_verdict(
    ngx_http_auth_api_token_record_t *copy,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_http_auth_api_token_verdict_t  *verdict;

    if (copy->next) {
        reply->cell = NULL;
    }

    verdict = &reply->verdict;

    ngx_http_auth_api_token_record_facts(copy, &verdict->facts);

    if (verdict->facts.id.len == 0) {
        verdict->facts.id = question->id;
    }

    verdict->reason = copy->reason;
    verdict->asked = copy->asked;
    verdict->age = 0;
    verdict->health = NGX_HTTP_AUTH_API_TOKEN_UNTOLD;
    verdict->status = 0;
    verdict->retry_after = 0;
    verdict->cause = NULL;
}


/*
 * Somewhere between three quarters and seven eighths of "valid", so that tokens
 * that were looked up together are not looked up together again.
 */

static ngx_uint_t
ngx_http_auth_api_token_store_is_due(ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question)
{
    ngx_msec_t  due, now;

    if (!question->refresh || record->reason != NGX_HTTP_AUTH_API_TOKEN_PASS) {
        return 0;
    }

    now = question->now;

    due = question->valid - question->valid / 4
          + question->valid / 8 * ((record->key[0] + record->asked) & 0xff)
            / 256;

    return ngx_http_auth_api_token_store_age(record, now) >= due
           && (uint32_t) now - record->tried >= NGX_HTTP_AUTH_API_TOKEN_PAUSE;
}


static ngx_int_t
ngx_http_auth_api_token_store_refresh(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_record_t *record,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ngx_msec_t                        now;
    ngx_http_auth_api_token_lease_t  *lease;

    now = question->now;

    ngx_http_auth_api_token_store_change(store);

    record->tried = (uint32_t) now;

    if (ngx_http_auth_api_token_lease_find(store, question->key, now)
        || ngx_http_auth_api_token_breaker_wait(store, now))
    {
        return NGX_DECLINED;
    }

    lease = ngx_http_auth_api_token_lease_spare(store, now);
    if (lease == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_auth_api_token_lease_take(store, lease, question, node_key);
    ngx_http_auth_api_token_store_ticket(store, lease, ticket);

    /* a refresh counts against no client's budget */

    lease->budget = 0;

    store->totals.refreshes++;

    return NGX_OK;
}


static ngx_http_auth_api_token_reply_e
ngx_http_auth_api_token_store_miss(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question, ngx_uint_t node_key,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_msec_t                          now, wait;
    ngx_http_auth_api_token_lease_t    *lease;
    ngx_http_auth_api_token_verdict_t  *verdict;

    now = question->now;
    verdict = &reply->verdict;

    lease = ngx_http_auth_api_token_lease_find(store, question->key, now);

    if (lease && lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING) {
        ngx_http_auth_api_token_store_ticket(store, lease, &reply->ticket);

        return NGX_HTTP_AUTH_API_TOKEN_WAIT;
    }

    if (lease) {
        ngx_http_auth_api_token_store_stop(verdict,
                                           NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE,
                                           lease->deadline - now,
                                           "the API asked to wait");

        verdict->health = lease->health;
        verdict->status = lease->status;

        return NGX_HTTP_AUTH_API_TOKEN_STOP;
    }

    wait = ngx_http_auth_api_token_breaker_wait(store, now);

    if (wait) {
        ngx_http_auth_api_token_store_stop(verdict,
                                           NGX_HTTP_AUTH_API_TOKEN_BUSY, wait,
                                           "the breaker is open");

        verdict->health = NGX_HTTP_AUTH_API_TOKEN_FAULT;

        return NGX_HTTP_AUTH_API_TOKEN_STOP;
    }

    if (question->charge && question->budget == NULL) {
        return NGX_HTTP_AUTH_API_TOKEN_CHARGE;
    }

    if (question->budget) {
        wait = ngx_http_auth_api_token_budget_wait(store, question->budget,
                                                   now);
        if (wait) {
            ngx_http_auth_api_token_store_stop(verdict,
                                               NGX_HTTP_AUTH_API_TOKEN_LIMITED,
                                               wait, NULL);

            return NGX_HTTP_AUTH_API_TOKEN_STOP;
        }
    }

    lease = NULL;

    /* a process that has its share leaves the rest to requests that wait */

    if (!question->behind
        && (store->queued == 0
            || ngx_http_auth_api_token_lease_count(store, question->pid, now)
               * ngx_http_auth_api_token_queue_sharers(store, question->pid)
               < store->lookups))
    {
        lease = ngx_http_auth_api_token_lease_spare(store, now);

        if (lease
            && ngx_http_auth_api_token_queue_leave(store, lease, question->pid,
                                                   now))
        {
            lease = NULL;
        }
    }

    ngx_http_auth_api_token_store_change(store);

    if (lease == NULL) {

        if (ngx_http_auth_api_token_queue_take(store, question) == NGX_OK) {
            return NGX_HTTP_AUTH_API_TOKEN_QUEUE;
        }

        ngx_http_auth_api_token_store_stop(verdict,
                                           NGX_HTTP_AUTH_API_TOKEN_BUSY, 1,
                                           store->queue
                                           ? "the \"queue\" is full"
                                           : "all \"lookups\" are taken");

        return NGX_HTTP_AUTH_API_TOKEN_STOP;
    }

    ngx_http_auth_api_token_lease_take(store, lease, question, node_key);
    ngx_http_auth_api_token_store_ticket(store, lease, &reply->ticket);

    return NGX_HTTP_AUTH_API_TOKEN_MISS;
}


static void
ngx_http_auth_api_token_store_ticket(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_ticket_t *ticket)
{
    ticket->slot = lease - store->leases;
    ticket->seq = lease->seq;
    ticket->asked = lease->asked;
}


static void
ngx_http_auth_api_token_store_stop(ngx_http_auth_api_token_verdict_t *verdict,
    ngx_http_auth_api_token_reason_e reason, ngx_msec_t wait,
    const char *cause)
{
    ngx_memzero(verdict, sizeof(ngx_http_auth_api_token_verdict_t));

    verdict->reason = reason;
    verdict->retry_after = (wait + 999) / 1000;
    verdict->cause = cause;
}


ngx_int_t
ngx_http_auth_api_token_store_stale(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply)
{
    ngx_uint_t                         node_key;
    ngx_http_auth_api_token_record_t  *record, *copy;

    node_key = ngx_http_auth_api_token_store_node_key(question);

    copy = NULL;

    ngx_http_auth_api_token_store_lock(store);

    record = ngx_http_auth_api_token_index_find(store, node_key, question->key);

    if (record
        && record->reason == NGX_HTTP_AUTH_API_TOKEN_PASS
        && ngx_http_auth_api_token_store_age(record, question->now)
           < question->valid + question->stale)
    {
        copy = ngx_http_auth_api_token_store_hit(store, record, question,
                                                 reply);
    }

    ngx_http_auth_api_token_store_unlock(store);

    if (copy == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_auth_api_token_store_set_verdict(copy, question, reply);

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_store_end(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    ngx_msec_t                        ms;
    ngx_http_auth_api_token_lease_t  *lease;

    ms = question->now - verdict->asked - verdict->age;
    i = ngx_http_auth_api_token_latency_bucket(ms);

    ngx_http_auth_api_token_store_lock(store);
    ngx_http_auth_api_token_store_change(store);

    store->totals.lookups[verdict->reason]++;
    store->totals.latencies[i]++;
    store->totals.latency_sum += ms;

    lease = ngx_http_auth_api_token_lease_get(store, ticket);

    if (lease && (ngx_msec_int_t) (question->now - lease->deadline) >= 0) {

        /* another lookup may have begun meanwhile, and know better */

        lease->deadline = question->now;
        lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        lease = NULL;
    }

    ngx_http_auth_api_token_breaker_tell(store, lease && lease->probe, verdict,
                                         question->now);

    if (lease == NULL) {
        rc = NGX_DECLINED;

    } else if (lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED) {
        lease->deadline = question->now;
        lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;
        rc = NGX_DECLINED;

    } else {
        ngx_http_auth_api_token_store_keep(store, lease, question, verdict);
        rc = NGX_OK;
    }

    ngx_http_auth_api_token_store_unlock(store);

    return rc;
}


static void
ngx_http_auth_api_token_store_keep(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    ngx_msec_t                         now;
    ngx_http_auth_api_token_facts_t    facts;
    ngx_http_auth_api_token_record_t  *record;

    now = question->now;

    record = ngx_http_auth_api_token_index_find(store, lease->node_key,
                                                question->key);

    if (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE) {

        if (record) {
            record->tried = (uint32_t) now;
        }

        lease->status = (u_short) verdict->status;
        lease->health = verdict->health;
        lease->retry_after = (uint32_t) verdict->retry_after;
        lease->deadline = now + (ngx_msec_t) verdict->retry_after * 1000;
        lease->state = NGX_HTTP_AUTH_API_TOKEN_FAILED;

        return;
    }

    lease->deadline = now;
    lease->state = NGX_HTTP_AUTH_API_TOKEN_FREE;

    if (record
        && verdict->age
        && (ngx_msec_int_t) (record->asked - verdict->asked) > 0)
    {
        /* a younger verdict is known; if it is a denial, it prevails */

        if (record->reason != NGX_HTTP_AUTH_API_TOKEN_PASS) {
            verdict->reason = record->reason;
            verdict->age -= record->asked - verdict->asked;
            verdict->asked = record->asked;
        }

        record->tried = (uint32_t) now;
        return;
    }

    if (record) {
        ngx_http_auth_api_token_record_delete(store, record);
    }

    if (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_PASS) {
        facts = verdict->facts;

        if (question->id.len) {
            facts.id.len = 0;
        }

    } else {
        ngx_memzero(&facts, sizeof(ngx_http_auth_api_token_facts_t));

        if (question->id.len == 0
            && verdict->facts.id.len <= NGX_HTTP_AUTH_API_TOKEN_MAX_ID)
        {
            facts.id = verdict->facts.id;
        }

        if (verdict->facts.account_id.len
            <= NGX_HTTP_AUTH_API_TOKEN_MAX_ID)
        {
            facts.account_id = verdict->facts.account_id;
        }

        if (question->budget) {
            ngx_http_auth_api_token_budget_charge(store, question->budget, now);
        }
    }

    record = ngx_http_auth_api_token_record_add(store, verdict->reason,
                                                lease->node_key, question->key,
                                                &facts, now);

    if (record) {
        record->asked = verdict->asked;
        record->tried = (uint32_t) now;

        /* with an age, it may be due for a refresh at once: not so soon */

        if (verdict->age == 0) {
            record->tried -= NGX_HTTP_AUTH_API_TOKEN_PAUSE;
        }
    }
}
