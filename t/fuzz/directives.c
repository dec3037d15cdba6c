
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_directive.h"
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_params.h"


/*
 * What directives accept, compared with what docs/directives.md says of them;
 * and what they made of it, written again, has to be accepted as the same.
 *
 * The input is the name of a directive and its arguments, each on a line, after
 * a number if an allocation is to fail.
 */


/* with the name; written again, it may have some more */

#define DIRECTIVE_ARGS  10
#define DIRECTIVE_MORE  16


typedef ngx_http_auth_api_token_main_conf_t  main_conf_t;
typedef ngx_http_auth_api_token_loc_conf_t   loc_conf_t;
typedef ngx_http_auth_api_token_values_t     values_t;


/* where it stands: "many" is as often as it likes */

typedef struct {
    ngx_command_t   command;
    ngx_uint_t      max;        /* arguments */
    ngx_uint_t      many;
    void          (*write)(ngx_command_t *cmd, plain_t *plain);
} directive_t;


static directive_t *directive_read(ngx_str_t *input, ngx_array_t *args);
static ngx_uint_t directive_set(directive_t *d, ngx_array_t *args,
    plain_t *plain);
static void write_check(ngx_command_t *cmd, plain_t *plain);
static void write_request(ngx_command_t *cmd, plain_t *plain);
static void write_cache(ngx_command_t *cmd, plain_t *plain);
static void write_limit(ngx_command_t *cmd, plain_t *plain);
static void write_zone(ngx_command_t *cmd, plain_t *plain);
static void write_lines(ngx_command_t *cmd, plain_t *plain);
static void write_switch(ngx_command_t *cmd, plain_t *plain);
static void write_phase(ngx_command_t *cmd, plain_t *plain);


static ngx_cycle_t       old_cycle, cycle;
static ngx_shm_zone_t    shm_zone;
static loc_conf_t        loc_conf;
static main_conf_t       main_conf;
static ngx_conf_t        cf;

ngx_uint_t               ngx_test_config;
ngx_module_t             ngx_http_module;
ngx_module_t             ngx_http_auth_api_token_module;


static values_t  accounts = { ngx_http_auth_api_token_valid_account, "" };
static values_t  types = { ngx_http_auth_api_token_valid_account_type, "" };
static values_t  modules = { ngx_http_auth_api_token_valid_module, "" };
static values_t  extensions = { ngx_http_auth_api_token_valid_extension, "" };


#define DIRECTIVE(name, set, member, post, max, many, write)                  \
    { { ngx_string("auth_api_token" name), 0,                                 \
        ngx_http_auth_api_token_set_##set, 0,                                 \
        offsetof(loc_conf_t, member), post },                                 \
      max, many, write }

static directive_t  directives[] = {
    DIRECTIVE("", check, check, NULL, 3, 0, write_check),
    DIRECTIVE("_request", request, request, NULL, DIRECTIVE_MORE, 0,
              write_request),
    DIRECTIVE("_cache", cache, cache, NULL, DIRECTIVE_MORE, 0, write_cache),
    DIRECTIVE("_denied_limit", limit, limit, NULL, 3, 0, write_limit),
    DIRECTIVE("_account", values, lines[T(LINES_ACCOUNT)], &accounts,
              DIRECTIVE_MORE, 1, write_lines),
    DIRECTIVE("_account_type", values, lines[T(LINES_ACCOUNT_TYPE)], &types,
              DIRECTIVE_MORE, 1, write_lines),
    DIRECTIVE("_module", values, lines[T(LINES_MODULE)], &modules,
              DIRECTIVE_MORE, 1, write_lines),
    DIRECTIVE("_extension", values, lines[T(LINES_EXTENSION)], &extensions,
              DIRECTIVE_MORE, 1, write_lines),
    DIRECTIVE("_require", require, lines[T(LINES_REQUIRE)], NULL,
              DIRECTIVE_MORE, 1, write_lines),
    DIRECTIVE("_https", switch, https, NULL, 1, 0, write_switch),
    DIRECTIVE("_dry_run", switch, dry_run, NULL, 1, 0, write_switch),
    DIRECTIVE("_phase", phase, preaccess, NULL, 1, 0, write_phase),
    DIRECTIVE("_zone", zone, check, NULL, 4, 0, write_zone)
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t     input, again;
    ngx_uint_t    naive, ok;
    ngx_array_t   args;
    directive_t  *d;

    static plain_t  wanted, plain;

    if (size > 8192 || memchr(data, 0, size)) {
        return 0;
    }

    input.data = (u_char *) data;
    input.len = size;

    cf.pool = env_pool();
    env_fail_at(&input);

    d = directive_read(&input, &args);

    if (d == NULL || args.nelts > DIRECTIVE_ARGS) {
        return 0;
    }

    ok = directive_set(d, &args, &plain);
    naive = naive_directive(args.elts, args.nelts, &wanted);

    if (!ok && (!naive || env_failed())) {
        return 0;
    }

    if (!ok || !naive) {
        env_fail("it is %s", ok ? "accepted" : "refused");
    }

    if (plain.len != wanted.len
        || memcmp(plain.data, wanted.data, plain.len) != 0)
    {
        env_fail("\"%*s\", and should be \"%*s\"",
                 plain.len, plain.data, wanted.len, wanted.data);
    }

    /* some may stand there once */

    ok = (d->command.set(&cf, &d->command,
                         d->command.set == ngx_http_auth_api_token_set_zone
                         ? (void *) &main_conf : (void *) &loc_conf)
          == NGX_CONF_OK);

    env_check(ok == d->many || (!ok && env_failed()));
    env_failed();

    /* rates have another unit there */

    if (d->write != write_limit) {
        again.data = plain.data;
        again.len = plain.len;

        env_check(directive_read(&again, &args) == d);
        env_check(directive_set(d, &args, &plain));
        env_check(plain.len == wanted.len);
        env_check(memcmp(plain.data, wanted.data, plain.len) == 0);
    }

    return 0;
}


