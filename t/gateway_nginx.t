use lib 't/lib';
use AuthApiToken;
use Gateway;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/nginx.conf: auth_request asks the authority

sub start {
    my ($url) = @_;

    my $config = change('gateways/nginx.conf',
        'user www-data;' => 'daemon off;' . ($> == 0 ? ' user root;' : ''),
        'worker_processes auto;' => 'worker_processes 1;',
        'pid /run/nginx.pid;' => 'pid DIR/gateway.pid;',
        "http {\n" => "http {\n    client_body_temp_path DIR/body;\n"
                     . "    proxy_temp_path DIR/proxy;\n",
        '/var/log/nginx/' => 'DIR/gateway-',
        'listen 443 ssl;' => "listen 127.0.0.1:$Gateway::Port{tls} ssl;",
        'listen 80;' => "listen 127.0.0.1:$Gateway::Port{plain};",
        '/etc/ssl/certs/api.example.com.pem' => "$ENV{TEST_NGINX_CERT}/api.crt",
        '/etc/ssl/private/api.example.com.key'
            => "$ENV{TEST_NGINX_CERT}/api.key",
        '127.0.0.1:8080' => "127.0.0.1:$Gateway::Port{backend}",
        '127.0.0.1:8081' => "127.0.0.1:$Gateway::Port{authority}",
        $url ? ('authority/check/orders' => "authority$url") : ()
    );

    gateway_start({ 'nginx.conf' => $config }, $ENV{TEST_NGINX_BINARY},
                  '-e', 'DIR/gateway-error.log', '-p', 'DIR',
                  '-c', 'DIR/nginx.conf');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: who passes
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start();
passes();



=== TEST 2: who is refused
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start();
refuses([ 'title', 'status' ]);



=== TEST 3: no answer is no
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
start();
closed(503, sub { start('/nowhere') });



=== TEST 4: little is known
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start('/check');
passes_empty();
