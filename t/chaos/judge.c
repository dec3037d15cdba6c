
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"
#include <stdarg.h>


/*
 * Whether an answer is right.  The name of a token says from which answer of
 * the API the facts are, and nginx tells the time at which it decided, by the
 * clock by which it counts ages: so there is nothing to guess but how coarse
 * that clock is.
 */


#define FIELDS      12
#define VIOLATIONS  20

#define WORKERS     16

#define MARGIN      (2 * SEC)
#define FOREVER     (20 * SEC)         /* longer than any fact is valid */


typedef struct {
    pid_t   pid;
    usec_t  decided;                   /* last */
} worker_t;


enum {
    F_N, F_PID, F_GEN, F_MSEC, F_RESULT, F_CACHE, F_AGE, F_ID, F_NAME,
    F_ACCOUNT, F_TYPE, F_MODULES
};


enum {
    R_PASS, R_NO_TOKEN, R_MALFORMED, R_UNSUPPORTED, R_UNKNOWN, R_DISABLED,
    R_MISMATCH, R_ACCOUNT_DISABLED, R_ACCOUNT, R_ACCOUNT_TYPE, R_MODULE,
    R_UNAVAILABLE, R_BUSY, RESULTS
};


static struct {
    const char  *name;
    int          status;
} results[] = {
    { "pass",             204 },
    { "no_token",         401 },
    { "malformed",        400 },
    { "unsupported",      401 },
    { "unknown",          401 },
    { "disabled",         401 },
    { "mismatch",         401 },
    { "account_disabled", 401 },
    { "account",          403 },
    { "account_type",     403 },
    { "module",           403 },
    { "unavailable",      503 },
    { "busy",             503 },
    { NULL,               0 }
};


enum { C_NONE, C_HIT, C_MISS, C_WAIT, C_STALE, C_BYPASS, CACHES };

static const char  *caches[] = { "-", "HIT", "MISS", "WAIT", "STALE", "BYPASS",
                                 NULL };


uint64_t  judged, passes, refusals, outages, strict, lost, left_alone;
uint64_t  stale_passes;
int       violations;
usec_t    lag;

static usec_t    lag_before, lag_now, lag_since;
static worker_t  workers[WORKERS];
static int       next_worker;


static double
since(usec_t t)
{
    return (double) (t - started) / SEC;
}


const char *
judge_result(int i)
{
    return results[i].name;
}


void
violation(request_t *r, answer_t *a, const char *fmt, ...)
{
    va_list  args;

    if (++violations > VIOLATIONS) {
        return;
    }

    printf("\nVIOLATION at %.4f s, seed %llu: ", since(clock_now()),
           (unsigned long long) seed);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");

    if (r) {
        printf("  request %u, HTTP/%d, sent %.4f: location %d, token %d "
               "(%s)\n",
               r->n, r->protocol, since(r->sent), r->location, r->token,
               r->kind == GOOD ? "good" : r->kind == BOGUS ? "bogus" : "other");
    }

    if (a) {
        printf("  answer %.4f: %d %s\n", since(a->at), a->status,
               a->value ? a->value : "without X-R");
    }

    if (r && r->kind <= BOGUS) {
        words_print(r->token, locations[r->location].scope);
        words_rate(locations[r->location].scope, r->sent,
                   a ? a->at : clock_now());
    }

    actions_print(stdout);
    fflush(stdout);

    if (violations >= VIOLATIONS || getenv("CHAOS_FIRST")) {
        printf("no more is told\n");
        stopping = 1;
    }
}


static worker_t *
judge_worker(pid_t pid)
{
    int  i;

    for (i = 0; i < WORKERS; i++) {
        if (workers[i].pid == pid) {
            return &workers[i];
        }
    }

    /* the one that was silent for the longest time is gone */

    for (i = 0, next_worker = 0; i < WORKERS; i++) {
        if (workers[i].decided < workers[next_worker].decided) {
            next_worker = i;
        }
    }

    workers[next_worker].pid = pid;
    workers[next_worker].decided = 0;

    return &workers[next_worker];
}


