
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_token.h"


static ngx_uint_t naive_facts(naive_json_t *root, naive_json_t *object,
    facts_t *facts);
static ngx_uint_t naive_modules(naive_json_t *modules, facts_t *facts);
static ngx_uint_t naive_extensions(naive_json_t *extensions,
    facts_t *facts);
static ngx_uint_t naive_omitted(naive_json_t *object);
static ngx_uint_t naive_is(ngx_str_t *text, const char *word);
static void naive_begin(ngx_str_t *fact);
static void naive_encode(ngx_str_t *fact, ngx_str_t *text,
    const char *special);


static u_char   naive_room[8 * NAIVE_JSON_SIZE];
static u_char  *naive_end;


reason_e
naive_token(ngx_str_t *body, ngx_str_t *id, ngx_str_t *token, facts_t *facts,
    ngx_uint_t *unsure)
{
    ngx_str_t      text;
    naive_json_t  *root, *data, *object;

    naive_end = naive_room;
    memset(facts, 0, sizeof(facts_t));

    root = naive_json(body, unsure);

    if (root == NULL || root->type != NAIVE_OBJECT) {
        return T(UNAVAILABLE);
    }

    object = root;
    data = naive_json_get(root, "data");

    if (data) {
        if (data->type != NAIVE_ARRAY || naive_json_get(root, "id")) {
            return T(UNAVAILABLE);
        }

        if (data->n == 0) {
            return T(UNKNOWN);
        }

        object = data->first;

        if (data->n > 1 || object->type != NAIVE_OBJECT) {
            return T(UNAVAILABLE);
        }
    }

    if (id->len
        && (!naive_json_text(object, "id", &text) || !env_equal(&text, id)))
    {
        return T(UNAVAILABLE);
    }

    if (token) {
        if (!naive_json_text(object, "token", &text) || text.len == 0) {
            return T(UNAVAILABLE);
        }

        if (!env_equal(&text, token)) {
            return T(MISMATCH);
        }
    }

    if (!naive_facts(root, object, facts)
        || !naive_json_text(object, "status", &text)
        || text.len == 0)
    {
        return T(UNAVAILABLE);
    }

    if (!naive_is(&text, "Active")) {
        return naive_is(&text, "Disabled") ? T(DISABLED)
               : naive_is(&text, "Deleted") ? T(DELETED)
               : T(INACTIVE);
    }

    if (!naive_json_text(naive_json_get(object, "account"), "status", &text)) {
        return T(UNAVAILABLE);
    }

    return naive_is(&text, "Disabled") ? T(ACCOUNT_DISABLED) : T(PASS);
}


/* in the form that the module's variables have */

static ngx_uint_t
naive_facts(naive_json_t *root, naive_json_t *object, facts_t *facts)
{
    ngx_str_t      text;
    ngx_uint_t     i;
    naive_json_t  *account, *extensions, *of;

    struct {
        naive_json_t  *of;
        const char    *key;
        ngx_str_t     *fact;
    } texts[5];

    account = naive_json_get(object, "account");

    for (i = 0; i < 5; i++) {
        texts[i].of = (i < 2) ? object : account;
    }

    texts[0].key = "id";
    texts[0].fact = &facts->id;
    texts[1].key = "name";
    texts[1].fact = &facts->name;
    texts[2].key = "id";
    texts[2].fact = &facts->account_id;
    texts[3].key = "name";
    texts[3].fact = &facts->account_name;
    texts[4].key = "type";
    texts[4].fact = &facts->account_type;

    for (i = 0; i < 5; i++) {
        of = texts[i].of;

        if (!naive_json_text(of, texts[i].key, &text)) {
            return 0;
        }

        naive_begin(texts[i].fact);
        naive_encode(texts[i].fact, &text, "");
    }

    if (!naive_modules(naive_json_get(object, "modules"), facts)) {
        return 0;
    }

    if (naive_omitted(root) || naive_omitted(object)) {
        ngx_str_set(&facts->extensions, "?");
        return 1;
    }

    extensions = naive_json_get(object, "extensions");

    if (extensions == NULL) {
        ngx_str_set(&facts->extensions, "*");
        return 1;
    }

    if (extensions->type == NAIVE_NULL) {
        ngx_str_set(&facts->extensions, "**");
        return 1;
    }

    return naive_extensions(extensions, facts);
}


