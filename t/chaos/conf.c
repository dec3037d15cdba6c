
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "chaos.h"


/* what nginx is told, and what the judge knows of it */


#define MODULE(n)   (1 << ((n) - 1))
#define ACCOUNT(n)  (1 << ((n) - 1))
#define CLIENT      1
#define VENDOR      2
#define OPERATIONS  4


const char  *zone_names[ZONES] = { "a", "b", "c" };

/* few enough that requests have to wait for a place */

static int   lookups_of[ZONES] = { 48, 16, 64 };

gen_t        gens[GENS];
int          ngens = 1;

scope_t  scopes[SCOPES] = {
    { "a", 0,  0,      3000 },
    { "b", 1,  1,      2500 },
    { "s", 1,  1,      2500 },         /* with a credential of its own */
    { "c", 0,  2,      3000 },
    { "x", 1,  BYPASS, 2500 }
};

location_t  locations[LOCATIONS] = {

    { "", 0, 0, 1000, 300, 0, 0, 0, 0, 0, 0, 0 },

    { "auth_api_token_account_type Vendor;",
      0, 0, 500, 100, 0, 0, VENDOR, 0, 0, 0, 0 },

    { "auth_api_token_module MOD-0001;",
      0, 0, 2000, 1000, 2000, 0, 0, MODULE(1), 0, 0, 0 },

    { "auth_api_token_account ACC-0000-0001 ACC-0000-0002 ACC-0000-0003;\n"
      "        auth_api_token_phase preaccess;\n"
      "        limit_conn by_account 60000;\n"
      "        limit_req zone=by_token burst=100000 nodelay;",
      0, 0, 1000, 200, 0, ACCOUNT(1)|ACCOUNT(2)|ACCOUNT(3), 0, 0, 0, 0, 0 },

    { "auth_api_token_module MOD-0002;\n"
      "        auth_api_token_account_type Vendor Client;\n"
      "        auth_api_token_dry_run on;",
      0, 0, 1000, 300, 500, 0, VENDOR|CLIENT, MODULE(2), 1, 0, 0 },

    { "", 1, 1, 800, 200, 1000, 0, 0, 0, 0, 0, 0 },

    { "auth_api_token_module MOD-0003 MOD-0001;\n"
      "        auth_api_token_account_type Client Operations;",
      1, 1, 300, 100, 0, 0, CLIENT|OPERATIONS, MODULE(3)|MODULE(1), 0, 0, 0 },

    { "auth_api_token_phase preaccess;",
      1, 2, 1000, 500, 0, 0, 0, 0, 0, 0, 0 },

    { "auth_api_token_module MOD-0004;",
      2, 3, 700, 200, 300, 0, 0, MODULE(4), 0, 0, 0 },

    { "auth_api_token_account_type Client Vendor;\n"
      "        post_action /after;",
      1, 1, 400, 100, 0, 0, CLIENT|VENDOR, 0, 0, 0, 1 },

    { "", BYPASS, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0 },

    { "", 0, 0, 1500, 300, 0, 0, 0, 0, 0, 1, 0 }
};


static void
conf_location(FILE *f, int i, int gen)
{
    char         cache[128];
    scope_t     *scope;
    location_t  *l;

    l = &locations[i];
    scope = &scopes[l->scope];

    if (l->zone == BYPASS) {
        strcpy(cache, "off");

    } else {

        /* where there is no zone c, its tokens are in zone a */

        sprintf(cache, "%s valid=%dms denied=%dms stale=%dms refresh=%s",
                gens[gen].size[l->zone] ? zone_names[l->zone] : "a",
                l->valid, l->denied, l->stale, i == 6 ? "off" : "on");
    }

    fprintf(f,
            "    location = /%d {\n"
            "        auth_api_token \"r\";\n"
            "        auth_api_token_request /_%s api=%s timeout=%dms%s;\n"
            "        auth_api_token_cache %s;\n"
            "        %s\n"
            "        add_header X-R \"$arg_n|$pid|%d|$msec|"
            "$auth_api_token_result|$auth_api_token_cache_status|"
            "$auth_api_token_age|$auth_api_token_id|$auth_api_token_name|"
            "$auth_api_token_account_id|$auth_api_token_account_type|"
            "$auth_api_token_modules\" always;\n"
            "        try_files %s =204;\n"
            "    }\n\n",
            i, scope->name, scope->name, scope->timeout,
            l->scope == 2 ? " credential=service" : "", cache, l->directives,
            gen, l->large ? "/large" : "/none");
}


