
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_json.h"
#include <math.h>


static naive_json_t *naive_json_value(ngx_uint_t depth);
static ngx_uint_t naive_json_members(naive_json_t *v, ngx_uint_t depth);
static ngx_uint_t naive_json_string(ngx_str_t *s);
static ngx_uint_t naive_json_escape(void);
static int32_t naive_json_hex(void);
static ngx_uint_t naive_json_utf8(void);
static ngx_uint_t naive_json_number(void);
static ngx_uint_t naive_json_digits(void);
static void naive_json_space(void);
static ngx_uint_t naive_json_word(const char *word);
static ngx_uint_t naive_json_char(u_char ch);
static void naive_json_put(uint32_t ch);


static u_char        *naive_p, *naive_last, *naive_text;
static naive_json_t  *naive_node;
static ngx_uint_t     naive_unsure;

static u_char         naive_texts[2 * NAIVE_JSON_SIZE];
static naive_json_t   naive_nodes[NAIVE_JSON_SIZE];


naive_json_t *
naive_json(ngx_str_t *text, ngx_uint_t *unsure)
{
    naive_json_t  *v;

    env_check(text->len <= NAIVE_JSON_SIZE);

    naive_p = text->data;
    naive_last = text->data + text->len;
    naive_text = naive_texts;
    naive_node = naive_nodes;
    naive_unsure = 0;

    v = naive_json_value(1);

    *unsure = naive_unsure;

    return (naive_p == naive_last) ? v : NULL;
}


naive_json_t *
naive_json_get(naive_json_t *object, const char *key)
{
    naive_json_t  *v;

    if (object == NULL || object->type != NAIVE_OBJECT) {
        return NULL;
    }

    for (v = object->first; v; v = v->next) {
        if (v->key.len == strlen(key)
            && memcmp(v->key.data, key, v->key.len) == 0)
        {
            return v;
        }
    }

    return NULL;
}


ngx_uint_t
naive_json_text(naive_json_t *object, const char *key, ngx_str_t *text)
{
    naive_json_t  *v;

    ngx_str_null(text);

    if (object == NULL || object->type == NAIVE_NULL) {
        return 1;
    }

    if (object->type != NAIVE_OBJECT) {
        return 0;
    }

    v = naive_json_get(object, key);

    if (v == NULL || v->type == NAIVE_NULL) {
        return 1;
    }

    if (v->type != NAIVE_STRING) {
        return 0;
    }

    *text = v->text;

    return 1;
}


/* with the white space around it */

static naive_json_t *
naive_json_value(ngx_uint_t depth)
{
    ngx_uint_t     ok;
    naive_json_t  *v;

    if (depth > NAIVE_JSON_DEPTH) {
        return NULL;
    }

    if (depth > NAIVE_JSON_DEPTH / 2) {
        naive_unsure = 1;
    }

    naive_json_space();

    v = naive_node;

    if (naive_p == naive_last) {
        return NULL;
    }

    naive_node++;
    memset(v, 0, sizeof(naive_json_t));

    switch (*naive_p) {

    case '{':
        v->type = NAIVE_OBJECT;
        ok = naive_json_members(v, depth);
        break;

    case '[':
        v->type = NAIVE_ARRAY;
        ok = naive_json_members(v, depth);
        break;

    case '"':
        v->type = NAIVE_STRING;
        ok = naive_json_string(&v->text);
        break;

    case 'n':
        v->type = NAIVE_NULL;
        ok = naive_json_word("null");
        break;

    case 't':
        v->type = NAIVE_TRUE;
        ok = naive_json_word("true");
        break;

    case 'f':
        v->type = NAIVE_FALSE;
        ok = naive_json_word("false");
        break;

    default:
        v->type = NAIVE_NUMBER;
        ok = naive_json_number();
    }

    naive_json_space();

    return ok ? v : NULL;
}


/* of an object or of an array */

static ngx_uint_t
naive_json_members(naive_json_t *v, ngx_uint_t depth)
{
    u_char         close;
    ngx_str_t      key;
    naive_json_t  *member, *other, **next;

    close = (v->type == NAIVE_OBJECT) ? '}' : ']';
    next = &v->first;

    naive_p++;
    naive_json_space();

    if (naive_json_char(close)) {
        return 1;
    }

    do {
        ngx_str_null(&key);

        if (v->type == NAIVE_OBJECT) {
            naive_json_space();

            if (!naive_json_string(&key)) {
                return 0;
            }

            for (other = v->first; other; other = other->next) {
                if (env_equal(&other->key, &key)) {
                    return 0;
                }
            }

            naive_json_space();

            if (!naive_json_char(':')) {
                return 0;
            }
        }

        member = naive_json_value(depth + 1);
        if (member == NULL) {
            return 0;
        }

        member->key = key;
        *next = member;
        next = &member->next;
        v->n++;

    } while (naive_json_char(','));

    return naive_json_char(close);
}


