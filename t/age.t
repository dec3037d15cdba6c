use lib 't/lib';
use AuthApiToken;
use Store qw(start zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# Age in an answer of the API: facts are as old as the first answer that had
# them, wherever they have been kept since

master_on();
workers(2);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Age "$auth_api_token_age" always;
    add_header X-Name "$auth_api_token_name" always;

    location /ten  { auth_api_token_cache tokens valid=10s refresh=off; try_files /n =204; }
    location /hour { auth_api_token_cache tokens valid=1h refresh=off; try_files /n =204; }
    location /day  { auth_api_token_cache tokens valid=1d refresh=off; try_files /n =204; }
    location = /status { auth_api_token off; auth_api_token_status json; }
END

our $Name;
our ($n, $id) = (0, 0);


# what was decided, from where; age and name are kept in the response

sub ask {
    my ($uri, $token) = @_;

    my $response = exchange(request_of($token || token('TKN-1234-5678'), $uri));

    $response->{all} = "$response->{status} $response->{headers}{'x-all'}";

    return $response;
}


# an API that has this Age in its answers, and this name of the token

sub aged {
    my ($age, %more) = @_;

    api('PUT', 'faults/any',
        { headers => ref $age ? $age : { Age => $age }, %more,
          merge => { name => $Name = 'name ' . ++$n } });
}


# tokens of which nothing is known

sub fresh {
    my $id = sprintf 'TKN-0000-%04d', ++$id;

    api('PUT', "tokens/$id");

    return token($id);
}


sub age_is {
    my ($response, $age, $since, $name) = @_;

    my $told = $response->{headers}{'x-age'};
    my $most = int($age + time - $since);

    Test::More::ok(defined $told && $told >= int $age && $told <= $most,
                   "$name - age")
        or Test::More::diag(defined $told ? "$told" : 'none',
                            ", and not $age to $most");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: facts have this age from the start, and get older
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $age (0, 1, 5, 59, 3000) {
    my $token = fresh();
    my $since = time;

    aged($age);

    my $response = ask('/hour', $token);

    is($response->{all}, '204 pass MISS', "$age, miss");
    age_is($response, $age, $since, "$age, miss");

    $response = ask('/hour', $token);

    is($response->{all}, '204 pass HIT', "$age, hit");
    age_is($response, $age, $since, "$age, hit");
}

my $token = fresh();
my $since = time;

aged(5);

until_true('older', sub {
    my $response = ask('/hour', $token);

    age_is($response, 5, $since, 'older') if $response->{headers}{'x-age'} > 6;
    $response->{headers}{'x-age'} > 6
});
--- calls: 6



=== TEST 2: no Age counts as an age of 0
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $since = time;

for my $headers ({}, { 'X-Age' => 99 }, { 'Aged' => 'x' }, { 'Ag' => 'x' }) {
    aged($headers);

    my $response = ask('/ten', fresh());

    is($response->{all}, '204 pass MISS', 'passes');
    age_is($response, 0, $since, 'new');
}
--- calls: 4



=== TEST 3: they run out after "valid" from the word of the API
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $start = time;
my $last = $start;

aged(8, times => 1);

my $response = ask('/ten');
my $known = time;

is($response->{all}, '204 pass MISS', 'facts');

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });

until_true('refused', sub {
    my $now = time;

    $response = ask('/ten');
    $last = $now if $response->{all} =~ /^204/;

    $response->{all} eq '401 disabled MISS'
});

cmp_ok($last - $known, '<', 2, 'none passed two seconds later');
cmp_ok(time - $start, '>', 1.9, 'and they did pass before');
--- calls: 2



=== TEST 4: a refresh is due as much earlier
--- http_config eval: $::Zone
--- config
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Name "$auth_api_token_name" always;
    auth_api_token_cache tokens valid=1h;
    location /t { try_files /n =204; }
--- perl
api('PUT', 'faults/any', { headers => { Age => 3500 }, times => 1,
                           merge => { name => 'one' } });
