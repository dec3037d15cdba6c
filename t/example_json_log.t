use utf8;
use lib 't/lib';
use AuthApiToken;
use Encode ();
use Example;
use Files qw($Top);
use JSON::PP ();
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/json-log.conf: each line is JSON, whatever clients and the API
# send, and says what happened

our ($Tls, $Plain, $Backend) = map { port($_) } 1 .. 3;

our $Trace = '9e02a91b64ac56904703a3a69ea9101d';
our $Good = 'TKN-1234-5678';
our %Seen;

our $Way = 'as it stands';


sub start {
    my (@change) = @_;

    return start_as($Way, 'json-log.conf',
        address => { '443' => $Tls, '80' => $Plain,
                     '127.0.0.1:8080' => $Backend },
        change  => \@change, http => <<"END");
server {
    listen 127.0.0.1:$Backend;
    access_log off;
    return 200 "\$http_x_request_id\\n";
}
END
}


# the lines so far, of which there must be so many

sub lines {
    my ($example, $n) = @_;

    my @lines;

    until_true("$n lines", sub {
        @lines = split /\n/, $example->read('audit.log');
        return @lines >= $n;
    });

    is(scalar @lines, $n, "$n lines");

    return map {
        my $line = eval { JSON::PP->new->utf8->decode($_) };

        ok($line, 'is JSON') or diag("$@: $_");
        $line || {};
    } @lines;
}


# a request, and what the log has of it

sub logged {
    my ($example, $request, $port) = @_;

    my $response = $example->ask($port || $Tls, $request,
                                 ($port || $Tls) == $Tls);
    my @lines = lines($example, ++$Seen{$example->dir});

    return ($response, $lines[-1]);
}


sub some {
    my ($line, @names) = @_;

    return join ' ', map { defined $line->{$_} && $line->{$_} ne ''
                           ? $line->{$_} : '-' } @names;
}


our @Decision = qw(status result cache token_id account_id claimed_id);

no_long_string();
run_tests();

__DATA__

=== TEST 1: requests that pass
--- config
--- perl
my $example = start();

my ($response, $line) = logged($example,
    request_of(token($Good), '/orders/1%20a?b=c',
               "User-Agent: crm/1.0 \"x\\y\"\r\n"
               . "traceparent: 00-$Trace-56be90a29d0b0b25-01\r\n"));

is($response->{status}, 200, 'passes');
is(some($line, @Decision),
   '200 pass MISS TKN-1234-5678 ACC-8765-4321 TKN-1234-5678', 'decision');
is(some($line, qw(token_name account_name account_type)),
   'CRM robot TestCompany Vendor', 'names');
is(some($line, qw(server client method path protocol)),
   'api.example.com 127.0.0.1 GET /orders/1%20a HTTP/1.1', 'request');
like($line->{tls}, qr/^TLSv1\.[23]$/, 'TLS');
is($line->{user_agent}, 'crm/1.0 "x\y"', 'agent');
is($line->{trace_id}, $Trace, 'trace');
like($line->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/, 'time');
cmp_ok(abs(time - $line->{unix_seconds}), '<', 60, 'the same in seconds');
like($line->{age}, qr/^\d+$/, 'age');
like($line->{fingerprint}, qr/^[0-9a-f]{16}$/, 'fingerprint');
is("$line->{request_id}\n", $response->{body}, 'the backend has the id');
is(some($line, qw(upstream upstream_status)), "127.0.0.1:$Backend 200",
   'upstream');
like($line->{upstream_seconds}, qr/^\d+\.\d{3}$/, 'its time');
cmp_ok($line->{bytes_sent}, '>', 100, 'bytes');
cmp_ok($line->{seconds}, '<', 60, 'seconds');

my ($again, $hit) = logged($example, request_of(token($Good), '/orders/1'));

is($hit->{cache}, 'HIT', 'the second time');
is($hit->{fingerprint}, $line->{fingerprint}, 'the same token');
isnt($hit->{request_id}, $line->{request_id}, 'another request');
is($hit->{trace_id}, '', 'without a trace');
$example->stop;
--- calls: 1



=== TEST 2: requests that are refused, and whose they were
--- config
--- api
token TKN-0000-0001 {"modules":[]}
token TKN-0000-0002 {"status":"Disabled","works":1}
token TKN-0000-0003 {"self":403}
fault TKN-0000-0004 {"status":500}
--- perl
my $example = start();

