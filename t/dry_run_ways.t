use lib 't/lib';
use AuthApiToken;
use DryRun;
use Lines qw($Get $Good);
use Test::Nginx::Socket 'no_plan';

# dry run on each way of requests through nginx

our $Http = $Backend . <<'END';
    auth_api_token_zone zone=tokens:1m;
END

our $Config = <<"END" . $Show;
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_dry_run on;

    location = /status { auth_api_token_status json; }
END

our $Users = <<'END';
>>> ../conf/users
user:{PLAIN}good
END

our $Basic = "Authorization: Basic dXNlcjpnb29k\r\n";
our $BadBasic = "Authorization: Basic dXNlcjpiYWQ=\r\n";
our $BadToken = "Authorization: Bearer $Bad\r\n";
our $Other = "X-Other: yes\r\n";

our $OtherLocation = <<'END';
    location = /other {
        internal;
        if ($http_x_other = yes) { return 204; }
        return 403;
    }
END


# status, result, and the schemes of all challenges

sub ask {
    my ($headers, $uri) = @_;

    my $response = exchange("GET " . ($uri || '/t')
                            . " HTTP/1.1\r\nHost: a\r\n$headers\r\n");
    my @schemes = $response->{head} =~ /^WWW-Authenticate: (\w+)/mg;

    return join ' ', $response->{status},
                $response->{headers}{'x-result'} || '-', @schemes;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: satisfy any with auth_basic
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        satisfy any;
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r";
        auth_api_token_module \$arg_module MOD-0478;
$::Proxy
    }
END
--- user_files eval: $::Users
--- perl
is(ask(''), '401 no_token_dry_run Basic', 'nothing');
is(ask($::Basic), '207 -', 'a password');
is(ask($::BadBasic), '401 no_token_dry_run Basic', 'a bad password');
is(ask($::BadToken), '401 unknown_dry_run Basic', 'a bad token');
is(ask("Authorization: Bearer a b\r\n"), '401 malformed_dry_run Basic',
   'malformed');
is(ask($::Good), '207 pass', 'a good token');

api('PUT', 'faults/any', { status => 500 });
is(ask("Authorization: Bearer <TKN-0000-0001>\r\n"),
   '401 unavailable_dry_run Basic', 'no answer of the API');

unlike(exchange("$::Get$::BadToken\r\n")->{body}, qr/^\{"type"/,
       'the page of the other');
--- calls: 3



=== TEST 2: satisfy any with allow and deny
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        satisfy any;
        deny all;
        auth_api_token "r";
$::Proxy
    }

    location /allowed {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
$::Proxy
    }

    location /alone {
        satisfy any;
        auth_api_token "r";
$::Proxy
    }
END
--- perl
is(ask(''), '403 no_token_dry_run', 'denied');
is(ask($::BadToken), '403 unknown_dry_run', 'denied, with a bad token');
is(ask("Authorization: Bearer a b\r\n"), '403 malformed_dry_run',
   'denied, malformed');
is(ask($::Good), '207 pass', 'a good token is enough');
is(ask($::BadToken, '/allowed'), '207 -', 'an address that is allowed');
is(ask($::BadToken, '/alone'), '207 unknown_dry_run', 'nobody else to ask');
dry('unknown', '/alone', $::Bad);



=== TEST 3: satisfy any with auth_request
--- http_config eval: $::Http
--- config eval
$::Config . $::OtherLocation . <<"END";
    location /t {
        satisfy any;
        auth_request /other;
        auth_api_token "r";
$::Proxy
    }
END
--- perl
is(ask($::Good), '207 pass', 'a good token');
is(ask($::Other), '207 no_token_dry_run', 'the other, without a token');
is(ask($::BadToken . $::Other), '207 unknown_dry_run', 'the other');
is(ask($::BadToken), '403 unknown_dry_run', 'none');
is(ask("Authorization: Bearer a b\r\n$::Other"), '207 malformed_dry_run',
   'the other, malformed');



=== TEST 4: satisfy all
--- http_config eval: $::Http
--- config eval
$::Config . $::OtherLocation . <<"END";
    location /t {
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r" token=\$http_x_token;
        auth_request /other;
$::Proxy
    }

    location /denied {
        deny all;
        auth_api_token "r";
$::Proxy
    }
END
--- user_files eval: $::Users
--- perl
my $both = $::Basic . $::Other;

