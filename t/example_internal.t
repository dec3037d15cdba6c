use lib 't/lib';
use AuthApiToken;
use Example;
use IO::Socket::SSL ();
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/internal-network.conf: who is let in without a token, and what
# the backend learns of that

our ($Tls, $Backend) = (port(1), port(2));
our $Good = token('TKN-1234-5678');
our ($Internal, $External, $Balancer) = map { "127.$_" } '10.0.1', '99.0.1',
                                                         '10.0.10';
our $Server = backend($Backend) =~ s/(?=X-MPT-Token-Id)/<<"END"/er;
X-Caller: \$http_x_caller
END

# from nobody but a balancer, by the lines that are comments

our @Behind = ([ '# set_real_ip_from 10.0.0.10;', "set_real_ip_from $Balancer;" ],
               [ '# real_ip_header', 'real_ip_header' ],
               [ '# deny 10.0.0.10;', "deny $Balancer;" ]);


sub start {
    my ($way, @change) = @_;

    return start_as($way, 'internal-network.conf', http => $Server,
        address => { '443' => $Tls, '127.0.0.1:8080' => $Backend },
        change  => [ [ 'allow 10.0.0.0/8;', 'allow 127.10.0.0/16;' ],
                     @change ]);
}


# a request from an address of this machine

sub from {
    my ($address, $token, @headers) = @_;

    my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $Tls,
                                    LocalAddr => $address, Timeout => 10,
                                    SSL_verify_mode => 0)
               || die "TLS: $IO::Socket::SSL::SSL_ERROR";

    print {$sock} request_of($token, '/orders/1',
                             join '', map { "$_\r\n" } @headers);

    return read_response($sock);
}


# the backend got it, and learned this

sub passes {
    my ($name, $response, $caller, $id, $account) = @_;

    is($response->{status}, 200, $name);
    is($response->{body} =~ s/^GET .*\n//r, <<"END", "$name - at the backend");
Authorization: @{[ '' ]}
X-Caller: $caller
X-MPT-Token-Id: $id
X-MPT-Token-Name: @{[ $id && 'CRM robot' ]}
X-MPT-Account-Id: $account
X-MPT-Account-Name: @{[ $id && 'TestCompany' ]}
X-MPT-Account-Type: @{[ $id && 'Vendor' ]}
X-MPT-Modules: @{[ $id && 'MOD-0478,MOD-1756' ]}
X-MPT-Extensions: @{[ $id && '*' ]}
END
}


sub internal {
    passes(@_, 'internal', '', '');
}


sub known {
    passes(@_, 'token', 'TKN-1234-5678', 'ACC-8765-4321');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: from the internal network without a token, else with one
--- config
--- api
token TKN-0000-0001 {"modules":[]}
fault TKN-0000-0503 {"status":500}
--- perl
for my $way (ways()) {
    my $example = start($way);
    my $poor = token('TKN-0000-0001');

    internal("$way - internal", from($Internal));
    internal("$way - with a token", from($Internal, $Good));
    internal("$way - with a bogus one", from($Internal, $Good . 'x'));
    internal("$way - with one that is not enough", from($Internal, $poor));
    internal("$way - made up", from($Internal, undef, 'X-Caller: token',
                                    'X-MPT-Account-Id: ACC-6666-6666',
                                    'X-MPT-Account-Type: Operations'));

    known("$way - a good token", from($External, $Good));
    known("$way - made up", from($External, $Good, 'X-Caller: internal',
                                 'X-MPT-Account-Id: ACC-6666-6666'));

    for my $case ([ undef, 401 ], [ $Good . 'x', 401 ], [ $poor, 403 ],
                  [ 'a b', 400 ], [ token('TKN-0000-0503'), 503 ])
    {
        my ($token, $status) = @$case;

        is(from($External, $token)->{status}, $status, "$way - $status");
    }

    for my $header ('X-Forwarded-For', 'X-Real-IP', 'Forwarded') {
        is(from($External, undef, "$header: $Internal")->{status}, 401,
           "$way - $header");
    }

    $example->stop;
}



=== TEST 2: an internal caller costs no lookup
--- config
--- perl
my $example = start('as it stands');

internal('no token', from($Internal));
internal('a token', from($Internal, $Good));
$example->stop;
--- calls: 0



=== TEST 3: behind a balancer the client's own address counts
--- config
--- perl
for my $way (ways()) {
    my $example = start($way, @Behind);
    my $for = 'X-Forwarded-For:';

    internal("$way - internal", from($Balancer, undef, "$for $Internal"));
    known("$way - external", from($Balancer, $Good, "$for $External"));

    for my $case ([ $External, 'external' ],
                  [ "$Internal, $External", 'with a header of its own' ],
                  [ "$Internal,$External", 'with another one' ],
                  [ "$Internal\r\n$for $External", 'with two headers' ],
                  [ "$Internal, $Balancer", 'the balancer itself' ],
                  [ 'unknown', 'no address' ])
    {
        my ($address, $name) = @$case;

        is(from($Balancer, undef, "$for $address")->{status}, 401,
           "$way - $name");
    }

    is(from($Balancer)->{status}, 401, "$way - what the balancer asks itself");

    # a client that is not the balancer

    is(from($External, undef, "$for $Internal")->{status}, 401,
       "$way - another one's header");
    internal("$way - an internal one at the same time",
             from($Internal, undef, "$for $External"));

    $example->stop;
}



=== TEST 4: without these lines, all would be internal
--- config
--- perl
my $example = start('as it stands');

internal('as the example says',
         from($Balancer, undef, "X-Forwarded-For: $External"));
$example->stop;
