
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>


/* what is done to nginx and to the API, as the seed says */


#define KILLED   4096
#define LINES    16
#define PATIENCE (20 * SEC)


enum { A_KILL, A_STOP, A_RELOAD, A_RESIZE, A_REMOVE, A_UPGRADE, A_BACK,
       A_MOOD, A_FULL, A_FLIP, A_PURGE, ACTIONS };

static const char  *names[ACTIONS] = {
    "kills", "stops", "reloads", "sizes", "removals", "upgrades", "returns",
    "moods", "full disks", "flips", "purges"
};

/* what is going on with the processes: one thing at a time, besides kills */

typedef enum { IDLE, STOPPED, RELOADING, STARTING, WINDING, QUITTING,
               RETURNING, DROPPING } going_e;


usec_t  stop_from, stop_to;

static uint64_t  plan;
static int       counts[ACTIONS];
static going_e   going;
static usec_t    deadline;
static pid_t     stopped_pid;
static int       current, next;        /* generations */
static int       size_b, size_c;
static pid_t     dead[KILLED];
static int       ndead;
static char      lines[LINES][128];
static unsigned  nlines;
static usec_t    mood_after[APIS];
static int       full;
static int       ending;

static alarm_t   step, watch, flip, cont, fuller, mood_end[APIS];


static int
roll(int n)
{
    return random_next(&plan) % n;
}


static void
note(const char *fmt, ...)
{
    int      n;
    char    *line;
    va_list  args;

    line = lines[nlines++ % LINES];
    n = sprintf(line, "%.4f ", (double) (clock_now() - started) / SEC);

    va_start(args, fmt);
    vsnprintf(line + n, sizeof(lines[0]) - n, fmt, args);
    va_end(args);
}


void
actions_print(FILE *out)
{
    unsigned  i;

    fprintf(out, "  what was done, last first:\n");

    for (i = 1; i <= LINES && i <= nlines; i++) {
        fprintf(out, "    %s\n", lines[(nlines - i) % LINES]);
    }
}


void
actions_count(FILE *out)
{
    int  i;

    for (i = 0; i < ACTIONS; i++) {
        fprintf(out, "%s%d %s", i ? ", " : "", counts[i], names[i]);
    }

    fprintf(out, "\n");
}


int
actions_killed(pid_t pid)
{
    int  i;

    for (i = 0; i < ndead; i++) {
        if (dead[i] == pid) {
            return 1;
        }
    }

    return 0;
}


void
actions_purged(void)
{
    counts[A_PURGE]++;
}


static pid_t
actions_worker(void)
{
    int    n;
    pid_t  of, pids[32];

    /* the new master is no worker, and not known yet */

    if (going == STARTING && second == 0) {
        return -1;
    }

    of = (second && roll(2)) ? second : master;
    n = nginx_workers(of, pids, 32);

    return n ? pids[roll(n)] : -1;
}


static void
actions_kill(void)
{
    pid_t  pid;

    pid = actions_worker();

    if (pid <= 0 || pid == stopped_pid || ndead == KILLED) {
        return;
    }

    dead[ndead++] = pid;
    killed = clock_now();
    counts[A_KILL]++;
    note("kill -9 %d", pid);
    kill(pid, SIGKILL);
}


static void
actions_cont(alarm_t *alarm)
{
    int  i;

    (void) alarm;

    note("SIGCONT %d", stopped_pid);
    kill(stopped_pid, SIGCONT);

    stop_to = clock_now();
    stopped_pid = 0;
    going = IDLE;

    for (i = 0; i < APIS; i++) {
        trouble_end(i, 0);
    }
}


static void
actions_stop(void)
{
    int    i;
    pid_t  pid;

    pid = actions_worker();

    if (pid <= 0) {
        return;
    }

    for (i = 0; i < APIS; i++) {
        trouble_begin(i);
    }

    counts[A_STOP]++;
    note("SIGSTOP %d", pid);

    stopped_pid = pid;
    stop_from = clock_now();
    stop_to = INT64_MAX / 2;
    going = STOPPED;

    kill(pid, SIGSTOP);
    loop_alarm(&cont, now + (200 + roll(2300)) * MS);
}


static void
actions_go(going_e what)
{
    going = what;
    deadline = clock_now() + PATIENCE;
}


static void
actions_reload(int action)
{
    if (action == A_RESIZE) {
        size_b = (size_b == 1024) ? 1024 + 512 : 1024;

    } else if (action == A_REMOVE) {
        size_c = size_c ? 0 : 1024;
    }

    next = conf_write(current, size_b, size_c);
    changed = clock_now();
    counts[action]++;
    note("HUP %d: generation %d, zone b %dk, zone c %dk", master, next, size_b,
         size_c);
    kill(master, SIGHUP);
    actions_go(RELOADING);
}


static void
actions_upgrade(void)
{
    next = conf_write(0, size_b, size_c);
    changed = clock_now();
    note("USR2 %d: generation %d", master, next);
    kill(master, SIGUSR2);
    actions_go(STARTING);
}


static int
actions_nworkers(pid_t pid)
{
    pid_t  pids[32];

    return nginx_workers(pid, pids, 32);
}


/* goes on with what takes several steps */

