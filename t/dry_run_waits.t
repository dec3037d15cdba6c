use lib 't/lib';
use AuthApiToken;
use DryRun;
use Test::Nginx::Socket 'no_plan';

# dry run when a request waits, and when its client or the API is gone

master_on();
workers(2);
worker_connections(1024);

our $Log = <<'END';
    log_format results "$request_uri $status $auth_api_token_result";
END

our $Http = $Backend . $Log . <<'END';
    auth_api_token_zone zone=tokens:1m lookups=2;
END

our $Cache = "    auth_api_token_cache tokens valid=10m denied=10m;\n";

our $Config = $Show . <<"END";
    auth_api_token_request /_token_api timeout=20s;
    auth_api_token_dry_run on;
    access_log logs/access.log results;

    location /t {
        auth_api_token "r";
$Proxy
    }

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
$Proxy
    }

    location = /status { auth_api_token_status json; }
END


# many at once, of a token that nobody knows yet

sub herd {
    my ($n, $token, $uri) = @_;

    my @socks = map { client() } 1 .. $n;

    print {$_} get($uri || '/t', $token) for @socks;

    return @socks;
}


sub results {
    my $root = Test::Nginx::Util::server_root();

    open my $in, '<', "$root/logs/access.log" or return;
    my @lines = grep { !m{^/status } } <$in>;
    chomp @lines;

    return @lines;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a herd of what would be refused: one call
--- http_config eval: $::Http
--- config eval: $::Cache . $::Config
--- api
token TKN-1234-5678 {"status":"Disabled","works":1}
fault any {"delay":60000}
--- perl
my @socks = herd(40, token('TKN-1234-5678'));

until_true('asked', sub { figures()->{calls} == 1 });
is(moved(zone()->{requests_dry_run}), '', 'nothing is decided yet');
api('POST', 'release');

passes(read_response($_), 'disabled_dry_run', '/t') for @socks;
is(moved(zone()->{requests_dry_run}), 'disabled:40', 'counted');
--- calls: 1



=== TEST 2: a herd that passes where it may, and in dry run where not
--- http_config eval: $::Http
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":60000}
--- perl
my @pass = herd(10, token('TKN-1234-5678'));
my @module = herd(10, token('TKN-1234-5678'), '/module');

until_true('asked', sub { figures()->{calls} == 1 });
api('POST', 'release');

is(read_response($_)->{headers}{'x-result'}, 'pass', 'pass') for @pass;
passes(read_response($_), 'module_dry_run', '/module') for @module;
is(moved(zone()->{requests_dry_run}), 'module:10 pass:10', 'counted');
--- calls: 1



=== TEST 3: a herd of an API that fails
--- http_config eval: $::Http
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":60000,"status":500}
--- perl
# fewer than open the breaker, should some come late

my @socks = herd(4, token('TKN-1234-5678'));

until_true('asked', sub { figures()->{calls} == 1 });
api('POST', 'release');
api('PUT', 'faults/any', { status => 500 });

passes(read_response($_), 'unavailable_dry_run', '/t') for @socks;



=== TEST 4: a place among the lookups that does not come in time
--- http_config eval: $::Http
--- config eval
$::Cache . $::Config . <<"END";
    location /short {
        auth_api_token "r";
        auth_api_token_request /_token_api timeout=50ms;
$::Proxy
    }
END
--- api
token TKN-0000-0001
token TKN-0000-0002
fault any {"delay":60000}
--- perl
my @socks = map { herd(1, token($_)) } qw(TKN-0000-0001 TKN-0000-0002);

until_true('asked', sub { figures()->{calls} == 2 });
dry('busy', '/short', token('TKN-1234-5678'));
api('POST', 'release');

is(read_response($_)->{headers}{'x-result'}, 'pass', 'the others') for @socks;
--- calls: 2



=== TEST 5: an API that is too slow
--- http_config eval: $::Http
--- config eval
$::Cache . $::Config =~ s/timeout=20s/timeout=100ms/r
--- api
fault any {"delay":60000}
--- perl
dry('unavailable', '/t', token('TKN-1234-5678'));
--- error_log
API token refused, dry run: unavailable



=== TEST 6: stale facts pass, and those of no access are in dry run
--- http_config eval: $::Http
--- config eval
"    auth_api_token_cache tokens valid=10ms stale=1h refresh=off;\n"
. $::Config
--- perl
is(exchange(get('/t', token('TKN-1234-5678')))->{headers}{'x-result'}, 'pass',
   'known');
api('PUT', 'faults/any', { status => 500 });

my $response;

until_true('stale', sub {
    $response = exchange(get('/t', token('TKN-1234-5678')));
    $response->{headers}{'x-cache'} eq 'STALE';
});

is($response->{headers}{'x-result'}, 'pass', 'pass');
like($response->{body}, qr/;TKN-1234-5678;/, 'who is calling');

$response = exchange(get('/module', token('TKN-1234-5678')));

passes($response, 'module_dry_run', '/module');
is($response->{headers}{'x-cache'}, 'STALE', 'from where');

# a token that is not known, whether the breaker is open by now or not

$response = exchange(get('/t', token('TKN-0000-0001')));

my ($reason) = $response->{headers}{'x-result'} =~ /\A(busy|unavailable)_/;

passes($response, "${reason}_dry_run", '/t', 'not known');



=== TEST 7: a client that leaves is not decided about
--- http_config eval: $::Http
--- config eval: $::Cache . $::Config
--- api
token TKN-1234-5678 {"status":"Disabled","works":1}
fault any {"delay":60000}
--- perl
my ($left, $stays) = herd(2, token('TKN-1234-5678'));

until_true('asked', sub { figures()->{calls} == 1 });
close $left;
until_true('noticed', sub { results() == 1 });

is_deeply([ results() ], [ '/t 499 -' ], 'logged');
is(moved(zone()->{requests_dry_run}), '', 'not counted');

api('POST', 'release');
passes(read_response($stays), 'disabled_dry_run', '/t');
is(moved(zone()->{requests_dry_run}), 'disabled:1', 'counted');
is(lines('API token refused'), 1, 'one line');
--- calls: 1



=== TEST 8: a client that leaves, without a zone
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my ($sock) = herd(1, $::Bad);

until_true('asked', sub { figures()->{calls} == 1 });
close $sock;
until_true('noticed', sub { results() == 1 });
is_deeply([ results() ], [ '/t 499 -' ], 'logged');

api('DELETE', 'faults/any');
dry('unknown', '/t', $::Bad);
is(lines('API token refused'), 1, 'one line');
--- calls: 2



=== TEST 9: post_action
--- http_config eval: $::Http
--- config eval
$::Cache . $::Config . <<'END';
    location /dl/ {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        post_action /acct;
        try_files /x =404;
    }

    location /acct {
        auth_api_token "r";
        auth_api_token_account ACC-0000-0001;
        try_files /x =204;
    }

    location /more/ { auth_api_token "r"; post_action /else; try_files /x =404; }

    location /else {
        auth_api_token "r";
        auth_api_token_request /_token_api api=other;
        try_files /x =204;
    }
END
--- perl
my $sock = client();

print {$sock} request_of(token('TKN-1234-5678'), '/dl/') x 2;

for (1, 2) {
    my $response = read_response($sock);

    is($response->{status}, 404, 'answered');
    is($response->{headers}{'x-result'}, 'module_dry_run', 'result');
}

until_true('logged', sub { results() == 2 });
is_deeply([ results() ], [ ('/dl/ 204 account_dry_run') x 2 ], 'both ran');

# nobody waits for a lookup there

print {$sock} request_of(token('TKN-1234-5678'), '/more/');
is(read_response($sock)->{status}, 404, 'answered');

until_true('logged', sub { results() == 3 });
is((results())[2], '/more/ 204 unavailable_dry_run', 'it ran');
--- calls: 1



=== TEST 10: HTTP/2
--- http_config eval
$::Http . <<"END";
    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1 http2;
        auth_api_token_https off;
        auth_api_token_cache tokens valid=10m denied=10m;
        auth_api_token_request /_token_api timeout=20s;
        auth_api_token_dry_run on;
$::Show
        location / {
            auth_api_token "r";
$::Proxy
        }

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
        }
    }
