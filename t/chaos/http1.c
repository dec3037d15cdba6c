
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/socket.h>


/*
 * Clients of HTTP/1.1; the one that purges; and probes, which ask for what
 * needs nothing but a worker that has the time.
 */


#define CLIENTS  64
#define DEPTH    16
#define PROBES   6


typedef enum { STEADY, ABORT, HALF, DEAF, BEHAVIOURS } behaviour_e;

typedef struct {
    event_t      ev;
    alarm_t      alarm;                /* stands behind ev: see http1_alarm() */
    behaviour_e  behaviour;
    int          depth;
    int          budget;               /* requests that are left */
    int          closing;              /* nginx said so */
    int          late;
    int          probe;
    int          purge;                /* zone */
    int          purge_token;
    int          purge_account;

    request_t    queue[DEPTH];
    unsigned     head, tail;

    size_t       skip;                 /* of a body */
    size_t       in_len;
    size_t       out_len;
    char         in[16384];
    char         out[8192];
} http1_t;


static http1_t   clients[CLIENTS];
static http1_t   purger;
static http1_t   probes[PROBES];
static int       nclients;

static void http1_open(http1_t *c);
static void http1_event(event_t *ev, uint32_t what);


static void
http1_close_it(http1_t *c, int by_us, int reset)
{
    for ( /* void */ ; c->head != c->tail; c->head++) {

        if (c->probe) {
            continue;
        }

        waiting -= (c != &purger);

        /* nginx closes after a 400, whatever else was asked for */

        if (by_us || c->closing || c->behaviour == HALF) {
            left_alone++;

        } else {
            judge_lost(&c->queue[c->head % DEPTH], c->late);
        }
    }

    if (reset) {
        loop_reset(&c->ev);
    }

    loop_cancel(&c->alarm);
    loop_forget(&c->ev);

    if (!draining) {
        http1_open(c);
    }
}


static int
http1_write(http1_t *c)
{
    ssize_t  n;

    if (c->out_len == 0) {
        return 0;
    }

    n = send(c->ev.fd, c->out, c->out_len, MSG_NOSIGNAL);

    if (n == -1) {

        if (errno != EAGAIN) {

            /* what nginx sent before can still be read */

            c->out_len = 0;
            return 0;
        }

        n = 0;
    }

    memmove(c->out, c->out + n, c->out_len - n);
    c->out_len -= n;

    loop_watch(&c->ev, EPOLLIN | (c->out_len ? EPOLLOUT : 0));

    return 0;
}


static void
http1_purge(http1_t *c)
{
    int         n;
    char        body[64];
    request_t  *r;

    r = &c->queue[c->tail++ % DEPTH];

    memset(r, 0, sizeof(*r));
    r->n = request_number();
    r->sent = clock_now();
    r->kind = NONE;

    c->purge = pick(ZONES);
    c->purge_token = -1;
    c->purge_account = -1;

    n = pick(100);

    if (n < 70) {
        c->purge_token = pick(TOKENS);
        sprintf(body, "{\"token\":\"%s\"}", token_id(c->purge_token));

    } else if (n < 90) {
        c->purge_account = pick(ACCOUNTS);
        sprintf(body, "{\"account\":\"ACC-0000-%04d\"}", c->purge_account + 1);

    } else {
        strcpy(body, "{\"all\":true}");
    }

    c->out_len += sprintf(c->out + c->out_len,
                          "POST /purge/%d?n=%u HTTP/1.1\r\nHost: a\r\n"
                          "Content-Length: %d\r\n\r\n%s",
                          c->purge, r->n, (int) strlen(body), body);
}


static void
http1_probe(http1_t *c)
{
    c->queue[c->tail++ % DEPTH].sent = clock_now();

    c->out_len += sprintf(c->out + c->out_len,
                          "GET /pid HTTP/1.1\r\nHost: a\r\n\r\n");
}


static void
http1_probed(http1_t *c, request_t *r, answer_t *a)
{
    if (a->at - r->sent > STALL) {
        trouble_stall(r->sent);
    }

    /* on to another worker, perhaps */

    c->closing = (pick(10) == 0);

    loop_alarm(&c->alarm, a->at + pick(50) * MS);
}


/* whether a worker has no time for anything, for now */

