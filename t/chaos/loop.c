
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <time.h>
#include <sys/socket.h>


/* events, alarms and dice */


#define ALARMS  4096


usec_t    now;
usec_t    started;
usec_t    realtime;
usec_t    tick;
int       stopping;
uint64_t  dice;

static int       epoll;
static alarm_t  *heap[ALARMS + 1];
static int       nalarms;


usec_t
clock_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * SEC + ts.tv_nsec / 1000;
}


static void
loop_time(void)
{
    struct timespec  ts;

    now = clock_now();
    clock_gettime(CLOCK_REALTIME, &ts);
    realtime = ts.tv_sec * SEC + ts.tv_nsec / 1000 - now;
}


void
loop_init(void)
{
    struct timespec  ts;

    epoll = epoll_create1(EPOLL_CLOEXEC);
    clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
    tick = ts.tv_nsec / 1000 + 1;
    loop_time();
    started = now;
}


static void
loop_place(int i, alarm_t *alarm)
{
    heap[i] = alarm;
    alarm->place = i;
}


static void
loop_sift(int i)
{
    int       child;
    alarm_t  *alarm;

    alarm = heap[i];

    while (i > 1 && alarm->at < heap[i / 2]->at) {
        loop_place(i, heap[i / 2]);
        i /= 2;
    }

    for ( ;; ) {
        child = 2 * i;

        if (child > nalarms) {
            break;
        }

        if (child < nalarms && heap[child + 1]->at < heap[child]->at) {
            child++;
        }

        if (alarm->at <= heap[child]->at) {
            break;
        }

        loop_place(i, heap[child]);
        i = child;
    }

    loop_place(i, alarm);
}


void
loop_alarm(alarm_t *alarm, usec_t at)
{
    alarm->at = at;

    if (alarm->place == 0) {

        if (nalarms == ALARMS) {
            fprintf(stderr, "chaos: too many alarms\n");
            abort();
        }

        loop_place(++nalarms, alarm);
    }

    loop_sift(alarm->place);
}


void
loop_cancel(alarm_t *alarm)
{
    int       i;
    alarm_t  *last;

    i = alarm->place;

    if (i == 0) {
        return;
    }

    alarm->place = 0;
    last = heap[nalarms--];

    if (last != alarm) {
        loop_place(i, last);
        loop_sift(i);
    }
}


void
loop_watch(event_t *ev, uint32_t events)
{
    int                 op;
    struct epoll_event  ee;

    if (ev->events == events) {
        return;
    }

    op = ev->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    memset(&ee, 0, sizeof(ee));
    ee.events = events;
    ee.data.ptr = ev;

    if (epoll_ctl(epoll, op, ev->fd, &ee) == -1) {
        perror("chaos: epoll_ctl()");
        abort();
    }

    ev->events = events;
}


/* what holds an event is never freed: a late one finds a descriptor of -1 */

void
loop_forget(event_t *ev)
{
    if (ev->fd != -1) {
        close(ev->fd);
    }

    ev->fd = -1;
    ev->events = 0;
}


/* what closes the connection then resets it */

void
loop_reset(event_t *ev)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    (void) setsockopt(ev->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}


void
loop_run(usec_t until)
{
    int                 i, n, ms;
    usec_t              last, before;
    alarm_t            *alarm;
    event_t            *ev;
    struct epoll_event  list[256];

    loop_time();

    while (now < until && !stopping) {

        last = until;

        if (nalarms && heap[1]->at < last) {
            last = heap[1]->at;
        }

        ms = (last > now) ? (int) ((last - now + 999) / 1000) : 0;
        n = epoll_wait(epoll, list, 256, ms > 20 ? 20 : ms);

        before = now;
        loop_time();

        if (now - before > STALL + 20 * MS) {
            trouble_stall(before);
        }

        for (i = 0; i < n; i++) {
            ev = list[i].data.ptr;

            if (ev->fd != -1) {
                ev->handler(ev, list[i].events);
            }
        }

        now = clock_now();

        while (nalarms && heap[1]->at <= now) {
            alarm = heap[1];
            loop_cancel(alarm);
            alarm->handler(alarm);
        }
    }
}


uint64_t
random_next(uint64_t *state)
{
    uint64_t  z;

    z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


int
pick(int n)
{
    return random_next(&dice) % n;
}
