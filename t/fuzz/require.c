
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "env.h"
#include <ngx_http.h>
#include "ngx_http_auth_api_token_judge.h"


/*
 * Whether facts meet requirements, compared with what docs/directives.md says
 * of them, evaluated naively.
 *
 * The input is lines: account id, account type, modules, codes and extensions,
 * as facts have them; then one for each line of a configuration, a letter of
 * REQUIRE_LINES and its values, with blanks between them.  "!" for a value is
 * one that there is no memory for.
 */


#define REQUIRE_LINES   "atmer"    /* in the order in which they are judged */
#define REQUIRE_MAX     16
#define REQUIRE_VALUES  16


typedef ngx_http_auth_api_token_ctx_t       ctx_t;
typedef ngx_http_auth_api_token_line_t      line_t;
typedef ngx_http_auth_api_token_facts_t     facts_t;
typedef ngx_http_auth_api_token_loc_conf_t  loc_conf_t;
typedef ngx_http_auth_api_token_reason_e    reason_e;


/* of one kind */

typedef struct {
    ngx_array_t               array;
    ngx_uint_t                n;
    line_t                    lines[REQUIRE_MAX];
    ngx_http_complex_value_t  values[REQUIRE_MAX][REQUIRE_VALUES];
} require_t;


static ngx_uint_t require_read(ngx_str_t *input);
static ngx_int_t naive_judge(facts_t *facts, ngx_uint_t *kind,
    ngx_uint_t *line);
static ngx_int_t naive_line(facts_t *facts, ngx_uint_t kind, line_t *line);
static ngx_uint_t naive_meets(facts_t *facts, ngx_uint_t kind,
    ngx_str_t *value);
static ngx_uint_t naive_listed(ngx_str_t *list, ngx_str_t *value);
static ngx_uint_t naive_extension(ngx_str_t *value);
static ngx_uint_t naive_is(ngx_str_t *value, const char *text);


static require_t  require[T(LINES)];

ngx_module_t      ngx_http_auth_api_token_module;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void        *confs[1];
    ngx_int_t    rc, naive;
    ngx_str_t    input;
    facts_t     *facts;
    ngx_uint_t   i, kind, line;

    static ctx_t               ctx;
    static loc_conf_t          conf;
    static ngx_http_request_t  r;

    static const reason_e  reasons[] = {
        T(ACCOUNT), T(ACCOUNT_TYPE), T(MODULE), T(EXTENSION), T(REQUIRE)
    };

    input.data = (u_char *) data;
    input.len = size;

    facts = &ctx.reply.verdict.facts;
    facts->account_id = env_take(&input, '\n');
    facts->account_type = env_take(&input, '\n');
    facts->modules = env_take(&input, '\n');
    facts->codes = env_take(&input, '\n');
    facts->extensions = env_take(&input, '\n');

    /* in ids these bytes are percent-encoded */

    if (memchr(facts->extensions.data, '*', facts->extensions.len)
        && !naive_is(&facts->extensions, "*")
        && !naive_is(&facts->extensions, "**"))
    {
        return 0;
    }

    if (!require_read(&input)) {
        return 0;
    }

    for (i = 0; i < T(LINES); i++) {
        require[i].array.elts = require[i].lines;
        require[i].array.nelts = require[i].n;
        conf.lines[i] = require[i].n ? &require[i].array : NULL;
    }

    confs[0] = &conf;
    r.loc_conf = confs;

    ctx.reason = T(UNDECIDED);
    ctx.facts = facts;
    ctx.line = NULL;

    rc = ngx_http_auth_api_token_judge(&r, &ctx);

    naive = naive_judge(facts, &kind, &line);

    if (naive == NGX_ERROR) {
        env_check(rc == NGX_HTTP_INTERNAL_SERVER_ERROR);
        env_check(ctx.facts == NULL);
        return 0;
    }

    env_check(rc == NGX_OK);

    if (naive == NGX_OK) {
        env_check(ctx.reason == T(UNDECIDED));
        env_check(ctx.facts == facts);
        env_check(ctx.line == NULL);
        return 0;
    }

    env_check(ctx.facts == NULL);
    env_check(ctx.reason == reasons[kind]);
    env_check(ctx.line == &require[kind].lines[line]);

    return 0;
}