END
--- config eval: $::Cache . $::Config
--- api
fault any {"delay":60000}
--- perl
sub curl {
    my (@args) = @_;

    open my $out, '-|', 'curl', '-s', '-i', '--http2-prior-knowledge',
         '--max-time', 20, map { ('-H', "Authorization: Bearer $_",
         'http://127.0.0.1:' . (listen_port() + 1) . '/t') } @args
        or die "curl: $!";

    return $out;
}

my @curls = map { curl($::Bad) } 1 .. 3;

until_true('asked', sub { figures()->{calls} == 1 });
api('POST', 'release');

for my $curl (@curls) {
    my $text = do { local $/; <$curl> };

    like($text, qr/^HTTP\/2 207 /, 'status');
    like($text, qr/^x-result: unknown_dry_run\r$/m, 'result');
    like($text, qr/^x-identity: ,,,,,,\r$/m, 'variables');
    like($text, qr{\r\n\r\n/t;;;;;;;;$}, 'what the backend got');
    unlike($text, qr/^(?:www-authenticate|retry-after):/m, 'no challenge');
    close $curl;
}

is(moved(zone()->{requests_dry_run}), 'unknown:3', 'counted');
--- calls: 1



=== TEST 11: a reload keeps what is counted
--- http_config eval: $::Http
--- config eval: $::Cache . $::Config
--- perl
dry('unknown', '/t', $::Bad);

my %old = map { $_ => 1 } worker_pids();

kill HUP => nginx_pid();
until_true('reloaded', sub {
    my @now = worker_pids();
    @now == 2 && !grep { $old{$_} } @now;
});

is(moved(zone()->{requests_dry_run}), 'unknown:1', 'kept');
my $response = exchange(get('/t', $::Bad));
passes($response, 'unknown_dry_run', '/t');
is($response->{headers}{'x-cache'}, 'HIT', 'known');
--- calls: 1



=== TEST 12: preaccess: one lookup, one decision, and the limits of others hold
--- http_config eval
$::Http . <<'END';
    limit_req_zone $auth_api_token_account_id zone=account:1m rate=1r/m;
END
--- config eval
"    auth_api_token_phase preaccess;\n" . $::Cache . $::Config . <<"END";
    location /limit {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        limit_req zone=account burst=2 nodelay;
$::Proxy
    }
END
--- perl
passes(exchange(get('/limit', token('TKN-1234-5678'))), 'module_dry_run',
       '/limit', "request $_") for 1 .. 3;

my $response = exchange(get('/limit', token('TKN-1234-5678')));

is($response->{status}, 503, 'the account has had enough');
is($response->{headers}{'x-result'}, undef, 'which is no decision');

# a request without an identity has no limit

dry('unknown', '/limit', $::Bad) for 1 .. 4;
dry('no_token', '/limit') for 1 .. 4;

is(moved(zone()->{requests_dry_run}), 'module:3 no_token:4 unknown:4', 'counted');
is(moved(zone()->{requests}), '', 'and apart');
--- calls: 2
