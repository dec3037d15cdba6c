
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <signal.h>
#include <time.h>
#include <sys/wait.h>


/*
 *     chaos NGINX MODULE ZONE DIR LOGS PORT SEED SECONDS
 *
 * NGINX is the binary, MODULE what it has to load, or "", ZONE the program of
 * t/store/zone.c, DIR an empty directory, LOGS one on a small disk.  Ends with
 * 0 if all was well.
 */


uint64_t  seed;

static int  slots;

static const char  requests[] =
    "requests_total{zone=\"%s\",result=\"%s\"}";
static const char  dry[] =
    "requests_total{zone=\"%s\",result=\"%s\",dry_run=\"on\"}";
static const char  lookups_of[] =
    "lookups_total{zone=\"%s\",outcome=\"%s\"}";


static uint64_t
chaos_figure(const char *body, const char *fmt, int zone, const char *value)
{
    char  name[256];

    snprintf(name, sizeof(name), fmt, zone_names[zone], value);

    return nginx_figure(body, name);
}


/* figures against what was counted here, since the zone began */

static void
chaos_bounds(gen_t *g, const char *body)
{
    int        i, z;
    char       name[64];
    epoch_t   *e;
    uint64_t   answers, figures, figure;

    for (z = 0; z < ZONES; z++) {

        if (g->size[z] == 0) {
            continue;
        }

        e = g->epoch[z];
        answers = figures = 0;

        for (i = 0; judge_result(i); i++) {

            figure = chaos_figure(body, requests, z, judge_result(i));
            figures += figure;
            answers += e->results[i];

            if (figure < e->results[i]) {
                fail("zone %s: %llu of result %s, at least %llu were answered",
                     zone_names[z], (unsigned long long) figure,
                     judge_result(i), (unsigned long long) e->results[i]);
            }

            figure = chaos_figure(body, dry, z, judge_result(i));
            figures += figure;
            answers += e->dry[i];

            if (figure < e->dry[i]) {
                fail("zone %s: %llu of result %s in dry run, at least %llu "
                     "were answered",
                     zone_names[z], (unsigned long long) figure,
                     judge_result(i), (unsigned long long) e->dry[i]);
            }
        }

        printf("zone %s: %llu counted, %llu answered, %llu lost or left\n",
               zone_names[z], (unsigned long long) figures,
               (unsigned long long) answers,
               (unsigned long long) (lost + left_alone - e->lost));

        /* a post_action may count once more */

        if (figures > answers + e->acts + 2 * (lost + left_alone - e->lost)) {
            fail("zone %s: more were counted than there were",
                 zone_names[z]);
        }

        sprintf(name, "lookups_in_flight{zone=\"%s\"}", zone_names[z]);

        if (nginx_figure(body, name) != 0) {
            fail("zone %s: lookups in flight", zone_names[z]);
        }

        sprintf(name, "lookups_queued{zone=\"%s\"}", zone_names[z]);

        if (nginx_figure(body, name) != 0) {
            fail("zone %s: somebody in the queue", zone_names[z]);
        }

        sprintf(name, "breaker_open{zone=\"%s\"}", zone_names[z]);

        if (nginx_figure(body, name) != 0) {
            fail("zone %s: the breaker is open", zone_names[z]);
        }
    }
}


/* while no worker is killed and no client leaves, they are exact */

static void
chaos_exact(gen_t *g, const char *before, const char *after, epoch_t *was,
    uint64_t *asked)
{
    int          i, z;
    epoch_t     *e;
    uint64_t     sum;

    static const char  *outcomes[] = {
        "active", "unknown", "disabled", "deleted", "inactive", "mismatch",
        "account_disabled", "unreadable", "unavailable", NULL
    };

    for (z = 0; z < ZONES; z++) {

        if (g->size[z] == 0) {
            continue;
        }

        e = g->epoch[z];

        for (i = 0; judge_result(i); i++) {

            if (chaos_figure(after, requests, z, judge_result(i))
                - chaos_figure(before, requests, z, judge_result(i))
                != e->results[i] - was[z].results[i]
                || chaos_figure(after, dry, z, judge_result(i))
                   - chaos_figure(before, dry, z, judge_result(i))
                   != e->dry[i] - was[z].dry[i])
            {
                fail("zone %s: the figures of result %s are not what was "
                     "answered", zone_names[z], judge_result(i));
            }
        }

        for (i = 0, sum = 0; outcomes[i]; i++) {
            sum += chaos_figure(after, lookups_of, z, outcomes[i])
                   - chaos_figure(before, lookups_of, z, outcomes[i]);
        }

        for (i = 0; i < SCOPES; i++) {
            if (scopes[i].zone != BYPASS
                && g->epoch[scopes[i].zone] == g->epoch[z])
            {
                sum -= lookups[i] - asked[i];
            }
        }

        if (sum) {
            fail("zone %s: %lld lookups more than the API was asked",
                 zone_names[z], (long long) sum);
        }
    }
}


