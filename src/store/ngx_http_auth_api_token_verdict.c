
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_verdict.h"


ngx_int_t
ngx_http_auth_api_token_copy_verdict(ngx_pool_t *pool,
    ngx_http_auth_api_token_verdict_t *dst,
    ngx_http_auth_api_token_verdict_t *src)
{
    size_t      len;
    u_char     *p, *data;
    ngx_str_t  *from, *to, *last;

    *dst = *src;

    from = (ngx_str_t *) &src->facts;
    last = (ngx_str_t *) (&src->facts + 1);

    len = src->trace_id.len;

    for (to = from; to < last; to++) {
        len += to->len;
    }

    if (len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (to = (ngx_str_t *) &dst->facts; from < last; from++, to++) {
        data = p;
        p = ngx_cpymem(p, from->data, from->len);
        to->data = data;
    }

    dst->trace_id.data = p;
    ngx_memcpy(p, src->trace_id.data, src->trace_id.len);

    return NGX_OK;
}