is(ask($both), '207 no_token_dry_run', 'no token');
is(ask("${both}X-Token: $::Bad\r\n"), '207 unknown_dry_run', 'a bad one');
is(ask("${both}X-Token: <TKN-1234-5678>\r\n"), '207 pass', 'a good one');
is(ask("$::Basic\X-Token: $::Bad\r\n"), '403 unknown_dry_run',
   'refused by the next');
is(ask($::Other), '401 - Basic', 'refused by the one before');
is(ask($::Good, '/denied'), '403 -', 'denied');
--- calls: 2



=== TEST 5: error_page is for what is refused
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    error_page 400 401 403 429 503 =200 /page;

    location /t {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
$::Proxy
    }

    location = /page {
        auth_api_token off;
        return 200 page;
    }
END
--- api
token TKN-0000-0001
fault TKN-0000-0001 {"status":500}
--- perl
dry('no_token', '/t');
dry('malformed', '/t', 'a b');
dry('unknown', '/t', $::Bad);
dry('module', '/t', token('TKN-1234-5678'));
dry('unavailable', '/t', token('TKN-0000-0001'));



=== TEST 6: a later error is not the module's
--- http_config eval
$::Http . <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        add_header WWW-Authenticate 'Bearer realm="backend"' always;
        add_header Retry-After 9 always;
        return 401 "of the backend";
    }
END
--- config eval
$::Config . <<'END';
    location /t {
        auth_api_token "r";
        try_files /dev/null =401;
    }

    location /503 {
        auth_api_token "r";
        auth_api_token_request /_none;
        try_files /dev/null =503;
    }

    location /backend {
        auth_api_token "r";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }

    location /intercept {
        auth_api_token "r";
        error_page 401 /page;
        proxy_intercept_errors on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }

    location = /page {
        auth_api_token "page";
        root html;
    }
END
--- user_files
>>> page
own page
--- perl
my $response = exchange(get('/t', $::Bad));

is($response->{status}, 401, 'status');
is($response->{headers}{'x-result'}, 'unknown_dry_run', 'result');
like($response->{body}, qr/<title>401/, 'page of nginx');
is($response->{headers}{'www-authenticate'}, undef, 'no challenge');

$response = exchange(get('/503', token('TKN-1234-5678')));

is($response->{status}, 503, 'status, unavailable');
is($response->{headers}{'x-result'}, 'unavailable_dry_run', 'its result');
like($response->{body}, qr/<title>503/, 'page of nginx, unavailable');
is($response->{headers}{'retry-after'}, undef, 'no Retry-After');

$response = exchange(get('/backend', $::Bad));

is($response->{status}, 401, 'status of the backend');
is($response->{headers}{'x-result'}, 'unknown_dry_run', 'and its result');
is($response->{body}, 'of the backend', 'body of the backend');
is($response->{headers}{'www-authenticate'}, 'Bearer realm="backend"',
   'challenge of the backend');
is($response->{headers}{'retry-after'}, 9, 'its Retry-After');

$response = exchange(get('/intercept', $::Bad));

is($response->{status}, 401, 'status that is intercepted');
is($response->{headers}{'x-result'}, 'unknown_dry_run', 'and its result');
is($response->{body}, "own page\n", 'page for it');
is($response->{headers}{'www-authenticate'}, 'Bearer realm="backend"',
   'no other challenge');



=== TEST 7: what was refused falls back to a location in dry run
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        auth_api_token "one";
        auth_api_token_module MOD-9999;
        auth_api_token_dry_run off;
        error_page 400 401 403 503 = \@dry;
        try_files /dev/null =204;
    }

    location \@dry {
        auth_api_token "two";
        auth_api_token_module \$arg_module;
$::Proxy
    }

    location /late {
        auth_api_token "one";
        auth_api_token_dry_run off;
        error_page 401 = \@late;
        try_files /dev/null =204;
    }

    location \@late {
        auth_api_token "two";
        auth_request /refuses;
        try_files /dev/null =401;
    }

    location = /refuses {
        internal;
        if (\$http_x_other = yes) { return 204; }
        return 401;
    }
END
--- api
token TKN-0000-0001
fault TKN-0000-0001 {"status":500}
--- perl
dry('no_token', '/t');
dry('malformed', '/t', 'a b');
dry('unknown', '/t', $::Bad);
dry('module', '/t', token('TKN-1234-5678'));
dry('unavailable', '/t', token('TKN-0000-0001'));

