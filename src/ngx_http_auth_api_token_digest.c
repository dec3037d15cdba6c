
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "ngx_http_auth_api_token_digest.h"


ngx_int_t
ngx_http_auth_api_token_equal(ngx_str_t *one, ngx_str_t *two)
{
    if (one->len != two->len
        || CRYPTO_memcmp(one->data, two->data, one->len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_auth_api_token_digest(u_char *secret, ngx_str_t *scope,
    ngx_str_t *token, u_char *key)
{
    uint64_t              len;
    static EVP_MD_CTX    *ctx;
    static const EVP_MD  *md;

    /*
     * both are made once in a worker and serve all its requests; EVP_sha256()
     * would be fetched anew each time
     */

    if (ctx == NULL) {

#if (OPENSSL_VERSION_NUMBER >= 0x30000000L)
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
        md = EVP_sha256();
#endif

        ctx = md ? EVP_MD_CTX_new() : NULL;
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    len = scope->len;

    if (EVP_DigestInit_ex(ctx, md, NULL) != 1
        || EVP_DigestUpdate(ctx, secret, NGX_HTTP_AUTH_API_TOKEN_DIGEST_LEN)
           != 1
        || EVP_DigestUpdate(ctx, &len, sizeof(uint64_t)) != 1
        || EVP_DigestUpdate(ctx, scope->data, scope->len) != 1
        || EVP_DigestUpdate(ctx, token->data, token->len) != 1
        || EVP_DigestFinal_ex(ctx, key, NULL) != 1)
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
