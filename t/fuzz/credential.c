
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "env.h"
#include <ngx_http.h>
#include "ngx_http_auth_api_token_bearer.h"
#include "ngx_http_auth_api_token_credential.h"


/*
 * What a request's credential is taken for, compared with what RFC 9110, RFC
 * 6750 and docs/directives.md say it is.
 *
 * The input is a byte of flags, and the value of the header or of a variable;
 * with CREDENTIAL_SAYS a line comes before it: the variable of _https.
 */


#define CREDENTIAL_VARIABLE  0x01    /* token=$variable */
#define CREDENTIAL_OPAQUE    0x02    /* format=opaque */
#define CREDENTIAL_PLAIN     0x04    /* plain HTTP */
#define CREDENTIAL_ANY       0x08    /* auth_api_token_https off */
#define CREDENTIAL_SAYS      0x10    /* auth_api_token_https $variable */
#define CREDENTIAL_NONE      0x20    /* no header */
#define CREDENTIAL_FAIL      0x40    /* variables have no memory */


typedef ngx_http_auth_api_token_ctx_t       ctx_t;
typedef ngx_http_auth_api_token_check_t     check_t;
typedef ngx_http_auth_api_token_loc_conf_t  loc_conf_t;
typedef ngx_http_auth_api_token_reason_e    reason_e;


/* what a naive reader makes of it */

typedef struct {
    reason_e    reason;
    ngx_str_t   token;
    ngx_str_t   id;
    ngx_uint_t  failed;
} naive_t;


static void naive_read(ngx_uint_t flags, ngx_str_t *says, ngx_str_t value,
    naive_t *n);
static ngx_uint_t naive_scheme(ngx_str_t *value);
static ngx_uint_t naive_token68(ngx_str_t *token);
static size_t naive_id(ngx_str_t *token);
static ngx_uint_t naive_secure(ngx_uint_t flags, ngx_str_t *says,
    naive_t *n);
static ngx_uint_t naive_word(ngx_str_t *value, const char *word);


static ngx_int_t  variables;

ngx_module_t      ngx_http_auth_api_token_module;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         input, says;
    ngx_uint_t        flags;
    naive_t           n;
    void             *confs[1];

    static ctx_t                     ctx;
    static check_t                   check;
    static loc_conf_t                conf;
    static ngx_table_elt_t           header;
    static ngx_connection_t          c;
    static ngx_http_request_t        r;
    static ngx_http_complex_value_t  token, https;

    if (size == 0) {
        return 0;
    }

    flags = data[0];
    input.data = (u_char *) data + 1;
    input.len = size - 1;

    ngx_str_null(&says);

    if (flags & CREDENTIAL_SAYS) {
        says = env_take(&input, '\n');
    }

    token.value = input;
    header.value = input;
    https.value = says;

    check.token = (flags & CREDENTIAL_VARIABLE) ? &token : NULL;
    check.opaque = (flags & CREDENTIAL_OPAQUE) != 0;

    conf.check = &check;
    conf.https.on = (flags & CREDENTIAL_ANY) == 0;
    conf.https.value = (flags & CREDENTIAL_SAYS) ? &https : NULL;

    c.ssl = (flags & CREDENTIAL_PLAIN) ? NULL : (void *) &c;

    confs[0] = &conf;

    r.connection = &c;
    r.loc_conf = confs;
    r.headers_in.authorization = (flags & CREDENTIAL_NONE) ? NULL : &header;

    ctx.reason = T(UNDECIDED);

    variables = (flags & CREDENTIAL_FAIL) ? NGX_ERROR : NGX_OK;

    rc = ngx_http_auth_api_token_credential(&r, &ctx);

    naive_read(flags, &says, input, &n);

    if (n.failed) {
        env_check(rc == NGX_HTTP_INTERNAL_SERVER_ERROR);
        return 0;
    }

    env_check(rc == NGX_OK);

    if (ctx.reason != n.reason
        || !env_equal(&ctx.token, &n.token)
        || !env_equal(&ctx.id, &n.id))
    {
        env_fail("reason %d token \"%V\" id \"%V\", "
                 "and should be %d \"%V\" \"%V\"",
                 ctx.reason, &ctx.token, &ctx.id,
                 n.reason, &n.token, &n.id);
    }

    /* what is looked up names a path of one segment, and no more */

    for (i = 0; i < ctx.id.len; i++) {
        env_check(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789",
                         ctx.id.data[i])
                  && ctx.id.data[i]);
    }

    for (i = 0; i < ctx.token.len; i++) {
        env_check(ctx.token.data[i] > 0x20 && ctx.token.data[i] < 0x7f);
    }

    return 0;
}


/* docs/directives.md, "auth_api_token" and "auth_api_token_https" */