/* null-terminated, as nginx has them */

static directive_t *
directive_read(ngx_str_t *input, ngx_array_t *args)
{
    size_t      n;
    ngx_str_t   text;
    ngx_uint_t  i;

    static u_char     texts[2][16384], *p;
    static ngx_str_t  words[2][DIRECTIVE_MORE];
    static ngx_uint_t turn;

    turn = !turn;
    p = texts[turn];

    args->elts = words[turn];
    args->nelts = 0;

    while (input->len) {
        text = env_take(input, '\n');

        if (args->nelts == DIRECTIVE_MORE) {
            return NULL;
        }

        words[turn][args->nelts].data = p;
        words[turn][args->nelts++].len = text.len;

        p = ngx_cpymem(p, text.data, text.len);
        *p++ = '\0';
    }

    n = sizeof(directives) / sizeof(directives[0]);

    for (i = 0; i < n; i++) {
        if (args->nelts > 1
            && args->nelts - 1 <= directives[i].max
            && env_equal(&directives[i].command.name, &words[turn][0]))
        {
            return &directives[i];
        }
    }

    return NULL;
}


/* into a configuration that has nothing yet; and how it is written there */

static ngx_uint_t
directive_set(directive_t *d, ngx_array_t *args, plain_t *plain)
{
    void        *p;
    ngx_uint_t   i;

    static void                *confs[1];
    static ngx_http_conf_ctx_t  ctx;
    static ngx_conf_file_t      file;

    memset(&loc_conf, 0, sizeof(loc_conf_t));
    memset(&main_conf, 0, sizeof(main_conf_t));
    memset(&shm_zone, 0, sizeof(ngx_shm_zone_t));

    loc_conf.check = NGX_CONF_UNSET_PTR;
    loc_conf.request = NGX_CONF_UNSET_PTR;
    loc_conf.cache = NGX_CONF_UNSET_PTR;
    loc_conf.limit = NGX_CONF_UNSET_PTR;
    loc_conf.https.on = NGX_CONF_UNSET;
    loc_conf.dry_run.on = NGX_CONF_UNSET;
    loc_conf.preaccess = NGX_CONF_UNSET_UINT;

    for (i = 0; i < T(LINES); i++) {
        loc_conf.lines[i] = NGX_CONF_UNSET_PTR;
    }

    confs[0] = &main_conf;
    ctx.main_conf = confs;

    cycle.old_cycle = &old_cycle;

    cf.ctx = &ctx;
    cf.args = args;
    cf.cycle = &cycle;
    cf.conf_file = &file;

    p = &loc_conf;

    if (d->command.set == ngx_http_auth_api_token_set_zone) {
        p = &main_conf;
    }

    if (ngx_array_init(&main_conf.zones, cf.pool, 1, sizeof(void *)) != NGX_OK
        || ngx_array_init(&main_conf.caches, cf.pool, 1, sizeof(void *))
           != NGX_OK
        || d->command.set(&cf, &d->command, p) != NGX_CONF_OK)
    {
        return 0;
    }

    plain->len = 0;
    plain_add(plain, "%V\n", &d->command.name);
    d->write(&d->command, plain);

    return 1;
}


static void
write_check(ngx_command_t *cmd, plain_t *plain)
{
    if (loc_conf.check == NULL) {
        plain_add(plain, "off\n");
        return;
    }

    plain_add(plain, "%V\n", &loc_conf.check->realm.value);

    if (loc_conf.check->token) {
        plain_add(plain, "token=%V\n", &loc_conf.check->token->value);
    }

    plain_add(plain, "format=%s\n", loc_conf.check->opaque ? "opaque" : "idt");
}


static void
write_request(ngx_command_t *cmd, plain_t *plain)
{
    plain_add(plain, "%V\ncredential=%s\n", &loc_conf.request->uri,
              loc_conf.request->service ? "service" : "client");

    if (loc_conf.request->api.len) {
        plain_add(plain, "api=%V\n", &loc_conf.request->api);
    }

    plain_add(plain, "timeout=%Mms\n", loc_conf.request->timeout);
}


