use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# the problem body and the challenge: their form, whatever the request holds

our $Config = <<'END';
    location / {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END


sub problem_of {
    my ($uri, $headers) = @_;

    my $response = exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                            . ($headers || '') . "\r\n");

    return eval { JSON::PP->new->utf8->decode($response->{body}) }
           || { broken => $response->{body} };
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: members
--- config eval: $::Config
--- perl
my $problem = problem_of('/orders/1');

is(join(',', sort keys %$problem),
   'detail,instance,status,title,traceId,type', 'members');
is($problem->{status}, 401, 'status');
is($problem->{title}, 'Unauthorized', 'title');
is($problem->{instance}, '/orders/1', 'instance');
like($problem->{traceId}, qr/^[0-9a-f]{32}$/, 'traceId');



=== TEST 2: the trace id is that of the logs
--- config
    location / {
        auth_api_token "r";
        add_header X-Request-Id $request_id always;
        try_files /dev/null =204;
    }
--- perl
my $response = exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

like($response->{body}, qr/"traceId":"$response->{headers}{'x-request-id'}"/,
     '$request_id');



=== TEST 3: a traceparent of the client
--- config eval: $::Config
--- perl
my $good = '00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25-01';

is(problem_of('/', "traceparent: $good\r\n")->{traceId}, $good, 'valid');
is(problem_of('/', "TraceParent: $good\r\n")->{traceId}, $good, 'in any case');

for my $bad ('x', "${good}0", "$good-00", uc $good, substr($good, 1),
             '01' . substr($good, 2), 'ff' . substr($good, 2),
             '00-' . '0' x 32 . '-56be90a29d0b0b25-01',
             '00-9e02a91b64ac56904703a3a69ea9101d-' . '0' x 16 . '-01',
             '00-9e02a91b64ac56904703a3a69ea9101"-56be90a29d0b0b25-01',
             '00_9e02a91b64ac56904703a3a69ea9101d_56be90a29d0b0b25_01', '')
{
    like(problem_of('/', "traceparent: $bad\r\n")->{traceId},
         qr/^[0-9a-f]{32}$/, "not '$bad'");
}



=== TEST 4: instance is a path, without arguments, in any case JSON
--- config eval: $::Config
--- perl
my %want = (
    '/a?token=MADEUP&b' => '/a',
    '/?'                => '/',
    '/a%20b%22%5c'      => '/a%20b%22%5c',
    '/a"b\\c'           => '/a%22b%5Cc',
    "/caf\xc3\xa9\xff"  => '/caf%C3%A9%FF',
    '/a//b/../c/./d'    => '/a//b/../c/./d',
    "/<script>'"        => "/<script>'",
    '/a#b'              => '/a#b',
    '/' . 'x' x 4000    => '/' . 'x' x 4000);

for my $uri (sort grep { !/MADEUP/ } keys %want) {
    is(problem_of($uri)->{instance}, $want{$uri}, substr $uri, 0, 20);
}

is(problem_of('/a?b=c')->{instance}, '/a', 'arguments');



=== TEST 5: a realm that holds quotes and control bytes
--- config
    location ~ "(?s)^/(.*)$" {
        auth_api_token "a $1 b";
        try_files /dev/null =204;
    }
--- perl
my %want = ('x'              => 'a x b',
            'x%22y'          => 'a x\"y b',
            'x%5Cy'          => 'a x\\\\y b',
            'x%0D%0AA:%20b'  => 'a xA: b b',
            'x%09%7f%01'     => 'a x b',
            ''               => 'a  b');

for my $uri (sort keys %want) {
    my $response = exchange("GET /$uri HTTP/1.1\r\nHost: a\r\n\r\n");

    is($response->{headers}{'www-authenticate'},
       "Bearer realm=\"$want{$uri}\"", "realm with $uri");
    is($response->{headers}{a}, undef, 'no header of the client');
}



=== TEST 6: an empty realm, and realms that turn the check off
--- config
    location /empty { auth_api_token ""; try_files /n =204; }
    location /off   { auth_api_token off; try_files /n =204; }
    location /var   { auth_api_token $arg_r; try_files /n =204; }
--- perl
my $response = exchange("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");

is($response->{headers}{'www-authenticate'}, 'Bearer realm=""', 'empty');
is(exchange("GET /off HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 204, 'off');
is(exchange("GET /var?r=off HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 204,
   'off in a variable');

for my $realm ('', 'OFF', 'of', 'offf', 'on') {
    is(exchange("GET /var?r=$realm HTTP/1.1\r\nHost: a\r\n\r\n")->{status},
       401, "not '$realm'");
}



=== TEST 7: auth_api_token_problem off
--- config
    auth_api_token_problem off;
    location / {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- request
GET /
--- error_code: 401
--- response_headers
Content-Type: text/html
WWW-Authenticate: Bearer realm="r"
--- response_body_like: <title>401\b



=== TEST 8: filters of nginx see the problem as any body
--- config
    gzip on;
    gzip_min_length 0;
    gzip_types application/problem+json;
    gzip_proxied any;
    charset utf-8;
    sub_filter_types application/problem+json;
    sub_filter Unauthorized Changed;
    auth_api_token_https on;
    location / {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
is(problem_of('/')->{title}, 'Changed', 'sub_filter');

my $response = exchange("GET / HTTP/1.1\r\nHost: a\r\n"
                        . "Authorization: Bearer <TKN-1234-5678>\r\n"
                        . "Accept-Encoding: gzip\r\n\r\n");

is($response->{headers}{'content-encoding'}, 'gzip', 'gzip');



=== TEST 9: other statuses of a protected location keep their pages
--- config
    location / {
        auth_api_token "r";
        root html;
    }
--- request
GET /nope
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 404
--- response_body_like: <title>404\b



=== TEST 10: a refusal of another module keeps its page
--- config
    location / {
        deny all;
        auth_api_token "r";
        root html;
    }
--- request
GET /nope
--- error_code: 403
--- response_body_like: <title>403\b



=== TEST 11: keep-alive goes on after a refusal, but not after a bad request
--- config eval: $::Config
--- perl
my $sock = client();

for (1 .. 3) {
    print {$sock} "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";

    my $response = read_response($sock);

    is($response->{status}, 401, 'refused');
    is($response->{headers}{connection}, 'keep-alive', 'keep-alive');
}

print {$sock} "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n\r\n";
is(read_response($sock)->{headers}{connection}, 'close', 'closed');
