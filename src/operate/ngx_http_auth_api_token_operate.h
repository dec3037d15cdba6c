
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"


/*
 * Handlers of directives that make a location one for operators, as in
 * ngx_http_auth_api_token_directives.h.
 */

char *ngx_http_auth_api_token_set_purge(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_auth_api_token_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/*
 * The content handlers.
 */

ngx_int_t ngx_http_auth_api_token_purge_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_auth_api_token_status_handler(ngx_http_request_t *r);


/*
 * What is wrong with a request to purge, for a problem body: a JSON string
 * without its quotes; NULL for other statuses than 400, 405 and 413.  Static.
 */

ngx_str_t *ngx_http_auth_api_token_purge_error(ngx_uint_t status);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_OPERATE_H_INCLUDED_ */
