
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "env.h"
#include <sys/prctl.h>
#include <sys/wait.h>


/*
 * Has a zone as nginx would have it, and lets the other program look at it:
 *
 *     zone_test PROGRAM
 */


#define ZONE_SIZE  (1024 * 1024)


static int zone_run(const char *program, const char *marker);
static void zone_expect(const char *what, int is, int expected);


static int  zone_failed;


int
main(int argc, char **argv)
{
    void               *other;
    u_char             *start;
    store_t            *store;
    reply_t             reply;
    uint32_t            root, *roots;
    verdict_t           verdict;
    question_t          question;
    ngx_slab_pool_t    *pool;
    ngx_rbtree_node_t  *node;

    if (argc != 2) {
        fprintf(stderr, "usage: zone_test PROGRAM\n");
        return 1;
    }

    env_init();

    (void) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);

    zone_expect("no zone", zone_run(argv[1], NULL), 1);

    start = env_shared(ZONE_SIZE);
    other = env_shared(4096);

    pool = (ngx_slab_pool_t *) start;
    pool->addr = pool;

    if (ngx_shmtx_create(&pool->mutex, &pool->lock, NULL) != NGX_OK) {
        return 1;
    }

    store = store_create(start + 8192, ZONE_SIZE - 8192, &pool->mutex,
                         env_secret, 16, 8, 10);

    if (store == NULL) {
        return 1;
    }

    zone_expect("a zone of others", zone_run(argv[1], NULL), 1);

    pool->data = store;

    zone_expect("an empty zone", zone_run(argv[1], NULL), 0);

    memset(&question, 0, sizeof(question_t));
    memset(&verdict, 0, sizeof(verdict_t));

    ngx_str_set(&question.id, "TKN-1");
    ngx_str_set(&verdict.facts.name, "a marker");

    question.valid = 1000;
    verdict.reason = T(PASS);

    (void) store_ask(store, &question, &reply);
    (void) store_end(store, &reply.ticket, &question, &verdict);

    zone_expect("no marker", zone_run(argv[1], "no marker"), 0);
    zone_expect("a marker", zone_run(argv[1], "a marker"), 1);

    memcpy(other, "another one", 11);

    zone_expect("a marker of others", zone_run(argv[1], "another one"), 1);

    store->nfree--;
    zone_expect("a counter", zone_run(argv[1], NULL), 1);
    store->nfree++;

    store->queued++;
    zone_expect("a place that nobody has", zone_run(argv[1], NULL), 1);
    store->queues[3].waiting++;
    store->queues[3].pid = 7;
    zone_expect("one that waits", zone_run(argv[1], NULL), 0);
    store->queued++;
    store->queues[0].waiting++;
    store->queues[0].pid = 7;
    zone_expect("two entries of a process", zone_run(argv[1], NULL), 1);
    store->queues[0].pid = 8;
    zone_expect("two who wait", zone_run(argv[1], NULL), 0);
    store->queued -= 2;
    store->queues[0].waiting--;
    store->queues[3].waiting--;

    store->sequence |= 1;
    zone_expect("a mark", zone_run(argv[1], NULL), 1);
    store->sequence++;

    ngx_shmtx_lock(&pool->mutex);
    zone_expect("a mutex", zone_run(argv[1], NULL), 1);
    ngx_shmtx_unlock(&pool->mutex);

    store->ncells += 100;
    zone_expect("too many cells", zone_run(argv[1], NULL), 1);
    store->ncells -= 100;

    node = (ngx_rbtree_node_t *) store->cells;
    roots = &store->roots[node->key >> store->shift];
    root = *roots;

    node->left = (ngx_rbtree_node_t *) start;
    zone_expect("a pointer", zone_run(argv[1], NULL), 1);
    node->left = node;
    zone_expect("a loop", zone_run(argv[1], NULL), 1);
    node->left = &store->sentinel;

    node->key ^= (ngx_uint_t) 1 << store->shift;
    zone_expect("another tree", zone_run(argv[1], NULL), 1);
    node->key ^= (ngx_uint_t) 1 << store->shift;

    *roots = store->ncells + 1;
    zone_expect("a root", zone_run(argv[1], NULL), 1);
    *roots = 0;
    zone_expect("no root", zone_run(argv[1], NULL), 1);
    *roots = root;

    store->facts.next->next = store->facts.next;
    zone_expect("a queue", zone_run(argv[1], NULL), 1);
    store->facts.next->next = &store->facts;

    zone_expect("all in order", zone_run(argv[1], "no marker"), 0);

    printf("zone: %s\n", zone_failed ? "failed" : "ok");

    return zone_failed;
}


static int
zone_run(const char *program, const char *marker)
{
    int    fd, status;
    char   name[32];
    pid_t  pid;

    (void) snprintf(name, sizeof(name), "%d", (int) getpid());

    pid = fork();

    if (pid == -1) {
        perror("fork()");
        return -1;
    }

    if (pid == 0) {
        fd = open("/dev/null", O_WRONLY);
        (void) dup2(fd, STDOUT_FILENO);

        (void) execl(program, program, name, marker, NULL);

        _exit(127);
    }

    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return -1;
    }

    return WEXITSTATUS(status);
}


static void
zone_expect(const char *what, int is, int expected)
{
    if (is != expected) {
        fprintf(stderr, "zone: %s: exit code %d, not %d\n", what, is, expected);
        zone_failed = 1;
    }
}