static void
actions_watch(alarm_t *alarm)
{
    pid_t  pid;

    now = clock_now();
    loop_alarm(alarm, now + 30 * MS);

    nginx_reap();

    if (going == IDLE || going == STOPPED) {
        return;
    }

    if (now > deadline) {
        fail("nginx does not do what it was told, step %d", going);
        stopping = 1;
        return;
    }

    switch (going) {

    case RELOADING:
        if (gens[next].seen) {
            current = next;
            changed = now;
            going = IDLE;
        }

        return;

    case STARTING:
        pid = nginx_pid();

        if (second == 0 && pid > 0 && pid != master) {
            second = pid;
        }

        if (second && gens[next].seen) {
            note("WINCH %d, %d is there", master, second);
            kill(master, SIGWINCH);
            changed = now;
            actions_go(WINDING);
        }

        return;

    case WINDING:
        changed = now;

        if (actions_nworkers(master)) {
            return;
        }

        if (roll(2)) {
            note("QUIT %d", master);
            kill(master, SIGQUIT);
            actions_go(QUITTING);

        } else {
            note("HUP %d, to have it back", master);
            kill(master, SIGHUP);
            actions_go(RETURNING);
        }

        return;

    case QUITTING:
        changed = now;

        if (nginx_reaped(master)) {
            master = second;
            second = 0;
            current = next;
            counts[A_UPGRADE]++;
            going = IDLE;
        }

        return;

    case RETURNING:
        changed = now;

        if (actions_nworkers(master) >= 2) {
            note("QUIT %d", second);
            kill(second, SIGQUIT);
            actions_go(DROPPING);
        }

        return;

    case DROPPING:
        changed = now;

        if (kill(second, 0) == -1 && nginx_pid() == master) {
            second = 0;
            counts[A_BACK]++;
            going = IDLE;
        }

        return;

    default:
        return;
    }
}


static void
actions_well(alarm_t *alarm)
{
    int  api;

    api = alarm - mood_end;

    note("API %d is well", api);
    api_mood(api, WELL);
    mood_after[api] = now + (5000 + roll(5000)) * MS;
}


static void
actions_mood(void)
{
    int  api, mood;

    api = roll(APIS);

    if (mood_end[api].place || now < mood_after[api]) {
        return;
    }

    mood = 1 + roll(MOODS - 1);

    counts[A_MOOD]++;
    note("API %d: %s", api, mood_names[mood]);
    api_mood(api, mood);
    loop_alarm(&mood_end[api], now + (300 + roll(3700)) * MS);
}


static void
actions_empty(alarm_t *alarm)
{
    char  name[512];

    (void) alarm;

    sprintf(name, "%s/ballast", logs);
    note("the disk of logs has room");
    unlink(name);
    full = 0;
}


static void
actions_full(void)
{
    int      fd;
    size_t   size;
    char     name[512];

    static char  zeros[65536];

    if (full || getenv("CHAOS_NO_DISK")) {
        return;
    }

    sprintf(name, "%s/ballast", logs);
    fd = open(name, O_WRONLY|O_CREAT|O_CLOEXEC, 0600);

    for (size = sizeof(zeros); size; size /= 2) {
        while (write(fd, zeros, size) > 0) {
            /* void */
        }
    }

    close(fd);

    full = 1;
    counts[A_FULL]++;
    note("the disk of logs is full");
    loop_alarm(&fuller, now + (300 + roll(1500)) * MS);
}


static void
actions_flip(alarm_t *alarm)
{
    counts[A_FLIP]++;
    words_flip();
    loop_alarm(alarm, now + 15 * MS);
}


static void
actions_step(alarm_t *alarm)
{
    int  n;

    if (ending) {
        return;
    }

    loop_alarm(alarm, now + (150 + roll(500)) * MS);

    if (!full) {
        nginx_truncate();
    }

    nginx_logs();

    n = roll(100);

    if (n < 20) {
        actions_kill();

    } else if (n < 50) {
        actions_mood();

    } else if (n < 60) {
        actions_full();

    } else if (going != IDLE) {
        return;

    } else if (n < 68) {
        actions_stop();

    } else if (n < 80) {
        actions_reload(A_RELOAD);

    } else if (n < 86) {
        actions_reload(A_RESIZE);

    } else if (n < 92) {
        actions_reload(A_REMOVE);

    } else {
        actions_upgrade();
    }
}


void
actions_init(void)
{
    int  i;

    plan = seed;
    current = 1;
    size_b = size_c = 1024;

    step.handler = actions_step;
    watch.handler = actions_watch;
    flip.handler = actions_flip;
    cont.handler = actions_cont;
    fuller.handler = actions_empty;

    loop_alarm(&step, now + SEC);
    loop_alarm(&watch, now + SEC);
    loop_alarm(&flip, now + SEC);

    for (i = 0; i < APIS; i++) {
        mood_end[i].handler = actions_well;
        mood_after[i] = now + 2 * SEC;
    }
}


int
actions_busy(void)
{
    int  i;

    for (i = 0; i < APIS; i++) {
        if (mood_end[i].place) {
            return 1;
        }
    }

    return going != IDLE || full;
}


/* what has begun comes to its end */

void
actions_end(void)
{
    ending = 1;

    if (stopping && stopped_pid) {
        kill(stopped_pid, SIGCONT);
    }
}
