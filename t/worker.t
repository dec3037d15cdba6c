use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# workers that are told to go, or killed, while the API is asked

master_on();

our $Ask = request_of(token('TKN-1234-5678'));


no_long_string();
run_tests();

__DATA__

=== TEST 1: a worker that quits answers the requests that are waiting
--- config eval: $::Location
--- api
fault any {"delay":500}
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 5;

until_true('asked', sub { figures()->{calls} == 5 });

kill HUP => nginx_pid();

until_true('a new worker', sub {
    nginx_log() =~ /gracefully shutting down/
});

is(read_response($_)->{status}, 204, 'passes') for @socks;
is(exchange($::Ask)->{status}, 204, 'the new worker asks too');

until_true('the old worker is gone', sub {
    nginx_log() =~ /worker process \d+ exited with code 0/
});

unlike(nginx_log(), qr/\[alert\]|open socket .* left/, 'nothing is left');
--- calls: 6



=== TEST 2: a worker that is killed takes its clients along, and no other
--- config eval: $::Location
--- api
fault any {"delay":300}
--- perl
my $sock = client();
print {$sock} $::Ask;
until_true('asked', sub { figures()->{calls} == 1 });

my ($worker) = split ' ', `pgrep -P ${\nginx_pid()}`;

kill KILL => $worker;

is(read_response($sock)->{status}, 0, 'closed');
is(exchange($::Ask)->{status}, 204, 'the next worker passes it');
--- calls: 2



=== TEST 3: a worker that may not wait for its clients any longer
--- config eval: $::Location
--- main_config
    worker_shutdown_timeout 100ms;
--- api
fault any {"delay":60000}
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 5;

until_true('asked', sub { figures()->{calls} == 5 });

kill HUP => nginx_pid();

isnt(read_response($_)->{status}, 204, 'nobody passes') for @socks;

until_true('the old worker is gone', sub {
    nginx_log() =~ /worker process \d+ exited with code 0/
});

unlike(nginx_log(), qr/\[alert\]|timed out/, 'with its clients');

api('PUT', 'faults/any', {});
is(exchange($::Ask)->{status}, 204, 'the new worker asks');
--- calls: 6



=== TEST 4: the same with a zone: a request that waits elsewhere asks at once
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval: "    auth_api_token_cache tokens;\n" . $::Location
--- main_config
    worker_shutdown_timeout 300ms;
--- api
fault any {"delay":60000}
token TKN-0000-0001
--- perl
my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 5;
my $queued = client();

until_true('asked', sub { figures()->{calls} == 1 });

# the new worker asks as soon as the old one has given up, and has its answer
api('PUT', 'faults/any', {});

print {$queued} $::Ask =~ s/TKN-1234-5678/TKN-0000-0001/gr;

kill HUP => nginx_pid();
until_true('a new worker', sub { nginx_log() =~ /gracefully shutting down/ });

my $sock = client();
print {$sock} $::Ask;

isnt(read_response($_)->{status}, 204, 'nobody passes') for @socks, $queued;
is(read_response($sock)->{status}, 204, 'the new worker asks');
is(exchange($::Ask =~ s/TKN-1234-5678/TKN-0000-0001/gr)->{status}, 204,
   'and has a place');

until_true('the old worker is gone', sub {
    nginx_log() =~ /worker process \d+ exited with code 0/
});

unlike(nginx_log(), qr/\[alert\]|timed out/, 'with its clients');
check_zone();



=== TEST 5: fifty reloads, with clients that wait
--- config eval: $::Location
--- api
fault any {"delay":30}
--- perl
my $failed = 0;

for my $i (1 .. 50) {
    my @socks = map { my $s = client(); print {$s} $::Ask; $s } 1 .. 3;

    until_true('asked', sub { figures()->{calls} == 3 * $i }) or last;
    kill HUP => nginx_pid();

    $failed += read_response($_)->{status} != 204 for @socks;

    until_true('reloaded', sub {
        my $n = () = nginx_log() =~ /worker process \d+ exited with code 0/g;
        $n == $i;
    }) or last;
}

is($failed, 0, 'no request failed');
unlike(nginx_log(), qr/\[alert\]|exited on signal/, 'nothing is left');
--- calls: 150
