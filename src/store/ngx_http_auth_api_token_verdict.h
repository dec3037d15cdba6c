
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#ifndef _NGX_HTTP_AUTH_API_TOKEN_VERDICT_H_INCLUDED_
#define _NGX_HTTP_AUTH_API_TOKEN_VERDICT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Why a request passes or is refused.  Those from "unknown" to "unreadable" are
 * what a lookup finds out about a token; those from "unavailable" on mean that
 * nothing was found out.  Tables are in this order, and so are the counters of
 * a store.
 */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_UNDECIDED = 0,
    NGX_HTTP_AUTH_API_TOKEN_PASS,
    NGX_HTTP_AUTH_API_TOKEN_NO_TOKEN,
    NGX_HTTP_AUTH_API_TOKEN_MALFORMED,
    NGX_HTTP_AUTH_API_TOKEN_UNSUPPORTED,
    NGX_HTTP_AUTH_API_TOKEN_INSECURE,
    NGX_HTTP_AUTH_API_TOKEN_UNKNOWN,
    NGX_HTTP_AUTH_API_TOKEN_DISABLED,
    NGX_HTTP_AUTH_API_TOKEN_DELETED,
    NGX_HTTP_AUTH_API_TOKEN_INACTIVE,
    NGX_HTTP_AUTH_API_TOKEN_MISMATCH,
    NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_DISABLED,
    NGX_HTTP_AUTH_API_TOKEN_UNREADABLE,
    NGX_HTTP_AUTH_API_TOKEN_ACCOUNT,
    NGX_HTTP_AUTH_API_TOKEN_ACCOUNT_TYPE,
    NGX_HTTP_AUTH_API_TOKEN_MODULE,
    NGX_HTTP_AUTH_API_TOKEN_EXTENSION,
    NGX_HTTP_AUTH_API_TOKEN_REQUIRE,
    NGX_HTTP_AUTH_API_TOKEN_UNAVAILABLE,
    NGX_HTTP_AUTH_API_TOKEN_BUSY,
    NGX_HTTP_AUTH_API_TOKEN_LIMITED,
    NGX_HTTP_AUTH_API_TOKEN_REASONS
} ngx_http_auth_api_token_reason_e;


/*
 * What the token API said about a token.  Control bytes, non-ASCII and "%" are
 * percent-encoded; what the API left out is empty.  Lists are comma-separated;
 * commas and blanks in them are percent-encoded, too.
 *
 * The codes are those of the modules in their order, with an empty one for
 * a module without a code; those of modules without an id come last.  The
 * members are strings only, so that they can be copied as an array.
 */

typedef struct {
    ngx_str_t                         id;
    ngx_str_t                         account_id;
    ngx_str_t                         account_type;
    ngx_str_t                         name;
    ngx_str_t                         account_name;
    ngx_str_t                         modules;    /* ids */
    ngx_str_t                         codes;
    ngx_str_t                         extensions; /* ids, or see below */
} ngx_http_auth_api_token_facts_t;


/*
 * In place of a list of extensions, in which "*" and "?" are percent-encoded:
 * the token may act through all of them, as the API left the member out, or as
 * it is null; or the API does not tell which ones.
 */

#define NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_ALL      "*"
#define NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_NULL     "**"
#define NGX_HTTP_AUTH_API_TOKEN_EXTENSIONS_OMITTED  "?"


#define NGX_HTTP_AUTH_API_TOKEN_STRINGS                                       \
    (sizeof(ngx_http_auth_api_token_facts_t) / sizeof(ngx_str_t))


/* what a lookup says about the API itself: unless "untold", stale may serve */

typedef enum {
    NGX_HTTP_AUTH_API_TOKEN_UNTOLD = 0,    /* it was not asked */
    NGX_HTTP_AUTH_API_TOKEN_SILENT,        /* no answer in time */
    NGX_HTTP_AUTH_API_TOKEN_WELL,
    NGX_HTTP_AUTH_API_TOKEN_FAULT
} ngx_http_auth_api_token_health_e;


/*
 * The outcome of a lookup: "reason" is pass (the token is active), one of
 * unknown to unreadable, or unavailable.  Without a lookup, it may also be busy
 * or limited.
 */

typedef struct {
    ngx_http_auth_api_token_reason_e  reason;
    ngx_http_auth_api_token_facts_t   facts;
    ngx_msec_t                        asked;      /* ngx_current_msec */
    ngx_msec_t                        age;        /* of the API's answer */
    ngx_http_auth_api_token_health_e  health;
    ngx_uint_t                        status;     /* of the API, or 0 */
    time_t                            retry_after; /* seconds, or 0 */
    ngx_str_t                         trace_id;   /* of the API, or empty */
    const char                       *cause;      /* static, or NULL */
} ngx_http_auth_api_token_verdict_t;


#endif /* _NGX_HTTP_AUTH_API_TOKEN_VERDICT_H_INCLUDED_ */
