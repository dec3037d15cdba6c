
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <dirent.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>


/* the processes of nginx, its logs and its figures */


#define SLOTS  2048


char    *dir, *logs, *binary, *module, *zone_tool;
pid_t    master, second;
usec_t   killed;
usec_t   changed;

static pid_t  reaped[64];
static int    nreaped;
static long   log_read;


void
fail(const char *fmt, ...)
{
    va_list  args;

    violations++;

    printf("\nFAILED at %.4f s, seed %llu: ",
           (double) (clock_now() - started) / SEC, (unsigned long long) seed);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
    actions_print(stdout);
    fflush(stdout);

    if (getenv("CHAOS_FIRST")) {
        stopping = 1;
    }
}


pid_t
nginx_pid(void)
{
    int    pid;
    char   name[512];
    FILE  *f;

    sprintf(name, "%s/nginx.pid", dir);
    f = fopen(name, "r");

    if (f == NULL) {
        return -1;
    }

    if (fscanf(f, "%d", &pid) != 1) {
        pid = -1;
    }

    fclose(f);

    return pid;
}


/* masters whose parent has left become children of this process */

void
nginx_start(void)
{
    int    status;
    char   conf[512];
    pid_t  pid;

    prctl(PR_SET_CHILD_SUBREAPER, 1);

    sprintf(conf, "%s/nginx.conf", dir);
    pid = fork();

    if (pid == 0) {
        execl(binary, binary, "-p", dir, "-c", conf, (char *) NULL);
        _exit(127);
    }

    if (waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "chaos: nginx did not start\n");
        exit(1);
    }

    master = nginx_pid();
}


int
nginx_workers(pid_t of, pid_t *pids, int max)
{
    int    n, pid;
    char   name[128];
    FILE  *f;

    sprintf(name, "/proc/%d/task/%d/children", of, of);
    f = fopen(name, "r");

    if (f == NULL) {
        return 0;
    }

    for (n = 0; n < max && fscanf(f, "%d", &pid) == 1; /* void */ ) {

        if (pid != second && pid != master) {
            pids[n++] = pid;
        }
    }

    fclose(f);

    return n;
}


void
nginx_reap(void)
{
    int    status;
    pid_t  pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {

        reaped[nreaped++ % 64] = pid;

        /* a worker that looks for leaks has a process of its own for that */

        if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                             && pid != master && pid != second))
        {
            fail("process %d ended with status %x", pid, status);
        }
    }
}


int
nginx_reaped(pid_t pid)
{
    int  i;

    nginx_reap();

    for (i = 0; i < nreaped && i < 64; i++) {
        if (reaped[i] == pid) {
            return 1;
        }
    }

    return 0;
}


static int
nginx_expected(const char *line)
{
    int          pid;
    const char  *p;

    /* what was done to it, and what comes of that */

    p = strstr(line, "worker process ");

    if (p && sscanf(p, "worker process %d exited on signal 9", &pid) == 1
        && strstr(p, "exited on signal 9"))
    {
        return actions_killed(pid);
    }

    p = strstr(line, "was locked by ");

    if (p) {
        return actions_killed(atoi(p + sizeof("was locked by ") - 1));
    }

    return strstr(line, "No space left on device") != NULL
           || strstr(line, "access.log\" was incomplete") != NULL
           || strstr(line, "worker_connections are not enough") != NULL;
}


/* what is new in the error log */

void
nginx_logs(void)
{
    int             n;
    char            name[512], line[4096];
    FILE           *f;
    DIR            *reports;
    struct dirent  *entry;

    sprintf(name, "%s/error.log", dir);
    f = fopen(name, "r");

    if (f == NULL) {
        return;
    }

    fseek(f, log_read, SEEK_SET);

    while (fgets(line, sizeof(line), f)) {
        n = strlen(line);

        if (line[n - 1] != '\n') {
            break;
        }

        log_read += n;

        if ((strstr(line, "[alert]") || strstr(line, "[emerg]")
             || strstr(line, "[crit]") || strstr(line, "exited on signal")
             || (strstr(line, "exited with")
                 && !strstr(line, "exited with code 0")))
            && !nginx_expected(line))
        {
            fail("error log: %.300s", line);
        }
    }

    fclose(f);

    sprintf(name, "%s/reports", dir);
    reports = opendir(name);

    while (reports && (entry = readdir(reports))) {
        if (entry->d_name[0] != '.') {
            fail("a sanitizer reports: %s/%s", name, entry->d_name);
            stopping = 1;
            break;
        }
    }

    if (reports) {
        closedir(reports);
    }
}


