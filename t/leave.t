use lib 't/lib';
use AuthApiToken;
use Http2;
use Store qw(zone);
use Test::Nginx::Socket 'no_plan';

# clients that leave at every step, over HTTP/1.1 and HTTP/2

worker_connections(256);

our $Locations = <<'END';
    auth_api_token_https off;
    auth_api_token_request /_token_api timeout=60s;
    auth_api_token_cache tokens valid=10m;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /preaccess {
        auth_api_token "r";
        auth_api_token_phase preaccess;
        try_files /dev/null =204;
    }

    location = /large {
        auth_api_token "r";
        limit_rate 1k;
    }

    location = /purge  { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status json; }
END

our $Http = <<'END' . $Locations . "}\n";
    auth_api_token_zone zone=tokens:1m lookups=1 queue=16;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 http2;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }
END

# the first one is asked about, the others wait for it, or for its place

our @Steps = (['/t', 'TKN-1000-0001'], ['/t', 'TKN-1000-0001'],
              ['/preaccess', 'TKN-1000-0001'], ['/t', 'TKN-1000-0002'],
              ['/preaccess', 'TKN-1000-0002'], ['/t', 'TKN-1000-0003']);

our @Ways = ([close => sub { close $_[0] }],
             [reset => sub {
                 setsockopt($_[0], Socket::SOL_SOCKET(), Socket::SO_LINGER(),
                            pack 'ii', 1, 0);
                 close $_[0];
             }],
             [shutdown => sub { shutdown $_[0], 1 }]);


# how many connections nginx has to clients, except the one that asks

sub clients {
    my $hex = sprintf '(?:%04X|%04X)', listen_port(), listen_port() + 1;

    open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

    return scalar grep {
        my @f = split;
        $f[1] =~ /:$hex\z/ && $f[3] =~ /\A0[18]\z/ && $f[9]
    } <$tcp>;
}


sub queued {
    my ($n) = @_;

    return until_true("$n queued", sub { zone()->{lookups_queued} == $n });
}


# nobody waits, nothing is held, and the same tokens pass

sub recovered {
    my ($what) = @_;

    api('POST', 'release');
    api('PUT', 'faults/any', {});

    until_true("$what: all gone", sub { clients() == 0 });

    until_true("$what: all back", sub {
        my $zone = zone();

        return $zone->{lookups_in_flight} == 0 && $zone->{lookups_queued} == 0;
    });

    for my $n (1 .. 3) {
        is(exchange(request_of(token("TKN-1000-000$n")))->{status}, 204,
           "$what: $n passes");
    }

    check_zone();
    exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
             . '{"all":true}');
}


# a POST over HTTP/2 whose body does not end

sub post_stream {
    my ($stream, $uri, $body) = @_;

    return Http2::frame(1, 4, $stream, Http2::literals(
               [':method', 'POST'], [':scheme', 'http'], [':path', $uri],
               [':authority', 'a'], ['content-length', 100]))
           . Http2::frame(0, 0, $stream, $body);
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: before the header ends
--- http_config eval: $::Http
--- config eval: $::Locations
--- api
token TKN-1000-0001
token TKN-1000-0002
token TKN-1000-0003
--- perl
my $ask = request_of(token('TKN-1000-0001'));

for (@::Ways) {
    my ($name, $leave) = @$_;
    my @socks = map { client() } 1 .. 4;

    print {$socks[$_]} substr $ask, 0, length($ask) * $_ / 4 for 0 .. 3;
    until_true('read', \&all_read);

    $leave->($_) for @socks;
    recovered($name);
}
--- no_error_log
[alert]



=== TEST 2: while they wait, in the order they came and in the other
--- http_config eval: $::Http
--- config eval: $::Locations
--- api
token TKN-1000-0001
token TKN-1000-0002
token TKN-1000-0003
--- perl
for my $way (@::Ways) {
    for my $order (0, 1) {
        my ($name, $leave) = @$way;
        my $calls = figures()->{calls};

        api('PUT', 'faults/any', { delay => 60000 });

        my @socks;

        for (@::Steps) {
            my ($uri, $id) = @$_;
            my $sock = client();

            print {$sock} request_of(token($id), $uri);
            push @socks, $sock;

            until_true('asked', sub { figures()->{calls} > $calls })
                if @socks == 1;
        }

        until_true('read', \&all_read);
        queued(3);

        my @order = $order ? reverse 0 .. $#socks : 0 .. $#socks;

        while (@order) {
            $leave->($socks[$order[0]]);
            shift @order;

            until_true('left', sub { clients() == @order }) or last;
            queued(scalar grep { $_ >= 3 } @order);
        }

        recovered("$name $order");
    }
}
--- no_error_log
[alert]



=== TEST 3: while the answer is sent, and before the body to purge is there
--- http_config eval: $::Http
--- config eval: $::Locations
--- user_files eval: [["large", "x" x 1000000]]
--- api
token TKN-1000-0001
token TKN-1000-0002
token TKN-1000-0003
--- perl
my $purge = "POST /purge HTTP/1.1\r\nHost: a\r\n"
            . "Content-Length: 100\r\n\r\n{\"token\":";

for (@::Ways) {
    my ($name, $leave) = @$_;
    my ($large, $body) = map { client() } 1 .. 2;

    print {$large} request_of(token('TKN-1000-0001'), '/large');
    ok(sysread($large, my $in, 100), "$name: an answer");

    print {$body} $purge;
    until_true('read', \&all_read);

    $leave->($_) for $large, $body;
    close $large;

    recovered($name);
}

is(zone()->{purge_requests}, 3, 'only those that were whole');
--- no_error_log
[alert]



=== TEST 4: streams that are reset, and connections that go away
--- http_config eval: $::Http
--- config eval: $::Locations
--- user_files eval: [["large", "x" x 1000000]]
--- api
token TKN-1000-0001
token TKN-1000-0002
token TKN-1000-0003
token TKN-1000-0004
--- perl
for my $way ('reset', 'goaway', 'close') {
    my $calls = figures()->{calls};
    my $sock = client(listen_port() + 1);

    print {$sock} preface(),
                  get_stream(1, '/large', token('TKN-1000-0004')),
                  post_stream(3, '/purge', '{"token":');
    until_true('asked', sub { figures()->{calls} == $calls + 1 });
    until_true('sent', sub { sysread $sock, my $in, 65536; $in =~ /xxxx/ });

    api('PUT', 'faults/any', { delay => 60000 });

    my $stream = 3;

    for (@::Steps) {
        my ($uri, $id) = @$_;

        $stream += 2;
        print {$sock} get_stream($stream, $uri, token($id));

        until_true('asked', sub { figures()->{calls} == $calls + 2 })
            if $stream == 5;
    }

    queued(3);

    if ($way eq 'reset') {
        print {$sock} reset_stream(2 * $_ - 1) for 1 .. ($stream + 1) / 2;
        queued(0);
    }

    # GOAWAY: no more streams, those that are there go on

    print {$sock} Http2::frame(7, 0, 0, pack 'NN', $stream, 0)
        if $way eq 'goaway';
    until_true('read', \&all_read);

    close $sock;
    recovered($way);
}

is(zone()->{purge_requests}, 3, 'only those that were whole');
--- no_error_log
[alert]
