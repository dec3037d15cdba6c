use lib 't/lib';
use AuthApiToken;
use Fleet;
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(sleep);

# conf-examples/fleet/: one call of the API per token for all edges, which are
# killed, restarted and reloaded.  TEST_NGINX_FLEET is how many seconds 300
# tokens are in rotation, with the times of the example; without it, the test is
# short, with short times.

our $Seconds = $ENV{TEST_NGINX_FLEET} || 8;
our ($Tokens, %Valid) = $ENV{TEST_NGINX_FLEET} ? (300, tier => 30, edge => 60)
                                               : (30, tier => 2, edge => 8);

our $Locations = <<'END2';
location = /t {
    auth_api_token "r";
    add_header X-Age $auth_api_token_age;
    add_header X-Cache $auth_api_token_cache_status;
    try_files /dev/null =204;
}
END2

our $Backend = <<'END2';
    location / {
        return 200 "$http_x_mpt_token_id $http_x_mpt_account_id";
    }
END2


# all tokens at all edges, asked about once each

sub fill {
    my (@ids) = @_;

    is(passed(\@Edges, @ids), join(' ', (scalar @ids) x @Edges), 'all pass');
    is(figures()->{calls}, scalar @ids, 'each is asked about once');

    my @owned = asked_at('tier1', @ids);
    my %owned = map { $_ => 1 } @owned;
    my @others = grep { !$owned{$_} } @ids;

    is(join(' ', asked_at('tier2', @ids)), "@others",
       'each edge asks the same node about a token');
    ok(@owned && @others, 'both nodes have some: ' . @owned . ', ' . @others);

    return (\@owned, \@others);
}


# asks for all of these at all edges in turn until the code says that it is
# enough, some four hundred times a second

sub rotate {
    my ($ids, $code) = @_;

    my $start = now();

    for (my $n = 0; ; ) {
        my $sent = now();

        if ($n > ($sent - $start) * 400) {
            sleep 0.001;
            next;
        }

        my $edge = $Edges[$n % @Edges];
        my $id = $ids->[$n++ / @Edges % @$ids];

        last if !$code->($edge, $id, $sent, ask($edge, token($id), '/t'));
    }
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: tokens in rotation, and some of them are disabled
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => "$::Valid{tier}s", edge => "$::Valid{edge}s",
      locations => $::Locations);

my @ids = ids($::Tokens);
my ($start, $requests, $refused, $age) = (now(), 0, 0, 0);
my (%first, %last, %least, %cache);

