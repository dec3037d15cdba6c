
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_store.h"


/*
 * How latencies are counted, for the functions of the store only.
 */


/*
 * Which of the counters is that of so many milliseconds.
 */

ngx_uint_t ngx_http_auth_api_token_latency(ngx_msec_t ms);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_FIGURES_H_INCLUDED_ */