static void
naive_read(ngx_uint_t flags, ngx_str_t *says, ngx_str_t value, naive_t *n)
{
    size_t      id;
    ngx_uint_t  scheme;

    ngx_memzero(n, sizeof(naive_t));

    n->reason = T(NO_TOKEN);

    if (!(flags & CREDENTIAL_VARIABLE) && (flags & CREDENTIAL_NONE)) {
        return;
    }

    if ((flags & CREDENTIAL_VARIABLE) && (flags & CREDENTIAL_FAIL)) {
        n->failed = 1;
        return;
    }

    if ((flags & CREDENTIAL_VARIABLE) && value.len == 0) {
        return;
    }

    scheme = naive_scheme(&value);

    if (flags & CREDENTIAL_VARIABLE) {

        /* a value without a space may do without a scheme */

        if (memchr(value.data, ' ', value.len) == NULL
            && !naive_word(&value, "bearer"))
        {
            scheme = 'v';
        }
    }

    switch (scheme) {

    case 'o':
        return;

    case 'b':
        value.data += 6;
        value.len -= 6;

        while (value.len && value.data[0] == ' ') {
            value.data++;
            value.len--;
        }

        break;

    case 'v':
        break;

    default:
        n->reason = T(MALFORMED);
        return;
    }

    n->reason = T(MALFORMED);

    if (!naive_token68(&value)) {
        return;
    }

    if (value.len > 1024
        && ((flags & CREDENTIAL_OPAQUE) || memcmp(value.data, "idt:", 4) == 0))
    {
        return;
    }

    n->reason = naive_secure(flags, says, n) ? T(UNDECIDED) : T(INSECURE);
    n->token = value;

    if (flags & CREDENTIAL_OPAQUE) {
        return;
    }

    id = naive_id(&value);

    if (id) {
        n->id.data = value.data + 4;
        n->id.len = id;

    } else if (n->reason == T(UNDECIDED)) {
        n->reason = T(UNSUPPORTED);
    }
}


/* 'b': Bearer; 'o': another scheme; 0: none */

static ngx_uint_t
naive_scheme(ngx_str_t *value)
{
    size_t      n;
    ngx_str_t   name;
    const char  tchar[] = "!#$%&'*+-.^_`|~0123456789"
                          "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (n = 0; n < value->len; n++) {
        if (memchr(tchar, value->data[n], sizeof(tchar) - 1) == NULL) {
            break;
        }
    }

    if (n == 0 || (n < value->len && value->data[n] != ' ')) {
        return 0;
    }

    name.data = value->data;
    name.len = n;

    return naive_word(&name, "bearer") ? 'b' : 'o';
}


/* one or more of these, then "=" as often as it likes */

static ngx_uint_t
naive_token68(ngx_str_t *token)
{
    size_t  n, len;

    static const char  set[] = "-._~+/:0123456789"
                               "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    len = token->len;

    while (len && token->data[len - 1] == '=') {
        len--;
    }

    for (n = 0; n < len; n++) {
        if (memchr(set, token->data[n], sizeof(set) - 1) == NULL) {
            return 0;
        }
    }

    return len != 0;
}


/* the length of the id in "idt:ID:SECRET", or 0 */

static size_t
naive_id(ngx_str_t *token)
{
    u_char       ch;
    size_t       i, n;
    ngx_uint_t   k;
    const char  *form;

    static const char  *forms[] = {
        "idt:AAA-0000-0000:",
        "idt:AAA-0000-0000-0000:",
        "idt:AAA-0000-0000-0000-0000:"
    };

    for (k = 0; k < 3; k++) {
        form = forms[k];
        n = strlen(form);

        if (token->len <= n) {
            continue;
        }

        for (i = 0; i < n; i++) {
            ch = token->data[i];

            if (form[i] == 'A' ? !(ch >= 'A' && ch <= 'Z')
                : form[i] == '0' ? !(ch >= '0' && ch <= '9')
                : ch != form[i])
            {
                break;
            }
        }

        if (i == n && memcmp(token->data + 4, "EXT", 3) != 0) {
            return n - 5;
        }
    }

    return 0;
}


static ngx_uint_t
naive_secure(ngx_uint_t flags, ngx_str_t *says, naive_t *n)
{
    if (flags & CREDENTIAL_ANY) {
        return 1;
    }

    if (flags & CREDENTIAL_SAYS) {
        n->failed = (flags & CREDENTIAL_FAIL) != 0;

        return naive_word(says, "1") || naive_word(says, "on")
               || naive_word(says, "https");
    }

    return !(flags & CREDENTIAL_PLAIN);
}


/* in any case */

static ngx_uint_t
naive_word(ngx_str_t *value, const char *word)
{
    return value->len == strlen(word)
           && strncasecmp((char *) value->data, word, value->len) == 0;
}


ngx_int_t
ngx_http_complex_value(ngx_http_request_t *r, ngx_http_complex_value_t *val,
    ngx_str_t *value)
{
    *value = val->value;

    return variables;
}
