use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# a worker without a connection to spare says so, and recovers

worker_connections(10);

run_tests();

__DATA__

=== TEST 1: busy
--- config
    location /t {
        auth_api_token "orders";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
my (@idle, $response);

until_true('all connections taken', sub {
    $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nConnection: close"
                         . "\r\nAuthorization: Bearer <TKN-1234-5678>"
                         . "\r\n\r\n");

    return 1 if $response->{headers}{'x-result'} ne 'pass';

    my $sock = client();
    print {$sock} "GET /t HTTP/1.1\r\nHo";
    push @idle, $sock;

    return 0;
});

is($response->{status}, 503, 'no connection for the lookup');
is($response->{headers}{'x-result'}, 'busy', 'result');
is($response->{headers}{'retry-after'}, 1, 'Retry-After');

close $_ for @idle;

until_true('recovered', sub {
    exchange("GET /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
             . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n")->{status}
    == 204
});
--- error_log
API token refused: busy, id: "TKN-1234-5678", account: "-", location: "/t", cause: no connections left
worker_connections are not enough



=== TEST 2: with a zone, the right to ask goes back
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens;
    location /t {
        auth_api_token "orders";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
my (@idle, $response, $token);

sub ask {
    return exchange(request_of($token, '/t', "Connection: close\r\n"));
}

my $n = 0;

until_true('all connections taken', sub {
    $token = 'idt:TKN-1234-5678:MADEUP' . $n++;
    $response = ask();

    return 1 if $response->{headers}{'x-result'} ne 'unknown';

    my $sock = client();
    print {$sock} "GET /t HTTP/1.1\r\nHo";
    push @idle, $sock;

    return 0;
});

is($response->{headers}{'x-result'}, 'busy', 'no connection for the lookup');

close $_ for @idle;

# the first one that is not busy is answered by the API, and waits for nobody

until_true('recovered', sub {
    $response = ask();
    $response->{headers}{'x-result'} ne 'busy';
});

is($response->{headers}{'x-result'}, 'unknown', 'asked');
--- error_log
cause: no connections left
