use lib 't/lib';
use AuthApiToken;
use Emulator;
use Example;
use File::Temp qw(tempdir);
use Test::Nginx::Socket 'no_plan';

# conf-examples/environments.conf: what one environment says of a token is worth
# nothing in another

our ($Tls, $Orders, $OrdersTest) = map { port($_) } 1 .. 3;
our $Test = Emulator->start(host => 'api.s1.show');

my $dir = tempdir(CLEANUP => 1);

system("cat $ENV{TEST_NGINX_CERT}/api.crt " . $Test->certificate
       . " > $dir/both.crt") == 0 or die "$dir/both.crt";


sub start {
    my (%option) = @_;

    $Test->api('POST', 'reset');

    # one worker, so that it is one connection that is kept

    push @{$option{change}}, ['worker_processes auto', 'worker_processes 1'];

    return Example->start('environments.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Orders,
                     '127.0.0.1:8081' => $OrdersTest,
                     'api.s1.show:443' => $Test->tls_port },
        file => { '/etc/ssl/certs/ca-certificates.crt' => "$dir/both.crt" },
        http => backend($Orders, 'production') . backend($OrdersTest, 'test'),
        %option);
}


sub ask {
    my ($example, $host, $token) = @_;

    return $example->ask($Tls, request_of($token, '/orders/1')
                               =~ s/Host: a/Host: $host/r, 'tls');
}


# the status, and what the backend got, or why not

sub told {
    my ($response) = @_;

    my ($id) = $response->{body} =~ /^X-MPT-Token-Id: (\S+)$/m;
    my ($at) = $response->{body} =~ /^at: (\S+)$/m;
    my ($realm) = ($response->{headers}{'www-authenticate'} || '')
                  =~ /^Bearer realm="([^"]+)"/;

    return join ' ', $response->{status}, grep { defined } $at, $id, $realm;
}


our ($Live, $Sandbox) = ('orders.example.com', 'orders-test.example.com');

no_long_string();
run_tests();

__DATA__

=== TEST 1: each asks its own, and they share no verdict
--- config
--- api
token TKN-1111-1111
token TKN-3333-3333
--- perl
my $example = start();

$Test->api('PUT', "tokens/$_") for qw(TKN-2222-2222 TKN-3333-3333);
$Test->api('PUT', 'tokens/TKN-3333-3333', { account => { type => 'Client' } });

# the second time from the zones, in either order

for my $way ([$Live, $Sandbox], [$Sandbox, $Live], [$Live, $Sandbox]) {
    my %told = map {
        my $host = $_;
        $host => [ map { told(ask($example, $host, token("TKN-$_"))) }
                   qw(1111-1111 2222-2222 3333-3333) ]
    } @$way;

    is_deeply($told{$Live},
              ['200 production TKN-1111-1111', '401 orders',
               '200 production TKN-3333-3333'], 'production');
    is_deeply($told{$Sandbox},
              ['401 orders (test)', '200 test TKN-2222-2222',
               '403 orders (test)'], 'test');
}

is($Test->calls, 3, 'the test environment was asked once about each');

my ($request) = @{$Test->api('GET', 'figures')->{requests}};
my %header = map { lc $_->[0] => $_->[1] } @{$request->{headers}};

is($header{host}, 'api.s1.show', 'by its name');

%header = map { lc $_->[0] => $_->[1] } @{figures()->{requests}[0]{headers}};
is($header{host}, 'api.platform.softwareone.com', 'as is the other');
$example->stop;
--- calls: 3
--- connections: 1



=== TEST 2: names of no environment
--- config
--- perl
my $example = start();

for my $host ('a', '', 'orders.example.com.evil', '127.0.0.1',
              'api.s1.show', 'api.platform.softwareone.com')
{
    is(ask($example, $host, token('TKN-1234-5678'))->{status},
       $host eq '' ? 400 : 404, "\"$host\"");
}

# a name for TLS, another for the request: the latter counts

$Test->api('PUT', 'tokens/TKN-2222-2222');

my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $Tls,
    SSL_verify_mode => 0, SSL_hostname => $Sandbox, Timeout => 10);

print {$sock} request_of(token('TKN-2222-2222'), '/orders/1')
              =~ s/Host: a/Host: $Live/r;

is(told(read_response($sock)), '401 orders', 'TLS said test');

print {$sock} request_of(token('TKN-2222-2222'), '/orders/1')
              =~ s/Host: a/Host: $Sandbox/r
              =~ s/\r\n\r\n/\r\nX-Forwarded-Host: $Live\r\n\r\n/r;

is(told(read_response($sock)), '200 test TKN-2222-2222', 'a header is no name');
$example->stop;
--- calls: 1



=== TEST 3: one is down, the other one does not notice
--- config
--- perl
my $example = start();

$Test->api('PUT', "tokens/TKN-2222-2222");
$Test->api('PUT', 'faults/any', { status => 500 });

is(ask($example, $Sandbox, token("TKN-2222-000$_"))->{status}, 503, 'test')
    for 1 .. 6;

cmp_ok($Test->calls, '<', 6, 'its breaker is open');
is(told(ask($example, $Live, token('TKN-1234-5678'))),
   '200 production TKN-1234-5678', 'production');
$example->stop;
--- calls: 1



=== TEST 4: a host that is wrong lets nobody in
--- config
--- perl
my $here = 'set $marketplace_host api.s1.show;';

# what "set" says has no upstream; the upstream has the address of another one;
# without "set" it is production that is asked, which does not know the token

api('PUT', 'tokens/TKN-3333-3333');

for my $case ([503, $here, 'set $marketplace_host api.example.com;'],
              [503, " api.s1.show:443;\n        keepalive 4;",
               " api.platform.softwareone.com:443;\n        keepalive 4;"],
              [401, $here, ''])
{
    my ($status, @change) = @$case;
    my $example = start(change => [\@change]);

    $Test->api('PUT', "tokens/$_") for qw(TKN-2222-2222 TKN-3333-3333);
    is(ask($example, $Sandbox, token('TKN-2222-2222'))->{status}, $status,
       'of test');
    is(ask($example, $Sandbox, token('TKN-3333-3333'))->{status}, 503,
       'of both, and it is not known of which') if $status == 503;
    is($Test->calls, 0, 'test was not asked');
    is(told(ask($example, $Live, token('TKN-1234-5678'))),
       '200 production TKN-1234-5678', 'production');
    $example->stop;
}



=== TEST 5: in the preaccess phase
--- config
--- api
token TKN-1111-1111
--- perl
my $example = start(change => [['default_type application/octet-stream;',
                                'auth_api_token_phase preaccess;']]);

$Test->api('PUT', 'tokens/TKN-2222-2222');

for (1, 2) {
    is(told(ask($example, $Live, token('TKN-1111-1111'))),
       '200 production TKN-1111-1111', 'production');
    is(told(ask($example, $Sandbox, token('TKN-1111-1111'))),
       '401 orders (test)', 'not in test');
    is(told(ask($example, $Sandbox, token('TKN-2222-2222'))),
       '200 test TKN-2222-2222', 'test');
    is(told(ask($example, $Live, token('TKN-2222-2222'))), '401 orders',
       'not in production');
}

$example->stop;
--- calls: 2