/* those that have an id, then those that have none */

static ngx_uint_t
naive_modules(naive_json_t *modules, facts_t *facts)
{
    ngx_str_t      id, code, comma;
    ngx_uint_t     n, named;
    naive_json_t  *module;

    if (modules == NULL || modules->type == NAIVE_NULL) {
        return 1;
    }

    if (modules->type != NAIVE_ARRAY) {
        return 0;
    }

    ngx_str_set(&comma, ",");

    n = 0;
    naive_begin(&facts->modules);

    for (module = modules->first; module; module = module->next) {

        if (!naive_json_text(module, "id", &id)
            || !naive_json_text(module, "code", &code))
        {
            return 0;
        }

        if (id.len) {
            if (n++) {
                naive_encode(&facts->modules, &comma, "");
            }

            naive_encode(&facts->modules, &id, ", ");
        }
    }

    n = 0;
    naive_begin(&facts->codes);

    for (named = 1; named != (ngx_uint_t) -1; named--) {

        for (module = modules->first; module; module = module->next) {

            naive_json_text(module, "id", &id);
            naive_json_text(module, "code", &code);

            if ((id.len != 0) != named) {
                continue;
            }

            if (n++) {
                naive_encode(&facts->codes, &comma, "");
            }

            naive_encode(&facts->codes, &code, ", ");
        }
    }

    while (facts->codes.len
           && facts->codes.data[facts->codes.len - 1] == ',')
    {
        facts->codes.len--;
    }

    return 1;
}


static ngx_uint_t
naive_extensions(naive_json_t *extensions, facts_t *facts)
{
    ngx_str_t      id, comma;
    naive_json_t  *extension;

    if (extensions->type != NAIVE_ARRAY) {
        return 0;
    }

    ngx_str_set(&comma, ",");
    naive_begin(&facts->extensions);

    for (extension = extensions->first; extension; extension = extension->next)
    {
        if (!naive_json_text(extension, "id", &id)) {
            return 0;
        }

        if (id.len == 0) {
            continue;
        }

        if (facts->extensions.len) {
            naive_encode(&facts->extensions, &comma, "");
        }

        naive_encode(&facts->extensions, &id, ", *?");
    }

    return 1;
}


/* whether it is said, or may be, that "extensions" was left out */

static ngx_uint_t
naive_omitted(naive_json_t *object)
{
    naive_json_t  *meta, *omitted, *name;

    meta = naive_json_get(object, "$meta");

    if (meta == NULL || meta->type == NAIVE_NULL) {
        return 0;
    }

    if (meta->type != NAIVE_OBJECT) {
        return 1;
    }

    omitted = naive_json_get(meta, "omitted");

    if (omitted == NULL || omitted->type == NAIVE_NULL) {
        return 0;
    }

    if (omitted->type != NAIVE_ARRAY) {
        return 1;
    }

    for (name = omitted->first; name; name = name->next) {
        if (name->type != NAIVE_STRING || naive_is(&name->text, "extensions")) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
naive_trace(ngx_str_t *value)
{
    size_t       i;
    const char  *zeros, *hex;

    zeros = "00000000000000000000000000000000";
    hex = "0123456789abcdef";

    if (value->len != 55 || memcmp(value->data, "00-", 3) != 0
        || value->data[35] != '-' || value->data[52] != '-')
    {
        return 0;
    }

    for (i = 3; i < 55; i++) {
        if (i != 35 && i != 52 && memchr(hex, value->data[i], 16) == NULL) {
            return 0;
        }
    }

    return memcmp(value->data + 3, zeros, 32) != 0
           && memcmp(value->data + 36, zeros, 16) != 0;
}


static ngx_uint_t
naive_is(ngx_str_t *text, const char *word)
{
    return text->len == strlen(word)
           && memcmp(text->data, word, text->len) == 0;
}


static void
naive_begin(ngx_str_t *fact)
{
    fact->data = naive_end;
    fact->len = 0;
}


/* adds to the fact that was begun last */

static void
naive_encode(ngx_str_t *fact, ngx_str_t *text, const char *special)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (ch < 0x20 || ch > 0x7e || ch == '%' || strchr(special, ch)) {
            naive_end += sprintf((char *) naive_end, "%%%02X", ch);

        } else {
            *naive_end++ = ch;
        }
    }

    fact->len = naive_end - fact->data;
}
