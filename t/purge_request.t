use lib 't/lib';
use AuthApiToken;
use Purge;
use Store qw(ask zone $Good);
use Test::Nginx::Socket 'no_plan';

# requests to purge: their methods, bodies and sizes, and who may send them

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

sub chunked {
    my ($body) = @_;

    return "POST /purge HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
           . "\r\n\r\n"
           . join('', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                      unpack '(a8000)*', $body)
           . "0\r\n\r\n";
}


sub is_problem {
    my ($response, $status, $name) = @_;

    my $body = eval { JSON::PP->new->utf8->decode($response->{body}) } || {};

    is($response->{status}, $status, "$name - status");
    is($response->{headers}{'content-type'}, 'application/problem+json',
       "$name - type");
    is($body->{status}, $status, "$name - body");
}


# purge requests that are refused, with one token in the zone

sub nothing_purged {
    my ($status, %requests) = @_;

    is(ask($::Good), '204 pass MISS', 'asked once');

    for my $name (sort keys %requests) {
        is_problem(exchange($requests{$name}), $status, $name);
        is(ask($::Good), '204 pass HIT', "$name - still there");
    }

    my $zone = zone();

    is("@$zone{qw(purge_requests purged_records)}", '0 0', 'figures');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: an id or nothing at the end of the URI
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
nothing_purged(400, map {
    ($_ => "DELETE $_ HTTP/1.1\r\nHost: a\r\n\r\n")
} '/purge/', '/purge/TKN-1234-5678/', '/purge/idt:TKN-1234-5678:secret',
  '/purge/TKN-1234-5678%20', '/purge/' . 'T' x 65, '/purge/TKN*');
--- calls: 1



=== TEST 2: other methods
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @methods = qw(GET PUT PATCH OPTIONS PROPFIND);

nothing_purged(405, map { ($_ => post($ById, '/purge', $_)) } @methods);

for my $method (@methods, 'HEAD') {
    my $response = exchange(post($ById, '/purge/TKN-1234-5678', $method));

    is($response->{status}, 405, "$method - status");
    is($response->{headers}{allow}, 'POST, DELETE', "$method - Allow");
}

is(ask($Good), '204 pass HIT', 'still there');
--- calls: 1



=== TEST 3: HEAD has the header of a GET, and no body
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $get = exchange("GET /purge HTTP/1.1\r\nHost: a\r\n\r\n");
my $sock = client();

print {$sock} "HEAD /purge HTTP/1.1\r\nHost: a\r\n\r\n";
my $head = read_response($sock, 1);

is("@{$head->{headers}}{qw(content-type content-length)}",
   "@{$get->{headers}}{qw(content-type content-length)}", 'as of GET');

print {$sock} post('{"all":true}');
is(read_response($sock)->{body}, '{"purged":0}', 'nothing was left unread');



=== TEST 4: bodies that say nothing
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @bodies = (
    '', ' ', 'token=TKN-1234-5678', 'TKN-1234-5678', '"TKN-1234-5678"', 'null',
    'true', '{}', '[]', "[$ById]", '["TKN-1234-5678"]', '{"all":true', '{"a":1}',
    "$ById$ById", "$ById x", '{"Token":"TKN-1234-5678"}', "\0", "\xff",
    "{'token':'TKN-1234-5678'}", '[' x 3000, '{"all":' x 3000,

    '{"token":"TKN-1234-5678","account":"ACC-8765-4321"}',
    '{"token":"TKN-1234-5678","all":true}',
    '{"token":"TKN-1234-5678","all":false}',
    '{"token":"TKN-1234-5678","object":{"id":"TKN-1234-5678"}}',
    '{"account":"ACC-8765-4321","all":null}',
    '{"token":"TKN-1234-5678","token":"TKN-1234-5678"}',
    '{"all":true,"all":true}',
    '{"object":{"id":"TKN-1234-5678","id":"TKN-1234-5678"}}',

    "{\"all\":true\0}", "{\"token\":\"TKN-1234-5678\",\"a\":1\0}",
    '{"all":false}', '{"all":null}', '{"all":1}', '{"all":"true"}',
    '{"all":[true]}', '{"all":{}}',

    '{"token":5}', '{"token":null}', '{"token":true}', '{"token":""}',
    '{"token":["TKN-1234-5678"]}', '{"token":{"id":"TKN-1234-5678"}}',
    '{"token":"TKN-1234-5678 "}', '{"token":"TKN-1234-5678\u0000"}',
    '{"token":"TKN-1234-5678\n"}', '{"token":"' . 'T' x 65 . '"}',
    '{"token":"idt:TKN-1234-5678:secret"}', '{"token":"TKN-*"}',
    '{"token":"Bearer TKN-1234-5678"}',

    '{"account":5}', '{"account":""}', '{"account":null}',
    '{"account":{"id":"ACC-8765-4321"}}', '{"account":"ACC 8765"}',

    '{"object":"TKN-1234-5678"}', '{"object":null}', '{"object":{}}',
    '{"object":["TKN-1234-5678"]}', '{"object":{"id":5}}',
    '{"object":{"id":""}}', '{"object":{"token":"TKN-1234-5678"}}',
    '{"object":{"id":"idt:TKN-1234-5678:secret"}}');

nothing_purged(400, map {
    (sprintf('%.40s (%d)', $bodies[$_] =~ s/[^ -~]/?/gr, $_)
     => post($bodies[$_]))
} 0 .. $#bodies);
--- calls: 1



=== TEST 5: a body is JSON, whatever its type and form
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @bodies = (' { "token" : "TKN-1234-5678" } ', "$ById\r\n",
              '{"token":"\u0054KN-1234-5678"}',
              '{"token":"TKN-1234-5678","reason":"leaked","n":[1e400]}');

$bodies[3] =~ s/1e400/12345678901234567890123/;

for my $body (@bodies) {
    ask($Good);
    purged($body, 1);
}

ask($Good);
answers(post($ById, '/purge', 'POST', "Content-Type: text/plain\r\n"), 1,
        'a type');
ask($Good);
answers(chunked($ById), 1, 'chunked');
--- calls: 6



=== TEST 6: bodies up to 64 KiB
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $large = $ById . ' ' x (65536 - length $ById);

ask($Good);
answers(post($large), 1, 'with a length');
ask($Good);
answers(chunked($large), 1, 'chunked');
ask($Good);

for my $request (post("$large "), chunked("$large "),
                 post($large . ' ' x 500000), chunked($large x 9))
{
    is_problem(exchange($request), 413, 'larger');
    is(ask($Good), '204 pass HIT', 'still there');
}

my $zone = zone();

is("@$zone{qw(purge_requests purged_records)}", '2 2', 'figures');
--- calls: 3



=== TEST 7: bodies over client_max_body_size
--- http_config eval: $::Zone
--- config eval: $::Config =~ s{purge tokens;}{purge tokens; client_max_body_size 100;}r
--- perl
my $large = $ById . ' ' x 1000;

nothing_purged(413, length => post($large), chunked => chunked($large));
purged($ById, 1);
--- calls: 1



=== TEST 8: bodies larger than their buffer
--- http_config eval: $::Zone
--- config eval: "    client_body_buffer_size 16;\n" . $::Config
--- perl
my $large = ' ' x 30000 . $ById . ' ' x 30000;

for my $request (post($ById), chunked($ById), post($large), chunked($large)) {
    ask($Good);
    answers($request, 1, 'purged');
}

# in two parts, the first of which comes with the header

ask($Good);

my $sock = client();
my $request = post($large);

print {$sock} substr $request, 0, 200;
is(ask($Good), '204 pass HIT', 'not yet');
print {$sock} substr $request, 200;
is(read_response($sock)->{body}, '{"purged":1}', 'in two parts');
--- calls: 5



=== TEST 9: bodies in a file
--- http_config eval: $::Zone
--- config eval: "    client_body_in_file_only clean;\n" . $::Config
--- perl
for my $request (post($ById), chunked($ById)) {
    ask($Good);
    answers($request, 1, 'purged');
}
--- calls: 2



=== TEST 10: several requests over one connection
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $sock = client();

for my $round (1 .. 3) {
    ask($Good);
    print {$sock} post($ById, '/purge', 'PUT'), post($ById), post($ById);
    is(read_response($sock)->{status}, 405, 'refused');
    is(read_response($sock)->{body}, '{"purged":1}', 'purged');
    is(read_response($sock)->{body}, '{"purged":0}', 'nothing left');
}
--- calls: 3



=== TEST 11: auth_api_token_problem off
--- http_config eval: $::Zone
--- config eval: "    auth_api_token_problem off;\n" . $::Config
--- perl
ask($Good);

for my $case ([405, post($ById, '/purge', 'PUT')], [400, post('{}')],
              [413, post(' ' x 65537)])
{
    my $response = exchange($case->[1]);

    is($response->{status}, $case->[0], 'status');
    is($response->{headers}{'content-type'}, 'text/html', 'type');
    like($response->{body}, qr/<title>$case->[0] /, 'body');
}

is(ask($Good), '204 pass HIT', 'still there');
purged($ById, 1);
--- calls: 1



=== TEST 12: protected by deny
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /denied {
        deny all;
        auth_api_token_purge tokens;
    }
END
--- perl
ask($Good);

for my $request (post($ById, '/denied'), post('{"all":true}', '/denied'),
                 post('{}', '/denied'), post('', '/denied', 'GET'),
                 "DELETE /denied/TKN-1234-5678 HTTP/1.1\r\nHost: a\r\n\r\n")
{
    my $response = exchange($request);

    is($response->{status}, 403, 'refused');
    like($response->{body}, qr/<title>403 /, 'body');
    is(ask($Good), '204 pass HIT', 'still there');
}

is(zone()->{purge_requests}, 0, 'figures');
--- calls: 1



=== TEST 13: protected by this module
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /operations {
        auth_api_token "operations";
        auth_api_token_account_type Operations;
        auth_api_token_purge tokens;
    }
END
--- api
token TKN-0000-0001 {"account":{"id":"ACC-0000-0001","type":"Operations"}}
--- perl
sub purge_as {
    my ($token) = @_;

    return post($ById, '/operations', 'POST',
                $token ? "Authorization: Bearer $token\r\n" : '');
}

ask($Good);

is_problem(exchange(purge_as()), 401, 'no token');
is_problem(exchange(purge_as('idt:TKN-0000-0001:x')), 401, 'a bad token');
is_problem(exchange(purge_as($Good)), 403, 'a token of a vendor');
is(ask($Good), '204 pass HIT', 'still there');

answers(purge_as(token('TKN-0000-0001')), 1, 'a token of Operations');
is(ask($Good), '204 pass MISS', 'purged');
--- calls: 4



=== TEST 14: in "if" and "limit_except"
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens;
    location /t { auth_api_token "r"; try_files /n =204; }
    location /if/ { if ($arg_a) { set $x 1; } auth_api_token_purge tokens; }
    location /except/ {
        auth_api_token_purge tokens;
        limit_except GET { auth_api_token "r"; }
    }
    location /status { if ($arg_a) { set $x 1; } auth_api_token_status prometheus; }
--- perl
my $good = 'Authorization: Bearer ' . token('TKN-1234-5678') . "\r\n";

sub send_it {
    my ($what, $headers) = @_;

    my $response = exchange("$what HTTP/1.1\r\nHost: a\r\n$headers\r\n");

    return "$response->{status} " . substr $response->{body}, 0, 12;
}

is(send_it('GET /t', $good), '204 ', 'a verdict');
is(send_it('DELETE /if/TKN-1234-5678?a=1', ''), '200 {"purged":1}', 'if');
is(send_it('DELETE /if/TKN-1234-5678', ''), '200 {"purged":0}', 'no if');
is(send_it('DELETE /except/TKN-1234-5678', ''), '401 {"type":"htt',
   'limit_except without a token');
is(send_it('DELETE /except/TKN-1234-5678', $good), '200 {"purged":1}',
   'limit_except with a token');
is(send_it('GET /except/TKN-1234-5678', ''), '405 {"type":"htt', 'except');
is(send_it('GET /status?a=1', ''), '200 # HELP nginx', 'status');
is(send_it('DELETE /if/', ''), '400 {"type":"htt', 'no id');
is(send_it('DELETE /if/if', ''), '400 {"type":"htt', 'no id either');
is(send_it('GET /t', $good), '204 ', 'a verdict');
is(send_it('DELETE /if/ACC-8765-4321', ''), '200 {"purged":1}', 'an account');



=== TEST 15: what an API without public ids denied, and an account for a token
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens denied=1h;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    location /t { auth_api_token "r" format=opaque; try_files /n =204; }
    location /purge/ { auth_api_token_purge tokens; }
--- lookup
    proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- api
token TKN-1234-5678 {"status":"Disabled","works":true}
--- perl
my $token = token('TKN-1234-5678');

is(ask($token), '401 disabled MISS', 'denied');
is(ask($token), '401 disabled HIT', 'kept');
is(exchange("DELETE /purge/TKN-1234-5678 HTTP/1.1\r\nHost: a\r\n\r\n")->{body},
   '{"purged":1}', 'purged by the id in the answer');
is(ask($token), '401 disabled MISS', 'asked again');
is(exchange("POST /purge/ HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\n"
            . '{"token":"ACC-8765-4321"}')->{status}, 400,
   'an account is no token');
is(ask($token), '401 disabled HIT', 'nothing purged');



=== TEST 16: a token that is not to be asked about
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    location /t { auth_api_token "r"; try_files /n =204; }
    location /purge/ { auth_api_token_purge tokens; }
--- api
fault TKN-1234-5678 {"status":429,"headers":{"Retry-After":"3600"}}
--- perl
my $token = token('TKN-1234-5678');

is(ask($token), '503 unavailable MISS', 'asked');
is(ask($token), '503 unavailable MISS', 'not asked');
is(figures()->{calls}, 1, 'one call');

api('DELETE', 'faults/TKN-1234-5678');
exchange("DELETE /purge/TKN-1234-5678 HTTP/1.1\r\nHost: a\r\n\r\n");

is(ask($token), '204 pass MISS', 'asked after a purge');



=== TEST 17: what is too short for an id
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @short = qw(A AC ACC ACC- T TK TKN TKN- TKN1 - -1 A- --);

nothing_purged(400, map {
    ("$_ as a token"    => post(qq({"token":"$_"})),
     "$_ as an account" => post(qq({"account":"$_"})),
     "$_ of an event"   => post(qq({"object":{"id":"$_"}})),
     "$_ in the URI"    => "DELETE /purge/$_ HTTP/1.1\r\nHost: a\r\n\r\n")
} @short);

# and what is just long enough

for my $id (qw(A-1 ACC-1 TKN-1)) {
    answers(post(qq({"object":{"id":"$id"}})), 0, "$id of an event");
    answers("DELETE /purge/$id HTTP/1.1\r\nHost: a\r\n\r\n", 0,
            "$id in the URI");
}

purged('{"token":"A-1"}', 0);
purged('{"account":"ACC-1"}', 0);
--- calls: 1



=== TEST 18: an account where a token is meant, and a token for an account
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
nothing_purged(400, map { ($_ => post($_)) }
               '{"token":"ACC-8765-4321"}', '{"token":"ACC-1"}',
               '{"account":"TKN-1234-5678"}', '{"account":"acc-8765-4321"}');
--- calls: 1
