
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <execinfo.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/mman.h>


/*
 * Lets the Nth allocation of nginx fail, once.  It is linked in with "--wrap":
 * nginx calls __wrap_NAME in place of NAME.  With NGX_DEBUG_PALLOC each
 * allocation from a pool is a malloc() of its own.  The page is a file that
 * t/alloc/run.pl writes and reads; the workers inherit it.
 */


#define INJECT_FRAMES  48


typedef struct {
    uint64_t    target;         /* the number that fails; 0 is none */
    uint64_t    pid;            /* count in this process, or 0: in any */
    uint64_t    low;            /* only from this code, or 0: from any */
    uint64_t    high;
    uint64_t    seen;           /* how many were counted */
    uint64_t    failed;         /* how many failed */
    uint64_t    idle;           /* how often the master waited for a signal */
    uint64_t    free;           /* connections, when one was last asked for */
    uint64_t    last;           /* the process of the last allocation */
    uint64_t    nframes;        /* the callers of the one that failed */
    uint64_t    frames[INJECT_FRAMES];
} inject_page_t;


void *__real_ngx_alloc(size_t size, ngx_log_t *log);
void *__real_ngx_calloc(size_t size, ngx_log_t *log);
void *__real_ngx_memalign(size_t alignment, size_t size, ngx_log_t *log);
void *__real_ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size);
void *__real_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);
void *__real_ngx_slab_calloc(ngx_slab_pool_t *pool, size_t size);
void *__real_ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size);
ngx_connection_t *__real_ngx_get_connection(ngx_socket_t s, ngx_log_t *log);
int __real_SHA256_Init(SHA256_CTX *ctx);
int __real_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len);
int __real_SHA256_Final(unsigned char *digest, SHA256_CTX *ctx);
int __real_sigsuspend(const sigset_t *set);

void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_calloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_memalign(size_t alignment, size_t size, ngx_log_t *log);
void *__wrap_ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size);
void *__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);
void *__wrap_ngx_slab_calloc(ngx_slab_pool_t *pool, size_t size);
void *__wrap_ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size);
ngx_connection_t *__wrap_ngx_get_connection(ngx_socket_t s, ngx_log_t *log);
int __wrap_SHA256_Init(SHA256_CTX *ctx);
int __wrap_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len);
int __wrap_SHA256_Final(unsigned char *digest, SHA256_CTX *ctx);
int __wrap_sigsuspend(const sigset_t *set);


static inject_page_t  *inject_page;


static int
inject_ours(void **frames, int n)
{
    int  i;

    for (i = 0; i < n; i++) {
        if ((uintptr_t) frames[i] >= inject_page->low
            && (uintptr_t) frames[i] < inject_page->high)
        {
            return 1;
        }
    }

    return 0;
}


/* whether an allocation has to fail */

static int
inject(void)
{
    int             i, n;
    void           *frames[INJECT_FRAMES];
    inject_page_t  *page;

    page = inject_page;

    if (page == NULL) {
        return 0;
    }

    page->last = (uint64_t) getpid();

    if (page->pid && page->pid != page->last) {
        return 0;
    }

    n = 0;

    if (page->low) {
        n = backtrace(frames, INJECT_FRAMES);

        if (!inject_ours(frames, n)) {
            return 0;
        }
    }

    /* run.pl also writes to the page, but not to these members */

    if (++page->seen != page->target) {
        return 0;
    }

    if (n == 0) {
        n = backtrace(frames, INJECT_FRAMES);
    }

    for (i = 0; i < n; i++) {
        page->frames[i] = (uintptr_t) frames[i];
    }

    page->nframes = n;
    page->failed++;

    ngx_errno = NGX_ENOMEM;

    return 1;
}


void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    return inject() ? NULL : __real_ngx_alloc(size, log);
}


void *
__wrap_ngx_calloc(size_t size, ngx_log_t *log)
{
    return inject() ? NULL : __real_ngx_calloc(size, log);
}


void *
__wrap_ngx_memalign(size_t alignment, size_t size, ngx_log_t *log)
{
    return inject() ? NULL : __real_ngx_memalign(alignment, size, log);
}


void *
__wrap_ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    return inject() ? NULL : __real_ngx_slab_alloc(pool, size);
}


void *
__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    return inject() ? NULL : __real_ngx_slab_alloc_locked(pool, size);
}


void *
__wrap_ngx_slab_calloc(ngx_slab_pool_t *pool, size_t size)
{
    return inject() ? NULL : __real_ngx_slab_calloc(pool, size);
}


void *
__wrap_ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    return inject() ? NULL : __real_ngx_slab_calloc_locked(pool, size);
}


ngx_connection_t *
__wrap_ngx_get_connection(ngx_socket_t s, ngx_log_t *log)
{
    if (inject_page) {
        inject_page->free = ngx_cycle->free_connection_n;
    }

    return inject() ? NULL : __real_ngx_get_connection(s, log);
}


/*
 * A digest needs no memory, but it may fail.  It does not fail here while a
 * configuration is read: nginx itself exits if init_module() fails.
 */

static int
inject_digest(void)
{
    return inject_page && inject_page->low == 0 && inject();
}


int
__wrap_SHA256_Init(SHA256_CTX *ctx)
{
    return inject_digest() ? 0 : __real_SHA256_Init(ctx);
}


int
__wrap_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len)
{
    return inject_digest() ? 0 : __real_SHA256_Update(ctx, data, len);
}


int
__wrap_SHA256_Final(unsigned char *digest, SHA256_CTX *ctx)
{
    return inject_digest() ? 0 : __real_SHA256_Final(digest, ctx);
}


/* the master has done what the last signal told it to do */

int
__wrap_sigsuspend(const sigset_t *set)
{
    if (inject_page) {
        inject_page->idle++;
    }

    return __real_sigsuspend(set);
}


static void *
inject_malloc(size_t size)
{
    return inject() ? NULL : malloc(size);
}


static void *
inject_crypto_malloc(size_t size, const char *file, int line)
{
    return inject() ? NULL : malloc(size);
}


static void *
inject_crypto_realloc(void *p, size_t size, const char *file, int line)
{
    return inject() ? NULL : realloc(p, size);
}


static void
inject_crypto_free(void *p, const char *file, int line)
{
    free(p);
}


static void __attribute__((constructor))
inject_init(void)
{
    int    fd;
    char  *name;

    name = getenv("ALLOC_INJECT");

    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR);

    if (fd == -1) {
        abort();
    }

    inject_page = mmap(NULL, sizeof(inject_page_t), PROT_READ|PROT_WRITE,
                       MAP_SHARED, fd, 0);

    if (inject_page == MAP_FAILED) {
        abort();
    }

    (void) close(fd);

    json_set_alloc_funcs(inject_malloc, free);

    if (CRYPTO_set_mem_functions(inject_crypto_malloc, inject_crypto_realloc,
                                 inject_crypto_free)
        != 1)
    {
        abort();
    }
}
