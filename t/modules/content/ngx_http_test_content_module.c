
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * A content handler that makes a subrequest and then answers itself:
 *
 *     test_content URI [memory | plain] [TEXT];
 *
 * The answer is TEXT or else what the subrequest left in memory, with status
 * 200 and of type application/json.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    ngx_str_t   uri;
    ngx_str_t   text;
    ngx_uint_t  flags;
} ngx_http_test_content_loc_conf_t;


typedef struct {
    ngx_str_t   text;
    ngx_uint_t  done;
} ngx_http_test_content_ctx_t;


static ngx_int_t ngx_http_test_content_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_test_content_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc);
static void ngx_http_test_content_answer(ngx_http_request_t *r);
static ngx_int_t ngx_http_test_content_send(ngx_http_request_t *r);
static char *ngx_http_test_content(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_test_content_create_loc_conf(ngx_conf_t *cf);


static ngx_command_t  ngx_http_test_content_commands[] = {

    { ngx_string("test_content"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_test_content,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_test_content_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_test_content_create_loc_conf, /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_test_content_module = {
    NGX_MODULE_V1,
    &ngx_http_test_content_module_ctx,     /* module context */
    ngx_http_test_content_commands,        /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_test_content_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_http_request_t                *sr;
    ngx_http_post_subrequest_t        *ps;
    ngx_http_test_content_ctx_t       *ctx;
    ngx_http_test_content_loc_conf_t  *tlcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_test_content_module);

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_test_content_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_test_content_module);

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ps->handler = ngx_http_test_content_done;
    ps->data = ctx;

    if (ngx_http_subrequest(r, &tlcf->uri, NULL, &sr, ps, tlcf->flags)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->write_event_handler = ngx_http_test_content_answer;
    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_test_content_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_http_test_content_ctx_t  *ctx = data;

    /* an error is told twice: before nginx's own page and after it */

    if (r->out && r->out->buf) {
        ctx->text.data = r->out->buf->pos;
        ctx->text.len = r->out->buf->last - r->out->buf->pos;
    }

    ctx->done = 1;

    return rc;
}


static void
ngx_http_test_content_answer(ngx_http_request_t *r)
{
    ngx_http_test_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_test_content_module);

    if (!ctx->done) {
        return;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r, ngx_http_test_content_send(r));
}


static ngx_int_t
ngx_http_test_content_send(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_buf_t                         *b;
    ngx_str_t                         *text;
    ngx_chain_t                        out;
    ngx_http_test_content_ctx_t       *ctx;
    ngx_http_test_content_loc_conf_t  *tlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_test_content_module);
    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_test_content_module);

    text = tlcf->text.len ? &tlcf->text : &ctx->text;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->len;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = text->len ? 1 : 0;
    b->sync = text->len ? 0 : 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static char *
ngx_http_test_content(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_test_content_loc_conf_t  *tlcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    tlcf->uri = value[1];
    tlcf->flags = NGX_HTTP_SUBREQUEST_WAITED|NGX_HTTP_SUBREQUEST_IN_MEMORY;

    if (cf->args->nelts > 2) {

        if (ngx_strcmp(value[2].data, "plain") == 0) {
            tlcf->flags = NGX_HTTP_SUBREQUEST_WAITED;

        } else if (ngx_strcmp(value[2].data, "memory") != 0) {
            return "takes \"memory\" or \"plain\"";
        }
    }

    if (cf->args->nelts > 3) {
        tlcf->text = value[3];
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_test_content_handler;

    return NGX_CONF_OK;
}


static void *
ngx_http_test_content_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_test_content_loc_conf_t));
}