rotate(\@ids, sub {
    my ($edge, $id, $sent, $response) = @_;

    my $got = now();

    $requests++;
    $refused++ if $response->{status} != 204;
    $cache{$response->{headers}{'x-cache'} // 'none'}++;

    # requests that had to wait are told what came, however long it took

    $age = $response->{headers}{'x-age'}
        if ($response->{headers}{'x-cache'} // '') eq 'HIT'
           && $response->{headers}{'x-age'} > $age;
    $first{$id} //= $sent;

    # each "valid" the API was asked again

    if (!defined $last{$id} || $sent - $last{$id} > $::Valid{edge}) {
        $last{$id} = $got;
        $least{$id}++;
    }

    return $got < $start + $::Seconds || $requests < 2 * @ids * @Edges;
});

my $end = now();

until_true('nothing is under way', sub { lookups(@Tier) == calls(@ids) });

my $calls = figures()->{tokens};
my $soonest = $::Valid{tier} * 0.75;
my @often = grep {
    $calls->{$_} > 1 + ($end - $first{$_}) / $soonest
} @ids;
my @rarely = grep { $calls->{$_} < $least{$_} } @ids;

Test::More::note(sprintf '%d tokens at %d edges: %d requests in %.1f s, the '
                         . 'tier was asked %d times, the API %d times: %.1f a '
                         . 'second, %.2f for a token and "valid" of the tier, '
                         . 'and %d edges alone: %.1f; oldest facts %d s',
                         scalar @ids, scalar @Edges, $requests, $end - $start,
                         lookups(@Edges), calls(@ids),
                         calls(@ids) / ($end - $start),
                         calls(@ids) / @ids / ($end - $start) * $::Valid{tier},
                         scalar @Edges,
                         @ids * @Edges / $::Valid{edge} / 0.8125, $age);

is($refused, 0, 'all pass');
is("@often", '', 'no token is asked about more often than the tier would');
is("@rarely", '', 'nor more rarely than facts are too old');
cmp_ok($cache{HIT}, '>', 0, 'edges keep facts');
cmp_ok($age, '<', $::Valid{edge}, 'none that are too old');

my %asked = map { $_ => asks($_) } @Tier;

is(join(' ', grep { $asked{tier2}{$_} } keys %{$asked{tier1}}), '',
   'each token has its node');

# every third one is disabled

my @disabled = @ids[grep { $_ % 3 == 0 } 0 .. $#ids];

my (%since, %oldest, %gone);
my $again = 0;

for my $id (@disabled) {
    api('PUT', "tokens/$id", { status => 'Disabled' });
    $since{$id} = now();
}

$start = now();

rotate(\@disabled, sub {
    my ($edge, $id, $sent, $response) = @_;

    if ($response->{status} == 204) {
        my $age = $sent - $since{$id};

        $oldest{$edge} = $age
            if $age > ($oldest{$edge} // 0)
               && $response->{headers}{'x-cache'} ne 'WAIT';
        $again++ if $gone{$edge}{$id};

    } elsif ($response->{status} == 401) {
        $gone{$edge}{$id} = 1;
    }

    return $sent < $start + 10 * $::Valid{edge}
           && grep { keys %{$gone{$_} || {}} < @disabled } @Edges;
});

Test::More::note('passed after they were disabled: ', join ', ', map {
    sprintf '%s %.2f s', $_, $oldest{$_} // 0
} @Edges);

# clocks of nginx tick every ten milliseconds

for my $edge (@Edges) {
    is(scalar keys %{$gone{$edge}}, scalar @disabled, "$edge refuses all");
    cmp_ok($oldest{$edge} // 0, '<', $::Valid{edge} + 0.05,
           "$edge: within its own \"valid\"");
}

is($again, 0, 'for good');
finish();



=== TEST 2: facts do not get younger on their way
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '3s', edge => '8s', locations => $::Locations);

my ($id) = ids(1);
my $start = now();

is(ask('edge1', token($id), '/t')->{status}, 204, 'passes');
api('PUT', "tokens/$id", { status => 'Disabled' });

my $since = now();

# the node still has what it was told before

until_true('facts are old', sub { now() > $since + 2.1 });

my ($passed, $oldest) = (0, 0);

for (;;) {
    my $sent = now();
    my $response = ask('edge2', token($id), '/t');

    last if $response->{status} != 204 || $sent > $start + 60;

    # rounded up

    cmp_ok($response->{headers}{'x-age'}, '>=', 3, 'as old as at the API')
        if !$passed++;

    $oldest = $sent - $since;
    sleep 0.01;
}

Test::More::note(sprintf 'passed %d times, %.2f s after it was disabled',
                         $passed, $oldest);

cmp_ok($oldest, '<', 8.05, 'as long as at the first edge');
until_true('refused by all', sub { passed(\@Edges, $id) eq '0 0 0' });
finish();



=== TEST 3: a node is killed, and comes back
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my @ids = ids(30);
my ($owned, $others) = fill(@ids);

# all are asked about again, and held at the API

purge('edge2', '{"all":true}');
until_purged(tier1 => 1, tier2 => 1, edge1 => 2, edge2 => 3, edge3 => 2);
api('PUT', 'faults/any', { delay => 600000 });

my @socks = map { start_ask('edge1', token($_)) } @ids;

until_true('all are asked about', sub { calls(@ids) == 60 });
kill9('tier1');
until_true('the other node asks', sub { calls(@$owned) == 3 * @$owned });
api('DELETE', 'faults/any');
api('POST', 'release');

is(scalar(grep { read_response($_)->{status} == 200 } @socks), 30,
   'what was in flight to the node is asked again at the other one');
is(passed(['edge2', 'edge3'], @ids), '30 30', 'nothing fails');
is(calls(@$owned), 3 * @$owned, 'one call for each token of the node');
is(calls(@$others), 2 * @$others, 'none for those of the other node');

purge_edges(@Edges);
is(passed(\@Edges, @ids), '30 30 30', 'nor after that');
is(calls(@ids), 3 * @$owned + 2 * @$others, 'and no call');

start('tier1');

until_true('it is asked again', sub {
    purge_edges(@Edges);
    passed(\@Edges, @ids) eq '30 30 30' or die 'refused';
    return keys %{asks('tier1')} == @$owned;
});

is(join(' ', sort keys %{asks('tier1')}), "@$owned", 'about its own tokens');
is(calls(@$owned), 4 * @$owned, 'one call for each of them');
is(calls(@$others), 2 * @$others, 'none for the others');
finish();



=== TEST 4: the same while tokens are in rotation
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => "$::Valid{tier}s", edge => "$::Valid{edge}s",
      locations => $::Locations);

my @ids = ids($::Tokens);
my $start = now();

is(passed(\@Edges, @ids), join(' ', ($::Tokens) x @Edges), 'known');

my %owned = map { $_ => 1 } asked_at('tier1', @ids);
my ($requests, $refused, $all) = (0, 0, $::Seconds * 400);

rotate(\@ids, sub {
    my ($edge, $id, $sent, $response) = @_;

    $requests++;
    $refused++ if $response->{status} != 204;

    kill9('tier1') if $requests == int $all / 3;
    start('tier1') if $requests == int $all * 2 / 3;

    return $requests < $all;
});

my $most = 1 + (now() - $start) / $::Valid{tier} / 0.75;
my $calls = figures()->{tokens};

is($refused, 0, 'nothing fails');
is(join(' ', grep { $calls->{$_} > ($owned{$_} ? 2 : 1) * $most } @ids), '',
   'no token of the other node is asked about more often');
finish();



=== TEST 5: nodes and edges are restarted
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my @ids = ids(30);
my ($owned, $others) = fill(@ids);

for my $edge (@Edges) {
    quit($edge);
    start($edge);
}

is(passed(\@Edges, @ids), '30 30 30', 'edges that know nothing');
is(calls(@ids), 30, 'the tier knows');

quit('tier1');
is(passed(\@Edges, @ids), '30 30 30', 'edges know, while a node is away');
purge_edges('edge1');
is(passed(['edge1'], @ids), '30', 'and an edge that does not asks another');
is(calls(@$owned), 2 * @$owned, 'a call for each token of the node');
is(calls(@$others), scalar @$others, 'none for the others');

start('tier1');

until_true('it is asked again', sub {
    purge_edges(@Edges);
    passed(\@Edges, @ids) eq '30 30 30' or die 'refused';
    return keys %{asks('tier1')} == @$owned;
});

is(calls(@$owned), 3 * @$owned, 'a call for each token of the node');
is(calls(@$others), scalar @$others, 'none for the others');
finish();



=== TEST 6: nodes and edges are reloaded under load
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my @ids = ids(30);
fill(@ids);

my @load = load(@ids);

for my $name (@Edges, @Tier, @Tier, @Edges) {
    reload($name);

    # a node that has just been reloaded asks, and is asked

    purge_edges(@Edges);
    is(passed(\@Edges, @ids), '30 30 30', "$name is reloaded");
}

my $status = stop_load(@load);

Test::More::note("answers: $status->{200}");

is(join(' ', keys %$status), '200', 'nobody is refused');
is(calls(@ids), 30, 'the API is not asked again');
finish();



=== TEST 7: all nodes are down
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my ($id, $new) = ids(2);

is(passed(\@Edges, $id), '1 1 1', 'known');
kill9($_) for @Tier;
is(passed(\@Edges, $id), '1 1 1', 'edges know it still');

my $response = ask('edge1', token($new));

is($response->{status}, 503, 'another one cannot be checked');
like($response->{headers}{'retry-after'}, qr/\A[1-9]/, 'for now');
start($_) for @Tier;
until_true('it can', sub { passed(\@Edges, $new) eq '1 1 1' });
is(calls($id, $new), 2, 'one call each');
finish();
