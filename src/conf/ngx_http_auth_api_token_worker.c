
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


static ngx_uint_t ngx_http_auth_api_token_going(ngx_pid_t pid);
static void ngx_http_auth_api_token_init_tidy(ngx_cycle_t *cycle);


ngx_int_t
ngx_http_auth_api_token_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                            i;
    ngx_shm_zone_t                      **shm_zone;
    ngx_http_auth_api_token_zone_t       *zone;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_auth_api_token_module);
    if (amcf == NULL) {
        return NGX_OK;
    }

    shm_zone = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {
        zone = shm_zone[i]->data;

        zone->counters = ngx_http_auth_api_token_store_counters(zone->store,
                                                                ngx_worker);

        ngx_http_auth_api_token_store_release(zone->store,
                                              ngx_http_auth_api_token_gone);
        ngx_http_auth_api_token_store_release(zone->store,
                                              ngx_http_auth_api_token_going);
    }

    ngx_http_auth_api_token_init_tidy(cycle);

    return NGX_OK;
}


void
ngx_http_auth_api_token_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                            i;
    ngx_shm_zone_t                      **shm_zone;
    ngx_http_auth_api_token_zone_t       *zone;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_auth_api_token_module);
    if (amcf == NULL) {
        return;
    }

    shm_zone = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {
        zone = shm_zone[i]->data;

        ngx_http_auth_api_token_store_release(zone->store,
                                              ngx_http_auth_api_token_going);
    }
}


/* the master reaps a worker that died before it starts another one */

ngx_uint_t
ngx_http_auth_api_token_gone(ngx_pid_t pid)
{
    return kill(pid, 0) == -1 && ngx_errno == ESRCH;
}


static ngx_uint_t
ngx_http_auth_api_token_going(ngx_pid_t pid)
{
    return pid == ngx_pid;
}


#if (NGX_PTR_SIZE == 4)

/* ngx_msec_t has 32 bits, and wraps after 49.7 days */

static void
ngx_http_auth_api_token_tidy(ngx_event_t *ev)
{
    ngx_uint_t                            i;
    ngx_shm_zone_t                      **shm_zone;
    ngx_http_auth_api_token_zone_t       *zone;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_auth_api_token_module);
    if (amcf == NULL || amcf->zones.nelts == 0) {
        return;
    }

    shm_zone = amcf->zones.elts;

    for (i = 0; i < amcf->zones.nelts; i++) {
        zone = shm_zone[i]->data;

        ngx_http_auth_api_token_store_tidy(zone->store, ngx_current_msec);
    }

    ngx_add_timer(ev, NGX_HTTP_AUTH_API_TOKEN_TIDY);
}


/* at the start, as few workers live as long as TIDY, and then every TIDY */

static void
ngx_http_auth_api_token_init_tidy(ngx_cycle_t *cycle)
{
    static ngx_event_t       ev;
    static ngx_connection_t  dummy;

    dummy.fd = (ngx_socket_t) -1;

    ev.handler = ngx_http_auth_api_token_tidy;
    ev.data = &dummy;
    ev.log = cycle->log;
    ev.cancelable = 1;

    ngx_http_auth_api_token_tidy(&ev);
}

#else

/* with 64 bits it never wraps */

static void
ngx_http_auth_api_token_init_tidy(ngx_cycle_t *cycle)
{
}

#endif