static void
chaos_drain(void)
{
    usec_t  until;

    draining = 1;
    until = clock_now() + 15 * SEC;

    while (http1_pending() + http2_pending() && clock_now() < until
           && !stopping)
    {
        loop_run(clock_now() + 50 * MS);
    }

    if (http1_pending() + http2_pending()) {
        fail("%d connections of HTTP/1 and %d of HTTP/2 still wait",
             http1_pending(), http2_pending());
    }

    http1_close();
    http2_close();

    /* lookups for which nobody waits */

    loop_run(clock_now() + 2 * SEC);

    draining = 0;
}


static void
chaos_end(int clients, int streams)
{
    int       i, gen, n;
    char      command[1024], *before;
    pid_t     pids[16];
    epoch_t   was[ZONES];
    uint64_t  asked[SCOPES];

    chaos_drain();

    if (stopping) {
        return;
    }

    gen = atoi(nginx_get("/gen"));

    if (gen <= 0 || gen >= ngens) {
        fail("nginx is of generation %d", gen);
        return;
    }

    before = strdup(nginx_get("/status"));

    chaos_bounds(&gens[gen], before);

    for (i = 0; i < ZONES; i++) {
        was[i] = *gens[gen].epoch[i];
    }

    memcpy(asked, lookups, sizeof(asked));

    quiet = 1;

    http1_init(clients);
    http2_init(streams);

    loop_run(clock_now() + 3 * SEC);

    chaos_drain();

    chaos_exact(&gens[gen], before, nginx_get("/status"), was, asked);

    snprintf(command, sizeof(command), "%s %d", zone_tool, master);

    if (system(command) != 0) {
        fail("the zones are not as they should be");
    }

    n = nginx_workers(master, pids, 16);

    if (n != 2) {
        fail("%d workers", n);
    }

    for (i = 0; i < n; i++) {
        gen = nginx_slots(pids[i]);

        if (gen != slots) {
            fail("a worker takes %d connections, and took %d", gen, slots);
        }
    }
}


int
main(int argc, char **argv)
{
    int     i, clients, streams;
    char    name[512];
    FILE   *f;
    pid_t   pids[16];
    usec_t  end;

    if (argc != 9) {
        fprintf(stderr, "usage: chaos NGINX MODULE ZONE DIR LOGS PORT SEED "
                        "SECONDS\n");
        return 2;
    }

    binary = argv[1];
    module = argv[2];
    zone_tool = argv[3];
    dir = argv[4];
    logs = argv[5];
    base_port = atoi(argv[6]);
    seed = strtoull(argv[7], NULL, 10);

    clients = 32;
    streams = 6;

    signal(SIGPIPE, SIG_IGN);
    dice = seed ^ 0x5eed;

    loop_init();
    words_init();
    api_init(base_port + 10);

    sprintf(name, "%s/html/large", dir);
    f = fopen(name, "w");

    if (f == NULL) {
        perror(name);
        return 2;
    }

    for (i = 0; i < 256 * 1024; i++) {
        putc('x', f);
    }

    fclose(f);

    (void) conf_write(0, 1024, 1024);

    nginx_start();

    for (i = 0; i < 500 && nginx_workers(master, pids, 16) < 2; i++) {
        usleep(10000);
    }

    slots = nginx_slots(pids[0]);

    http1_init(clients);
    http2_init(streams);
    purge_init();
    actions_init();

    end = clock_now() + atoi(argv[8]) * SEC;

    while (clock_now() < end && !stopping) {
        loop_run(clock_now() + 500 * MS);
        http1_check();
        http2_check();
    }

    actions_end();

    end = clock_now() + 40 * SEC;

    while (actions_busy() && clock_now() < end && !stopping) {
        loop_run(clock_now() + 50 * MS);
    }

    /* breakers close */

    if (!stopping) {
        loop_run(clock_now() + 7 * SEC);
        chaos_end(clients, streams);
    }

    nginx_stop();
    nginx_logs();

    printf("seed %llu: %llu answers judged (%llu passes, %llu of them stale, "
           "%llu refusals, %llu without the API), %llu%% while all was well; "
           "%llu lost, %llu left, %llu stalls\n",
           (unsigned long long) seed, (unsigned long long) judged,
           (unsigned long long) passes, (unsigned long long) stale_passes,
           (unsigned long long) refusals, (unsigned long long) outages,
           (unsigned long long) (strict * 100 / (judged ? judged : 1)),
           (unsigned long long) lost, (unsigned long long) left_alone,
           (unsigned long long) stalls);

    printf("%u lookups; ", nwords);
    actions_count(stdout);
    printf("%d violations\n", violations);

    return violations ? 1 : 0;
}
