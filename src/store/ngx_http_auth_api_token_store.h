
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_


/*
 * The store: the cache of what the API said about tokens, the leases and the
 * queue that decide which process asks it next, the breaker, and the counters.
 * It is a block of memory that processes share, at the same address in each.
 *
 * This wing knows the core of nginx.  It does not know configurations,
 * requests, OpenSSL, or how the API is asked.
 *
 * It offers functions that create a store, ask it, tell it what the API said,
 * purge it, read its figures, and take back what a dead process held.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_verdict.h"


/*
 * The functions below that read or change records, leases or the queue take the
 * mutex themselves unless they say otherwise, and no pointer into a record
 * outlives them.  A hit that changes nothing takes none.  While the store is
 * changed it has a mark: a process that takes the mutex and finds the mark
 * empties the store, as the process that set it has died.
 */


#define NGX_HTTP_AUTH_API_TOKEN_KEY_LEN      32       /* of a secret, too */
#define NGX_HTTP_AUTH_API_TOKEN_CELL         256      /* bytes, of an entry */
#define NGX_HTTP_AUTH_API_TOKEN_MAX_LOOKUPS  1024


typedef struct ngx_http_auth_api_token_store_s  ngx_http_auth_api_token_store_t;


/* a lease that was given */

typedef struct {
    ngx_uint_t         slot;
    ngx_atomic_uint_t  seq;
    ngx_msec_t         asked;
} ngx_http_auth_api_token_ticket_t;


typedef struct {
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_uint_t         rate;           /* thousandths of a denial a second */
    ngx_uint_t         burst;          /* denials */
} ngx_http_auth_api_token_budget_t;


/* times are in milliseconds */

typedef struct {
    u_char             key[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_str_t          id;             /* claimed, or empty */
    ngx_uint_t         node_key;       /* of the id, or 0 if it is not known */
    ngx_msec_t         now;
    ngx_msec_t         valid;
    ngx_msec_t         denied;
    ngx_msec_t         stale;
    ngx_msec_t         timeout;
    ngx_msec_t         since;          /* lookup waited for, if "again" */
    ngx_pid_t          pid;
    unsigned           refresh:1;
    unsigned           again:1;        /* the request waited */
    unsigned           charge:1;       /* a miss needs the budget */
    unsigned           behind:1;       /* others of this process wait */
    unsigned           queued:1;       /* it has a place in the queue */

    ngx_http_auth_api_token_budget_t  *budget;    /* or NULL */
} ngx_http_auth_api_token_question_t;


typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_HIT = 0,
    NGX_HTTP_AUTH_API_TOKEN_REFRESH,   /* a hit, and a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_MISS,      /* a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_WAIT,      /* the lease to wait for */
    NGX_HTTP_AUTH_API_TOKEN_CHARGE,    /* a miss, and the budget is missing */
    NGX_HTTP_AUTH_API_TOKEN_QUEUE,     /* wait for a lease, then ask again */
    NGX_HTTP_AUTH_API_TOKEN_STOP       /* not now, the verdict says why */
} ngx_http_auth_api_token_reply_e;


typedef struct {
    ngx_http_auth_api_token_verdict_t  verdict;
    ngx_http_auth_api_token_ticket_t   ticket;
    void                              *cell;       /* of the caller, or NULL */
} ngx_http_auth_api_token_reply_t;


/* one of these; the strings may be empty */

typedef struct {
    ngx_str_t          id;
    ngx_str_t          account;
    ngx_uint_t         all;            /* unsigned  all:1; */
} ngx_http_auth_api_token_purge_t;


/*
 * Returns how many bytes a store takes beside its records, for so many lookups;
 * and a few more, so that another layout has another number.
 */

size_t ngx_http_auth_api_token_store_overhead(ngx_uint_t lookups);


/*
 * Makes a store of "size" bytes at "addr", for "lookups" concurrent questions,
 * "queue" that wait for a place among them, and "denied" per cent for denials.
 * The mutex is shared as the memory is.  The secret, of as many bytes as a key,
 * is random, and copied.
 *
 * Returns NULL if the memory is too small.
 */

ngx_http_auth_api_token_store_t *ngx_http_auth_api_token_store_create(
    void *addr, size_t size, ngx_shmtx_t *mutex, u_char *secret,
    ngx_uint_t lookups, ngx_uint_t queue, ngx_uint_t denied);


/*
 * Returns whether a store that was found in memory has this layout, and room
 * for so many lookups.  Until that is known, nothing else may be done with it.
 */

ngx_uint_t ngx_http_auth_api_token_store_matches(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t lookups);


/*
 * Sets how many requests may wait in the queue, and the share of denials, in
 * per cent; takes no mutex.  If there are more denials by now, they are evicted
 * when the next one is added.  Requests that wait already go on waiting.
 */

