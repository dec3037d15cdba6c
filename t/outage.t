use lib 't/lib';
use AuthApiToken;
use Kept;
use Store qw(zone $Good);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# an API that is down, slow or asked too often

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Show = <<'END';
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Age "$auth_api_token_age" always;
    auth_api_token "r";
    location /status { auth_api_token off; auth_api_token_status json; }
END

our $Down = { reset => 'before' };


# lets the breaker open, with tokens that nobody knows

sub open_breaker {
    my ($uri) = @_;

    for my $n (1 .. 5) {
        all($uri, token(sprintf 'TKN-9999-%04d', $n));
    }

    is(zone()->{breaker}, 'open', 'the breaker is open');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: what is no verdict is not kept
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
END
--- perl
for my $fault ({ status => 500 }, { status => 302 }, { body => 'no' },
               { gzip => 1 }, { cut => 'middle' })
{
    api('PUT', 'faults/any', $fault);
    is(all('/t'), '503 unavailable MISS', 'no verdict');
    is(ask('/t')->{headers}{'x-age'}, undef, 'no age');
}

api('DELETE', 'faults/any');
is(all('/t'), '204 pass MISS', 'asked again');
--- calls: 11



=== TEST 2: stale facts serve while the API is down, and not for longer
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /stale { auth_api_token_cache tokens valid=1s stale=2s refresh=off; try_files /n =204; }
    location /strict { auth_api_token_cache tokens valid=1s refresh=off; try_files /n =204; }
END
--- perl
my $start = time;

is(all('/stale'), '204 pass MISS', 'facts');
is(all('/strict'), '204 pass HIT', 'facts');

api('PUT', 'faults/any', $::Down);

my ($stale, $now, $response);

until_true('stale', sub { all('/stale') eq '204 pass STALE' });
cmp_ok(time - $start, '>', 0.9, 'when they have run out');
like(all('/strict'), qr/^503 (?:unavailable|busy) MISS$/, 'not without "stale"');

until_true('refused', sub {
    $now = time;
    $response = ask('/stale');

    return 1 if $response->{status} == 503;

    is($response->{headers}{'x-age'} <= 2, 1, 'age') if !$stale++;
    $start = $now if $now - $start > 3;
    return 0;
});

cmp_ok($now - $start, '<=', 3.1, 'none past valid and stale');
is($response->{headers}{'retry-after'} >= 1, 1, 'Retry-After');
is(zone()->{cache_requests}{stale} > 1, 1, 'counted');

api('DELETE', 'faults/any');

until_true('back', sub { all('/stale') eq '204 pass MISS' });



=== TEST 3: a token that was disabled is not served stale by an API that answers
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens valid=1s stale=1h denied=10ms refresh=off;
    location /t { try_files /n =204; }
END
--- perl
is(all('/t'), '204 pass MISS', 'facts');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });

until_true('refused', sub { all('/t') =~ /^401 disabled/ });

# a denial has no stale facts behind it

api('PUT', 'faults/any', $::Down);
until_true('refused too', sub { all('/t') eq '503 unavailable MISS' });



=== TEST 4: the breaker opens after five failures in a row
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens; try_files /n =204; }
    location /stale { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; try_files /n =204; }
END
--- perl
is(all('/stale'), '204 pass MISS', 'facts');

api('PUT', 'faults/any', $::Down);

is(all('/t', token('TKN-0000-0001')), '503 unavailable MISS', 'failure 1');
is(all('/t', token('TKN-0000-0002')), '503 unavailable MISS', 'failure 2');
is(all('/t', token('TKN-0000-0003')), '503 unavailable MISS', 'failure 3');
is(all('/t', token('TKN-0000-0004')), '503 unavailable MISS', 'failure 4');

api('DELETE', 'faults/any');
is(all('/t', token('TKN-0000-0005')), '401 unknown MISS', 'not in a row');
api('PUT', 'faults/any', $::Down);

is(zone()->{breaker}, 'closed', 'closed');

open_breaker('/t');

my $calls = figures()->{calls};

for my $n (1 .. 50) {
    my $response = ask('/t', token('TKN-0000-0001'));

    is($response->{headers}{'x-all'}, 'busy MISS', 'busy');
    is($response->{headers}{'retry-after'}, 1, 'Retry-After');
    last if $n == 2;
}

is(all('/stale'), '204 pass STALE', 'stale facts serve');
is(figures()->{calls}, $calls, 'without asking');

# one may try, and fails: twice as long

until_true('a probe', sub {
    all('/t', token('TKN-0000-0001')) eq '503 unavailable MISS'
});

