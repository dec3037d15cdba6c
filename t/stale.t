use lib 't/lib';
use AuthApiToken;
use Store qw(ask start summary);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# a request whose lookup takes too long gets stale facts, if the API is slow

master_on();
workers(2);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_cache tokens valid=10ms stale=1h refresh=off;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /slow {
        auth_api_token "r";
        auth_api_token_request /_token_api timeout=5s;
        try_files /dev/null =204;
    }

    location /fast {
        auth_api_token "r";
        auth_api_token_request /_token_api timeout=100ms;
        try_files /dev/null =204;
    }
END


# facts that are too old, and an API that takes its time

sub known {
    my ($fault) = @_;

    Test::More::is(ask(token('TKN-1234-5678'), '/slow'), '204 pass MISS',
                   'known');

    my $at = time;
    until_true('too old', sub { time > $at + 0.02 });

    api('PUT', 'faults/any', $fault);
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: alone
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
known({ delay => 60000 });
is(ask(token('TKN-1234-5678'), '/fast'), '204 pass STALE', 'stale');
api('POST', 'release');
--- calls: 2



=== TEST 2: while a request with more time is asking
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
known({ delay => 60000 });

my $slow = start(token('TKN-1234-5678'), '/slow');
until_true('asked', sub { figures()->{calls} == 2 });

is(ask(token('TKN-1234-5678'), '/fast'), '204 pass STALE', 'stale');
api('POST', 'release');
--- calls: 2



=== TEST 3: while a worker that was stopped is asking
--- http_config eval: $::Zone
--- config eval
$::Config . "    location = /pid { return 200 \$pid; }\n"
--- perl
known({ delay => 60000 });

# a connection to each of two workers

my %to;

until_true('both', sub {
    my $sock = client();
    print {$sock} "GET /pid HTTP/1.1\r\nHost: a\r\n\r\n";
    $to{read_response($sock)->{body}} ||= $sock;
    keys %to == 2;
});

my ($pid, $other) = keys %to;

print {$to{$pid}} request_of(token('TKN-1234-5678'), '/slow');
until_true('asked', sub { figures()->{calls} == 2 });
kill STOP => $pid;

print {$to{$other}} request_of(token('TKN-1234-5678'), '/fast');
is(summary(read_response($to{$other})), '204 pass STALE', 'stale');
kill CONT => $pid;
api('POST', 'release');
--- calls: 2



=== TEST 4: a limit of nginx that holds the lookup up
--- http_config eval
$::Zone . 'limit_req_zone $server_name zone=slow:1m rate=1r/m;'
--- config eval: $::Config
--- main_config
    worker_shutdown_timeout 100ms;
--- lookup
        limit_req zone=slow burst=1;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
known({});

my $slow = start(token('TKN-1234-5678'), '/slow');

# the lookup of /slow is held up for a minute; a worker that is told to quit
# would wait for its timeout

until_true('waits', sub { nginx_log() =~ /delaying request/ });

is(ask(token('TKN-1234-5678'), '/fast'), '503 unavailable WAIT', 'not stale')
    for 1 .. 10;
--- calls: 1



=== TEST 5: the answer comes all the same
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-0000-0001
--- perl
known({ delay => 500, status => 401 });

my $slow = start(token('TKN-1234-5678'), '/slow');
until_true('asked', sub { figures()->{calls} == 2 });

is(ask(token('TKN-1234-5678'), '/fast'), '204 pass STALE', 'no news');
is(summary(read_response($slow)), '401 unknown MISS', 'bad news');
--- calls: 2



=== TEST 6: servers of the API of which one is full, and one refuses
--- http_config eval
$::Zone . <<'END';
    upstream full {
        zone      full 64k;
        server    127.0.0.1:$TEST_NGINX_API_PORT max_conns=2;
        server    127.0.0.1:1 max_conns=2 max_fails=0;
    }
END
--- config eval: $::Config
--- lookup
        proxy_pass http://full/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- api
token TKN-0000-0001
token TKN-0000-0002
--- perl
known({ delay => 60000 });

my @socks = map { start(token("TKN-0000-000$_"), '/slow') } 1, 2;
until_true('full', sub { figures()->{calls} == 3 });

is(ask(token('TKN-1234-5678'), '/slow'), '503 unavailable MISS', 'not stale')
    for 1 .. 4;
api('POST', 'release');
--- calls: 3
