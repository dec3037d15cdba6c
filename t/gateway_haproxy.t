use lib 't/lib';
use AuthApiToken;
use Gateway;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/haproxy.cfg, haproxy.lua: Lua asks the authority

sub start {
    my ($url, @program) = @_;

    my $config = change('gateways/haproxy.cfg',
        '/etc/haproxy/' => 'DIR/',
        'bind :443' => "bind 127.0.0.1:$Gateway::Port{tls}",
        'bind :80' => "bind 127.0.0.1:$Gateway::Port{plain}",
        'api.example.com.pem' => 'both.pem',
        '127.0.0.1:8080' => "127.0.0.1:$Gateway::Port{backend}",
        '127.0.0.1:8081' => "127.0.0.1:$Gateway::Port{authority}",
        $url ? ('/check/orders' => $url) : ()
    );

    gateway_start({ 'haproxy.cfg' => $config,
                    'haproxy.lua' => change('gateways/haproxy.lua', @program) },
                  '/usr/sbin/haproxy', '-db', '-f', 'DIR/haproxy.cfg');
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
closed(503, sub { start('/nowhere') });



=== TEST 4: a token of which little is known
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();
start('/check');
passes_empty();



=== TEST 5: a program that fails
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
authority_start();

for my $wrong ('core.nothing():get', 'error("on purpose"):get') {
    start(undef, 'core.httpclient():get' => $wrong);
    closed_to_all(503);
}



=== TEST 6: an answer that is neither yes nor no
--- after: lua
--- bare_config
--- config eval: $Gateway::Backend
--- perl
for my $status (204, 302, 304) {
    odd_authority_start($status);
    start();
    closed_to_all(503);
}
