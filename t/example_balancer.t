use lib 't/lib';
use AuthApiToken;
use Example;
use IO::Socket::INET ();
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/balancer.conf: what a balancer says is believed, and what anybody
# else says is not

our ($Port, $Backend) = (port(1), port(2));
our ($Balancer, $Other, $Direct) = map { "127.0.0.$_" } 10, 11, 66;
our $Good = token('TKN-1234-5678');


sub start {
    my ($way, @change) = @_;

    return start_as($way, 'balancer.conf',
        address => { '10.0.0.20:8081' => $Port, '127.0.0.1:8080' => $Backend },
        http    => backend($Backend),
        change  => [ (map { my $real = "10.0.0.$_";
                            ([ "$real/32 1;", "127.0.0.$_/32 1;" ],
                             [ "from $real;", "from 127.0.0.$_;" ]) } 10, 11),
                     @change ]);
}


# a request over a connection from an address of this machine

sub from {
    my ($address, $request) = @_;

    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $Port,
                                     LocalAddr => $address, Timeout => 10)
               || die "connect: $!";

    print {$sock} $request;

    return read_response($sock);
}


our $N = 0;

sub orders {
    my ($token, $proto, $for) = @_;

    return request_of($token, '/orders/' . ++$N,
                      (defined $proto ? "X-Forwarded-Proto: $proto\r\n" : '')
                      . (defined $for ? "X-Forwarded-For: $for\r\n" : ''));
}


# the address of the last of these in the log, where it is when the response is
# there, or soon

sub logged {
    my ($example) = @_;

    my $address;

    until_true('logged', sub {
        ($address) = $example->read('access.log') =~ m{^(\S+) .*/orders/$N }m;
    });

    return $address;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: what the balancer says of TLS and of the address
--- config
--- perl
for my $way (ways()) {
    my $example = start($way);

    for my $case ([ 'https', 200 ], [ 'HTTPS', 200 ], [ 'http', 403 ],
                  [ undef, 403 ], [ '', 403 ], [ 'on', 403 ], [ '1', 403 ],
                  [ 'https, http', 403 ], [ 'http, https', 403 ],
                  [ 'https1', 403 ], [ '1 https', 403 ])
    {
        my ($proto, $status) = @$case;
        my $response = from($Balancer, orders($Good, $proto, '192.0.2.7'));

        is($response->{status}, $status, "$way - " . ($proto // 'no header'));
    }

    my $response = from($Other, orders($Good, 'https', '192.0.2.7'));

    is($response->{status}, 200, "$way - the other balancer");
    like($response->{body}, qr/^Authorization: \n(?:.*\n)*X-MPT-Account-Id: ACC-8765-4321$/m,
         "$way - who it is");

    for my $case ([ '192.0.2.7', '192.0.2.7' ],
                  [ '10.0.0.1, 192.0.2.7', '192.0.2.7' ],
                  [ "192.0.2.7, $Other", '192.0.2.7' ],
                  [ "127.0.0.1, 192.0.2.7, $Other, $Balancer", '192.0.2.7' ],
                  [ 'unknown', $Balancer ], [ undef, $Balancer ])
    {
        my ($for, $address) = @$case;

        from($Balancer, orders($Good, 'https', $for));
        is(logged($example), $address, "$way - " . ($for // 'no address'));
    }

    # what a client may add to what the balancer says

    from($Balancer, orders($Good, 'https', "127.0.0.1\r\n"
                           . 'X-Forwarded-For: 192.0.2.7'));
    is(logged($example), '192.0.2.7', "$way - two headers");
    is(from($Balancer, orders($Good, "http\r\nX_Forwarded_Proto: https"))
       ->{status}, 403, "$way - another name");

    is(from($Balancer, orders(undef, 'https'))->{status}, 401,
       "$way - no token");
    is(from($Balancer, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")->{status},
       204, "$way - health");
    is(from($Balancer, request_of($Good, '/'))->{status}, 404,
       "$way - nothing else");

    $example->stop;
}
--- calls: 2



=== TEST 2: a client that comes to nginx directly gets nothing, whatever it sends
--- config
--- perl
for my $way (ways()) {
    my $example = start($way);

    for my $for (undef, '192.0.2.7', $Balancer, "192.0.2.7, $Balancer",
                 '127.0.0.1')
    {
        my $name = "$way - " . ($for // 'no address');

        is(from($Direct, orders($Good, 'https', $for))->{status}, 403, $name);
        is(logged($example), $Direct, "$name - the real one is logged");
        is(from($Direct, orders(undef, 'https', $for))->{status}, 401,
           "$name - no token");
    }

    for my $header ('X-Real-IP', 'Forwarded', 'True-Client-IP') {
        is(from($Direct, request_of($Good, '/orders/1', "$header: $Balancer\r\n"
                . "X-Forwarded-Proto: https\r\n"))->{status}, 403,
           "$way - $header");
    }

    $example->stop;
}
--- calls: 0



=== TEST 3: the budget of denied lookups is that of the real address
--- config
--- perl
my $example = start('as it stands');
my $n = 0;

my $bogus = sub {
    my ($for) = @_;

    return from($Balancer, orders(sprintf('idt:TKN-0000-%04d:MADEUP', ++$n),
                                  'https', $for))->{status};
};

my @statuses = map { $bogus->('192.0.2.7') } 1 .. 40;

is("@statuses[0 .. 29]", '401 ' x 29 . '401', 'the burst');
is($statuses[39], 429, 'and no more');
is($bogus->('192.0.2.99, 192.0.2.7'), 429, 'another one before it');
is($bogus->('192.0.2.8'), 401, 'another client');
is(from($Balancer, orders($Good, 'https', '192.0.2.8'))->{status}, 200,
   'a good token');
$example->stop;



=== TEST 4: the PROXY protocol in place of the headers
--- config
--- perl
my ($text) = map { Example->example($_) } 'balancer.conf';

like($text, qr/# PROXY protocol: listen 10\.0\.0\.20:8081 proxy_protocol;/,
     'a comment');

for my $way (ways()) {
    my $example = start($way,
        [ 'listen 10.0.0.20:8081;', 'listen 10.0.0.20:8081 proxy_protocol;' ],
        [ '$http_x_forwarded_proto"', '$proxy_protocol_server_port"' ],
        [ '"1 https" on;', '"1 443" on;' ],
        [ 'real_ip_header X-Forwarded-For;', 'real_ip_header proxy_protocol;' ]);

    my $proxy = sub { "PROXY TCP4 192.0.2.7 192.0.2.1 40000 $_[0]\r\n" };

    my $response = from($Balancer, $proxy->(443) . orders($Good));

    is($response->{status}, 200, "$way - over TLS");
    is(logged($example), '192.0.2.7', "$way - the address");
    is(from($Balancer, $proxy->(80) . orders($Good, 'https'))->{status}, 403,
       "$way - in the clear");
    is(from($Direct, $proxy->(443) . orders($Good, 'https', $Balancer))
       ->{status}, 403, "$way - from somewhere else");
    is(logged($example), $Direct, "$way - which is logged");

    # without a token, as nginx logs what it cannot read

    is(from($Balancer, orders(undef, 'https'))->{status}, 0, "$way - without");
    like($example->log, qr/broken header: "GET /, "$way - as the example says");
    $example->stop;
}
--- calls: 2
