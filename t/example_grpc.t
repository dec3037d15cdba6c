use lib 't/lib';
use AuthApiToken;
use Backend;
use Example;
use File::Temp qw(tempdir);
use Http2 ();
use Test::Nginx::Socket 'no_plan';

# conf-examples/grpc.conf: what the service gets, and what clients see of a
# refusal

our ($Tls, $Port) = map { port($_) } 1 .. 2;
our $Method = '/orders.v1.Orders/List';
our $dir = tempdir(CLEANUP => 1);

# a message: not compressed, and its length

our $Empty = "$dir/empty";

sub message {
    my ($file, $length) = @_;

    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} pack('CN', 0, $length), 'x' x $length;
    close $out or die "$file: $!";

    return $file;
}

message($Empty, 0);

# a service that tells what it got

our $Service = <<"END" . join '', map {
server {
    listen 127.0.0.1:$Port http2;
    access_log off;

    location / {
        default_type application/grpc;
        client_max_body_size 0;
        add_header x-request "\$request" always;
        add_header x-te "\$http_te" always;
        add_header x-authorization "\$http_authorization" always;
END
    my $var = lc tr/-/_/r;
    "        add_header got-$_ \$http_$var always;\n"
} @IdentityHeaders;

$Service .= <<'END';
        add_header grpc-status 0 always;
        return 200 "";
    }
}
END


sub start {
    my (@change) = @_;

    return Example->start('grpc.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Port },
        http => $Service, change => \@change);
}


# a call, and the headers of the answer

sub call {
    my ($token, $method, @more) = @_;

    my $file = "$dir/head";

    unlink $file;

    my @command = ('curl', '-s', '-k', '--http2', '-m', 20, '-D', $file,
                   '-o', "$dir/body", '-H', 'TE: trailers',
                   '-H', 'Content-Type: application/grpc',
                   '--data-binary', "\@$Empty",
                   defined $token ? ('-H', "Authorization: Bearer $token") : (),
                   @more, "https://127.0.0.1:$Tls" . ($method || $Method));

    system @command;

    open my $in, '<', $file or return {};
    my %head = map { /^([^:\s]+): *(.*?)\r?$/ ? (lc $1, $2)
                     : m{^HTTP/2 (\d+)} ? (status => $1) : () } <$in>;

    $head{body} = -s "$dir/body" || 0;

    return \%head;
}


# what a gRPC client makes of a refusal

sub refused {
    my ($head, $code, $message, $name) = @_;

    is($head->{status}, 200, "$name - HTTP");
    is($head->{'content-type'}, 'application/grpc', "$name - type");
    is($head->{'grpc-status'}, $code, "$name - code");
    is($head->{'grpc-message'}, $message, "$name - message");
    is($head->{body}, 0, "$name - no body");
    is($head->{'x-request'}, undef, "$name - not passed on");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: what the service gets
--- config
--- perl
my $example = start();
my $head = call(token('TKN-1234-5678'), '', '-H', 'X-MPT-Token-Id: TKN-0',
                '-H', 'x-mpt-account-id: ACC-0', '-H', 'X-Real-IP: 10.0.0.1');

is($head->{status}, 200, 'passes');
is($head->{'x-request'}, "POST $Method HTTP/2.0", 'request');
is($head->{'x-te'}, 'trailers', 'TE');
is($head->{'x-authorization'}, undef, 'no token');
is($head->{'got-x-mpt-token-id'}, 'TKN-1234-5678', 'token id');
is($head->{'got-x-mpt-account-id'}, 'ACC-8765-4321', 'account');
is($head->{'got-x-mpt-modules'}, 'MOD-0478,MOD-1756', 'modules');
is($head->{'grpc-status'}, 0, 'its own status comes through');

# a message that is larger than what HTTP may send as a rule

$head = call(token('TKN-1234-5678'), '', '--data-binary',
             '@' . message("$dir/large", 3_000_000), '-H', 'Expect:');

is($head->{status}, 200, 'a large message');
is($head->{'x-request'}, "POST $Method HTTP/2.0", 'is passed on');
$example->stop;
--- calls: 1



=== TEST 2: what clients see of a refusal
--- config
--- api
token TKN-0000-0001 {"modules":[]}
fault TKN-0000-0002 {"status":500}
--- perl
my $example = start();

refused(call(), 16, 'A token is missing, or not valid', 'no token');
refused(call('idt:TKN-1234-5678:MADEUPwrong'), 16,
        'A token is missing, or not valid', 'a wrong token');
refused(call('a b'), 3, 'The token is malformed', 'malformed');
refused(call(token('TKN-0000-0001')), 7, 'The token may not do this',
        'no module');
refused(call(token('TKN-0000-0002')), 14, 'Try again', 'no answer of the API');

my $head = call('idt:TKN-1234-5678:MADEUPwrong');

like($head->{'www-authenticate'}, qr/error="invalid_token"/, 'why');

$example->logged(qr{ 200 result=module }, 'the log says what it was');

# each of these is another one to the API

for my $n (1 .. 60) {
    $head = call("idt:TKN-1111-1111:$n");
    last if $head->{'grpc-status'} == 8;
}

refused($head, 8, 'Too many unknown tokens', 'limited');
$example->stop;



=== TEST 3: it is an end of the stream, and not an empty body, by the frames
--- config
--- perl
my $example = start();
my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $Tls,
    SSL_verify_mode => 0, SSL_alpn_protocols => ['h2'], Timeout => 10);

