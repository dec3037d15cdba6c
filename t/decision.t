use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# every reason: status, challenge, body, log line, and what the API is asked

our $Config = <<'END';
    location /t {
        auth_api_token "orders";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END

our $Service = <<'END';
    auth_api_token_request /_token_api credential=service;

    location /t {
        auth_api_token "orders";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END

our $ServiceLookup = <<'END';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
END

our $Operations = 'token TKN-0000-0001 {"secret":"operations",'
                  . '"account":{"id":"ACC-0000-0001","type":"Operations",'
                  . '"status":"Enabled","name":"Platform Operations"}}';

no_long_string();
run_tests();

__DATA__

=== TEST 1: pass
--- config eval: $::Config
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- response_headers
X-Result: pass
! WWW-Authenticate
--- no_error_log
API token refused
--- calls: 1



=== TEST 2: no_token
--- config eval: $::Config
--- request
GET /t
--- error_code: 401
--- response_headers
X-Result: no_token
WWW-Authenticate: Bearer realm="orders"
Content-Type: application/problem+json
--- response_body_like eval
qr!^\{"type":"https://tools\.ietf\.org/html/rfc9110#section-15\.5\.2","title":"Unauthorized","status":401,"detail":"An API token is required in the Authorization header","instance":"/t","traceId":"[0-9a-f]{32}"\}$!
--- error_log eval
qr!\[info\] .*API token refused: no_token, id: "-", account: "-", location: "/t", client!
--- calls: 0



=== TEST 3: malformed
--- config eval: $::Config
--- request
GET /t
--- more_headers
Authorization: Bearer a b
--- error_code: 400
--- response_headers
X-Result: malformed
WWW-Authenticate: Bearer realm="orders", error="invalid_request", error_description="The Authorization header is malformed"
--- response_body_like eval
qr!#section-15\.5\.1","title":"Bad Request","status":400,!
--- error_log eval
qr!\[info\] .*API token refused: malformed, id: "-"!
--- calls: 0



=== TEST 4: unsupported
--- config eval: $::Config
--- request
GET /t
--- more_headers
Authorization: Bearer idt:EXT-1234-5678:MADEUP
--- error_code: 401
--- response_headers
X-Result: unsupported
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The token is not an API token"
--- error_log eval
qr!\[info\] .*API token refused: unsupported, id: "-"!
--- calls: 0



=== TEST 5: insecure
--- config eval: "    auth_api_token_https on;\n" . $::Config
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: insecure
! WWW-Authenticate
--- response_body_like eval
qr!#section-15\.5\.4","title":"Forbidden","status":403,"detail":"API tokens are accepted only over HTTPS"!
--- error_log eval
qr!\[warn\] .*API token refused: insecure, id: "TKN-1234-5678"!
--- calls: 0



=== TEST 6: unknown, the API answers 401
--- config eval: $::Config
--- request
GET /t
--- more_headers
Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong
--- error_code: 401
--- response_headers
X-Result: unknown
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The token is unknown, disabled or deleted"
--- response_body_like eval
qr!"status":401,"detail":"The token is unknown, disabled or deleted"!
--- error_log eval
qr!\[info\] .*API token refused: unknown, id: "TKN-1234-5678", account: "-"!
--- calls: 1



=== TEST 7: unknown, the API answers 404
--- config eval: $::Config
--- api
fault TKN-1234-5678 {"status":404}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: unknown
--- calls: 1



=== TEST 8: unknown, statuses decide and not bodies
--- config eval: $::Config
--- perl
my @bodies = ('', '{"statusCode":401,"message":"Unauthorized"}',
              '401 Authentication Failed', '<html></html>',
              '{"id":"TKN-1234-5678","status":"Active"}');

for my $status (401, 404) {
    for my $body (@bodies) {
        api('PUT', 'faults/any', { status => $status, body => $body });

        my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                                . "Authorization: Bearer <TKN-1234-5678>\r\n"
                                . "\r\n");

        is($response->{status}, 401, 'status');
        is($response->{headers}{'x-result'}, 'unknown', 'result');
    }
}
--- calls: 10



=== TEST 9: unknown, an empty list
--- config eval: $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens?eq(id,'TKN-0000-0000');
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: unknown
--- calls: 1



=== TEST 10: disabled
--- config eval: $::Config
--- api
token TKN-1234-5678 {"status":"Disabled","works":1}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: disabled
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The token is disabled"
--- error_log eval
qr!\[info\] .*API token refused: disabled, id: "TKN-1234-5678", account: "ACC-8765-4321"!
--- calls: 1



=== TEST 11: deleted
--- config eval: $::Config
--- api
token TKN-1234-5678 {"status":"Deleted","works":1}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: deleted
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The token is deleted"
--- calls: 1



=== TEST 12: inactive, any other status
--- config eval: $::Config
--- perl
for my $status ('New', 'active', 'ACTIVE', 'Active ', ' Active', 'Actives',
                'Activ', 'Enabled', 'Inactive', "Active\n", "\x{410}ctive")
{
    api('PUT', 'tokens/TKN-1234-5678', { status => $status, works => 1 });

    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                            . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n");

    is($response->{status}, 401, 'status');
    is($response->{headers}{'x-result'}, 'inactive', 'result');
    like($response->{headers}{'www-authenticate'},
         qr/error="invalid_token", error_description="The token is not active"/,
         'challenge');
}
--- calls: 11



=== TEST 13: a token disabled, enabled and deleted at run time
--- config eval: $::Config
--- perl
sub status_now {
    return exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                    . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n")->{status};
}

is(status_now(), 204, 'active');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(status_now(), 401, 'disabled');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Active' });
is(status_now(), 204, 'enabled');
api('DELETE', 'tokens/TKN-1234-5678');
is(status_now(), 401, 'deleted');
--- calls: 4



=== TEST 14: account_disabled
--- config eval: $::Config
--- api
token TKN-1234-5678 {"account":{"id":"ACC-8765-4321","type":"Vendor","status":"Disabled","name":"n"}}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: account_disabled
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The account of the token is disabled"
--- error_log eval
qr!\[info\] .*API token refused: account_disabled, id: "TKN-1234-5678", account: "ACC-8765-4321"!
--- calls: 1



=== TEST 15: an account that is enabled is as good as an active one
--- config eval: $::Config
--- api
token TKN-1234-5678 {"account":{"id":"ACC-0000-0001","type":"Operations","status":"Enabled","name":"n"}}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 1



=== TEST 16: unreadable, a log line that names both remedies
--- config eval: $::Config
--- api
token TKN-1234-5678 {"self":403}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: unreadable
! WWW-Authenticate
--- response_body_like eval
qr!"status":403,"detail":"The token cannot be checked: it lacks the module Access Management"!
--- error_log eval
qr!\[warn\] .*API token refused: unreadable, id: "TKN-1234-5678", account: "-", location: "/t", the token may not read itself: give it the Access Management module, or ask with "credential=service"!
--- calls: 1



=== TEST 17: account
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_account ACC-1111-2222 ACC-3333-4444;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: account
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="The account of the token does not have access"
--- error_log eval
qr!\[info\] .*API token refused: account, id: "TKN-1234-5678", account: "ACC-8765-4321"!
--- calls: 1



=== TEST 18: account_type
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_account_type Client Operations;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: account_type
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="Accounts of this type do not have access"
--- calls: 1



=== TEST 19: module
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_module MOD-9042 billing;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: module
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="The token lacks a required module", scope="MOD-9042 billing"
--- response_body_like eval
qr!"title":"Forbidden","status":403,"detail":"The token lacks a required module"!
--- calls: 1



=== TEST 20: require
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_require $arg_a;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t?a=0
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: require
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="The token does not have access"
--- calls: 1



=== TEST 21: require with error=401
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_require $arg_a error=401;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: require
WWW-Authenticate: Bearer realm="orders", error="invalid_token", error_description="The token does not have access"
--- response_body_like eval
qr!"title":"Unauthorized","status":401,"detail":"The token does not have access"!
--- calls: 1



=== TEST 22: unavailable
--- config eval: $::Config
--- api
fault any {"status":500}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- response_headers
X-Result: unavailable
Retry-After: 1
! WWW-Authenticate
Content-Type: application/problem+json
--- response_body_like eval
qr!#section-15\.6\.4","title":"Service Unavailable","status":503,"detail":"The token could not be checked; try again later"!
--- error_log eval
qr!\[error\] .*API token refused: unavailable, id: "TKN-1234-5678", account: "-", location: "/t", cause: the API says nothing about the token \(status 500\)!
--- calls: 1



=== TEST 23: an outage is logged once a second
--- config eval: $::Config
--- api
fault any {"status":500}
--- perl
for (1 .. 30) {
    exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
             . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n");
}

my @lines = grep { /API token refused: unavailable/ } split /\n/, nginx_log();
my %seconds = map { /^(\S+ \S+)/; ($1, 1) } @lines;
my @errors = grep { /\[error\]/ } @lines;

is(scalar @lines, 30, 'all are logged');
cmp_ok(scalar @errors, '>=', 1, 'an error');
cmp_ok(scalar @errors, '<=', scalar keys %seconds, 'but not in each line');
--- calls: 30



=== TEST 24: a service credential: the answer's token is the proof
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- response_headers
X-Result: pass
--- calls: 1



=== TEST 25: mismatch
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations
--- perl
my $good = token('TKN-1234-5678');

for my $token (substr($good, 0, -1), "${good}x", substr($good, 0, -1) . 'x',
               'idt:TKN-1234-5678:x', substr($good, 0, 18) . lc substr $good, 18)
{
    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                            . "Authorization: Bearer $token\r\n\r\n");

    is($response->{status}, 401, 'status');
    is($response->{headers}{'x-result'}, 'mismatch', 'result');
    is($response->{headers}{'www-authenticate'},
       'Bearer realm="orders", error="invalid_token", '
       . 'error_description="The token is unknown, disabled or deleted"', 'challenge');
}
--- calls: 5



