use lib 't/lib';
use AuthApiToken;
use Lines qw($Good $Bad);
use Test::Nginx::Socket 'no_plan';

our $Backend = 'server { listen 127.0.0.1:$TEST_NGINX_PORT_1; return 200; }';

sub status {
    my ($method, $headers) = @_;

    my $response = exchange("$method /t HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                            . "$headers\r\n");

    return $response->{status};
}


run_tests();

__DATA__

=== TEST 1: only what is not GET is checked
--- config
    location /t {
        limit_except GET {
            auth_api_token "r";
        }

        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- http_config eval: $::Backend
--- perl
is(status('GET', ''), 200, 'GET');
is(status('HEAD', ''), 200, 'HEAD');
is(status('POST', ''), 401, 'POST');
is(status('POST', $::Bad), 401, 'POST with a bad token');
is(status('POST', $::Good), 200, 'POST with a good token');
is(status('DELETE', $::Good), 200, 'DELETE with a good token');
--- calls: 3



=== TEST 2: only GET is checked
--- config
    location /t {
        auth_api_token "r";

        limit_except GET {
            auth_api_token off;
        }

        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- http_config eval: $::Backend
--- perl
is(status('GET', ''), 401, 'GET');
is(status('GET', $::Good), 200, 'GET with a good token');
is(status('POST', ''), 200, 'POST');
--- calls: 1



=== TEST 3: another realm, the same requirements
--- config
    location /t {
        auth_api_token        "read";
        auth_api_token_module MOD-9999;

        limit_except GET {
            auth_api_token "write";
        }

        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- http_config eval: $::Backend
--- perl
like(exchange("GET /t HTTP/1.1\r\nHost: a\r\n\r\n")->{head},
     qr/realm="read"/, 'GET');
like(exchange("DELETE /t HTTP/1.1\r\nHost: a\r\n\r\n")->{head},
     qr/realm="write"/, 'DELETE');
is(status('DELETE', $::Good), 403, 'DELETE without the module');
--- calls: 1
