use lib 't/lib';
use AuthApiToken;
use Gateway;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/Caddyfile: forward_auth asks the authority

sub start {
    my ($url) = @_;

    my $config = change('gateways/Caddyfile',
        "admin off\n" => "admin off\n\tdefault_bind 127.0.0.1\n"
                         . "\thttp_port $Gateway::Port{plain}\n"
                         . "\thttps_port $Gateway::Port{tls}\n"
                         . "\tstorage file_system DIR/caddy\n",
        '/etc/ssl/certs/api.example.com.pem' => "$ENV{TEST_NGINX_CERT}/api.crt",
        '/etc/ssl/private/api.example.com.key'
            => "$ENV{TEST_NGINX_CERT}/api.key",
        '127.0.0.1:8080' => "127.0.0.1:$Gateway::Port{backend}",
        '127.0.0.1:8081' => "127.0.0.1:$Gateway::Port{authority}",
        $url ? ('uri /check/orders' => "uri $url") : ()
    );

    gateway_start({ Caddyfile => $config }, 'caddy', 'run', '--config',
                  'DIR/Caddyfile', '--adapter', 'caddyfile');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: requests that pass
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start();
passes();



=== TEST 2: requests that are refused
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start();
refuses([ qw(title status detail) ]);



=== TEST 3: no answer means no
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
start();
closed(502, sub { start('/nowhere') });



=== TEST 4: a token of which little is known
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start('/check');
passes_empty();
