use lib 't/lib';
use AuthApiToken;
use Store qw(ids zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# requests that come when all places among "lookups" are taken wait their turn

master_on();
worker_connections(2048);

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }

    location /short {
        auth_api_token "r";
        auth_api_token_request /_token_api timeout=300ms;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }

    location = /purge {
        auth_api_token_purge tokens;
    }
END


# all send before any is read

sub ask {
    my ($uri, @ids) = @_;

    my @socks = map { client() } @ids;

    for my $i (0 .. $#ids) {
        print {$socks[$i]} request_of(token($ids[$i]), $uri);
    }

    return @socks;
}


# how many of each, such as "200 204, 100 503"

sub statuses {
    my %n;

    $n{read_response($_)->{status}}++ for @_;

    return join ', ', map { "$n{$_} $_" } sort keys %n;
}


sub queued {
    my ($n) = @_;

    return until_true("$n queued", sub { zone()->{lookups_queued} == $n });
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: many good tokens at once, in rounds
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=16;
--- config eval: $::Config
--- api
fault any {"delay":100}
--- perl
is(statuses(ask('/t', ids(80))), '80 204', 'all pass');

my $figures = figures();
cmp_ok($figures->{most}, '<=', 16, 'no more than "lookups" at a time');
is(zone()->{lookups_queued}, 0, 'nobody waits');
is(zone()->{cache_requests}{miss}, 80, 'misses');

my $wait = zone()->{request_wait_seconds};
is($wait->{count}, 80, 'all of them waited');
cmp_ok($wait->{sum}, '>', 8, 'in rounds');
check_zone();
--- calls: 80



=== TEST 2: first come, first served
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: $::Config
--- api
fault any {"delay":30}
--- perl
my @ids = ids(8);
my @socks;

for my $i (0 .. $#ids) {
    push @socks, ask('/t', $ids[$i]);
    until_true('in line', sub { $i <= zone()->{lookups_queued} + figures()->{answers} });
}

is(statuses(@socks), '8 204', 'all pass');

is(join(' ', map { $_->{uri} =~ /(TKN.*)/ } @{figures()->{requests}}),
   join(' ', @ids), 'in the order they came');
--- calls: 8



=== TEST 3: later requests do not overtake, and a known token does not wait
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: $::Config
--- api
token TKN-0009-0000
--- perl
is(statuses(ask('/t', 'TKN-0009-0000')), '1 204', 'known');

api('PUT', 'faults/any', { delay => 200 });

my @socks = ask('/t', ids(5));

queued(4);
is(statuses(ask('/t', 'TKN-0009-0000')), '1 204', 'passes at once');
is(zone()->{lookups_queued}, 4, 'the others wait');
is(statuses(@socks), '5 204', 'all pass');
--- calls: 6



=== TEST 4: the queue is full
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=2 queue=3;
--- config eval: $::Config
--- api
fault any {"delay":500}
--- perl
my @ids = ids(9);
my @socks = ask('/t', @ids[0 .. 4]);

queued(3);

for my $sock (ask('/t', @ids[5 .. 8])) {
    my $response = read_response($sock);

    is($response->{status}, 503, 'no place');
    is($response->{headers}{'x-result'}, 'busy', 'result');
    is($response->{headers}{'retry-after'}, 1, 'retry');
}

is(zone()->{lookups_queued}, 3, 'at once');
is(statuses(@socks), '5 204', 'those in the queue pass');
is(zone()->{lookups_queued}, 0, 'nobody waits');
--- calls: 5
--- error_log
cause: the "queue" is full



=== TEST 5: no place within the timeout
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: $::Config
--- api
fault any {"delay":1000}
--- perl
my @ids = ids(3);
my ($first) = ask('/t', $ids[0]);

until_true('asked', sub { figures()->{calls} == 1 });

for my $sock (ask('/short', @ids[1, 2])) {
    my $response = read_response($sock);

    is($response->{status}, 503, 'no place');
    is($response->{headers}{'x-result'}, 'busy', 'result');
}

is(zone()->{lookups_queued}, 0, 'their places are given back');
is(statuses($first), '1 204', 'the first passes');
--- calls: 1
--- error_log
cause: all "lookups" are taken



=== TEST 6: a client that leaves gives its turn up
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: $::Config
--- api
fault any {"delay":300}
--- perl
my @ids = ids(6);
my ($first) = ask('/t', $ids[0]);

until_true('asked', sub { figures()->{calls} == 1 });

my @leaving = ask('/t', @ids[1 .. 3]);
queued(3);

my @staying = ask('/t', @ids[4, 5]);
queued(5);

close $_ for @leaving;
queued(2);

is(statuses($first, @staying), '3 204', 'the others pass');
is(zone()->{lookups_queued}, 0, 'nobody waits');
--- calls: 3



=== TEST 7: one question for all that wait in line with one token
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: $::Config
--- api
fault any {"delay":200}
--- perl
my @ids = ids(3);
my ($first) = ask('/t', $ids[0]);

until_true('asked', sub { figures()->{calls} == 1 });

my @socks = ask('/t', ($ids[1]) x 20, $ids[2], ($ids[1]) x 20);
queued(41);

is(statuses($first, @socks), '42 204', 'all pass');
is(zone()->{lookups_queued}, 0, 'nobody waits');
--- calls: 3



=== TEST 8: the breaker opens: requests in the queue are answered at once
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=2;
--- config eval: $::Config
--- api
fault any {"delay":100,"status":500}
--- perl
my $start = time;
my @socks = ask('/t', ids(40));
my (%n, %result);

for my $sock (@socks) {
    my $response = read_response($sock);
    $n{$response->{status}}++;
    $result{$response->{headers}{'x-result'}}++;
}

is($n{503}, 40, 'nobody passes');
cmp_ok($result{busy}, '>=', 30, 'most are busy');
is(zone()->{lookups_queued}, 0, 'nobody waits');
cmp_ok(figures()->{calls}, '<=', 7, 'few calls');
cmp_ok(time - $start, '<', 5, 'before the timeout');



=== TEST 9: the breaker opens: stale facts
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=2;
--- config eval
$::Config =~ s/valid=10m/valid=10ms stale=1h refresh=off/r
--- perl
my @ids = ids(40);
is(statuses(ask('/t', @ids)), '40 204', 'known');

my $known = time;
until_true('too old', sub { time > $known + 0.02 });

api('PUT', 'faults/any', { delay => 100, status => 500 });

my @socks = ask('/t', @ids);
my %n;

for my $sock (@socks) {
    my $response = read_response($sock);
    $n{"$response->{status} $response->{headers}{'x-cache'}"}++;
}

is(join(', ', map { "$n{$_} $_" } sort keys %n), '40 204 STALE', 'stale');
is(zone()->{lookups_queued}, 0, 'nobody waits');



=== TEST 10: no stale facts because there is no place
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval
$::Config =~ s/valid=10m/valid=10ms stale=1h refresh=off/r
--- perl
my @ids = ids(2);
is(statuses(ask('/short', $ids[1])), '1 204', 'known');

my $known = time;
until_true('too old', sub { time > $known + 0.02 });

api('PUT', 'faults/any', { delay => 1000 });

my ($first) = ask('/t', $ids[0]);
until_true('asked', sub { figures()->{calls} == 2 });

my ($sock) = ask('/short', $ids[1]);
my $response = read_response($sock);

is($response->{status}, 503, 'refused');
is($response->{headers}{'x-result'}, 'busy', 'result');
is(statuses($first), '1 204', 'the first passes');
--- calls: 2



=== TEST 11: a purge, with the queue full
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=2 queue=20;
--- config eval: $::Config
--- api
fault any {"delay":100}
--- perl
my @socks = ask('/t', ids(22));
queued(20);

like(exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
              . '{"all":true}')->{body}, qr/purged/, 'purged');

