use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# many clients with one token that nobody knows yet, over two workers

master_on();
workers(2);
worker_connections(1024);

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=20s;
    auth_api_token_cache tokens;

    location /t {
        auth_api_token "r";
        add_header X-Cache $auth_api_token_cache_status always;
        add_header X-Worker $pid always;
        try_files /dev/null =204;
    }
END

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Ask = request_of(token('TKN-1234-5678'));


# how many connections a process has from a local port ("local"), or to a remote
# one ("remote")

sub connections {
    my ($pid, $side, $port) = @_;

    my $column = $side eq 'local' ? 1 : 2;
    my $hex = sprintf '%04X', $port;
    my %inode = map { m/socket:\[(\d+)\]/ ? ($1 => 1) : () }
                map { readlink($_) || '' } glob "/proc/$pid/fd/*";

    open my $tcp, '<', '/proc/net/tcp' or die;

    my @found = grep {
        my @f = split;
        ($f[3] || '') eq '01' && $f[$column] =~ /:$hex\z/ && $inode{$f[9]}
    } <$tcp>;

    return scalar @found;
}


# all send before any is read, so that they come while the API is asked

sub herd {
    my ($n) = @_;

    my @socks = map { client() } 1 .. $n;

    for my $sock (@socks) {
        ${*$sock}{sent} = time;
        print {$sock} $::Ask;
    }

    return @socks;
}


# Which worker takes a connection is for the kernel to say: more of them come
# until each has some.  The answer of the API is not due before all of them wait.

sub all_wait {
    my (@socks) = @_;

    until_true('clients of both workers', sub {
        return 1 if 2 == grep { connections($_, 'local', listen_port()) }
                              worker_pids();
        push @socks, herd(1);
        return 0;
    });

    until_true('all of them wait', sub { figures()->{calls} && all_read() });

    return @socks;
}


sub answers {
    my (@socks) = @_;

    my (%status, %cache, %worker);
    my $slowest = 0;
    my $select = IO::Select->new(@socks);

    while ($select->count) {
        my @ready = $select->can_read(20);
        my $now = time;

        last if !@ready;

        for my $sock (@ready) {
            $select->remove($sock);

            my $took = $now - ${*$sock}{sent};
            $slowest = $took if $took > $slowest;
        }
    }

    for my $sock (@socks) {
        my $response = read_response($sock);

        $status{$response->{status}}++;
        $cache{$response->{headers}{'x-cache'} || '-'}++;
        $worker{$response->{headers}{'x-worker'} || '-'}++;
    }

    Test::More::note(sprintf('slowest %d ms, by worker: %s', $slowest * 1000,
                             join ' ', sort values %worker));

    return (\%status, \%cache, \%worker);
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: one question for two hundred
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my @socks = all_wait(herd(200));
api('POST', 'release');
my ($status, $cache, $worker) = answers(@socks);

is($status->{204}, @socks, 'all pass');
is(keys %$worker, 2, 'both workers were asked');
is($cache->{MISS}, 1, 'one asks');
is($cache->{WAIT}, @socks - 1, 'the others wait');
--- calls: 1



=== TEST 2: the API is not available: one question, one answer for all
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000,"status":500}
--- perl
my @socks = all_wait(herd(200));
api('POST', 'release');
my ($status, $cache, $worker) = answers(@socks);

is($status->{503}, @socks, 'nobody passes');
is(keys %$worker, 2, 'both workers were asked');
--- calls: 1



=== TEST 3: the first client leaves
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my $first = client();
print {$first} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

my @socks = all_wait(herd(200));
close $first;
until_true('left', sub { nginx_log() =~ /client prematurely closed/ });
api('POST', 'release');

my ($status) = answers(@socks);

is($status->{204}, @socks, 'the others pass');
--- calls: 1



=== TEST 4: all clients leave, and the answer is kept
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my @socks = all_wait(herd(20));
close $_ for @socks;
until_true('left', sub {
    @socks == (() = nginx_log() =~ /client prematurely closed/g)
});
api('POST', 'release');

