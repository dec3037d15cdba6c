
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_headers.h"
#include "ngx_http_auth_api_token_syntax.h"


ngx_table_elt_t *
ngx_http_auth_api_token_next_header(ngx_list_t *headers, ngx_str_t *name,
    ngx_table_elt_t *last)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    part = &headers->part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (last) {
            if (last == &header[i]) {
                last = NULL;
            }

            continue;
        }

        if (header[i].hash
            && header[i].key.len == name->len
            && ngx_strncasecmp(header[i].key.data, name->data, name->len) == 0)
        {
            return &header[i];
        }
    }
}


ngx_str_t *
ngx_http_auth_api_token_find_traceparent(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("traceparent");

    h = ngx_http_auth_api_token_find_header(&r->headers_in.headers, &name);

    if (h && ngx_http_auth_api_token_valid_traceparent(&h->value) == NGX_OK) {
        return &h->value;
    }

    return NULL;
}


ngx_table_elt_t *
ngx_http_auth_api_token_push_header(ngx_list_t *headers, char *name)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);

    return h;
}


ngx_int_t
ngx_http_auth_api_token_add_header_out(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_http_auth_api_token_push_header(&r->headers_out.headers, name);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value = *value;

    return NGX_OK;
}
