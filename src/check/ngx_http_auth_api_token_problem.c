
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_conf.h"
#include "ngx_http_auth_api_token_problem.h"


typedef struct {
    ngx_uint_t   status;
    char        *type;
    char        *title;
} ngx_http_auth_api_token_problem_t;


static ngx_int_t ngx_http_auth_api_token_trace_id(ngx_http_request_t *r,
    ngx_str_t *id);


static ngx_http_auth_api_token_problem_t  ngx_http_auth_api_token_problems[] = {

    { NGX_HTTP_BAD_REQUEST,
      "https://tools.ietf.org/html/rfc9110#section-15.5.1",
      "Bad Request" },

    { NGX_HTTP_UNAUTHORIZED,
      "https://tools.ietf.org/html/rfc9110#section-15.5.2",
      "Unauthorized" },

    { NGX_HTTP_FORBIDDEN,
      "https://tools.ietf.org/html/rfc9110#section-15.5.4",
      "Forbidden" },

    { NGX_HTTP_NOT_ALLOWED,
      "https://tools.ietf.org/html/rfc9110#section-15.5.6",
      "Method Not Allowed" },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
      "https://tools.ietf.org/html/rfc9110#section-15.5.14",
      "Content Too Large" },

    { NGX_HTTP_TOO_MANY_REQUESTS,
      "https://tools.ietf.org/html/rfc6585#section-4",
      "Too Many Requests" },

    { NGX_HTTP_SERVICE_UNAVAILABLE,
      "https://tools.ietf.org/html/rfc9110#section-15.6.4",
      "Service Unavailable" },

    { 0, NULL, NULL }
};


ngx_int_t
ngx_http_auth_api_token_problem(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *detail, ngx_chain_t **out)
{
    size_t                              i, len, n;
    u_char                             *p, ch;
    ngx_buf_t                          *b;
    ngx_str_t                           trace_id, path;
    ngx_chain_t                        *cl;
    ngx_http_auth_api_token_problem_t  *problem;

    for (problem = ngx_http_auth_api_token_problems;
         problem->status != status;
         problem++)
    {
        if (problem->status == 0) {
            return NGX_OK;
        }
    }

    if (ngx_http_auth_api_token_trace_id(r, &trace_id) != NGX_OK) {
        return NGX_ERROR;
    }

    /* arguments may hold secrets, which do not belong in a body */

    path = r->unparsed_uri;

    for (n = 0; n < path.len && path.data[n] != '?'; n++) { /* void */ }

    path.len = n;

    len = sizeof("{\"type\":\"\",\"title\":\"\",\"status\":,\"detail\":\"\","
                 "\"instance\":\"\",\"traceId\":\"\"}") - 1
          + ngx_strlen(problem->type) + ngx_strlen(problem->title)
          + NGX_INT_T_LEN + detail->len + 3 * path.len + trace_id.len;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(b->last, "{\"type\":\"%s\",\"title\":\"%s\","
                    "\"status\":%ui,\"detail\":\"%V\",\"instance\":\"",
                    problem->type, problem->title, status, detail);

    for (i = 0; i < path.len; i++) {
        ch = path.data[i];

        if (ch <= 0x20 || ch >= 0x7f || ch == '"' || ch == '\\') {
            p = ngx_sprintf(p, "%%%02Xi", (ngx_uint_t) ch);

        } else {
            *p++ = ch;
        }
    }

    b->last = ngx_sprintf(p, "\",\"traceId\":\"%V\"}", &trace_id);
    b->last_buf = 1;
    b->last_in_chain = 1;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    *out = cl;

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = b->last - b->pos;

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_trace_id(ngx_http_request_t *r, ngx_str_t *id)
{
    ngx_str_t                            *traceparent;
    ngx_http_variable_value_t            *vv;
    ngx_http_auth_api_token_main_conf_t  *amcf;

    traceparent = ngx_http_auth_api_token_find_traceparent(r);

    if (traceparent) {
        *id = *traceparent;
        return NGX_OK;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_auth_api_token_module);

    vv = ngx_http_get_indexed_variable(r, amcf->request_id);
    if (vv == NULL) {
        return NGX_ERROR;
    }

    id->data = vv->data;
    id->len = vv->not_found ? 0 : vv->len;

    return NGX_OK;
}
