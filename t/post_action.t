use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# a request that comes back to the check while it waits, because its client
# left: in its post_action nothing waits

our $Servers = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 http2;
        access_log logs/access.log statuses;

        auth_api_token_https off;
        auth_api_token_request /_token_api;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location /dl/  { auth_api_token "r"; post_action /acct; try_files /x =404; }
        location /acct { auth_api_token "r"; try_files /x =204; }
    }
END

our $Config = <<'END';
    access_log logs/access.log statuses;

    location /dl/    { auth_api_token "r"; post_action /acct; try_files /x =404; }
    location /named/ { auth_api_token "r"; post_action @acct; try_files /x =404; }
    location /out/   { auth_api_token "r"; post_action /open; try_files /x =404; }
    location /none/  { auth_api_token "r"; post_action /bare; try_files /x =404; }
    location /acct   { auth_api_token "r"; try_files /x =204; }
    location @acct   { auth_api_token "r"; try_files /x =204; }
    location /open   { try_files /x =204; }

    location /bare {
        auth_api_token off;
        try_files /x =204;
    }

    location /t {
        auth_api_token "r";
        try_files /x =204;
    }
END

our $Known = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
             . token('TKN-1234-5678') . "\r\n\r\n";

our $Log = 'log_format statuses "$request_uri $status"; ';
our $Zone = $Log . 'auth_api_token_zone zone=tokens:1m lookups=4;';
our $Cache = "    auth_api_token_cache tokens valid=10m;\n";


sub statuses {
    my $root = Test::Nginx::Util::server_root();

    open my $in, '<', "$root/logs/access.log" or return '';
    my @lines = <$in>;
    chomp @lines;

    return @lines;
}


# clients that leave while the API is asked

sub leave {
    my ($n, $uri) = @_;

    my @socks = map { client() } 1 .. $n;

    print {$_} "GET $uri HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
               . token('TKN-1234-5678') . "\r\n\r\n" for @socks;

    until_true('asked', sub { figures()->{calls} >= 1 });
    close $_ for @socks;

    until_true('logged', sub { statuses() == $n });
}


sub works {
    Test::More::is(exchange($Known)->{status}, 204, 'works');
    Test::More::unlike(nginx_log(), qr/\[alert\]|exited on signal/,
                       'no worker died');
}


no_long_string();
master_on();
run_tests();

__DATA__

=== TEST 1: with a zone
--- http_config eval: $::Zone
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":500}
--- perl
leave(3, '/dl/');
is_deeply([ statuses() ], [ ('/dl/ 499') x 3 ], 'statuses');
works();
--- calls: 1



=== TEST 2: without one
--- http_config eval: $::Log
--- config eval: $::Config
--- api
fault any {"delay":500}
--- perl
leave(3, '/dl/');
is_deeply([ statuses() ], [ ('/dl/ 499') x 3 ], 'statuses');
works();



=== TEST 3: a named location
--- http_config eval: $::Zone
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":500}
--- perl
leave(3, '/named/');
is_deeply([ statuses() ], [ ('/named/ 499') x 3 ], 'statuses');
works();
--- calls: 1



=== TEST 4: locations without a check run, and a request woken there is not harmed
--- http_config eval: $::Zone
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":500}
--- perl
leave(3, '/out/');
is_deeply([ statuses() ], [ ('/out/ 204') x 3 ], 'statuses');
works();
--- calls: 1



=== TEST 5: stale facts, an API that fails, and a location that asks nobody
--- http_config eval: $::Zone
--- config eval
"    auth_api_token_cache tokens valid=50ms stale=1h refresh=off;\n"
. $::Config
--- perl
is(exchange($::Known)->{status}, 204, 'known');

my $before = figures()->{calls};

api('PUT', 'faults/any', { delay => 500, status => 500 });

my @socks;

# until the facts are too old, and the API is asked

until_true('asked', sub {
    @socks = (client());
    print {$socks[0]} $::Known =~ s{/t}{/none/}r;
    figures()->{calls} > $before;
});

push @socks, map { client() } 1 .. 3;
print {$_} $::Known =~ s{/t}{/none/}r for @socks[1 .. 3];

close $_ for @socks;
until_true('logged', sub { 4 <= grep { m{/none/ 204} } statuses() });
works();



=== TEST 6: HTTP/2
--- http_config eval: $::Zone . $::Servers
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my $uri = 'http://127.0.0.1:' . (listen_port() + 1) . '/dl/';

for my $round (1 .. 3) {
    my $pid = fork;

    exec 'curl', '-s', '-o', '/dev/null', '--http2-prior-knowledge', '-H',
         'Authorization: Bearer ' . token('TKN-1234-5678'), $uri if !$pid;

    until_true('asked', sub { figures()->{calls} == $round });
    kill TERM => $pid;
    waitpid $pid, 0;
    until_true('logged', sub { statuses() == $round });
}

