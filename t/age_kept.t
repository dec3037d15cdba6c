use lib 't/lib';
use AuthApiToken;
use Kept ();
use Purge qw(purged);
use Store qw(zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# Age in an answer of the API, and facts that the zone has already

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Show = <<'END';
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Age "$auth_api_token_age" always;
    add_header X-Name "$auth_api_token_name" always;
    location = /status { auth_api_token off; auth_api_token_status json; }
    location /purge { auth_api_token off; auth_api_token_purge tokens; }
END


sub all {
    my ($uri, $token) = @_;

    my $response = Kept::ask($uri, $token);
    my $name = $response->{headers}{'x-name'};

    return "$response->{status} $response->{headers}{'x-all'}"
           . (defined $name ? " $name" : '');
}


# an API whose answers have this Age, and this name of the token

sub aged {
    my ($age, $name, %more) = @_;

    api('PUT', 'faults/any', { headers => { Age => $age },
                               merge => { name => $name }, %more });
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: an older word does not take the place of a younger one
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /hour  { auth_api_token_cache tokens valid=1h refresh=off; try_files /n =204; }
    location /brief { auth_api_token_cache tokens valid=100ms refresh=off; try_files /n =204; }
END
--- perl
aged(0, 'young');
is(all('/hour'), '204 pass MISS young', 'young');

aged(3000, 'old');
until_true('asked', sub { all('/brief') eq '503 unavailable MISS' });
is(all('/hour'), '204 pass HIT young', 'still young');
cmp_ok(Kept::ask('/hour')->{headers}{'x-age'}, '<', 3000, 'age');

# a younger one does

aged(0, 'new');
is(all('/brief'), '204 pass MISS new', 'new');
is(all('/hour'), '204 pass HIT new', 'for all');
--- calls: 3



=== TEST 2: older facts do not take the place of a denial
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /hour  { auth_api_token_cache tokens valid=1h denied=1h refresh=off; try_files /n =204; }
    location /brief { auth_api_token_cache tokens valid=1h denied=10ms refresh=off; try_files /n =204; }
    location /off   { auth_api_token_cache off; try_files /n =204; }
END
--- perl
for my $case (['disabled', { merge => { status => 'Disabled' } }],
              ['unknown', { status => 401 }])
{
    my ($reason, $fault) = @$case;
    my $id = sprintf 'TKN-0000-%04d', ++$n;

    api('PUT', "tokens/$id");
    api('PUT', 'faults/any', $fault);
    is(all('/hour', token($id)), "401 $reason MISS", "$reason, news");

    # another node of a tier, which has not heard of it

    aged(3000, 'old');
    my $asked = figures()->{calls};
    until_true('asked', sub {
        all('/brief', token($id));
        figures()->{calls} > $asked
    });

    is(all('/hour', token($id)), "401 $reason HIT", "$reason, no news");

    # but one that has heard of the opposite since

    aged(0, 'new');
    until_true('new', sub {
        all('/brief', token($id)) =~ /^204 pass \w+ new/
    });
    is(all('/hour', token($id)), '204 pass HIT new', "$reason, no more");
}



=== TEST 3: denials have no age
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=10s denied=1h; try_files /n =204; }
END
--- perl
for my $age (0, 9, 10, 3600, 999999999, 'x', '-1', '', '5, 6', '9' x 30) {
    for my $case ([401, 'unknown', 401], [404, 'unknown', 401],
                  [403, 'unreadable', 403])
    {
        my ($answer, $reason, $status) = @$case;
        my $token = 'idt:TKN-1234-5678:MADEUP' . ++$n;

        aged($age, 'n', status => $answer);
        is(all('/t', $token), "$status $reason MISS", "$answer, '$age'");
        is(all('/t', $token), "$status $reason HIT", "$answer, '$age', kept");
        is(Kept::ask('/t', $token)->{headers}{'x-age'}, 0,
           "$answer, '$age', age") if $age eq '3600';
    }
}

# nor does a failure

aged(0, 'n', status => 429);
is(all('/t'), '503 unavailable MISS', 'failure');



=== TEST 4: stale facts end "valid" and "stale" after the word of the API
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=4s stale=2s refresh=off; try_files /n =204; }
END
--- perl
aged(3, 'n');

my $start = time;

is(all('/t'), '204 pass MISS n', 'facts');

my $known = time;
my $last = $known;
my ($now, $all, %seen);

api('PUT', 'faults/any', { reset => 'before' });

