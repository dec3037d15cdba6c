
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "locks.h"


#define LOCKS_NOBODY  0x7fffffff       /* no process has this number */


/* names that the linker chooses */

void __wrap_ngx_shmtx_lock(ngx_shmtx_t *mutex);
void __real_ngx_shmtx_lock(ngx_shmtx_t *mutex);


ngx_uint_t  locks_taken;


void
__wrap_ngx_shmtx_lock(ngx_shmtx_t *mutex)
{
    locks_taken++;

    locks_free(mutex);

    __real_ngx_shmtx_lock(mutex);
}


void
locks_hold(ngx_shmtx_t *mutex)
{
    *mutex->lock = LOCKS_NOBODY;
}


void
locks_free(ngx_shmtx_t *mutex)
{
    (void) ngx_shmtx_force_unlock(mutex, LOCKS_NOBODY);
}
