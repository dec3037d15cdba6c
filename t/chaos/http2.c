
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <nghttp2/nghttp2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/socket.h>


/* clients of HTTP/2: many streams on each connection, some of them reset */


#define CLIENTS  16
#define STREAMS  64


typedef struct {
    int         used;
    int         id;                    /* of the stream */
    int         status;
    char        value[512];
    request_t   request;
} stream_t;

typedef struct {
    event_t           ev;
    alarm_t           alarm;           /* stands behind ev: see http2_alarm() */
    nghttp2_session  *session;
    int               abort;           /* leaves without a word */
    int               resets;          /* now and then a stream */
    int               deaf;
    int               late;
    int               depth;
    int               budget;
    int               open;
    int               goaway;
    int               broken;          /* to be closed, once outside of it */
    stream_t          streams[STREAMS];
} http2_t;


static http2_t                     clients[CLIENTS];
static int                         nclients;
static nghttp2_session_callbacks  *callbacks;

static void http2_open(http2_t *c);


static stream_t *
http2_stream(http2_t *c, int id)
{
    return nghttp2_session_get_stream_user_data(c->session, id);
}


static int
http2_on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t namelen, const uint8_t *value, size_t valuelen,
    uint8_t flags, void *data)
{
    stream_t  *s;

    s = http2_stream(data, frame->hd.stream_id);

    if (s == NULL) {
        return 0;
    }

    if (namelen == 7 && memcmp(name, ":status", 7) == 0) {
        s->status = atoi((const char *) value);

    } else if (namelen == 3 && memcmp(name, "x-r", 3) == 0
               && valuelen < sizeof(s->value))
    {
        memcpy(s->value, value, valuelen);
        s->value[valuelen] = '\0';
    }

    return 0;
}


/* the decision is made, whatever becomes of the body */

static int
http2_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
    void *data)
{
    http2_t   *c = data;

    stream_t  *s;
    answer_t   a;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaway = 1;
        return 0;
    }

    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }

    s = http2_stream(c, frame->hd.stream_id);

    if (s == NULL || s->status == 0) {
        return 0;
    }

    a.status = s->status;
    a.value = s->value[0] ? s->value : NULL;
    a.at = clock_now();
    a.late = c->late;

    waiting--;
    judge(&s->request, &a);

    s->used = 2;

    return 0;
}


static int
http2_on_close(nghttp2_session *session, int32_t id, uint32_t code,
    void *data)
{
    http2_t   *c = data;

    stream_t  *s;

    s = http2_stream(c, id);

    if (s == NULL) {
        return 0;
    }

    /* reset by us, or refused by a worker that is exiting */

    if (s->used == 1) {
        waiting--;

        if (c->resets || c->goaway || code == NGHTTP2_REFUSED_STREAM) {
            left_alone++;

        } else {
            judge_lost(&s->request, 0);
        }
    }

    s->used = 0;
    c->open--;

    return 0;
}


static void
http2_close_it(http2_t *c, int by_us)
{
    int  i;

    for (i = 0; i < STREAMS; i++) {

        if (c->streams[i].used == 1) {
            waiting--;

            if (by_us || c->goaway) {
                left_alone++;

            } else {
                judge_lost(&c->streams[i].request, c->late);
            }
        }

        c->streams[i].used = 0;
    }

    nghttp2_session_del(c->session);
    c->session = NULL;
    c->open = 0;

    loop_cancel(&c->alarm);
    loop_forget(&c->ev);

    if (!draining) {
        http2_open(c);
    }
}


static void
http2_write(http2_t *c)
{
    ssize_t         n;
    const uint8_t  *p;

    while (!c->broken) {
        n = nghttp2_session_mem_send(c->session, &p);

        if (n <= 0) {
            c->broken |= (n < 0);
            return;
        }

        /* requests are small: nginx reads all of them at once */

        if (send(c->ev.fd, p, n, MSG_NOSIGNAL) != n) {
            c->broken = 1;
        }
    }
}


static void
http2_request(http2_t *c)
{
    int          i, n;
    char         uri[64], authorization[256];
    stream_t    *s;
    nghttp2_nv   nv[5];

    for (i = 0; c->streams[i].used; i++) {
        /* void */
    }

    s = &c->streams[i];
    s->used = 1;
    s->status = 0;
    s->value[0] = '\0';

    request_new(&s->request, 2);
    n = request_headers(&s->request, uri, authorization);

    memset(nv, 0, sizeof(nv));

    nv[0].name = (uint8_t *) ":method";
    nv[0].value = (uint8_t *) "GET";
    nv[1].name = (uint8_t *) ":scheme";
    nv[1].value = (uint8_t *) "http";
    nv[2].name = (uint8_t *) ":authority";
    nv[2].value = (uint8_t *) "a";
    nv[3].name = (uint8_t *) ":path";
    nv[3].value = (uint8_t *) uri;
    nv[4].name = (uint8_t *) "authorization";
    nv[4].value = (uint8_t *) authorization;
    nv[4].valuelen = n;

    for (i = 0; i < 5; i++) {
        nv[i].namelen = strlen((char *) nv[i].name);

        if (i < 4) {
            nv[i].valuelen = strlen((char *) nv[i].value);
        }
    }

    s->id = nghttp2_submit_request(c->session, NULL, nv, n ? 5 : 4, NULL, s);

    if (s->id < 0) {
        waiting--;
        s->used = 0;
        c->broken = 1;
        return;
    }

    c->open++;
    c->budget--;
}


