use lib 't/lib';
use AuthApiToken;
use Status;
use Store qw(ask start zone get $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# the figures, and when each of them changes

our $Zone = 'auth_api_token_zone zone=tokens:1m;';


# a figure in Prometheus' text

sub sample {
    my ($series) = @_;

    my ($value) = get('/prometheus')->{body}
                  =~ /^nginx_auth_api_token_\Q$series\E ([0-9.]+)$/m;

    return $value;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: requests by result
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1 queue=0;
--- config eval
$::Config . <<'END';
    auth_api_token_require $arg_ok;

    location /account {
        auth_api_token "r";
        auth_api_token_account ACC-0000-0001;
        try_files /dev/null =204;
    }

    location /account_type {
        auth_api_token "r";
        auth_api_token_account_type Client;
        try_files /dev/null =204;
    }

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }

    location /extension {
        auth_api_token "r";
        auth_api_token_extension EXT-0000-0001;
        try_files /dev/null =204;
    }

    location /insecure {
        auth_api_token "r";
        auth_api_token_https on;
        try_files /dev/null =204;
    }

    location /service {
        auth_api_token "r";
        auth_api_token_request /_service credential=service;
        try_files /dev/null =204;
    }

    location = /_service {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
    }

    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit $host rate=1r/m burst=1;
        try_files /dev/null =204;
    }
END
--- api
token TKN-0000-0001 {"secret":"operations","account":{"id":"ACC-0000-0001","type":"Operations"}}
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"status":"New","works":1}
token TKN-1000-0004 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0005 {"self":403}
token TKN-1000-0006
fault TKN-1000-0006 {"status":500}
token TKN-1000-0007
fault TKN-1000-0007 {"delay":1000}
token TKN-1000-0008 {"extensions":[]}
--- perl
my %seen;

sub decided {
    my ($want, $token, $uri) = @_;

    my (undef, $reason) = split ' ', ask($token, $uri || '/t?ok=1');

    is($reason, $want, $want);
    $seen{$reason}++;
    is(moved(zone()->{requests}),
       join(' ', map { "$_:$seen{$_}" } sort keys %seen), "$want is counted");
}

decided('pass', $Good) for 1, 2;
decided('no_token');
decided('malformed', '=');
decided('unsupported', 'x');
decided('insecure', $Good, '/insecure?ok=1');
decided('unknown', $Bad);
decided('disabled', token('TKN-1000-0001'));
decided('deleted', token('TKN-1000-0002'));
decided('inactive', token('TKN-1000-0003'));
decided('account_disabled', token('TKN-1000-0004'));
decided('unreadable', token('TKN-1000-0005')) for 1, 2;
decided('mismatch', $Bad, '/service?ok=1');
decided('account', $Good, '/account?ok=1');
decided('account_type', $Good, '/account_type?ok=1');
decided('module', $Good, '/module?ok=1');
decided('extension', token('TKN-1000-0008'), '/extension?ok=1');
decided('require', $Good, '/t?ok=0');
decided('unavailable', token('TKN-1000-0006'));
decided('unknown', 'idt:TKN-1234-5678:MADEUP2', '/limited?ok=1');
decided('limited', 'idt:TKN-1234-5678:MADEUP3', '/limited?ok=1');

# the only place is taken

my $sock = start(token('TKN-1000-0007'), '/t?ok=1');
until_true('asked', sub { zone()->{lookups_in_flight} });
decided('busy', 'idt:TKN-1234-5678:MADEUP4');
is(read_response($sock)->{status}, 204, 'the one that was asked about');
$seen{pass}++;

is(join(' ', sort keys %seen), join(' ', sort @Reasons), 'all reasons');
is(moved(zone()->{requests}),
   join(' ', map { "$_:$seen{$_}" } sort keys %seen), 'at the end');

is(sample(qq(requests_total{zone="tokens",result="$_"})), $seen{$_},
   "$_ in Prometheus") for @Reasons;



=== TEST 2: lookups by outcome
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /service {
        auth_api_token "r";
        auth_api_token_request /_service credential=service;
        try_files /dev/null =204;
    }

    location = /_service {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
    }
