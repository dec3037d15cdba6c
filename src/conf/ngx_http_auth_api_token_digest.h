
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_store.h"


/*
 * Compares two secrets in a time that does not depend on where they differ.
 * Returns NGX_OK if they are equal, else NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_equal_secrets(ngx_str_t *one, ngx_str_t *two);


/*
 * SHA-256 over "prefix", which has as many bytes as a digest or is NULL, and
 * the text.  A digest has NGX_HTTP_AUTH_API_TOKEN_KEY_LEN bytes.
 *
 * The key of a token is the digest of a prefix and the token, and that prefix
 * is the digest of a secret and the scope of the lookup: as it is made
 * beforehand, each request has one block of 64 bytes less to digest.
 *
 * Returns NGX_OK, or NGX_ERROR if the library failed.
 */

ngx_int_t ngx_http_auth_api_token_digest(u_char *prefix, ngx_str_t *text,
    u_char *digest);


/*
 * Fills the buffer with random bytes fit for secrets.
 * Returns NGX_OK, or NGX_ERROR if the library has none.
 */

ngx_int_t ngx_http_auth_api_token_random(u_char *buf, size_t len);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_ */
