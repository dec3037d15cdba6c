use lib 't/lib';
use AuthApiToken;
use Limits;
use Store qw(summary ask start zone $Good $Bad);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# the API is asked once for a request, whatever the phases, and the figures
# count it once; but facts that expired while a limit delayed the request are
# looked up again

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_phase preaccess;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        limit_req zone=account burst=20 nodelay;
        try_files /dev/null =204;
    }

    location = /json { auth_api_token_status json; }
    location = /status { auth_api_token_status json; }
END

# one each two seconds

our $Late = $Zones =~ s{1r/m}{30r/m}gr;

our $Delay = $Config =~ s/ nodelay//r =~ s/denied=10m/denied=10m refresh=off/r;


# hits, misses, waits, requests that waited, decisions and lookups

sub counted {
    my $zone = zone();

    return join ' ', @{$zone->{cache_requests}}{qw(hit miss wait)},
                $zone->{request_wait_seconds}{count}, moved($zone->{requests}),
                moved($zone->{lookups});
}


# a request that limit_req delays: what is done meanwhile, and what comes of it

sub delayed {
    my ($token, $meanwhile, $uri) = @_;

    my $before = () = nginx_log() =~ /delaying request/g;
    my $sock = start($token, $uri);

    until_true('delayed', sub {
        my $n = () = nginx_log() =~ /delaying request/g;
        $n == $before + 1;
    });

    $meanwhile->() if $meanwhile;

    return summary(read_response($sock));
}


no_long_string();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: hits and misses
--- http_config eval: $::Zones
--- config eval: $::Config
--- perl
is(ask($Good), '204 pass MISS', 'a miss');
is(counted(), '0 1 0 1 pass:1 active:1', 'is counted once');
is(ask($Good), '204 pass HIT', 'a hit');
is(counted(), '1 1 0 1 pass:2 active:1', 'is counted once');
is(ask($Bad), '401 unknown MISS', 'a denial');
is(counted(), '1 2 0 2 pass:2 unknown:1 active:1 unknown:1', 'is counted once');
is(ask($Bad), '401 unknown HIT', 'a denial that is known');
is(counted(), '2 2 0 2 pass:2 unknown:2 active:1 unknown:1', 'is counted once');
is(ask(undef), '401 no_token -', 'no token');
is(ask('='), '400 malformed -', 'malformed');
is(ask('x'), '401 unsupported -', 'unsupported');
is(counted(), '2 2 0 2 malformed:1 no_token:1 pass:2 unknown:2 unsupported:1 '
   . 'active:1 unknown:1', 'are counted once, and are no lookups');
--- calls: 2



=== TEST 2: waits
--- http_config eval: $::Zones
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my %seen;

$seen{summary($_)}++ for crowd((request_of($Good)) x 10);

is_deeply(\%seen, { '204 pass MISS' => 1, '204 pass WAIT' => 9 }, 'all pass');
is(counted(), '0 1 9 10 pass:10 active:1', 'each is counted once');
--- calls: 1



=== TEST 3: an API that is not available
--- http_config eval: $::Zones
--- config eval: $::Config
--- api
fault any {"status":500}
--- perl
is(ask($Good), '503 unavailable MISS', 'unavailable') for 1 .. 4;
is(zone()->{breaker}, 'closed', 'four failures are four');
is(counted(), '0 4 0 4 unavailable:4 unavailable:4', 'each is counted once');
is(ask($Good), '503 unavailable MISS', 'the fifth');
is(zone()->{breaker}, 'open', 'opens the breaker');
is(ask($Good), '503 busy MISS', 'busy');
is(zone()->{requests}{busy}, 1, 'is counted once');
--- calls: 5



=== TEST 4: without a zone
--- http_config eval: $::Zones
--- config eval: $::Config =~ s/auth_api_token_cache .*/auth_api_token_cache off;/r
--- perl
is(ask($Good), '204 pass BYPASS', 'passes') for 1 .. 3;
is(ask($Bad), '401 unknown BYPASS', 'unknown');
--- calls: 4



=== TEST 5: lookups that take longer than what they say is kept
--- http_config eval: $::Zones
--- config eval
$::Config =~ s/valid=10m denied=10m/valid=50ms denied=50ms refresh=off/r
--- api
fault any {"delay":300}
--- perl
is(ask($Good), '204 pass MISS', 'passes');
is(ask($Bad), '401 unknown MISS', 'unknown');
is(counted(), '0 2 0 2 pass:1 unknown:1 active:1 unknown:1', 'figures');
--- calls: 2



=== TEST 6: the same for many
--- http_config eval: $::Zones
--- config eval
$::Config =~ s/valid=10m denied=10m/valid=50ms denied=50ms refresh=off/r
--- api
fault any {"delay":60000}
--- perl
my @socks = map { start($Good) } 1 .. 10;
my $start = time;

