
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_CHECK_H_INCLUDED_
#define _STORE_CHECK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_layout.h"


/*
 * Verifies all that is true of a store that nobody is changing.  Only reads,
 * takes no mutex, and ends on garbage, too, if store->lookups and store->ncells
 * stay inside the memory.
 *
 * Returns NGX_OK, or NGX_ERROR with a message in "err" of "size" bytes.
 */

ngx_int_t store_check(ngx_http_auth_api_token_store_t *store, char *err,
    size_t size);


#endif /* _STORE_CHECK_H_INCLUDED_ */