until_true('refused', sub {
    $now = time;
    $all = all('/t');
    $seen{$all}++;
    $last = $now if $all =~ /^204/;
    $all =~ /^503/
});

ok($seen{'204 pass STALE n'}, 'stale facts');
cmp_ok($last - $known, '<', 3, 'none passed three seconds later');
cmp_ok(time - $start, '>', 2.9, 'and they did pass before');



=== TEST 5: what is too old even for that
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=10s stale=10s refresh=off; try_files /n =204; }
    location /hour { auth_api_token_cache tokens valid=1h refresh=off; try_files /n =204; }
END
--- perl
for my $age (20, 21, 3000) {
    my $id = sprintf 'TKN-0000-%04d', ++$n;

    api('PUT', "tokens/$id");
    aged($age, 'n');
    is(all('/t', token($id)), '503 unavailable MISS', "age $age")
        for 1 .. 3;
    is(all('/hour', token($id)) =~ s/HIT|MISS/-/r, '204 pass - n',
       "$age, known");

    api('PUT', 'faults/any', { status => 500 });
    like(all('/t', token($id)), qr/^503 unavailable MISS$/,
         "$age, and the API is down");
    aged(0, 'n');
    is(all('/t', token($id)), '204 pass MISS n', "$age, and it is back");
}



=== TEST 6: old answers do not open the breaker
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=10s; try_files /n =204; }
END
--- perl
for my $age (10, 3600, 'x', '', '-1', '9' x 30) {
    aged($age, 'n');
    is(all('/t'), '503 unavailable MISS', "'$age'") for 1 .. 6;
    is(zone()->{breaker}, 'closed', "'$age' - the breaker");
}

aged(1, 'n');
is(all('/t'), '204 pass MISS n', 'a younger one');
--- calls: 37



=== TEST 7: a refresh that learns nothing new
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=4s; try_files /n =204; }
    location /hour { auth_api_token_cache tokens valid=1h refresh=off; try_files /n =204; }
END
--- perl
my $start = time;

aged(0, 'young');
is(all('/t'), '204 pass MISS young', 'facts');
aged(3000, 'old');

my %seen;
my $asked;

until_true('run out', sub {
    my $all = all('/t');

    $asked = figures()->{calls} if $all =~ /HIT/;
    $seen{$all}++;
    $all !~ /^204/
});

is(join(', ', sort keys %seen), '204 pass HIT young, 503 unavailable MISS',
   'the facts of before, and then none');
cmp_ok($asked, '>=', 2, 'a refresh');
cmp_ok($asked, '<=', 3 + (time - $start), 'and not one for each request');
is(all('/hour'), '204 pass HIT young', 'not forgotten');



=== TEST 8: an internal redirect to where facts may not be so old
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /hour { auth_api_token_cache tokens valid=1h refresh=off; error_page 404 = /ten; try_files /n =404; }
    location /ten  { auth_api_token_cache tokens valid=10s refresh=off; try_files /n =204; }
END
--- perl
aged(3000, 'n');
is(all('/hour'), '503 unavailable MISS', 'first');
is(all('/hour'), '503 unavailable MISS', 'again');
aged(3, 'n');
is(all('/hour'), '204 pass MISS n', 'not so old');
is(all('/hour'), '204 pass HIT n', 'kept');



=== TEST 9: after a purge a word may be older than the purge
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=1h refresh=off; try_files /n =204; }
END
--- perl
aged(0, 'before');
is(all('/t'), '204 pass MISS before', 'before');
purged('{"token":"TKN-1234-5678"}', 1);

# it is used: else nobody would be let in until the tier has been purged, too

aged(30, 'after');
is(all('/t'), '204 pass MISS after', 'after');
is(all('/t'), '204 pass HIT after', 'kept');
purged('{"all":true}', 1);
is(all('/t'), '204 pass MISS after', 'all');
is(all('/t'), '204 pass HIT after', 'kept, too');
--- calls: 3



=== TEST 10: facts that are too large to be kept
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /hour { auth_api_token_cache tokens valid=1h; try_files /n =204; }
    location /ten  { auth_api_token_cache tokens valid=10s; try_files /n =204; }
END
--- perl
api('PUT', 'tokens/TKN-1234-5678', {
    modules => [ map { { id => sprintf('MOD-%04d', $_) } } 1 .. 1000 ] });
aged(100, 'large');

