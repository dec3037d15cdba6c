
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/socket.h>


/* the token API, twice: each has its moods */


#define CONNECTIONS  1024


typedef struct {
    event_t    ev;
    alarm_t    alarm;                  /* stands behind ev: see api_alarm() */
    int        api;
    int        pending;                /* asked, and no answer yet */
    uint32_t   word;                   /* its answer, or 0: it is unknown */
    int        token;
    int        scope;
    int        gen;
    usec_t     asked;
    size_t     len;
    char       in[4096];
} api_t;


const char  *mood_names[MOODS] = { "well", "500", "429", "garbage", "hang",
                                   "slow", "reset", "down" };
uint64_t     lookups[SCOPES];

static event_t  listeners[APIS];
static int      ports[APIS];
static mood_e   moods[APIS];
static api_t    conns[CONNECTIONS];

static void api_read(event_t *ev, uint32_t what);


static void
api_close(api_t *c, int reset)
{
    if (c->ev.fd == -1) {
        return;
    }

    if (reset) {
        loop_reset(&c->ev);
    }

    loop_cancel(&c->alarm);
    loop_forget(&c->ev);

    c->pending = 0;
    c->len = 0;
}


static void
api_send(api_t *c, const char *status, const char *more, const char *body)
{
    int   n;
    char  out[4096];

    n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Type: "
                 "application/json\r\nContent-Length: %d\r\n%s\r\n%s",
                 status, (int) strlen(body), more, body);

    c->pending = 0;

    /* an answer is small, and nginx reads it */

    if (send(c->ev.fd, out, n, MSG_NOSIGNAL) != n) {
        api_close(c, 0);
    }
}


static int
api_body(api_t *c, char *body)
{
    int      i, n;
    word_t  *w;

    w = &words[c->word];

    n = sprintf(body, "{\"id\":\"%s\",\"name\":\"w%u\",\"status\":\"%s\","
                "\"token\":\"%s\",\"account\":{\"id\":\"ACC-0000-%04d\","
                "\"type\":\"%s\",\"status\":\"%s\",\"name\":\"x\"},"
                "\"modules\":[",
                token_id(c->token), c->word,
                w->state == DISABLED ? "Disabled" : "Active",
                token_secret(c->token), w->account + 1, types[w->account % 3],
                w->state == ACCOUNT_DISABLED ? "Disabled" : "Active");

    for (i = 0; i < MODULES; i++) {
        if (w->modules & (1 << i)) {
            n += sprintf(body + n, "%s{\"id\":\"MOD-%04d\",\"name\":\"m\"}",
                         body[n - 1] == '[' ? "" : ",", i + 1);
        }
    }

    return n + sprintf(body + n, "]}");
}


static void
api_answer(api_t *c)
{
    char  body[2048];

    now = clock_now();

    if (c->word) {
        words[c->word].said = now;
    }

    if (moods[c->api] == WELL) {
        trouble_well(c->api, c->asked,
                     scopes[c->scope].zone == BYPASS ? NULL
                     : gens[c->gen].epoch[scopes[c->scope].zone]);
    }

    if (c->word == 0 || words[c->word].state == UNKNOWN) {
        api_send(c, c->scope == 2 ? "404 Not Found" : "401 Unauthorized", "",
                 "{\"status\":401}");
        return;
    }

    api_body(c, body);
    api_send(c, "200 OK", "", body);
}


static void
api_alarm(alarm_t *alarm)
{
    api_answer((api_t *) ((char *) alarm - offsetof(api_t, alarm)));
}


static void
api_garbage(api_t *c)
{
    int   n;
    char  body[2048];

    n = 0;

    if (c->word) {
        n = api_body(c, body);

        /* nobody may pass by this answer */

        words[c->word].said = 0;
    }

    switch (pick(5)) {

    case 0:
        api_send(c, "200 OK", "", "<html>it works</html>");
        return;

    case 1:
        body[n ? n / 2 : 0] = '\0';
        api_send(c, "200 OK", "", body);
        return;

    case 2:
        strcpy(body, "{\"id\":\"TKN-9999-9999\",\"status\":\"Active\"}");
        api_send(c, "200 OK", "", body);
        return;

    case 3:
        body[n] = '\0';
        api_send(c, "200 OK", "Content-Encoding: gzip\r\n", body);
        return;

    default:
        api_send(c, "302 Found", "Location: http://127.0.0.1/\r\n", "");
        return;
    }
}


/* the answer is decided when the API is asked, however long it takes */