is(statuses(@socks), '22 204', 'all pass');
is(zone()->{lookups_queued}, 0, 'nobody waits');



=== TEST 12: a reload, with the queue full
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=2 queue=20;
--- config eval: $::Config
--- api
fault any {"delay":100}
--- perl
my @ids = ids(30);
my @socks = ask('/t', @ids[0 .. 21]);
queued(20);

kill HUP => nginx_pid();
until_true('a new worker', sub { nginx_log() =~ /gracefully shutting down/ });

is(statuses(@socks), '22 204', 'all pass');
is(statuses(ask('/t', @ids)), '30 204', 'the new worker answers');
is(zone()->{lookups_queued}, 0, 'nobody waits');

until_true('the old worker is gone', sub {
    nginx_log() =~ /worker process \d+ exited with code 0/
});

unlike(nginx_log(), qr/\[alert\]/, 'nothing is left');
--- calls: 30



=== TEST 13: a cold start: 200 connections with a new token in each request
--- http_config
    auth_api_token_zone zone=tokens:10m;
--- config eval: $::Config
--- api
fault any {"delay":100}
--- perl
my $n = $ENV{TEST_NGINX_CROWD} || 300;
my @ids = map { sprintf 'TKN-%04d-%04d', int $_ / 10000, $_ % 10000 } 1 .. $n;

# over one connection: there are not ports enough for many thousands

my $control = client($ENV{TEST_NGINX_API_PORT});

for my $id (@ids) {
    print {$control} "PUT /control/tokens/$id HTTP/1.1\r\nHost: a\r\n"
                     . "Content-Length: 0\r\n\r\n";
    read_response($control)->{status} == 200 or die $id;
}

my $start = time;
my $slowest = 0;
my %n;
my $select = IO::Select->new;

sub next_one {
    my ($sock) = @_;

    my $id = shift @ids or return $select->remove($sock);

    $select->add($sock);
    ${*$sock}{sent} = time;
    print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                  . token($id) . "\r\n\r\n";
}

next_one(client()) for 1 .. 200;

while ($select->count && (my @ready = $select->can_read(30))) {
    for my $sock (@ready) {
        $n{read_response($sock)->{status}}++;

        my $took = time - ${*$sock}{sent};
        $slowest = $took if $took > $slowest;

        next_one($sock);
    }
}

Test::More::note(sprintf '%d tokens: %d calls at most at a time, %.2f s in all, slowest '
             . '%.0f ms', $n, figures()->{most}, time - $start,
             $slowest * 1000);

is(join(" ", map { "$n{$_} $_" } sort keys %n), "$n 204", "all pass");
is(figures()->{calls}, $n, 'one call for a token');
cmp_ok(figures()->{most}, '<=', 64, 'no more than "lookups" at a time');
is(zone()->{lookups_queued}, 0, 'nobody waits');
