
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


/*
 * A filter that looks at whatever passes it, subrequests included:
 *
 *     test_filter_replace FROM TO;      texts of the same length, in bodies
 *     test_filter_log     on | off;     bodies go to the error log, at "notice"
 *     test_filter_header  NAME VALUE;   replaces a header, or adds one
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    ngx_str_t   from;
    ngx_str_t   to;
    ngx_str_t   name;
    ngx_str_t   value;
    ngx_flag_t  log;
} ngx_http_test_filter_loc_conf_t;


static ngx_int_t ngx_http_test_filter_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_test_filter_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_test_filter_replace(ngx_http_request_t *r,
    ngx_http_test_filter_loc_conf_t *tlcf, ngx_buf_t *b);
static char *ngx_http_test_filter_set_replace(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_test_filter_set_header(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void *ngx_http_test_filter_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_test_filter_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_test_filter_init(ngx_conf_t *cf);


static ngx_command_t  ngx_http_test_filter_commands[] = {

    { ngx_string("test_filter_replace"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_test_filter_set_replace,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("test_filter_log"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_test_filter_loc_conf_t, log),
      NULL },

    { ngx_string("test_filter_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_test_filter_set_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_test_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_test_filter_init,             /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_test_filter_create_loc_conf,  /* create location configuration */
    ngx_http_test_filter_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_test_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_test_filter_module_ctx,      /* module context */
    ngx_http_test_filter_commands,         /* module directives */
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


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_test_filter_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                        i;
    ngx_list_part_t                  *part;
    ngx_table_elt_t                  *h, *header;
    ngx_http_test_filter_loc_conf_t  *tlcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_test_filter_module);

    if (tlcf->from.len || tlcf->log) {
        r->filter_need_in_memory = 1;
    }

    if (tlcf->name.len == 0) {
        return ngx_http_next_header_filter(r);
    }

    part = &r->headers_out.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == tlcf->name.len
            && ngx_strncasecmp(header[i].key.data, tlcf->name.data,
                               tlcf->name.len)
               == 0)
        {
            header[i].hash = 0;
        }
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = tlcf->name;
    h->value = tlcf->value;

    if (h->key.len == sizeof("Content-Encoding") - 1
        && ngx_strncasecmp(h->key.data, (u_char *) "Content-Encoding",
                           h->key.len)
           == 0)
    {
        r->headers_out.content_encoding = h;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_test_filter_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_str_t                         text;
    ngx_chain_t                      *cl;
    ngx_http_test_filter_loc_conf_t  *tlcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_test_filter_module);

    for (cl = in; cl; cl = cl->next) {

        if (!ngx_buf_in_memory(cl->buf) || cl->buf->pos == cl->buf->last) {
            continue;
        }

        if (tlcf->log) {
            text.data = cl->buf->pos;
            text.len = cl->buf->last - cl->buf->pos;

            ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                          "test filter saw \"%V\"", &text);
        }

        if (tlcf->from.len
            && ngx_http_test_filter_replace(r, tlcf, cl->buf) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_next_body_filter(r, in);
}


static ngx_int_t
ngx_http_test_filter_replace(ngx_http_request_t *r,
    ngx_http_test_filter_loc_conf_t *tlcf, ngx_buf_t *b)
{
    u_char  *p;
    size_t   len;

    len = b->last - b->pos;

    if (!b->temporary) {
        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, b->pos, len);

        b->pos = p;
        b->last = p + len;
        b->start = p;
        b->end = b->last;
        b->memory = 0;
        b->mmap = 0;
        b->temporary = 1;
    }

    for (p = b->pos; p + tlcf->from.len <= b->last; p++) {

        if (ngx_memcmp(p, tlcf->from.data, tlcf->from.len) == 0) {
            ngx_memcpy(p, tlcf->to.data, tlcf->to.len);
        }
    }

    return NGX_OK;
}


static char *
ngx_http_test_filter_set_replace(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_test_filter_loc_conf_t  *tlcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len != value[2].len) {
        return "takes two texts of the same length";
    }

    tlcf->from = value[1];
    tlcf->to = value[2];

    return NGX_CONF_OK;
}


static char *
ngx_http_test_filter_set_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_test_filter_loc_conf_t  *tlcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    tlcf->name = value[1];
    tlcf->value = value[2];

    return NGX_CONF_OK;
}


static void *
ngx_http_test_filter_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_test_filter_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_test_filter_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->log = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_test_filter_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_test_filter_loc_conf_t  *prev = parent;
    ngx_http_test_filter_loc_conf_t  *conf = child;

    if (conf->from.len == 0) {
        conf->from = prev->from;
        conf->to = prev->to;
    }

    if (conf->name.len == 0) {
        conf->name = prev->name;
        conf->value = prev->value;
    }

    ngx_conf_merge_value(conf->log, prev->log, 0);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_test_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_test_filter_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_test_filter_body_filter;

    return NGX_OK;
}