static void
conf_server(FILE *f, int gen)
{
    int  i;

    fprintf(f,
            "server {\n"
            "    listen 127.0.0.1:%d;\n"
            "    listen 127.0.0.1:%d http2;\n"
            "    root %s/html;\n"
            "    auth_api_token_https off;\n\n",
            base_port, base_port + 1, dir);

    for (i = 0; i < SCOPES; i++) {
        fprintf(f,
                "    location = /_%s {\n"
                "        internal;\n"
                "        proxy_pass http://api%d/%d/%d/"
                "$auth_api_token_claimed_id;\n"
                "        proxy_http_version 1.1;\n"
                "        proxy_set_header Connection \"\";\n%s"
                "    }\n\n",
                scopes[i].name, scopes[i].api, gen, i,
                i == 2 ? "        proxy_set_header Authorization "
                         "\"Bearer service\";\n" : "");
    }

    for (i = 0; i < LOCATIONS; i++) {
        conf_location(f, i, gen);
    }

    for (i = 0; i < ZONES; i++) {
        if (gens[gen].size[i]) {
            fprintf(f,
                    "    location = /purge/%d {\n"
                    "        auth_api_token_purge %s;\n"
                    "        add_header X-R \"$arg_n|$pid|%d\" always;\n"
                    "    }\n\n", i, zone_names[i], gen);
        }
    }

    fprintf(f,
            "    location = /after {\n"
            "        auth_api_token \"r\";\n"
            "        auth_api_token_request /_b api=b timeout=1000ms;\n"
            "        auth_api_token_cache b valid=1s denied=100ms;\n"
            "        try_files /none =204;\n"
            "    }\n\n"
            "    location = /status { auth_api_token_status prometheus; }\n"
            "    location = /gen { return 200 %d; }\n"
            "    location = /pid { return 200 $pid; }\n"
            "}\n", gen);
}


/*
 * Writes the next nginx.conf, for a master that has "from" or, with 0, for
 * a new one; sizes in KiB, that of zone c may be 0.
 */

int
conf_write(int from, int size_b, int size_c)
{
    int     i, gen;
    char    name[512], path[512];
    FILE   *f;
    gen_t  *g, *old;

    if (ngens == GENS) {
        fail("too many generations");
        return from;
    }

    gen = ngens++;
    g = &gens[gen];
    old = from ? &gens[from] : NULL;

    g->size[0] = 1024;
    g->size[1] = size_b;
    g->size[2] = size_c;

    for (i = 0; i < ZONES; i++) {

        if (g->size[i] == 0) {
            g->epoch[i] = g->epoch[0];

        } else if (old && old->size[i] == g->size[i]) {
            g->epoch[i] = old->epoch[i];

        } else {
            g->epoch[i] = calloc(1, sizeof(epoch_t));
            g->epoch[i]->lost = lost + left_alone;
        }
    }

    sprintf(name, "%s/nginx.conf.new", dir);
    f = fopen(name, "w");

    if (f == NULL) {
        perror(name);
        exit(1);
    }

    if (module[0]) {
        fprintf(f, "load_module %s;\n", module);
    }

    fprintf(f,
            "%s"
            "env ASAN_OPTIONS;\n"
            "env LSAN_OPTIONS;\n"
            "env UBSAN_OPTIONS;\n"
            "worker_processes 2;\n"
            "pid %s/nginx.pid;\n"
            "error_log %s/error.log notice;\n"
            "error_log %s/error.log info;\n"
            "events { worker_connections 1024; }\n"
            "http {\n"
            "log_format short \"$pid $status\";\n"
            "access_log %s/access.log short;\n"
            "keepalive_requests 100000000;\n"
            "client_body_temp_path %s/body;\n"
            "proxy_temp_path %s/proxy;\n"
            "fastcgi_temp_path %s/fastcgi;\n"
            "uwsgi_temp_path %s/uwsgi;\n"
            "scgi_temp_path %s/scgi;\n"
            "limit_conn_zone $auth_api_token_account_id zone=by_account:1m;\n"
            "limit_req_zone $auth_api_token_id zone=by_token:1m "
            "rate=100000r/s;\n",
            getuid() == 0 ? "user root;\n" : "",
            dir, dir, logs, logs, dir, dir, dir, dir, dir);

    for (i = 0; i < ZONES; i++) {
        if (g->size[i]) {
            fprintf(f, "auth_api_token_zone zone=%s:%dk lookups=%d;\n",
                    zone_names[i], g->size[i], lookups_of[i]);
        }
    }

    for (i = 0; i < APIS; i++) {
        fprintf(f, "upstream api%d { server 127.0.0.1:%d; keepalive 16; "
                "keepalive_timeout 1s; }\n", i, base_port + 10 + i);
    }

    conf_server(f, gen);
    fprintf(f, "}\n");

    sprintf(path, "%s/nginx.conf", dir);

    if (fclose(f) != 0 || rename(name, path) != 0) {
        perror(path);
        exit(1);
    }

    return gen;
}


epoch_t *
conf_epoch(int gen, int location)
{
    int  zone;

    zone = locations[location].zone;

    return (zone == BYPASS) ? NULL : gens[gen].epoch[zone];
}
