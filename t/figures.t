use lib 't/lib';
use AuthApiToken;
use Store qw(get zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# every figure against what was counted outside: requests sent, answers got,
# calls that the API saw; over two workers, a reload and a kill

master_on();
workers(2);
worker_connections(1024);

our $Http = <<'END';
    auth_api_token_zone zone=tokens:64k lookups=2;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 reuseport;

        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        add_header X-Worker $pid always;

        auth_api_token "r";
        auth_api_token_https off;
        auth_api_token_request /_token_api;
        auth_api_token_cache tokens valid=10m denied=10m refresh=off;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location /t       { try_files /dev/null =204; }
        location /from    { try_files /dev/null /t; }
        location /module  { auth_api_token_module MOD-9999; try_files /dev/null =204; }
        location /secure  { auth_api_token_https on; try_files /dev/null =204; }
        location /bypass  { auth_api_token_cache off; try_files /dev/null =204; }

        location /dry {
            auth_api_token_module MOD-9999;
            auth_api_token_dry_run on;
            try_files /dev/null =204;
        }

        location /limited {
            auth_api_token_denied_limit $host rate=1r/m burst=2;
            try_files /dev/null =204;
        }

        location /refreshed {
            auth_api_token_cache tokens valid=1s;
            try_files /dev/null =204;
        }

        location /stale {
            auth_api_token_cache tokens valid=10ms stale=10m refresh=off;
            try_files /dev/null =204;
        }

        location = /pid {
            auth_api_token off;
            return 204;
        }
    }
END

our $Config = <<'END';
    location = /status      { auth_api_token_status json; }
    location = /prometheus  { auth_api_token_status prometheus; }
    location /purge         { auth_api_token_purge tokens; }
    location = /stub_status { stub_status; }
END


our (%result, %dry, %cache, %outcome, %worker);
our ($waited, $bypassed, $lost) = (0, 0, 0);


sub shared {
    return client(listen_port() + 1);
}


# counts an answer, and what it took where the API was asked

sub count {
    my ($response, $outcome) = @_;

    my ($result, $status, $worker) = @{$response->{headers}}{
                                         qw(x-result x-cache x-worker)};

    $worker{$worker}++;
    $result =~ s/_dry_run\z// ? $dry{$result}++ : $result{$result}++;

    return $result if $status eq '-';

    $cache{lc $status}++;

    if ($outcome && $status =~ /MISS|STALE/) {
        $outcome{$outcome}++;
        $waited++;

    } elsif ($status =~ /WAIT|BYPASS/) {
        $waited++;
        $bypassed++ if $status eq 'BYPASS';
    }

    return $result;
}


# n requests, each over a connection of its own

sub ask {
    my ($n, $token, $uri, $outcome) = @_;

    my $result;

    $result = count(exchange(request_of($token, $uri), listen_port() + 1),
                    $outcome) for 1 .. $n;

    return $result;
}


sub start {
    my ($token, $sock) = @_;

    $sock ||= shared();
    print {$sock} request_of($token);

    return $sock;
}


sub good {
    my ($n) = @_;

    my $id = sprintf 'TKN-1000-%04d', $n;

    api('PUT', "tokens/$id");

    return token($id);
}


# what moved, as moved() shows it

sub all {
    my (%n) = @_;

    return join ' ', map { "$_:$n{$_}" } grep { $n{$_} } sort keys %n;
}


sub sum {
    my $n = 0;

    $n += $_ for @_;

    return $n;
}


# all that was counted on both sides; returns the rest of the figures

