
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_auth_api_token_syntax.h"


ngx_int_t
ngx_http_auth_api_token_traceparent(ngx_str_t *value)
{
    size_t         i;
    u_char         ch;
    static u_char  form[] =
                     "00-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff";
    ngx_uint_t     trace, parent;

    if (value->len != sizeof(form) - 1) {
        return NGX_DECLINED;
    }

    trace = 0;
    parent = 0;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (form[i] == '0' || form[i] == '-') {
            if (ch != form[i]) {
                return NGX_DECLINED;
            }

            continue;
        }

        if ((ch < '0' || ch > '9') && (ch < 'a' || ch > 'f')) {
            return NGX_DECLINED;
        }

        if (ch != '0') {
            trace |= (form[i] == 't');
            parent |= (form[i] == 'p');
        }
    }

    return (trace && parent) ? NGX_OK : NGX_DECLINED;
}
