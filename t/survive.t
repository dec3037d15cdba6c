use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use IO::Select;
use POSIX ();
use Time::HiRes qw(sleep time);

# what the store outlives: reloads, and workers that are killed at any moment

master_on();
workers(2);
worker_connections(1024);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=2s;
    auth_api_token_cache tokens valid=1h denied=1h;

    location /t {
        auth_api_token "r";
        add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
        add_header X-Id $auth_api_token_id always;
        try_files /dev/null =204;
    }

    location /short {
        auth_api_token_cache tokens valid=50ms denied=50ms;
        auth_api_token "r";
        add_header X-Id $auth_api_token_id always;
        try_files /dev/null =204;
    }

    location /status { auth_api_token_status json; }
    location /purge { auth_api_token_purge tokens; }
END


sub ask {
    my ($uri, $token) = @_;

    return exchange("GET $uri HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                    . "Authorization: Bearer $token\r\n\r\n");
}


sub status {
    my $response = exchange("GET /status HTTP/1.1\r\nHost: a\r\n"
                            . "Connection: close\r\n\r\n");

    return JSON::PP->new->decode($response->{body})->{zones}{tokens};
}


# a child that sends requests until it is told to stop, and then counts: those
# answered rightly, those with no answer, and a text for each wrong answer

sub load {
    my ($uri, @ids) = @_;

    pipe my $stop, my $to_child or die;
    pipe my $from_child, my $counts or die;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        close $to_child;
        my ($right, $none, @wrong) = (0, 0);
        my $select = IO::Select->new($stop);

        srand $$;

        while (!$select->can_read(0)) {
            my $id = $ids[rand @ids];
            my $bad = rand() < 0.3;
            my $token = $bad ? "idt:$id:MADEUPwrong" . int rand 20 : token($id);
            my $start = time;
            my $response = eval { ask($uri, $token) } || { status => 0 };
            my $got = $response->{status};

            if (time - $start > 10) {
                push @wrong, "$got after " . (time - $start) . ' s';

            } elsif ($got == 0 || $got == 503) {
                $none++;

            } elsif ($got != ($bad ? 401 : 204)
                     || (!$bad && $response->{headers}{'x-id'} ne $id))
            {
                push @wrong, "$got for a " . ($bad ? 'bad' : 'good') . ' token';

            } else {
                $right++;
            }
        }

        print {$counts} join("\n", $right, $none, @wrong[0 .. ($#wrong > 9
                                                              ? 9 : $#wrong)]);
        close $counts;
        POSIX::_exit(0);
    }

    close $stop;
    close $counts;

    return { pid => $pid, stop => $to_child, counts => $from_child };
}


sub stop {
    my (@children) = @_;

    my ($right, $none, @wrong) = (0, 0);

    close $_->{stop} for @children;

    for my $child (@children) {
        my @lines = readline $child->{counts};
        chomp @lines;
        waitpid $child->{pid}, 0;

        $right += shift @lines;
        $none += shift @lines;
        push @wrong, @lines;
    }

    return ($right, $none, join ', ', @wrong);
}


sub reload {
    my $before = () = nginx_log() =~ /exited with code 0/g;

    kill HUP => nginx_pid();

    return until_true('reloaded', sub {
        my $n = () = nginx_log() =~ /worker process \d+ exited with code 0/g;
        $n >= $before + 2;
    });
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: fifty reloads under load
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask('/t', token('TKN-1234-5678'))->{status}, 204, 'looked up');
is(ask('/t', "idt:TKN-1234-5678:MADEUPwrong$_")->{status}, 401, 'looked up')
    for 0 .. 19;

my @children = map { load('/t', 'TKN-1234-5678') } 1 .. 3;

for (1 .. 50) {
    reload() or last;
}

my ($right, $none, $wrong) = stop(@children);

cmp_ok($right, '>', 100, 'load');
is($none, 0, 'no request failed');
is($wrong, '', 'no wrong answer');
is(status()->{facts}{entries}, 1, 'facts are still there');
is(status()->{resets}, 0, 'no reset');
check_zone();
--- calls: 21
--- no_error_log
starts empty
exited on signal



=== TEST 2: a zone of another size or with other lookups starts empty
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';
my $n = 0;

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'miss');
is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT', 'hit');

for my $change (['tokens:1m', 'tokens:2m', 'MISS'],
                ['tokens:2m', 'tokens:2m lookups=32', 'MISS'],
                ['lookups=32', 'lookups=32 denied=20%', 'HIT'])
{
    open my $in, '<', $file or die;
    my $text = join '', <$in>;
    close $in;

    $text =~ s/$change->[0]/$change->[1]/ or die;

    open my $out, '>', $file or die;
    print {$out} $text;
    close $out;

    reload();

    my $notices = () = nginx_log() =~ /zone "tokens" starts empty/g;

    $n++ if $change->[2] eq 'MISS';

    is($notices, $n, 'one notice');
    is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'},
       "pass $change->[2]", "$change->[1]: $change->[2]");

    reload();
    is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT',
       'hit after another reload');
}

check_zone();
--- calls: 3



=== TEST 3: a server that moved in the configuration keeps its verdicts
--- http_config eval
$::Zone . <<'END';
# server before
END
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'miss');

open my $in, '<', $file or die;
my $text = join '', <$in>;
close $in;

my $api = $ENV{TEST_NGINX_API_PORT};

$text =~ s!# server before!server {
    listen 127.0.0.1:$ENV{TEST_NGINX_PORT_1};
    auth_api_token_cache tokens;
    auth_api_token_https off;
    location = /_token_api { internal; proxy_pass http://127.0.0.1:$api/no; }
    location /t {
        auth_api_token "r"; auth_api_token_request /_token_api;
        try_files /dev/null =204;
    }
}! or die;

open my $out, '>', $file or die;
print {$out} $text;
close $out;

reload();

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT', 'hit');

my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                        . token('TKN-1234-5678') . "\r\n\r\n",
                        $ENV{TEST_NGINX_PORT_1});

is($response->{status}, 401, 'and the new one has its own');



=== TEST 4: a hundred workers killed under load
--- http_config eval: $::Zone
--- config eval: $::Config
--- api eval
CORE::join '', map { sprintf "token TKN-0000-%04d {}\n", $_ } 1 .. 50
--- perl
my @ids = map { sprintf 'TKN-0000-%04d', $_ } 1 .. 50;
my @children = map { load('/short', @ids) } 1 .. 3;
my $killed = 0;

for (1 .. 100) {
    my @workers;

    until_true('two workers', sub { @workers = worker_pids(); @workers == 2 })
        or last;

    sleep rand 0.02;
    $killed += kill KILL => $workers[rand 2];

    if ($_ % 10 == 0) {
        exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
                 . "Connection: close\r\n\r\n{\"all\":true}");
    }
}

my ($right, $none, $wrong) = stop(@children);

Test::More::note("$killed killed, $right right, $none without an answer, "
                 . status()->{resets} . ' resets');

cmp_ok($killed, '>=', 90, 'killed');
cmp_ok($right, '>', 100, 'load');
is($wrong, '', 'no wrong answer, none that hangs');

# what they held has come back

until_true('no lookup is left', sub { status()->{in_flight} == 0 });

is(ask('/t', token($_))->{status}, 204, 'well') for @ids;
is(ask('/t', 'idt:TKN-0000-0001:MADEUPno')->{status}, 401, 'well');

if ($ENV{TEST_NGINX_CRASH}) {
    cmp_ok(status()->{resets}, '>', 0, 'some were killed in the middle');
}

check_zone();
--- timeout: 60
