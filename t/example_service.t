use lib 't/lib';
use AuthApiToken;
use Example;
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/service-token.conf: a token of the service's own asks about
# those of callers

our ($Tls, $Backend, $Moved) = map { port($_) } 1 .. 3;

our $Good = token('TKN-1234-5678');
our $File = 'auth-api-token/service-token.conf';

# a backend, and one that names the location that asks the API

our $Server = backend($Backend) . <<"END";
server {
    listen 127.0.0.1:$Moved;
    access_log off;
    add_header X-Accel-Redirect /_token_api;
    return 204;
}
END

# tokens that may not read themselves, and two of the service; the word in its
# secret is to be nowhere but in that file

our $Api = <<'END';
token TKN-1234-5678 {"self":403}
token TKN-9999-0001 {"secret":"SERVICEone","account":{"type":"Operations"}}
token TKN-9999-0002 {"secret":"SERVICEtwo","account":{"type":"Operations"}}
END

our ($One, $Two) = ('idt:TKN-9999-0001:SERVICEone', 'idt:TKN-9999-0002:SERVICEtwo');


# the line of that file, as the example has it

sub line {
    my ($token) = @_;

    my ($line) = Example->example('service-token.conf')
                 =~ /^#     (proxy_set_header Authorization .*;)\n/m
        or die "no line for $File";

    return $line =~ s/idt:TKN-\.\.\.:\.\.\./$token/r . "\n";
}


sub start {
    my ($way, $token, @change) = @_;

    return start_as($way, 'service-token.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Backend },
        beside  => { $File => line($token) },
        http    => $Server, change => [ @change ]);
}


sub ask {
    my ($example, $token, $headers) = @_;

    return $example->ask($Tls, request_of($token, '/orders/1', $headers),
                         'tls');
}


# what the API was asked with

sub asked_with {
    return map {
        my ($headers) = $_->{headers};
        join ',', map { lc $_->[0] eq 'authorization' ? $_->[1] : () } @$headers;
    } @{figures()->{requests}};
}


# the service's token is in no answer, in no log and not with the backend

sub unseen {
    my ($example, $name, @responses) = @_;

    my $text = join '', $example->log, $example->read('access.log'),
               map { $_->{head} . $_->{body} } @responses;

    unlike($text, qr/SERVICE/, "$name - the service's token is not seen");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a caller whose token may not read itself
--- config
--- api eval: $::Api
--- perl
for my $way (ways()) {
    my $example = start($way, $One);

    my @responses = map { ask($example, $Good) } 1 .. 2;

    is($responses[$_]{status}, 200, "$way - request $_") for 0, 1;
    like($responses[0]{body}, qr/^Authorization: \n(?:.*\n)*X-MPT-Token-Id: TKN-1234-5678\n(?:.*\n)*X-MPT-Account-Id: ACC-8765-4321$/m,
         "$way - who it is");

    push @responses, ask($example);
    is($responses[2]{status}, 401, "$way - no token");

    unseen($example, $way, @responses);
    $example->stop;
}

is(join(' ', asked_with()), "Bearer $One Bearer $One", 'asked by the service');
--- calls: 2



=== TEST 2: the secret is compared, whole
--- config
--- api eval: $::Api
--- perl
for my $way (ways()) {
    my $example = start($way, $One);
    my @responses;

    for my $token ('idt:TKN-1234-5678:MADEUP', $Good . 'x', substr($Good, 0, -1),
                   'idt:TKN-1234-5678:SERVIC', lc($Good) =~ s/tkn/TKN/r,
                   'idt:TKN-9999-0001:MADEUP', 'idt:TKN-0000-0000:MADEUP')
    {
        my $response = ask($example, $token);

        is($response->{status}, 401, "$way - refused");
        like($response->{headers}{'www-authenticate'},
             qr/^Bearer realm="orders", error="invalid_token"/,
             "$way - and told");
        push @responses, $response;
    }

    is(ask($example, $Good)->{status}, 200, "$way - the right one");
    unseen($example, $way, @responses);
    $example->stop;
}
--- calls: 16



=== TEST 3: the service's token is replaced, and nobody is refused
--- config
--- api eval: $::Api . 'token TKN-0000-0002'
--- perl
my $example = start('as it stands', $One);

is(ask($example, $Good)->{status}, 200, 'before');

# as the example says, for root alone

$example->write($File, line($Two));
chmod 0600, $example->dir . "/conf/$File";
$example->reload;
api('DELETE', 'tokens/TKN-9999-0001');

is(ask($example, $Good)->{status}, 200, 'known before');
is(figures()->{calls}, 1, 'and not asked about');
is(ask($example, token('TKN-0000-0002'))->{status}, 200, 'not known before');
is((asked_with())[-1], "Bearer $Two", 'asked with the new one');
unseen($example, 'replaced');
$example->stop;
--- calls: 2



=== TEST 4: the service's token is not accepted, or may not read
--- config
--- api eval: $::Api
--- perl
for my $case ([ 'the API refuses the service credential', sub {
                  api('PUT', 'tokens/TKN-9999-0001', { status => 'Disabled' });
              } ],
              [ 'the service credential may not read tokens', sub {
                  api('PUT', 'faults/any', { status => 403 });
              } ],
              [ 'the body has no "token" to compare', sub {
                  api('PUT', 'tokens/TKN-9999-0001', { status => 'Active' });
                  api('PUT', 'faults/any',
                      { body => '{"id":"TKN-1234-5678","status":"Active"}' });
              } ])
{
    my ($cause, $code) = @$case;
    my $example = start('as it stands', $One);

    $code->();

    my $response = ask($example, $Good);

    is($response->{status}, 503, "$cause - status");
    ok($response->{headers}{'retry-after'}, "$cause - Retry-After");
    like($example->log, qr/\Q$cause\E/, "$cause - logged");
    unseen($example, $cause, $response);
    $example->stop;
}

api('DELETE', 'faults/any');

# a file without the line

my $example = start('as it stands', $One);

$example->write($File, '');
$example->reload;
is(ask($example, $Good)->{status}, 503, 'no credential');
$example->stop;

# one that may not see the caller's account

api('PUT', 'tokens/TKN-9999-0001', { account => { type => 'Client' } });

$example = start('as it stands', $One);

is(ask($example, $Good)->{status}, 401, 'as if it were unknown');
$example->stop;



=== TEST 5: a backend sends nobody to the location that asks
--- config
--- api eval: $::Api
--- perl

# "internal" does not stop what a backend names

for my $way (ways()) {
    local $Backend = $Moved;

    my $example = start($way, $One);
    my $calls = figures()->{calls};
    my $response = ask($example, $Good, "Cookie: session=1\r\n");

    is($response->{status}, 403, "$way - refused");
    unlike($response->{body}, qr/"token"/, "$way - no object");
    is(figures()->{calls} - $calls, 1, "$way - the API is asked by lookups only");
    $example->stop;
}
