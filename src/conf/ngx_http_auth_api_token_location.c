
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


static void ngx_http_auth_api_token_check_lookup_location(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *server, ngx_str_t *uri);
static ngx_uint_t ngx_http_auth_api_token_location_regex(
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri);


ngx_int_t
ngx_http_auth_api_token_add_level(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf)
{
    ngx_http_auth_api_token_level_t      *level;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    level = ngx_array_push(&amcf->levels);
    if (level == NULL) {
        return NGX_ERROR;
    }

    level->server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    level->core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    level->conf = alcf;

    return NGX_OK;
}


void
ngx_http_auth_api_token_check_lookup_locations(ngx_conf_t *cf)
{
    ngx_uint_t                            i, k;
    ngx_http_auth_api_token_level_t      *level;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    level = amcf->levels.elts;

    for (i = 0; i < amcf->levels.nelts; i++) {

        if (level[i].conf->check == NULL) {
            continue;
        }

        /* one warning is enough for all levels with the same lookup location */

        for (k = 0; k < i; k++) {
            if (level[k].server == level[i].server
                && level[k].conf->check
                && level[k].conf->request == level[i].conf->request)
            {
                break;
            }
        }

        if (k == i) {
            ngx_http_auth_api_token_check_lookup_location(cf, level[i].server,
                                               &level[i].conf->request->uri);
        }
    }
}


/*
 * nginx has more kinds of locations, and an order in which it looks through
 * them; here it is enough to know that there is none, or which one it is
 */

static void
ngx_http_auth_api_token_check_lookup_location(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *server, ngx_str_t *uri)
{
    ngx_uint_t                            i, n, regex;
    ngx_http_core_loc_conf_t             *clcf, *found;
    ngx_http_auth_api_token_level_t      *level;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_auth_api_token_module);

    n = 0;
    regex = 0;
    found = NULL;
    level = amcf->levels.elts;

    for (i = 0; i < amcf->levels.nelts; i++) {
        clcf = level[i].core;

        if (level[i].server != server
            || clcf->named
            || clcf->noname
            || clcf->name.len == 0)
        {
            continue;
        }

        n++;

        if (ngx_http_auth_api_token_location_regex(clcf, uri)) {
            regex = 1;
            continue;
        }

        if (clcf->name.len > uri->len
            || ngx_strncmp(clcf->name.data, uri->data, clcf->name.len) != 0
            || (clcf->exact_match && clcf->name.len != uri->len))
        {
            continue;
        }

        if (found == NULL
            || found->name.len < clcf->name.len
            || (found->name.len == clcf->name.len && clcf->exact_match))
        {
            found = clcf;
        }
    }

    /* a server without locations usually only redirects */

    if (n == 0 || (regex && (found == NULL || !found->exact_match))) {
        return;
    }

    if (found == NULL || (found->name.len < uri->len && !found->internal)) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "server \"%V\" has no location \"%V\", which "
                      "\"auth_api_token_request\" names to ask the token API",
                      &server->server_name, uri);
        return;
    }

    if (!found->internal) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "server \"%V\" has a location \"%V\" without "
                      "\"internal\", which \"auth_api_token_request\" names "
                      "to ask the token API: clients may use it",
                      &server->server_name, uri);
    }
}


/* whether this is a regular expression, and it matches */

static ngx_uint_t
ngx_http_auth_api_token_location_regex(ngx_http_core_loc_conf_t *clcf,
    ngx_str_t *uri)
{
#if (NGX_PCRE)

    if (clcf->regex == NULL) {
        return 0;
    }

    return ngx_regex_exec(clcf->regex->regex, uri, NULL, 0)
           != NGX_REGEX_NO_MATCHED;

#else

    return 0;

#endif
}