is(ask($::Good, '/t?module=MOD-0478'), '207 pass', 'who passes there');
is(moved(zone()->{requests}), 'malformed:1 module:2 no_token:1 '
   . 'unavailable:1 unknown:1', 'refused');
is(moved(zone()->{requests_dry_run}), 'malformed:1 module:1 no_token:1 pass:1 '
   . 'unavailable:1 unknown:1', 'dry run');

# and a later error is not the module's

for my $other ('', $::Other) {
    my $response = exchange(get('/late', $::Bad, $other));

    is($response->{status}, 401, 'status of later');
    is($response->{headers}{'x-result'}, 'unknown_dry_run', 'result');
    is($response->{headers}{'www-authenticate'}, undef, 'no challenge');
    like($response->{body}, qr/<title>401/, 'page of nginx');
}
--- calls: 3



=== TEST 8: an error page in dry run: what was refused is refused
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /t {
        auth_api_token "one";
        auth_api_token_dry_run off;
        error_page 401 /page;
        try_files /dev/null =204;
    }

    location = /page {
        auth_api_token "two";
        root html;
    }
END
--- user_files
>>> page
own page
--- perl
my $response = exchange(get('/t', $::Bad));

is($response->{status}, 401, 'status');
is($response->{body}, "own page\n", 'page');
is($response->{headers}{'x-result'}, 'unknown_dry_run', 'the last decision');
like($response->{headers}{'www-authenticate'}, qr/^Bearer realm="one"/,
     'the challenge of the first');
--- calls: 1



=== TEST 9: from dry run to where it is enforced, and back
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    recursive_error_pages on;

    location /t {
        auth_api_token "dry";
        auth_api_token_module MOD-9999;
        try_files /nope /enforced?\$args;
    }

    location /enforced {
        auth_api_token "enforced";
        auth_api_token_module \$arg_module;
        auth_api_token_dry_run off;
$::Proxy
    }

    location /round {
        auth_api_token "dry";
        try_files /nope /back;
    }

    location /back {
        auth_api_token "enforced";
        auth_api_token_module MOD-9999;
        auth_api_token_dry_run off;
        error_page 401 403 = \@again;
$::Proxy
    }

    location \@again {
        auth_api_token "again";
        auth_api_token_account ACC-0000-0001;
$::Proxy
    }

    location /out {
        auth_api_token "dry";
        auth_api_token_account ACC-0000-0001;
        try_files /nope /open;
    }

    location /open {
        auth_api_token off;
$::Proxy
    }
END
--- perl
my $response = exchange(get('/t', $::Bad));

is($response->{status}, 401, 'refused');
is($response->{headers}{'x-result'}, 'unknown', 'result');
like($response->{headers}{'www-authenticate'}, qr/^Bearer realm="enforced"/,
     'challenge');
like($response->{body}, qr/^\{"type"/, 'problem');

is(ask($::Good), '403 module Bearer', 'refused for a module');

$response = exchange(get('/t?module=MOD-0478', token('TKN-1234-5678')));

is($response->{headers}{'x-result'}, 'pass', 'passes');
like($response->{headers}{'x-identity'}, qr/^TKN-1234-5678,CRM robot,/,
     'and has its identity again');

passes(exchange(get('/round', $::Bad)), 'unknown_dry_run', '/back');
passes(exchange(get('/round', token('TKN-1234-5678'))), 'account_dry_run',
       '/back');
passes(exchange(get('/out', token('TKN-1234-5678'))), 'account_dry_run',
       '/open');
--- calls: 2



=== TEST 10: internal redirects from what the backend says, and an index
--- http_config eval
$::Http . <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        add_header X-Accel-Redirect $http_x_to;
        return 200;
    }
END
--- config eval
$::Config . <<"END";
    location /t {
        auth_api_token "dry";
        auth_api_token_module MOD-9999;
        proxy_pass http://127.0.0.1:\$TEST_NGINX_PORT_1;
    }

    location /enforced {
        auth_api_token "enforced";
        auth_api_token_dry_run off;
$::Proxy
    }

    location /other {
        auth_api_token "other";
        auth_api_token_account ACC-0000-0001;
$::Proxy
    }

    location /dir/ {
        auth_api_token "dir";
        auth_api_token_module MOD-9999;
        root html;
        index a.html;
    }
