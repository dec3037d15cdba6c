use lib 't/lib';
use AuthApiToken;
use Load;

BEGIN { $ENV{TEST_NGINX_LOG_LEVEL} = 'notice' }

use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(sleep time);

# Workers that are killed at any moment.  With TEST_NGINX_CRASH the nginx is one
# whose workers also kill themselves while they change the store, so that any
# request may go without an answer.

# there are too many requests to log

log_level('notice');
master_on();
workers(2);
worker_connections(1024);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=2s;

    location /t {
        auth_api_token_cache tokens valid=50ms denied=50ms;
        auth_api_token "r";
        add_header X-Id $auth_api_token_id always;
        try_files /dev/null =204;
    }

    location /status { auth_api_token_status json; }
    location /purge { auth_api_token_purge tokens; }
END


# until there is an answer

sub surely {
    my ($code) = @_;

    my $response;

    until_true('an answer', sub { $response = $code->(); $response->{status} });

    return $response;
}


sub status {
    my $response = surely(sub { exchange("GET /status HTTP/1.1\r\nHost: a\r\n"
                                         . "Connection: close\r\n\r\n") });

    return JSON::PP->new->decode($response->{body})->{zones}{tokens};
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: workers killed under load
--- http_config eval: $::Zone
--- config eval: $::Config
--- api eval
CORE::join '', map { sprintf "token TKN-0000-%04d {}\n", $_ } 1 .. 50
--- perl
my @ids = map { sprintf 'TKN-0000-%04d', $_ } 1 .. 50;
my @children = map { load(\&ask, '/t', @ids) } 1 .. 3;
my $limit = time + 60;
my %killed;

while (keys %killed < 100 && time < $limit) {
    my @workers;

    until_true('two workers', sub {
        @workers = grep { !$killed{$_} } worker_pids();
        return @workers == 2;
    }) or last;

    sleep rand 0.02;

    my $pid = $workers[rand 2];

    # with TEST_NGINX_CRASH it may have gone by itself

    next unless kill KILL => $pid;

    $killed{$pid} = 1;

    if (keys(%killed) % 10 == 0) {
        exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
                 . "Connection: close\r\n\r\n{\"all\":true}");
    }
}

my ($right, $none, $wrong) = stop(@children);

my $killed = keys %killed;

Test::More::note("$killed killed, $right right, $none without an answer, "
                 . status()->{zone_resets} . ' resets');

# how many there were is for the machine to say

cmp_ok($killed, '>=', 20, 'killed');
cmp_ok($right, '>', 20, 'load');
is($wrong, '', 'no wrong answer, none that hangs');

# what they held has come back

until_true('no lookup is left', sub { status()->{lookups_in_flight} == 0 });

for my $id (@ids) {
    is(surely(sub { ask('/t', token($id)) })->{status}, 204, 'well');
}

is(surely(sub { ask('/t', 'idt:TKN-0000-0001:MADEUPno') })->{status}, 401,
   'well');

if ($ENV{TEST_NGINX_CRASH}) {
    cmp_ok(status()->{zone_resets}, '>', 0, 'some were killed in the middle');
}

check_zone();