until_true('answered', sub { figures()->{answers} == 1 });
until_true('kept', sub {
    exchange($::Ask)->{headers}{'x-cache'} eq 'HIT'
});
--- calls: 1



=== TEST 5: the worker that asks is killed
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000,"times":1}
--- perl
my $first = client();
print {$first} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

my @socks = all_wait(herd(200));

my ($asks) = grep { connections($_, 'remote', $ENV{TEST_NGINX_API_PORT}) }
                  worker_pids();

ok($asks, 'found it');
kill KILL => $asks;

my ($status, $cache, $worker) = answers(@socks);

# those of the dead worker have lost their connection

ok($status->{204}, 'the others pass');
is(($status->{204} || 0) + ($status->{0} || 0), @socks, 'nobody is refused');
ok(!$worker->{$asks}, 'none of them by the dead worker');
--- no_error_log
[crit]
--- calls: 2



=== TEST 6: the API takes longer than what it says is kept
--- http_config eval: $::Zone
--- config
    auth_api_token_request /_token_api timeout=20s;
    auth_api_token_cache tokens valid=100ms denied=100ms refresh=off;

    location /t {
        auth_api_token "r";
        add_header X-Cache $auth_api_token_cache_status always;
        add_header X-Worker $pid always;
        try_files /dev/null =204;
    }
--- api
fault any {"delay":60000}
--- perl
my $start = time;
my @socks = all_wait(herd(100));

until_true('long', sub { time - $start > 0.4 });
api('POST', 'release');

my ($status, $cache, $worker) = answers(@socks);

is($status->{204}, @socks, 'all pass');
is(keys %$worker, 2, 'both workers were asked');
--- calls: 1



=== TEST 7: a worker that is to quit is killed while it asks
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"delay":60000,"times":1}
--- perl
my $first = client();
print {$first} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

# nobody will take its place

my %old = map { $_ => 1 } worker_pids();

kill HUP => nginx_pid();

until_true('new workers', sub { (grep { !$old{$_} } worker_pids()) == 2 });
until_true('one old worker', sub { (grep { $old{$_} } worker_pids()) == 1 });

my ($asks) = grep { $old{$_} } worker_pids();
my @socks = herd(20);

kill KILL => $asks;

my ($status) = answers(@socks);

is($status->{204}, 20, 'all pass');
--- calls: 2



=== TEST 8: the API is too slow, and stale facts serve, to all
--- http_config eval: $::Zone
--- config
    auth_api_token_request /_token_api timeout=2s;
    auth_api_token_cache tokens valid=100ms stale=1h refresh=off;

    location /t {
        auth_api_token "r";
        add_header X-Cache $auth_api_token_cache_status always;
        add_header X-Worker $pid always;
        try_files /dev/null =204;
    }
--- perl
my $start = time;

is(exchange($::Ask)->{status}, 204, 'known');
api('PUT', 'faults/any', { delay => 60000 });

until_true('run out', sub { time - $start > 0.2 });

# later requests have time to learn that the first one asked in vain

my ($first) = herd(1);
my $asked = time;

until_true('asked', sub { figures()->{calls} == 2 && time - $asked > 0.3 });

my @socks = ($first, all_wait(herd(100)));
my ($status, $cache, $worker) = answers(@socks);

is($status->{204}, @socks, 'all pass');
is($cache->{STALE}, @socks, 'with stale facts');
is(keys %$worker, 2, 'both workers were asked');
--- calls: 2



=== TEST 9: nobody waits for longer than "timeout", for two lookups either
--- http_config eval: $::Zone
--- config
    auth_api_token_request /_token_api timeout=3s;
    auth_api_token_cache tokens;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- api
fault any {"delay":2000}
--- perl
my $sock = client();
print {$sock} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

# one that waits has to ask again, and the time that is left is too short

is(exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
            . '{"all":true}')->{status}, 200, 'purged');

is(read_response($sock)->{status}, 503, 'timed out');

# the second lookup goes on, and must not reach into another test

api('POST', 'release');
--- calls: 2
--- error_log
cause: timed out