/*
 * How long a worker, or this process, may take for what it has to do: for hits,
 * which nothing else holds up, from the request to the answer.  A worker that
 * decided nothing for a while was not given the time to.
 */

static void
judge_lag(pid_t pid, usec_t decided, usec_t sent, usec_t at)
{
    usec_t     sample;
    worker_t  *w;

    if (at - lag_since > 2 * SEC) {
        lag_before = lag_now;
        lag_now = 0;
        lag_since = at;
    }

    w = judge_worker(pid);
    sample = at - (sent < decided ? sent : decided);

    if (w->decided && decided - w->decided > sample) {
        sample = decided - w->decided;
    }

    if (sample > lag_now && sample < SEC) {
        lag_now = sample;
    }

    lag = (lag_now > lag_before) ? lag_now : lag_before;

    if (sample > STALL) {
        trouble_stall(at - sample);
    }

    if (decided > w->decided) {
        w->decided = decided;
    }
}


static int
stopped(usec_t from, usec_t to)
{
    return stop_from && from <= stop_to && to >= stop_from;
}


static int
judge_requirement(location_t *l, word_t *w)
{
    if (l->accounts && !(l->accounts & (1 << w->account))) {
        return R_ACCOUNT;
    }

    if (l->types && !(l->types & (1 << w->account % 3))) {
        return R_ACCOUNT_TYPE;
    }

    if (l->modules && !(l->modules & w->modules)) {
        return R_MODULE;
    }

    return R_PASS;
}


static int
judge_word(location_t *l, word_t *w)
{
    switch (w->state) {

    case UNKNOWN:
        return R_UNKNOWN;

    case DISABLED:
        return R_DISABLED;

    case ACCOUNT_DISABLED:
        return R_ACCOUNT_DISABLED;

    default:
        return judge_requirement(l, w);
    }
}


/* section 7.1 */

static const char *
judge_age(request_t *r, answer_t *a, word_t *w, int cache, usec_t decided)
{
    usec_t       age, valid, slack;
    location_t  *l;

    l = &locations[r->location];
    age = decided - w->asked;
    slack = tick + 2 * MS;

    /* the wait is one for the lookup, however old it is when it ends */

    valid = (judge_word(l, w) >= R_UNKNOWN && w->state != ACTIVE)
            ? l->denied * MS : l->valid * MS;

    switch (cache) {

    case C_HIT:
        return (age < valid + slack) ? NULL : "older than valid";

    case C_STALE:
        if (age >= valid + l->stale * MS + slack) {
            return "older than valid and stale";
        }

        return trouble_over(scopes[l->scope].api, r->sent, a->at,
                            conf_epoch(atoi(strchr(strchr(a->value, '|') + 1,
                                                   '|') + 1), r->location))
               ? NULL : "stale, and the API is well";

    case C_MISS:
    case C_BYPASS:
        return (w->asked >= r->sent) ? NULL : "not asked for this request";

    case C_WAIT:
        if (age < valid + slack || w->said >= r->sent - POLL - lag) {
            return NULL;
        }

        return (stopped(w->asked, a->at)
                && age < scopes[l->scope].timeout * MS + GRACE + POLL + slack)
               ? NULL : "older than valid, and than the wait";

    default:
        return "from nowhere";
    }
}