for (1, 2) {
    is(all('/hour'), '204 pass MISS large', 'not too old');
    cmp_ok(Kept::ask('/hour')->{headers}{'x-age'}, '>=', 100, 'age');
    is(all('/ten'), '503 unavailable MISS', 'too old');
}



=== TEST 11: with a service credential, and in a list
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /service { auth_api_token_request /_token_api credential=service; auth_api_token_cache tokens valid=10s; try_files /n =204; }
    location /list { auth_api_token_request /_list; auth_api_token_cache tokens valid=10s; try_files /n =204; }
    location = /_list {
        internal;
        auth_api_token off;
        proxy_pass http://token_api/public/v1/accounts/api-tokens?eq(id,'$auth_api_token_claimed_id');
    }
END
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0009:operations";
--- api
token TKN-0000-0009 {"secret":"operations","account":{"type":"Operations"}}
--- perl
for my $uri ('/service', '/list') {
    aged(10, 'n');
    is(all($uri), '503 unavailable MISS', "$uri, too old");
    aged('x', 'n');
    is(all($uri), '503 unavailable MISS', "$uri, no number");
    aged(5, 'n');
    is(all($uri), '204 pass MISS n', "$uri, not too old");
    cmp_ok(Kept::ask($uri)->{headers}{'x-age'}, '>=', 5, "$uri, age");
}

# a mismatch is no news that gets old

aged(5, 'n');
is(all('/service', 'idt:TKN-1234-5678:MADEUPwrong'), '401 mismatch MISS',
   'mismatch');



=== TEST 12: an old answer is an answer: no stale facts serve
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t     { auth_api_token_cache tokens valid=10s stale=1h refresh=off; try_files /n =204; }
    location /brief { auth_api_token_cache tokens valid=100ms stale=1h refresh=off; try_files /n =204; }
    location /plain { auth_api_token_cache tokens valid=100ms refresh=off; try_files /n =204; }
END
--- perl
aged(100, 'old');
is(all('/t'), '503 unavailable MISS', 'nothing else is known') for 1 .. 3;

# nor where there are such, younger than the answer or older

aged(0, 'known');
is(all('/t'), '204 pass MISS known', 'known');
aged(100, 'old');

until_true('asked', sub { all('/plain') eq '503 unavailable MISS' });
is(all('/brief'), '503 unavailable MISS', 'known, and too old');

# without any answer they do

api('PUT', 'faults/any', { reset => 'before' });
is(all('/brief'), '204 pass STALE known', 'no answer');



=== TEST 13: no zone
--- config eval
$::Show =~ s/    location.*//sr . <<'END';
    location /t { try_files /n =204; }
END
--- perl
# nobody said how old facts may be

aged(100, 'old');
is(all('/t'), '204 pass BYPASS old', 'passes');
cmp_ok(Kept::ask('/t')->{headers}{'x-age'}, '>=', 100, 'and tells its age');

aged('x', 'old');
is(all('/t'), '503 unavailable BYPASS', 'no number');



=== TEST 14: no zone: a request costs one call, whatever the age
--- http_config
    limit_req_zone $server_name zone=slow:1m rate=10r/s;
--- config
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    location /to    { try_files /n /t; }
    location /t     { try_files /n =204; }
    location /limit { auth_api_token_phase preaccess; limit_req zone=slow burst=5; try_files /n =204; }
--- perl
aged(100, 'old');
is(all('/to'), '204 pass BYPASS', 'an internal redirect');
is(figures()->{calls}, 1, 'an internal redirect - calls');
is(all('/limit'), '204 pass BYPASS', 'not delayed');
is(figures()->{calls}, 2, 'not delayed - calls');
is(all('/limit'), '204 pass BYPASS', 'delayed');
is(figures()->{calls}, 3, 'delayed - calls');



=== TEST 15: an old answer does not bring back a token that was denied since
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token_cache tokens valid=1h denied=10ms refresh=off; try_files /n =204; }
END
--- perl
api('PUT', 'faults/any', { merge => { status => 'Disabled' } });
is(all('/t'), '401 disabled MISS', 'news');

# another node of a tier, which has not heard of it

aged(3000, 'old');

my $asked = figures()->{calls};

until_true('asked', sub {
    like(all('/t'), qr/^401 disabled \w+\z/, 'no news');
    figures()->{calls} > $asked + 3
});

# but one that has heard of the opposite since

aged(0, 'new');
until_true('new', sub { all('/t') =~ /^204 pass \w+ new/ });
