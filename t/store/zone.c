
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <fcntl.h>
#include <sys/mman.h>
#include "check.h"


/*
 * Looks into the zones of an nginx that runs:
 *
 *     zone PID [MARKER]
 *
 * verifies the stores in its shared memory, and that the marker is nowhere in
 * any of it.  The memory is copied to the same addresses, so that pointers mean
 * the same.  nginx does not wait, so that a copy may be torn: then another one
 * is taken.
 */


#define ZONE_TRIES  20
#define ZONE_MAX    64
#define ZONE_MIN    16384          /* bytes; less is nginx's own */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE  0x100000
#endif


typedef struct {
    u_char  *start;
    size_t   size;
    int      ours;
    int      ok;
} zone_t;


static int zone_find(const char *pid, zone_t *zones);
static int zone_map(zone_t *zone);
static void zone_again(char **argv);
static int zone_copy(int fd, zone_t *zone);
static ngx_http_auth_api_token_store_t *zone_store(zone_t *zone);
static int zone_inside(zone_t *zone, void *p, size_t size);
static int zone_verify(zone_t *zone, ngx_http_auth_api_token_store_t *store,
    char *err, size_t size);
static void zone_look(int fd, zone_t *zone);
static unsigned long zone_marker(zone_t *zone, const char *marker);


int
main(int argc, char **argv)
{
    int            fd, i, n, found, failed;
    char           name[64];
    unsigned long  markers;
    zone_t         zones[ZONE_MAX];

    if (argc < 2 || argc > 3 || (argc == 3 && argv[2][0] == '\0')) {
        fprintf(stderr, "usage: zone PID [MARKER]\n");
        return 1;
    }

    n = zone_find(argv[1], zones);

    if (n == -1) {
        return 1;
    }

    (void) snprintf(name, sizeof(name), "/proc/%s/mem", argv[1]);

    fd = open(name, O_RDONLY);

    if (fd == -1) {
        perror(name);
        return 1;
    }

    found = 0;
    failed = 0;
    markers = 0;

    for (i = 0; i < n; i++) {

        /* where addresses are few, what is smaller may be in the way */

        if (zone_map(&zones[i]) != 0) {

            if (zones[i].size >= ZONE_MIN) {
                zone_again(argv);

                fprintf(stderr, "zone: no memory to be had at %p\n",
                        zones[i].start);
                failed = 1;
            }

            continue;
        }

        if (zone_copy(fd, &zones[i]) != 0) {
            failed = 1;
            continue;
        }

        zone_look(fd, &zones[i]);

        found += zones[i].ours;
        failed |= (zones[i].ours && !zones[i].ok);

        if (argc == 3) {
            markers += zone_marker(&zones[i], argv[2]);
        }
    }

    if (argc == 3) {
        printf("marker: %lu\n", markers);
    }

    if (found == 0) {
        printf("zone: none in %d shared mappings\n", n);
    }

    return (found == 0 || failed || markers) ? 1 : 0;
}


static int
zone_find(const char *pid, zone_t *zones)
{
    int                 n;
    char                line[1024], mode[8];
    FILE               *maps;
    unsigned long long  start, end;

    (void) snprintf(line, sizeof(line), "/proc/%s/maps", pid);

    maps = fopen(line, "r");

    if (maps == NULL) {
        perror(line);
        return -1;
    }

    for (n = 0; fgets(line, sizeof(line), maps); /* void */ ) {

        if (sscanf(line, "%llx-%llx %7s", &start, &end, mode) != 3
            || strcmp(mode, "rw-s") != 0
            || strstr(line, "/dev/zero (deleted)") == NULL)
        {
            continue;
        }

        if (n == ZONE_MAX) {
            fprintf(stderr, "zone: too many shared mappings\n");
            n = -1;
            break;
        }

        memset(&zones[n], 0, sizeof(zone_t));

        zones[n].start = (u_char *) (uintptr_t) start;
        zones[n].size = end - start;
        n++;
    }

    (void) fclose(maps);

    return n;
}


static int
zone_map(zone_t *zone)
{
    void  *p;

    p = mmap(zone->start, zone->size, PROT_READ|PROT_WRITE,
             MAP_ANONYMOUS|MAP_PRIVATE|MAP_FIXED_NOREPLACE, -1, 0);

    /* old kernels take the address for a hint */

    return p == zone->start ? 0 : -1;
}


/* starts again: the program itself is at other addresses then */

static void
zone_again(char **argv)
{
    int    n;
    char  *tries, text[16];

    tries = getenv("ZONE_TRIES");
    n = tries ? atoi(tries) : 0;

    if (n == ZONE_TRIES) {
        return;
    }

    (void) snprintf(text, sizeof(text), "%d", n + 1);
    (void) setenv("ZONE_TRIES", text, 1);
    (void) execv("/proc/self/exe", argv);

    perror("zone");
}


