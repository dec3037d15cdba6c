
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _FUZZ_NAIVE_JSON_H_INCLUDED_
#define _FUZZ_NAIVE_JSON_H_INCLUDED_


#include "env.h"


/*
 * A strict and simple reader of JSON, from RFC 8259 alone.
 */


/* of the text; what is nested deeper than this is to be refused */

#define NAIVE_JSON_SIZE   65536
#define NAIVE_JSON_DEPTH  2048


typedef enum {
    NAIVE_NULL = 0,
    NAIVE_FALSE,
    NAIVE_TRUE,
    NAIVE_NUMBER,
    NAIVE_STRING,
    NAIVE_ARRAY,
    NAIVE_OBJECT
} naive_json_type_e;


typedef struct naive_json_s  naive_json_t;

struct naive_json_s {
    naive_json_type_e   type;
    ngx_str_t           key;     /* of a member */
    ngx_str_t           text;    /* of a string */
    ngx_uint_t          n;       /* of members */
    naive_json_t       *first;
    naive_json_t       *next;
};


/*
 * Returns the value that the text is, which lasts until the next call; or NULL
 * if it is none.  A name twice in an object, a zero byte in a string and what
 * is no Unicode are refused, too.  Sets "unsure" if there are numbers that do
 * not fit in a double, or more than half the depth: who refuses these may.
 */

naive_json_t *naive_json(ngx_str_t *text, ngx_uint_t *unsure);


/* NULL if it is no object or has no such member */

naive_json_t *naive_json_get(naive_json_t *object, const char *key);


/*
 * A string, which is empty where there is none, be it null or not there.
 * Returns 0 if it is something else, or the object is something else than an
 * object, null or not there.
 */

ngx_uint_t naive_json_text(naive_json_t *object, const char *key,
    ngx_str_t *text);


#endif /* _FUZZ_NAIVE_JSON_H_INCLUDED_ */
