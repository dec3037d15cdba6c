
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Whether a value is a traceparent of version "00" (W3C Trace Context, section
 * 3.2.2), and so may stand in a log line or in JSON as it is.  The platform has
 * such values as the "traceId" of its problems.
 *
 * Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t ngx_http_auth_api_token_traceparent(ngx_str_t *value);


#endif /* _NGX_HTTP_AUTH_API_TOKEN_SYNTAX_H_INCLUDED_ */
