use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);
use Unavailable;

# answers of which only a part arrives

our $Hang = <<'END';
    auth_api_token_request /_token_api timeout=10s;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END

# half of a minute for a byte of the body

our %Drip = (drip => 30000);


# the status, the result and Retry-After

sub told {
    my ($fault) = @_;

    api('PUT', 'faults/any', { %::Drip, %$fault });

    my $start = time;
    my $response = ask();

    Test::More::cmp_ok(time - $start, '<', 5, 'before the timeout');

    return join ' ', $response->{status}, $response->{headers}{'x-result'},
                     $response->{headers}{'retry-after'} || '-';
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: the status is what counts
--- config eval: $::Hang
--- perl
is(told({ status => 401 }), '401 unknown -', 'status 401');
is(told({ status => 404 }), '401 unknown -', 'status 404');
is(told({ status => 403 }), '403 unreadable -', 'status 403');
is(told({ status => 401, chunked => 1 }), '401 unknown -', 'chunked');



=== TEST 2: 429 and 503 with Retry-After
--- config eval: $::Hang
--- perl
is(told({ status => 429, headers => { 'Retry-After' => 7 } }),
   '503 unavailable 7', 'status 429');
is(told({ status => 503, headers => { 'Retry-After' => 8 } }),
   '503 unavailable 8', 'status 503');
is(told({ status => 500 }), '503 unavailable 1', 'status 500');
--- error_log
(status 429)



=== TEST 3: denials are kept, and none of it is a fault of the API
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: "    auth_api_token_cache tokens;\n" . $::Hang
--- perl
for my $n (1 .. 8) {
    api('PUT', sprintf 'tokens/TKN-0000-%04d', $n);
}

api('PUT', 'faults/any', { %::Drip, status => 401 });

for my $n (1 .. 8) {
    my $ask = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
              . token(sprintf 'TKN-0000-%04d', $n) . "\r\n\r\n";

    is(exchange($ask)->{status}, 401, 'refused') for 1 .. 2;
}

like(exchange("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")->{body},
     qr/"breaker":"closed"/, 'the breaker');
--- calls: 8



=== TEST 4: 200 needs all of its body
--- config eval
$::Hang =~ s/timeout=10s/timeout=300ms/r
--- perl
is(told({}), '503 unavailable 1', 'status 200');
--- error_log
cause: timed out (status 200)



=== TEST 5: an interim response
--- config eval: $::Hang
--- perl
my ($version) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{/1\.(\d+)};

api('PUT', 'faults/any', {
    before => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", delay => 100
});

my $response = ask();

if ($version < 29) {
    is($response->{status}, 503, 'status');
    is($response->{headers}{'x-result'}, 'unavailable', 'result');
    like(nginx_log(), qr/an interim response, .* \(status 103\)/, 'cause');

} else {
    is($response->{status}, 204, 'status');
    is($response->{headers}{'x-result'}, 'pass', 'result');
    unlike(nginx_log(), qr/an interim response/, 'cause');
}



=== TEST 6: the connection is kept if the body comes a little later
--- config eval: $::Hang
--- perl
api('PUT', 'faults/any', { status => 401, body => '{}', drip => 10 });

is(ask()->{headers}{'x-result'}, 'unknown', 'result') for 1 .. 3;
--- calls: 3
--- connections: 1



=== TEST 7: an answer that breaks off
--- config eval: $::Hang
--- perl
for my $how (qw(cut reset)) {
    api('PUT', 'faults/any', { status => 401, $how => 'middle' });
    is(ask()->{headers}{'x-result'}, 'unknown', "401, $how");

    api('PUT', 'faults/any', { $how => 'middle' });
    is(ask()->{headers}{'x-result'}, 'unavailable', "200, $how");
}
--- error_log
cause: the body was cut short



=== TEST 8: the traceId of the API's problem
--- config eval: $::Hang
--- api
token TKN-1234-5678 {"self":403}
--- perl
is(ask()->{headers}{'x-result'}, 'unreadable', 'result');
like(nginx_log(), qr/refused: unreadable, .*, traceId: "00-[0-9a-f]{32}-[0-9a-f]{16}-00"/,
     'logged');

for my $id ('00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25-00\nx', 'x',
            '00-9E02A91B64AC56904703A3A69EA9101D-56BE90A29D0B0B25-00')
{
    api('PUT', 'faults/any', { status => 500, body => qq({"traceId":"$id"}) });
    is(ask()->{status}, 503, 'status');
}

my @lines = nginx_log() =~ /(refused: unavailable.*)/g;

is(@lines, 3, 'lines');
unlike($_, qr/traceId/, 'no other form') for @lines;