until_true('longer', sub { all_read() && time - $start > 0.3 });
api('POST', 'release');
is(tally(map { read_response($_) } @socks), '204:10', 'all pass');
is(zone()->{requests}{pass}, 10, 'each is counted once');
--- calls: 1



=== TEST 7: the same without a zone
--- http_config eval: $::Zones
--- config eval: $::Config =~ s/auth_api_token_cache .*/auth_api_token_cache off;/r
--- api
fault any {"delay":300}
--- perl
is(ask($Good), '204 pass BYPASS', 'passes');
is(ask($Bad), '401 unknown BYPASS', 'unknown');
--- calls: 2



=== TEST 8: delayed for longer than "valid"
--- http_config eval: $::Late
--- config eval: $::Delay =~ s/valid=10m/valid=1s/r
--- perl
is(ask($Good), '204 pass MISS', 'the first');
is(delayed($Good), '204 pass MISS', 'the second is asked about again');
is(zone()->{requests}{pass}, 2, 'each is counted once');
--- calls: 2



=== TEST 9: for longer than "valid", and disabled meanwhile
--- http_config eval: $::Late
--- config eval
$::Delay =~ s/valid=10m/valid=1s/r
--- perl
is(ask($Good), '204 pass MISS', 'the first');
is(delayed($Good, sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
}), '401 disabled MISS', 'the second is refused');
is(ask($Good), '401 disabled HIT', 'the third, too, and is not delayed');
--- calls: 2



=== TEST 10: for less
--- http_config eval: $::Late
--- config eval: $::Delay
--- perl
is(ask($Good), '204 pass MISS', 'the first');
is(delayed($Good, sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
}), '204 pass HIT', 'the second is what was known');
is(counted(), '1 1 0 1 pass:2 active:1', 'the zone is asked again, not the API');
--- calls: 1



=== TEST 11: delayed, and the API is gone
--- http_config eval: $::Late
--- config eval
$::Delay =~ s/valid=10m/valid=1s/r . <<'END';
    location /stale {
        auth_api_token "r";
        auth_api_token_cache tokens valid=1s stale=1h refresh=off;
        limit_req zone=token burst=20;
        try_files /dev/null =204;
    }
END
--- perl
my $gone = sub { api('PUT', 'faults/any', { status => 500 }) };

is(ask($Good), '204 pass MISS', 'known');
is(delayed($Good, $gone), '503 unavailable MISS', 'refused');
api('DELETE', 'faults/any');

is(ask($Good, '/stale') =~ s/MISS|HIT/known/r, '204 pass known', 'known');
is(delayed($Good, $gone, '/stale'), '204 pass STALE', 'stale facts serve');



=== TEST 12: a denial that is too old after the delay
--- http_config eval: $::Late
--- config eval
$::Delay =~ s/denied=10m/denied=1s/r =~ s/zone=account/zone=address/r
--- api
token TKN-1234-5678 {"status":"Disabled","works":1}
--- perl
is(ask($Good), '401 disabled MISS', 'the first');
is(delayed($Good, sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Active' });
}), '204 pass MISS', 'the second is asked about again');
--- calls: 2



=== TEST 13: without a zone a request that is delayed was asked about
--- http_config eval: $::Late
--- config eval: $::Delay =~ s/auth_api_token_cache .*/auth_api_token_cache off;/r
--- perl
is(ask($Good), '204 pass BYPASS', 'the first');
is(delayed($Good), '204 pass BYPASS', 'the second');
--- calls: 2



=== TEST 14: disabled and purged while it is delayed
--- http_config eval: $::Late
--- config eval
$::Delay . "    location /purge { auth_api_token_purge tokens; }\n"
--- perl
is(ask($Good), '204 pass MISS', 'the first');
is(delayed($Good, sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
    exchange("DELETE /purge/TKN-1234-5678 HTTP/1.1\r\nHost: a\r\n\r\n");
}), '401 disabled MISS', 'the second is asked about again');
--- calls: 2



=== TEST 15: internal redirects, and an error page
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    error_page 403 /page;

    location /from {
        auth_api_token "r";
        try_files /nope /t;
    }

    location /no {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }

    location /page {
        auth_api_token "page";
        try_files /dev/null =204;
    }
END
--- perl
is(ask($Good, '/from'), '204 pass MISS', 'a redirect');
is(counted(), '0 1 0 1 pass:1 active:1', 'two decisions, one request');
is(ask($Good, '/no'), '204 pass HIT', 'an error page');
is(counted(), '1 1 0 1 module:1 pass:2 active:1', 'two results');
--- calls: 1



=== TEST 16: a redirect to a cache that is stricter
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    location /slow {
        auth_api_token "r";
        error_page 502 504 = /strict;
        proxy_read_timeout 300ms;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-9999-9999?;
    }

    location /strict {
        auth_api_token "r";
        auth_api_token_cache tokens valid=100ms refresh=off;
        try_files /dev/null =204;
    }
