
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "env.h"


volatile ngx_cycle_t  *ngx_cycle;
ngx_pid_t              ngx_pid;
ngx_int_t              ngx_ncpu;

u_char                 env_secret[T(KEY_LEN)] = "nobody can guess this one";


void
env_init(void)
{
    static ngx_log_t    log;
    static ngx_cycle_t  cycle;

    cycle.log = &log;
    ngx_cycle = &cycle;

    ngx_pid = getpid();
    ngx_ncpu = sysconf(_SC_NPROCESSORS_ONLN);
    ngx_pagesize = getpagesize();
    ngx_cacheline_size = NGX_CPU_CACHE_LINE;
}


void *
env_shared(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANONYMOUS|MAP_SHARED, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap()");
        exit(2);
    }

    return p;
}


ngx_shmtx_t *
env_mutex(void)
{
    typedef struct {
        ngx_shmtx_sh_t  lock;
        ngx_shmtx_t     mutex;
    } mutex_t;

    mutex_t  *m;

    m = env_shared(sizeof(mutex_t));

    if (ngx_shmtx_create(&m->mutex, &m->lock, NULL) != NGX_OK) {
        fprintf(stderr, "ngx_shmtx_create() failed\n");
        exit(2);
    }

    return &m->mutex;
}


size_t
env_size(ngx_uint_t lookups, ngx_uint_t cells)
{
    size_t  size, roots;

    /* one of 8 cells, and a power of two */

    for (roots = 2; /* void */ ; roots *= 2) {
        size = roots * sizeof(uint32_t) + ngx_cacheline_size
               + cells * T(CELL);

        if (roots >= size / T(CELL) / 8) {
            return ngx_align(offsetof(store_t, leases)
                             + lookups * sizeof(lease_t), sizeof(worker_t))
                   + T(WORKERS) * sizeof(worker_t) + size;
        }
    }
}


void
env_key(u_char *key, const char *token)
{
    uint64_t    x;
    ngx_uint_t  i;

    x = 0;

    while (*token) {
        x = (x ^ (u_char) *token++) * 0x100000001b3;
    }

    for (i = 0; i < T(KEY_LEN); i += sizeof(x)) {
        x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15;
        ngx_memcpy(key + i, &x, sizeof(x));
    }
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    fprintf(stderr, "nginx logged: %s (%d)\n", fmt, err);
}
