use lib 't/lib';
use AuthApiToken;
use Store qw(summary zone $Good);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# auth_api_token_denied_limit: the budget of denied lookups of a key

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

# a leak that takes a minute is none, as far as a test can tell

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_denied_limit $http_x_key rate=1r/m burst=5;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END

our $n = 0;


# a token that nobody has seen before

sub bogus {
    return sprintf 'idt:TKN-1234-5678:MADEUPwrong%d', ++$n;
}


sub keyed {
    my ($token, $key, $uri) = @_;

    $key = 'a' unless defined $key;

    return request_of($token, $uri, length $key ? "X-Key: $key\r\n" : '');
}


sub ask {
    return summary(exchange(keyed(@_)));
}


sub start {
    my $sock = client();

    print {$sock} keyed(@_);

    return $sock;
}


# how many unknown tokens a key may send

sub left {
    my ($key, $uri) = @_;

    for my $i (0 .. 50) {
        my $result = ask(bogus(), $key, $uri);

        return $i if $result eq '429 limited MISS';
        return $result if $result ne '401 unknown MISS';
    }

    return 'all';
}


worker_connections(1024);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a burst, and no more calls
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask(bogus()), '401 unknown MISS', "denial $_") for 1 .. 5;
is(ask(bogus()), '429 limited MISS', 'limited') for 1 .. 20;

my $zone = zone();

is($zone->{requests}{unknown}, 5, 'denials are counted');
is($zone->{requests}{limited}, 20, 'what is limited is counted');
is("$zone->{cache_requests}{miss} $zone->{zone_records}{budgets}", '25 1', 'figures');
--- calls: 5



=== TEST 2: the refusal
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
left();

my $response = exchange(keyed(bogus()));
my $body = JSON::PP->new->utf8->decode($response->{body});

is($response->{status}, 429, 'status');
is($response->{headers}{'content-type'}, 'application/problem+json', 'type');
is($response->{headers}{'www-authenticate'}, undef, 'no challenge');
is("$body->{status} $body->{title}", '429 Too Many Requests', 'body');
is($body->{type}, 'https://tools.ietf.org/html/rfc6585#section-4', 'type');
is($body->{instance}, '/t', 'instance');

# one more may come a minute after the first

my $after = $response->{headers}{'retry-after'};

like($after, qr/^[0-9]+$/, 'Retry-After');
cmp_ok($after, '>', 30, 'Retry-After');
cmp_ok($after, '<=', 63, 'Retry-After');
--- error_log eval
qr!\[info\] .*API token refused: limited, id: "TKN-1234-5678", account: "-", location: "/t"!
--- calls: 5



=== TEST 3: what is known still passes, or is refused for what it is
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1000-0001
--- perl
my $bad = bogus();

is(ask($Good), '204 pass MISS', 'a good token');
is(ask($bad), '401 unknown MISS', 'a bad token');
is(left(), 4, 'four are left');

for (1 .. 5) {
    is(ask($Good), '204 pass HIT', 'a good token');
    is(ask($bad), '401 unknown HIT', 'a bad token');
}

is(ask(token('TKN-1000-0001')), '429 limited MISS',
   'a good token that nobody knows yet');
is(ask(token('TKN-1000-0001'), 'b'), '204 pass MISS', 'of another key');
is(ask(token('TKN-1000-0001')), '204 pass HIT', 'it is known now');
--- calls: 7



=== TEST 4: each key has its own budget
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(left($_), 5, "key $_") for qw(a b A aa), 'x' x 1000;
is(left($_), 0, "key $_ is still limited") for qw(a b);
is(zone()->{zone_records}{budgets}, 5, 'entries');
--- calls: 25



=== TEST 5: an empty key is not limited
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(left(''), 'all', 'no key');
is(left('a'), 5, 'a key');
is(left(''), 'all', 'no key');
is(zone()->{zone_records}{budgets}, 1, 'entries');
--- calls: 107



=== TEST 6: the address of the client, with the defaults
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_denied_limit $binary_remote_addr;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
# one leaks each two seconds

my $started = time;
my $left = left();

cmp_ok($left, '>=', 30, 'the burst');
cmp_ok($left, '<=', 30 + (time - $started) / 2, 'the rate');
is(figures()->{calls}, $left, 'calls');