api('DELETE', 'faults/any');
is_deeply([ statuses() ], [ ('/dl/ 499') x 3 ], 'statuses');
works();



=== TEST 7: what the request itself knows lets its post_action run
--- http_config eval: $::Zone
--- config eval: $::Cache . $::Config
--- perl
is(exchange("GET /dl/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
            . token('TKN-1234-5678') . "\r\n\r\n")->{status}, 404, 'answered');
until_true('logged', sub { statuses() == 1 });
is_deeply([ statuses() ], [ '/dl/ 204' ], 'statuses');
works();
--- calls: 1



=== TEST 8: a place in the queue is given back
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1 queue=2;
    log_format statuses "$request_uri $status";
--- config eval
$::Cache . $::Config . "    location /status { auth_api_token_status json; }\n"
--- api
token TKN-0000-0001
token TKN-0000-0002
fault TKN-0000-0001 {"delay":1000}
--- perl
my ($first, @socks) = map { client() } 1 .. 3;

print {$first} "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
               . token('TKN-0000-0001') . "\r\n\r\n";
until_true('asked', sub { figures()->{calls} == 1 });

sub queued {
    my ($n) = exchange("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")->{body}
              =~ /"lookups_queued":(\d+)/;
    return $n;
}

print {$_} "GET /dl/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
           . token('TKN-0000-0002') . "\r\n\r\n" for @socks;

until_true('queued', sub { queued() == 2 });
close $_ for @socks;
until_true('given back', sub { queued() == 0 });

is(read_response($first)->{status}, 204, 'the first passes');
works();



=== TEST 9: an answer that took longer than the verdict is valid
--- http_config eval: $::Zone
--- config eval
"    auth_api_token_cache tokens valid=10ms refresh=off;\n" . $::Config
. <<'END';
    location /slow/ {
        auth_api_token "r";
        post_action /acct;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-0000-0009?;
    }
END
--- api
fault TKN-0000-0009 {"delay":200,"body":"slow"}
--- perl
my $sock = client();

print {$sock} ($::Known =~ s{/t}{/slow/}r) x 2;

is(read_response($sock)->{body}, 'slow', "answer $_") for 1, 2;
until_true('logged', sub { statuses() == 2 });
is_deeply([ statuses() ], [ ('/slow/ 204') x 2 ], 'statuses');
works();
--- calls: 5



=== TEST 10: a post_action whose API nobody has asked, for a client that stays
--- http_config eval: $::Zone
--- config eval
$::Cache . $::Config . <<'END';
    location /more/ { auth_api_token "r"; post_action /else; try_files /x =404; }

    location /else {
        auth_api_token "r";
        auth_api_token_request /_token_api api=other;
        try_files /x =204;
    }
END
--- perl
my $sock = client();

print {$sock} ($::Known =~ s{/t}{/more/}r) x 2;

is(read_response($sock)->{status}, 404, "answer $_") for 1, 2;
until_true('logged', sub { statuses() == 2 });
is_deeply([ statuses() ], [ ('/more/ 503') x 2 ], 'statuses');
works();
--- calls: 1



=== TEST 11: one that checks nothing, and takes long
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1 queue=3;
    log_format statuses "$request_uri $status";
--- config eval
$::Cache . $::Config . <<'END';
    location /status { auth_api_token_status json; }
    location /long/  { auth_api_token "r"; post_action /acct_long; try_files /x =404; }
    location /bare/  { auth_api_token "r"; auth_api_token_cache off; post_action /acct_long; try_files /x =404; }

    location /acct_long {
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-0000-0003;
    }
END
--- api
token TKN-0000-0001
token TKN-0000-0002
fault any {"delay":60000}
--- perl
my ($first, @socks) = map { client() } 1 .. 4;

sub request_for {
    my ($uri, $id) = @_;
    return $::Known =~ s{/t}{$uri}r =~ s/TKN-1234-5678/$id/gr;
}

print {$first} request_for('/t', 'TKN-0000-0001');
until_true('asked', sub { figures()->{calls} == 1 });

sub waiting {
    my ($n) = exchange("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")->{body}
              =~ /"lookups_queued":(\d+)/;
    return $n;
}

print {$_} request_for('/long/', 'TKN-0000-0002') for @socks;
until_true('queued', sub { waiting() == 3 });
close $_ for @socks;
until_true('given back', sub { waiting() == 0 });
until_true('their post_actions', sub { figures()->{calls} == 4 });

# without a zone: the lookup ends, and its connection is that of post_action

my $sock = client();

print {$sock} request_for('/bare/', 'TKN-0000-0002');
until_true('asked without a zone', sub { figures()->{calls} == 5 });
close $sock;

until_true('its post_action', sub { figures()->{calls} == 6 });

# that of the first, and four of post_action

until_true('ended', sub { api_connections() == 5 });
api('POST', 'release');
unlike(nginx_log(), qr/\[alert\]/, 'no alert');
