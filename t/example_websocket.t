use lib 't/lib';
use AuthApiToken;
use Backend;
use Example;
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/websocket.conf: what is checked before a connection is nobody's
# but the client's and the backend's

our ($Tls, $Port) = map { port($_) } 1 .. 2;
our $Good = token('TKN-1234-5678');
our $Page = $Good =~ s/:/./gr;
our $Backend = Backend->new($Port);
our $Site = "Origin: https://portal.example.com\r\n";

our $Way = 'as it stands';


sub start {
    my (@change) = @_;

    return start_as($Way, 'websocket.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Port },
        change  => \@change);
}


sub upgrade {
    my ($uri, $headers, $to) = @_;

    return "GET $uri HTTP/1.1\r\nHost: api.example.com\r\n"
           . 'Upgrade: ' . ($to || 'websocket') . "\r\nConnection: Upgrade\r\n"
           . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           . "Sec-WebSocket-Version: 13\r\n$headers\r\n";
}


sub bearer {
    my ($token) = @_;

    return "Authorization: Bearer $token\r\n";
}


sub protocol {
    my ($value) = @_;

    return "Sec-WebSocket-Protocol: $value\r\n";
}


# sends it, and lets the backend take the connection over

sub opened {
    my ($example, $request) = @_;

    my $client = { sock => $example->client($Tls), in => '' };

    print {$client->{sock}} $request;

    my $got = $Backend->request;

    $got->say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              . "Connection: Upgrade\r\nSec-WebSocket-Protocol: mpt\r\n\r\n");

    like(Backend::hear($client, qr/\r\n\r\n/), qr{\AHTTP/1\.1 101 }, 'opened');

    for my $n (1 .. 3) {
        $got->say("to $n");
        is(Backend::hear($client, qr/to $n/), "to $n", 'to the client');
        print {$client->{sock}} "from $n";
        is($got->hear(qr/from $n/), "from $n", 'from the client');
    }

    return ($got, $client);
}


