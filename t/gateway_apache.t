use lib 't/lib';
use AuthApiToken;
use Gateway;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/apache.conf, apache.lua: Lua asks the authority

# what the package's own configuration and a2enmod would do

our $Main = join '', map { "$_\n" }
            'ServerRoot DIR', 'ServerName localhost', 'PidFile DIR/apache.pid',
            'DefaultRuntimeDir DIR', 'ErrorLog DIR/apache.log',
            map { "LoadModule ${_}_module /usr/lib/apache2/modules/mod_$_.so" }
            qw(mpm_event authz_core headers lua proxy proxy_http ssl);


sub start {
    my ($url, @program) = @_;

    my %port = %Gateway::Port;
    my $config = change('gateways/apache.conf',
        '/etc/apache2/' => 'DIR/',
        '*:443' => "127.0.0.1:$port{tls}",
        '*:80' => "127.0.0.1:$port{plain}",
        '/etc/ssl/certs/api.example.com.pem' => "$ENV{TEST_NGINX_CERT}/api.crt",
        '/etc/ssl/private/api.example.com.key'
            => "$ENV{TEST_NGINX_CERT}/api.key",
        '127.0.0.1:8080' => "127.0.0.1:$port{backend}"
    );
    my $lua = change('gateways/apache.lua',
        '127.0.0.1:8081' => "127.0.0.1:$port{authority}",
        $url ? ('/check/orders' => $url) : (), @program
    );
    my $listen = join '', map { "Listen 127.0.0.1:$_\n" } @port{qw(tls plain)};

    gateway_start({ 'apache2.conf' => "$Main$listen$config",
                    'apache.lua' => $lua },
                  '/usr/sbin/apache2', '-D', 'FOREGROUND', '-f',
                  'DIR/apache2.conf');
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

for my $wrong ([ 'http.request {' => 'http.nothing {' ],
               [ 'function check(r)' => 'function check(r' ],
               [ 'function check(r)' => 'function other(r)' ])
{
    start(undef, @$wrong);
    closed_to_all(500);
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