/* as a rotation would */

void
nginx_truncate(void)
{
    char         name[512];
    unsigned     i;
    struct stat  st;

    static const char  *names[] = { "access.log", "error.log" };

    for (i = 0; i < 2; i++) {
        sprintf(name, "%s/%s", logs, names[i]);

        if (stat(name, &st) == 0 && st.st_size > 1024 * 1024
            && truncate(name, 0) == -1)
        {
            perror(name);
        }
    }
}


static int
nginx_connect(void)
{
    int                 fd;
    struct timeval      tv;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    tv.tv_sec = 10;
    tv.tv_usec = 0;
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(base_port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
        close(fd);
        return -1;
    }

    return fd;
}


/* a body, for which nginx needs nothing of this process */

char *
nginx_get(const char *uri)
{
    int          fd, n, len;
    char        *p;

    static char  buf[262144];

    fd = nginx_connect();
    n = sprintf(buf, "GET %s HTTP/1.0\r\n\r\n", uri);
    len = 0;

    if (fd != -1 && send(fd, buf, n, MSG_NOSIGNAL) == n) {
        while ((n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0)) > 0) {
            len += n;
        }
    }

    if (fd != -1) {
        close(fd);
    }

    buf[len] = '\0';
    p = strstr(buf, "\r\n\r\n");

    if (p == NULL) {
        fail("no answer at %s", uri);
        return buf + len;
    }

    return p + 4;
}


uint64_t
nginx_figure(const char *body, const char *name)
{
    const char  *p;

    p = strstr(body, name);

    return p ? strtoull(strchr(p, '}') + 1, NULL, 10) : 0;
}


/* how many connections one worker accepts while the others are stopped */

int
nginx_slots(pid_t pid)
{
    int            i, n, free, refused;
    pid_t          pids[16];
    struct pollfd  list[SLOTS];

    static const char  begun[] = "GET /pid HTTP/1.1\r\n";

    n = nginx_workers(master, pids, 16);

    for (i = 0; i < n; i++) {
        if (pids[i] != pid) {
            kill(pids[i], SIGSTOP);
        }
    }

    for (i = 0, refused = 0; i < SLOTS && refused < 20; i++) {
        list[i].fd = nginx_connect();
        list[i].events = POLLIN;

        if (list[i].fd == -1) {
            break;
        }

        (void) send(list[i].fd, begun, sizeof(begun) - 1, MSG_NOSIGNAL);

        refused = (poll(&list[i], 1, 2) == 1) ? refused + 1 : 0;
    }

    (void) poll(list, i, 500);

    for (free = 0; i-- > 0; /* void */ ) {
        free += (list[i].revents == 0);
        close(list[i].fd);
    }

    while (n-- > 0) {
        kill(pids[n], SIGCONT);
    }

    return free;
}


static void
nginx_end(pid_t pid)
{
    int     n;
    pid_t   pids[32];
    usec_t  until;

    if (pid == 0) {
        return;
    }

    kill(pid, SIGQUIT);

    until = clock_now() + (stopping ? 5 : 30) * SEC;

    while (!nginx_reaped(pid) && clock_now() < until
           && !(pid == second && kill(pid, 0) == -1))
    {
        usleep(10000);
    }

    if (clock_now() < until) {
        return;
    }

    fail("nginx does not end");

    n = nginx_workers(pid, pids, 32);
    kill(pid, SIGKILL);

    while (n-- > 0) {
        kill(pids[n], SIGKILL);
    }
}


/* a process that is left is a child of this one by then */

void
nginx_stop(void)
{
    int    i, n;
    pid_t  pids[32];

    nginx_end(second);
    nginx_end(master);

    for (i = 0; i < 500; i++) {
        nginx_reap();

        n = nginx_workers(getpid(), pids, 32);

        if (n == 0) {
            return;
        }

        while (n-- > 0) {
            kill(pids[n], SIGKILL);
        }

        usleep(10000);
    }
}
