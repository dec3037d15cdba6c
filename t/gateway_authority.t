use lib 't/lib';
use AuthApiToken;
use Gateway;
use JSON::PP ();
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# conf-examples/gateways/authority.conf: what gateways of any kind may send

our $Https = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n";


# a question; undef for no token

sub question {
    my ($method, $uri, $id, $headers, $port) = @_;

    return exchange("$method $uri HTTP/1.1\r\nHost: a\r\n"
                    . (defined $headers ? $headers : $Https)
                    . ($id ? 'Authorization: Bearer ' . token($id) . "\r\n"
                           : '') . "\r\n", $port || $Gateway::Port{authority});
}


# the identity headers, each of which has to be there

sub said {
    my ($response) = @_;

    return join ';', map {
        my $value = $response->{headers}{lc $_};
        defined $value ? $value : '(none)';
    } @IdentityHeaders;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: exactly 200, and every header, whatever the method
--- bare_config
--- config eval: ''
--- perl
authority_start();
api('PUT', 'tokens/TKN-0000-0001', { modules => [], extensions => [] });

my $all = 'TKN-1234-5678;CRM robot;ACC-8765-4321;TestCompany;Vendor;'
          . 'MOD-0478,MOD-1756;*';

for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS)) {
    my $response = question($method, '/check', 'TKN-1234-5678',
                            "${Https}Content-Length: 0\r\n");

    is($response->{status}, 200, "$method - yes");
    is(said($response), $all, "$method - who it is");
}

is(said(question('GET', '/check', 'TKN-0000-0001')),
   'TKN-0000-0001;CRM robot;ACC-8765-4321;TestCompany;Vendor;;',
   'empty where there is nothing to say');

my $response = question('GET', '/check', 'TKN-1234-5678');
my $object = JSON::PP->new->utf8->decode($response->{body});

is($object->{account}{id}, 'ACC-8765-4321', 'the object');
unlike($response->{body}, qr/MADEUP/, 'without the secret');
is(figures()->{calls}, 2, 'one lookup for each');



=== TEST 2: what a client says of the backend's answer
--- bare_config
--- config eval: ''
--- perl
authority_start();

for my $header ('If-Match: "x"', 'If-Match: *', 'If-None-Match: *',
                'If-None-Match: "x"', 'Range: bytes=0-0', 'Range: bytes=999-',
                'If-Range: "x"', 'TE: trailers',
                'If-Modified-Since: Fri, 25 Nov 2050 00:00:00 GMT',
                'If-Unmodified-Since: Fri, 25 Nov 2005 00:00:00 GMT',
                'Accept: text/html', 'Accept-Encoding: gzip')
{
    for my $method (qw(GET HEAD)) {
        my $response = question($method, '/check', 'TKN-1234-5678',
                                "$Https$header\r\n");

        is($response->{status}, 200, "$method with $header");
        like(said($response), qr/\ATKN-1234-5678;.*;\*\z/,
             "$method with $header - who it is");
    }
}



=== TEST 3: how the client came, by the gateway's word
--- bare_config
--- config eval: ''
--- perl
authority_start();

for my $proto ('http', '', 'https, http', 'httpsx', undef) {
    my $headers = defined $proto ? "X-Forwarded-Proto: $proto\r\n" : '';

    is(question('GET', '/check', 'TKN-1234-5678', $headers)->{status}, 403,
       'X-Forwarded-Proto: ' . (defined $proto ? $proto : '-'));
}

is(question('GET', '/check', 'TKN-1234-5678', "X-Forwarded-Proto: HTTPS\r\n")
   ->{status}, 200, 'X-Forwarded-Proto: HTTPS');

for my $for ('192.0.2.7', '198.51.100.1, 192.0.2.7', 'made up,192.0.2.7',
             '192.0.2.9, 2001:db8::7', 'made up', '')
{
    question('GET', '/check', undef,
             "X-Forwarded-Proto: https\r\nX-Forwarded-For: $for\r\n");
}

until_true('logged', sub { 6 == grep { /no_token/ } checks() });
is(join(' ', map { (split)[3] } grep { /no_token/ } checks()),
   '192.0.2.7 192.0.2.7 192.0.2.7 2001:db8::7 127.0.0.1 127.0.0.1',
   'the last address is the client');



=== TEST 4: nothing else is yes
--- bare_config
--- config eval: ''
--- perl
authority_start();
api('PUT', 'tokens/TKN-0000-0001', { account => { type => 'Client' } });

for my $uri ('/', '/checks', '/check/', '/check/other', '/_token_api',
             '/check/../other')
{
    is(question('GET', $uri, 'TKN-1234-5678')->{status}, 404, $uri);
}

is(question('GET', '/check', 'TKN-0000-0001')->{status}, 200, 'any token');
is(question('GET', '/check/orders', 'TKN-0000-0001')->{status}, 403,
   'not for orders');
is(question('GET', '/check/orders', 'TKN-1234-5678')->{status}, 200,
   'that one is');



=== TEST 5: any path is the same question
--- bare_config
--- config eval: ''
--- perl
authority_start();
api('PUT', 'tokens/TKN-0000-0001', { account => { type => 'Client' } });

my $port = $Gateway::Port{any_path};

for my $uri ('/', '/orders/1?a=b', '/check', '//check', '/a/../check') {
    is(question('POST', $uri, 'TKN-1234-5678',
                "${Https}Content-Length: 0\r\n", $port)->{status}, 200,
       "$uri - for one that may");
    is(question('POST', $uri, 'TKN-0000-0001',
                "${Https}Content-Length: 0\r\n", $port)->{status}, 403,
       "$uri - not for any token");
}

for my $uri ('/../check', '/%2e%2e/check', '/check%00', '/_token_api') {
    like(question('GET', $uri, 'TKN-1234-5678', undef, $port)->{status},
         qr/\A40[04]\z/, "$uri - for nobody");
}

is(figures()->{calls}, 2, 'one lookup for each');
question('GET', '/check', $_) for qw(TKN-0000-0001 TKN-1234-5678);
is(figures()->{calls}, 2, 'which is also known to the other server');
