
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_


/*
 * What operators and programs use: the figures, purging, and the token object.
 *
 * This wing may know all the others, and none of them knows it.
 *
 * It offers the handlers of its directives.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/*
 * Handlers of directives that give a location its content.  They return what
 * those in ngx_http_auth_api_token_directives.h do.
 */

char *ngx_http_auth_api_token_set_object(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_auth_api_token_set_purge(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_api_token_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_ */