static void
http2_fill(http2_t *c)
{
    int  i;

    now = clock_now();

    while (!draining && !c->goaway && !c->broken && c->budget
           && c->open < c->depth && (c->open == 0 || request_allowed()))
    {
        http2_request(c);
    }

    if (c->resets && pick(4) == 0) {
        i = pick(STREAMS);

        if (c->streams[i].used == 1) {
            nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE,
                                      c->streams[i].id, NGHTTP2_CANCEL);
        }
    }

    http2_write(c);
}


static void
http2_event(event_t *ev, uint32_t what)
{
    ssize_t   n;
    http2_t  *c;

    static uint8_t  buf[65536];

    c = (http2_t *) ev;
    n = recv(ev->fd, buf, sizeof(buf), 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {
        http2_close_it(c, 0);
        return;
    }

    if (nghttp2_session_mem_recv(c->session, buf, n) < 0) {
        violation(NULL, NULL, "an answer that is not HTTP/2");
        c->broken = 1;

    } else {
        http2_fill(c);
    }

    if (c->broken
        || (c->open == 0 && (c->goaway || c->budget == 0 || draining)))
    {
        http2_close_it(c, 1);
    }
}


static void
http2_alarm(alarm_t *alarm)
{
    http2_t  *c;

    c = (http2_t *) ((char *) alarm - offsetof(http2_t, alarm));

    if (c->ev.fd == -1) {
        http2_open(c);

    } else if (c->abort) {
        http2_close_it(c, 1);

    } else {
        loop_watch(&c->ev, EPOLLIN);
    }
}


static void
http2_open(http2_t *c)
{
    int                     fd, one, n;
    struct sockaddr_in      sin;
    nghttp2_settings_entry  settings;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    one = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(base_port + 1);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        close(fd);
        loop_alarm(&c->alarm, now + 20 * MS);
        return;
    }

    n = quiet ? 0 : pick(100);

    c->ev.fd = fd;
    c->ev.events = 0;
    c->resets = (n >= 60 && n < 80);
    c->abort = (n >= 80 && n < 92);
    c->deaf = (n >= 92);
    c->late = c->deaf;
    c->depth = 1 + pick(STREAMS);
    c->budget = 200 + pick(10000);
    c->open = c->goaway = c->broken = 0;

    if (nghttp2_session_client_new(&c->session, callbacks, c) != 0) {
        abort();
    }

    settings.settings_id = NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS;
    settings.value = 100;
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &settings, 1);

    loop_watch(&c->ev, EPOLLIN);
    http2_fill(c);

    if (c->broken) {
        c->abort = 1;
        loop_alarm(&c->alarm, now);

    } else if (c->abort) {
        loop_alarm(&c->alarm, now + pick(60) * MS);

    } else if (c->deaf) {
        loop_watch(&c->ev, EPOLLERR);
        loop_alarm(&c->alarm, now + (100 + pick(700)) * MS);
    }
}


void
http2_init(int n)
{
    int  i;

    if (callbacks == NULL) {
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks,
                                                         http2_on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                             http2_on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                               http2_on_close);
    }

    nclients = n;

    for (i = 0; i < n; i++) {
        clients[i].ev.fd = -1;
        clients[i].ev.handler = http2_event;
        clients[i].alarm.handler = http2_alarm;
        http2_open(&clients[i]);
    }
}


void
http2_check(void)
{
    int       i, n;
    http2_t  *c;

    for (i = 0; i < nclients; i++) {
        c = &clients[i];

        for (n = 0; c->ev.fd != -1 && !c->late && n < STREAMS; n++) {
            if (c->streams[n].used == 1) {
                judge_pending(&c->streams[n].request);
            }
        }
    }
}


int
http2_pending(void)
{
    int  i, n;

    for (i = 0, n = 0; i < nclients; i++) {
        n += (clients[i].ev.fd != -1 && clients[i].open != 0);
    }

    return n;
}


void
http2_close(void)
{
    int  i;

    for (i = 0; i < nclients; i++) {
        if (clients[i].ev.fd != -1) {
            http2_close_it(&clients[i], 1);
        }
    }
}