=== TEST 26: a wrong secret does not learn that the token is disabled
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations . "\n" . 'token TKN-1234-5678 {"status":"Disabled"}'
--- request
GET /t
--- more_headers
Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong
--- error_code: 401
--- response_headers
X-Result: mismatch
--- calls: 1



=== TEST 27: a service credential sees that a token is disabled
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations . "\n" . 'token TKN-1234-5678 {"status":"Disabled"}'
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 401
--- response_headers
X-Result: disabled
--- calls: 1



=== TEST 28: a service credential finds no such token
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-9999-9999>
--- error_code: 401
--- response_headers
X-Result: unknown
--- calls: 1



=== TEST 29: a service credential that is refused is our fault, not the client's
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- response_headers
X-Result: unavailable
--- error_log
cause: the API refuses the service credential (status 401)
--- calls: 1



=== TEST 30: a service credential that may not read tokens
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api
fault any {"status":403}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log
cause: the service credential may not read tokens (status 403)
--- calls: 1



=== TEST 31: a service credential and a body without the token prove nothing
--- config eval: $::Service
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations . "\n" . 'fault any {"merge":{"token":null}}'
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log
cause: the body has no "token" to compare, which credential=service needs
--- calls: 1



=== TEST 32: a wrong secret and an unknown id are the same to the client
--- config eval: $::Service =~ s/add_header [^;]*;//gr
--- lookup eval: $::ServiceLookup
--- api eval: $::Operations
--- perl
my @answers = map {
    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                            . "Authorization: Bearer idt:$_:MADEUPno\r\n\r\n");
    my $text = "$response->{status}\n$response->{head}\n$response->{body}";

    $text =~ s/^Date: .*//m;
    $text =~ s/"traceId":"\w{32}"//;
    $text;
} 'TKN-1234-5678', 'TKN-9999-9999';

like($answers[0], qr/"The token is unknown, disabled or deleted"/, 'refused');
is($answers[0], $answers[1], 'the same');
--- error_log
API token refused: mismatch
API token refused: unknown
--- calls: 2



=== TEST 33: require with error=403, as without it
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_require $arg_a error=403;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers
X-Result: require
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="The token does not have access"
--- calls: 1
