
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_directive.h"


#define NAIVE_PARAMS  4

/* of numbers: more than any may be */

#define NAIVE_HUGE    ((uint64_t) 1 << 63)


/* a parameter is what its value has to be, and the default */

typedef struct {
    char        kind;
    const char  *name;
    uint64_t     min;
    uint64_t     max;
    const char  *absent;
} naive_param_t;


/* 'u' is a URI, 'k' a key, or else any text; with "!" it may be off, alone */

typedef struct {
    const char     *name;
    const char     *first;
    naive_param_t   params[NAIVE_PARAMS];
} naive_directive_t;


static ngx_uint_t naive_first(const char *kind, ngx_str_t *value);
static ngx_uint_t naive_params(naive_param_t *params, ngx_str_t *args,
    ngx_uint_t n, plain_t *plain);
static ngx_uint_t naive_param(naive_param_t *param, ngx_str_t value,
    plain_t *plain);
static ngx_uint_t naive_values(ngx_str_t *args, ngx_uint_t n,
    plain_t *plain);
static ngx_uint_t naive_value(const char *name, ngx_str_t *value);
static ngx_uint_t naive_require(ngx_str_t *args, ngx_uint_t n,
    plain_t *plain);
static ngx_uint_t naive_number(ngx_str_t *value, uint64_t *n);
static uint64_t naive_times(uint64_t n, uint64_t factor, uint64_t more);
static ngx_uint_t naive_time(ngx_str_t value, uint64_t *ms);
static ngx_uint_t naive_zone(ngx_str_t value, plain_t *plain);
static ngx_uint_t naive_label(ngx_str_t *value);
static ngx_uint_t naive_variable(ngx_str_t value);
static ngx_uint_t naive_id(ngx_str_t *value, const char *prefix);
static ngx_uint_t naive_word(ngx_str_t *value, const char *words);
static ngx_uint_t naive_is(ngx_str_t *value, const char *text);
static ngx_uint_t naive_all(ngx_str_t *value, const char *set);


static naive_directive_t  naive_directives[] = {

    { "auth_api_token", "!",
      { { 'v', "token=", 0, 0, NULL },
        { 'w', "format=", 0, 0, "idt opaque" } } },

    { "auth_api_token_request", "u",
      { { 'w', "credential=", 0, 0, "client service" },
        { 'l', "api=", 0, 0, NULL },
        { 't', "timeout=", 1, 60000, "timeout=10000ms\n" } } },

    { "auth_api_token_cache", "!",
      { { 't', "valid=", 10, 86400000, "valid=60000ms\n" },
        { 't', "denied=", 10, 86400000, "denied=5000ms\n" },
        { 't', "stale=", 0, 86400000, "stale=0ms\n" },
        { 'w', "refresh=", 0, 0, "on off" } } },

    { "auth_api_token_denied_limit", "k!",
      { { 'r', "rate=", 1, 1000000, "rate=500\n" },
        { 'n', "burst=", 1, 1000000, "burst=30\n" } } },

    { "auth_api_token_zone", NULL,
      { { 'z', "zone=", 0, 0, "" },
        { 'n', "lookups=", 1, 1024, "lookups=64\n" },
        { 'n', "queue=", 0, 65536, "queue=1024\n" },
        { '%', "denied=", 1, 90, "denied=10%\n" } } },

    { NULL, NULL, { { 0, NULL, 0, 0, NULL } } }
};


ngx_uint_t
naive_directive(ngx_str_t *args, ngx_uint_t n, plain_t *plain)
{
    naive_directive_t  *d;

    plain->len = 0;
    plain_add(plain, "%V\n", &args[0]);

    for (d = naive_directives; d->name; d++) {

        if (!naive_is(&args[0], d->name)) {
            continue;
        }

        if (d->first == NULL) {
            return naive_params(d->params, args + 1, n - 1, plain);
        }

        if (strchr(d->first, '!') && naive_is(&args[1], "off")) {
            plain_add(plain, "off\n");
            return n == 2;
        }

        plain_add(plain, "%V\n", &args[1]);

        return naive_first(d->first, &args[1])
               && naive_params(d->params, args + 2, n - 2, plain);
    }

    if (naive_is(&args[0], "auth_api_token_phase")) {
        plain_add(plain, "%V\n", &args[1]);
        return naive_word(&args[1], "access preaccess");
    }

    if (naive_is(&args[0], "auth_api_token_https")
        || naive_is(&args[0], "auth_api_token_dry_run"))
    {
        plain_add(plain, "%V\n", &args[1]);
        return naive_word(&args[1], "on off") || naive_variable(args[1]);
    }

    if (naive_is(&args[0], "auth_api_token_require")) {
        return naive_require(args + 1, n - 1, plain);
    }

    return naive_values(args, n, plain);
}


void
plain_add(plain_t *plain, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    p = plain->data + plain->len;

    va_start(args, fmt);
    p = ngx_vslprintf(p, plain->data + sizeof(plain->data), fmt, args);
    va_end(args);

    plain->len = p - plain->data;

    env_check(plain->len < sizeof(plain->data));
}


