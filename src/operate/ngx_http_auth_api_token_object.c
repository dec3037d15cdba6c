
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_operate.h"
#include "ngx_http_auth_api_token_syntax.h"


/* a byte takes up to six in JSON, and may be an item of a list by itself */

#define NGX_HTTP_AUTH_API_TOKEN_OBJECT_BYTE                                   \
    (6 + sizeof("{\"id\":\"\",\"code\":\"\"},") - 1)

/* all members, without values */

#define NGX_HTTP_AUTH_API_TOKEN_OBJECT_LEN                                    \
    (sizeof("{\"id\":\"\",\"name\":\"\",\"status\":\"Active\",\"account\":{"  \
            "\"id\":\"\",\"name\":\"\",\"type\":\"\"},\"modules\":[],"        \
            "\"extensions\":null,\"$meta\":{\"omitted\":[\"extensions\"]}}")  \
     - 1)


typedef struct {
    char       *name;
    uintptr_t   fact;
} ngx_http_auth_api_token_object_header_t;


static ngx_int_t ngx_http_auth_api_token_object_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_auth_api_token_object_headers(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t *facts, ngx_msec_t age);
static ngx_int_t ngx_http_auth_api_token_object_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *body);
static u_char *ngx_http_auth_api_token_object_modules(u_char *p,
    ngx_http_auth_api_token_facts_t *facts);
static u_char *ngx_http_auth_api_token_object_extensions(u_char *p,
    ngx_str_t *extensions);
static u_char *ngx_http_auth_api_token_object_member(u_char *p, char *name,
    ngx_str_t *value);


static ngx_http_auth_api_token_error_t
    ngx_http_auth_api_token_object_errors[] =
{
    { NGX_HTTP_FORBIDDEN,
      ngx_string("The token of this request was not checked") },

    { 0, ngx_null_string }
};


static ngx_http_auth_api_token_content_t
    ngx_http_auth_api_token_object_content =
{
    "auth_api_token_object",
    ngx_http_auth_api_token_object_handler,
    ngx_http_auth_api_token_object_errors,
    1
};


static ngx_http_auth_api_token_object_header_t
    ngx_http_auth_api_token_object_identity[] =
{
    { "X-MPT-Token-Id",
      offsetof(ngx_http_auth_api_token_facts_t, id) },

    { "X-MPT-Token-Name",
      offsetof(ngx_http_auth_api_token_facts_t, name) },

    { "X-MPT-Account-Id",
      offsetof(ngx_http_auth_api_token_facts_t, account_id) },

    { "X-MPT-Account-Name",
      offsetof(ngx_http_auth_api_token_facts_t, account_name) },

    { "X-MPT-Account-Type",
      offsetof(ngx_http_auth_api_token_facts_t, account_type) },

    { "X-MPT-Modules",
      offsetof(ngx_http_auth_api_token_facts_t, modules) },

    { "X-MPT-Extensions",
      offsetof(ngx_http_auth_api_token_facts_t, extensions) },

    { NULL, 0 }
};


