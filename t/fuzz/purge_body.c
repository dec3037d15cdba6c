
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "naive_json.h"
#include "ngx_http_auth_api_token_json.h"


/*
 * What a body asks to forget, compared with what docs/operating.md says of it,
 * read naively.
 *
 * The input is the body, after a number if an allocation is to fail.
 */


typedef ngx_http_auth_api_token_purge_t  purge_t;


static ngx_uint_t naive_purge(naive_json_t *root, purge_t *purge);
static ngx_uint_t naive_id(ngx_str_t *id);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    purge_t        purge, naive;
    ngx_int_t      rc;
    ngx_str_t      body;
    ngx_uint_t     ok, unsure;
    ngx_pool_t    *pool;
    naive_json_t  *root;

    if (size > NAIVE_JSON_SIZE) {
        return 0;
    }

    body.data = (u_char *) data;
    body.len = size;

    pool = env_pool();
    env_fail_at(&body);

    rc = ngx_http_auth_api_token_read_purge(pool, &body, &purge);

    env_check(env_held(pool) <= 1);

    if (env_failed() && rc != NGX_OK) {
        return 0;
    }

    memset(&naive, 0, sizeof(purge_t));

    root = naive_json(&body, &unsure);
    ok = root && naive_purge(root, &naive);

    if (rc == NGX_DECLINED && (unsure || !ok)) {
        return 0;
    }

    env_check(rc == NGX_OK);
    env_check(ok);

    if (!env_equal(&purge.id, &naive.id)
        || !env_equal(&purge.account, &naive.account)
        || !purge.all != !naive.all)
    {
        env_fail("id \"%V\" account \"%V\" all %d, "
                 "and should be \"%V\" \"%V\" %d",
                 &purge.id, &purge.account, purge.all,
                 &naive.id, &naive.account, naive.all);
    }

    /* one thing, and never everything by mistake */

    env_check((purge.id.len != 0) + (purge.account.len != 0) + (purge.all != 0)
              == 1);

    return 0;
}


static ngx_uint_t
naive_purge(naive_json_t *root, purge_t *purge)
{
    ngx_str_t      text;
    ngx_uint_t     i, n, account;
    naive_json_t  *v[4];

    static const char  *names[] = { "token", "account", "all", "object" };

    n = 0;

    for (i = 0; i < 4; i++) {
        v[i] = naive_json_get(root, names[i]);
        n += (v[i] != NULL);
    }

    if (n != 1) {
        return 0;
    }

    if (v[2]) {
        purge->all = (v[2]->type == NAIVE_TRUE);
        return purge->all;
    }

    if (v[3]) {
        if (v[3]->type != NAIVE_OBJECT
            || !naive_json_text(v[3], "id", &text))
        {
            return 0;
        }

    } else {
        v[0] = v[0] ? v[0] : v[1];

        if (v[0]->type != NAIVE_STRING) {
            return 0;
        }

        text = v[0]->text;
    }

    if (!naive_id(&text)) {
        return 0;
    }

    account = (text.len > 4 && memcmp(text.data, "ACC-", 4) == 0);

    if (!v[3] && account != (v[1] != NULL)) {
        return 0;
    }

    if (account) {
        purge->account = text;

    } else {
        purge->id = text;
    }

    return 1;
}


/* up to 64 of these, with a "-" inside */

static ngx_uint_t
naive_id(ngx_str_t *id)
{
    size_t      i;
    ngx_uint_t  inside;

    inside = 0;

    for (i = 0; i < id->len; i++) {
        if (!isalnum(id->data[i]) && memchr("._-", id->data[i], 3) == NULL) {
            return 0;
        }

        if (id->data[i] == '-' && i > 0 && i < id->len - 1) {
            inside = 1;
        }
    }

    return inside && id->len <= 64;
}
