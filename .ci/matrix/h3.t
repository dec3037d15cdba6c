use lib 't/lib';
use AuthApiToken;
use Limits qw(logged tally);
use Store qw($Good $Bad ids);
use Test::Nginx::Socket 'no_plan';

# HTTP/3, with curl as the client; both nginx and curl have to support it

our $Http = <<'END';
    auth_api_token_zone zone=tokens:1m;
    auth_api_token_zone zone=single:1m lookups=1 queue=8;
    limit_req_zone $auth_api_token_account_id zone=account:1m rate=1r/m;
    limit_req_status 429;
    log_format h3 '$server_protocol $https $status $auth_api_token_result $auth_api_token_cache_status $auth_api_token_id $auth_api_token_account_id';

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 quic;
        ssl_certificate     $TEST_NGINX_CERT/api.crt;
        ssl_certificate_key $TEST_NGINX_CERT/api.key;
        access_log logs/h3.log h3;

        auth_api_token_request /_token_api;
        auth_api_token_cache tokens valid=10m denied=10m;
        add_header X-Result $auth_api_token_result always;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }

        location = /_service {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
            proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
        }

        location / {
            auth_api_token "r";
            try_files /dev/null =204;
        }

        location /service {
            auth_api_token "r";
            auth_api_token_request /_service credential=service;
            try_files /dev/null =204;
        }

        location /account {
            auth_api_token "r";
            auth_api_token_account ACC-0000-0001;
            try_files /dev/null =204;
        }

        location /account_type {
            auth_api_token "r";
            auth_api_token_account_type Client;
            try_files /dev/null =204;
        }

        location /module {
            auth_api_token "r";
            auth_api_token_module MOD-9999;
            try_files /dev/null =204;
        }

        location /extension {
            auth_api_token "r";
            auth_api_token_extension EXT-1234-5678;
            try_files /dev/null =204;
        }

        location /require {
            auth_api_token "r";
            auth_api_token_require $arg_ok;
            try_files /dev/null =204;
        }

        location /limited {
            auth_api_token "r";
            auth_api_token_denied_limit $host rate=1r/m burst=1;
            try_files /dev/null =204;
        }

        location /single {
            auth_api_token "r";
            auth_api_token_cache single;
            try_files /dev/null =204;
        }

        location /preaccess {
            auth_api_token "r";
            auth_api_token_phase preaccess;
            limit_req zone=account burst=2 nodelay;
            try_files /dev/null =204;
        }

        location /post {
            auth_api_token "r";
            client_max_body_size 20m;
            proxy_pass http://127.0.0.1:$TEST_NGINX_PORT/length;
        }
    }
END

our $Config = <<'END';
    location = /status  { auth_api_token_status json; }
    location = /writing { stub_status; }

    location = /length {
        client_max_body_size 20m;
        client_body_buffer_size 16m;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT/read;
    }

    location = /read { return 200 "$content_length"; }
END

our $Url = "https://127.0.0.1:$ENV{TEST_NGINX_PORT_1}";


# starts curl; finish() reads its output

sub begin {
    my (@args) = @_;

    open my $out, '-|', 'curl', '-s', '--http3-only', '-k', '--max-time', 60,
                        @args
        or die "curl: $!";

    return $out;
}


sub finish {
    my ($out) = @_;

    local $/;
    my $text = <$out>;
    close $out;

    return $text;
}


sub curl {
    return finish(begin(@_));
}


sub bearer {
    return ('-H', "Authorization: Bearer $_[0]");
}


# the version, the status, the result, and the challenge or Retry-After

sub ask {
    my ($uri, @args) = @_;

    my $head = curl('-D', '-', '-o', '/dev/null', @args, "$Url$uri");

    my ($status) = $head =~ /^(HTTP\/3 \d+)/ or return "no answer: $head";
    my ($result) = $head =~ /^x-result: (\S*)\r$/m;
    my ($challenge) = $head =~ /^www-authenticate: (.*)\r$/m;
    my ($after) = $head =~ /^retry-after: (\d+)\r$/m;

    return join ' ', $status, grep { defined } $result, $challenge,
                                               defined $after ? 'later' : undef;
}


# requests at once, as streams of one connection