for my $case (
    ['no token', undef, '401 no_token - - - -'],
    ['malformed', 'a b', '400 malformed - - - -'],
    ['another kind', 'a.b.c', '401 unsupported - - - -'],
    ['a wrong secret', "idt:$Good:MADEUPwrong",
     '401 unknown MISS - - TKN-1234-5678'],
    ['no module', token('TKN-0000-0001'),
     '403 module MISS TKN-0000-0001 ACC-8765-4321 TKN-0000-0001'],
    ['disabled', token('TKN-0000-0002'),
     '401 disabled MISS TKN-0000-0002 ACC-8765-4321 TKN-0000-0002'],
    ['may not read itself', token('TKN-0000-0003'),
     '403 unreadable MISS - - TKN-0000-0003'],
    ['no answer', token('TKN-0000-0004'),
     '503 unavailable MISS - - TKN-0000-0004'])
{
    my ($name, $token, $want) = @$case;
    my ($response, $line) = logged($example, request_of($token, '/orders/1'));

    is(some($line, @Decision), $want, $name);
    is(some($line, qw(token_name account_name account_type upstream
                      upstream_status upstream_seconds)), '- - - - - -',
       "$name - nothing of who passes");

    my $body = JSON::PP->new->utf8->decode($response->{body});

    is($body->{traceId}, $line->{request_id}, "$name - what the client has");
}

my ($response, $line) = logged($example,
                               request_of(token($Good), '/orders/1'), $Plain);

is(some($line, 'tls', @Decision), '- 403 insecure - - - TKN-1234-5678',
   'in the clear');

($response, $line) = logged($example, request_of(token($Good), '/other'));
is(some($line, @Decision), '404 - - - - TKN-1234-5678', 'where none is needed');
$example->stop;
--- calls: 5



=== TEST 3: names of all kinds
--- config
--- perl
my $example = start();
my $name = "a\"b\\c\x01\x7f\n%41 Caf\x{e9} \x{1f600} \xad</script>";

api('PUT', "tokens/$Good", { name => $name, account => { name => $name } });

my ($response, $line) = logged($example, request_of(token($Good), '/orders/1'));

is($response->{status}, 200, 'passes');
my $bytes = Encode::encode('UTF-8', $name);

$bytes =~ s/([^\x20-\x24\x26-\x7e])/sprintf '%%%02X', ord $1/ge;

is($line->{$_}, $bytes, $_) for qw(token_name account_name);
$example->stop;
--- calls: 1



=== TEST 4: paths, arguments and headers of all kinds, and no token
--- config
--- perl
my $example = start();
my $token = token($Good);
my $plain = $token =~ s/:/%3A/gr;

