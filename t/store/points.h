
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _STORE_POINTS_H_INCLUDED_
#define _STORE_POINTS_H_INCLUDED_


#include "env.h"


/*
 * Lets a child die at each point of each change of the store in turn, and
 * verifies that the store is then marked, and works again.  Returns how
 * many points there were, or 0 if it failed.
 */

ngx_uint_t points_test(void);


#endif /* _STORE_POINTS_H_INCLUDED_ */