void ngx_http_auth_api_token_store_limits(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t queue,
    ngx_uint_t denied);


/*
 * The secret the store was made with.  It is in the store, and never changes.
 */

u_char *ngx_http_auth_api_token_store_secret(
    ngx_http_auth_api_token_store_t *store);


/*
 * Returns when errors of two kinds were logged last, in seconds, so that all
 * processes together log at most one of each a second.  The two times are in
 * the store, and the caller updates them without the mutex.
 */

ngx_atomic_t *ngx_http_auth_api_token_store_logged(
    ngx_http_auth_api_token_store_t *store);


/*
 * Has the processor fetch what there may be about question->id, while the
 * caller has other things to do, such as to make the key.  Sets
 * question->node_key.  May be left out.
 */

void ngx_http_auth_api_token_store_prefetch(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question);


/*
 * Asks what is known about a token, and what to do if that is not enough.
 * Returns one of the replies above.  The verdict is set for hits, and for STOP:
 * busy, limited, or unavailable as the API asked not to be asked again before
 * "retry_after".  A request that waited for a lookup may use its result, even
 * if that is too old by now for other requests.
 *
 * If a lookup is needed while all leases are taken, or while other requests of
 * the process wait for one, the request gets a place in the queue instead, as
 * long as there is one.  It asks again with "queued" set, and any reply but
 * QUEUE and CHARGE takes the place back.
 *
 * The strings of a verdict are in reply->cell, where the caller has room for
 * a cell.  If they do not fit, or there is no such room, reply->cell becomes
 * NULL, and they are in memory of the process until the next call.  A claimed
 * id is not copied: it points to the one of the question.
 */

ngx_http_auth_api_token_reply_e ngx_http_auth_api_token_store_ask(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Gets facts that are younger than question->valid + question->stale, to be
 * used only if the API is not available.  Returns NGX_OK with a verdict, its
 * strings as above; or NGX_DECLINED if there are none.
 */

ngx_int_t ngx_http_auth_api_token_store_stale(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Ends a lookup: stores the verdict, and gives the lease back.  verdict->asked
 * is when the API was asked, and verdict->age how much earlier that is than the
 * lookup began.  "unavailable" is not stored, but processes that wait for the
 * lookup learn of it.  An older verdict does not replace a younger one: if the
 * younger one is a denial, it is copied to the verdict.
 *
 * Returns NGX_OK; or NGX_DECLINED if the verdict must not be used, as the token
 * was purged meanwhile, or may have been, since the lease was lost.
 */

ngx_int_t ngx_http_auth_api_token_store_end(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Gives a lease back without a verdict.
 */

void ngx_http_auth_api_token_store_cancel(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Notes that a lookup is on its way to the API, and no limit of nginx holds it
 * up; returns whether it is, for processes that wait for it.  Neither takes the
 * mutex.
 */

void ngx_http_auth_api_token_store_sent(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);
ngx_uint_t ngx_http_auth_api_token_store_is_sent(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Checks on a lookup of another process.  Returns NGX_AGAIN while it lasts;
 * NGX_OK with an unavailable verdict if it failed; NGX_DECLINED if the store
 * has to be asked again.  Takes the mutex only if the lookup has ended.
 */

ngx_int_t ngx_http_auth_api_token_store_poll(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket, ngx_msec_t now,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Gives a place in the queue back without having asked again.
 */

void ngx_http_auth_api_token_store_unqueue(
    ngx_http_auth_api_token_store_t *store, ngx_pid_t pid);


/*
 * Takes back the leases and places in the queue of the processes for which
 * gone() is true.
 */

void ngx_http_auth_api_token_store_release(
    ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * The same, to be called often while requests wait: does it every 100 ms, in
 * one of the processes, and otherwise takes no mutex.
 */

void ngx_http_auth_api_token_store_reap(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * Deletes verdicts, and makes sure that lookups under way do not bring them
 * back.  The mutex is held for a few dozen records at a time; by id, only the
 * records of that id are looked at, unless some tokens have no id to claim.
 * Returns how many verdicts were deleted.
 */

ngx_uint_t ngx_http_auth_api_token_store_purge(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge);


/*
 * Deletes what is older than TIDY, which nothing can use any more.  To be
 * called every TIDY milliseconds, so that no time in the store gets so old that
 * it seems to lie in the future: where times have 32 bits, those of more than
 * 24.8 days ago do.
 */

#define NGX_HTTP_AUTH_API_TOKEN_TIDY  0x20000000              /* 6.2 days */

void ngx_http_auth_api_token_store_tidy(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now);


/* the figures, which need what is declared so far */

#include "ngx_http_auth_api_token_figures.h"


#endif /* _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_ */
