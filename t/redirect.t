use lib 't/lib';
use AuthApiToken;
use Lines qw($Get $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# internal redirects and error pages of a protected page

no_long_string();
run_tests();

__DATA__

=== TEST 1: try_files to a location that is checked too: one call
--- config
    auth_api_token "r";
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        try_files /nope /other;
    }

    location /other {
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- response_headers
X-Result: pass,TKN-1234-5678
--- calls: 1



=== TEST 2: the second location requires more
--- config
    auth_api_token "r";
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        try_files /nope /other;
    }

    location /other {
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: module,
--- response_body_like eval
qr!^\{"type":!
--- calls: 1



=== TEST 3: the first location is not checked
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
is(exchange("$::Get$::Good\r\n")->{headers}{'x-result'},
   'pass,TKN-1234-5678', 'pass');
is(exchange("$::Get$::Bad\r\n")->{headers}{'x-result'}, 'unknown,', 'unknown');
is(exchange("$::Get\r\n")->{headers}{'x-result'}, 'no_token,', 'no token');
--- calls: 2



=== TEST 4: the second location is not checked, and still knows
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        auth_api_token "r";
        try_files /nope /other;
    }

    location /other {
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- response_headers
X-Result: pass,TKN-1234-5678
--- calls: 1



=== TEST 5: another API, another verdict
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        auth_api_token "r";
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r";
        auth_api_token_request /_other;
        try_files /dev/null =204;
    }

    location = /_other {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0000:x";
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: unknown,
--- calls: 2



=== TEST 6: the same API by its label, one call
--- config
    auth_api_token_request /_token_api api=one;

    location /t {
        auth_api_token "r";
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r";
        auth_api_token_request /_other api=one;
        try_files /dev/null =204;
    }

    location = /_other {
        internal;
        return 500;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 1



=== TEST 7: the same API with another credential, another call
--- config
    location /t {
        auth_api_token "r";
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r";
        auth_api_token_request /_token_api credential=service;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- response_headers
X-Result: unavailable
--- calls: 2



=== TEST 8: another token, another verdict
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        auth_api_token "r";
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r" token=$http_x_token;
        try_files /dev/null =204;
    }
--- api
token TKN-9999-9999
--- perl
is(exchange("$::Get${\$::Good}X-Token: <TKN-9999-9999>\r\n\r\n")
   ->{headers}{'x-result'}, 'pass,TKN-9999-9999', 'another');
is(exchange("$::Get${\$::Good}X-Token: idt:TKN-1234-5678:MADEUPno\r\n\r\n")
   ->{headers}{'x-result'}, 'unknown,', 'a bad one');
is(exchange("$::Get${\$::Good}\r\n")->{headers}{'x-result'}, 'no_token,',
   'none');
is(exchange("$::Get${\$::Good}X-Token: <TKN-1234-5678>\r\n\r\n")
   ->{headers}{'x-result'}, 'pass,TKN-1234-5678', 'the same');
--- calls: 6



=== TEST 9: a verdict does not come back after a detour
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;
    recursive_error_pages on;

    location /t {
        auth_api_token "r";
        try_files /nope /two;
    }

    location /two {
        auth_api_token "r";
        auth_api_token_https on;
        auth_api_token_request /_other;
        error_page 403 /three;
        try_files /dev/null =204;
    }

    location /three {
        auth_api_token "r";
        auth_api_token_request /_other;
        try_files /dev/null =204;
    }

    location = /_other {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0000:x";
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: unknown,
--- calls: 2



=== TEST 10: error_page comes before the problem
--- config
    error_page 401 /401.html;
    add_header X-Result "$auth_api_token_result" always;

    location = /401.html {
        return 200 "own page: $auth_api_token_result, $auth_api_token_claimed_id\n";
    }

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm="r", error="invalid_token", error_description="The token is unknown, disabled or deleted"
X-Result: unknown
--- response_body
own page: unknown, TKN-1234-5678
--- calls: 1



=== TEST 11: an error_page of another status leaves the problem
--- config
    error_page 404 403 /own.html;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- request
GET /t
--- error_code: 401
--- response_body_like eval
qr!^\{"type":!
--- calls: 0



=== TEST 12: an error page that is checked itself: one call, one challenge
--- config
    auth_api_token "r";
    error_page 401 /401.html;

    location = /401.html {
        return 200 "never";
    }

    location = /401 {
        internal;
    }

    location /t {
        error_page 401 /401;
        try_files /dev/null =204;
    }
--- perl
my $response = exchange("$::Get$::Bad\r\n");
my $n = () = $response->{head} =~ /^WWW-Authenticate:/mg;

is($response->{status}, 401, 'refused');
is($n, 1, 'one challenge');
like($response->{body}, qr/^\{"type"/, 'problem');
--- calls: 1



=== TEST 13: error_page with another status
--- config
    error_page 401 =403 @own;

    location @own {
        return 403 "own page: $auth_api_token_result\n";
    }

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- request
GET /t
--- error_code: 403
--- response_body
own page: no_token



=== TEST 14: error_page to another place
--- config
    error_page 401 https://login.example.com/;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- request
GET /t
--- error_code: 302
--- response_headers
Location: https://login.example.com/
--- response_body_unlike
problem|"type"



=== TEST 15: error_page 503 of an unavailable API
--- config
    error_page 503 @down;

    location @down {
        return 503 "down: $auth_api_token_result\n";
    }

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- api
fault any {"status":500}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body
down: unavailable
--- calls: 1



=== TEST 16: a named location that is checked
--- config
    location /t {
        error_page 404 = @named;
        root html;
    }

    location @named {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
is(exchange("$::Get$::Good\r\n")->{headers}{'x-result'}, 'pass', 'pass');
is(exchange("$::Get$::Bad\r\n")->{headers}{'x-result'}, 'unknown', 'unknown');
--- calls: 2



=== TEST 17: index of a directory
--- config
    location /dir/ {
        auth_api_token "r";
        root html;
        index a.html;
    }
--- user_files
>>> dir/a.html
index
--- request
GET /dir/
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- response_body
index
--- calls: 1



=== TEST 18: a backend that sends X-Accel-Redirect
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        add_header X-Accel-Redirect /inside;
        return 200;
    }
--- config
    auth_api_token "r";

    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }

    location /inside {
        internal;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 1



=== TEST 19: rewrite before the check
--- config
    location /t {
        auth_api_token "r";
        rewrite ^ /other last;
    }

    location /other {
        try_files /dev/null =204;
    }
--- request
GET /t
--- error_code: 204
--- calls: 0



=== TEST 20: return 444 in an error page
--- config
    error_page 401 @close;

    location @close {
        return 444;
    }

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
is(exchange("$::Get$::Bad\r\n")->{status}, 0, 'closed');
is(exchange("$::Get$::Good\r\n")->{status}, 204, 'pass');
--- calls: 2



=== TEST 21: a fallback has nothing of the refusal before it
--- config
    add_header X-Result $auth_api_token_result always;

    location /t {
        auth_api_token "one";
        auth_api_token_request /_dead;
        error_page 503 = @two;
        error_page 401 = @open;
        try_files /dev/null =204;
    }

    location @two {
        auth_api_token "two";
        try_files /dev/null =204;
    }

    location @open {
        auth_api_token "three" token=$http_x_token;
        try_files /dev/null =204;
    }

    location = /_dead {
        internal;
        proxy_pass http://127.0.0.1:1;
    }
--- perl
my $response = exchange("$::Get$::Good\r\n");

is($response->{status}, 204, 'passes');
unlike($response->{head}, qr/^(?:Retry-After|WWW-Authenticate):/m, 'header');

$response = exchange("$::Get$::Bad\r\n");

is($response->{status}, 401, 'refused');
like($response->{head}, qr/^WWW-Authenticate: Bearer realm="two"/m, 'realm');
unlike($response->{head}, qr/^Retry-After:/m, 'no Retry-After');

$response = exchange("${\$::Get}X-Token: <TKN-1234-5678>\r\n\r\n");

is($response->{status}, 204, 'passes');
unlike($response->{head}, qr/^(?:Retry-After|WWW-Authenticate):/m, 'header');
--- calls: 3



=== TEST 22: an error page that is checked and passes keeps the challenge
--- config
    location /t {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        error_page 403 /page;
        try_files /dev/null =204;
    }

    location = /page {
        auth_api_token "page";
        root html;
    }
--- user_files
>>> page
own page
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers_like
WWW-Authenticate: Bearer realm="r", error="insufficient_scope".*
--- response_body
own page
--- calls: 1



=== TEST 23: an opaque token's verdict is not one of a token with an id
--- config
    location /t {
        auth_api_token "r" format=opaque;
        try_files /nope /other;
    }

    location /other {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/x;
--- api
fault any {"body":"{\"id\":\"TKN-9999-9999\",\"status\":\"Active\"}"}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- response_headers
X-Result: unavailable
--- calls: 2



=== TEST 24: an error page that is refused for a reason without a challenge
--- config
    add_header X-Result $auth_api_token_result always;

    location /t {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        error_page 403 /page;
        try_files /dev/null =204;
    }

    location = /page {
        auth_api_token "page";
        auth_api_token_https on;
        root html;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
! WWW-Authenticate
X-Result: insecure
--- calls: 1



=== TEST 25: a location whose realm says "off" leaves the identity alone
--- http_config
    map $uri $realm {
        volatile;
        default r;
        /open off;
    }
--- config
    auth_api_token $realm;
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

    location /t {
        try_files /nope /open;
    }

    location /open {
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- response_headers
X-Result: pass,TKN-1234-5678
--- calls: 1