is(figures()->{calls}, $calls + 1, 'one');
is(ask('/t', token('TKN-0000-0001'))->{headers}{'retry-after'}, 2,
   'open for twice as long');

# and succeeds

api('DELETE', 'faults/any');

until_true('well again', sub {
    all('/t', token('TKN-0000-0008')) eq '401 unknown MISS'
});
is(zone()->{breaker}, 'closed', 'closed');
is(all('/t', token('TKN-0000-0009')), '401 unknown MISS', 'all may ask');
--- error_log
cause: the breaker is open



=== TEST 5: while one probes the others do not wait
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
END
--- api
fault any {"reset":"before"}
--- perl
open_breaker('/t');

api('PUT', 'faults/any', { delay => 1000 });

my $sock;

until_true('a probe', sub {
    $sock = client();
    print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\n"
                  . "Authorization: Bearer $::Good\r\n\r\n";

    return 0 if IO::Select->new($sock)->can_read(0.1);
    return 1;
});

is(zone()->{breaker}, 'probing', 'probing');
is(zone()->{lookups_in_flight}, 1, 'in flight');
is(all('/t', token('TKN-0000-0008')), '503 busy MISS', 'another token');
is(read_response($sock)->{status}, 204, 'the probe');
is(zone()->{breaker}, 'closed', 'closed');



=== TEST 6: no client can open the breaker by what it sends
--- http_config
auth_api_token_zone zone=tokens:1m;
limit_req_zone $binary_remote_addr zone=r:1m rate=1r/m;
--- config eval
$::Show . <<'END';
    location = /_limited {
        limit_req zone=r;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }

    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
    location /limited { auth_api_token_request /_limited; try_files /n =204; }
END
--- perl
for my $n (1 .. 8) {
    all('/t', token(sprintf 'TKN-0000-%04d', $n));
}

is(zone()->{breaker}, 'closed', 'unknown tokens');

api('PUT', 'faults/any', { status => 403 });
all('/t', token(sprintf 'TKN-0001-%04d', $_)) for 1 .. 8;
is(zone()->{breaker}, 'closed', 'tokens that may not read themselves');

api('PUT', 'faults/any', { status => 400 });
all('/t', token(sprintf 'TKN-0002-%04d', $_)) for 1 .. 8;
is(zone()->{breaker}, 'closed', 'bad requests');

api('DELETE', 'faults/any');
all('/limited', token(sprintf 'TKN-0003-%04d', $_)) for 1 .. 8;
is(zone()->{lookups}{unavailable} >= 15, 1, 'unavailable');
is(zone()->{breaker}, 'closed', 'a limit of nginx');



=== TEST 7: what opens the breaker
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_request /_token_api timeout=50ms;
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
END
--- perl
my $block = 0;

for my $fault ({ reset => 'before' }, { reset => 'middle' }, { cut => 'before' },
               { cut => 'middle' }, { status => 500 }, { status => 503 },
               { status => 429 }, { delay => 200 })
{
    my $id = sprintf 'TKN-%04d', ++$block;

    # one that is well again comes first

    api('DELETE', 'faults/any');

    until_true('closed', sub {
        all('/t', token("$id-9999"));
        zone()->{breaker} eq 'closed';
    });

    api('PUT', sprintf 'tokens/%s-%04d', $id, $_) for 1 .. 5;
    api('PUT', 'faults/any', $fault);
    all('/t', token(sprintf '%s-%04d', $id, $_)) for 1 .. 5;

    is(zone()->{breaker}, 'open', join ' ', %$fault);
}



=== TEST 8: the API says when to come back
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
    location /stale { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; try_files /n =204; }
END
--- api
token TKN-1111-1111 {}
fault TKN-1234-5678 {"status":429,"headers":{"Retry-After":"2"}}
--- perl
my $start = time;
my $response = ask('/t');

is("$response->{status} $response->{headers}{'retry-after'}", '503 2', 'asked');
is($response->{headers}{'x-all'}, 'unavailable MISS', 'unavailable');

$response = ask('/t');

like("$response->{status} $response->{headers}{'retry-after'}", qr/^503 [12]$/,
     'not asked again');
is($response->{headers}{'x-all'}, 'unavailable MISS', 'unavailable');
is(figures()->{calls}, 1, 'one call');
is(all('/t', token('TKN-1111-1111')), '204 pass MISS', 'other tokens are');

api('DELETE', 'faults/TKN-1234-5678');

until_true('asked again', sub { all('/t') eq '204 pass MISS' });
cmp_ok(time - $start, '>', 1.9, 'not before');

api('PUT', 'faults/any', { status => 503, headers => { 'Retry-After' => 60 } });

