
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_status.h"


#define NGX_HTTP_AUTH_API_TOKEN_PAGE_HASH_LEN                                 \
    ngx_base64_encoded_length(NGX_HTTP_AUTH_API_TOKEN_KEY_LEN)

#define NGX_HTTP_AUTH_API_TOKEN_PAGE_POLICY                                   \
    "default-src 'none'; style-src 'sha256-%V'; script-src 'sha256-%V'; "     \
    "connect-src 'self'; img-src data:; base-uri 'none'; "                    \
    "form-action 'none'; frame-ancestors 'none'"


static ngx_int_t ngx_http_auth_api_token_page_hash(char *element,
    ngx_str_t *hash);


/* the file "config" turns status.html into a string */

static u_char  ngx_http_auth_api_token_page_text[] =
#include "ngx_http_auth_api_token_page.h"
    ;

static u_char  ngx_http_auth_api_token_page_policy_text[
                            sizeof(NGX_HTTP_AUTH_API_TOKEN_PAGE_POLICY)
                            + 2 * NGX_HTTP_AUTH_API_TOKEN_PAGE_HASH_LEN];


ngx_str_t  ngx_http_auth_api_token_page = {
    sizeof(ngx_http_auth_api_token_page_text) - 1,
    ngx_http_auth_api_token_page_text
};

ngx_str_t  ngx_http_auth_api_token_page_policy;


/* https://www.w3.org/TR/CSP3/#grammardef-hash-source */

ngx_int_t
ngx_http_auth_api_token_page_init(void)
{
    u_char     *p;
    u_char      buf[2][NGX_HTTP_AUTH_API_TOKEN_PAGE_HASH_LEN];
    ngx_str_t   style, script;

    style.data = buf[0];
    script.data = buf[1];

    if (ngx_http_auth_api_token_page_hash("style", &style) != NGX_OK
        || ngx_http_auth_api_token_page_hash("script", &script) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_http_auth_api_token_page_policy_text;

    ngx_http_auth_api_token_page_policy.data = p;
    ngx_http_auth_api_token_page_policy.len =
        ngx_sprintf(p, NGX_HTTP_AUTH_API_TOKEN_PAGE_POLICY, &style, &script)
        - p;

    return NGX_OK;
}


/* the hash is of what is between the tags of the element */

static ngx_int_t
ngx_http_auth_api_token_page_hash(char *element, ngx_str_t *hash)
{
    u_char      digest[NGX_HTTP_AUTH_API_TOKEN_KEY_LEN];
    u_char      tag[sizeof("</script>")];
    ngx_str_t   text, sha256;

    ngx_sprintf(tag, "<%s>%Z", element);

    text.data = (u_char *) ngx_strstr(ngx_http_auth_api_token_page_text, tag);

    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.data += ngx_strlen(tag);

    ngx_sprintf(tag, "</%s>%Z", element);

    text.len = (u_char *) ngx_strstr(text.data, tag) - text.data;

    if (ngx_http_auth_api_token_digest(NULL, &text, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    sha256.len = NGX_HTTP_AUTH_API_TOKEN_KEY_LEN;
    sha256.data = digest;

    ngx_encode_base64(hash, &sha256);

    return NGX_OK;
}
