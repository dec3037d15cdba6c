use lib 't/lib';
use AuthApiToken;
use Gateway;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/nginx.conf: auth_request asks the authority

sub start {
    my ($url) = @_;

    my %port = %Gateway::Port;

    nginx_start('gateway', 'nginx.conf',
        { '443' => $port{tls}, '80' => $port{plain},
          '127.0.0.1:8080' => $port{backend},
          '127.0.0.1:8081' => $port{authority} },
        $url ? [ 'authority/check/orders', "authority$url" ] : ());
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
refuses([ 'title', 'status' ]);



=== TEST 3: no answer means no
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
start();
closed(503, sub { start('/nowhere') });



=== TEST 4: a token of which little is known
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start('/check');
passes_empty();