until_true('run out', sub { all('/stale') eq '204 pass STALE' });

my $calls = figures()->{calls};

is(all('/stale'), '204 pass STALE', 'stale, without asking');
is(figures()->{calls}, $calls, 'without asking');



=== TEST 9: no more than "lookups" at once, and none may wait
--- http_config
auth_api_token_zone zone=tokens:1m lookups=3 queue=0;
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
    location /stale { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; try_files /n =204; }
END
--- perl
is(all('/stale'), '204 pass MISS', 'facts');

api('PUT', 'faults/any', { delay => 1000 });

my @socks;

for my $n (1 .. 3) {
    my $sock = client();
    print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                  . token("TKN-0000-000$n") . "\r\n\r\n";
    push @socks, $sock;
}

until_true('asked', sub { figures()->{calls} == 4 });

my $response = ask('/t', token('TKN-0000-0004'));

is($response->{headers}{'x-all'}, 'busy MISS', 'no place');
is($response->{headers}{'retry-after'}, 1, 'Retry-After');
like($response->{body}, qr/"status":503/, 'problem');
is(all('/t'), '204 pass HIT', 'hits need none');

# the API is well, for all that is known

until_true('no stale facts either', sub { all('/stale') eq '503 busy MISS' });

is(zone()->{lookups_in_flight}, 3, 'in flight');

is(read_response($_)->{status}, 401, 'an answer') for @socks;

api('DELETE', 'faults/any');
is(all('/t', token('TKN-0000-0004')), '401 unknown MISS', 'a place');
is(zone()->{lookups_in_flight}, 0, 'none in flight');
--- calls: 5
--- error_log
cause: all "lookups" are taken



=== TEST 10: a refresh that fails costs nobody anything, and few calls
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens valid=4s;
    location /t { try_files /n =204; }
END
--- perl
my $start = time;

is(all('/t'), '204 pass MISS', 'facts');
api('PUT', 'faults/any', $::Down);

my %seen;

until_true('run out', sub {
    my $all = all('/t');
    $seen{$all}++;
    $all =~ /^503/;
});

is(join(', ', sort keys %seen), '204 pass HIT, 503 unavailable MISS',
   'facts serve until they run out');
cmp_ok(zone()->{refreshes}, '<=', 2, 'not tried again and again');



=== TEST 11: the outage is logged once a second, also for the zone
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { try_files /n =204; }
END
--- api
fault any {"reset":"before"}
--- perl
my $n = 0;

# the breaker opens, and tries twice: with what came before in that second

until_true('two tries', sub {
    all('/t') for 1 .. 10;
    $n += 10;

    return figures()->{calls} == 7;
});

my (%errors, %lines);

for (nginx_log() =~ /^(.*API token refused: .*)$/mg) {
    my ($second, $level, $reason) = /^(\S+ \S+) \[(\w+)\].* refused: (\w+),/;

    $lines{$second}{$reason}++;
    $errors{$second}{$reason} += ($level eq 'error');
}

my @counts = map { values %$_ } values %errors;

is($n, (my $all = () = nginx_log() =~ /API token refused/g), 'all of them');
is(join(' ', grep { $_ != 1 } @counts), '', 'an error for each reason');
is(scalar(grep { keys %$_ == 2 } values %lines) > 0, 1, 'both in one second');
cmp_ok(scalar @counts, '>=', 4, 'seconds');



=== TEST 12: an internal redirect during an outage
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_request /_token_api timeout=500ms;
    location /warm { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; try_files /n =204; }
    location /a { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; error_page 404 = /warm; try_files /n =404; }
    location /b { auth_api_token_cache tokens valid=10ms refresh=off; error_page 503 = /warm; try_files /n =204; }
    location /c { auth_api_token_cache tokens valid=10ms stale=1h refresh=off; error_page 404 = /strict; try_files /n =404; }
    location /strict { auth_api_token_cache tokens valid=10ms refresh=off; try_files /n =204; }
END
--- perl
is(all('/warm'), '204 pass MISS', 'known');
api('PUT', 'faults/any', { delay => 5000 });

my $calls = 1;

until_true('stale', sub { all('/warm') eq '204 pass STALE' });
is(figures()->{calls}, ++$calls, 'asked');

is(all('/a'), '204 pass STALE', 'from stale to stale');
is(figures()->{calls}, ++$calls, 'asked once');

is(all('/b'), '204 pass STALE', 'to where stale facts are allowed');
is(figures()->{calls}, ++$calls, 'asked once');

is(all('/c'), '503 unavailable STALE', 'to where they are not');
is(figures()->{calls}, ++$calls, 'asked once');