int
http1_stalled(void)
{
    int       i;
    http1_t  *c;

    for (i = 0; i < PROBES; i++) {
        c = &probes[i];

        if (c->ev.fd != -1 && c->head != c->tail
            && clock_now() - c->queue[c->head % DEPTH].sent > STALL)
        {
            return 1;
        }
    }

    return 0;
}


static void
http1_fill(http1_t *c)
{
    char        uri[64], authorization[256];
    request_t  *r;

    if (c->closing || draining) {
        return;
    }

    now = clock_now();

    while (c->tail - c->head < (unsigned) c->depth && c->budget
           && (c->head == c->tail || request_allowed())
           && sizeof(c->out) - c->out_len > 512)
    {
        r = &c->queue[c->tail++ % DEPTH];
        request_new(r, 1);

        if (c->behaviour == DEAF) {
            r->location = LOCATIONS - 1;
            r->kind = GOOD;
        }

        c->budget--;

        if (request_headers(r, uri, authorization)) {
            c->out_len += sprintf(c->out + c->out_len,
                                  "GET %s HTTP/1.1\r\nHost: a\r\n"
                                  "Authorization: %s\r\n\r\n",
                                  uri, authorization);
        } else {
            c->out_len += sprintf(c->out + c->out_len,
                                  "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", uri);
        }
    }

    (void) http1_write(c);
}


static char *
http1_header(char *head, const char *name)
{
    char  *p;

    p = strstr(head, name);

    return p ? p + strlen(name) : NULL;
}


static void
http1_purged(http1_t *c, request_t *r, answer_t *a)
{
    int    gen;
    char  *p;

    p = a->value ? strchr(a->value, '|') : NULL;
    p = p ? strchr(p + 1, '|') : NULL;
    gen = p ? atoi(p + 1) : 0;

    if (a->status == 200 && gen > 0 && gen < ngens
        && gens[gen].size[c->purge])
    {
        actions_purged();
        purge_done(gens[gen].epoch[c->purge], c->purge_token, c->purge_account,
                   r->sent, a->at);
    }

    loop_alarm(&c->alarm, a->at + (10 + pick(150)) * MS);
}


/* reads an answer whose head is complete; 0 if there is none */

static int
http1_answer(http1_t *c)
{
    char       *end, *p, *value;
    size_t      n;
    answer_t    a;
    request_t   r;

    if (c->skip) {
        n = c->skip < c->in_len ? c->skip : c->in_len;
        c->skip -= n;
        c->in_len -= n;
        memmove(c->in, c->in + n, c->in_len);
    }

    if (c->in_len == 0 || c->skip) {
        return 0;
    }

    c->in[c->in_len] = '\0';
    end = strstr(c->in, "\r\n\r\n");

    if (end == NULL) {
        return 0;
    }

    end[2] = '\0';

    if (c->head == c->tail) {
        violation(NULL, NULL, "an answer nobody asked for: %.200s", c->in);
        return -1;
    }

    r = c->queue[c->head++ % DEPTH];

    a.status = atoi(c->in + sizeof("HTTP/1.1 ") - 1);
    a.at = clock_now();
    a.late = c->late || c->behaviour == HALF;
    value = http1_header(c->in, "\r\nX-R: ");
    a.value = value;

    p = http1_header(c->in, "\r\nContent-Length: ");
    c->skip = p ? strtoul(p, NULL, 10) : 0;

    if (http1_header(c->in, "\r\nConnection: close\r\n")) {
        c->closing = 1;
    }

    if (value) {
        *strchr(value, '\r') = '\0';
    }

    if (c->probe) {
        http1_probed(c, &r, &a);

    } else if (c == &purger) {
        http1_purged(c, &r, &a);

    } else {
        waiting--;
        judge(&r, &a);
    }

    n = end + 4 - c->in;
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);

    return 1;
}


