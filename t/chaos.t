use lib 't/lib';
use AuthApiToken;
use Background;
use Http2;
use Store qw(ask start zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(sleep time);

# everything at once: clients of two protocols that leave early or stay, with
# good tokens and bad ones, post_action, error pages, redirects, an API that
# comes and goes, and workers that are told to go or are killed
#
# TEST_NGINX_CHAOS is how many seconds each block runs

our $Seconds = $ENV{TEST_NGINX_CHAOS} || 4;

master_on();
worker_connections(300);
add_block_preprocessor(sub { workers($_[0]->workers) });

our $Locations = <<'END';
    auth_api_token_https off;
    auth_api_token_request /_token_api timeout=2s;
    auth_api_token_cache tokens valid=300ms denied=100ms stale=100ms;

    location = /_token_api {
        internal;
        proxy_pass http://api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
    }

    location /t       { auth_api_token "r"; try_files /x =204; }
    location /bare    { auth_api_token "r"; auth_api_token_cache off; try_files /x =204; }
    location /dl      { auth_api_token "r"; post_action /acct; try_files /x =204; }
    location /acct    { auth_api_token "r"; try_files /x =204; }
    location /page    { auth_api_token "r"; error_page 401 503 /denied; try_files /x =204; }
    location /denied  { auth_api_token off; try_files /x =418; }
    location /fall    { auth_api_token "r"; error_page 404 = @fall; try_files /x =404; }
    location @fall    { auth_api_token "r"; auth_api_token_cache off; try_files /x =204; }
    location /named   { auth_api_token "r"; try_files /x @acct; }
    location @acct    { auth_api_token "r"; post_action @acct; try_files /x =204; }
    location /short   { auth_api_token "r"; auth_api_token_request /_token_api timeout=50ms; try_files /x =204; }
    location /long    { auth_api_token "r"; auth_api_token_request /_token_api timeout=20s; try_files /x =204; }
    location = /purge { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status; }
    location = /pid   { return 200 $pid; }
END

our $Http = <<"END";
    auth_api_token_zone zone=tokens:1m lookups=6 queue=30;
    upstream api {
        server            127.0.0.1:\$TEST_NGINX_API_PORT;
        keepalive         4;
        keepalive_timeout 1s;
    }
    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1 http2;
$Locations
    }
END

our @Uris = qw(/t /bare /dl /page /fall /named /short);
our @Ids = map { sprintf 'TKN-%04d-0000', $_ } 1 .. 40;


sub http2 {
    my ($sock, @requests) = @_;

    my $out = preface();
    my $stream = -1;

    for my $request (@requests) {
        $stream += 2;
        $out .= get_stream($stream, @$request);
    }

    print {$sock} $out;
    sleep rand 0.05;

    # some streams are reset, and then all of them are left

    print {$sock} reset_stream($_)
        for grep { $_ % 2 && rand() < 0.5 } 1 .. $stream;
    sleep rand 0.1;
}


# a client until it is told to stop: how many answers it got, and what was wrong

