
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN  32


/*
 * Compares two secrets in a time that does not depend on where they differ.
 * Returns NGX_OK if they are equal, else NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_equal(ngx_str_t *one, ngx_str_t *two);


/*
 * SHA-256 over a secret of as many bytes as the digest has, the scope of the
 * lookup and the token.  The scope is preceded by its length, so that no two
 * pairs of scope and token are the same bytes.  "key" takes the digest.
 *
 * Returns NGX_OK, or NGX_ERROR if the library failed.
 */

ngx_int_t ngx_http_auth_api_token_digest(u_char *secret, ngx_str_t *scope,
    ngx_str_t *token, u_char *key);


/*
 * Fills the buffer with random bytes that nobody can guess.
 * Returns NGX_OK, or NGX_ERROR if the library has none to give.
 */

ngx_int_t ngx_http_auth_api_token_random(u_char *buf, size_t len);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_DIGEST_H_INCLUDED_ */
