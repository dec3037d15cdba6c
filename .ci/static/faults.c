
/*
 * Not part of the module: a fault for each program of .ci/check/static to find,
 * which shows that the program works.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t compiler(ngx_int_t n);
ngx_int_t analyzer(ngx_http_request_t *r);
ngx_int_t clang_tidy(ngx_str_t *s);
ngx_int_t cppcheck(ngx_uint_t n);


ngx_int_t
compiler(ngx_int_t n)
{
    if (n > 1) {
        ngx_int_t  n = 1;

        return n;
    }

    return n;
}


ngx_int_t
analyzer(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);

    h->hash = 1;

    return NGX_OK;
}


ngx_int_t
clang_tidy(ngx_str_t *s)
{
    return ngx_min(s->len, s->len);
}


ngx_int_t
cppcheck(ngx_uint_t n)
{
    u_char  list[4];

    if (n == 4) {
        list[n] = 0;
        return list[n];
    }

    return 0;
}
