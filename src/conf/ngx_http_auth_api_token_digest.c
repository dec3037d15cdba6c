
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include "ngx_http_auth_api_token_digest.h"


ngx_int_t
ngx_http_auth_api_token_equal_secrets(ngx_str_t *one, ngx_str_t *two)
{
    if (one->len != two->len
        || CRYPTO_memcmp(one->data, two->data, one->len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * not EVP_DigestInit_ex(): in OpenSSL 3.0 it allocates memory each time, and
 * a digest of two blocks takes almost twice as long
 */

ngx_int_t
ngx_http_auth_api_token_digest(u_char *prefix, ngx_str_t *text, u_char *digest)
{
    SHA256_CTX  ctx;

    if (SHA256_Init(&ctx) != 1
        || (prefix
            && SHA256_Update(&ctx, prefix, NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)
               != 1)
        || SHA256_Update(&ctx, text->data, text->len) != 1
        || SHA256_Final(digest, &ctx) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_random(u_char *buf, size_t len)
{
    return RAND_bytes(buf, (int) len) == 1 ? NGX_OK : NGX_ERROR;
}
