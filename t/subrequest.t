use lib 't/lib';
use AuthApiToken;
use Lines qw($Get $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# subrequests of a protected page, and checks for other gateways

no_long_string();
run_tests();

__DATA__

=== TEST 1: SSI: ten parts of a page cost one call, and know the token
--- config
    location /page.html {
        ssi on;
        auth_api_token "r";
        root html;
    }

    location /part {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
        proxy_set_header X-Id "$auth_api_token_id,$auth_api_token_result";
    }
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 "[$http_x_id]";
    }
--- user_files eval
">>> page.html\n" . "<!--#include virtual=\"/part\" -->" x 10 . "\n"
--- perl
is(exchange("GET /page.html HTTP/1.1\r\nHost: a\r\n$::Good\r\n")->{body},
   '[TKN-1234-5678,pass]' x 10 . "\n", 'parts');
is(exchange("GET /page.html HTTP/1.1\r\nHost: a\r\n$::Bad\r\n")->{status},
   401, 'refused');
--- calls: 2



=== TEST 2: a part that the client asks for itself is checked
--- config
    location /part {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }
--- request
GET /part
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- calls: 1



=== TEST 3: mirror
--- config
    location /t {
        auth_api_token "r";
        mirror /mirror;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }

    location = /mirror {
        internal;
        auth_api_token "r";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 "x";
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 200
--- calls: 1



=== TEST 4: a check behind auth_request: one call for the subrequest's parent
--- config
    location /t {
        auth_request /check;
        try_files /dev/null =204;
    }

    location = /check {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        auth_api_token_request /_token_api;
        auth_api_token_https off;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location / {
            auth_api_token "r";
            try_files /dev/null =204;
        }
    }
--- perl
is(exchange("$::Get$::Good\r\n")->{status}, 204, 'pass');
is(exchange("$::Get$::Bad\r\n")->{status}, 401, 'unknown');
is(exchange("$::Get\r\n")->{status}, 401, 'no token');
--- calls: 2
