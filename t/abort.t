use lib 't/lib';
use AuthApiToken;
use Http2;
use Test::Nginx::Socket 'no_plan';

# clients that leave, lookups that go on, workers that are told to go

our $Ask = request_of(token('TKN-1234-5678'));

our $Other = $Ask =~ s/TKN-1234-5678/TKN-8765-4321/gr;


sub left {
    my $n = () = nginx_log() =~ /client prematurely closed connection/g;

    return $n;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a client that is gone before the answer
--- config eval: $::Location
--- api
fault any {"delay":400}
--- perl
my $sock = client();

print {$sock} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });
close $sock;

until_true('noticed', sub { left() == 1 });
is(exchange($::Ask)->{status}, 204, 'the next one passes');
--- calls: 2
--- connections: 2



=== TEST 2: a client that resets its connection
--- config eval: $::Location
--- api
fault any {"delay":400}
--- perl
my $sock = client();

print {$sock} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

setsockopt($sock, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0);
close $sock;

until_true('noticed', sub { left() == 1 });
is(exchange($::Ask)->{status}, 204, 'the next one passes');
--- calls: 2



=== TEST 3: with a zone the lookup goes on, and its connection is kept
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: "    auth_api_token_cache tokens valid=10m;\n" . $::Location
--- api
token TKN-8765-4321
fault any {"delay":300}
--- perl
my $sock = client();

print {$sock} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });
close $sock;

until_true('noticed', sub { left() == 1 });

until_true('answered', sub { figures()->{answers} == 1 });

is(exchange($::Ask)->{status}, 204, 'the next one passes');
is(exchange($::Other)->{status}, 204, 'another token passes');
--- calls: 2
--- connections: 1



=== TEST 4: many that leave, in the order they came and in the other
--- config eval: $::Location
--- api
fault any {"delay":300}
--- perl
for my $order (0, 1) {
    my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 10;

    until_true('asked', sub { figures()->{calls} == 10 * ($order + 1) });

    @socks = reverse @socks if $order;

    close $_ for @socks[0 .. 7];

    is(read_response($_)->{status}, 204, 'those who stay pass')
        for @socks[8, 9];
}
--- calls: 20



=== TEST 5: a client that leaves at any moment
--- config eval: $::Location
--- perl
for my $i (1 .. 60) {
    my $sock = client();

    print {$sock} $::Ask;
    Time::HiRes::sleep($i / 20000);
    close $sock;
}

is(exchange($::Ask)->{status}, 204, 'the next one passes');



=== TEST 6: a pipelined request that waits behind one whose client leaves
--- config eval: $::Location
--- api
fault any {"delay":200}
--- perl
my $sock = client();

print {$sock} $::Ask, $::Ask, $::Ask;
until_true('asked', sub { figures()->{calls} >= 1 });
close $sock;

is(exchange($::Ask)->{status}, 204, 'the next one passes');



=== TEST 7: the API is slower than the time limit, and the client leaves
--- config eval: "    auth_api_token_request /_token_api timeout=200ms;\n" . $::Location
--- api
fault any {"delay":2000}
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 4;

until_true('asked', sub { figures()->{calls} == 4 });
close $_ for @socks[0, 1];

is(read_response($_)->{status}, 503, 'those who stay are told')
    for @socks[2, 3];
--- calls: 4



=== TEST 8: without a zone a lookup ends with the last client that waits
--- config eval: $::Location
--- api
fault any {"delay":60000}
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 15;

until_true('asked', sub { figures()->{calls} == 15 });
close $_ for @socks;
until_true('noticed', sub { left() == 15 });

until_true('cut off', sub { api_connections() == 0 });
api('PUT', 'faults/any', {});
is(exchange($::Ask)->{status}, 204, 'the next one passes');
--- calls: 16



=== TEST 9: as many as there are connections, over and over
--- config eval: $::Location
--- api
fault any {"delay":60000}
--- perl
for my $round (1 .. 20) {
    my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 15;

    until_true('asked', sub { figures()->{calls} == 15 * $round }) or last;
    close $_ for @socks;
    until_true('noticed', sub { left() == 15 * $round }) or last;
}

api('PUT', 'faults/any', {});
is(exchange($::Ask)->{status}, 204, 'the next one passes');
--- no_error_log
[alert]
worker_connections are not enough



=== TEST 10: one HTTP/2 connection with streams that are reset
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 http2;
        auth_api_token_https off;
        auth_api_token_request /_token_api;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location /t { auth_api_token "r"; try_files /dev/null =204; }
    }
--- config eval: $::Location
--- api
fault any {"delay":60000}
--- perl
my $sock = client(listen_port() + 1);

print {$sock} preface();

for my $n (1 .. 10) {
    print {$sock} get_stream(2 * $n - 1, '/t', token('TKN-1234-5678'));
    until_true('asked', sub { figures()->{calls} == $n }) or last;
    print {$sock} reset_stream(2 * $n - 1);
}

until_true('cut off', sub { api_connections() == 0 });
api('PUT', 'faults/any', {});
is(exchange($::Ask)->{status}, 204, 'the next one passes');