static void
write_cache(ngx_command_t *cmd, plain_t *plain)
{
    if (loc_conf.cache == NULL) {
        plain_add(plain, "off\n");
        return;
    }

    plain_add(plain, "%V\nvalid=%Mms\ndenied=%Mms\nstale=%Mms\nrefresh=%s\n",
              &loc_conf.cache->name, loc_conf.cache->valid,
              loc_conf.cache->denied,
              loc_conf.cache->stale, loc_conf.cache->refresh ? "on" : "off");
}


static void
write_limit(ngx_command_t *cmd, plain_t *plain)
{
    if (loc_conf.limit == NULL) {
        plain_add(plain, "off\n");
        return;
    }

    plain_add(plain, "%V\nrate=%ui\nburst=%ui\n", &loc_conf.limit->key.value,
              loc_conf.limit->rate, loc_conf.limit->burst);
}


static void
write_zone(ngx_command_t *cmd, plain_t *plain)
{
    ngx_http_auth_api_token_zone_t  *zone;

    zone = shm_zone.data;

    env_check(env_equal(&zone->name, &shm_zone.shm.name));
    env_check(shm_zone.shm.size == (size_t) zone->size + zone->lookups * 8);

    plain_add(plain, "zone=%V:%z\nlookups=%ui\nqueue=%ui\ndenied=%ui%%\n",
              &zone->name, zone->size, zone->lookups, zone->queue,
              zone->denied);
}


static void
write_lines(ngx_command_t *cmd, plain_t *plain)
{
    ngx_uint_t                       i;
    ngx_array_t                     *lines;
    ngx_http_complex_value_t        *values;
    ngx_http_auth_api_token_line_t  *line;

    lines = (cmd->post == NULL)
            ? loc_conf.lines[T(LINES_REQUIRE)]
            : *(ngx_array_t **) ((char *) &loc_conf + cmd->offset);

    env_check(lines->nelts == 1);

    line = lines->elts;
    values = line->values.elts;

    for (i = 0; i < line->values.nelts; i++) {
        plain_add(plain, "%V\n", &values[i].value);
    }

    if (line->status) {
        plain_add(plain, "error=%ui\n", line->status);
    }
}


static void
write_switch(ngx_command_t *cmd, plain_t *plain)
{
    ngx_http_auth_api_token_switch_t  *sw;

    sw = (ngx_http_auth_api_token_switch_t *)
         ((char *) &loc_conf + cmd->offset);

    if (sw->value) {
        env_check(sw->on == 1);
        plain_add(plain, "%V\n", &sw->value->value);
        return;
    }

    plain_add(plain, "%s\n", sw->on ? "on" : "off");
}


static void
write_phase(ngx_command_t *cmd, plain_t *plain)
{
    plain_add(plain, "%s\n", loc_conf.preaccess ? "preaccess" : "access");
}


/* what they ask of nginx, and of those who run it */

ngx_int_t
ngx_http_compile_complex_value(ngx_http_compile_complex_value_t *ccv)
{
    memset(ccv->complex_value, 0, sizeof(ngx_http_complex_value_t));
    ccv->complex_value->value = *ccv->value;

    return ngx_palloc(ccv->cf->pool, 1) ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_http_script_variables_count(ngx_str_t *value)
{
    size_t      i;
    ngx_uint_t  n;

    for (n = 0, i = 0; i < value->len; i++) {
        n += (value->data[i] == '$');
    }

    return n;
}


ngx_shm_zone_t *
ngx_shared_memory_add(ngx_conf_t *conf, ngx_str_t *name, size_t size, void *tag)
{
    shm_zone.shm.name = *name;
    shm_zone.shm.size = size;

    return ngx_palloc(conf->pool, 1) ? &shm_zone : NULL;
}


char *
ngx_http_auth_api_token_invalid(ngx_conf_t *conf, ngx_command_t *cmd,
    ngx_str_t *value, char *expected)
{
    env_check(expected != NULL);

    return NGX_CONF_ERROR;
}


void
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *conf, ngx_err_t err,
    const char *fmt, ...)
{
}


size_t
ngx_http_auth_api_token_store_overhead(ngx_uint_t lookups)
{
    return lookups * 8;
}


/* what a zone needs when nginx starts, which it does not here */

void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    return NULL;
}


ngx_http_auth_api_token_store_t *
ngx_http_auth_api_token_store_create(void *addr, size_t size,
    ngx_shmtx_t *mutex, u_char *secret, ngx_uint_t lookups, ngx_uint_t queue,
    ngx_uint_t denied)
{
    return NULL;
}


ngx_uint_t
ngx_http_auth_api_token_store_matches(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t lookups)
{
    return 0;
}


void
ngx_http_auth_api_token_store_limits(ngx_http_auth_api_token_store_t *store,
    ngx_uint_t queue, ngx_uint_t denied)
{
}


u_char *
ngx_http_auth_api_token_store_secret(ngx_http_auth_api_token_store_t *store)
{
    return NULL;
}
