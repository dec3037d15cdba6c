
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_token.h"
#include <jansson.h>
#include <ngx_http.h>
#include <pthread.h>
#include "ngx_http_auth_api_token_check.h"
#include "ngx_http_auth_api_token_json.h"
#include "ngx_http_auth_api_token_operate.h"


/*
 * What the module makes of a body of the token API, compared with what a naive
 * reader does; and what it says itself of an active token, which it has to read
 * as the same.
 *
 * The input is a line with the claimed id, be it empty, a line with the token
 * that the answer has to prove, or an empty one, and the body; or the line
 * "trace" and the body of a problem.  A number before it makes an allocation
 * fail.
 */


typedef ngx_http_auth_api_token_verdict_t  verdict_t;
typedef ngx_http_auth_api_token_content_t  content_t;


static void token_answer(ngx_pool_t *pool, ngx_str_t *id, ngx_str_t *token,
    ngx_str_t *body);
static void token_beside(void);
static void *token_thread(void *data);
static void token_trace(ngx_pool_t *pool, ngx_str_t *body);
static void token_object(ngx_pool_t *pool, facts_t *facts);
static void token_headers(ngx_http_request_t *r);
static void token_same(facts_t *facts, facts_t *other);
static void token_modules(facts_t *facts, facts_t *other);
static ngx_uint_t token_module(facts_t *facts, ngx_str_t *id,
    ngx_str_t *code);


static content_t  *object_content;
static facts_t    *object_facts;
static ngx_msec_t  object_age;
static ngx_str_t   object_body;

ngx_module_t       ngx_http_auth_api_token_module;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t    id, token, body;
    ngx_pool_t  *pool;

    if (size > NAIVE_JSON_SIZE) {
        return 0;
    }

    body.data = (u_char *) data;
    body.len = size;

    pool = env_pool();
    env_fail_at(&body);

    id = env_take(&body, '\n');

    if (id.len == 5 && memcmp(id.data, "trace", 5) == 0) {
        token_trace(pool, &body);
        return 0;
    }

    token = env_take(&body, '\n');
    token_answer(pool, &id, token.len ? &token : NULL, &body);

    return 0;
}


static void
token_answer(ngx_pool_t *pool, ngx_str_t *id, ngx_str_t *token,
    ngx_str_t *body)
{
    facts_t     facts;
    reason_e    reason;
    verdict_t   verdict;
    ngx_uint_t  unsure, failed;

    static ngx_uint_t  beside;

    memset(&verdict, 0, sizeof(verdict_t));

    if (!beside) {
        beside = 1;
        env_meanwhile = token_beside;
    }

    ngx_http_auth_api_token_read_answer(pool, body, id, token, &verdict);

    failed = env_failed();

    env_check(env_held(pool) <= T(STRINGS));

    reason = naive_token(body, id, token, &facts, &unsure);

    if ((unsure || failed) && verdict.reason == T(UNAVAILABLE)) {
        return;
    }

    if (verdict.reason != reason) {
        env_fail("reason %d, and should be %d", verdict.reason, reason);
    }

    env_check((reason == T(UNAVAILABLE)) == (verdict.cause != NULL));

    switch (reason) {

    case T(PASS):
        token_same(&verdict.facts, &facts);

        token_object(pool, &verdict.facts);
        break;

    case T(DISABLED):
    case T(DELETED):
    case T(INACTIVE):
    case T(ACCOUNT_DISABLED):
        token_same(&verdict.facts, &facts);
        break;

    case T(UNKNOWN):
    case T(MISMATCH):
    case T(UNAVAILABLE):
        break;

    default:
        env_fail("reason %d is none of a lookup's", reason);
    }
}


/* another module uses jansson in a thread of its own: not with our pool */

static void
token_beside(void)
{
    pthread_t  thread;

    env_check(pthread_create(&thread, NULL, token_thread, NULL) == 0);
    env_check(pthread_join(thread, NULL) == 0);
}


static void *
token_thread(void *data)
{
    json_t  *object;

    object = json_object();
    env_check(object != NULL);

    json_decref(object);

    return NULL;
}


/* a name twice does no harm here: all that counts is the form of the value */

static void
token_trace(ngx_pool_t *pool, ngx_str_t *body)
{
    ngx_str_t      trace_id, text;
    ngx_uint_t     unsure;
    naive_json_t  *root;

    ngx_http_auth_api_token_read_trace_id(pool, body, &trace_id);

    env_check(env_held(pool) <= 1);
    env_check(trace_id.len == 0 || naive_trace(&trace_id));

    root = naive_json(body, &unsure);

    if (root && !unsure && !env_failed()
        && root->type == NAIVE_OBJECT
        && naive_json_text(root, "traceId", &text)
        && naive_trace(&text))
    {
        env_check(env_equal(&trace_id, &text));
    }
}


/* what the object says is what the facts are */