static ngx_uint_t
naive_first(const char *kind, ngx_str_t *value)
{
    size_t  i;

    switch (*kind) {

    case 'u':

        for (i = 0; i < value->len; i++) {
            if (strchr(" ?#$", value->data[i])) {
                return 0;
            }
        }

        return value->len && value->data[0] == '/';

    case 'k':
        return memchr(value->data, '$', value->len) != NULL;

    default:
        return 1;
    }
}


/* each at most once */

static ngx_uint_t
naive_params(naive_param_t *params, ngx_str_t *args, ngx_uint_t n,
    plain_t *plain)
{
    size_t          len;
    ngx_str_t       value;
    ngx_uint_t      i, known, seen;
    naive_param_t  *param;

    known = 0;

    for (param = params; param < params + NAIVE_PARAMS && param->name; param++)
    {
        len = strlen(param->name);
        seen = 0;

        for (i = 0; i < n; i++) {

            if (args[i].len < len
                || memcmp(args[i].data, param->name, len) != 0)
            {
                continue;
            }

            value.data = args[i].data + len;
            value.len = args[i].len - len;

            seen++;
            known++;

            if (!naive_param(param, value, plain)) {
                return 0;
            }
        }

        if (seen > 1) {
            return 0;
        }

        if (seen == 0 && param->kind == 'w') {
            value.data = (u_char *) param->absent;
            value.len = strchr(param->absent, ' ') - param->absent;
            plain_add(plain, "%s%V\n", param->name, &value);

        } else if (seen == 0 && param->kind == 'z') {
            return 0;

        } else if (seen == 0 && param->absent) {
            plain_add(plain, "%s", param->absent);
        }
    }

    return known == n;
}


static ngx_uint_t
naive_param(naive_param_t *param, ngx_str_t value, plain_t *plain)
{
    uint64_t    n, scale;
    ngx_str_t   unit;
    const char  *form;

    switch (param->kind) {

    case 'v':
        plain_add(plain, "%s%V\n", param->name, &value);
        return naive_variable(value);

    case 'w':
        plain_add(plain, "%s%V\n", param->name, &value);
        return naive_word(&value, param->absent);

    case 'l':
        plain_add(plain, "%s%V\n", param->name, &value);
        return naive_label(&value);

    case 'z':
        return naive_zone(value, plain);

    default:
        break;
    }

    scale = 0;
    form = "%s%uL\n";

    switch (param->kind) {

    case 't':
        form = "%s%uLms\n";

        if (!naive_time(value, &n)) {
            return 0;
        }

        break;

    case '%':
        form = "%s%uL%%\n";

        if (value.len == 0 || value.data[--value.len] != '%') {
            return 0;
        }

        break;

    case 'r':

        if (value.len < 3) {
            return 0;
        }

        value.len -= 3;
        unit.data = value.data + value.len;
        unit.len = 3;

        scale = naive_is(&unit, "r/s") ? 1 : naive_is(&unit, "r/m") ? 60 : 0;

        if (scale == 0) {
            return 0;
        }
    }

    if ((param->kind != 't' && !naive_number(&value, &n))
        || n < param->min
        || n > param->max)
    {
        return 0;
    }

    plain_add(plain, form, param->name, scale ? n * 1000 / scale : n);

    return 1;
}


static ngx_uint_t
naive_values(ngx_str_t *args, ngx_uint_t n, plain_t *plain)
{
    ngx_uint_t   i;
    const char  *name;

    name = (char *) args[0].data + strlen("auth_api_token_");

    for (i = 1; i < n; i++) {

        if (!naive_variable(args[i]) && !naive_value(name, &args[i])) {
            return 0;
        }

        plain_add(plain, "%V\n", &args[i]);
    }

    return n > 1;
}


static ngx_uint_t
naive_value(const char *name, ngx_str_t *value)
{
    if (strcmp(name, "account") == 0) {
        return naive_id(value, "ACC");
    }

    if (strcmp(name, "account_type") == 0) {
        return naive_word(value, "Client Vendor Operations");
    }

    if (strcmp(name, "extension") == 0) {
        return naive_id(value, "EXT");
    }

    return naive_id(value, "MOD")
           || (value->len
               && value->data[0] != '-'
               && naive_all(value, "abcdefghijklmnopqrstuvwxyz0123456789-"));
}


static ngx_uint_t
naive_require(ngx_str_t *args, ngx_uint_t n, plain_t *plain)
{
    ngx_uint_t  i, errors, status;

    errors = 0;
    status = 403;

    for (i = 0; i < n; i++) {

        if (naive_is(&args[i], "error=401")) {
            errors++;
            status = 401;

        } else if (naive_is(&args[i], "error=403")) {
            errors++;

        } else if (naive_variable(args[i])) {
            plain_add(plain, "%V\n", &args[i]);

        } else {
            return 0;
        }
    }

    plain_add(plain, "error=%ui\n", status);

    return errors < 2 && n > errors;
}


static ngx_uint_t
naive_number(ngx_str_t *value, uint64_t *n)
{
    size_t  i;

    *n = 0;

    if (value->len == 0 || !naive_all(value, "0123456789")) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {
        *n = naive_times(*n, 10, value->data[i] - '0');
    }

    return 1;
}