sub streams {
    my ($uri, @tokens) = @_;

    my @each = ('-k', '--http3-only', '--max-time', 60, '-o', '/dev/null', '-w',
                '%{http_version} %{http_code} %{num_connects}\n');

    return begin('--no-progress-meter', '--parallel', '--parallel-max', 50,
                 map { $_ ? '--next' : (), @each, bearer($tokens[$_]),
                       "$Url$uri" } 0 .. $#tokens);
}


# such as "204:3 429:9 over 1": statuses, and the number of connections

sub statuses {
    my ($out) = @_;

    my @all = finish($out) =~ /^(\S+ \d+ \d+)$/mg;
    my $connects = 0;

    for (@all) {
        my ($version, $status, $n) = split;

        $connects += $n;
        $_ = { status => $version eq '3' ? $status : "HTTP/$version" };
    }

    return tally(@all) . " over $connects";
}


# waits until nginx has n requests at work, besides the one that asks

sub at_work {
    my ($n) = @_;

    return until_true("at work for $n", sub {
        exchange("GET /writing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            ->{body} =~ /Writing: (\d+)/;
        return $1 == $n + 1;
    });
}


no_long_string();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: pass, and what the log has
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
is(ask('/t', bearer($Good)), 'HTTP/3 204 pass', 'pass');
is(ask('/t', bearer($Good)), 'HTTP/3 204 pass', 'known');
is(ask('/t', '-I', bearer($Good)), 'HTTP/3 204 pass', 'HEAD');
is(ask('/t', bearer($Bad)),
   'HTTP/3 401 unknown Bearer realm="r", error="invalid_token", '
   . 'error_description="The token is unknown, disabled or deleted"', 'unknown');

is(join("\n", logged(4, 'h3.log')), <<'END' =~ s/\n\z//r, 'log');
HTTP/3.0 on 204 pass MISS TKN-1234-5678 ACC-8765-4321
HTTP/3.0 on 204 pass HIT TKN-1234-5678 ACC-8765-4321
HTTP/3.0 on 204 pass HIT TKN-1234-5678 ACC-8765-4321
HTTP/3.0 on 401 unknown MISS - -
END
--- no_error_log
insecure
--- calls: 2



=== TEST 2: every refusal, with its status and its challenge
--- http_config eval: $::Http
--- config eval: $::Config
--- api
token TKN-0000-0001 {"secret":"operations","account":{"id":"ACC-0000-0001","type":"Operations","status":"Enabled","name":"n"}}
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"status":"New","works":1}
token TKN-1000-0004 {"account":{"id":"ACC-1000-0004","type":"Vendor","status":"Disabled","name":"n"}}
token TKN-1000-0005 {"self":403}
fault TKN-1000-0007 {"status":503,"headers":{"Retry-After":"7"}}
fault TKN-1000-0008 {"body":"{\"id\":\"TKN-1000-0008\",\"status\":\"Active\",\"extensions\":[]}"}
--- perl
my $bearer = 'Bearer realm="r"';
my $token = "$bearer, error=\"invalid_token\", error_description=";
my $scope = "$bearer, error=\"insufficient_scope\"";

sub refused {
    my ($result, $uri, $token, $status, $challenge) = @_;

    my $is = ask($uri, defined $token ? bearer($token) : ());
    my $want = "HTTP/3 $status $result";

    $want .= " $challenge" if $challenge;
    is(substr($is, 0, length $want), $want, $result);

    # where no challenge is expected, nothing may follow

    is($is, $want, 'no challenge') if !$challenge;
}

refused('no_token', '/t', undef, 401, $bearer);
refused('malformed', '/t', 'a b', 400, "$bearer, error=\"invalid_request\"");
refused('unsupported', '/t', 'idt:EXT-1234-5678:MADEUP', 401, $token);
refused('unknown', '/t', $Bad, 401, $token);
refused('disabled', '/t', token('TKN-1000-0001'), 401, $token . '"The token is disabled"');
refused('deleted', '/t', token('TKN-1000-0002'), 401, $token . '"The token is deleted"');
refused('inactive', '/t', token('TKN-1000-0003'), 401, $token . '"The token is not active"');
refused('mismatch', '/service', $Bad, 401, $token);
refused('account_disabled', '/t', token('TKN-1000-0004'), 401, $token);
refused('unreadable', '/t', token('TKN-1000-0005'), 403);
refused('account', '/account', $Good, 403, $scope);
refused('account_type', '/account_type', $Good, 403, $scope);
refused('module', '/module', $Good, 403, "$scope, error_description=");
like(ask('/module', bearer($Good)), qr/, scope="MOD-9999"/, 'scope');
refused('extension', '/extension', token('TKN-1000-0008'), 403, $scope);
refused('require', '/require', $Good, 403, $scope);
refused('unavailable', '/t', token('TKN-1000-0007'), 503, 'later');
refused('unknown', '/limited', 'idt:TKN-1000-0009:MADEUP', 401, $token);
refused('limited', '/limited', 'idt:TKN-1000-0009:MADEUPtoo', 429, 'later');

my $text = curl('-i', bearer($Bad), "$::Url/t");

like($text, qr/^content-type: application\/problem\+json\r$/m, 'type');
like($text, qr/^\{"type":.*"status":401.*"instance":"\/t".*\}$/m, 'body');
--- no_error_log
insecure



=== TEST 3: the breaker is open
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"status":500}
--- perl
is(ask('/t', bearer(token("TKN-1000-000$_"))), 'HTTP/3 503 unavailable later',
   'unavailable') for 1 .. 5;
is(ask('/t', bearer(token('TKN-1000-0006'))), 'HTTP/3 503 busy later', 'busy');
--- calls: 5



=== TEST 4: two Authorization headers, or an odd one
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
is(ask('/t', bearer('a'), bearer('b')), 'HTTP/3 400', 'refused by nginx');
is(ask('/t', bearer("$Good, Bearer $Good")),
   'HTTP/3 400 malformed Bearer realm="r", error="invalid_request", '
   . 'error_description="The Authorization header is malformed"', 'a list');
is(ask('/t', '-H', 'Authorization;'),
   'HTTP/3 400 malformed Bearer realm="r", error="invalid_request", '
   . 'error_description="The Authorization header is malformed"', 'an empty one');
--- calls: 0



=== TEST 5: a herd, woken together
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my $herd = streams('/t', ($Good) x 30);

at_work(30);
api('POST', 'release');

is(statuses($herd), '204:30 over 1', 'all pass');

my @lines = logged(30, 'h3.log');

is(scalar(grep { / WAIT TKN-1234-5678 / } @lines), 29, 'they waited');
is(scalar(grep { / MISS TKN-1234-5678 / } @lines), 1, 'for one lookup');
--- calls: 1



=== TEST 6: a herd whose lookup fails
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000,"status":500}
--- perl
my $herd = streams('/t', ($Good) x 10);