for my $case (
    ["/orders/1?token=$token", '/orders/1'],
    ["/orders/1?token=$plain&x=?", '/orders/1'],
    ["/orders/$token", '(holds a token)'],
    ["/orders/$plain?a", '(holds a token)'],
    ["/other/" . lc($plain) =~ s/madeup/MADEUP/gr, '(holds a token)'],
    ["/orders/" . uc $token, '(holds a token)'],
    ["/orders/" . $plain =~ s/%/%25/gr, '(holds a token)'],
    ["/orders/" . $token =~ s/^idt:/%69dt%3A/r, '(holds a token)'],
    ["/orders/" . $token =~ s/^idt://r, '(holds a token)'],
    ["/orders/TKN-1234-5678/x", '/orders/TKN-1234-5678/x'],
    ["/orders/\"\\'", "/orders/\"\\'"],
    ["/orders/%22%ff%0a", '/orders/%22%ff%0a'],
    ["/orders/\x{e9}?x", '/orders/ (and what is not ASCII)'],
    ["/orders/\xc3\xa9/\x{80}\xff", '/orders/ (and what is not ASCII)'],
    ["/orders/1?\xff\x80\"", '/orders/1'],
    ["/orders/a#b", '/orders/a#b'],
    ["/orders/{\"a\":\"b\"}", '/orders/{"a":"b"}'],
    ["/orders/" . 'a' x 6000, '/orders/' . 'a' x 6000],
    ["//orders/../orders/1", '//orders/../orders/1'])
{
    my ($path, $want) = @$case;
    my ($response, $line) = logged($example, request_of($token, $path));

    is($line->{path}, $want, 'path ' . substr $want, 0, 40);
}

for my $case (["agent $token", '(holds a token)'],
              ["agent/IDT%3A" . substr($plain, 6), '(holds a token)'],
              ['agent/' . substr($token, 4), '(holds a token)'],
              ["Caf\xe9", '(not ASCII)'], ["\"\\\"}{", "\"\\\"}{"],
              ["a\tb", '(not ASCII)'], ['', ''])
{
    my ($response, $line) = logged($example,
        request_of($token, '/orders/1', "User-Agent: $case->[0]\r\n"));

    is($response->{status}, 200, 'passes');
    is($line->{user_agent}, $case->[1], "agent $case->[1]");
}

for my $trace ("00-$Trace-56be90a29d0b0b25-0", '00-' . '0' x 32
               . '-56be90a29d0b0b25-01', "00-$Trace-0000000000000000-01",
               uc "00-$Trace-56be90a29d0b0b25-01", '"', $token,
               "00-$Trace-56be90a29d0b0b25-01-$token")
{
    my ($response, $line) = logged($example,
        request_of($token, '/orders/1', "traceparent: $trace\r\n"));

    is($line->{trace_id}, '', 'no trace');
}

my ($response, $line) = logged($example,
    request_of($token, '/orders/1', "Referer: https://a/?token=$token\r\n"
               . "X-Request-Id: \"mine\"\r\nCookie: token=$token\r\n"));

like($line->{request_id}, qr/^[0-9a-f]{32}$/, 'an id of nginx');
is("$line->{request_id}\n", $response->{body}, 'for the backend, too');
$example->stop;
--- calls: 1



=== TEST 5: what is hardly a request
--- config
--- perl
my $example = start();
my @bad = ("GET /orders/1\r\n", "GET /orders/%00 HTTP/1.1\r\n\r\n", "\"\r\n\r\n", "GET\r\n\r\n",
           "G\"T / HTTP/1.1\r\n\r\n", "get / HTTP/1.1\r\n\r\n",
           "GET / HTTP/9.1\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: \"\xff\r\n\r\n", "\x16\x03\x01\x00\xff\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET /" . 'a' x 60_000 . " HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET http://a\xff/ HTTP/1.1\r\nHost: a\r\n\r\n",
           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

for my $request (@bad) {
    my ($response, $line) = logged($example, $request, $Plain);

    like($line->{status}, qr/^\d{3}$/, "status $line->{status}");
    is(some($line, qw(token_id account_id upstream)), '- - -',
       'nothing proved');
}

# a client that leaves before the answer

api('PUT', 'faults/any', { delay => 60000 });

my $sock = client($Plain);
print {$sock} request_of(undef, '/orders/1');
read_response($sock);
close $sock;

my $tls = $example->client($Tls);
print {$tls} request_of(token($Good), '/orders/1');
until_true('it is asked', sub { figures()->{calls} == 1 });
$tls->close(SSL_no_shutdown => 1);

my @lines = lines($example, @bad + 2);

is(some($lines[-1], qw(status result claimed_id)), '499 - TKN-1234-5678',
   'gone before the answer');
api('POST', 'release');
$example->stop;



=== TEST 6: in the preaccess phase, beside other modules
--- config
--- api
token TKN-0000-0001 {"modules":[]}
--- perl
local $Way = 'beside others';

my $example = start();

my ($response, $line) = logged($example, request_of(token($Good), '/orders/1'));

is(some($line, @Decision),
   '200 pass MISS TKN-1234-5678 ACC-8765-4321 TKN-1234-5678', 'passes');

($response, $line) = logged($example,
                            request_of(token('TKN-0000-0001'), '/orders/1'));

is(some($line, @Decision, 'token_name'),
   '403 module MISS TKN-0000-0001 ACC-8765-4321 TKN-0000-0001 -', 'refused');
$example->stop;
--- calls: 2



=== TEST 7: what nginx writes is rotated
--- config
--- perl

# /etc/logrotate.d/nginx of Debian has /var/log/nginx/*.log

for my $file (map { glob "$Top/conf-examples/$_" } '*.conf', '*/*.conf') {
    my @odd = grep { !/\.log\z/ }
              Files::slurp($file) =~ m{[ :](/var/log/nginx/[^\s;]+)}g;

    is("@odd", '', $file =~ s{.*/conf-examples/}{}r);
}
