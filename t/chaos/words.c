
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"


/* the tokens, and all that the API said of them */


word_t      *words;
uint32_t     nwords = 1;
facts_t      tokens[TOKENS];

const char  *types[3] = { "Client", "Vendor", "Operations" };

static const char  *states[] = { "active", "unknown", "disabled",
                                 "account_disabled" };

static uint32_t  last[TOKENS][SCOPES];
static facts_t   past[TOKENS][8];
static unsigned  npast[TOKENS];
static char      ids[TOKENS][16];
static char      secrets[TOKENS][96];


static void
words_facts(facts_t *facts, int state)
{
    facts->state = state;
    facts->account = pick(ACCOUNTS);
    facts->modules = pick(1 << MODULES);
    facts->since = clock_now();
}


void
words_init(void)
{
    int  i;

    words = calloc(WORDS, sizeof(word_t));

    if (words == NULL) {
        abort();
    }

    for (i = 0; i < TOKENS; i++) {
        sprintf(ids[i], "TKN-%04d-%04d", i, 9000 + i);
        sprintf(secrets[i], "idt:%s:MADEUPmadeup%052d", ids[i], i * 7919);
        words_facts(&tokens[i], ACTIVE);
    }
}


/* most are active most of the time */

void
words_flip(void)
{
    int  i;

    i = pick(TOKENS);

    past[i][npast[i]++ % 8] = tokens[i];

    words_facts(&tokens[i], pick(100) < 75 ? ACTIVE : 1 + pick(3));
}


uint32_t
words_new(int token, int scope)
{
    word_t   *w;
    facts_t  *facts;

    if (nwords == WORDS) {
        fprintf(stderr, "chaos: too many lookups\n");
        abort();
    }

    w = &words[nwords];
    facts = &tokens[token];

    w->asked = clock_now();
    w->before = last[token][scope];
    w->token = token;
    w->scope = scope;
    w->state = facts->state;
    w->account = facts->account;
    w->modules = facts->modules;

    last[token][scope] = nwords;

    return nwords++;
}


uint32_t
words_last(int token, int scope)
{
    return last[token][scope];
}


static void
words_line(const char *what, state_e state, int account, unsigned modules)
{
    printf("    %s %s ACC-0000-%04d (%s) modules %x\n", what, states[state],
           account + 1, types[account % 3], modules);
}


void
words_print(int token, int scope)
{
    int        i;
    char       what[128];
    word_t    *w;
    facts_t   *facts;
    uint32_t   n;

    printf("  what the API said in scope \"%s\", last first:\n",
           scopes[scope].name);

    for (i = 0, n = last[token][scope]; i < 10 && n; i++, n = words[n].before) {
        w = &words[n];
        sprintf(what, "w%u: asked %.4f, said %.4f:", n,
                (double) (w->asked - started) / SEC,
                w->said ? (double) (w->said - started) / SEC : -1.0);
        words_line(what, w->state, w->account, w->modules);
    }

    printf("  what was true of it, last first:\n");

    for (i = 0; i <= 8 && i <= (int) npast[token]; i++) {
        facts = i ? &past[token][(npast[token] - i) % 8] : &tokens[token];
        sprintf(what, "since %.4f:", (double) (facts->since - started) / SEC);
        words_line(what, facts->state, facts->account, facts->modules);
    }
}


/* how often the API was asked, in steps of 0.1 s */

void
words_rate(int scope, usec_t from, usec_t to)
{
    int       i, n;
    usec_t    step;
    uint32_t  first, word;

    printf("  lookups in the scope, in steps of 0.1 s since 0.5 s before it "
           "was sent:");

    first = nwords > 20000 ? nwords - 20000 : 1;
    step = from - 500 * MS;

    for (i = 0; i < 40 && step < to; i++, step += 100 * MS) {
        for (n = 0, word = first; word < nwords; word++) {
            n += (words[word].scope == scope && words[word].asked >= step
                  && words[word].asked < step + 100 * MS);
        }

        printf(" %d", n);
    }

    printf("\n");
}


const char *
token_id(int token)
{
    return ids[token];
}


const char *
token_secret(int token)
{
    return secrets[token];
}


/* the token of an id that ends there, or -1 */

int
token_find(const char *id)
{
    int  i;

    if (strncmp(id, "TKN-", 4) != 0) {
        return -1;
    }

    i = atoi(id + 4);

    return (i >= 0 && i < TOKENS && strncmp(id, ids[i], 13) == 0) ? i : -1;
}