at_work(10);
api('POST', 'release');

is(statuses($herd), '503:10 over 1', 'all are told');
--- calls: 1



=== TEST 7: a client that leaves while it waits, with all of its requests
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
use IO::Socket::INET ();

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 1)
    or die $!;
my $port = $listen->sockport;

# one more transfer: when the test ends it, curl ends the others with it

my $out = begin('--no-progress-meter', '--parallel', '--fail-early',
                map({ ('-k', '--http3-only', '-o', '/dev/null', bearer($Good),
                       "$::Url/t", '--next') } 1 .. 3),
                '--http1.1', '-o', '/dev/null', "http://127.0.0.1:$port/");

my $end = $listen->accept;

at_work(3);
close $end;
finish($out);

at_work(0);
is(figures()->{answers}, 0, 'while the lookup goes on');

api('POST', 'release');
api('DELETE', 'faults/any');

is(ask('/t', bearer($Good)), 'HTTP/3 204 pass', 'the next one passes');
--- calls: 1



=== TEST 8: a stream that is canceled while it waits, and others that are not
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my @each = ('-k', '--http3-only', '-o', '/dev/null', '-w', '%{http_code} ',
            bearer($Good));

my $out = begin('--no-progress-meter', '--parallel', @each, "$::Url/t",
                '--next', @each, '--max-time', 4, "$::Url/t",
                '--next', @each, "$::Url/t");

at_work(3);
at_work(2);

api('POST', 'release');

is(join(' ', sort split ' ', finish($out)), '000 204 204', 'the others pass');
--- error_log
client canceled the request while it waited
--- calls: 1



=== TEST 9: a turn in the queue
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"delay":60000}
--- perl
my @ids = ids(9);
my $out = streams('/single', map { token($_) } @ids);

at_work(9);
is(Store::zone('single')->{lookups_queued}, 8, 'they wait in line');
is(ask('/single', bearer($Good)), 'HTTP/3 503 busy later', 'the queue is full');

api('DELETE', 'faults/any');
api('POST', 'release');

is(statuses($out), '204:9 over 1', 'all pass');
is(Store::zone('single')->{lookups_queued}, 0, 'nobody waits');
check_zone();
--- calls: 9



=== TEST 10: limits by account
--- http_config eval: $::Http
--- config eval: $::Config
--- api
token TKN-2000-0001 {"account":{"id":"ACC-2000-0001"}}
fault any {"delay":60000}
--- perl
my $out = streams('/preaccess', ($Good) x 12);

at_work(12);
api('DELETE', 'faults/any');
api('POST', 'release');

is(statuses($out), '204:3 429:9 over 1', 'one account');
is(ask('/preaccess', bearer(token('TKN-2000-0001'))), 'HTTP/3 204 pass',
   'another one') for 1 .. 3;
is(ask('/preaccess', bearer($Bad)) =~ s/ Bearer.*//r, 'HTTP/3 401 unknown',
   'nobody');
--- calls: 3



=== TEST 11: a POST of 10 MB
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
my $file = "$ENV{TEST_NGINX_CERT}/body";

open my $out, '>', $file or die $!;
print $out 'x' x 10000000;
close $out;

my @body = ('--data-binary', "\@$file", "$::Url/post");

is(curl(bearer($Good), @body), '10000000', 'all of it');
is(curl('-o', '/dev/null', '-w', '%{http_code}', bearer($Bad), @body), '401',
   'refused');
--- calls: 2