END
--- user_files
>>> dir/a.html
index
--- perl
my $to = "X-To: /enforced\r\n";

is(ask($::Good . $to), '207 pass', 'to where it passes');
is(ask($::BadToken . $to), '401 unknown Bearer', 'to where it is refused');

passes(exchange(get('/t', token('TKN-1234-5678'), "X-To: /other\r\n")),
       'account_dry_run', '/other');

my $response = exchange(get('/dir/', $::Bad));

is($response->{status}, 200, 'index');
is($response->{body}, "index\n", 'its body');
is($response->{headers}{'x-result'}, 'unknown_dry_run', 'its result');
--- calls: 2



=== TEST 11: limit_except
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        limit_except GET {
            auth_api_token "r";
        }
$::Proxy
    }
END
--- perl
is(ask(''), '207 -', 'GET is not checked');

for my $method (qw(POST DELETE OPTIONS)) {
    passes(exchange(get('/t', $::Bad) =~ s/^GET/$method/r), 'unknown_dry_run',
           '/t', $method);
}

is(exchange(get('/t', token('TKN-1234-5678')) =~ s/^GET/POST/r)
   ->{headers}{'x-result'}, 'pass', 'a good token');



=== TEST 12: a body, HEAD, and one connection
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    client_body_buffer_size 1k;

    location /t {
        auth_api_token "r";
$::Proxy
    }
END
--- perl
my $sock = client();

for my $i (1 .. 3) {
    my $body = 'x' x 100000;
    my $request = request_of($::Bad) =~ s/^GET/POST/r;

    print {$sock} $request =~ s/\r\n\r\n\z/\r\nContent-Length: 100000\r\n\r\n/r,
                  $body;
    my $response = read_response($sock);

    is($response->{status}, 207, "POST $i - status");
    is($response->{headers}{'x-result'}, 'unknown_dry_run', "POST $i - result");

    print {$sock} request_of(undef) =~ s/^GET/HEAD/r;
    $response = read_response($sock, 1);

    is($response->{status}, 207, "HEAD $i - status");
    is($response->{headers}{'x-result'}, 'no_token_dry_run', "HEAD $i - result");

    print {$sock} request_of(token('TKN-1234-5678'));
    $response = read_response($sock);

    is($response->{headers}{'x-result'}, 'pass', "GET $i - result");
    like($response->{body}, qr/;TKN-1234-5678;/, "GET $i - who is calling");
}

is(moved(zone()->{requests_dry_run}), 'no_token:3 pass:3 unknown:3', 'counted');
--- calls: 2



=== TEST 13: a preflight passes as before
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        auth_api_token "r";
        auth_api_token_preflight on;
$::Proxy
    }
END
--- perl
my $preflight = "Origin: x\r\nAccess-Control-Request-Method: GET\r\n";
my $request = get('/t', undef, $preflight) =~ s/^GET/OPTIONS/r;

passes(exchange($request), 'pass', '/t');
passes(exchange(get('/t', undef, $preflight)), 'no_token_dry_run', '/t');

is(moved(zone()->{requests_dry_run}), 'no_token:1 pass:1', 'counted');



=== TEST 14: auth_delay is for what is refused
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /t {
        auth_delay 60s;
        auth_api_token "r";
$::Proxy
    }
END
--- perl
dry('unknown', '/t', $::Bad);



=== TEST 15: the token object says nothing of a token that would be refused
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /t {
        auth_api_token "r";
        auth_api_token_module $arg_module;
        auth_api_token_object;
    }
END
--- perl
for my $token (token('TKN-1234-5678'), $::Bad, 'a b', undef) {
    my $response = exchange(get('/t', $token));
    my $headers = $response->{headers};

    is($response->{status}, 200, 'status');
    like($headers->{'x-result'}, qr/_dry_run\z/, 'result');
    is($response->{body}, '{}', 'body');
    is($headers->{"x-mpt-$_"}, '', $_)
        for qw(token-id token-name account-id account-name account-type modules
               extensions);
    is($headers->{age}, undef, 'no age');
    is($headers->{'cache-control'}, 'no-store', 'and not to be kept');
}

my $response = exchange(get('/t?module=MOD-0478', token('TKN-1234-5678')));

like($response->{body}, qr/^\{"id":"TKN-1234-5678",/, 'who passes');
is($response->{headers}{'x-mpt-token-id'}, 'TKN-1234-5678', 'and its header');
--- calls: 2