sub refused {
    my ($example, $request, $status, $name) = @_;

    is($example->ask($Tls, $request, 'tls')->{status}, $status, $name);
    ok($Backend->idle, "$name - not passed on");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: programs
--- config
--- api
token TKN-0000-0002 {"status":"Disabled"}
--- perl
my $example = start();
my ($got) = opened($example, upgrade('/browser/../events', bearer($Good)
                   . "X-MPT-Account-Id: ACC-0000-0000\r\n"));

is($got->{line}, 'GET /events HTTP/1.1', 'request');
is_deeply($got->{headers}{upgrade}, ['websocket'], 'Upgrade');
is_deeply($got->{headers}{connection}, ['upgrade'], 'Connection');
is_deeply($got->{headers}{'sec-websocket-version'}, ['13'], 'version');
is_deeply($got->{headers}{'x-mpt-token-id'}, ['TKN-1234-5678'], 'token id');
is_deeply($got->{headers}{'x-mpt-account-id'}, ['ACC-8765-4321'], 'account');
is($got->{headers}{authorization}, undef, 'no token');

refused($example, upgrade('/events', ''), 401, 'no token');
refused($example, upgrade('/events', bearer('idt:TKN-1234-5678:MADEUPwrong')),
        401, 'a wrong one');
refused($example, upgrade('/events', bearer(token('TKN-0000-0002'))), 401,
        'a disabled one');
refused($example, upgrade('/events', protocol("mpt, $Page") . $Site), 401,
        'where the token of a page is none');
refused($example, upgrade("/events?token=$Good", "Cookie: token=$Good\r\n"), 401,
        'nor in the URL, or a cookie');
$example->stop;
--- calls: 3



=== TEST 2: nothing else than WebSocket has a connection of its own
--- config
--- perl
my $example = start();

for my $to ('h2c', 'websocket, h2c', 'h2c, websocket', 'TLS/1.0', 'websocketx',
            'web socket')
{
    my $sock = $example->client($Tls);

    print {$sock} upgrade('/events', bearer($Good) . "HTTP2-Settings: AAMA\r\n",
                          $to);

    my $got = $Backend->request;

    is($got->{headers}{upgrade}, undef, "$to - no Upgrade");
    is($got->{headers}{connection}, undef, "$to - no Connection");
    $got->say("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
              . "Connection: close\r\n\r\n");
    is(read_response($sock)->{status}, 426, "$to - the answer");
}

# what asks for WebSocket and is not given it goes on as HTTP

my $sock = $example->client($Tls);

print {$sock} upgrade('/events', bearer($Good)) . request_of(undef, '/events');
$Backend->request->say("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
                       . "Connection: close\r\n\r\n");
is(read_response($sock)->{status}, 426, 'no WebSocket');
is(read_response($sock)->{status}, 401, 'the next request is checked');
ok($Backend->idle, 'and not passed on');
$example->stop;
--- calls: 1



=== TEST 3: pages
--- config
--- perl
my $example = start();
my ($got) = opened($example, upgrade('/browser', protocol("mpt, $Page") . $Site));

is($got->{line}, 'GET /events HTTP/1.1', 'request');
is_deeply($got->{headers}{'sec-websocket-protocol'}, ['mpt'], 'no token there');
is_deeply($got->{headers}{'x-mpt-token-id'}, ['TKN-1234-5678'], 'token id');
is(join("\n", map { @$_ } values %{$got->{headers}}) =~ /MADEUP/ ? 1 : 0, 0,
   'nor anywhere else');

refused($example, upgrade('/browser', $Site), 401, 'no token');
refused($example, upgrade('/browser', protocol('mpt') . $Site), 401,
        'only the protocol');
refused($example, upgrade('/browser', bearer($Good) . $Site), 401,
        'a token in Authorization');
refused($example, upgrade('/browser', protocol("mpt, $Good") . $Site), 401,
        'a token as it is');
refused($example, upgrade('/browser', protocol($Page) . $Site), 401,
        'without the protocol');
refused($example, upgrade('/browser', protocol("mpt, $Page, other") . $Site), 401,
        'and another');
refused($example, upgrade('/browser', protocol("other, mpt, $Page") . $Site), 401,
        'and another before it');
refused($example, upgrade('/browser',
        protocol('mpt, idt.TKN-1234-5678.MADEUPwrong') . $Site), 401, 'a wrong one');

for my $origin ('', "Origin: https://evil.example\r\n", "Origin: null\r\n",
                "Origin: https://portal.example.com.evil\r\n",
                "Origin: http://portal.example.com\r\n",
                "Origin: https://evil.example\r\n$Site")
{
    refused($example, upgrade('/browser', protocol("mpt, $Page") . $origin), 403,
            'the page of another site');
}

$example->stop;
--- calls: 2



=== TEST 4: a connection outlives its token, a new one needs a good one
--- config
--- perl
my $example = start(['valid=60s', 'valid=1s denied=1s']);
my ($got, $client) = opened($example, upgrade('/events', bearer($Good)));

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });

my $sock;

until_true('refused', sub {
    $sock = Backend->client($Tls);
    print {$sock} upgrade('/events', bearer($Good));
    return 1 if !$Backend->asked($sock);

    $Backend->request->say("HTTP/1.1 426 Upgrade Required\r\n"
                           . "Content-Length: 0\r\nConnection: close\r\n\r\n");
    return 0;
});

is(read_response($sock)->{status}, 401, 'no new one');
$got->say('still here');
is(Backend::hear($client, qr/here/), 'still here', 'the old one goes on');

# what is open ends before nginx does

close $client->{sock};
close $got->{sock};
$example->stop;



=== TEST 5: in the preaccess phase, beside other modules
--- config
--- perl
local $Way = 'beside others';

my $example = start();

my ($got) = opened($example, upgrade('/browser', protocol("mpt, $Page") . $Site));

is_deeply($got->{headers}{'x-mpt-token-id'}, ['TKN-1234-5678'], 'token id');
refused($example, upgrade('/events', ''), 401, 'no token');
refused($example, upgrade('/browser', protocol("mpt, $Page")), 403, 'no origin');
$example->stop;
--- calls: 1