my $response = exchange(keyed(bogus()));

like("$response->{status} $response->{headers}{'retry-after'}",
     qr/^(?:429 [1-3]|401 )/, 'Retry-After');



=== TEST 7: a budget leaks back
--- http_config eval: $::Zone
--- config eval: $::Config =~ s{1r/m burst=5}{4r/s burst=2}r
--- perl
my ($started, $calls) = (time, 0);

for my $round (1 .. 4) {
    until_true('limited', sub {
        my $result = ask(bogus());
        $calls++ if $result eq '401 unknown MISS';
        $result eq '429 limited MISS';
    });

    until_true('not limited', sub {
        my $result = ask(bogus());
        $calls++ if $result eq '401 unknown MISS';
        $result eq '401 unknown MISS';
    });
}

cmp_ok($calls, '>=', 5, 'some more each time');
cmp_ok($calls, '<=', 2 + (time - $started) * 4, 'not more than the rate');
is(figures()->{calls}, $calls, 'calls');



=== TEST 8: Retry-After is to be believed
--- http_config eval: $::Zone
--- config eval: $::Config =~ s{1r/m burst=5}{1r/s burst=1}r
--- perl
my $response;

until_true('limited', sub {
    $response = exchange(keyed(bogus()));
    $response->{status} == 429;
});

my $at = time + $response->{headers}{'retry-after'};

cmp_ok($response->{headers}{'retry-after'}, '<=', 2, 'soon');
until_true('later', sub { time >= $at });
is(ask(bogus()), '401 unknown MISS', 'not limited any more');



=== TEST 9: only denials count
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }
END
--- perl
my @good;

for my $i (1 .. 60) {
    my $id = sprintf 'TKN-1000-%04d', $i;

    api('PUT', "tokens/$id");
    push @good, token($id);
}

is(join(' ', grep { $_ ne '204 pass MISS' } map { ask($_) } @good[0 .. 29]),
   '', 'good tokens');
is(join(' ', grep { $_ ne '403 module MISS' }
             map { ask($_, 'a', '/module') } @good[30 .. 59]),
   '', 'good tokens without a module');
is(zone()->{zone_records}{budgets}, 0, 'no budget was needed');
is(left(), 5, 'the whole burst is left');
--- calls: 65



=== TEST 10: good tokens count for nothing between denials either
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask(bogus()), '401 unknown MISS', 'one') for 1 .. 4;

for my $i (1 .. 20) {
    my $id = sprintf 'TKN-1000-%04d', $i;

    api('PUT', "tokens/$id");
    is(ask(token($id)), '204 pass MISS', 'a good one');
}

is(left(), 1, 'one is left');
--- calls: 25



=== TEST 11: what is not asked for costs nothing
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /https {
        auth_api_token "r";
        auth_api_token_https on;
        try_files /dev/null =204;
    }
END
--- perl
is(ask('='), '400 malformed -', 'malformed') for 1 .. 10;
is(ask("idt:EXT-0000-0001:$_"), '401 unsupported -', 'unsupported') for 1 .. 10;
is(ask(bogus(), 'a', '/https'), '403 insecure -', 'insecure') for 1 .. 10;
is(left(), 5, 'the whole burst is left');
is(ask('='), '400 malformed -', 'malformed, of one that is limited');
is(ask('x'), '401 unsupported -', 'unsupported, of one that is limited');
--- calls: 5



=== TEST 12: denials of all kinds count
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0004 {"self":403}
--- perl
is(ask(token('TKN-1000-0001')), '401 disabled MISS', 'disabled');
is(ask(token('TKN-1000-0002')), '401 deleted MISS', 'deleted');
is(ask(token('TKN-1000-0003')), '401 account_disabled MISS', 'its account');
is(ask(token('TKN-1000-0004')), '403 unreadable MISS', 'unreadable');
is(left(), 1, 'one is left');
--- calls: 5



=== TEST 13: failures of the API count for nothing
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"status":500,"times":4}
--- perl
is(ask(bogus()), '503 unavailable MISS', 'unavailable') for 1 .. 4;
is(left(), 5, 'the whole burst is left');
--- calls: 9



=== TEST 14: the same token again costs nothing more
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":500}
--- perl
my $bad = bogus();
my @socks = map { start($bad) } 1 .. 10;
my %seen;

