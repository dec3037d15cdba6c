
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_


/*
 * The configuration, in structures that the wings above read, and what all of
 * them need of nginx itself.
 *
 * This wing knows nginx and the store.  It does not know what its structures
 * are read for: requests of clients, lookups, figures.
 *
 * It offers the configuration (below), the handlers of directives, zones, what
 * happens when a worker starts and ends, digests, the forms of values, and
 * headers.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_store.h"
#include "ngx_http_auth_api_token_verdict.h"


#define NGX_HTTP_AUTH_API_TOKEN_VERSION  "0.1.0"
#define NGX_HTTP_AUTH_API_TOKEN_VER      "ngx_http_auth_api_token_module/"    \
                                         NGX_HTTP_AUTH_API_TOKEN_VERSION


typedef struct {
    u_char                             secret[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    ngx_int_t                          request_id;   /* variable's index */
    ngx_array_t                        zones;        /* ngx_shm_zone_t * */
    ngx_array_t                        caches;       /* to find zones for */
    ngx_array_t                        checks;       /* to make prefixes for */
    ngx_array_t                        levels;       /* to find the location
                                                        that asks the API */
    ngx_uint_t                         preaccess;    /* unsigned  preaccess:1;
                                                        of any location */
} ngx_http_auth_api_token_main_conf_t;


/* data of a zone */

typedef struct {
    ngx_http_auth_api_token_store_t     *store;
    ngx_http_auth_api_token_counters_t  *counters;   /* the worker's */
    ngx_uint_t                           lookups;
    ngx_uint_t                           queue;
    ngx_uint_t                           denied;     /* per cent */

    ngx_str_t                            name;
    ssize_t                              size;       /* as configured */

    ngx_queue_t                          turns;      /* flights in line, of
                                                        this worker */
    ngx_event_t                          turn_timer;
} ngx_http_auth_api_token_zone_t;


/* auth_api_token */

typedef struct {
    ngx_http_complex_value_t           realm;
    ngx_http_complex_value_t          *token;
    ngx_uint_t                         opaque;       /* unsigned  opaque:1; */
} ngx_http_auth_api_token_check_t;


/* auth_api_token_request */

typedef struct {
    ngx_str_t                          uri;
    ngx_str_t                          api;
    ngx_msec_t                         timeout;
    ngx_uint_t                         service;      /* unsigned  service:1; */
} ngx_http_auth_api_token_request_t;


/* auth_api_token_cache */

typedef struct {
    ngx_str_t                          name;
    ngx_http_auth_api_token_zone_t    *zone;
    ngx_msec_t                         valid;
    ngx_msec_t                         denied;
    ngx_msec_t                         stale;
    ngx_uint_t                         refresh;      /* unsigned  refresh:1; */

    u_char                            *file;         /* of the directive */
    ngx_uint_t                         line;
    ngx_str_t                         *directive;
} ngx_http_auth_api_token_cache_t;


/* auth_api_token_denied_limit */

typedef struct {
    ngx_http_complex_value_t           key;
    ngx_uint_t                         rate;         /* 0.001 denials/s */
    ngx_uint_t                         burst;
} ngx_http_auth_api_token_limit_t;


/* what a location may require, in the order in which it is judged */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_LINES_ACCOUNT = 0,
    NGX_HTTP_AUTH_API_TOKEN_LINES_ACCOUNT_TYPE,
    NGX_HTTP_AUTH_API_TOKEN_LINES_MODULE,
    NGX_HTTP_AUTH_API_TOKEN_LINES_EXTENSION,
    NGX_HTTP_AUTH_API_TOKEN_LINES_REQUIRE,
    NGX_HTTP_AUTH_API_TOKEN_LINES
} ngx_http_auth_api_token_lines_e;


/* a directive that is on or off, or depends on a variable */

typedef struct {
    ngx_flag_t                         on;
    ngx_http_complex_value_t          *value;    /* NULL: "on" says it all */
} ngx_http_auth_api_token_switch_t;


/* one line of one of the directives that require something */

typedef struct {
    ngx_array_t                        values;   /* ngx_http_complex_value_t */
    ngx_uint_t                         status;   /* of _require */
} ngx_http_auth_api_token_line_t;


/* the detail of a problem body for a status of a content handler */

typedef struct {
    ngx_uint_t                         status;   /* 0 after the last */
    ngx_str_t                          detail;   /* as in a string of JSON */
} ngx_http_auth_api_token_error_t;


/* of a directive that gives a location its content */

typedef struct {
    char                              *directive;
    ngx_http_handler_pt                handler;
    ngx_http_auth_api_token_error_t   *errors;   /* or NULL */
    ngx_uint_t                         checked;  /* unsigned  checked:1;
                                                    needs the check */
} ngx_http_auth_api_token_content_t;


typedef struct {
    ngx_http_auth_api_token_check_t   *check;
    ngx_http_auth_api_token_request_t *request;
    ngx_http_auth_api_token_cache_t   *cache;
    ngx_http_auth_api_token_cache_t   *figures;        /* in its zone */
    ngx_http_auth_api_token_limit_t   *limit;
    ngx_str_t                          scope;          /* of verdicts */

    /* of the keys of verdicts */

    u_char                             prefix[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];

    ngx_array_t                       *lines[NGX_HTTP_AUTH_API_TOKEN_LINES];
    ngx_uint_t                         required;       /* unsigned  required:1;
                                                          are there lines */

    ngx_http_auth_api_token_switch_t   https;
    ngx_http_auth_api_token_switch_t   dry_run;
    ngx_flag_t                         problem;
    ngx_flag_t                         preflight;
    ngx_uint_t                         preaccess;

    ngx_http_auth_api_token_content_t *content;        /* or NULL */
    ngx_http_auth_api_token_cache_t   *purge;          /* its zone */
    ngx_uint_t                         status_format;
} ngx_http_auth_api_token_loc_conf_t;


/* a level of the configuration: http, server, location, "if", limit_except */

typedef struct {
    ngx_http_core_srv_conf_t           *server;
    ngx_http_core_loc_conf_t           *core;
    ngx_http_auth_api_token_loc_conf_t *conf;
} ngx_http_auth_api_token_level_t;


/*
 * Create and merge the configuration, all of it from cf->pool.  After
 * a message, or if there is no memory, the first two return NULL, and the last
 * one returns NGX_CONF_ERROR.
 */

void *ngx_http_auth_api_token_create_main_conf(ngx_conf_t *cf);
void *ngx_http_auth_api_token_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_auth_api_token_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


/*
 * Sets the content, which is static, and with it the content handler of the
 * location being read.  Returns NGX_CONF_OK; or what the handler of a directive
 * has to return if the location has a content already.
 */

char *ngx_http_auth_api_token_set_content(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf,
    ngx_http_auth_api_token_content_t *content);


/*
 * Logs that a value is invalid, and what was expected in its place.  Returns
 * NGX_CONF_ERROR.
 */

char *ngx_http_auth_api_token_invalid(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, char *expected);


extern ngx_module_t  ngx_http_auth_api_token_module;
extern ngx_module_t  ngx_http_auth_api_token_preaccess_module;
extern ngx_module_t  ngx_http_auth_api_token_filter_module;


/* what else the wing offers, which needs what is declared so far */

#include "ngx_http_auth_api_token_directives.h"
#include "ngx_http_auth_api_token_headers.h"
#include "ngx_http_auth_api_token_location.h"
#include "ngx_http_auth_api_token_syntax.h"
#include "ngx_http_auth_api_token_worker.h"
#include "ngx_http_auth_api_token_zone.h"


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CONF_H_INCLUDED_ */
