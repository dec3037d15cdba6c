use lib 't/lib';
use AuthApiToken;
use Store qw(ids zone);
use Test::Nginx::Socket 'no_plan';

# the queue for places among "lookups", over workers that share them and die

master_on();
workers(2);
worker_connections(2048);

# a port whose connections nginx shares out among its workers

our $Shared = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 reuseport;

        auth_api_token_https off;
        auth_api_token_request /_token_api;
        auth_api_token_cache tokens valid=10m;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location /t {
            auth_api_token "r";
            add_header X-Worker $pid always;
            try_files /dev/null =204;
        }

        location = /pid {
            add_header X-Worker $pid always;
            return 204;
        }
    }
END

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m;

    location /t {
        auth_api_token "r";
        add_header X-Worker $pid always;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END


sub ask {
    my (@ids) = @_;

    my @socks = map { client(listen_port() + 1) } @ids;

    send_token($socks[$_], $ids[$_]) for 0 .. $#ids;

    return @socks;
}


sub send_token {
    my ($sock, $id) = @_;

    print {$sock} request_of(token($id));
}


# connections to one worker and to the other, so many at least

sub connections {
    my (@want) = @_;

    my %socks;

    for (1 .. 1000) {
        my $sock = client(listen_port() + 1);

        print {$sock} "GET /pid HTTP/1.1\r\nHost: a\r\n\r\n";
        push @{$socks{read_response($sock)->{headers}{'x-worker'}}}, $sock;

        my ($more, $less) = sort { @$b <=> @$a } values %socks;

        return $more, $less
            if $less && @$more >= $want[0] && @$less >= $want[1];
    }

    die 'all connections went to one worker';
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: places that one worker gives back are taken by the other
--- http_config eval
"auth_api_token_zone zone=tokens:1m lookups=8;\n" . $::Shared
--- config eval: $::Config
--- api
fault any {"delay":50}
--- perl
my (%status, %worker);

for my $sock (ask(ids(200))) {
    my $response = read_response($sock);
    $status{$response->{status}}++;
    $worker{$response->{headers}{'x-worker'}}++;
}

is($status{204}, 200, 'all pass');
is(keys %worker, 2, 'in both workers');
cmp_ok(figures()->{most}, '<=', 8, 'no more than "lookups" at a time');
is(zone()->{lookups_queued}, 0, 'nobody waits');
check_zone();
--- calls: 200



=== TEST 2: the bound is one for all workers
--- http_config eval
"auth_api_token_zone zone=tokens:1m lookups=4 queue=50;\n" . $::Shared
--- config eval: $::Config
--- api
fault any {"delay":500}
--- perl
my %status;

$status{read_response($_)->{status}}++ for ask(ids(100));

is($status{204}, 54, 'those with a place, and those in the queue');
is($status{503}, 46, 'the rest');
is(zone()->{lookups_queued}, 0, 'nobody waits');



=== TEST 3: a worker that is killed, with places and a queue
--- http_config eval
"auth_api_token_zone zone=tokens:1m lookups=4 queue=60;\n" . $::Shared
--- config eval: $::Config
--- api
fault any {"delay":300}
--- perl
my @ids = ids(60);
my @socks = ask(@ids[0 .. 39]);

until_true('queued', sub { zone()->{lookups_queued} == 36 });

my ($worker) = worker_pids();
kill KILL => $worker;

my %status;
$status{read_response($_)->{status}}++ for @socks;

is(($status{204} || 0) + ($status{0} || 0), 40,
   'those of the other worker pass');
cmp_ok($status{204} || 0, '>', 0, 'of which there are some');
is(zone()->{lookups_queued}, 0, 'what the dead one held came back');

undef %status;
$status{read_response($_)->{status}}++ for ask(@ids);
is($status{204}, 60, 'all of it');
check_zone();
--- no_error_log
[emerg]



=== TEST 4: a worker that was to quit is killed, and nobody takes its place
--- http_config eval
"auth_api_token_zone zone=tokens:1m lookups=2 queue=60;\n" . $::Shared
--- config eval: $::Config
--- api
fault any {"delay":1000}
--- perl
my @ids = ids(60);
my @old = worker_pids();
my @socks = ask(@ids[0 .. 19]);

until_true('queued', sub { zone()->{lookups_queued} == 18 });

kill HUP => nginx_pid();
until_true('new workers', sub {
    2 == (() = nginx_log() =~ /gracefully shutting down/g)
});

my @new = ask(@ids[20 .. 29]);
until_true('queued behind', sub { zone()->{lookups_queued} == 28 });

kill KILL => @old;
api('PUT', 'faults/any', {});

is(read_response($_)->{status}, 204, 'a new one passes') for @new;
is(zone()->{lookups_queued}, 0, 'nobody waits');
check_zone();



=== TEST 5: a worker that keeps many waiting does not starve the other
--- http_config eval
"auth_api_token_zone zone=tokens:1m lookups=1;\n"
. $::Shared =~ s/(auth_api_token_request \S+);/$1 timeout=4s;/r
--- config eval: $::Config
--- api
fault any {"delay":50}
--- perl
my ($many, $one) = connections(5, 1);
my @ids = ids(500);
my @busy = @$many[0 .. 4];
my $sock = $one->[0];
my (@one, %status);

send_token($_, shift @ids) for @busy;
until_true('queued', sub { zone()->{lookups_queued} == 4 });

send_token($sock, shift @ids);

my $select = IO::Select->new($sock, @busy);

# without its share it would pass by luck now and then

while (@one < 5) {
    my @ready = $select->can_read(30) or last;

    for my $ready (@ready) {
        my $status = read_response($ready)->{status};

        if ($ready == $sock) {
            push @one, $status;
            last if @one == 5;

        } else {
            $status{$status}++;
        }

        send_token($ready, shift @ids);
    }
}

is("@one", '204 204 204 204 204', 'the one passes, before its timeout');

$status{read_response($_)->{status}}++ for @busy;

is_deeply([ keys %status ], [ 204 ], 'so do the many');
is(zone()->{lookups_queued}, 0, 'nobody waits');
check_zone();