END
--- api
token TKN-0000-0001 {"secret":"operations","account":{"id":"ACC-0000-0001","type":"Operations"}}
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"status":"New","works":1}
token TKN-1000-0004 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0005 {"self":403}
token TKN-1000-0006
fault TKN-1000-0006 {"reset":"before"}
--- perl
my %seen;

sub looked_up {
    my ($outcome, $token, $uri) = @_;

    ask($token, $uri);
    $seen{$outcome}++;
    is(moved(zone()->{lookups}),
       join(' ', map { "$_:$seen{$_}" } sort keys %seen), $outcome);
}

looked_up('active', $Good);
looked_up('active', token('TKN-0000-0001') =~ s/:MADEUP.*/:operations/r);
looked_up('unknown', $Bad);
looked_up('disabled', token('TKN-1000-0001'));
looked_up('deleted', token('TKN-1000-0002'));
looked_up('inactive', token('TKN-1000-0003'));
looked_up('account_disabled', token('TKN-1000-0004'));
looked_up('unreadable', token('TKN-1000-0005'));
looked_up('mismatch', $Bad, '/service');
looked_up('unavailable', token('TKN-1000-0006'));

# no lookup
ask($_) for $Good, $Bad, 'x', '=', token('TKN-1000-0001');

is(moved(zone()->{lookups}),
   join(' ', map { "$_:$seen{$_}" } sort keys %seen), 'hits are none');
is(join(' ', sort keys %seen), join(' ', sort @Outcomes), 'all outcomes');

is(sample(qq(lookups_total{zone="tokens",outcome="$_"})), $seen{$_},
   "$_ in Prometheus") for @Outcomes;
is(sample('lookup_duration_seconds_count{zone="tokens"}'), 10,
   'the histogram has as many');



=== TEST 3: hits, misses, waits and lookups in flight
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location = /stub_status { stub_status; }
END
--- api
token TKN-1234-5679
fault any {"delay":60000}
--- perl
my @socks = (start($Good), start(token('TKN-1234-5679')));

until_true('both are asked about', sub { figures()->{calls} == 2 });
is(zone()->{lookups_in_flight}, 2, 'in flight');
is(sample('lookups_in_flight{zone="tokens"}'), 2, 'in Prometheus');

push @socks, map { start($Good) } 1 .. 3;
until_true('three wait', sub { get('/stub_status')->{body} =~ /Writing: 6 / });
is(moved(zone()->{cache_requests}), '', 'nothing is decided');
is(zone()->{last_success_timestamp_seconds}, undef, 'no answer so far');

my $before = time;

api('POST', 'release');
is(read_response($_)->{status}, 204, 'passes') for @socks;
api('DELETE', 'faults/any');
ask($Good) for 1 .. 4;
ask($Bad) for 1 .. 3;

my $zone = zone();

is(moved($zone->{cache_requests}), 'hit:6 miss:3 wait:3', 'figures');
is($zone->{lookups_in_flight}, 0, 'in flight');
is(sample(qq(cache_requests_total{zone="tokens",status="$_"})),
   $zone->{cache_requests}{$_}, "$_ in Prometheus")
    for qw(hit miss wait stale bypass);
cmp_ok($zone->{last_success_timestamp_seconds}, '>=', $before - 1,
       'the last answer');
cmp_ok($zone->{last_success_timestamp_seconds}, '<=', time,
       'the last answer');
is(sample('last_success_timestamp_seconds{zone="tokens"}'),
   $zone->{last_success_timestamp_seconds}, 'in Prometheus');
--- calls: 3



=== TEST 4: how long lookups take
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
token TKN-1234-5670
fault TKN-1234-5678 {"delay":300}
fault TKN-1234-5679 {"delay":700}
--- perl
ask($_) for $Good, token('TKN-1234-5679'), token('TKN-1234-5670');

my $latency = zone()->{lookup_duration_seconds};
my @counts = @{$latency->{buckets}}{@Bounds};