static int
zone_copy(int fd, zone_t *zone)
{
    size_t   done;
    ssize_t  n;

    for (done = 0; done < zone->size; done += n) {
        n = pread(fd, zone->start + done, zone->size - done,
                  (off_t) (uintptr_t) zone->start + done);

        if (n <= 0) {
            perror("zone: pread()");
            return -1;
        }
    }

    return 0;
}


static void
zone_look(int fd, zone_t *zone)
{
    int                               i;
    char                              err[256];
    ngx_uint_t                        n, in_flight, counted;
    ngx_atomic_t                     *requests;
    struct timespec                   pause;
    ngx_http_auth_api_token_lease_t  *lease;
    ngx_http_auth_api_token_store_t  *store;

    pause.tv_sec = 0;
    pause.tv_nsec = 5000000;

    for (i = 0; /* void */ ; i++) {
        store = zone_store(zone);

        if (store == NULL) {
            return;
        }

        zone->ours = 1;

        if (zone_verify(zone, store, err, sizeof(err)) == 0) {
            break;
        }

        if (i == ZONE_TRIES - 1) {
            printf("zone: broken: %s\n", err);
            return;
        }

        (void) nanosleep(&pause, NULL);

        if (zone_copy(fd, zone) != 0) {
            return;
        }
    }

    zone->ok = 1;
    in_flight = 0;

    for (n = 0; n < store->lookups; n++) {
        lease = &store->leases[n];
        in_flight += (lease->state == NGX_HTTP_AUTH_API_TOKEN_ASKING
                      || lease->state == NGX_HTTP_AUTH_API_TOKEN_PURGED);
    }

    counted = 0;

    for (n = 0; n < NGX_HTTP_AUTH_API_TOKEN_WORKERS; n++) {
        requests = store->workers[n].counters.requests;
        counted += (requests[NGX_HTTP_AUTH_API_TOKEN_PASS] != 0);
    }

    printf("zone: ok, facts %u, denials %u, budgets %u, resets %lu, "
           "in flight %lu, queued %u, counted by %lu workers\n",
           store->entries[NGX_HTTP_AUTH_API_TOKEN_FACTS],
           store->entries[NGX_HTTP_AUTH_API_TOKEN_DENIAL],
           store->entries[NGX_HTTP_AUTH_API_TOKEN_BUDGET],
           (unsigned long) store->totals.resets, (unsigned long) in_flight,
           store->queued, (unsigned long) counted);
}


/* the store, if that is a zone of the module, else NULL */

static ngx_http_auth_api_token_store_t *
zone_store(zone_t *zone)
{
    ngx_slab_pool_t                  *pool;
    ngx_http_auth_api_token_store_t  *store;

    pool = (ngx_slab_pool_t *) zone->start;

    if (zone->size < sizeof(ngx_slab_pool_t)
        || pool->addr != pool
        || !zone_inside(zone, pool->data,
                        sizeof(ngx_http_auth_api_token_store_t)))
    {
        return NULL;
    }

    store = pool->data;

    if (store->layout != NGX_HTTP_AUTH_API_TOKEN_LAYOUT
        || store->mutex != &pool->mutex)
    {
        return NULL;
    }

    return store;
}


static int
zone_inside(zone_t *zone, void *p, size_t size)
{
    uintptr_t  offset;

    offset = (uintptr_t) p - (uintptr_t) zone->start;

    return (u_char *) p >= zone->start
           && (uintptr_t) p % sizeof(void *) == 0
           && offset <= zone->size
           && size <= zone->size - offset;
}


static int
zone_verify(zone_t *zone, ngx_http_auth_api_token_store_t *store, char *err,
    size_t size)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->start;

    if (!zone_inside(zone, store,
                     offsetof(ngx_http_auth_api_token_store_t, leases)
                     + (size_t) store->lookups
                       * sizeof(ngx_http_auth_api_token_lease_t))
        || !zone_inside(zone, store->cells,
                        (size_t) store->ncells * NGX_HTTP_AUTH_API_TOKEN_CELL))
    {
        (void) snprintf(err, size, "%u leases, %u cells at %p",
                        store->lookups, store->ncells, store->cells);
        return -1;
    }

    if (pool->lock.lock) {
        (void) snprintf(err, size, "locked by %lu",
                        (unsigned long) pool->lock.lock);
        return -1;
    }

    return store_check(store, err, size) == NGX_OK ? 0 : -1;
}


static unsigned long
zone_marker(zone_t *zone, const char *marker)
{
    u_char         *p, *last;
    size_t          len;
    unsigned long   n;

    len = strlen(marker);
    last = zone->start + zone->size;
    n = 0;

    for (p = zone->start; (size_t) (last - p) >= len; p++) {

        p = memchr(p, marker[0], last - p - len + 1);

        if (p == NULL) {
            break;
        }

        n += (memcmp(p, marker, len) == 0);
    }

    return n;
}
