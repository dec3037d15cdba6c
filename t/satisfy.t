use lib 't/lib';
use AuthApiToken;
use Lines qw($Get $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# "satisfy" with allow and deny, auth_basic and auth_request

our $Users = <<'END';
>>> ../conf/users
user:{PLAIN}good
END

our $Basic = "Authorization: Basic dXNlcjpnb29k\r\n";
our $BadBasic = "Authorization: Basic dXNlcjpiYWQ=\r\n";


# status, result, and the schemes of all challenges

sub ask {
    my ($headers) = @_;

    my $response = exchange("$Get$headers\r\n");
    my @schemes = $response->{head} =~ /^WWW-Authenticate: (\w+)/mg;

    return join ' ', $response->{status},
                $response->{headers}{'x-result'} || '-', @schemes;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: satisfy any, an address that is allowed needs no token
--- config
    location /t {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
is(ask(''), '204 -', 'no token');
is(ask($::Bad), '204 -', 'a bad token');
is(ask("Authorization: Bearer a b\r\n"), '204 -', 'not even one');
--- calls: 0
--- calls_preaccess: 1



=== TEST 2: satisfy any, an address that is denied needs a token
--- config
    location /t {
        satisfy any;
        deny all;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
is(ask(''), '401 no_token Bearer', 'no token');
is(ask($::Bad), '401 unknown Bearer', 'a bad token');
is(ask($::Good), '204 pass', 'a good token');
is(ask("Authorization: Bearer a b\r\n"), '400 malformed Bearer', 'malformed');

api('PUT', 'faults/any', { status => 500 });
is(ask($::Good), '503 unavailable', 'unavailable');

like(exchange("$::Get$::Bad\r\n")->{body}, qr/^\{"type"/, 'problem');
--- calls: 4



=== TEST 3: satisfy all, both must hold
--- config
    location /t {
        satisfy all;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
is(ask(''), '401 no_token Bearer', 'no token');
is(ask($::Bad), '401 unknown Bearer', 'a bad token');
is(ask($::Good), '204 pass', 'a good token');
--- calls: 2



=== TEST 4: satisfy any with auth_basic
--- config
    location /t {
        satisfy any;
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- user_files eval: $::Users
--- perl
is(ask(''), '401 no_token Basic Bearer', 'nothing');
is(ask($::Basic), '204 -', 'a password');
is(ask($::BadBasic), '401 no_token Basic Bearer', 'a bad password');
is(ask($::Good), '204 pass', 'a good token, and no challenge is left');
is(ask($::Bad), '401 unknown Basic Bearer', 'a bad token');

is(ask($::Good), '204 pass', 'again');
is(ask(''), '401 no_token Basic Bearer', 'again');
--- calls: 3



=== TEST 5: satisfy any with auth_basic over one connection
--- config
    location /t {
        satisfy any;
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- user_files eval: $::Users
--- perl
my $sock = client();
my @statuses;

for my $headers ($::Good, '', $::Basic, $::Bad, $::Good, $::BadBasic, $::Good) {
    print {$sock} "$::Get$headers\r\n";
    push @statuses, read_response($sock)->{status};
}

is("@statuses", '204 401 204 401 204 401 204', 'in order');
--- calls: 4



=== TEST 6: satisfy any, a token without access
--- config
    location /t {
        satisfy any;
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- user_files eval: $::Users
--- perl
is(ask($::Good), '401 module Basic Bearer', 'status of the other');
like(exchange("$::Get$::Good\r\n")->{body}, qr/<title>401/, 'page of nginx');
--- calls: 2



=== TEST 7: satisfy all with auth_basic, the token in a header of its own
--- config
    location /t {
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r" token=$http_x_token;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- user_files eval: $::Users
--- perl
is(ask("${\$::Basic}X-Token: <TKN-1234-5678>\r\n"), '204 pass', 'both');
is(ask($::Basic), '401 no_token Bearer', 'a password only');
is(ask("X-Token: <TKN-1234-5678>\r\n"), '401 - Basic', 'a token only');
--- calls: 1
--- calls_preaccess: 2



=== TEST 8: satisfy any with auth_request
--- config
    location /t {
        satisfy any;
        auth_request /other;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location = /other {
        internal;
        if ($http_x_other = yes) { return 204; }
        return 403;
    }
--- perl
is(ask($::Good), '204 pass', 'a good token');
is(ask("${\$::Bad}X-Other: yes\r\n"), '204 unknown', 'the other');
is(ask($::Bad), '401 unknown Bearer', 'none');

for my $length (20, 976, 1126, 3026, 8000) {
    my $jwt = 'Authorization: Bearer eyJ' . 'a' x ($length - 3) . "\r\n";

    is(ask("${jwt}X-Other: yes\r\n"), '204 unsupported', "a JWT of $length");
    is(ask($jwt), '401 unsupported Bearer', "a JWT of $length that nobody takes");
}
--- calls: 3



=== TEST 9: where another module lets a request in, a later error is not ours
--- config
    location /t {
        satisfy any;
        auth_request /other;
        auth_api_token "r";
        try_files /dev/null =401;
    }

    location = /other {
        internal;
        return 204;
    }
--- perl
my $response = exchange("$::Get$::Bad\r\n");

is($response->{status}, 401, 'status');
like($response->{body}, qr/<title>401/, 'page of nginx');
--- calls: 1



=== TEST 10: auth_delay
--- config
    location /t {
        auth_delay 300ms;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
my $start = Time::HiRes::time();

is(ask($::Bad), '401 unknown Bearer', 'refused');
cmp_ok(Time::HiRes::time() - $start, '>=', 0.29, 'late');
like(exchange("$::Get$::Bad\r\n")->{body}, qr/^\{"type"/, 'problem');
--- calls: 2



=== TEST 11: limit_req of the location itself, before and after
--- http_config
    limit_req_zone $auth_api_token_claimed_id zone=r:1m rate=1r/m;
--- config
    location /t {
        limit_req zone=r;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
is(ask($::Good), '204 pass', 'the first');
is(ask($::Good), '503 -', 'the second, of the same claimed id');
--- calls: 1
--- calls_preaccess: 2



=== TEST 12: where another module lets a request in, a later error page is not ours
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 401;
    }
--- config
    satisfy any;
    auth_request /other;
    auth_api_token "r";
    root html;

    location = /other {
        internal;
        return 204;
    }

    location / {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
        proxy_intercept_errors on;
        error_page 401 /page;
    }

    location = /page {
        sendfile off;
    }
--- user_files eval
">>> page\n" . 'x' x 200000 . "\n"
--- perl
my $sock = client();

print {$sock} "$::Get\r\n" x 3;

for (1 .. 3) {
    my $response = read_response($sock);

    is($response->{status}, 401, 'status');
    is(length $response->{body}, 200001, 'the whole page');
}
