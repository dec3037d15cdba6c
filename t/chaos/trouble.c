
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"


/*
 * When an answer of 503, or stale facts, are right: while an API or a worker is
 * not well, and until the breaker may have closed again.
 *
 * The breaker waits for 1 s, then for 2, 4, ... each time its probe fails: once
 * the trouble is over, for no longer than that lasted, and a second.  A lookup
 * that came after the trouble, and was answered, has closed it.
 */


#define TROUBLES  256


typedef struct {
    usec_t  from;
    usec_t  end;                       /* 0: it goes on */
    usec_t  bound;
} trouble_t;


uint64_t  stalls;

static trouble_t  troubles[APIS][TROUBLES];
static unsigned   n[APIS];
static int        depth[APIS];


/* the latest trouble; before the first, an empty one */

static trouble_t *
trouble_last(int api)
{
    return &troubles[api][(n[api] - 1) % TROUBLES];
}


void
trouble_begin(int api)
{
    trouble_t  *t;

    now = clock_now();

    if (depth[api]++) {
        return;
    }

    t = trouble_last(api);

    if (t->bound < now) {
        t = &troubles[api][n[api]++ % TROUBLES];
        t->from = now;
    }

    t->end = 0;
    t->bound = 0;
}


void
trouble_end(int api, usec_t retry)
{
    trouble_t  *t;

    if (--depth[api]) {
        return;
    }

    t = trouble_last(api);
    t->end = clock_now() + retry;
    t->bound = t->end + (t->end - t->from) + SEC + POLL + lag;
}


/* nobody was given the time to do anything since then */

void
trouble_stall(usec_t from)
{
    int         i;
    trouble_t  *t;

    stalls++;

    for (i = 0; i < APIS; i++) {
        trouble_begin(i);

        t = trouble_last(i);

        if (from < t->from) {
            t->from = from;
        }

        trouble_end(i, 0);
    }
}


void
trouble_well(int api, usec_t asked, epoch_t *epoch)
{
    trouble_t  *t;

    t = trouble_last(api);

    if (epoch && depth[api] == 0 && epoch->well < t->end
        && asked > t->end + POLL + lag)
    {
        epoch->well = clock_now();
    }
}


int
trouble_over(int api, usec_t from, usec_t to, epoch_t *epoch)
{
    unsigned    i;
    trouble_t  *t;

    for (i = 0; i < n[api] && i < TROUBLES; i++) {
        t = &troubles[api][(n[api] - 1 - i) % TROUBLES];

        if (to < t->from) {
            continue;
        }

        if (t->end == 0) {
            return 1;
        }

        if (from > t->bound) {
            return 0;
        }

        if (epoch == NULL) {
            return from <= t->end + POLL + lag;
        }

        return epoch->well <= t->end || from <= epoch->well + POLL + lag;
    }

    return 0;
}


/* purges: of a token, or of an account, or with -1 for both of all */

void
purge_done(epoch_t *epoch, int token, int account, usec_t sent, usec_t at)
{
    usec_t  *p;

    p = (token != -1) ? epoch->id[token][epoch->nid[token]++ % 4]
        : (account != -1) ? epoch->account[account]
                                          [epoch->naccount[account]++ % 8]
        : epoch->all[epoch->nall++ % 8];

    p[0] = sent;
    p[1] = at;
}


static usec_t
purge_latest(usec_t (*list)[2], int size, usec_t before, usec_t floor)
{
    int  i;

    for (i = 0; i < size; i++) {
        if (list[i][1] < before && list[i][0] > floor) {
            floor = list[i][0];
        }
    }

    return floor;
}


/* a request sent then must not pass by an answer to an earlier lookup */

usec_t
purge_floor(epoch_t *epoch, int token, int account, usec_t sent)
{
    usec_t  floor;

    floor = purge_latest(epoch->all, 8, sent, 0);
    floor = purge_latest(epoch->id[token], 4, sent, floor);

    return purge_latest(epoch->account[account], 8, sent, floor);
}