print {$sock} Http2::preface(), Http2::get_stream(1, $Method, 'a.b.c');

# type, flags and stream of all frames of the answer

my ($in, @frames) = ('');

until_true('the answer', sub {
    sysread $sock, $in, 65536, length $in;

    while (length $in >= 9 && length $in >= 9 + unpack 'N', "\0$in") {
        my $length = unpack 'N', "\0$in";
        my ($type, $flags, $stream) = unpack 'x3 CCN', substr $in, 0, 9, '';

        substr $in, 0, $length, '';
        push @frames, "$type:" . ($flags & 1) if $stream == 1;
    }

    return @frames;
});

is("@frames", '1:1', 'headers that end the stream');
$example->stop;
--- calls: 0



=== TEST 4: what else there might be
--- config
--- perl
my $example = start();

for my $method (qw(/orders.v1.Other/List /orders.v1.Orders / /_token_api
                   /orders.v1.OrdersX/List))
{
    my $head = call(token('TKN-1234-5678'), $method);

    like($head->{status}, qr/^(?:404|301)$/, "$method - unknown");
    is($head->{'x-request'}, undef, "$method - not passed on");
}

# the service is down

$example->reload(["server 127.0.0.1:$Port;", 'server 127.0.0.1:1;']);
refused(call(token('TKN-1234-5678')), 14, 'Try again', 'no service');
$example->stop;



=== TEST 5: without the pages, and in the preaccess phase
--- config
--- api
token TKN-0000-0001 {"modules":[]}
fault TKN-0000-0002 {"status":500}
--- perl
my $example = start((map { ["error_page $_;", ''] }
    '400 = @invalid_argument', '401 = @unauthenticated',
    '403 = @permission_denied', '429 = @resource_exhausted',
    '502 503 504 = @unavailable'),
    ['default_type application/octet-stream;', 'auth_api_token_phase preaccess;']);

is(call()->{status}, 401, 'UNAUTHENTICATED');
is(call('a b')->{status}, 400, 'INTERNAL');
is(call(token('TKN-0000-0001'))->{status}, 403, 'PERMISSION_DENIED');
is(call(token('TKN-0000-0002'))->{status}, 503, 'UNAVAILABLE');
is(call(token('TKN-1234-5678'))->{'grpc-status'}, 0, 'passes');
$example->stop;



=== TEST 6: a stream on which neither side says anything for a while
--- config
--- perl

# the limit for the client is that of the example, and not the server's

my $service = Backend->new($Port);
my $example = Example->start('grpc.conf',
    address => { '443' => $Tls, '127.0.0.1:8080' => $Port },
    http => "client_body_timeout 1s;\n");

my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $Tls,
    SSL_verify_mode => 0, SSL_alpn_protocols => ['h2'], Timeout => 10);

print {$sock} Http2::preface(), Http2::frame(1, 4, 1, Http2::literals(
    [':method', 'POST'], [':scheme', 'https'], [':path', $Method],
    [':authority', 'a'], ['content-type', 'application/grpc'],
    ['authorization', 'Bearer ' . token('TKN-1234-5678')]));
print {$sock} Http2::frame(0, 0, 1, 'first');

my $stream = { sock => scalar $service->{sock}->accept, in => '' };

Backend::hear($stream, qr/first/);
print {$stream->{sock}} Http2::frame(4, 0, 0, ''), Http2::frame(4, 1, 0, ''),
    Http2::frame(1, 4, 1, Http2::literals([':status', '200'],
        ['content-type', 'application/grpc'])),
    Http2::frame(0, 0, 1, 'answer');
$stream->{sock}->flush;

my $client = { sock => $sock, in => '' };

like(Backend::hear($client, qr/answer/), qr/answer/, 'it is open');
sleep 3;
print {$sock} Http2::frame(0, 0, 1, 'second');
like(eval { Backend::hear($stream, qr/second/) }, qr/second/, 'and still is');
close $sock;
close $stream->{sock};
$example->stop;