sub same {
    my ($when) = @_;

    my $zone = zone();
    my $lookups = sum(values %outcome);

    is(moved($zone->{requests}), all(%result), "$when - requests");
    is(moved($zone->{requests_dry_run}), all(%dry), "$when - dry run");
    is(moved($zone->{cache_requests}), all(%cache), "$when - cache");
    is($zone->{request_wait_seconds}{count}, $waited, "$when - who waited");
    is(moved($zone->{lookups}), all(%outcome), "$when - lookups");
    is($zone->{lookup_duration_seconds}{count}, $lookups,
       "$when - how long they took");
    is(figures()->{calls}, $lookups + $bypassed + $lost,
       "$when - calls of the API");

    return $zone;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: all of them
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
my $start = time;
my $zone = zone();

is($zone->{zone_records}{facts}, 0, 'nothing yet');
is($zone->{last_success_timestamp_seconds}, undef, 'nor an answer');

# what is refused without a fault of the API, and what is not

my @good = map { good($_) } 1 .. 5;
my $bad = "$good[0]x";

ask(2, $_, '/t', 'active') for @good[0 .. 3];
ask(3, $bad, '/t', 'unknown');
ask(4, $good[0], '/from');
ask(3, $good[0], '/module');
ask(2, $good[0], '/secure');
ask(5, $good[0], '/dry');
ask(2, $good[0], '/bypass');
ask(2, undef);
ask(2, '=');
ask(2, 'x');

is(all(%result), 'insecure:2 malformed:2 module:3 no_token:2 pass:14 unknown:3'
                 . ' unsupported:2', 'results');
is(all(%dry), 'module:5', 'results in dry run');
is(all(%cache), 'bypass:2 hit:18 miss:5', 'statuses');
is(scalar keys %worker, 2, 'of both workers');

$zone = same('at first');
is("$zone->{zone_records}{facts} $zone->{zone_records}{denials}", '4 1',
   'records');

# requests that wait for a lookup, and for a place among them

api('PUT', 'faults/any', { delay => 60000 });

my @socks = start($good[4]);

until_true('asked', sub { zone()->{lookups_in_flight} == 1 });
push @socks, start($good[4]) for 1 .. 5;
push @socks, start(good(6));
until_true('both places are taken', sub { zone()->{lookups_in_flight} == 2 });
push @socks, start(good($_)) for 7 .. 9;
until_true('three in line', sub { zone()->{lookups_queued} == 3 });
until_true('all wait', sub { get('/stub_status')->{body} =~ /Writing: 11 / });

$zone = zone();
is("@$zone{qw(lookups_in_flight lookups_limit lookups_queued)}", '2 2 3',
   'gauges');
cmp_ok($zone->{last_success_timestamp_seconds}, '<=', time, 'no answer since');

my $known = time;

until_true('a while', sub { time - $known > 0.3 });
api('DELETE', 'faults/any');
api('POST', 'release');
count(read_response($_), 'active') for @socks;

is(all(%cache), 'bypass:2 hit:18 miss:10 wait:5', 'statuses');
$zone = same('after the line');
is("@$zone{qw(lookups_in_flight lookups_queued)}", '0 0', 'gauges');

# ten waited as long, and two lookups

my $limit = '0.25';

for my $case (['request_wait_seconds', 10], ['lookup_duration_seconds', 2]) {
    my ($name, $n) = @$case;
    my $histogram = $zone->{$name};

    cmp_ok($histogram->{count} - $histogram->{buckets}{$limit}, '>=', $n,
           "$name - the slow ones");
    cmp_ok($histogram->{sum}, '>=', 0.3 * $n, "$name - sum");
    cmp_ok($histogram->{sum}, '<=', (time - $start) * $histogram->{count},
           "$name - sum");
    is($histogram->{buckets}{'+Inf'}, $histogram->{count}, "$name - count");
}

# a reload

my @old = worker_pids();
my %old = map { $_ => 1 } @old;

kill HUP => nginx_pid();
until_true('new workers', sub {
    my @pids = worker_pids();
    @pids == 2 && !grep { $old{$_} } @pids;
});

same('after a reload');
%worker = ();
ask(20, $good[0]);
$zone = same('of the new ones');
is(scalar(grep { !$old{$_} } keys %worker), 2, 'of both');
is($zone->{zone_records}{facts}, 9, 'records');

# a worker that is killed while it asks

api('PUT', 'faults/any', { delay => 60000 });

my $sock = shared();

print {$sock} "GET /pid HTTP/1.1\r\nHost: a\r\n\r\n";

my $pid = read_response($sock)->{headers}{'x-worker'};

my $seen = figures()->{calls};

start(good(10), $sock);
until_true('it asks', sub { figures()->{calls} == $seen + 1 });
kill KILL => $pid;
is(read_response($sock)->{status}, 0, 'no answer');
until_true('another one', sub {
    2 == grep { $_ != $pid } worker_pids();
});
until_true('the place is back', sub { zone()->{lookups_in_flight} == 0 });

$lost = 1;
api('DELETE', 'faults/any');
api('POST', 'release');
is(ask(1, good(10), '/t', 'active'), 'pass', 'who comes next asks');
$zone = same('after a kill');
is($zone->{zone_resets}, 0, 'no reset');

# an API that fails: five times until the breaker opens

my $failed = time;

api('PUT', 'faults/any', { status => 500 });
is(ask(1, $good[0], '/stale', 'unavailable'), 'pass', 'stale') for 1 .. 5;
$zone = same('after faults');
is("@$zone{qw(breaker breaker_open breaker_opened)}", 'open 1 1', 'breaker');
cmp_ok($zone->{last_success_timestamp_seconds}, '<=', $failed, 'no answer');
cmp_ok($zone->{last_success_timestamp_seconds}, '>=', int $known,
       'since the last one');

# it lets one through now and then, which nobody waits for here

my $calls = figures()->{calls};

ask(1, good(11)) for 1 .. 3;

my $probes = figures()->{calls} - $calls;

$outcome{unavailable} += $probes;
$waited += $probes;
same('while it is open');

api('DELETE', 'faults/any');
until_true('closed', sub {
    my $calls = figures()->{calls};
    my $result = ask(1, good(11));
    my $asked = figures()->{calls} - $calls;

    $outcome{$result eq 'pass' ? 'active' : 'unavailable'} += $asked;
    $waited += $asked;

    return $result eq 'pass';
});

$zone = same('when it is back');
is("@$zone{qw(breaker breaker_open breaker_opened)}", 'closed 0 1', 'breaker');
cmp_ok($zone->{last_success_timestamp_seconds}, '>=', int $failed, 'an answer');

# refreshes: what was asked about a token without a miss

my $id = 'TKN-1000-0011';
my $misses = $cache{miss};

until_true('refreshed', sub {
    ask(1, good(11), '/refreshed', 'active');
    zone()->{refreshes};
});
until_true('ended', sub { zone()->{lookups_in_flight} == 0 });

my $refreshes = figures()->{tokens}{$id} - ($cache{miss} - $misses) - 1 - $probes;

$outcome{active} += $refreshes;
$zone = same('refreshed');
is($zone->{refreshes}, $refreshes, 'refreshes');

# a budget of denied lookups

ask(1, "$bad$_", '/limited', $_ < 3 ? 'unknown' : undef) for 1 .. 4;
is($result{limited}, 2, 'limited');
$zone = same('limited');
is("$zone->{zone_records}{denials} $zone->{zone_records}{budgets}", '3 1',
   'records');

# purges

my $purged = 0;
my $facts = $zone->{zone_records}{facts};

for my $uri (qw(TKN-1000-0001 TKN-1000-0002 TKN-9999-9999)) {
    my ($n) = get("/purge/$uri", '', 'DELETE')->{body} =~ /"purged":(\d+)/;
    $purged += $n;
}

$zone = same('purged');
is("@$zone{qw(purge_requests purged_records)}", "3 $purged", 'purges');
is($zone->{zone_records}{facts} + $zone->{zone_records}{denials},
   $facts + 3 - $purged, 'records');

# a full zone

my $asked = $zone->{zone_size_bytes} / 256 + 10;

$facts = $zone->{zone_records}{facts};
ask(1, good(100 + $_), '/t', 'active') for 1 .. $asked;

$zone = same('full');
is($zone->{zone_records}{facts} + $zone->{evictions}{facts}, $facts + $asked,
   'those that are there, and those that had to go');
is($zone->{zone_used_bytes}{$_}, $zone->{zone_records}{$_} * 256, "$_ - bytes")
    for qw(facts denials budgets);
cmp_ok($zone->{evictions}{facts}, '>=', 10, 'evictions');
cmp_ok(sum(values %{$zone->{zone_used_bytes}}), '<=', $zone->{zone_size_bytes},
       'no more than there is');
cmp_ok($zone->{evicted_age_seconds}, '>', 0, 'age');
cmp_ok($zone->{evicted_age_seconds}, '<=', time - $start, 'age');

# the other format

my $text = get('/prometheus')->{body};

for my $case (['requests_total', 'result', \%result],
              ['cache_requests_total', 'status', \%cache],
              ['lookups_total', 'outcome', \%outcome])
{
    my ($name, $label, $want) = @$case;
    my %got = $text =~ /^nginx_auth_api_token_$name\{zone="tokens",$label="(\w+)"\} (\d+)$/mg;

    is(moved(\%got), all(%$want), "Prometheus - $name");
}

my %got = $text =~ /^nginx_auth_api_token_(\w+)\{zone="tokens"\} (\d+)$/mg;

is(all(map { $_ => $got{$_} } qw(refreshes_total purge_requests_total
                                 purged_records_total breaker_opened_total)),
   "breaker_opened_total:1 purge_requests_total:3 purged_records_total:$purged"
   . " refreshes_total:$refreshes", 'Prometheus - counters');
--- no_error_log
[emerg]
