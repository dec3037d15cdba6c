
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include "ngx_http_auth_api_token_json.h"
#include "ngx_http_auth_api_token_digest.h"
#include "ngx_http_auth_api_token_syntax.h"


static ngx_int_t ngx_http_auth_api_token_load(ngx_log_t *log, ngx_str_t *body,
    size_t flags, json_t **root);
static void *ngx_http_auth_api_token_json_alloc(size_t size);
static void ngx_http_auth_api_token_json_free(void *p);
static void ngx_http_auth_api_token_read_token(ngx_pool_t *pool, json_t *root,
    ngx_str_t *id, ngx_str_t *token,
    ngx_http_auth_api_token_verdict_t *verdict);
static json_t *ngx_http_auth_api_token_find_token(json_t *root,
    ngx_http_auth_api_token_verdict_t *verdict);
static ngx_int_t ngx_http_auth_api_token_read_facts(ngx_pool_t *pool,
    json_t *root, json_t *token, ngx_http_auth_api_token_facts_t *facts);
static ngx_int_t ngx_http_auth_api_token_read_modules(ngx_pool_t *pool,
    json_t *modules, ngx_http_auth_api_token_facts_t *facts);
static ngx_int_t ngx_http_auth_api_token_read_extensions(ngx_pool_t *pool,
    json_t *root, json_t *token, ngx_str_t *dst);
static ngx_uint_t ngx_http_auth_api_token_omits(json_t *object,
    const char *key);
static ngx_http_auth_api_token_reason_e ngx_http_auth_api_token_read_status(
    json_t *token);
static ngx_int_t ngx_http_auth_api_token_text(ngx_pool_t *pool, json_t *object,
    const char *key, ngx_str_t *dst);
static ngx_int_t ngx_http_auth_api_token_list(ngx_pool_t *pool, json_t *array,
    const char *key, const char *special, ngx_uint_t blanks, ngx_str_t *dst);
static ngx_int_t ngx_http_auth_api_token_member(json_t *object,
    const char *key, ngx_str_t *value);
static ngx_int_t ngx_http_auth_api_token_purge_what(ngx_pool_t *pool,
    json_t *root, ngx_http_auth_api_token_purge_t *purge);


static ngx_pool_t     *ngx_http_auth_api_token_json_pool;
static pthread_t       ngx_http_auth_api_token_json_thread;
static jmp_buf         ngx_http_auth_api_token_json_failed;
static json_malloc_t   ngx_http_auth_api_token_json_malloc;
static json_free_t     ngx_http_auth_api_token_json_release;


/*
 * Returns NGX_OK with an object in ngx_http_auth_api_token_json_pool, which the
 * caller destroys; NGX_DECLINED if the body is not JSON; NGX_ERROR if there is
 * no memory.  An object may take 75 times the memory of its text, too much for
 * the pool of a request.
 *
 * If jansson has no memory for the next byte of a string, it leaves the byte
 * out and goes on: the string is then a different one, or has no end.  So
 * a failed allocation jumps out of jansson at once.
 */

static ngx_int_t
ngx_http_auth_api_token_load(ngx_log_t *log, ngx_str_t *body, size_t flags,
    json_t **root)
{
    ngx_int_t  rc;

    /* jansson ignores a zero byte after a number or a literal */

    if (body->len && memchr(body->data, '\0', body->len)) {
        return NGX_DECLINED;
    }

    ngx_http_auth_api_token_json_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE,
                                                        log);
    if (ngx_http_auth_api_token_json_pool == NULL) {
        return NGX_ERROR;
    }

    ngx_http_auth_api_token_json_thread = pthread_self();

    json_get_alloc_funcs(&ngx_http_auth_api_token_json_malloc,
                         &ngx_http_auth_api_token_json_release);

    if (setjmp(ngx_http_auth_api_token_json_failed) == 0) {
        json_set_alloc_funcs(ngx_http_auth_api_token_json_alloc,
                             ngx_http_auth_api_token_json_free);

        /* numbers are not used, and reals overflow later than integers */

        *root = json_loadb((char *) body->data, body->len,
                           flags|JSON_DECODE_INT_AS_REAL, NULL);

        rc = *root ? NGX_OK : NGX_DECLINED;

    } else {
        rc = NGX_ERROR;
    }

    json_set_alloc_funcs(ngx_http_auth_api_token_json_malloc,
                         ngx_http_auth_api_token_json_release);

    if (rc != NGX_OK) {
        ngx_destroy_pool(ngx_http_auth_api_token_json_pool);
    }

    return rc;
}