static ngx_uint_t
naive_json_string(ngx_str_t *s)
{
    if (!naive_json_char('"')) {
        return 0;
    }

    s->data = naive_text;

    while (!naive_json_char('"')) {

        if (naive_p == naive_last || *naive_p < 0x20) {
            return 0;
        }

        if (naive_json_char('\\')) {
            if (!naive_json_escape()) {
                return 0;
            }

        } else if (!naive_json_utf8()) {
            return 0;
        }
    }

    s->len = naive_text - s->data;

    return 1;
}


static ngx_uint_t
naive_json_escape(void)
{
    char     ch, *p;
    int32_t  high, low;

    static char  from[] = "\"\\/bfnrt";
    static char  to[] = "\"\\/\b\f\n\r\t";

    if (naive_p == naive_last) {
        return 0;
    }

    ch = *naive_p++;

    if (ch != 'u') {
        p = ch ? strchr(from, ch) : NULL;

        if (p == NULL) {
            return 0;
        }

        naive_json_put(to[p - from]);

        return 1;
    }

    high = naive_json_hex();

    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return 0;
    }

    if (high < 0xd800 || high > 0xdfff) {
        naive_json_put(high);
        return 1;
    }

    if (!naive_json_char('\\') || !naive_json_char('u')) {
        return 0;
    }

    low = naive_json_hex();

    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }

    naive_json_put(0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00));

    return 1;
}


static int32_t
naive_json_hex(void)
{
    int32_t     n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < 4; i++) {
        if (naive_p == naive_last || !isxdigit(*naive_p)) {
            return -1;
        }

        n *= 16;
        n += isdigit(*naive_p) ? *naive_p - '0'
                               : tolower(*naive_p) - 'a' + 10;
        naive_p++;
    }

    return n;
}


/* RFC 3629, section 4 */

static ngx_uint_t
naive_json_utf8(void)
{
    size_t      i, n;
    uint32_t    ch;

    static uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    ch = *naive_p++;

    n = (ch < 0x80) ? 1 : (ch >= 0xc0 && ch < 0xe0) ? 2
        : (ch >= 0xe0 && ch < 0xf0) ? 3 : (ch >= 0xf0 && ch < 0xf8) ? 4 : 0;

    if (n == 0) {
        return 0;
    }

    if (n > 1) {
        ch &= 0x7f >> n;
    }

    for (i = 1; i < n; i++) {
        if (naive_p == naive_last || (*naive_p & 0xc0) != 0x80) {
            return 0;
        }

        ch = ch * 64 + (*naive_p++ & 0x3f);
    }

    if (ch < least[n] || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
        return 0;
    }

    naive_json_put(ch);

    return 1;
}


static ngx_uint_t
naive_json_number(void)
{
    char    text[512];
    size_t  n;
    u_char *start;

    start = naive_p;

    (void) naive_json_char('-');

    if (!naive_json_char('0') && !naive_json_digits()) {
        return 0;
    }

    if (naive_json_char('.') && !naive_json_digits()) {
        return 0;
    }

    if (naive_json_char('e') || naive_json_char('E')) {
        if (!naive_json_char('+')) {
            (void) naive_json_char('-');
        }

        if (!naive_json_digits()) {
            return 0;
        }
    }

    n = naive_p - start;

    if (n >= sizeof(text)) {
        naive_unsure = 1;
        return 1;
    }

    memcpy(text, start, n);
    text[n] = '\0';

    if (isinf(strtod(text, NULL))) {
        naive_unsure = 1;
    }

    return 1;
}


static ngx_uint_t
naive_json_digits(void)
{
    u_char  *start;

    start = naive_p;

    while (naive_p < naive_last && isdigit(*naive_p)) {
        naive_p++;
    }

    return naive_p != start;
}


static void
naive_json_space(void)
{
    while (naive_p < naive_last && *naive_p && strchr(" \t\r\n", *naive_p)) {
        naive_p++;
    }
}


static ngx_uint_t
naive_json_word(const char *word)
{
    while (*word) {
        if (!naive_json_char(*word++)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
naive_json_char(u_char ch)
{
    if (naive_p == naive_last || *naive_p != ch) {
        return 0;
    }

    naive_p++;

    return 1;
}


static void
naive_json_put(uint32_t ch)
{
    if (ch < 0x80) {
        *naive_text++ = ch;

    } else if (ch < 0x800) {
        *naive_text++ = 0xc0 + ch / 64;
        *naive_text++ = 0x80 + ch % 64;

    } else if (ch < 0x10000) {
        *naive_text++ = 0xe0 + ch / 4096;
        *naive_text++ = 0x80 + ch / 64 % 64;
        *naive_text++ = 0x80 + ch % 64;

    } else {
        *naive_text++ = 0xf0 + ch / 262144;
        *naive_text++ = 0x80 + ch / 4096 % 64;
        *naive_text++ = 0x80 + ch / 64 % 64;
        *naive_text++ = 0x80 + ch % 64;
    }
}
