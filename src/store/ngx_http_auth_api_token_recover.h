
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_RECOVER_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_RECOVER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * Recovery after a process died, for the functions of the store only.  If it
 * died while it changed the store, the process that takes the mutex next finds
 * the mark, and empties the store.  The leases and the places in the queue that
 * it held are taken back by ngx_http_auth_api_token_store_release() and
 * ngx_http_auth_api_token_store_reap().
 */


#if (NGX_HTTP_AUTH_API_TOKEN_CRASH)

/* for tests: some of the processes that change the store die here */

void ngx_http_auth_api_token_crash(void);

#else

#define ngx_http_auth_api_token_crash()

#endif


/*
 * Empties a store that a process left half changed, and counts a reset.  The
 * caller holds the mutex, and the store has the mark.
 */

void ngx_http_auth_api_token_store_recover(
    ngx_http_auth_api_token_store_t *store);


/*
 * Deletes all records.  The caller holds the mutex, and the store has the mark,
 * unless it is still being made.
 */

void ngx_http_auth_api_token_store_empty(
    ngx_http_auth_api_token_store_t *store);


/*
 * The mark is a sequence that is odd while the store is changed.  The fences
 * keep reads in order, and writes: for a process that finds what a process that
 * died has written, and for one that reads the store without the mutex.
 */

#if (NGX_HAVE_GCC_ATOMIC)
#define ngx_http_auth_api_token_read_fence()                                  \
    __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define ngx_http_auth_api_token_write_fence()                                 \
    __atomic_thread_fence(__ATOMIC_RELEASE)
#else
#define ngx_http_auth_api_token_read_fence()   ngx_memory_barrier()
#define ngx_http_auth_api_token_write_fence()  ngx_memory_barrier()
#endif


#define ngx_http_auth_api_token_store_is_changing(store)                      \
    ((store)->sequence & 1)


/*
 * Takes the mutex, and empties the store if it has the mark of a process that
 * died; sets the mark; takes the mark away and releases the mutex.
 */

static ngx_inline void
ngx_http_auth_api_token_store_lock(ngx_http_auth_api_token_store_t *store)
{
    ngx_shmtx_lock(store->mutex);

    /* nginx released the mutex of a process that died in the middle */

    if (ngx_http_auth_api_token_store_is_changing(store)) {
        ngx_http_auth_api_token_store_recover(store);
    }
}


static ngx_inline void
ngx_http_auth_api_token_store_change(ngx_http_auth_api_token_store_t *store)
{
    if (!ngx_http_auth_api_token_store_is_changing(store)) {
        store->sequence++;

        ngx_http_auth_api_token_write_fence();
    }
}


static ngx_inline void
ngx_http_auth_api_token_store_unlock(ngx_http_auth_api_token_store_t *store)
{
    if (ngx_http_auth_api_token_store_is_changing(store)) {
        ngx_http_auth_api_token_write_fence();

        store->sequence++;
    }

    ngx_shmtx_unlock(store->mutex);
}


#endif /* _NGX_HTTP_AUTH_API_TOKEN_RECOVER_H_INCLUDED_ */