static void *
ngx_http_auth_api_token_json_alloc(size_t size)
{
    void  *p;

    /* other modules may use jansson in their own threads at this time */

    if (!pthread_equal(pthread_self(), ngx_http_auth_api_token_json_thread)) {
        return ngx_http_auth_api_token_json_malloc(size);
    }

    p = ngx_palloc(ngx_http_auth_api_token_json_pool, size);
    if (p == NULL) {
        longjmp(ngx_http_auth_api_token_json_failed, 1);
    }

    return p;
}


static void
ngx_http_auth_api_token_json_free(void *p)
{
    /* what is in the pool is freed with the pool */

    if (!pthread_equal(pthread_self(), ngx_http_auth_api_token_json_thread)) {
        ngx_http_auth_api_token_json_release(p);
    }
}


void
ngx_http_auth_api_token_read_answer(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *id, ngx_str_t *token, ngx_http_auth_api_token_verdict_t *verdict)
{
    json_t     *root;
    ngx_int_t   rc;

    verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;

    rc = ngx_http_auth_api_token_load(pool->log, body, JSON_REJECT_DUPLICATES,
                                      &root);
    if (rc != NGX_OK) {
        verdict->cause = (rc == NGX_DECLINED) ? "the body is not JSON"
                                              : "out of memory";
        return;
    }

    ngx_http_auth_api_token_read_token(pool, root, id, token, verdict);

    ngx_destroy_pool(ngx_http_auth_api_token_json_pool);
}


static void
ngx_http_auth_api_token_read_token(ngx_pool_t *pool, json_t *root,
    ngx_str_t *id, ngx_str_t *token, ngx_http_auth_api_token_verdict_t *verdict)
{
    json_t     *object;
    ngx_str_t   value;

    object = ngx_http_auth_api_token_find_token(root, verdict);
    if (object == NULL) {
        return;
    }

    if (id->len) {
        if (ngx_http_auth_api_token_member(object, "id", &value) != NGX_OK
            || value.len != id->len
            || ngx_memcmp(value.data, id->data, id->len) != 0)
        {
            verdict->cause = "the body is about another token";
            return;
        }
    }

    if (token) {
        if (ngx_http_auth_api_token_member(object, "token", &value) != NGX_OK) {
            verdict->cause = "the body has no \"token\" to compare, "
                             "which credential=service needs";
            return;
        }

        if (ngx_http_auth_api_token_equal_secrets(&value, token) != NGX_OK) {
            verdict->reason = NGX_HTTP_AUTH_API_TOKEN_MISMATCH;
            return;
        }
    }

    if (ngx_http_auth_api_token_read_facts(pool, root, object, &verdict->facts)
        != NGX_OK)
    {
        verdict->cause = "the body has members of the wrong type";
        return;
    }

    verdict->reason = ngx_http_auth_api_token_read_status(object);

    if (verdict->reason == NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE) {
        verdict->cause = "the body has no \"status\" that is a string";
    }
}


static json_t *
ngx_http_auth_api_token_find_token(json_t *root,
    ngx_http_auth_api_token_verdict_t *verdict)
{
    json_t  *data, *object;

    if (!json_is_object(root)) {
        verdict->cause = "the body is not a JSON object";
        return NULL;
    }

    data = json_object_get(root, "data");
    if (data == NULL) {
        return root;
    }

    if (!json_is_array(data) || json_object_get(root, "id")) {
        verdict->cause = "the body is neither a token nor a list";
        return NULL;
    }

    if (json_array_size(data) == 0) {
        verdict->reason = NGX_HTTP_AUTH_API_TOKEN_UNKNOWN;
        return NULL;
    }

    object = json_array_get(data, 0);

    if (json_array_size(data) != 1 || !json_is_object(object)) {
        verdict->cause = "the body is not a list of one token";
        return NULL;
    }

    return object;
}


