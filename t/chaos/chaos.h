
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _CHAOS_H_INCLUDED_
#define _CHAOS_H_INCLUDED_


#define _GNU_SOURCE

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/types.h>


/*
 * One process is the token API, the clients of nginx, and the judge, so that
 * all of them have one clock and one history.  Times are microseconds of
 * CLOCK_MONOTONIC.
 */


#define TOKENS      96
#define ACCOUNTS    6                  /* ACC-0000-0001 and on, type n % 3 */
#define MODULES     4                  /* MOD-0001 and on, a bit each */
#define LOCATIONS   12
#define SCOPES      5
#define ZONES       3
#define APIS        2
#define GENS        4096
#define WORDS       (4 * 1024 * 1024)
#define BYPASS      -1                 /* instead of a zone */
#define STALL       SEC                /* a process gets no CPU time */

#define MS          ((usec_t) 1000)
#define SEC         ((usec_t) 1000000)

/* of the module: a lease lasts for so much longer than its timeout; polling */

#define GRACE       SEC
#define POLL        (20 * MS)


typedef int64_t  usec_t;


/* loop.c */

typedef struct event_s  event_t;
typedef struct alarm_s  alarm_t;

struct event_s {
    int        fd;
    uint32_t   events;
    void     (*handler)(event_t *ev, uint32_t what);
};

struct alarm_s {
    usec_t     at;
    int        place;                  /* in the heap, 0: not set */
    void     (*handler)(alarm_t *alarm);
};

extern usec_t  now;
extern usec_t  started;
extern usec_t  realtime;               /* CLOCK_REALTIME - CLOCK_MONOTONIC */
extern usec_t  tick;                   /* how coarse nginx's clock is */
extern int     stopping;

usec_t clock_now(void);
void loop_init(void);
void loop_run(usec_t until);
void loop_watch(event_t *ev, uint32_t events);
void loop_forget(event_t *ev);
void loop_reset(event_t *ev);
void loop_alarm(alarm_t *alarm, usec_t at);
void loop_cancel(alarm_t *alarm);

uint64_t random_next(uint64_t *state);
int pick(int n);                       /* of the clients and the API */
extern uint64_t  dice;


/* words.c: what the API says, and said, of each token */

typedef enum {
    ACTIVE = 0,
    UNKNOWN,
    DISABLED,
    ACCOUNT_DISABLED
} state_e;

typedef struct {
    state_e    state;
    int        account;
    unsigned   modules;
    usec_t     since;
} facts_t;

/* one answer of the API; its number is the name of the token in it */

typedef struct {
    usec_t     asked;                  /* when the lookup came */
    usec_t     said;                   /* when the answer was sent, or 0 */
    uint32_t   before;                 /* of this token in this scope, or 0 */
    uint8_t    token;
    uint8_t    scope;
    uint8_t    state;
    uint8_t    account;
    uint8_t    modules;
} word_t;

extern word_t    *words;
extern uint32_t   nwords;
extern facts_t    tokens[TOKENS];

void words_init(void);
void words_flip(void);
uint32_t words_new(int token, int scope);
uint32_t words_last(int token, int scope);
void words_print(int token, int scope);
void words_rate(int scope, usec_t from, usec_t to);

const char *token_id(int token);
const char *token_secret(int token);
int token_find(const char *id);
extern const char  *types[3];


/* conf.c: what nginx is told; a generation is one nginx.conf */

typedef struct {
    const char  *directives;
    int          zone;
    int          scope;
    int          valid;                /* ms */
    int          denied;
    int          stale;
    unsigned     accounts;             /* a bit each, 0: any */
    unsigned     types;
    unsigned     modules;
    int          dry_run;
    int          large;
    int          acts;                 /* has a post_action */
} location_t;

typedef struct {
    const char  *name;
    int          api;
    int          zone;
    int          timeout;              /* ms */
} scope_t;

/* the contents of a zone: a new one when its size changes, or the master */

typedef struct {
    usec_t       all[8][2];            /* purges, sent and answered */
    usec_t       id[TOKENS][4][2];
    usec_t       account[ACCOUNTS][8][2];
    unsigned     nall;
    unsigned     nid[TOKENS];
    unsigned     naccount[ACCOUNTS];

    usec_t       well;                 /* an answer after the last trouble */
    uint64_t     results[32];          /* answers, by result */
    uint64_t     dry[32];
    uint64_t     cache[8];
    uint64_t     acts;                 /* which may have had another result */
    uint64_t     lost;                 /* requests lost before it began */
} epoch_t;

