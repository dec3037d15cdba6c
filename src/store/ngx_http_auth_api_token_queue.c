
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_queue.h"
#include "ngx_http_auth_api_token_recover.h"


/* other processes look for a place every 10 ms, and may be a little late */

#define NGX_HTTP_AUTH_API_TOKEN_LEAVE_TIME  20


static ngx_http_auth_api_token_queue_t *ngx_http_auth_api_token_queue_find(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid);
static ngx_http_auth_api_token_queue_t *ngx_http_auth_api_token_queue_spare(
    ngx_http_auth_api_token_store_t *store);


ngx_int_t
ngx_http_auth_api_token_queue_take(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question)
{
    ngx_http_auth_api_token_queue_t  *queue;

    queue = ngx_http_auth_api_token_queue_find(store, question->pid);

    if (queue && question->queued) {
        return NGX_OK;
    }

    /* one that waited for a lookup in vain (purged, worker died) is let in */

    if (store->queued >= store->queue && !question->again) {
        return NGX_DECLINED;
    }

    if (queue == NULL) {
        queue = ngx_http_auth_api_token_queue_spare(store);

        if (queue == NULL) {
            return NGX_DECLINED;
        }
    }

    queue->pid = question->pid;
    queue->waiting++;
    ngx_http_auth_api_token_crash();

    store->queued++;

    return NGX_OK;
}


void
ngx_http_auth_api_token_queue_give(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid)
{
    ngx_http_auth_api_token_queue_t  *queue;

    queue = ngx_http_auth_api_token_queue_find(store, pid);

    if (queue == NULL) {
        return;
    }

    ngx_http_auth_api_token_store_change(store);

    queue->waiting--;
    ngx_http_auth_api_token_crash();

    store->queued--;
}


ngx_uint_t
ngx_http_auth_api_token_queue_sharers(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid)
{
    ngx_uint_t                        i, n;
    ngx_http_auth_api_token_queue_t  *queue;

    n = 1;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_QUEUES; i++) {
        queue = &store->queues[i];

        if (queue->waiting && queue->pid != pid) {
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_http_auth_api_token_queue_leave(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_lease_t *lease, ngx_pid_t pid, ngx_msec_t now)
{
    ngx_msec_int_t  ms;

    if (store->queued == 0 || lease->pid != pid) {
        return 0;
    }

    ms = (ngx_msec_int_t) (now - lease->deadline);

    return ms >= 0
           && ms < NGX_HTTP_AUTH_API_TOKEN_LEAVE_TIME
           && ngx_http_auth_api_token_queue_sharers(store, pid)
              > store->lookups;
}


static ngx_http_auth_api_token_queue_t *
ngx_http_auth_api_token_queue_find(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid)
{
    ngx_uint_t                        i;
    ngx_http_auth_api_token_queue_t  *queue;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_QUEUES; i++) {
        queue = &store->queues[i];

        if (queue->waiting && queue->pid == pid) {
            return queue;
        }
    }

    return NULL;
}


static ngx_http_auth_api_token_queue_t *
ngx_http_auth_api_token_queue_spare(ngx_http_auth_api_token_store_t *store)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AUTH_API_TOKEN_QUEUES; i++) {
        if (store->queues[i].waiting == 0) {
            return &store->queues[i];
        }
    }

    return NULL;
}


void
ngx_http_auth_api_token_store_unqueue(ngx_http_auth_api_token_store_t *store,
    ngx_pid_t pid)
{
    ngx_http_auth_api_token_store_lock(store);

    ngx_http_auth_api_token_queue_give(store, pid);

    ngx_http_auth_api_token_store_unlock(store);
}
