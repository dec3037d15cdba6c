
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
 * What the formats of the status have in common: the figures of a zone, and the
 * table of their names and types.
 */


/* the figures of a zone at one moment */

typedef struct {
    ngx_str_t                          *name;
    ngx_http_auth_api_token_figures_t   figures;
} ngx_http_auth_api_token_status_t;


/*
 * Returns value number i of a label, which is static; or NULL if the label does
 * not have this value.
 */

typedef ngx_str_t *(*ngx_http_auth_api_token_label_pt)(ngx_uint_t i);


/* a figure, which is an array if it has a label or is a histogram */

typedef struct {
    char                               *name;     /* in JSON */
    char                               *metric;   /* of Prometheus */
    char                               *type;
    char                               *help;
    size_t                              offset;   /* in the figures */
    size_t                              sum;      /* of a histogram, or 0 */
    char                               *label;    /* or NULL */
    ngx_http_auth_api_token_label_pt    value;
    ngx_uint_t                          n;        /* number of values */
    char                               *more;     /* other labels */
    ngx_uint_t                          flags;
} ngx_http_auth_api_token_metric_t;


#define NGX_HTTP_AUTH_API_TOKEN_METRIC_MS        0x0001  /* shown in seconds */
#define NGX_HTTP_AUTH_API_TOKEN_METRIC_OPTIONAL  0x0002  /* absent if zero */


#define ngx_http_auth_api_token_figure(status, offset)                        \
    ((ngx_atomic_t *) ((char *) &(status)->figures + (offset)))


/*
 * The table of figures, up to one without a name; and the upper bounds of the
 * buckets of histograms, as both formats write them.
 */

extern ngx_http_auth_api_token_metric_t  ngx_http_auth_api_token_metrics[];
extern char  *ngx_http_auth_api_token_bounds[
    NGX_HTTP_AUTH_API_TOKEN_LATENCIES + 1];


/*
 * Writes the value of a figure to p, and not beyond "last".  Returns its end.
 */

u_char *ngx_http_auth_api_token_status_value(u_char *p, u_char *last,
    ngx_atomic_uint_t value, ngx_uint_t flags);


/*
 * The page, and its Content-Security-Policy.  Both are static; the policy is
 * made by ngx_http_auth_api_token_page_init() while the configuration is read.
 * This returns NGX_OK, or NGX_ERROR if the library of digests failed.
 */

extern ngx_str_t  ngx_http_auth_api_token_page;
extern ngx_str_t  ngx_http_auth_api_token_page_policy;

ngx_int_t ngx_http_auth_api_token_page_init(void);


/*
 * Writes JSON, or the text for Prometheus, to p, about n zones, and not beyond
 * "last".  Returns its end.
 */

u_char *ngx_http_auth_api_token_status_json(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);
u_char *ngx_http_auth_api_token_status_prometheus(u_char *p, u_char *last,
    ngx_http_auth_api_token_status_t *status, ngx_uint_t n);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_STATUS_H_INCLUDED_ */
