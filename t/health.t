use lib 't/lib';
use AuthApiToken;
use Store qw(ask start zone $Good);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# Failures that say something about the API, and failures only because of a
# limit of nginx, which clients can use up: the latter neither open the breaker
# nor let stale facts pass.

our $Zone = <<'END';
    auth_api_token_zone zone=tokens:1m;
    limit_req_zone $binary_remote_addr zone=address:1m rate=1r/s;
END

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=500ms;
    auth_api_token "r";
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t { auth_api_token_cache tokens valid=300ms denied=300ms stale=1h refresh=off; try_files /n =204; }
    location /key { auth_api_token_cache tokens valid=300ms stale=1h refresh=off; auth_api_token_denied_limit $http_x_key burst=2 rate=1r/m; try_files /n =204; }
    location /status { auth_api_token off; auth_api_token_status json; }
END


sub bogus {
    my ($n) = @_;

    return map { "idt:TKN-9999-000$_:MADEUPx" } 1 .. $n;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: limit_req refuses a lookup
--- http_config eval: $::Zone
--- config eval: $::Config
--- lookup
        limit_req zone=address burst=1 nodelay;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(ask($::Good), '204 pass MISS', 'passes');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });

# its owner uses the limit up

my $all;

until_true('facts have run out', sub {
    ask($_) for bogus(3);
    ($all = ask($::Good)) ne '204 pass HIT';
});

like($all, qr/^(?:503 unavailable|401 disabled) MISS$/, 'no stale facts');
is(zone()->{cache_requests}{stale}, 0, 'none');

ask($_) for bogus(8);
is(zone()->{breaker_opened}, 0, 'not opened');



=== TEST 2: limit_req delays a lookup for longer than its time limit
--- http_config eval: $::Zone
--- config eval: $::Config
--- lookup
        limit_req zone=address burst=50;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
my @socks = map { start($_) } bogus(9);
my %seen;

$seen{read_response($_)->{headers}{'x-result'}}++ for @socks;

cmp_ok($seen{unavailable}, '>=', 8, 'timed out');
is(zone()->{breaker_opened}, 0, 'not opened');



=== TEST 3: all connections to the API are taken
--- http_config eval
$::Zone . '
    upstream few {
        zone few 64k;
        server 127.0.0.1:$TEST_NGINX_API_PORT max_conns=1;
    }
'
--- config eval: $::Config
--- lookup
        proxy_pass http://few/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- api
fault any {"delay":300}
--- perl
my @socks = map { start($_) } bogus(9);
my %seen;

$seen{read_response($_)->{headers}{'x-result'}}++ for @socks;

is($seen{unavailable}, 8, 'no connection');
is(zone()->{breaker_opened}, 0, 'not opened');
--- error_log
no live upstreams



=== TEST 4: nothing listens, and a name that is none
--- http_config eval
$::Zone . '
    upstream down {
        server 127.0.0.1:1;
        server 127.0.0.2:1;
    }
'
--- config eval: $::Config
--- lookup
        proxy_pass http://down/$auth_api_token_claimed_id;
--- perl
ask($_) for bogus(7);
is(zone()->{breaker}, 'open', 'open, with all servers marked down, too');



=== TEST 5: the API is too slow
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":3000}
--- perl
my @socks = map { start($_) } bogus(6);

is(read_response($_)->{status}, 503, 'timed out') for @socks;
is(zone()->{breaker}, 'open', 'open');



=== TEST 6: the breaker is not open for longer than half a minute
--- http_config eval: $::Zone
--- config eval: $::Config
--- api eval
"fault any {\"status\":429,\"headers\":{\"Retry-After\":\"3600\"}}\n"
--- perl
my @tokens = bogus(6);

for my $n (0 .. 4) {
    my $response = read_response(start($tokens[$n]));

    is($response->{headers}{'retry-after'}, 3600, 'as the API says');
}

my $response = read_response(start($tokens[5]));

is($response->{headers}{'x-result'}, 'busy', 'the breaker is open');
is($response->{headers}{'retry-after'}, 30, 'for others');

$response = read_response(start($tokens[0]));

cmp_ok($response->{headers}{'retry-after'}, '>', 3590, 'as the API says');



=== TEST 7: a budget that is spent, and the API down
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
sub ask_as {
    my ($key, $token) = @_;

    my $response = exchange("GET /key HTTP/1.1\r\nHost: a\r\nX-Key: $key\r\n"
                            . "Authorization: Bearer $token\r\n\r\n");

    return "$response->{status} $response->{headers}{'x-result'} "
           . $response->{headers}{'x-cache'};
}

is(ask_as('k', $::Good), '204 pass MISS', 'known');
is(ask_as('k', $_), '401 unknown MISS', 'bogus') for bogus(2);
is(ask_as('k', 'idt:TKN-9999-0009:MADEUP'), '429 limited MISS', 'spent');

api('PUT', 'faults/any', { status => 503 });

ask_as('other', "idt:TKN-9998-000$_:MADEUP") for 1 .. 5;
is(zone()->{breaker}, 'open', 'open');

until_true('stale', sub { ask_as('k', $::Good) ne '204 pass HIT' });
is(ask_as('k', $::Good), '204 pass STALE', 'there is no call to be spared');



=== TEST 8: refreshes take nothing from a budget
--- http_config eval: $::Zone
--- config
    auth_api_token "r";
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    location /t { auth_api_token_cache tokens valid=2s denied=1h; auth_api_token_denied_limit all$request_method burst=3 rate=1r/m; try_files /n =204; }
    location /status { auth_api_token off; auth_api_token_status json; }
--- api
token TKN-0000-0001 {}
token TKN-0000-0002 {}
token TKN-0000-0003 {}
token TKN-0000-0004 {}
--- perl
is(ask('idt:TKN-9999-0001:MADEUP'), '401 unknown MISS', 'one denial');
is(ask(token("TKN-0000-000$_")), '204 pass MISS', 'known') for 1 .. 3;

api('PUT', 'faults/any', { delay => 900 });

until_true('three refreshes', sub {
    ask(token("TKN-0000-000$_")) for 1 .. 3;
    zone()->{lookups_in_flight} == 3;
});

is(ask(token('TKN-0000-0004')), '204 pass MISS', 'a fourth token');
