use lib 't/lib';
use AuthApiToken;
use Backend;
use Example;
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/mcp.conf: the token in X-MPT-Authorization, and streams

our ($Tls, $Port) = map { port($_) } 1 .. 2;
our $Good = token('TKN-1234-5678');
our $Backend = Backend->new($Port);

our $Way = 'as it stands';


sub start {
    my (@change) = @_;

    return start_as($Way, 'mcp.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Port },
        change  => \@change);
}


sub post {
    my ($headers) = @_;

    return "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n$headers"
           . "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
}


# a request that passes, and what the MCP server got

sub served {
    my ($example, $headers) = @_;

    my $sock = $example->client($Tls);

    print {$sock} post($headers);

    my $request = $Backend->request;

    $request->say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  . "Connection: close\r\n\r\nok");
    is(read_response($sock)->{body}, 'ok', 'served');

    return $request->{headers};
}


sub refused {
    my ($example, $headers, $status, $name) = @_;

    my $response = $example->ask($Tls, post($headers), 'tls');

    is($response->{status}, $status, "$name - refused");
    ok($Backend->idle, "$name - and not passed on");

    return $response;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: the token, and what the MCP server gets
--- config
--- perl
my $example = start();

for my $value ($Good, "Bearer $Good", "bearer  $Good") {
    my $got = served($example, "X-MPT-Authorization: $value\r\n"
                     . "Authorization: Basic abc\r\nMcp-Session-Id: 1\r\n"
                     . "Accept: application/json, text/event-stream\r\n"
                     . "X-MPT-Endpoint: https://evil.example\r\n"
                     . "X-MPT-Validate-Fresh: 1\r\n"
                     . "X-MPT-Account-Id: ACC-0000-0000\r\n"
                     . "x-mpt-token-id: TKN-0000-0000\r\n");

    is_deeply($got->{'x-mpt-authorization'}, [$value], 'what was checked');
    is_deeply($got->{'x-mpt-endpoint'}, ['https://api.platform.softwareone.com'],
              'no endpoint of the client');
    is_deeply($got->{'x-mpt-account-id'}, ['ACC-8765-4321'], 'account');
    is_deeply($got->{'x-mpt-token-id'}, ['TKN-1234-5678'], 'token');
    is_deeply($got->{'mcp-session-id'}, ['1'], 'session');
    is_deeply($got->{accept}, ['application/json, text/event-stream'],
              'Accept');
    is($got->{authorization}, undef, 'no Authorization');
    is($got->{'x-mpt-validate-fresh'}, undef, 'no other way of asking');
}

$example->stop;
--- calls: 1



=== TEST 2: requests that are refused
--- config
--- api
token TKN-0000-0002 {"status":"Disabled"}
--- perl
my $example = start();
my $response = refused($example, '', 401, 'no token');

is($response->{headers}{'www-authenticate'}, 'Bearer realm="mcp"', 'challenge');
refused($example, "Authorization: Bearer $Good\r\n", 401, 'in Authorization');
refused($example, "X-MPT-Authorization: idt:TKN-1234-5678:MADEUPwrong\r\n", 401,
        'a wrong one');
refused($example, "X-MPT-Authorization: @{[token('TKN-0000-0002')]}\r\n", 401,
        'a disabled one');
refused($example, "X-MPT-Authorization: a.b.c\r\n", 401, 'another kind');
refused($example, "X-MPT-Authorization: \r\n", 401, 'an empty one');
refused($example, "X_MPT_Authorization: $Good\r\n", 401, 'another name');
refused($example, "X-MPT-Authorization: $Good, $Good\r\n", 400, 'a list');

for my $path (qw(/ /mcp/ /mcp/1 /mcpx /sse /MCP /_token_api)) {
    is($example->ask($Tls, "GET $path HTTP/1.1\r\nHost: a\r\n"
                     . "X-MPT-Authorization: $Good\r\n\r\n", 'tls')->{status},
       404, "$path is not served");
}

$example->stop;
--- calls: 2



=== TEST 3: two headers of the name: never one that was not checked
--- config
--- api
token TKN-0000-0002
--- perl
my $example = start();
my $wrong = 'idt:TKN-0000-0002:MADEUPwrong';

for my $pair ([$Good, $wrong], [$wrong, $Good], [$Good, token('TKN-0000-0002')],
              ['', $Good], [$Good, ''])
{
    my $sock = Backend->client($Tls);

    print {$sock} post(join '', map { "X-MPT-Authorization: $_\r\n" } @$pair);

    if (!$Backend->asked($sock)) {
        like(read_response($sock)->{status}, qr/^40[01]$/, 'refused');
        next;
    }

    my $request = $Backend->request;

    is_deeply($request->{headers}{'x-mpt-authorization'}, [$Good],
              'the good one, and it alone');
    is_deeply($request->{headers}{'x-mpt-token-id'}, ['TKN-1234-5678'],
              'which is whose identity it has');
    $request->say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                  . "Connection: close\r\n\r\n");
    read_response($sock);
}

$example->stop;



=== TEST 4: events are passed on as they come
--- config
--- perl
my $example = start();
my $client = { sock => $example->client($Tls), in => '' };

print {$client->{sock}} "GET /other/..//%6dcp?a=b HTTP/1.1\r\nHost: mcp.example.com\r\n"
                        . "Accept: text/event-stream\r\n"
                        . "Accept-Encoding: gzip\r\n"
                        . "X-MPT-Authorization: $Good\r\n\r\n";

my $request = $Backend->request;

is($request->{line}, 'GET /mcp?a=b HTTP/1.1', 'request');
is($request->{headers}{connection}, undef, 'no Connection');

$request->say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
              . "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
              . "\r\n");
like(Backend::hear($client, qr/\r\n\r\n/), qr{\AHTTP/1\.1 200 .*event-stream}s,
     'the headers');

# each is read before the next one is sent

for my $n (1 .. 5) {
    my $event = "data: $n\n\n";

    $request->say(sprintf "%x\r\n%s\r\n", length $event, $event);
    like(Backend::hear($client, qr/data: $n\n\n/), qr/data: $n/, "event $n");
}

# a stream that was open when the token was disabled

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
$request->say("8\r\ndata: 6\n\r\n0\r\n\r\n");
ok(Backend::hear($client, qr/data: 6\n\r\n0\r\n\r\n/), 'goes on to its end');
$example->stop;
--- calls: 1



=== TEST 5: the MCP server's own Authorization, no token for it, other modules
--- config
--- perl
local $Way = 'beside others';

my $example = start(
    ['# proxy_set_header Authorization', 'proxy_set_header Authorization'],
    ['X-MPT-Authorization $http_x_mpt_authorization', 'X-MPT-Authorization ""']);

my $got = served($example, "Authorization: Basic abc\r\n"
                           . "X-MPT-Authorization: $Good\r\n");

is_deeply($got->{authorization}, ['Basic abc'], 'Authorization');
is($got->{'x-mpt-authorization'}, undef, 'no token');
is_deeply($got->{'x-mpt-token-id'}, ['TKN-1234-5678'], 'but whose it was');
refused($example, "Authorization: Bearer $Good\r\n", 401, 'in Authorization');
$example->stop;
--- calls: 1
