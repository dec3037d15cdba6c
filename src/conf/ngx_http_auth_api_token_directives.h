
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_DIRECTIVES_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_DIRECTIVES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_syntax.h"


/*
 * Which values a directive takes: "post" of a command whose handler is
 * ngx_http_auth_api_token_set_values().
 */

typedef struct {
    ngx_http_auth_api_token_valid_pt  valid;
    char                             *expected;
} ngx_http_auth_api_token_values_t;


/*
 * Handlers of directives.  They allocate from cf->pool only.
 *
 * They return NGX_CONF_OK; NGX_CONF_ERROR if there is no memory, or after
 * a message that names the directive, the value and what was expected; or
 * a text that nginx puts behind the name of the directive.
 */

char *ngx_http_auth_api_token_set_check(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_request(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_cache(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_limit(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_values(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_require(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_switch(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_phase(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_DIRECTIVES_H_INCLUDED_ */
