
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_


/*
 * What is remembered of tokens: what the API said of them, who asks it and who
 * may, and how often.  A block of memory that processes share, and which all of
 * them have at the same address.
 *
 * This wing knows the core of nginx.  It does not know configurations,
 * requests, OpenSSL, or how the API is asked.
 *
 * It can be created, asked, told what the API said, purged and looked at; it
 * has requests wait for their turn, and takes back what a process that died
 * held.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_verdict.h"


/*
 * The functions below that read or change records, leases or the queue take the
 * mutex themselves if they do not say otherwise, and no pointer into a record
 * outlives them.  While the store is changed it is marked: who finds the mark
 * of a process that died empties the store.
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
    unsigned           again:1;        /* it waited */
    unsigned           charge:1;       /* a miss needs the budget */
    unsigned           behind:1;       /* others of this process wait */
    unsigned           queued:1;       /* it has a place in the queue */

    ngx_http_auth_api_token_budget_t  *budget;    /* or NULL */
} ngx_http_auth_api_token_question_t;


typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_HIT = 0,
    NGX_HTTP_AUTH_API_TOKEN_REFRESH,   /* a hit, and a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_MISS,      /* a lease to ask with */
    NGX_HTTP_AUTH_API_TOKEN_WAIT,      /* the lease of who asks */
    NGX_HTTP_AUTH_API_TOKEN_CHARGE,    /* a miss, and the budget is missing */
    NGX_HTTP_AUTH_API_TOKEN_QUEUE,     /* to wait for a lease and ask again */
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
 * How many bytes a store takes beside its entries, if there may be so many
 * lookups; and a few more, so that another layout has another number.
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
 * Whether a store that is found in memory is one of this layout, and for so
 * many lookups.  Until that is known, nothing else may be done with it.
 */

ngx_uint_t ngx_http_auth_api_token_store_matches(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t lookups);


/*
 * Changes the bound of the queue, and the share of denials, in per cent; takes
 * no mutex.  If there are more denials, the next one makes them give way; who
 * waits already goes on.
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
 * When errors of two kinds were logged last, in seconds, for those who log one
 * of each in a second at most.  They are in the store, and written without the
 * mutex.
 */

ngx_atomic_t *ngx_http_auth_api_token_store_logged(
    ngx_http_auth_api_token_store_t *store);


/*
 * Has the processor fetch what there may be about question->id, while the
 * caller has other things to do, such as to make the key.  May be left out.
 */

void ngx_http_auth_api_token_store_prefetch(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question);


/*
 * What is known of a token, and who has to ask if that is too little: a hit, or
 * one of the other replies above.  The verdict is set for hits, and for STOP:
 * busy, limited, or unavailable as the API asked not to be asked before
 * "retry_after".  Who waited for a lookup takes what it told, be it too old by
 * now for anybody else.
 *
 * Whoever would have to ask while all leases are taken, or while others of its
 * process wait before it, gets a place in the queue instead, as long as there
 * is one.  It asks again as one that is queued, and any reply but QUEUE and
 * CHARGE takes the place back.
 *
 * The strings of a verdict are in reply->cell, where the caller has room for
 * a cell.  If they do not fit, or the caller has none, reply->cell becomes
 * NULL, and they are in memory of the process until the next call.  A claimed
 * id is none of them: it is the one of the question.
 */

ngx_http_auth_api_token_reply_e ngx_http_auth_api_token_store_ask(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Facts not older than question->valid + question->stale, for who knows that
 * the API is not available.  Returns NGX_OK, or NGX_DECLINED if there are none.
 */

ngx_int_t ngx_http_auth_api_token_store_stale(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_reply_t *reply);


/*
 * Gives a lease back, with the verdict, and verdict->asked set to when the API
 * was; verdict->age is how much earlier that is than the lookup began.  What is
 * no verdict about the token is not stored, but those who wait learn of it.
 * Nor does an older word take the place of a younger one: if that is a denial,
 * the verdict becomes one.
 *
 * Returns NGX_OK; or NGX_DECLINED if the verdict may not be used: the token was
 * purged meanwhile, or the lease was lost, so that nobody can tell.
 */

ngx_int_t ngx_http_auth_api_token_store_end(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket,
    ngx_http_auth_api_token_question_t *question,
    ngx_http_auth_api_token_verdict_t *verdict);


/*
 * Gives a lease back without having asked.
 */

void ngx_http_auth_api_token_store_cancel(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * Who asks tells that the question is on its way to the API, and who waits may
 * ask whether it is: no limit of nginx holds it up.  Neither takes the mutex.
 */

void ngx_http_auth_api_token_store_sent(ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);
ngx_uint_t ngx_http_auth_api_token_store_is_sent(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_ticket_t *ticket);


/*
 * How the lookup of another process goes.  Returns NGX_AGAIN while it lasts;
 * NGX_OK if it failed, with an unavailable verdict; NGX_DECLINED if it is worth
 * asking the store again.  Takes the mutex only if the lookup has ended.
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
 * Gives back what processes held, leases and places in the queue, of which
 * gone() says that they are no more.
 */

void ngx_http_auth_api_token_store_release(
    ngx_http_auth_api_token_store_t *store,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * The same for who waits and would like to do it often: is done every 100 ms,
 * by one of the processes, and else takes no mutex.
 */

void ngx_http_auth_api_token_store_reap(
    ngx_http_auth_api_token_store_t *store, ngx_msec_t now,
    ngx_uint_t (*gone)(ngx_pid_t pid));


/*
 * Forgets verdicts, and makes sure that lookups under way do not bring them
 * back.  By id the mutex is held for the records of that id only, else for a
 * few dozen records at a time.  Returns how many verdicts were forgotten.
 */

ngx_uint_t ngx_http_auth_api_token_store_purge(
    ngx_http_auth_api_token_store_t *store,
    ngx_http_auth_api_token_purge_t *purge);


/*
 * Forgets what is older than TIDY, and so of no use any more.  To be called
 * every TIDY milliseconds, so that no time in the store gets so old that it
 * seems to lie in the future: where times have 32 bits, those of more than 24.8
 * days ago do.
 */

#define NGX_HTTP_AUTH_API_TOKEN_TIDY  0x20000000              /* 6.2 days */

void ngx_http_auth_api_token_store_tidy(ngx_http_auth_api_token_store_t *store,
    ngx_msec_t now);


/* the figures, which need what is declared so far */

#include "ngx_http_auth_api_token_figures.h"


#endif /* _NGX_HTTP_AUTH_API_TOKEN_STORE_H_INCLUDED_ */