typedef struct {
    int          seen;
    int          size[ZONES];          /* 0: there is none */
    epoch_t     *epoch[ZONES];
} gen_t;

extern location_t    locations[LOCATIONS];
extern scope_t       scopes[SCOPES];
extern gen_t         gens[GENS];
extern int           ngens;
extern const char   *zone_names[ZONES];

int conf_write(int from, int size_b, int size_c);
epoch_t *conf_epoch(int gen, int location);


/* judge.c */

typedef enum {
    GOOD = 0,
    BOGUS,
    MALFORMED,
    UNSUPPORTED,
    NONE
} kind_e;

typedef struct {
    uint32_t     n;
    uint8_t      location;
    uint8_t      kind;
    uint8_t      token;
    uint8_t      protocol;
    usec_t       sent;
} request_t;

typedef struct {
    int          status;
    char        *value;                /* of X-R, null-terminated */
    usec_t       at;
    int          late;                 /* the client did not read at once */
} answer_t;

extern uint64_t  judged, passes, refusals, outages, strict, lost, left_alone;
extern uint64_t  stale_passes, stalls;
extern int       violations;
extern uint64_t  seed;
extern usec_t    lag;

void judge(request_t *r, answer_t *a);
void judge_lost(request_t *r, int excused);
void judge_pending(request_t *r);
void violation(request_t *r, answer_t *a, const char *fmt, ...);
const char *judge_result(int i);

void trouble_begin(int api);           /* API, worker or machine is not well */
void trouble_end(int api, usec_t retry);
int trouble_over(int api, usec_t from, usec_t to, epoch_t *epoch);
void trouble_stall(usec_t from);
void trouble_well(int api, usec_t asked, epoch_t *epoch);
void purge_done(epoch_t *epoch, int token, int account, usec_t sent,
    usec_t at);
usec_t purge_floor(epoch_t *epoch, int token, int account, usec_t sent);


/* api.c */

typedef enum {
    WELL = 0,
    ERROR_500,
    ERROR_429,
    GARBAGE,
    HANG,
    SLOW,
    RESET,
    DOWN,
    MOODS
} mood_e;

extern const char  *mood_names[MOODS];
extern uint64_t     lookups[SCOPES];

void api_init(int port);
void api_mood(int api, mood_e mood);


/* request.c, http1.c, http2.c */

extern int  base_port;
extern int  quiet;                     /* no client leaves or dawdles */
extern int  draining;                  /* no new requests */
extern int  waiting;                   /* requests without an answer yet */

uint32_t request_number(void);
int request_allowed(void);

void request_new(request_t *r, int protocol);
int request_headers(request_t *r, char *uri, char *authorization);

void http1_init(int n);
void http1_check(void);
int http1_pending(void);
int http1_stalled(void);
void http1_close(void);

void http2_init(int n);
void http2_check(void);
int http2_pending(void);
void http2_close(void);

void purge_init(void);


/* nginx.c: its processes, logs and figures */

extern char   *dir, *logs, *binary, *module, *zone_tool;
extern pid_t   master, second;
extern usec_t  killed;                 /* last time a worker was */
extern usec_t  changed;                /* or was told to go */

void nginx_start(void);
int nginx_workers(pid_t of, pid_t *pids, int max);
pid_t nginx_pid(void);
int nginx_reaped(pid_t pid);
void nginx_reap(void);
void nginx_logs(void);
void nginx_truncate(void);
char *nginx_get(const char *uri);
uint64_t nginx_figure(const char *body, const char *name);
int nginx_slots(pid_t pid);
void nginx_stop(void);
void fail(const char *fmt, ...);


/* actions.c */

extern usec_t  stop_from, stop_to;     /* a worker is, or was, stopped */

void actions_init(void);
void actions_end(void);
int actions_busy(void);
void actions_print(FILE *out);
void actions_count(FILE *out);
int actions_killed(pid_t pid);
void actions_purged(void);


#endif /* _CHAOS_H_INCLUDED_ */
