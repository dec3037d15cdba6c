use lib 't/lib';
use AuthApiToken;
use Http2;
use Limits;
use Store qw(start zone $Good);
use Test::Nginx::Socket 'no_plan';

# workers that share limits, and clients and workers that go while the API is
# asked in the preaccess phase

master_on();
workers(2);
worker_connections(1024);

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=20s;
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_phase preaccess;
    access_log logs/status.log status;

    location /t {
        auth_api_token "r";
        add_header X-Worker $pid always;
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; access_log off; }
END

our $Http = $Zones . "log_format status \$status;\n";


# how many waiting clients each worker has

sub shared {
    my $hex = sprintf '%04X', listen_port();

    open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

    my %inode = map { my @f = split; ($f[9] => 1) }
                grep { my @f = split; $f[1] =~ /:$hex\z/ && $f[3] eq '01' }
                <$tcp>;

    return map {
        scalar grep { (readlink($_) || '') =~ /socket:\[(\d+)\]/ && $inode{$1} }
        glob "/proc/$_/fd/*"
    } worker_pids();
}


# clients of both workers that wait for the one lookup

sub all_wait {
    my ($token, @socks) = @_;

    until_true('clients of both workers', sub {
        push @socks, start($token);
        2 == grep { $_ > 3 } shared();
    });

    until_true('all of them wait', sub { figures()->{calls} && all_read() });

    return @socks;
}


sub works {
    my ($name) = @_;

    is(volley(2, token('TKN-3000-0001')), '204:2', "$name - nginx works");
    is(zone()->{lookups_in_flight} . zone()->{lookups_queued}, '00', "$name - nothing is left");
    unlike(nginx_log(), qr/\[alert\](?!.*exited on signal 9)/,
           "$name - no alert");
    check_zone();
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: one limit for all workers, while the API is slow
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
my @socks = all_wait($Good);

api('POST', 'release');

my @responses = map { read_response($_) } @socks;
my %workers = map { ($_->{headers}{'x-worker'} || '-') => 1 } @responses;

is(tally(@responses), '204:3 429:' . (@socks - 3), 'three pass');
is(keys %workers, 2, 'both workers were asked');
api('DELETE', 'faults/any');
works('limited');
--- calls: 2



=== TEST 2: what is known, to both
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
my @all = map { volley(1, $Good) } 1 .. 40;

is(scalar(grep { $_ eq '204:1' } @all), 3, 'three pass');
is(scalar(grep { $_ eq '429:1' } @all), 37, 'the others do not');
--- calls: 1



=== TEST 3: clients that leave
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
my @socks = all_wait($Good);

close $_ for @socks;

is(tally(map { { status => $_ } } logged(scalar @socks, 'status.log')),
   '499:' . @socks, 'all leave');
api('POST', 'release');
until_true('the lookup goes on', sub { !zone()->{lookups_in_flight} });
api('DELETE', 'faults/any');

is(volley(12, $Good), '204:3 429:9', 'who left was not counted');
works('left');
--- calls: 2



=== TEST 4: streams that are reset
--- http_config eval
$::Http . <<"END";
    server {
        listen 127.0.0.1:$ENV{TEST_NGINX_PORT_1} http2;
        auth_api_token_https off;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
        }
$::Config
    }
END
--- config eval: $::Config
--- api
fault any {"delay":60000}
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
my $sock = client(listen_port() + 1);

print {$sock} preface(), map { get_stream($_, '/t', $Good) } 1, 3, 5, 7, 9;
until_true('asked', sub { figures()->{calls} == 1 });

print {$sock} map { reset_stream($_) } 1, 5, 9;

is(tally(map { { status => $_ } } logged(3, 'status.log')), '499:3', 'reset');
api('POST', 'release');

is(tally(map { { status => $_ } } (logged(5, 'status.log'))[3, 4]), '204:2',
   'two pass');
api('DELETE', 'faults/any');
works('reset');



=== TEST 5: a reload while clients wait
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
my %old = map { $_ => 1 } worker_pids();
my @socks = all_wait($Good);

kill HUP => nginx_pid();
until_true('new workers', sub { 2 == grep { !$old{$_} } worker_pids() });

push @socks, map { start($Good) } 1 .. 10;
until_true('they wait, too', \&all_read);
api('POST', 'release');

is(tally(map { read_response($_) } @socks), '204:3 429:' . (@socks - 3),
   'three of all pass');
until_true('the old workers are gone', sub {
    !grep { $old{$_} } worker_pids()
});
api('DELETE', 'faults/any');
works('reloaded');
--- calls: 2



=== TEST 6: the worker that asks is killed
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000,"times":1}
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
my $first = start($Good);

until_true('asked', sub { figures()->{calls} == 1 });

my $hex = sprintf '%04X', $ENV{TEST_NGINX_API_PORT};
my @socks = all_wait($Good);

open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

my %inode = map { my @f = split; ($f[9] => 1) }
            grep { my @f = split; $f[2] =~ /:$hex\z/ && $f[3] eq '01' } <$tcp>;
my ($asks) = grep {
    grep { (readlink($_) || '') =~ /socket:\[(\d+)\]/ && $inode{$1} }
    glob "/proc/$_/fd/*"
} worker_pids();

ok($asks, 'found it');
kill KILL => $asks;

my @responses = map { read_response($_) } $first, @socks;
my @answered = grep { $_->{status} } @responses;

is(tally(@answered), '204:3 429:' . (@answered - 3), 'three pass');
ok(!(grep { $_->{headers}{'x-worker'} == $asks } @answered),
   'the others are of the other worker');
works('killed');
--- calls: 3



=== TEST 7: a client that leaves while limit_req delays it
--- http_config eval: $::Http =~ s/rate=1r\/m/rate=6r\/m/r
--- config eval: $::Config =~ s/ nodelay//r
--- api
token TKN-3000-0001 {"account":{"id":"ACC-3000-0001"}}
--- perl
is(volley(1, $Good), '204:1', 'one passes');

my @socks = map { start($Good) } 1, 2;

until_true('delayed', sub {
    2 == (() = nginx_log() =~ /delaying request/g)
});
close $_ for @socks;

# workers do not write their lines in the order of what they answer

is(tally(map { { status => $_ } } logged(3, 'status.log')), '204:1 499:2',
   'both leave');
is(volley(1, token('TKN-3000-0001')), '204:1', 'another account');
is(zone()->{requests}{pass}, 2, 'decisions');
unlike(nginx_log(), qr/\[alert\]/, 'no alert');
--- calls: 2
