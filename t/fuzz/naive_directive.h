
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _FUZZ_NAIVE_DIRECTIVE_H_INCLUDED_
#define _FUZZ_NAIVE_DIRECTIVE_H_INCLUDED_


#include "env.h"


/* the plain form of a directive: all its arguments, each with a line end */

typedef struct {
    size_t  len;
    u_char  data[65536];
} plain_t;


/* as ngx_sprintf() */

void plain_add(plain_t *plain, const char *fmt, ...);


/*
 * What docs/directives.md says of a directive: the name and its arguments, "n"
 * in all, which have no zero bytes.  Returns 0 if that is to be refused; or
 * writes it with all parameters, in one order, and numbers in one unit.
 */

ngx_uint_t naive_directive(ngx_str_t *args, ngx_uint_t n, plain_t *plain);


#endif /* _FUZZ_NAIVE_DIRECTIVE_H_INCLUDED_ */