is($latency->{count}, 3, 'count');
cmp_ok($latency->{sum}, '>=', 1, 'sum, in seconds');
cmp_ok($latency->{sum}, '<', 30, 'sum, in seconds');
is("@counts", join(' ', sort { $a <=> $b } @counts), 'cumulative');
is($counts[-1], 3, 'all of them');
cmp_ok($latency->{buckets}{0.25}, '<=', 1, 'two took longer than 250 ms');
cmp_ok($latency->{buckets}{0.5}, '<=', 2, 'one took longer than 500 ms');

my $name = 'lookup_duration_seconds';

is(sample(qq(${name}_count{zone="tokens"})), 3, 'count');
is(sample(qq(${name}_sum{zone="tokens"})) + 0, $latency->{sum}, 'sum');
is(sample(qq(${name}_bucket{zone="tokens",le="0.25"})),
   $latency->{buckets}{0.25}, 'bounds in seconds');



=== TEST 5: refreshes
--- http_config eval: $::Zone
--- config eval
$::Status . <<'END';
    auth_api_token_cache tokens valid=1s;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /off {
        auth_api_token "r";
        auth_api_token_cache tokens valid=1s refresh=off;
        try_files /dev/null =204;
    }
END
--- perl
until_true('asked again', sub {
    ask($Good, '/off');
    zone()->{cache_requests}{miss} == 2;
});

is(zone()->{refreshes}, 0, 'none where they are off');

until_true('refreshed', sub {
    ask($Good);
    zone()->{refreshes} == 1;
});

until_true('ended', sub { !zone()->{lookups_in_flight} });

my $zone = zone();

is($zone->{lookups}{active}, $zone->{cache_requests}{miss} + 1, 'a lookup that is no miss');



=== TEST 6: stale facts
--- http_config eval: $::Zone
--- config eval
$::Status . <<'END';
    auth_api_token_cache tokens valid=1s stale=10m refresh=off;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END
--- perl
is(ask($Good), '204 pass MISS', 'asked');
api('PUT', 'faults/any', { status => 500 });

until_true('stale', sub { ask($Good) eq '204 pass STALE' });
is(zone()->{cache_requests}{stale}, 1, 'counted');
is(ask($Good), '204 pass STALE', 'stale');
is(zone()->{cache_requests}{stale}, 2, 'counted');
is(moved(zone()->{lookups}), 'active:1 unavailable:2', 'lookups');



=== TEST 7: records and bytes
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit $http_x_key;
        try_files /dev/null =204;
    }
END
--- api
token TKN-1000-0001
token TKN-1000-0002
--- perl
api('PUT', 'tokens/TKN-1000-0002', { name => 'x' x 300 });

sub sizes {
    my $zone = zone();

    return join ' ', map { "$zone->{zone_records}{$_}:$zone->{zone_used_bytes}{$_}" }
                     qw(facts denials budgets);
}

ask($Good) for 1, 2;
is(sizes(), '1:256 0:0 0:0', 'facts');
ask(token('TKN-1000-0001'));
is(sizes(), '2:512 0:0 0:0', 'more');
ask(token('TKN-1000-0002'));
is(sizes(), '3:1024 0:0 0:0', 'facts that take two cells');
ask("$Bad$_") for 1 .. 3;
is(sizes(), '3:1024 3:768 0:0', 'denials');

for my $i (4, 5) {
    exchange("GET /limited HTTP/1.1\r\nHost: a\r\nX-Key: $i\r\n"
             . "Authorization: Bearer $Bad$i\r\n\r\n");
}

is(sizes(), '3:1024 5:1280 2:512', 'budgets');

is(sample('zone_used_bytes{zone="tokens",kind="facts"}'), 1024, 'facts');
is(sample('zone_records{zone="tokens",kind="denials"}'), 5, 'denials');

get('/purge/TKN-1000-0002', '', 'DELETE');
is(sizes(), '2:512 5:1280 2:512', 'a purge of one');



=== TEST 8: evictions
--- http_config
    auth_api_token_zone zone=tokens:64k;
--- config eval: $::Config
--- perl
my $zone = zone();
my $cells = $zone->{zone_size_bytes} / 256;

cmp_ok($cells, '>', 100, 'cells');