END
--- api
fault TKN-9999-9999 {"delay":60000}
--- perl
is(ask($Good, '/slow'), '204 pass MISS', 'asked again');
is(counted(), '0 1 0 2 pass:1 active:2', 'one request, two lookups');
api('POST', 'release');
--- calls: 3



=== TEST 17: a refresh
--- http_config eval: $::Zones
--- config eval: $::Config =~ s/valid=10m/valid=1s/r =~ s/ +limit_req.*//r
--- perl
until_true('refreshed', sub { ask($Good); zone()->{refreshes} });
until_true('ended', sub { !zone()->{lookups_in_flight} });

my $zone = zone();

my $cache = $zone->{cache_requests};

is($zone->{lookups}{active}, $cache->{miss} + $zone->{refreshes}, 'lookups');
is($cache->{hit} + $cache->{miss} + $cache->{wait}, $zone->{requests}{pass},
   'each request is counted once');



=== TEST 18: a budget of denied lookups
--- http_config eval: $::Zones
--- config eval
"    auth_api_token_denied_limit \$binary_remote_addr rate=1r/m burst=3;\n"
. $::Config
--- perl
is(ask("idt:TKN-1234-5678:MADEUP$_"), '401 unknown MISS', 'unknown') for 1 .. 3;
is(ask("idt:TKN-1234-5678:MADEUP$_"), '429 limited MISS', 'limited') for 4, 5;
is(counted(), '0 5 0 3 limited:2 unknown:3 unknown:3', 'each is counted once');
--- calls: 3



=== TEST 19: places among the lookups
--- http_config eval: $::Zones =~ s/1m;/1m lookups=1;/r
--- config eval: $::Config
--- api
token TKN-1000-0001
token TKN-1000-0002
fault any {"delay":60000}
--- perl
my @socks = map { start($_) } $Good, map { token("TKN-1000-000$_") } 1, 2;

until_true('asked', sub { figures()->{calls} == 1 && zone()->{lookups_queued} == 2 });
api('PUT', 'faults/any', {});
api('POST', 'release');

is(tally(map { read_response($_) } @socks), '204:3', 'all pass');
is(moved(zone()->{cache_requests}), 'miss:3', 'figures');
is(zone()->{lookups_queued}, 0, 'nobody waits');
is(zone()->{request_wait_seconds}{count}, 3, 'they waited');
--- calls: 3



=== TEST 20: a post_action whose API nobody has asked
--- http_config eval
$::Zones . 'log_format status "$status";'
--- config eval
$::Config . <<'END';
    location /done {
        auth_api_token "r";
        access_log logs/status.log status;
        post_action /else;
        try_files /dev/null =204;
    }

    location /else {
        auth_api_token "r";
        access_log logs/status.log status;
        auth_api_token_request /_token_api api=other;
        limit_req zone=account burst=20 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
is(ask($Good, '/done'), '204 pass MISS', 'passes');
logged(1, 'status.log');
is(counted(), '0 1 0 1 pass:1 unavailable:1 active:1', 'two results, one miss');
--- calls: 1



=== TEST 21: stale facts, and the API answers again when the delay is over
--- http_config eval: $::Late
--- config eval
$::Delay =~ s/valid=10m/valid=1s stale=1h/r . <<'END';
    location /else {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END
--- perl
my $back = sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
    api('DELETE', 'faults/any');
};

is(ask($Good), '204 pass MISS', 'known');
my $known = time;
api('PUT', 'faults/any', { status => 500 });
until_true('stale', sub { time - $known > 1.1 });

is(delayed($Good), '204 pass STALE', 'stale facts serve');
is(delayed($Good, sub {
    $back->();
    is(ask($Good, '/else'), '401 disabled MISS', 'another request');
}), '401 disabled HIT', 'the API said so to another');



=== TEST 22: the same, and nobody else has asked
--- http_config eval: $::Late
--- config eval: $::Delay =~ s/valid=10m/valid=1s stale=1h/r
--- perl
is(ask($Good), '204 pass MISS', 'known');
my $known = time;
api('PUT', 'faults/any', { status => 500, times => 1 });
until_true('stale', sub { time - $known > 1.1 });

is(delayed($Good, sub {
    api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
}), '401 disabled MISS', 'asked again');
--- calls: 3



=== TEST 23: the API is not available before the delay, and is after it
--- http_config eval: $::Late
--- config eval: $::Delay =~ s/zone=account/zone=address/r
--- api
fault any {"status":500}
--- perl
is(ask('x'), '401 unsupported -', 'the first');
is(delayed($Good, sub {
    api('DELETE', 'faults/any');
}), '204 pass MISS', 'the second is asked about again');
--- calls: 2
