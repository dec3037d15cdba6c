
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_LOCKS_H_INCLUDED_
#define _STORE_LOCKS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Counts how often this process takes a mutex.  For programs that are linked
 * with --wrap=ngx_shmtx_lock.
 */

extern ngx_uint_t  locks_taken;


/*
 * One that has the mutex and never gives it back: who tries to take it is
 * counted, and gets it all the same, as a test that hangs tells nothing.
 */

void locks_hold(ngx_shmtx_t *mutex);
void locks_free(ngx_shmtx_t *mutex);


#endif /* _STORE_LOCKS_H_INCLUDED_ */
