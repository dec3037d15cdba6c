
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_TEST_PEEK_H_INCLUDED_
#define _STORE_TEST_PEEK_H_INCLUDED_


#include "test.h"
#include "ngx_http_auth_api_token_record.h"


/*
 * What the tests of reads without the mutex have in common.
 */


#define TEST_CELLS   64
#define TEST_TOKENS  24


/* tokens of three ids, as test_fill() adds them */

void test_token(char *name, ngx_uint_t n);
void test_fill(test_t *t);

/* a read without the mutex, to the cell or to the buffer */

record_t *test_peek_of(test_t *t, const char *name, void *cell);

extern uint64_t  test_cell[T(CELL) / sizeof(uint64_t)];
extern uint64_t  test_buf[T(COPY) / sizeof(uint64_t)];

/* all bytes of a store, to be freed, and how many they are */

u_char *test_copy(test_t *t);
size_t test_all(test_t *t);

void test_peek_broken(void);


#endif /* _STORE_TEST_PEEK_H_INCLUDED_ */