static ngx_uint_t
require_read(ngx_str_t *input)
{
    char        *p;
    ngx_str_t    text, value;
    require_t   *kind;
    ngx_array_t *values;

    for (kind = require; kind < require + T(LINES); kind++) {
        kind->n = 0;
    }

    while (input->len) {
        text = env_take(input, '\n');

        p = (text.len && text.data[0]) ? strchr(REQUIRE_LINES, text.data[0])
                                       : NULL;
        if (p == NULL) {
            return 0;
        }

        text.data++;
        text.len--;

        kind = &require[p - REQUIRE_LINES];

        if (kind->n == REQUIRE_MAX) {
            return 0;
        }

        values = &kind->lines[kind->n].values;
        values->elts = kind->values[kind->n++];
        values->nelts = 0;

        do {
            if (values->nelts == REQUIRE_VALUES) {
                return 0;
            }

            value = env_take(&text, ' ');

            ((ngx_http_complex_value_t *) values->elts)[values->nelts++].value
                = value;

        } while (text.len);
    }

    return 1;
}


/* all lines of all kinds, and the first that is not met */

static ngx_int_t
naive_judge(facts_t *facts, ngx_uint_t *kind, ngx_uint_t *line)
{
    ngx_int_t  rc;

    for (*kind = 0; *kind < T(LINES); (*kind)++) {
        for (*line = 0; *line < require[*kind].n; (*line)++) {

            rc = naive_line(facts, *kind, &require[*kind].lines[*line]);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


/* one of the values; of "require", each of them */

static ngx_int_t
naive_line(facts_t *facts, ngx_uint_t kind, line_t *line)
{
    ngx_uint_t                 i, met;
    ngx_http_complex_value_t  *values;

    values = line->values.elts;

    for (i = 0; i < line->values.nelts; i++) {

        if (naive_is(&values[i].value, "!")) {
            return NGX_ERROR;
        }

        met = naive_meets(facts, kind, &values[i].value);

        if (REQUIRE_LINES[kind] == 'r' && !met) {
            return NGX_DECLINED;
        }

        if (REQUIRE_LINES[kind] != 'r' && met) {
            return NGX_OK;
        }
    }

    return (REQUIRE_LINES[kind] == 'r') ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
naive_meets(facts_t *facts, ngx_uint_t kind, ngx_str_t *value)
{
    if (value->len == 0) {
        return 0;
    }

    switch (REQUIRE_LINES[kind]) {

    case 'a':
        return env_equal(value, &facts->account_id);

    case 't':
        return env_equal(value, &facts->account_type);

    case 'm':
        return naive_listed(value->len >= 4
                            && memcmp(value->data, "MOD-", 4) == 0
                            ? &facts->modules : &facts->codes,
                            value);

    case 'e':

        if (!naive_extension(value)) {
            return 0;
        }

        return naive_is(&facts->extensions, "*")
               || naive_is(&facts->extensions, "**")
               || naive_listed(&facts->extensions, value);

    default:
        return !naive_is(value, "0");
    }
}


/* the list with commas around it has the value with commas around it */

static ngx_uint_t
naive_listed(ngx_str_t *list, ngx_str_t *value)
{
    size_t   i;
    u_char  *p;

    if (memchr(value->data, ',', value->len)) {
        return 0;
    }

    for (i = 0; i + value->len <= list->len; i++) {
        p = list->data + i;

        if (memcmp(p, value->data, value->len) == 0
            && (i == 0 || p[-1] == ',')
            && (i + value->len == list->len || p[value->len] == ','))
        {
            return 1;
        }
    }

    return 0;
}


/* EXT- and one to four groups of four digits */

static ngx_uint_t
naive_extension(ngx_str_t *value)
{
    int   n;
    char  text[32];

    if (value->len >= sizeof(text) || memchr(value->data, 0, value->len)) {
        return 0;
    }

    memcpy(text, value->data, value->len);
    text[value->len] = '\0';

    if (strncmp(text, "EXT", 3) != 0 || value->len < 8) {
        return 0;
    }

    for (n = 3; text[n]; n += 5) {
        if (n > 18
            || text[n] != '-'
            || strspn(text + n + 1, "0123456789") != 4)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
naive_is(ngx_str_t *value, const char *text)
{
    return value->len == strlen(text)
           && memcmp(value->data, text, value->len) == 0;
}


ngx_int_t
ngx_http_complex_value(ngx_http_request_t *r, ngx_http_complex_value_t *val,
    ngx_str_t *value)
{
    if (naive_is(&val->value, "!")) {
        return NGX_ERROR;
    }

    *value = val->value;

    return NGX_OK;
}