sub client_of {
    my ($n, $go_on) = @_;

    srand $n;

    my ($answers, @wrong) = (0);

    while ($go_on->()) {
        my $bad = rand() < 0.3;
        my $id = $Ids[rand @Ids];
        my $uri = $Uris[rand @Uris];
        my $token = $bad ? "idt:$id:MADEUPwrong" . int rand 9 : token($id);
        my $sock = eval { client(listen_port() + (rand() < 0.2)) } or next;

        if ($sock->peerport != listen_port()) {
            http2($sock, map { [ $Uris[rand @Uris], token($Ids[rand @Ids]) ] }
                         1 .. 1 + rand 8);
            next;
        }

        print {$sock} request_of($token, $uri);

        if (rand() < 0.4) {
            sleep rand 0.1;
            next;
        }

        my $start = time;
        my $status = read_response($sock)->{status};

        push @wrong, "$status for a bad token at $uri" if $bad && $status == 204;
        push @wrong, "$status at $uri"
            unless $status =~ /\A(?:0|204|401|418|503)\z/;
        push @wrong, sprintf '%.1f s at %s', time - $start, $uri
            if time - $start > 5;
        $answers++ if $status;
    }

    return [ $answers, @wrong[0 .. ($#wrong > 5 ? 5 : $#wrong)] ];
}


sub chaos {
    my ($seconds, @actions) = @_;

    api('PUT', "tokens/$_") for @Ids;

    my @clients = map {
        my $n = $_;
        Background->start(sub { client_of($n, @_) });
    } 1 .. 6;
    my $end = time + $seconds;
    my $n = 0;

    srand 1;

    until (time > $end) {
        $_->() for $actions[$n++ % @actions];
        sleep 0.2 + rand 0.2;
    }

    api('DELETE', 'faults/any');

    my ($answers, @wrong) = (0);

    for my $result (Background::stop(@clients)) {
        my ($got, @more) = @$result;
        $answers += $got;
        push @wrong, @more;
    }

    Test::More::note("$answers answers, $n times something was changed");
    Test::More::cmp_ok($answers, '>', 0, 'there were answers');
    Test::More::is(join(', ', @wrong), '', 'none of them wrong');
}


sub fault {
    my ($fault) = @_;

    return sub { api('PUT', 'faults/any', $fault) };
}


sub purge {
    eval {
        exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
                 . '{"all":true}');
    };
}


our @Faults = (fault({ delay => 20 }), \&purge, fault({ delay => 5000 }),
               fault({ status => 500 }), fault({ delay => 20 }),
               fault({ reset => 'middle' }), fault({ delay => 100 }),
               fault({ status => 429, headers => { 'Retry-After' => 1 } }),
               fault({ drip => 500 }), fault({}));


# Lookups that were begun before all was over may still fail, and open the
# breaker, and the API may have asked to wait with a token.  A worker that died
# has its places until somebody is refused.

sub over {
    return 0 if grep { ask(token($_)) !~ /\A204/ } @Ids;

    ask(token('TKN-1234-5678'));

    my $zone = zone();

    return $zone->{lookups_in_flight} == 0 && $zone->{lookups_queued} == 0
           && $zone->{breaker} eq 'closed';
}


# there is a place for as many tokens at once as there may be

sub well {
    my ($name) = @_;

    my @ids = @Ids[0 .. 35];

    api('PUT', 'faults/TKN-1234-5678',
        { status => 429, headers => { 'Retry-After' => 60 } });
    until_true('all is over', \&over);
    purge();

    api('PUT', 'faults/any', { delay => 60000 });
    my @socks = map { start(token($_), '/long') } @ids;

    until_true('all are asked for, wait, or are refused', sub {
        my $zone = zone();

        @ids == $zone->{lookups_in_flight} + $zone->{lookups_queued}
                + grep { IO::Select->new($_)->can_read(0) } @socks;
    });

    api('DELETE', 'faults/any');
    api('POST', 'release');

    my $passed = grep { read_response($_)->{status} == 204 } @socks;

    Test::More::is($passed, @ids, "$name: all pass");
}


# a connection that is not idle

sub slot {
    my $sock = client();

    print {$sock} "GET /pid HTTP/1.1\r\n";

    return $sock;
}


# how many of them a worker takes; there is a warning before, when it begins to
# close those that are idle

sub slots {
    my $full = qr/\[alert\][^\n]* worker_connections are not enough/;
    my $known = () = nginx_log() =~ /$full/g;
    my @socks = map { slot() } 1 .. 250;

    until_true('all are taken', sub {
        push @socks, slot();
        $known < (() = nginx_log() =~ /$full/g);
    });

    until_true('refused', sub { grep { IO::Select->new($_)->can_read(0) } @socks });

    my $n = grep { !IO::Select->new($_)->can_read(0) } @socks;

    close $_ for @socks;

    return $n;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: workers that are told to go, or killed
--- http_config eval: $::Http
--- config eval: $::Locations
--- bare_config
--- workers: 2
--- perl
chaos($::Seconds, map {
    ($_, sub { kill HUP => nginx_pid() }, $_,
     sub { my @pids = worker_pids(); kill KILL => $pids[rand @pids] if @pids })
} @::Faults);

until_true('one generation', sub { worker_pids() == 1 || worker_pids() == 2 });
well('after all');
check_zone();
unlike(nginx_log() =~ s/.*exited on signal 9\n//gr,
       qr/exited on signal|count is zero|already closed|open socket/,
       'nothing went wrong');



=== TEST 2: no connection of a worker is lost
--- http_config eval: $::Http
--- config eval: $::Locations
--- bare_config
--- workers: 1
--- perl
my $before = slots();

chaos($::Seconds, @::Faults);
well('after all');

my $after;
until_true('as many as before', sub { ($after = slots()) == $before });
Test::More::note("connections a worker takes: $before before, $after after");
check_zone();
unlike(nginx_log(), qr/\[alert\] (?!.*worker_connections)/, 'no alert');
