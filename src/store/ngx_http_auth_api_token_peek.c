
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_index.h"
#include "ngx_http_auth_api_token_peek.h"
#include "ngx_http_auth_api_token_record.h"
#include "ngx_http_auth_api_token_recover.h"


/* without atomic operations there are no barriers either */

#if (NGX_HAVE_ATOMIC_OPS)
#define NGX_HTTP_AUTH_API_TOKEN_TRIES  4
#else
#define NGX_HTTP_AUTH_API_TOKEN_TRIES  0
#endif


/*
 * Why this cannot return what was never there:
 *
 * - Whoever changes records, the index or lists of cells holds the mutex, makes
 *   the sequence odd before the first write, and even again after the last one.
 *   So if it is even before all reads here, and still the same after them, none
 *   of them met a change, and the copy is what it would be with the mutex.  The
 *   fences keep this order, for the compiler and for the processor.  Only
 *   node.data is written without the mark: a byte that says no more than
 *   whether the mutex is needed.
 *
 * - If it is not the same, the copy may be of anything, and is thrown away;
 *   nobody looks at its lengths before.  Making it does no harm: find() and
 *   copy() read each pointer once, follow it only if it is that of a cell, and
 *   come to an end whatever they read.  The cells and the roots never move.
 *
 * - A process that dies in a change leaves the sequence odd.  Readers take the
 *   mutex then, and the first one to get it empties the store.
 */

ngx_http_auth_api_token_record_t *
ngx_http_auth_api_token_peek(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t node_key, u_char *key, void *cell, void *buf)
{
    ngx_uint_t                         tries;
    ngx_atomic_uint_t                  sequence;
    ngx_http_auth_api_token_record_t  *record;

    for (tries = NGX_HTTP_AUTH_API_TOKEN_TRIES; tries; tries--) {

        sequence = store->sequence;

        if (sequence & 1) {
            ngx_cpu_pause();
            continue;
        }

        ngx_http_auth_api_token_read_fence();

        record = ngx_http_auth_api_token_index_find(store, node_key, key);

        if (record) {
            record = ngx_http_auth_api_token_record_copy(store, record, cell,
                                                         buf);
        }

        ngx_http_auth_api_token_read_fence();

        if (store->sequence == sequence) {
            return record;
        }
    }

    return NULL;
}