for my $i (0 .. $cells) {
    api('PUT', sprintf('tokens/TKN-1000-%04d', $i), { name => "n$i" });
}

ask(token(sprintf 'TKN-1000-%04d', $_)) for 0, 1;

until_true('a second', sub {
    exchange(request_of(token('TKN-1000-0001')))->{headers}{'x-age'} >= 1;
});

is($zone->{evicted_age_seconds}, undef, 'no age of an evicted one yet');
is(sample('evicted_age_seconds{zone="tokens"}'), undef, 'in Prometheus');

for my $i (2 .. $cells) {
    ask(token(sprintf 'TKN-1000-%04d', $i));
    $zone = zone();
    last if $zone->{evictions}{facts};
}

is($zone->{evictions}{facts}, 1, 'one is evicted');
cmp_ok($zone->{evicted_age_seconds}, '>=', 1, 'the oldest');
is(ask(token('TKN-1000-0000')), '204 pass MISS', 'it is not known any more');
is(zone()->{evictions}{facts}, 2, 'it took the place of another');
is(zone()->{evictions}{denials}, 0, 'no denials');

is(sample('evictions_total{zone="tokens",kind="facts"}'), 2, 'evictions');
cmp_ok(sample('evicted_age_seconds{zone="tokens"}'), '>=', 1, 'age');

# denials have their share, and none of it is that of facts

ask("$Bad$_") for 1 .. $cells;

my $facts = $zone->{zone_records}{facts};

$zone = zone();
is($zone->{zone_records}{facts}, $facts, 'all facts are there');
cmp_ok($zone->{zone_records}{denials}, '>', 0, 'denials');
cmp_ok($zone->{zone_records}{denials}, '<=', $cells / 10, 'denials');
is($zone->{zone_records}{denials} + $zone->{evictions}{denials}, int $cells,
   'the others were evicted');
is($zone->{evictions}{facts}, 2, 'evictions of facts');



=== TEST 9: purges
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
ask($_) for $Good, $Bad;
get("/purge/$_", '', 'DELETE') for qw(TKN-1234-5678 TKN-1234-5678 TKN-0-0);
get('/purge/TKN-1234-5678');

is(join(' ', @{zone()}{qw(purge_requests purged_records)}), '3 2', 'figures');
is(sample('purge_requests_total{zone="tokens"}'), 3, 'in Prometheus');



=== TEST 10: the breaker
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"status":500}
--- perl
my $n = 0;

sub breaker {
    return join ' ', @{zone()}{qw(breaker breaker_opened)};
}

for my $i (1 .. 4) {
    ask($Bad . $n++);
    is(breaker(), 'closed 0', "$i failures");
}

ask($Bad . $n++);
is(breaker(), 'open 1', 'five failures');
is(sample('breaker_open{zone="tokens"}'), 1, 'in Prometheus');

api('PUT', 'faults/any', { delay => 1500 });

# the first that is let through after a second

my @socks;

until_true('a probe', sub {
    push @socks, start($Bad . $n++);
    zone()->{breaker} eq 'probing';
});

is(figures()->{calls}, 6, 'one at a time');
is(zone()->{lookups_in_flight}, 1, 'one at a time');
until_true('closed', sub { breaker() eq 'closed 1' });
is(sample('breaker_open{zone="tokens"}'), 0, 'in Prometheus');



=== TEST 11: a redirect there and back
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /there {
        auth_api_token "r";
        try_files /dev/null /refused;
    }

    location /refused {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        error_page 403 = /back;
    }

    location /back {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /dry {
        auth_api_token "r";
        auth_api_token_dry_run on;
        try_files /dev/null /there;
    }
END
--- perl
ask($Good, '/there');
is(moved(zone()->{requests}), 'module:1 pass:1', 'each result counts once');
is(moved(zone()->{cache_requests}), 'miss:1', 'the status does');
ask($Good, '/dry');
is(moved(zone()->{requests}), 'module:2 pass:2', 'the next one');
is(moved(zone()->{requests_dry_run}), 'pass:1', 'dry run apart');
is(moved(zone()->{cache_requests}), 'hit:1 miss:1', 'its status');
