use lib 't/lib';
use AuthApiToken;
use Store qw(start);
use Test::Nginx::Socket 'no_plan';

# the figures of nginx are those of clients: lookups are none

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /basic {
        stub_status;
    }
END


# active connections, requests, reading, writing, waiting; the one that asks is
# among them

sub basic {
    my $body = exchange("GET /basic HTTP/1.1\r\nHost: a\r\n"
                        . "Connection: close\r\n\r\n")->{body};

    return join ' ', ($body =~ /(\d+)/g)[0, 3 .. 6];
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: while four lookups hang, and when they are done
--- config eval: $::Config
--- api
fault any {"delay":1000}
--- perl
is(basic(), '1 1 0 1 0', 'nobody');

my @socks = map { start(token('TKN-1234-5678')) } 1 .. 4;

until_true('asked', sub { figures()->{calls} == 4 });
is(basic(), '5 6 0 5 0', 'four wait');

is(read_response($_)->{status}, 204, 'passes') for @socks;
is(basic(), '5 7 0 1 4', 'four are answered');
--- calls: 4



=== TEST 2: one lookup for four clients
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: "    auth_api_token_cache tokens;\n" . $::Config
--- api
fault any {"delay":1000}
--- perl
my @socks = map { start(token('TKN-1234-5678')) } 1 .. 4;

until_true('asked', sub { figures()->{calls} == 1 });
until_true('waiting', sub { basic() =~ /\A5 \d+ \d+ [5-9] 0\z/ });
like(basic(), qr/\A5 \d+ 0 5 0\z/, 'four wait');

is(read_response($_)->{status}, 204, 'passes') for @socks;
like(basic(), qr/\A5 \d+ 0 1 4\z/, 'four are answered');
--- calls: 1



=== TEST 3: lookups that time out, are cut off, or outlive their clients
--- config eval
"    auth_api_token_request /_token_api timeout=200ms;\n" . $::Config
--- api
fault any {"delay":5000}
--- perl
my @socks = map { start(token('TKN-1234-5678')) } 1 .. 4;

is(read_response($_)->{status}, 503, 'refused') for @socks;
is(basic(), '5 5 0 1 4', 'timed out');

@socks = map { start(token('TKN-1234-5678')) } 1 .. 4;
until_true('asked', sub { figures()->{calls} == 8 });
undef @socks;

until_true('all are gone', sub { basic() =~ /\A1 \d+ 0 1 0\z/ });

api('PUT', 'faults/any', { reset => 'middle' });
@socks = map { start(token('TKN-1234-5678')) } 1 .. 4;

is(read_response($_)->{status}, 503, 'refused') for @socks;
like(basic(), qr/\A5 \d+ 0 1 4\z/, 'reset');



=== TEST 4: refreshes
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: "    auth_api_token_cache tokens valid=400ms;\n" . $::Config
--- perl
my $sock = start(token('TKN-1234-5678'));
is(read_response($sock)->{status}, 204, 'passes');

api('PUT', 'faults/any', { delay => 300 });

until_true('a refresh', sub {
    print {$sock} Store::request_of(token('TKN-1234-5678'));
    read_response($sock);
    figures()->{calls} == 2;
});

like(basic(), qr/\A2 \d+ 0 1 1\z/, 'while it is under way');

until_true('answered', sub { figures()->{answers} == 2 });
like(basic(), qr/\A2 \d+ 0 1 1\z/, 'when it is done');