static void
judge_pass(request_t *r, answer_t *a, char **f, int cache, usec_t decided)
{
    int          i, n;
    char         text[64];
    usec_t       floor, age;
    word_t      *w;
    epoch_t     *epoch;
    uint32_t     name;
    location_t  *l;
    const char  *wrong;

    l = &locations[r->location];
    name = (f[F_NAME][0] == 'w') ? strtoul(f[F_NAME] + 1, NULL, 10) : 0;

    if (name == 0 || name >= nwords) {
        violation(r, a, "the API never said that");
        return;
    }

    w = &words[name];

    if (w->token != r->token || w->scope != l->scope || w->said == 0
        || w->said > a->at || strcmp(f[F_ID], token_id(r->token)) != 0)
    {
        violation(r, a, "the API did not say that of this token: it is token "
                  "%d, scope %d, said %.4f", w->token, w->scope,
                  since(w->said));
        return;
    }

    for (i = 0, n = 0, text[0] = '\0'; i < MODULES; i++) {
        if (w->modules & (1 << i)) {
            n += sprintf(text + n, "%sMOD-%04d", n ? "," : "", i + 1);
        }
    }

    if (strcmp(f[F_MODULES], text) != 0
        || strncmp(f[F_ACCOUNT], "ACC-0000-000", 12) != 0
        || atoi(f[F_ACCOUNT] + 9) != w->account + 1
        || strcmp(f[F_TYPE], types[w->account % 3]) != 0)
    {
        violation(r, a, "other facts than the API said");
        return;
    }

    if (w->state != ACTIVE || judge_requirement(l, w) != R_PASS) {
        violation(r, a, "passed, but is refused as %s",
                  results[judge_word(l, w)].name);
        return;
    }

    wrong = judge_age(r, a, w, cache, decided);

    if (wrong) {
        violation(r, a, "passed on facts of %.4f: %s", since(w->asked), wrong);
        return;
    }

    /* the age is counted from a moment before the API was asked */

    age = decided - w->asked;

    if (atoi(f[F_AGE]) * SEC + SEC + tick + 2 * MS < age
        || (atoi(f[F_AGE]) * SEC > age + scopes[l->scope].timeout * MS + SEC
            && !stopped(w->asked - SEC, a->at)))
    {
        violation(r, a, "the age is %.4f", (double) age / SEC);
        return;
    }

    epoch = conf_epoch(atoi(f[F_GEN]), r->location);
    floor = epoch ? purge_floor(epoch, r->token, w->account, r->sent) : 0;

    if (w->asked <= floor) {
        violation(r, a, "passed on facts of %.4f, purged at %.4f",
                  since(w->asked), since(floor));
    }
}


/* an answer of the API has to be the reason */

static void
judge_refusal(request_t *r, answer_t *a, int result, int cache, usec_t decided)
{
    word_t      *w;
    uint32_t     n;
    location_t  *l;

    l = &locations[r->location];

    for (n = words_last(r->token, l->scope); n; n = w->before) {
        w = &words[n];

        if (r->sent - w->asked > FOREVER) {
            break;
        }

        if (w->said && w->said <= a->at && judge_word(l, w) == result
            && judge_age(r, a, w, cache, decided) == NULL)
        {
            return;
        }
    }

    violation(r, a, "refused, and the API never said so, or too long ago");
}


static int
judge_kind(request_t *r, int result)
{
    switch (r->kind) {

    case GOOD:
        return result == R_PASS || result >= R_UNKNOWN;

    case BOGUS:
        return result == R_UNKNOWN || result == R_MISMATCH
               || result >= R_UNAVAILABLE
               || (locations[r->location].scope == 2
                   && (result == R_DISABLED || result == R_ACCOUNT_DISABLED));

    case MALFORMED:
        return result == R_MALFORMED;

    case UNSUPPORTED:
        return result == R_UNSUPPORTED;

    default:
        return result == R_NO_TOKEN;
    }
}


static int
judge_index(const char *s, int dry)
{
    int     i;
    size_t  len;

    len = strlen(s);

    if (dry && len > 8 && strcmp(s + len - 8, "_dry_run") == 0) {
        len -= 8;
    }

    for (i = 0; results[i].name; i++) {
        if (strlen(results[i].name) == len
            && strncmp(results[i].name, s, len) == 0)
        {
            return i;
        }
    }

    return -1;
}


static usec_t
judge_msec(const char *s)
{
    const char  *p;

    p = strchr(s, '.');

    return p ? strtoll(s, NULL, 10) * SEC + atoi(p + 1) * MS - realtime : 0;
}


static int
judge_split(char *value, char *copy, size_t size, char **f)
{
    int    n;
    char  *p;

    snprintf(copy, size, "%s", value);

    for (n = 0, p = copy; n < FIELDS; n++) {
        f[n] = p;
        p = strchr(p, '|');

        if (p == NULL) {
            return n + 1;
        }

        *p++ = '\0';
    }

    return FIELDS + 1;
}


