use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# what clients send beside the token, and what becomes of it

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1/echo;
        proxy_http_version 1.1;
    }

    location /file {
        auth_api_token "r";
        root html;
    }
END

our $Backend = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        client_max_body_size 20m;
        client_body_buffer_size 16m;

        location /echo {
            add_header X-Length $request_length;
            add_header X-Method $request_method;
            proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_2;
        }
    }

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_2;
        return 200 "backend\n";
    }
END

our $Auth = 'Authorization: Bearer ' . token('TKN-1234-5678');
our $Bad = 'Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong';

no_long_string();
run_tests();

__DATA__

=== TEST 1: a POST of 10 MB, though the lookup location takes 1 KB
--- http_config eval: $::Backend
--- config eval: $::Config
--- lookup
        client_max_body_size 1k;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
my $response = exchange("POST /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n"
                        . "Content-Length: 10000000\r\n\r\n" . 'x' x 10000000);

is($response->{status}, 200, 'passes');
is($response->{headers}{'x-method'}, 'POST', 'method');
cmp_ok($response->{headers}{'x-length'}, '>', 10000000, 'all of it');
--- calls: 1



=== TEST 2: a POST of 10 MB that is refused
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
my $response = exchange("POST /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\n"
                        . "Content-Length: 10000000\r\n\r\n" . 'x' x 10000000);

is($response->{status}, 401, 'refused');
--- calls: 1



=== TEST 3: a chunked POST
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
my $chunks = sprintf("%x\r\n%s\r\n", 70000, 'x' x 70000) x 10 . "0\r\n\r\n";
my $response = exchange("POST /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n"
                        . "Transfer-Encoding: chunked\r\n\r\n$chunks");

is($response->{status}, 200, 'passes');
cmp_ok($response->{headers}{'x-length'}, '>', 700000, 'all of it');

$response = exchange("POST /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\n"
                     . "Transfer-Encoding: chunked\r\n\r\n$chunks");

is($response->{status}, 401, 'refused');
--- calls: 2



=== TEST 4: a body that comes while the API is asked, and after
--- http_config eval: $::Backend
--- config eval: $::Config
--- api
fault any {"delay":200}
--- perl
my $sock = client();

print {$sock} "POST /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n"
              . "Content-Length: 300000\r\n\r\n" . 'x' x 100000;

until_true('asked', sub { figures()->{calls} == 1 });

print {$sock} 'x' x 100000;
until_true('answered', sub { figures()->{answers} == 1 });
print {$sock} 'x' x 100000;

my $response = read_response($sock);

is($response->{status}, 200, 'passes');
cmp_ok($response->{headers}{'x-length'}, '>', 300000, 'all of it');
--- calls: 1



=== TEST 5: Expect: no 100 for what is refused
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
my $sock = client();

print {$sock} "POST /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\n"
              . "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n";

my $line = <$sock>;

like($line, qr/^HTTP\/1\.1 401 /, 'refused at once');

$sock = client();
print {$sock} "POST /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n"
              . "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n";

$line = <$sock>;
like($line, qr/^HTTP\/1\.1 100 /, 'asked for');
<$sock>;

print {$sock} '1234567890';
is(read_response($sock)->{status}, 200, 'passes');
--- calls: 2



=== TEST 6: HEAD
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
my $response = exchange("HEAD /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n\r\n");

is($response->{status}, 200, 'passes');
is($response->{body}, '', 'no body');

my $sock = client();

print {$sock} "HEAD /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\n\r\n";
$response = read_response($sock, 1);

is($response->{status}, 401, 'refused');
is($response->{headers}{'content-type'}, 'application/problem+json', 'type');
cmp_ok($response->{headers}{'content-length'}, '>', 100, 'length');

print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n\r\n";
is(read_response($sock)->{status}, 200, 'and no body came');

is(join(' ', map { $_->{method} } @{figures()->{requests}}), 'GET GET GET',
   'lookups are GET');
--- calls: 3



=== TEST 7: Range and If-None-Match are for the resource
--- config eval: $::Config
--- user_files
>>> file/a.txt
0123456789
--- perl
my $get = "GET /file/a.txt HTTP/1.1\r\nHost: a\r\n";
my $response = exchange("$get$::Auth\r\n\r\n");
my $etag = $response->{headers}{etag};

is($response->{status}, 200, 'passes');
like($etag, qr/^"/, 'there is an ETag');

$response = exchange("$get$::Auth\r\nRange: bytes=2-4\r\n\r\n");
is($response->{status}, 206, 'a range');
is($response->{body}, '234', 'of it');

$response = exchange("$get$::Auth\r\nIf-None-Match: $etag\r\n\r\n");
is($response->{status}, 304, 'not modified');

for my $header ('Range: bytes=2-4', "If-None-Match: $etag",
                'If-None-Match: *', 'If-Match: "x"')
{
    $response = exchange("$get$::Bad\r\n$header\r\n\r\n");
    is($response->{status}, 401, "refused with $header");
    like($response->{body}, qr/^\{.*\}$/, 'the whole problem');
}
--- calls: 7



=== TEST 8: pipelining
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
my $good = "GET /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\n\r\n";
my $bad = "GET /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\n\r\n";
my $none = "GET /t HTTP/1.1\r\nHost: a\r\n\r\n";
my $post = "POST /t HTTP/1.1\r\nHost: a\r\n$::Auth\r\nContent-Length: 5\r\n"
           . "\r\n12345";
my $refused = "POST /t HTTP/1.1\r\nHost: a\r\n$::Bad\r\nContent-Length: 5\r\n"
              . "\r\n12345";

my $sock = client();
print {$sock} $good, $bad, $none, $post, $refused, $good, $none, $good;

is(join(' ', map { read_response($sock)->{status} } 1 .. 8),
   '200 401 401 200 401 200 401 200', 'in order');
--- calls: 6



=== TEST 9: methods
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
for my $method (qw(GET POST PUT PATCH DELETE OPTIONS PROPFIND X-OWN)) {
    my $rest = " /t HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n";

    my $response = exchange("$method$rest$::Auth\r\n\r\n");
    is($response->{status}, 200, "$method passes");
    is($response->{headers}{'x-method'}, $method, "$method stays");

    is(exchange("$method$rest$::Bad\r\n\r\n")->{status}, 401,
       "$method is refused");
}
--- calls: 16



=== TEST 10: HTTP/1.0
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
is(exchange("GET /t HTTP/1.0\r\n$::Auth\r\n\r\n")->{status}, 200, 'passes');
is(exchange("GET /t HTTP/1.0\r\n$::Bad\r\n\r\n")->{status}, 401, 'refused');
is(exchange("GET /t HTTP/1.0\r\n\r\n")->{status}, 401, 'no token');
--- calls: 2



=== TEST 11: a body that is none, to what answers by itself
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens;

    location = /object { auth_api_token "r"; auth_api_token_object; }
    location = /status { auth_api_token_status; }
    location /purge/   { auth_api_token_purge tokens; }
--- perl
for my $request ('GET /object', 'POST /object', 'GET /status',
                 'DELETE /purge/TKN-1234-5678')
{
    my $response = exchange("$request HTTP/1.1\r\nHost: a\r\n$::Auth\r\n"
                            . "Transfer-Encoding: chunked\r\n\r\nnone\r\n");

    is($response->{status}, 400, $request);
    unlike($response->{body}, qr/"purged"|"modules"|requests_total/,
           "$request - and nothing else");
}
--- calls: 1
