use lib 't/lib';
use AuthApiToken;
use Example;
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/cors.conf: what pages of other origins may do, and learn

our ($Tls, $Backend) = (port(1), port(2));
our $Good = token('TKN-1234-5678');
our $Portal = 'https://portal.example.com';
our $Shop = 'https://shop.example.com:8443';

our @Unknown = ("$Portal.evil.example", "https://evilportal.example.com",
                'http://portal.example.com', "$Portal:444", "$Portal/",
                'https://shop.example.com', 'https://example.com',
                "https://evil.example $Portal", 'null', '*', '');


# a backend that answers all origins, whichever asks

sub start {
    my ($way) = @_;

    my $server = backend($Backend) =~ s!(?=    location /)!<<'END'!er;
    add_header Access-Control-Allow-Origin * always;
    add_header Access-Control-Allow-Credentials true always;
    add_header Access-Control-Expose-Headers X-Secret always;

    location /orders/missing {
        return 404;
    }

END

    return start_as($way, 'cors.conf', http => $server,
                    address => { '443' => $Tls, '127.0.0.1:8080' => $Backend });
}


sub ask {
    my ($example, $method, $token, $uri, @headers) = @_;

    return $example->ask($Tls, request_of($token, $uri, join '', map {
        "$_\r\n"
    } @headers) =~ s/^GET/$method/r, 'tls');
}


# the values of a header, each of them

sub values_of {
    my ($response, $name) = @_;

    return join '|', $response->{head} =~ /^\Q$name\E: ?([^\r\n]*)\r?$/mgi;
}


# what a browser goes by; an origin that is not known gets no permission

sub readable {
    my ($name, $response, $origin) = @_;

    is(values_of($response, 'Access-Control-Allow-Origin'), $origin,
       "$name - origin");
    is(values_of($response, 'Access-Control-Allow-Credentials'), '',
       "$name - no credentials");
    like(values_of($response, 'Vary'), qr/(?:^|\|)Origin(?:\||$)/,
         "$name - Vary");
}


# a preflight as browsers send it

our @Preflight = ('Access-Control-Request-Method: PUT',
                  'Access-Control-Request-Headers: authorization');


no_long_string();
run_tests();

__DATA__

=== TEST 1: answers, and refusals of every kind, may be read by known origins
--- config
--- api
token TKN-0000-0001 {"modules":[]}
fault TKN-0000-0503 {"status":500}
fault TKN-0000-0429 {"status":429,"headers":{"Retry-After":"7"}}
--- perl
for my $way (ways()) {
    my $example = start($way);

    for my $case ([ $Good, 200 ], [ undef, 401 ], [ $Good . 'x', 401 ],
                  [ 'a b', 400 ], [ token('TKN-0000-0001'), 403 ],
                  [ token('TKN-0000-0503'), 503 ],
                  [ token('TKN-0000-0429'), 503 ],
                  [ $Good, 404, '/orders/missing' ], [ $Good, 404, '/' ])
    {
        my ($token, $status, $uri) = @$case;

        for my $origin ($Portal, $Shop) {
            my $response = ask($example, 'GET', $token, $uri || '/orders/1',
                               "Origin: $origin");
            my $name = "$way - $status - $origin";

            is($response->{status}, $status, $name);
            readable($name, $response, $origin);
            is(values_of($response, 'Access-Control-Expose-Headers'),
               'WWW-Authenticate, Retry-After', "$name - headers");
        }
    }

    my $response = ask($example, 'GET', undef, '/orders/1', "Origin: $Portal");

    is(values_of($response, 'WWW-Authenticate'), 'Bearer realm="orders"',
       "$way - the challenge");
    is(values_of($response, 'Content-Type'), 'application/problem+json',
       "$way - the problem");

    $example->stop;
}



=== TEST 2: other origins may not, and are told nothing
--- config
--- perl
for my $way (ways()) {
    my $example = start($way);

    for my $origin (@Unknown) {
        for my $token ($Good, undef) {
            my $response = ask($example, 'GET', $token, '/orders/1',
                               "Origin: $origin");
            my $name = "$way - \"$origin\"" . ($token ? ' - token' : '');

            is($response->{status}, $token ? 200 : 401, $name);
            readable($name, $response, '');
        }

        my $response = ask($example, 'OPTIONS', undef, '/orders/1',
                           "Origin: $origin", @Preflight);

        readable("$way - \"$origin\" - preflight", $response, '');
    }

    readable("$way - no origin", ask($example, 'GET', $Good, '/orders/1'), '');
    $example->stop;
}
--- calls: 2



=== TEST 3: a preflight is answered, and the backend never sees it
--- config
--- perl
for my $way (ways()) {
    my $example = start($way);

    for my $origin ($Portal, $Shop) {
        my $response = ask($example, 'OPTIONS', undef, '/orders/1',
                           "Origin: $origin", @Preflight);
        my $name = "$way - $origin";

        is($response->{status}, 204, $name);
        readable($name, $response, $origin);
        like(values_of($response, 'Access-Control-Allow-Methods'), qr/\bPUT\b/,
             "$name - methods");
        like(values_of($response, 'Access-Control-Allow-Headers'),
             qr/\bAuthorization\b/, "$name - headers");
        is(values_of($response, 'Access-Control-Max-Age'), 600,
           "$name - how long");
    }

    # what is no preflight

    my $response = ask($example, 'OPTIONS', undef, '/orders/1',
                       "Origin: $Portal");

    is($response->{status}, 401, "$way - OPTIONS");
    readable("$way - OPTIONS", $response, $Portal);
    is(ask($example, 'OPTIONS', undef, '/orders/1', $Preflight[0])->{status},
       401, "$way - without an origin");

    for my $method ('GET', 'POST', 'DELETE', 'HEAD', 'OPTIONSX') {
        is(ask($example, $method, undef, '/orders/1', "Origin: $Portal",
               @Preflight, 'Content-Length: 0')->{status}, 401,
           "$way - $method");
    }

    is(ask($example, 'OPTIONS', $Good, '/orders/1')->{body}, '',
       "$way - OPTIONS with a token");

    is(ask($example, $_, $Good, '/_preflight', "Origin: $Portal",
           @Preflight)->{status}, 404, "$way - $_ /_preflight")
        for 'OPTIONS', 'GET';

    is(ask($example, 'OPTIONS', undef, '/', "Origin: $Portal",
           @Preflight)->{status}, 404, "$way - no API");

    $example->stop;
}
--- calls: 2