static void
http1_event(event_t *ev, uint32_t what)
{
    int       rc, got;
    ssize_t   n;
    http1_t  *c;

    c = (http1_t *) ev;

    if (what & EPOLLOUT) {
        (void) http1_write(c);
    }

    if (!(what & (EPOLLIN|EPOLLHUP|EPOLLERR))) {
        return;
    }

    n = recv(ev->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {
        http1_close_it(c, 0, 0);
        return;
    }

    c->in_len += n;
    got = 0;

    do {
        rc = http1_answer(c);
        got |= rc;
    } while (rc == 1);

    if (rc == -1) {
        http1_close_it(c, 1, 1);
        return;
    }

    if (c == &purger || c->probe || c->behaviour == HALF) {
        return;
    }

    if (c->head == c->tail && c->skip == 0 && (c->budget == 0 || draining)) {
        http1_close_it(c, 1, 0);
        return;
    }

    if (got) {
        http1_fill(c);
    }
}


static void
http1_alarm(alarm_t *alarm)
{
    http1_t  *c;

    c = (http1_t *) ((char *) alarm - offsetof(http1_t, alarm));

    if (c->ev.fd == -1) {
        http1_open(c);
        return;
    }

    if (c->probe && c->closing) {
        http1_close_it(c, 1, 0);
        return;
    }

    if (c->probe || c == &purger) {

        if (!draining) {
            (c->probe ? http1_probe : http1_purge)(c);
            (void) http1_write(c);
        }

        return;
    }

    switch (c->behaviour) {

    case ABORT:
        http1_close_it(c, 1, pick(2));
        return;

    case DEAF:
        if (pick(2)) {
            http1_close_it(c, 1, pick(2));
            return;
        }

        loop_watch(&c->ev, EPOLLIN);
        return;

    default:
        return;
    }
}


static void
http1_open(http1_t *c)
{
    int                 fd, one, n;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    one = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(base_port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        close(fd);
        loop_alarm(&c->alarm, now + 20 * MS);
        return;
    }

    c->ev.fd = fd;
    c->ev.events = 0;
    c->head = c->tail = 0;
    c->in_len = c->out_len = c->skip = 0;
    c->closing = c->late = 0;

    n = quiet ? 0 : pick(100);

    c->behaviour = n < 70 ? STEADY : n < 85 ? ABORT : n < 95 ? HALF : DEAF;
    c->depth = 1 + pick(8);
    c->budget = 20 + pick(3000);

    loop_watch(&c->ev, EPOLLIN);

    if (c->probe || c == &purger) {
        c->behaviour = STEADY;
        loop_alarm(&c->alarm, now + 20 * MS);
        return;
    }

    if (c->behaviour == DEAF) {
        c->late = 1;
        c->depth = 4;
        c->budget = 8;
    }

    http1_fill(c);

    switch (c->behaviour) {

    case ABORT:
        loop_alarm(&c->alarm, now + pick(40) * MS);
        break;

    case HALF:
        if (c->out_len == 0) {
            shutdown(fd, SHUT_WR);
        }

        break;

    case DEAF:
        loop_watch(&c->ev, EPOLLERR);
        loop_alarm(&c->alarm, now + (100 + pick(700)) * MS);
        break;

    default:
        break;
    }
}


static void
http1_start(http1_t *c)
{
    c->ev.fd = -1;
    c->ev.handler = http1_event;
    c->alarm.handler = http1_alarm;

    http1_open(c);
}


void
http1_init(int n)
{
    int  i;

    nclients = n;

    for (i = 0; i < n; i++) {
        http1_start(&clients[i]);
    }
}


void
purge_init(void)
{
    int  i;

    http1_start(&purger);

    for (i = 0; i < PROBES; i++) {
        probes[i].probe = 1;
        http1_start(&probes[i]);
    }
}


void
http1_check(void)
{
    int       i;
    http1_t  *c;

    for (i = 0; i < nclients; i++) {
        c = &clients[i];

        if (c->ev.fd != -1 && c->head != c->tail && !c->late) {
            judge_pending(&c->queue[c->head % DEPTH]);
        }
    }
}


int
http1_pending(void)
{
    int  i, n;

    for (i = 0, n = 0; i < nclients; i++) {
        n += (clients[i].ev.fd != -1 && clients[i].head != clients[i].tail);
    }

    return n;
}


void
http1_close(void)
{
    int  i;

    for (i = 0; i < nclients; i++) {
        if (clients[i].ev.fd != -1) {
            http1_close_it(&clients[i], 1, 0);
        }
    }

    if (purger.ev.fd != -1) {
        http1_close_it(&purger, 1, 0);
    }

    for (i = 0; i < PROBES; i++) {
        if (probes[i].ev.fd != -1) {
            http1_close_it(&probes[i], 1, 0);
        }
    }
}