/* n * factor + more, or that it is huge */

static uint64_t
naive_times(uint64_t n, uint64_t factor, uint64_t more)
{
    if (more >= NAIVE_HUGE || n > (NAIVE_HUGE - more) / factor) {
        return NAIVE_HUGE;
    }

    return n * factor + more;
}


/*
 * Numbers with units, from the largest to the smallest, and seconds at the end.
 * nginx also takes a unit without a number for none, and numbers of seconds
 * with blanks between them.
 */

static ngx_uint_t
naive_time(ngx_str_t value, uint64_t *ms)
{
    size_t       n;
    uint64_t     number;
    ngx_str_t    digits;
    ngx_uint_t   unit, next, any;

    static const struct {
        const char  *name;
        uint64_t     ms;
    } units[] = {
        { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 },
        { "m", 60000 }, { "s", 1000 }, { " ", 1000 }, { "ms", 1 }
    };

    *ms = 0;
    any = 0;
    next = 0;

    for ( ;; ) {

        for (n = 0; n < value.len && isdigit(value.data[n]); n++) { /* void */ }

        digits.data = value.data;
        digits.len = n;

        value.data += n;
        value.len -= n;

        any |= naive_number(&digits, &number);

        if (value.len == 0) {
            *ms = naive_times(number, 1000, *ms);
            return any;
        }

        if (value.len > 1 && value.data[0] == 'm' && value.data[1] == 's') {
            unit = 6;

        } else {
            for (unit = 0; unit < 6; unit++) {
                if (value.data[0] == (u_char) units[unit].name[0]) {
                    break;
                }
            }

            if (unit == 6) {
                return 0;
            }
        }

        /* after seconds a blank is none of these, and after it is nothing */

        if (unit < next || (unit == 5 && next > 4)) {
            return 0;
        }

        next = (unit == 5) ? 7 : unit + 1;

        *ms = naive_times(number, units[unit].ms, *ms);

        value.data += strlen(units[unit].name);
        value.len -= strlen(units[unit].name);

        while (value.len && value.data[0] == ' ') {
            value.data++;
            value.len--;
        }
    }
}


/* a name and a size of at least eight pages */

static ngx_uint_t
naive_zone(ngx_str_t value, plain_t *plain)
{
    uint64_t   n, scale;
    ngx_str_t  name;

    if (memchr(value.data, ':', value.len) == NULL) {
        return 0;
    }

    name = env_take(&value, ':');

    if (!naive_label(&name) || naive_is(&name, "off") || value.len == 0) {
        return 0;
    }

    scale = 1;

    switch (value.data[value.len - 1]) {

    case 'k':
    case 'K':
        scale = 1024;
        value.len--;
        break;

    case 'm':
    case 'M':
        scale = 1024 * 1024;
        value.len--;
        break;
    }

    if (!naive_number(&value, &n)) {
        return 0;
    }

    n = naive_times(n, scale, 0);

    if (n < 8 * ngx_pagesize || n >= NAIVE_HUGE) {
        return 0;
    }

    plain_add(plain, "zone=%V:%uL\n", &name, n);

    return 1;
}


static ngx_uint_t
naive_label(ngx_str_t *value)
{
    return value->len > 0
           && value->len < 65
           && naive_all(value, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
}


static ngx_uint_t
naive_variable(ngx_str_t value)
{
    if (value.len == 0 || value.data[0] != '$') {
        return 0;
    }

    value.data++;
    value.len--;

    if (value.len > 1
        && value.data[0] == '{'
        && value.data[value.len - 1] == '}')
    {
        value.data++;
        value.len -= 2;
    }

    return value.len
           && naive_all(&value, "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}


/* and one to four groups of "-" and four digits */

static ngx_uint_t
naive_id(ngx_str_t *value, const char *prefix)
{
    size_t      n;
    ngx_str_t   rest, group;
    ngx_uint_t  groups;

    rest = *value;
    group = env_take(&rest, '-');
    n = group.len;

    if (!naive_is(&group, prefix)) {
        return 0;
    }

    for (groups = 0; rest.len; groups++) {
        group = env_take(&rest, '-');
        n += group.len + 1;

        if (group.len != 4 || !naive_all(&group, "0123456789")) {
            return 0;
        }
    }

    return groups >= 1 && groups <= 4 && n == value->len;
}


/* one of several with blanks between them */

static ngx_uint_t
naive_word(ngx_str_t *value, const char *words)
{
    ngx_str_t  list, word;

    list.data = (u_char *) words;
    list.len = strlen(words);

    while (list.len) {
        word = env_take(&list, ' ');

        if (env_equal(&word, value)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
naive_is(ngx_str_t *value, const char *text)
{
    return value->len == strlen(text)
           && memcmp(value->data, text, value->len) == 0;
}


static ngx_uint_t
naive_all(ngx_str_t *value, const char *set)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (strchr(set, value->data[i]) == NULL) {
            return 0;
        }
    }

    return 1;
}
