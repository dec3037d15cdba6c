
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_PEEK_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_PEEK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * Copies a record as ngx_http_auth_api_token_record_copy() does, but without
 * the mutex: to "cell", or to "buf" if there is no cell or the record has more
 * than one.  "cell" has room for a cell, "buf" for NGX_HTTP_AUTH_API_TOKEN_COPY
 * bytes.
 *
 * Returns the copy; or NULL if there is no such record, or if the store was
 * being changed all the time: then only the mutex tells.
 */

ngx_http_auth_api_token_record_t *ngx_http_auth_api_token_peek(
    ngx_http_auth_api_token_store_t *store, ngx_uint_t node_key, u_char *key,
    void *cell, void *buf);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_PEEK_H_INCLUDED_ */