static void
judge_time(request_t *r, answer_t *a, pid_t pid, int cache, usec_t decided)
{
    usec_t  took;

    if (a->late || stopped(r->sent, a->at)) {
        return;
    }

    if (a->status == 204) {
        judge_lag(pid, decided, cache <= C_HIT ? r->sent : decided, a->at);
    }

    took = a->at - r->sent;

    if (took > scopes[locations[r->location].scope].timeout * MS + MARGIN + lag)
    {
        violation(r, a, "took %.3f s", (double) took / SEC);
    }
}


void
judge(request_t *r, answer_t *a)
{
    int          result, cache, gen, dry, api;
    char         copy[512], *f[FIELDS];
    usec_t       decided;
    epoch_t     *epoch;
    location_t  *l;

    judged++;

    l = &locations[r->location];
    dry = l->dry_run;

    if (a->value == NULL
        || judge_split(a->value, copy, sizeof(copy), f) != FIELDS)
    {
        violation(r, a, "an answer of another kind");
        return;
    }

    if (strtoul(f[F_N], NULL, 10) != r->n) {
        violation(r, a, "an answer to another request");
        return;
    }

    gen = atoi(f[F_GEN]);
    result = judge_index(f[F_RESULT], dry);
    decided = judge_msec(f[F_MSEC]);

    for (cache = 0; caches[cache] && strcmp(caches[cache], f[F_CACHE]) != 0;
         cache++)
    {
        /* void */
    }

    if (gen <= 0 || gen >= ngens || result == -1 || cache == CACHES) {
        violation(r, a, "an answer of another kind");
        return;
    }

    gens[gen].seen = 1;
    epoch = conf_epoch(gen, r->location);

    if (epoch) {
        (dry ? epoch->dry : epoch->results)[result]++;
        epoch->cache[cache]++;
        epoch->acts += l->acts;
    }

    if (a->status != ((dry || result == R_PASS) ? (l->large ? 200 : 204)
                                                : results[result].status))
    {
        violation(r, a, "not the status of that result");
        return;
    }

    if (!judge_kind(r, result)) {
        violation(r, a, "not a result for such a token");
        return;
    }

    judge_time(r, a, atoi(f[F_PID]), cache, decided);

    if (result != R_PASS
        && (f[F_ID][0] || f[F_NAME][0] || f[F_ACCOUNT][0] || f[F_TYPE][0]
            || f[F_MODULES][0]))
    {
        violation(r, a, "refused, but proved");
        return;
    }

    api = scopes[l->scope].api;

    if (result == R_PASS) {
        passes++;
        stale_passes += (cache == C_STALE);
        judge_pass(r, a, f, cache, decided);

    } else if (result >= R_UNAVAILABLE) {
        outages++;

        if (!trouble_over(api, r->sent, a->at, epoch)
            && !http1_stalled())
        {
            violation(r, a, "not available, and the API is well");
        }

    } else {
        refusals++;

        if (r->kind == GOOD) {
            judge_refusal(r, a, result, cache, decided);
        }
    }

    if (judged % 16 == 0 && !trouble_over(api, r->sent, a->at, epoch)) {
        strict += 16;
    }
}


/* a connection was closed by nginx, and there was no answer yet */

void
judge_lost(request_t *r, int excused)
{
    lost++;
    now = clock_now();

    if (!excused && now - killed > 2 * SEC && now - changed > 10 * SEC) {
        violation(r, NULL, "no answer, and the connection is closed");
    }
}


void
judge_pending(request_t *r)
{
    usec_t  from;

    from = r->sent;

    if (stop_from && stop_to > from) {
        from = stop_to;
    }

    if (now - from > scopes[locations[r->location].scope].timeout * MS
                     + 2 * MARGIN + lag)
    {
        violation(r, NULL, "no answer for %.1f s",
                  (double) (now - r->sent) / SEC);
    }
}