static ngx_int_t
ngx_http_auth_api_token_object_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_str_t                         type;
    ngx_msec_t                        age;
    ngx_http_complex_value_t          cv;
    ngx_http_auth_api_token_facts_t  *facts;

    /* a gateway takes 200 for yes: if another module let it in, this is a no */

    if (ngx_http_auth_api_token_identity(r, &facts, &age) != NGX_OK) {
        return NGX_HTTP_FORBIDDEN;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    if (ngx_http_auth_api_token_object_headers(r, facts, age) != NGX_OK
        || ngx_http_auth_api_token_object_body(r, facts, &cv.value) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the If-Match that a gateway hands on is about something else */

    r->disable_not_modified = 1;

    ngx_str_set(&type, "application/json");

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


static ngx_int_t
ngx_http_auth_api_token_object_headers(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t *facts, ngx_msec_t age)
{
    ngx_str_t                                 value, *fact;
    ngx_http_auth_api_token_object_header_t  *header;

    static ngx_str_t  none = ngx_null_string;
    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  authorization = ngx_string("Authorization");

    if (ngx_http_auth_api_token_add_header_out(r, "Cache-Control", &no_store)
        != NGX_OK
        || ngx_http_auth_api_token_add_header_out(r, "Vary", &authorization)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (facts) {
        value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        value.len = ngx_sprintf(value.data, "%M", (age + 999) / 1000)
                    - value.data;

        if (ngx_http_auth_api_token_add_header_out(r, "Age", &value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* all of them: if one is missing, gateways keep that of the client */

    for (header = ngx_http_auth_api_token_object_identity;
         header->name;
         header++)
    {
        fact = facts ? ngx_http_auth_api_token_get_fact(facts, header->fact)
                     : &none;

        if (ngx_http_auth_api_token_add_header_out(r, header->name, fact)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_auth_api_token_object_body(ngx_http_request_t *r,
    ngx_http_auth_api_token_facts_t *facts, ngx_str_t *body)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *value;

    if (facts == NULL) {
        ngx_str_set(body, "{}");
        return NGX_OK;
    }

    len = NGX_HTTP_AUTH_API_TOKEN_OBJECT_LEN;

    for (value = (ngx_str_t *) facts;
         value < (ngx_str_t *) (facts + 1);
         value++)
    {
        len += value->len * NGX_HTTP_AUTH_API_TOKEN_OBJECT_BYTE;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    *p++ = '{';
    p = ngx_http_auth_api_token_object_member(p, "id", &facts->id);
    p = ngx_http_auth_api_token_object_member(p, "name", &facts->name);
    p = ngx_sprintf(p, "\"status\":\"Active\",");

    if (facts->account_id.len
        || facts->account_name.len
        || facts->account_type.len)
    {
        p = ngx_sprintf(p, "\"account\":{");
        p = ngx_http_auth_api_token_object_member(p, "id", &facts->account_id);
        p = ngx_http_auth_api_token_object_member(p, "name",
                                                  &facts->account_name);
        p = ngx_http_auth_api_token_object_member(p, "type",
                                                  &facts->account_type);
        p[-1] = '}';
        *p++ = ',';
    }

    p = ngx_http_auth_api_token_object_modules(p, facts);
    p = ngx_http_auth_api_token_object_extensions(p, &facts->extensions);
    *p++ = '}';

    body->len = p - body->data;

    return NGX_OK;
}


static u_char *
ngx_http_auth_api_token_object_modules(u_char *p,
    ngx_http_auth_api_token_facts_t *facts)
{
    ngx_int_t   rc;
    ngx_str_t   id, code, modules, codes;

    modules = facts->modules;
    codes = facts->codes;

    p = ngx_sprintf(p, "\"modules\":[");

    for ( ;; ) {
        ngx_str_null(&id);
        ngx_str_null(&code);

        rc = ngx_http_auth_api_token_next_item(&modules, &id);

        if (ngx_http_auth_api_token_next_item(&codes, &code) != NGX_OK
            && rc != NGX_OK)
        {
            break;
        }

        if (id.len == 0 && code.len == 0) {
            continue;
        }

        *p++ = '{';
        p = ngx_http_auth_api_token_object_member(p, "id", &id);
        p = ngx_http_auth_api_token_object_member(p, "code", &code);
        p[-1] = '}';
        *p++ = ',';
    }

    if (p[-1] == ',') {
        p--;
    }

    *p++ = ']';

    return p;
}


static u_char *
ngx_http_auth_api_token_object_extensions(u_char *p, ngx_str_t *extensions)
{
    u_char     mark;
    ngx_str_t  id, list;

    mark = extensions->len ? extensions->data[0] : '\0';

    if (mark == NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_OMITTED[0]) {
        return ngx_sprintf(p, ",\"$meta\":{\"omitted\":[\"extensions\"]}");
    }

    if (mark == NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL[0]) {

        if (extensions->len
            == sizeof(NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL) - 1)
        {
            return p;
        }

        return ngx_sprintf(p, ",\"extensions\":null");
    }

    list = *extensions;

    p = ngx_sprintf(p, ",\"extensions\":[");

    while (ngx_http_auth_api_token_next_item(&list, &id) == NGX_OK) {
        *p++ = '{';
        p = ngx_http_auth_api_token_object_member(p, "id", &id);
        p[-1] = '}';
        *p++ = ',';
    }

    if (p[-1] == ',') {
        p--;
    }

    *p++ = ']';

    return p;
}


/* writes a member and a comma; or nothing, for a value that is empty */

static u_char *
ngx_http_auth_api_token_object_member(u_char *p, char *name, ngx_str_t *value)
{
    u_char  *src, *dst, *plain;

    if (value->len == 0) {
        return p;
    }

    p = ngx_sprintf(p, "\"%s\":\"", name);

    /* decode it after the space that the escaped value may take */

    plain = p + 6 * value->len;
    dst = plain;
    src = value->data;

    ngx_unescape_uri(&dst, &src, value->len, 0);

    p = (u_char *) ngx_escape_json(p, plain, dst - plain);

    *p++ = '"';
    *p++ = ',';

    return p;
}


char *
ngx_http_auth_api_token_set_object(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_auth_api_token_loc_conf_t *alcf = conf;

    return ngx_http_auth_api_token_set_content(cf, alcf,
                                       &ngx_http_auth_api_token_object_content);
}
