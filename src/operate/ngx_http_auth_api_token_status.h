
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_STATUS_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/*
 * What the formats of the status have in common: the figures of a zone, and
 * what they are called.  A counter of the store appears in both of them when it
 * is in the table of ngx_http_auth_api_token_prometheus.c.
 */


/* the figures of a zone at one moment */

typedef struct {
    ngx_str_t                          *name;
    ngx_http_auth_api_token_figures_t   figures;
} ngx_http_auth_api_token_status_t;


typedef struct {
    char                               *name;
    char                               *help;     /* of Prometheus */
    size_t                              offset;   /* in the counters */
} ngx_http_auth_api_token_counter_t;


#define ngx_http_auth_api_token_counter(status, counter)                      \
    (*(ngx_atomic_t *) ((char *) &(status)->figures.counters                  \
                        + (counter)->offset))


/*
 * The table of counters, up to one without a name; and the names of kinds.
 */

extern ngx_http_auth_api_token_counter_t
    ngx_http_auth_api_token_status_counters[];
extern char  *ngx_http_auth_api_token_kinds[NGX_HTTP_AUTH_API_TOKEN_KINDS];


/*
 * Returns the name of a reason: of a decision, or if "lookups" is set of the
 * outcome of a lookup; or NULL if there is none such.  Static.
 */

ngx_str_t *ngx_http_auth_api_token_status_reason(ngx_uint_t reason,
    ngx_uint_t lookups);


/*
 * Writes the text for Prometheus to p, about n zones, and not beyond "last".
 * Returns its end.
 */

u_char *ngx_http_auth_api_token_status_prometheus(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_STATUS_H_INCLUDED_ */