static ngx_int_t
ngx_http_auth_api_token_read_facts(ngx_pool_t *pool, json_t *root,
    json_t *token, ngx_http_auth_api_token_facts_t *facts)
{
    json_t  *account, *modules;

    if (ngx_http_auth_api_token_text(pool, token, "id", &facts->id) != NGX_OK
        || ngx_http_auth_api_token_text(pool, token, "name", &facts->name)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    account = json_object_get(token, "account");

    if (account && !json_is_null(account)) {

        if (!json_is_object(account)
            || ngx_http_auth_api_token_text(pool, account, "id",
                                            &facts->account_id)
               != NGX_OK
            || ngx_http_auth_api_token_text(pool, account, "name",
                                            &facts->account_name)
               != NGX_OK
            || ngx_http_auth_api_token_text(pool, account, "type",
                                            &facts->account_type)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    modules = json_object_get(token, "modules");

    if (modules && !json_is_null(modules)) {

        if (!json_is_array(modules)
            || ngx_http_auth_api_token_read_modules(pool, modules, facts)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_auth_api_token_read_extensions(pool, root, token,
                                                   &facts->extensions);
}


static ngx_int_t
ngx_http_auth_api_token_read_modules(ngx_pool_t *pool, json_t *modules,
    ngx_http_auth_api_token_facts_t *facts)
{
    size_t      i;
    json_t     *sorted, *module;
    ngx_int_t   rc;
    ngx_str_t   id;
    ngx_uint_t  named;

    /* an id and its code have the same place in two lists: no id comes last */

    sorted = json_array();

    for (named = 2; named-- > 0; /* void */) {

        for (i = 0; i < json_array_size(modules); i++) {
            module = json_array_get(modules, i);

            rc = ngx_http_auth_api_token_member(module, "id", &id);

            if (rc == NGX_ERROR
                || ((rc == NGX_OK) == named
                    && json_array_append(sorted, module) != 0))
            {
                json_decref(sorted);
                return NGX_ERROR;
            }
        }
    }

    rc = ngx_http_auth_api_token_list(pool, sorted, "id", ", ", 0,
                                      &facts->modules);

    if (rc == NGX_OK) {
        rc = ngx_http_auth_api_token_list(pool, sorted, "code", ", ", 1,
                                          &facts->codes);
    }

    json_decref(sorted);

    return rc;
}


static ngx_int_t
ngx_http_auth_api_token_read_extensions(ngx_pool_t *pool, json_t *root,
    json_t *token, ngx_str_t *dst)
{
    json_t  *extensions;

    extensions = json_object_get(token, "extensions");

    if (ngx_http_auth_api_token_omits(root, "extensions")
        || ngx_http_auth_api_token_omits(token, "extensions"))
    {
        ngx_str_set(dst, NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_OMITTED);
        return NGX_OK;
    }

    if (extensions == NULL) {
        ngx_str_set(dst, NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL);
        return NGX_OK;
    }

    if (json_is_null(extensions)) {
        ngx_str_set(dst, NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_NULL);
        return NGX_OK;
    }

    if (!json_is_array(extensions)) {
        return NGX_ERROR;
    }

    return ngx_http_auth_api_token_list(pool, extensions, "id", ", *?", 0, dst);
}


/* a member may be missing because it was omitted: if in doubt, it was */

static ngx_uint_t
ngx_http_auth_api_token_omits(json_t *object, const char *key)
{
    size_t   i;
    json_t  *meta, *omitted, *name;

    meta = json_object_get(object, "$meta");

    if (meta == NULL || json_is_null(meta)) {
        return 0;
    }

    omitted = json_object_get(meta, "omitted");

    if (json_is_object(meta) && (omitted == NULL || json_is_null(omitted))) {
        return 0;
    }

    if (!json_is_array(omitted)) {
        return 1;
    }

    for (i = 0; i < json_array_size(omitted); i++) {
        name = json_array_get(omitted, i);

        if (!json_is_string(name)
            || ngx_strcmp(json_string_value(name), key) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_http_auth_api_token_reason_e
ngx_http_auth_api_token_read_status(json_t *token)
{
    ngx_int_t   rc;
    ngx_str_t   status;

    if (ngx_http_auth_api_token_member(token, "status", &status) != NGX_OK) {
        return NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    }

    if (ngx_strcmp(status.data, "Disabled") == 0) {
        return NGX_HTTP_AUTH_API_TOKEN_DISABLED;
    }

    if (ngx_strcmp(status.data, "Deleted") == 0) {
        return NGX_HTTP_AUTH_API_TOKEN_DELETED;
    }

    if (ngx_strcmp(status.data, "Active") != 0) {
        return NGX_HTTP_AUTH_API_TOKEN_INACTIVE;
    }

    /* the tokens of a disabled account are still "Active" */

    rc = ngx_http_auth_api_token_member(json_object_get(token, "account"),
                                        "status", &status);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE;
    }

    if (rc == NGX_OK && ngx_strcmp(status.data, "Disabled") == 0) {
        return NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_DISABLED;
    }

    return NGX_HTTP_AUTH_API_TOKEN_PASS;
}


static ngx_int_t
ngx_http_auth_api_token_text(ngx_pool_t *pool, json_t *object, const char *key,
    ngx_str_t *dst)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_auth_api_token_member(object, key, &value);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    dst->data = ngx_pnalloc(pool, 3 * value.len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = ngx_http_auth_api_token_encode(dst->data, &value, "");

    return NGX_OK;
}


/*
 * Makes a list of the members "key" of all objects of the array.  With
 * "blanks", a missing one is an empty item, except at the end of the list.
 */

static ngx_int_t
ngx_http_auth_api_token_list(ngx_pool_t *pool, json_t *array, const char *key,
    const char *special, ngx_uint_t blanks, ngx_str_t *dst)
{
    size_t      i, len;
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   value;

    len = 0;

    for (i = 0; i < json_array_size(array); i++) {
        rc = ngx_http_auth_api_token_member(json_array_get(array, i), key,
                                            &value);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        len += 3 * value.len + 1;
    }

    if (len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;

    for (i = 0; i < json_array_size(array); i++) {
        rc = ngx_http_auth_api_token_member(json_array_get(array, i), key,
                                            &value);

        if (rc == NGX_OK) {
            p += ngx_http_auth_api_token_encode(p, &value, special);
        }

        if (rc == NGX_OK || blanks) {
            *p++ = ',';
        }
    }

    while (p > dst->data && p[-1] == ',') {
        p--;
    }

    dst->len = p - dst->data;

    return NGX_OK;
}


/*
 * Returns NGX_OK with a null-terminated value that lasts as long as the object;
 * NGX_DECLINED with an empty value if there is none; NGX_ERROR if something has
 * the wrong type, and then the value must not be used.
 */

static ngx_int_t
ngx_http_auth_api_token_member(json_t *object, const char *key,
    ngx_str_t *value)
{
    json_t  *member;

    ngx_str_null(value);

    if (object == NULL || json_is_null(object)) {
        return NGX_DECLINED;
    }

    if (!json_is_object(object)) {
        return NGX_ERROR;
    }

    member = json_object_get(object, key);

    if (member == NULL || json_is_null(member)) {
        return NGX_DECLINED;
    }

    if (!json_is_string(member)) {
        return NGX_ERROR;
    }

    value->data = (u_char *) json_string_value(member);
    value->len = json_string_length(member);

    return value->len ? NGX_OK : NGX_DECLINED;
}


void
ngx_http_auth_api_token_read_trace_id(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *trace_id)
{
    json_t     *root;
    ngx_str_t   value;

    ngx_str_null(trace_id);

    if (ngx_http_auth_api_token_load(pool->log, body, 0, &root) != NGX_OK) {
        return;
    }

    if (ngx_http_auth_api_token_member(root, "traceId", &value) == NGX_OK
        && ngx_http_auth_api_token_valid_traceparent(&value) == NGX_OK)
    {
        trace_id->data = ngx_pstrdup(pool, &value);
        trace_id->len = trace_id->data ? value.len : 0;
    }

    ngx_destroy_pool(ngx_http_auth_api_token_json_pool);
}


ngx_int_t
ngx_http_auth_api_token_read_purge(ngx_pool_t *pool, ngx_str_t *body,
    ngx_http_auth_api_token_purge_t *purge)
{
    json_t     *root;
    ngx_int_t   rc;

    ngx_memzero(purge, sizeof(ngx_http_auth_api_token_purge_t));

    rc = ngx_http_auth_api_token_load(pool->log, body, JSON_REJECT_DUPLICATES,
                                      &root);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_auth_api_token_purge_what(pool, root, purge);

    ngx_destroy_pool(ngx_http_auth_api_token_json_pool);

    return rc;
}


static ngx_int_t
ngx_http_auth_api_token_purge_what(ngx_pool_t *pool, json_t *root,
    ngx_http_auth_api_token_purge_t *purge)
{
    json_t      *object;
    ngx_str_t   *id, value;
    ngx_uint_t   account;
    const char  *key;

    /* two of them may be a mistake */

    if (!json_is_object(root)
        || !json_object_get(root, "token") + !json_object_get(root, "account")
           + !json_object_get(root, "all") + !json_object_get(root, "object")
           != 3)
    {
        return NGX_DECLINED;
    }

    if (json_object_get(root, "all")) {
        purge->all = json_is_true(json_object_get(root, "all"));
        return purge->all ? NGX_OK : NGX_DECLINED;
    }

    object = json_object_get(root, "object");
    key = "id";

    if (object == NULL) {
        object = root;
        key = json_object_get(root, "token") ? "token" : "account";
    }

    if (!json_is_object(object)
        || ngx_http_auth_api_token_member(object, key, &value) != NGX_OK
        || !ngx_http_auth_api_token_is_id(&value))
    {
        return NGX_DECLINED;
    }

    account = ngx_http_auth_api_token_is_account(&value);

    if (object == root && account != (key[0] == 'a')) {
        return NGX_DECLINED;
    }

    id = account ? &purge->account : &purge->id;

    id->data = ngx_pstrdup(pool, &value);
    if (id->data == NULL) {
        return NGX_ERROR;
    }

    id->len = value.len;

    return NGX_OK;
}
