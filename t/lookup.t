use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# the lookup's request: what it says, how it is sent, what it inherits

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END

our $Ask = request_of(token('TKN-1234-5678'));


sub lines_of {
    my ($request) = @_;

    return join ', ', map { "$_->[0]: $_->[1]" } @{$request->{headers}};
}


# the traceparent of a request that the API has seen

sub traces {
    my ($n) = @_;

    return join ', ', map { $_->[1] } grep { lc $_->[0] eq 'traceparent' }
                      @{figures()->{requests}[$n]{headers}};
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a GET with few headers, none of the client's
--- config eval: $::Config
--- perl
my $response = exchange("POST /t?token=a&x=y HTTP/1.1\r\n"
    . "Host: client.example.com\r\n"
    . "Authorization: bEARER   <TKN-1234-5678>\r\n"
    . "Content-Length: 7\r\nContent-Type: text/x\r\nCookie: a=b\r\n"
    . "Range: bytes=0-1\r\nIf-None-Match: \"x\"\r\nIf-Modified-Since: x\r\n"
    . "Accept: text/x\r\nAccept-Encoding: gzip\r\nAccept-Language: xx\r\n"
    . "User-Agent: evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Other: x\r\n"
    . "Upgrade: websocket\r\nConnection: upgrade\r\nTE: trailers\r\n"
    . "traceparent: 00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25-00"
    . "\r\n\r\n1234567");

is($response->{status}, 204, 'passes');

my $request = figures()->{requests}[0];

is("$request->{method} $request->{uri}",
   'GET /public/v1/accounts/api-tokens/TKN-1234-5678', 'request line');
is(lines_of($request), 'Host: token_api, '
   . 'Authorization: Bearer <TKN-1234-5678>, Accept: application/json, '
   . 'User-Agent: ngx_http_auth_api_token_module/' . module_version(),
   'headers');
--- calls: 1



=== TEST 2: a service credential: the client's token does not go out
--- config eval: "    auth_api_token_request /_token_api credential=service;\n" . $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
--- api
token TKN-0000-0001 {"secret":"operations","account":{"type":"Operations"}}
--- perl
is(exchange($::Ask)->{status}, 204, 'passes');

unlike(lines_of(figures()->{requests}[0]), qr/MADEUP/, 'headers');
--- calls: 1



=== TEST 3: five checks over keep-alive open one connection
--- config eval: $::Config
--- perl
my $sock = client();

for (1 .. 5) {
    print {$sock} $::Ask;
    is(read_response($sock)->{status}, 204, 'passes');
}
--- calls: 5
--- connections: 1



=== TEST 4: five clients, chunked answers and refusals open one connection
--- config eval: $::Config
--- perl
for my $fault ({ chunked => 1 }, { status => 401 }, { pad => 100000 },
               { status => 500 }, {})
{
    api('PUT', 'faults/any', $fault);
    exchange($::Ask);
}
--- calls: 5
--- connections: 1



=== TEST 5: ten requests cost ten calls
--- config eval: $::Config
--- perl
is(exchange($::Ask)->{status}, 204, 'passes') for 1 .. 10;
--- calls: 10



=== TEST 6: an address that deny refuses costs no call
--- config
    location /t {
        auth_api_token "r";
        deny all;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_body_unlike
problem
--- calls: 0
--- calls_preaccess: 1



=== TEST 7: a password that is wrong costs no call
--- config
    location /t {
        auth_api_token "r" token=$http_x_token;
        auth_basic "b";
        auth_basic_user_file users;
        try_files /dev/null =204;
    }
--- user_files
>>> ../conf/users
user:{PLAIN}good
--- more_headers
Authorization: Basic dXNlcjpiYWQ=
X-Token: <TKN-1234-5678>
--- request
GET /t
--- error_code: 401
--- calls: 0
--- calls_preaccess: 1



=== TEST 8: what a server turns on for its clients is not for a lookup
--- http_config
    gzip on;
    gzip_min_length 0;
    gzip_types *;
    ssi on;
    ssi_types *;
    sub_filter_types *;
    sub_filter Active Disabled;
    add_before_body /before;
    charset utf-8;
    charset_types *;
    add_header X-A b always;
    expires 1h;
    etag on;
    log_subrequest on;
    limit_rate 1;
    proxy_cache_path cache keys_zone=cache:1m;
    proxy_cache cache;
    proxy_cache_valid any 1h;
    proxy_buffering on;
--- config
    location /t {
        auth_api_token "r";
        limit_rate 0;
        add_before_body "";
        proxy_cache off;
        try_files /dev/null =204;
    }

    location /before {
        return 200 "before";
    }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
for my $more ({}, { chunked => 1 }, { pad => 60000 },
              { headers => { 'Cache-Control' => 'max-age=60', ETag => '"x"',
                             'X-Accel-Expires' => 60,
                             'X-Accel-Limit-Rate' => 1,
                             'X-Accel-Buffering' => 'yes' } })
{
    api('PUT', 'faults/any', $more);
    is(exchange($::Ask)->{status}, 204, 'passes');
    is(exchange($::Ask)->{status}, 204, 'passes');
}

api('DELETE', 'faults/any');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(exchange($::Ask)->{status}, 401, 'nothing is cached');
--- calls: 9



=== TEST 9: limit_req and limit_conn see the client's address
--- http_config
    limit_req_zone  $binary_remote_addr$server_addr$remote_port zone=r:1m rate=10000r/s;
    limit_conn_zone $binary_remote_addr zone=c:1m;
--- config eval: $::Config
--- lookup
        limit_req zone=r burst=5;
        limit_conn c 8;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header X-Remote "$remote_addr $server_addr $server_port";
--- perl
is(exchange($::Ask)->{status}, 204, 'passes') for 1 .. 10;

like(lines_of(figures()->{requests}[0]),
     qr/X-Remote: 127\.0\.0\.1 127\.0\.0\.1 \d+/, 'addresses');
--- calls: 10



=== TEST 10: a lookup that limit_req delays
--- http_config
    limit_req_zone $server_name zone=r:1m rate=4r/s;
--- config eval: $::Config
--- lookup
        limit_req zone=r burst=20;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 5;

is(read_response($_)->{status}, 204, 'passes') for @socks;
--- error_log
delaying request
--- calls: 5



=== TEST 11: a lookup that limit_req refuses
--- http_config
    limit_req_zone $server_name zone=r:1m rate=1r/m;
--- config eval: $::Config
--- lookup
        limit_req zone=r;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(exchange($::Ask)->{status}, 204, 'the first');
is(exchange($::Ask)->{status}, 503, 'the second');
--- calls: 1



=== TEST 12: a lookup that waits in limit_req when its time is over
--- http_config
    limit_req_zone $server_name zone=r:1m rate=1r/m;
--- config eval: "    auth_api_token_request /_token_api timeout=1s;\n" . $::Config
--- lookup
        limit_req zone=r burst=5;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(exchange($::Ask)->{status}, 204, 'the first');
is(exchange($::Ask)->{status}, 503, 'the second');
--- error_log
cause: timed out
--- calls: 1



=== TEST 13: a lookup in a location of the same rules is not checked itself
--- config
    auth_api_token "r";
    deny all;

    location /t {
        allow all;
        try_files /dev/null =204;
    }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 1



=== TEST 14: nobody asks the API through the lookup location
--- config eval: $::Config
--- request
GET /_token_api
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 404
--- calls: 0



=== TEST 15: rewrite, try_files and named locations below the lookup location
--- config
    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /ask/ {
        internal;
        try_files /dev/null @ask;
    }

    location @ask {
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id?$args;
    }
--- lookup
        rewrite ^ /ask/x?a=b last;
--- perl
is(exchange($::Ask)->{status}, 204, 'passes');
is(figures()->{requests}[0]{uri},
   '/public/v1/accounts/api-tokens/TKN-1234-5678?a=b', 'the URI');
--- calls: 1



=== TEST 16: an answer with X-Accel-Redirect
--- config eval
$::Config . <<'END';
    location /elsewhere {
        internal;
        return 200 "elsewhere";
    }
END
--- api
fault any {"headers":{"X-Accel-Redirect":"/elsewhere"}}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- calls: 1



=== TEST 17: variables of one request do not show in the other
--- config
    location /t {
        set $mine client;
        auth_api_token "r";
        add_header X-Mine "$mine,$request_body,$upstream_status";
        try_files /dev/null =204;
    }
--- lookup
        set $mine lookup;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(exchange($::Ask)->{headers}{'x-mine'}, 'client,,', 'variables');
--- calls: 1



=== TEST 18: lookups over TLS
--- http_config
    upstream tls {
        server    127.0.0.1:$TEST_NGINX_API_TLS_PORT;
        keepalive 4;
    }
--- config eval: $::Config
--- lookup
        proxy_pass https://tls/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host api.example.com;
        proxy_ssl_name api.example.com;
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate $TEST_NGINX_CERT/api.crt;
--- perl
is(exchange($::Ask)->{status}, 204, 'passes') for 1 .. 5;

api('PUT', 'faults/any', { reset => 'middle' });
is(exchange($::Ask)->{status}, 503, 'reset');
--- calls: 6
--- connections: 1



=== TEST 19: TLS with a certificate for another name
--- config eval: $::Config
--- lookup
        proxy_pass https://127.0.0.1:$TEST_NGINX_API_TLS_PORT/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_ssl_name other.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate $TEST_NGINX_CERT/api.crt;
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log
upstream SSL certificate does not match "other.example.com"
--- calls: 0



=== TEST 20: TLS with a certificate that nobody trusts
--- config eval: $::Config
--- lookup
        proxy_pass https://127.0.0.1:$TEST_NGINX_API_TLS_PORT/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_ssl_name api.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log eval
qr!certificate verify (?:error|failed)!
--- calls: 0



=== TEST 21: many at once
--- config eval: $::Config
--- api
fault any {"delay":100}
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 20;

is(read_response($_)->{status}, 204, 'passes') for @socks;
--- calls: 20



=== TEST 22: next_upstream asks another server
--- http_config
    upstream two {
        server 127.0.0.1:1 max_fails=0;
        server 127.0.0.1:$TEST_NGINX_API_PORT max_fails=0;
    }
--- config eval: $::Config
--- lookup
        proxy_pass http://two/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(exchange($::Ask)->{status}, 204, 'passes') for 1 .. 4;
--- calls: 4



=== TEST 23: the error log of a lookup names its own request
--- config eval: $::Config
--- lookup
        proxy_pass http://127.0.0.1:1/$auth_api_token_claimed_id;
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log eval
qr!connect\(\) failed .* client: 127\.0\.0\.1,.* request: "GET /_token_api HTTP/1\.1",.* subrequest: "/_token_api",.* upstream: "http://127\.0\.0\.1:1/TKN-1234-5678"!



=== TEST 24: the trace of the request that began the lookup, where it is asked for
--- config eval
$::Config . <<'END';
    location /show {
        auth_api_token "r";
        add_header X-Trace "[$auth_api_token_traceparent]";
        try_files /dev/null =204;
    }
END
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header traceparent $auth_api_token_traceparent;
--- perl
my $trace = '9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25';
my $n = 0;

my @good = ("00-$trace-00", "00-$trace-01", "00-$trace-ff");

for my $good (@good, "  00-$trace-01 ") {
    exchange(request_of(token('TKN-1234-5678'), '/t',
                        "traceparent: $good\r\n"));
    is(traces($n++), $good =~ s/\s//gr, "'$good'");
}

exchange(request_of(token('TKN-1234-5678'), '/t',
                    "TraceParent: $good[0]\r\ntracestate: a=b\r\n"));
is(traces($n++), $good[0], 'in another case');

for my $bad ('', 'x', $trace, "01-$trace-00", "ff-$trace-00", "00-$trace",
             "00-$trace-0", "00-$trace-000", "00-$trace-0g", "00-$trace-00-00",
             uc "00-$trace-00", '00-' . '0' x 32 . '-56be90a29d0b0b25-00',
             '00-9e02a91b64ac56904703a3a69ea9101d-' . '0' x 16 . '-00',
             "00-$trace-00,00-$trace-00", "00_$trace-00")
{
    exchange(request_of(token('TKN-1234-5678'), '/t',
                        "traceparent: $bad\r\n"));
    is(traces($n++), '', "'$bad'");
}

exchange($::Ask);
is(traces($n++), '', 'none, and not that of another');

is(exchange(request_of(token('TKN-1234-5678'), '/show',
                       "traceparent: $good[0]\r\n"))->{headers}{'x-trace'},
   '[]', 'it is for the lookup only');



=== TEST 25: waiting requests do not change a lookup's trace; a refresh has its own
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens valid=4s;

    location /t {
        auth_api_token "r";
        add_header X-Name $auth_api_token_name;
        try_files /dev/null =204;
    }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header traceparent $auth_api_token_traceparent;
--- api
fault any {"delay":60000}
--- perl
my $trace = '00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b';
my @socks = map { client() } 1 .. 5;
my $n = 10;

for my $sock (@socks) {
    print {$sock} request_of(token('TKN-1234-5678'), '/t',
                             "traceparent: $trace$n-01\r\n");
    until_true('asked', sub { figures()->{calls} == 1 });
    $n++;
}

api('POST', 'release');
is(read_response($_)->{status}, 204, 'passes') for @socks;
is(traces(0), "${trace}10-01", 'of the first');

# the client that begins a refresh has its answer before the API is asked

api('PUT', 'faults/any', { merge => { name => 'new' } });

until_true('refreshed', sub {
    my $name = exchange(request_of(token('TKN-1234-5678'), '/t',
                                   "traceparent: $trace$n-01\r\n"))
               ->{headers}{'x-name'};

    return 1 if $name eq 'new';

    $n = 20 + ($n - 19) % 70;
    return 0;
});

like(traces(1), qr/^${trace}\d\d-01$/, 'of a refresh');
isnt(traces(1), "${trace}10-01", 'another one');
--- calls: 2
