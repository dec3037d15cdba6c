use lib 't/lib';
use AuthApiToken;
use IO::Socket::SSL ();
use Lines qw($Good);
use Test::Nginx::Socket 'no_plan';

our $Tls = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 ssl;
        ssl_certificate     $TEST_NGINX_CERT/api.crt;
        ssl_certificate_key $TEST_NGINX_CERT/api.key;

        auth_api_token_request /_token_api;
        add_header X-Result $auth_api_token_result always;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location /t   { auth_api_token "r"; try_files /n =204; }
        location /var { auth_api_token "r"; auth_api_token_https $arg_s; try_files /n =204; }
    }
END


sub ask {
    my ($uri, $headers, $tls) = @_;

    my $request = "GET $uri HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  . "$headers\r\n";

    return exchange($request)->{headers}{'x-result'} unless $tls;

    my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $ENV{TEST_NGINX_PORT_1},
                                    SSL_verify_mode => 0)
        or die "TLS: $IO::Socket::SSL::SSL_ERROR";

    print {$sock} $request;

    my ($result) = join('', <$sock>) =~ /^X-Result: (\w+)/m;

    return $result;
}


run_tests();

__DATA__

=== TEST 1: on by default: over HTTPS only
--- http_config eval: $::Tls
--- config
    auth_api_token_https on;
    add_header X-Result $auth_api_token_result always;
    location /t { auth_api_token "r"; try_files /n =204; }
--- perl
is(ask('/t', $::Good, 1), 'pass', 'HTTPS');
is(ask('/t', $::Good), 'insecure', 'HTTP');
is(ask('/t', '', 1), 'no_token', 'HTTPS, no token');
is(ask('/t', ''), 'no_token', 'HTTP, no token');
is(ask('/t', "Authorization: Bearer x.y.z\r\n"), 'insecure', 'HTTP, a JWT');
is(ask('/t', "Authorization: Bearer x y\r\n"), 'malformed', 'HTTP, malformed');
is(ask('/t', "${\$::Good}X-Forwarded-Proto: https\r\n"), 'insecure',
   'what a client says about itself');
--- calls: 1



=== TEST 2: nothing is said of https, and that means on
--- config
    auth_api_token_request /_token_api;
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_2;
        auth_api_token_request /_token_api;
        location / { auth_api_token "r"; try_files /n =204; }
        location = /_token_api { internal; return 500; }
    }
--- perl
is(exchange("GET / HTTP/1.1\r\nHost: a\r\n$::Good\r\n",
            $ENV{TEST_NGINX_PORT_2})->{status}, 403, 'insecure');
--- calls: 0



=== TEST 3: a variable decides, for a balancer in front
--- http_config eval: $::Tls
--- config
    auth_api_token_https $http_x_forwarded_proto;
    add_header X-Result $auth_api_token_result always;
    location /t { auth_api_token "r"; try_files /n =204; }
--- perl
for my $value ('https', 'HTTPS', 'on', 'ON', '1') {
    is(ask('/t', "${\$::Good}X-Forwarded-Proto: $value\r\n"), 'pass',
       "'$value'");
}

for my $value ('http', '', '0', 'off', 'no', 'https,http', 'httpss', '10',
               'wss', 'false')
{
    is(ask('/t', "${\$::Good}X-Forwarded-Proto: $value\r\n"), 'insecure',
       "'$value'");
}

is(ask('/t', $::Good), 'insecure', 'none');
is(ask('/var', $::Good, 1), 'insecure', 'HTTPS, but the variable says no');
--- calls: 5



=== TEST 4: inherited, with its variable, and overridden
--- config
    auth_api_token_https $arg_s;
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /t   { try_files /n =204; }
    location /on  { auth_api_token_https on; try_files /n =204; }
    location /off { auth_api_token_https off; try_files /n =204; }
--- perl
is(ask('/t?s=on', $::Good), 'pass', 'inherited');
is(ask('/t', $::Good), 'insecure', 'inherited');
is(ask('/on?s=on', $::Good), 'insecure', 'on');
is(ask('/off', $::Good), 'pass', 'off');
