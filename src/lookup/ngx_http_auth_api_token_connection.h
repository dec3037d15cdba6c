
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_CONNECTION_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_CONNECTION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Creates a request for the URI in the server of r, on a connection of its own
 * that has neither a socket nor a client.  Nothing will ever be read from it,
 * what is written to it is discarded, and its addresses are copies of those of
 * r's client.  It has no header yet.  It is blocked, so that nginx neither
 * terminates nor closes it.  The handler is that of both events.
 *
 * Returns NGX_OK; NGX_BUSY if no connection is left; NGX_ERROR if there is no
 * memory.
 */

ngx_int_t ngx_http_auth_api_token_open_request(ngx_http_request_t *r,
    ngx_str_t *uri, ngx_event_handler_pt handler, ngx_http_request_t **request);


/*
 * Frees the request, its connection, and all that is in their pools.
 */

void ngx_http_auth_api_token_close_request(ngx_http_request_t *r);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_CONNECTION_H_INCLUDED_ */
