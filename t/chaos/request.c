
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"


/* what the clients ask for */


int  base_port;
int  quiet;
int  draining;
int  waiting;


uint32_t
request_number(void)
{
    static uint32_t  last;

    return ++last;
}


/*
 * No more at once than are answered in a moment while all is well: more only
 * make one another wait, for places among the lookups too, on a slow machine.
 */

int
request_allowed(void)
{
    static int       limit = 64;
    static usec_t    since;
    static uint64_t  before;

    if (now - since > SEC / 2) {

        if (trouble_over(0, since, now, NULL) == 0
            && trouble_over(1, since, now, NULL) == 0 && now - since < SEC)
        {
            limit = (judged - before) * (20 * MS) / (now - since);
        }

        since = now;
        before = judged;
    }

    return waiting < limit;
}


static int
request_location(void)
{
    int  i;

    i = pick(LOCATIONS);

    /* every one of these costs a lookup, or many bytes */

    if ((locations[i].zone == BYPASS || locations[i].large) && pick(20)) {
        i = 0;
    }

    return i;
}


void
request_new(request_t *r, int protocol)
{
    int  n;

    n = pick(1000);

    waiting++;

    r->n = request_number();
    r->protocol = protocol;
    r->location = request_location();
    r->token = pick(TOKENS);
    r->kind = n < 900 ? GOOD : n < 960 ? BOGUS : n < 965 ? MALFORMED
              : n < 985 ? UNSUPPORTED : NONE;
    r->sent = now;

    if (quiet && locations[r->location].acts) {
        r->location = 0;
    }
}


int
request_headers(request_t *r, char *uri, char *authorization)
{
    sprintf(uri, "/%d?n=%u", r->location, r->n);

    switch (r->kind) {

    case GOOD:
        return sprintf(authorization, "Bearer %s", token_secret(r->token));

    case BOGUS:
        return sprintf(authorization, "Bearer idt:%s:MADEUPwrong%d",
                       token_id(r->token), pick(20) ? pick(2) : pick(1000000));

    case MALFORMED:
        return sprintf(authorization, "Bearer idt:TKN-1:a b");

    case UNSUPPORTED:
        return sprintf(authorization, "Bearer idt:EXT-1234-5678:MADEUP");

    default:
        return 0;
    }
}