static void
token_object(ngx_pool_t *pool, facts_t *facts)
{
    facts_t             other;
    verdict_t           verdict;
    ngx_str_t           id;
    ngx_uint_t          unsure;
    ngx_http_request_t  r;

    static ngx_http_auth_api_token_loc_conf_t  conf;

    if (object_content == NULL) {
        ngx_http_auth_api_token_set_object(NULL, NULL, &conf);
        env_check(object_content != NULL);
    }

    memset(&r, 0, sizeof(ngx_http_request_t));
    r.pool = pool;

    env_check(ngx_list_init(&r.headers_out.headers, pool, 12,
                            sizeof(ngx_table_elt_t))
              == NGX_OK);

    object_facts = facts;
    object_age = facts->name.len * 499;

    env_check(object_content->handler(&r) == NGX_OK);

    token_headers(&r);

    ngx_str_null(&id);
    memset(&verdict, 0, sizeof(verdict_t));

    ngx_http_auth_api_token_read_answer(pool, &object_body, &id, NULL,
                                        &verdict);

    if (verdict.reason != T(PASS)) {
        env_fail("\"%V\" is not active", &object_body);
    }

    token_modules(&verdict.facts, facts);
    verdict.facts.codes = facts->codes;
    token_same(&verdict.facts, facts);

    env_check(naive_token(&object_body, &id, NULL, &other, &unsure)
              == T(PASS));

    other.codes = facts->codes;
    token_same(&other, facts);

    env_check(naive_json_get(naive_json(&object_body, &unsure), "token")
              == NULL);
}


/* each of them once, and nothing in them that a header may not hold */

static void
token_headers(ngx_http_request_t *r)
{
    size_t            i;
    ngx_str_t         name, age;
    ngx_uint_t        n;
    ngx_table_elt_t  *h;
    u_char            text[NGX_INT_T_LEN];

    static char  *names[] = {
        "Cache-Control", "Vary", "Age", "X-MPT-Token-Id", "X-MPT-Token-Name",
        "X-MPT-Account-Id", "X-MPT-Account-Name", "X-MPT-Account-Type",
        "X-MPT-Modules", "X-MPT-Extensions"
    };

    for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        name.data = (u_char *) names[n];
        name.len = strlen(names[n]);

        h = ngx_http_auth_api_token_find_header(&r->headers_out.headers, &name);

        env_check(h != NULL);
        env_check(ngx_http_auth_api_token_next_header(&r->headers_out.headers,
                                                      &name, h)
                  == NULL);

        for (i = 0; i < h->value.len; i++) {
            env_check(h->value.data[i] >= 0x20 && h->value.data[i] < 0x7f);
        }

        if (strcmp(names[n], "Age") == 0) {
            age.data = text;
            age.len = ngx_sprintf(text, "%M", object_age / 1000
                                              + (object_age % 1000 != 0))
                      - text;

            env_check(env_equal(&h->value, &age));
        }
    }
}


static void
token_same(facts_t *facts, facts_t *other)
{
    ngx_str_t   *one, *two;
    ngx_uint_t   i;

    one = (ngx_str_t *) facts;
    two = (ngx_str_t *) other;

    for (i = 0; i < T(STRINGS); i++) {
        if (!env_equal(&one[i], &two[i])) {
            env_fail("fact %ui is \"%V\", and should be \"%V\"",
                     i, &one[i], &two[i]);
        }
    }
}


/* a module that has neither an id nor a code is not in the object */

static void
token_modules(facts_t *facts, facts_t *other)
{
    facts_t     one, two;
    ngx_str_t   id, code, other_id, other_code;
    ngx_uint_t  more;

    one = *facts;
    two = *other;

    do {
        more = token_module(&one, &id, &code);

        env_check(token_module(&two, &other_id, &other_code) == more);
        env_check(env_equal(&id, &other_id));
        env_check(env_equal(&code, &other_code));

    } while (more);
}


static ngx_uint_t
token_module(facts_t *facts, ngx_str_t *id, ngx_str_t *code)
{
    do {
        if (facts->modules.len == 0 && facts->codes.len == 0) {
            ngx_str_null(id);
            ngx_str_null(code);
            return 0;
        }

        *id = env_take(&facts->modules, ',');
        *code = env_take(&facts->codes, ',');

    } while (id->len == 0 && code->len == 0);

    return 1;
}


/* what the object asks of the wings below it, and of nginx */

char *
ngx_http_auth_api_token_set_content(ngx_conf_t *cf,
    ngx_http_auth_api_token_loc_conf_t *alcf, content_t *content)
{
    object_content = content;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_auth_api_token_identity(ngx_http_request_t *r, facts_t **facts,
    ngx_msec_t *age)
{
    *facts = object_facts;
    *age = object_age;

    return NGX_OK;
}


ngx_str_t *
ngx_http_auth_api_token_get_fact(facts_t *facts, uintptr_t data)
{
    return (ngx_str_t *) ((char *) facts + data);
}


ngx_int_t
ngx_http_discard_request_body(ngx_http_request_t *r)
{
    return NGX_OK;
}


ngx_int_t
ngx_http_send_response(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *ct, ngx_http_complex_value_t *cv)
{
    env_check(status == NGX_HTTP_OK);

    object_body = cv->value;

    return NGX_OK;
}