static void
api_asked(api_t *c)
{
    int    n;
    char  *p;

    c->asked = clock_now();
    c->pending = 1;
    c->gen = strtol(c->in + sizeof("GET /") - 1, &p, 10);
    c->scope = (*p == '/') ? strtol(p + 1, &p, 10) : SCOPES;

    if (c->scope >= SCOPES || c->gen >= ngens || *p != '/'
        || scopes[c->scope].api != c->api)
    {
        fail("the API was asked: %.80s", c->in);
        api_close(c, 0);
        return;
    }

    lookups[c->scope]++;

    c->token = token_find(p + 1);
    c->word = 0;

    p = strstr(c->in, "\r\nAuthorization: Bearer ");

    if (p && c->token != -1) {
        p += sizeof("\r\nAuthorization: Bearer ") - 1;

        if (c->scope == 2
            ? strncmp(p, "service\r\n", 9) == 0
            : (strncmp(p, token_secret(c->token),
                       strlen(token_secret(c->token))) == 0
               && p[strlen(token_secret(c->token))] == '\r'))
        {
            c->word = words_new(c->token, c->scope);
        }
    }

    switch (moods[c->api]) {

    case ERROR_500:
        api_send(c, "500 Internal Server Error", "", "{}");
        return;

    case ERROR_429:
        api_send(c, "429 Too Many Requests", "Retry-After: 1\r\n", "{}");
        return;

    case GARBAGE:
        api_garbage(c);
        return;

    case HANG:
        return;

    case SLOW:
        loop_alarm(&c->alarm, now + (200 + pick(1800)) * MS);
        return;

    case RESET:
        api_close(c, pick(2));
        return;

    default:
        n = pick(100);

        if (n < 60) {
            api_answer(c);

        } else {
            loop_alarm(&c->alarm, now + pick(n < 95 ? 15 : 60) * MS);
        }
    }
}


static void
api_read(event_t *ev, uint32_t what)
{
    api_t    *c;
    ssize_t   n;

    c = (api_t *) ev;
    n = recv(ev->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);

    if (n <= 0) {

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        api_close(c, 0);
        return;
    }

    c->len += n;
    c->in[c->len] = '\0';

    if (c->len < 4 || memcmp(c->in + c->len - 4, "\r\n\r\n", 4) != 0) {
        return;
    }

    c->len = 0;

    api_asked(c);
}


static void
api_accept(event_t *ev, uint32_t what)
{
    int     i, fd, one;
    api_t  *c;

    for ( ;; ) {
        fd = accept4(ev->fd, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);

        if (fd == -1) {
            return;
        }

        for (i = 0; i < CONNECTIONS && conns[i].ev.fd != -1; i++) {
            /* void */
        }

        if (i == CONNECTIONS) {
            fail("%d connections to the API", CONNECTIONS);
            close(fd);
            return;
        }

        one = 1;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

        c = &conns[i];
        c->ev.fd = fd;
        c->ev.handler = api_read;
        c->alarm.handler = api_alarm;
        c->api = ev - listeners;
        c->pending = 0;
        c->len = 0;

        loop_watch(&c->ev, EPOLLIN);
    }
}


static void
api_listen(int api)
{
    int                 fd, one;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    one = 1;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(ports[api]);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 511) == -1)
    {
        perror("chaos: the port of the API");
        exit(1);
    }

    listeners[api].fd = fd;
    listeners[api].handler = api_accept;
    loop_watch(&listeners[api], EPOLLIN);
}


void
api_init(int port)
{
    int  i;

    for (i = 0; i < CONNECTIONS; i++) {
        conns[i].ev.fd = -1;
    }

    for (i = 0; i < APIS; i++) {
        ports[i] = port + i;
        api_listen(i);
    }
}


/* when it is well again, nothing is left of what it had not answered */

void
api_mood(int api, mood_e mood)
{
    int     i;
    mood_e  before;

    before = moods[api];

    if (mood != WELL) {
        trouble_begin(api);
    }

    if (mood == DOWN) {
        loop_forget(&listeners[api]);
    }

    if (before == DOWN) {
        api_listen(api);
    }

    for (i = 0; i < CONNECTIONS; i++) {

        if (conns[i].ev.fd == -1 || conns[i].api != api) {
            continue;
        }

        if (mood == DOWN || (before == HANG && conns[i].pending)) {
            api_close(&conns[i], 0);

        } else if (conns[i].pending && before == SLOW) {
            loop_cancel(&conns[i].alarm);
            api_answer(&conns[i]);
        }
    }

    moods[api] = mood;

    if (mood == WELL) {
        trouble_end(api, before == ERROR_429 ? SEC : 0);
    }
}