$seen{summary(read_response($_))}++ for @socks;

is($seen{'401 unknown MISS'}, 1, 'one asks');
is(keys %seen, 2, 'the others know it, or wait');

api('DELETE', 'faults/any');
is(ask($bad), '401 unknown HIT', 'again') for 1 .. 10;
is(left(), 4, 'four are left');
--- calls: 5



=== TEST 15: those under way count as if they were denied
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask(bogus()), '401 unknown MISS', 'one');

api('PUT', 'faults/any', { delay => 1500 });

my @socks = map { start(bogus()) } 1 .. 10;
my %seen;

$seen{summary(read_response($_))}++ for @socks;

is($seen{'401 unknown MISS'}, 4, 'four more');
is($seen{'429 limited MISS'}, 6, 'the others are limited');
--- calls: 5



=== TEST 16: off, and other limits, in inner locations
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_denied_limit $http_x_key rate=1r/m burst=5;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";

        location /t/off {
            auth_api_token_denied_limit off;
            try_files /dev/null =204;
        }

        location /t/more {
            auth_api_token_denied_limit $http_x_key rate=1r/m burst=8;
            try_files /dev/null =204;
        }

        location /t/other {
            auth_api_token_denied_limit other-$http_x_key rate=1r/m burst=3;
            try_files /dev/null =204;
        }

        try_files /dev/null =204;
    }
--- perl
is(left('a', '/t'), 5, 'inherited');
is(left('a', '/t/off'), 'all', 'off');
is(left('a', '/t/more'), 3, 'the same key, and a larger burst');
is(left('a', '/t/other'), 3, 'another key');
is(left('a', '/t'), 0, 'limited as before');
--- calls: 62



=== TEST 17: without a cache there is no limit
--- http_config eval: $::Zone
--- config
    auth_api_token_denied_limit $http_x_key rate=1r/m burst=5;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
is(ask(bogus()), '401 unknown BYPASS', 'not limited') for 1 .. 20;
--- calls: 20



=== TEST 18: an error_page for requests that are limited
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    error_page 429 = /slow;
    location = /slow { return 200 "slow $auth_api_token_result\n"; }
END
--- perl
is(ask(bogus()), '401 unknown MISS', 'a denial') for 1 .. 5;

my $response = exchange(keyed(bogus()));

is("$response->{status} $response->{body}", "200 slow limited\n", 'the page');



=== TEST 19: a flood at the default rate
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_denied_limit $binary_remote_addr;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
--- perl
ask($Good);

my $flood = $ENV{TEST_NGINX_FLOOD} || 2000;
my $started = time;
my @socks = map { client() } 1 .. 40;
my %seen;

for my $round (1 .. $flood / 40) {
    print {$_} keyed(bogus()) for @socks;
    $seen{summary(read_response($_))}++ for @socks;
}

my $calls = figures()->{calls} - 1;

Test::More::note("$flood tokens, $calls calls");

# all of the first round may be asked about, and then one each two seconds

cmp_ok($calls, '<=', 40 + (time - $started) / 2, 'few calls');
cmp_ok($calls, '<=', 100, 'few calls');
is($seen{'401 unknown MISS'}, $calls, 'denied');
is($seen{'429 limited MISS'}, $flood - $calls, 'the others are limited');
is(ask($Good), '204 pass HIT', 'a good token passes');

my $zone = zone();

is($zone->{evictions}{facts}, 0, 'no facts were evicted');
is($zone->{requests}{limited}, $flood - $calls, 'counted');



=== TEST 20: in the smallest zone, too
--- http_config
    auth_api_token_zone zone=tokens:32k denied=1%;
--- config
    auth_api_token_cache tokens;
    add_header X-Result $auth_api_token_result always;
    location /t { auth_api_token "r"; auth_api_token_denied_limit $host burst=2 rate=1r/m; try_files /n =204; }
--- perl
my %seen;

for my $n (1 .. 50) {
    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: "
                            . "Bearer idt:TKN-9999-0001:MADEUP$n\r\n\r\n");
    $seen{$response->{headers}{'x-result'}}++;
}

is_deeply(\%seen, { unknown => 2, limited => 48 }, 'two, and no more');
--- calls: 2