is(ask('/t')->{all}, '204 pass MISS', 'miss');

my %seen;

until_true('refreshed', sub {
    my $response = ask('/t');

    $seen{$response->{all}}++;
    $response->{headers}{'x-name'} eq 'CRM robot'
});

is(join(', ', keys %seen), '204 pass HIT', 'nobody waits');

# what is young is not refreshed

is(ask('/t')->{all}, '204 pass HIT', 'once more') for 1 .. 20;
--- calls: 2



=== TEST 5: facts that are always about to expire do not cost a call each
--- http_config eval: $::Zone
--- config
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Age "$auth_api_token_age" always;
    auth_api_token_cache tokens valid=1h;
    location /t { try_files /n =204; }
--- api
fault any {"headers":{"Age":"3500"}}
--- perl
my $start = time;

is(ask('/t')->{all}, '204 pass MISS', 'miss');
is(ask('/t')->{all}, '204 pass HIT', 'hit') for 1 .. 300;

my $seconds = time - $start;

cmp_ok(figures()->{calls}, '<=', 3 + 2 * $seconds, "$seconds seconds")
    or Test::More::diag(figures()->{calls});



=== TEST 6: as old as "valid", or older: not used
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $age (10, 11, 60, 3599, 86400 * 7) {
    my $token = fresh();

    aged($age);

    for (1 .. 3) {
        my $response = ask('/ten', $token);

        is($response->{all}, '503 unavailable MISS', "age $age");
        is($response->{headers}{'retry-after'}, 1, "$age - Retry-After");
        is($response->{headers}{'x-name'}, undef, "$age - name");
        like($response->{body}, qr/^\{"type":.*"status":503/, "$age - problem");
    }
}

aged(8);
is(ask('/ten', fresh())->{all}, '204 pass MISS', 'younger');



=== TEST 7: but where facts may be older
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $token = fresh();

aged(100);
is(ask('/ten', $token)->{all}, '503 unavailable MISS', 'too old');

my $response = ask('/hour', $token);

like($response->{all}, qr/^204 pass (?:HIT|MISS)$/, 'not too old');
cmp_ok($response->{headers}{'x-age'}, '>=', 100, 'age');

is(ask('/hour', $token)->{all}, '204 pass HIT', 'kept');
is(ask('/ten', $token)->{all}, '503 unavailable MISS', 'still too old');
is(ask('/hour', $token)->{all}, '204 pass HIT', 'still kept');



=== TEST 8: a request that waits is decided by what its own location accepts
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $first ('/ten', '/hour') {
    my $token = fresh();
    my $calls = figures()->{calls};

    aged(100, delay => 60000);

    my @socks = start($token, $first);
    until_true('asked', sub { figures()->{calls} > $calls });

    push @socks, map { start($token, $_) } ('/ten', '/hour') x 20;

    # the one that asks again has to be released, too

    my %status;

    for my $n (0 .. $#socks) {
        my $uri = $n ? ('/hour', '/ten')[$n % 2] : $first;

        until_true('answered', sub {
            api('POST', 'release');
            IO::Select->new($socks[$n])->can_read(0.05)
        });

        $status{"$uri " . read_response($socks[$n])->{status}}++;
    }

    is(join(', ', sort keys %status), '/hour 204, /ten 503', "$first asks");
}



=== TEST 9: a herd in two workers
--- http_config eval: $::Zone
--- config eval
$::Config . "    location = /pid { auth_api_token off; return 200 \$pid; }\n"
--- perl
# connections to both workers

my %to;

until_true('both', sub {
    my $sock = client();

    print {$sock} "GET /pid HTTP/1.1\r\nHost: a\r\n\r\n";
    push @{$to{read_response($sock)->{body}}}, $sock;

    keys %to == 2 && !grep { @$_ < 10 } values %to
});

my @socks = map { @$_[0 .. 9] } values %to;
my $token = fresh();

aged(100, delay => 60000);

print {$_} request_of($token, '/ten') for @socks;
until_true('asked', sub { figures()->{calls} });

my %all;

for my $sock (@socks) {
    until_true('answered', sub {
        api('POST', 'release');
        IO::Select->new($sock)->can_read(0.05)
    });

    $all{read_response($sock)->{status}}++;
}

is(join(', ', sort keys %all), '503', 'nobody passes');
cmp_ok(figures()->{calls}, '<=', scalar @socks, 'no more calls than clients');



=== TEST 10: an Age that is no number of seconds
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $age ('x', '-1', '-0', '+5', '1.5', '1.0', '', '5, 6', '5,6', '5 6',
             '5s', '5;a', '0x10', '1e3', '"5"', "\xd9\xa5", '5x', 'x5', ',',
             '5,', ',5', '0-', 'null', 'NaN', "5\t6", '1 000', "'5'")
{
    my $token = fresh();

    aged($age);

    for my $uri ('/ten', '/day') {
        my $response = ask($uri, $token);

        is($response->{all}, '503 unavailable MISS', "'$age', $uri");
        is($response->{headers}{'x-age'}, undef, "'$age', $uri - age");
    }

    api('DELETE', 'faults/any');
    is(ask('/ten', $token)->{all}, '204 pass MISS', "'$age' - recovers");
}



=== TEST 11: huge ages
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
# some would be small after an overflow of 32 or 64 bits, of seconds or of
# milliseconds

for my $age (86400, 86401, 999999999, 2147483647, 2147483648, 4294967,
             4294968, 4294967295, 4294967296, 4294967297, '9223372036854775',
             '9223372036854776', '9223372036854775807', '9223372036854775808',
             '18446744073709551', '18446744073709552', '18446744073709551615',
             '18446744073709551616', '18446744073709551617', '9' x 30,
             '1' . '0' x 400, '0' x 20 . '999999')
{
    my $token = fresh();

    aged($age);

    for my $uri ('/ten', '/day', '/day') {
        is(ask($uri, $token)->{all}, '503 unavailable MISS', "$age, $uri");
    }
}

for my $age (86300, '0000000005', '0' x 30 . '5') {
    my $token = fresh();

    aged($age);
    is(ask('/day', $token)->{all}, '204 pass MISS', "$age, /day");
}



=== TEST 12: of two headers the larger counts, and both have to be numbers
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $case ([3, 50, 0], [50, 3, 0], [3, 5, 1], [3, 4, 1], [4, 3, 1],
              [0, 0, 1], [3, 'x', 0], ['x', 3, 0], ['', 3, 0], [3, '', 0],
              [0, '4294967296', 0], ['18446744073709552', 0, 0])
{
    my ($one, $two, $pass) = @$case;
    my $token = fresh();
    my $since = time;

    aged({ Age => $one, age => $two });

    my $response = ask('/ten', $token);

    if ($pass) {
        is($response->{all}, '204 pass MISS', "$one and $two");
        age_is($response, $one > $two ? $one : $two, $since, "$one and $two");

    } else {
        is($response->{all}, '503 unavailable MISS', "$one and $two");
    }
}

aged({ AGE => 1, Age => 99, age => 2 });
is(ask('/ten', fresh())->{all}, '503 unavailable MISS', 'three');



=== TEST 13: an Age that the lookup location hides
--- http_config eval: $::Zone
--- config eval: $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_hide_header Age;
        add_header Age 0 always;
--- perl
my $since = time;

aged(100);
is(ask('/ten', fresh())->{all}, '503 unavailable MISS', 'too old');

my $response = ask('/hour', fresh());

is($response->{all}, '204 pass MISS', 'not too old');
age_is($response, 100, $since, 'hidden');

aged('x');
is(ask('/hour', fresh())->{all}, '503 unavailable MISS', 'no number');
--- calls: 3
