
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_CHECK_CTX_H_INCLUDED_
#define _STORE_CHECK_CTX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * What the files of store_check() have in common.
 */


#define CHECK_KINDS  NGX_HTTP_AUTH_API_TOKEN_KINDS


typedef ngx_http_auth_api_token_store_t   check_store_t;
typedef ngx_http_auth_api_token_record_t  check_record_t;


typedef struct {
    check_store_t   *store;
    u_char          *seen;             /* cells */
    char            *err;
    size_t           size;
    check_record_t  *previous;
    ngx_uint_t       tree;
    uint64_t         entries[CHECK_KINDS];
    uint64_t         used[CHECK_KINDS];
    uint64_t         opaque;
} check_ctx_t;


/* the leases, and the processes that wait for one */

ngx_int_t check_leases(check_ctx_t *ctx);


/* the key of the node of what has no id */

ngx_uint_t check_prefix(u_char *key);


/* returns NGX_ERROR */

ngx_int_t check_fail(check_ctx_t *ctx, const char *fmt, ...);


#endif /* _STORE_CHECK_CTX_H_INCLUDED_ */
