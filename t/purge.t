use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# forgetting verdicts: what is purged by which request, and that no lookup that
# was under way brings it back

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge   { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status json; }
END

our $Good = token('TKN-1234-5678');
our $Bad = 'idt:TKN-1234-5678:MADEUPwrong';
our $ById = '{"token":"TKN-1234-5678"}';
our $Disabled = { status => 'Disabled', works => 1 };


sub request_of {
    my ($token, $uri) = @_;

    return 'GET ' . ($uri || '/t') . " HTTP/1.1\r\nHost: a\r\n"
           . "Authorization: Bearer $token\r\n\r\n";
}


sub summary {
    my ($response) = @_;

    return join ' ', $response->{status},
                map { $response->{headers}{$_} || '-' } qw(x-result x-cache);
}


sub ask {
    return summary(exchange(request_of(@_)));
}


sub post {
    my ($body, $uri, $method, $headers) = @_;

    return ($method || 'POST') . ' ' . ($uri || '/purge') . " HTTP/1.1\r\n"
           . "Host: a\r\n" . ($headers || '') . 'Content-Length: '
           . length($body) . "\r\n\r\n$body";
}


sub chunked {
    my ($body) = @_;

    return "POST /purge HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
           . "\r\n\r\n"
           . join('', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                      unpack '(a8000)*', $body)
           . "0\r\n\r\n";
}


sub zone {
    my ($name) = @_;

    my $body = exchange("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")->{body};

    return JSON::PP->new->decode($body)->{zones}{$name || 'tokens'};
}


sub answers {
    my ($request, $n, $name) = @_;

    my $response = exchange($request);

    is($response->{status}, 200, "$name - status");
    is($response->{headers}{'content-type'}, 'application/json',
       "$name - type");
    is($response->{body}, qq({"purged":$n}), "$name - answer");
}


sub purged {
    my ($body, $n, $uri) = @_;

    answers(post($body, $uri), $n, $body =~ s/\s+/ /gr);
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

    is("@$zone{qw(purges purged)}", '0 0', 'figures');
}


# a lookup that has facts of an active token and keeps them for a while, and a
# token that is disabled meanwhile

sub start_lookup {
    api('PUT', 'faults/any', { delay => 1000 });

    my $sock = client();

    print {$sock} request_of($::Good);

    until_true('asked', sub { figures()->{calls} == 1 });

    api('DELETE', 'faults/any');
    api('PUT', 'tokens/TKN-1234-5678', $::Disabled);

    return $sock;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: by token
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my $other = token('TKN-1234-5679');

ask($_) for $Good, $other;
purged($::ById, 1);
is(ask($Good), '204 pass MISS', 'asked again');
is(ask($other), '204 pass HIT', 'another id');
purged($::ById, 1);
purged($::ById, 0);
purged('{"token":"TKN-1234-567"}', 0);
is(ask($other), '204 pass HIT', 'another id');

my $zone = zone();

is("@$zone{qw(purges purged)}", '4 2', 'figures');
is($zone->{facts}{entries}, 1, 'entries');
--- error_log eval
qr!\[notice\] .*API tokens purged: 1, zone: "tokens", id: "TKN-1234-5678", account: ""!
--- calls: 3



=== TEST 2: by account
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @tokens;

for my $i (1 .. 120) {
    my $id = sprintf 'TKN-0000-%04d', $i;
    my $account = $i % 3 ? 'ACC-8765-4321' : 'ACC-0000-0001';

    api('PUT', "tokens/$id", { account => { id => $account },
                               $i <= 6 ? %$Disabled : () });
    push @tokens, token($id);
}

ask($_) for @tokens;
purged('{"account":"ACC-0000-0001"}', 40);
my $wrong = 0;

for my $i (1 .. 120) {
    my $want = ($i <= 6 ? '401 disabled' : '204 pass')
               . ($i % 3 ? ' HIT' : ' MISS');

    $wrong++ if ask($tokens[$i - 1]) ne $want;
}

is($wrong, 0, 'facts and denials of the account, and no others');
purged('{"account":"ACC-9999-9999"}', 0);
purged('{"account":"ACC-8765-4321"}', 80);
purged('{"account":"ACC-0000-0001"}', 40);

my $zone = zone();

is("$zone->{facts}{entries} $zone->{denials}{entries}", '0 0', 'entries');
--- error_log
API tokens purged: 40, zone: "tokens", id: "", account: "ACC-0000-0001"
--- calls: 160



=== TEST 3: all
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my $other = token('TKN-1234-5679');

purged('{"all":true}', 0);
ask($_) for $Good, $other, $Bad;
purged('{"all":true}', 3);
is(ask($Good), '204 pass MISS', 'a token');
is(ask($other), '204 pass MISS', 'another token');
is(ask($Bad), '401 unknown MISS', 'a denial');
is(ask($Good), '204 pass HIT', 'the zone works as before');
--- error_log eval
qr!API tokens purged: 3, zone: "tokens", id: "", account: "", all!
--- calls: 6



=== TEST 4: by an event of the platform
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679 {"account":{"id":"ACC-0000-0001"}}
--- perl
my $other = token('TKN-1234-5679');
my $event = '{"id":"MSG-1234-5678","object":{"id":"%s","name":"CRM robot",'
            . '"objectType":"ApiToken"},"details":{"eventType":'
            . '"platform.accounts.api-token.status_changed","enqueueTime":'
            . '"2026-03-15T10:00:00.000Z","n":1e3}}';

ask($_) for $Good, $other;
purged('{"object":{"id":"TKN-1234-5678"}}', 1);
is(ask($Good), '204 pass MISS', 'without other members');
purged(sprintf($event, 'TKN-1234-5678'), 1);
is(ask($Good), '204 pass MISS', 'with other members');
purged(sprintf($event, 'ORD-1234-5678'), 0);
purged(sprintf($event, 'ACC-9999-9999'), 0);
is(ask($Good), '204 pass HIT', 'objects of other kinds');
purged(sprintf($event, 'ACC-0000-0001'), 1);
is(ask($other), '204 pass MISS', 'an account');
is(ask($Good), '204 pass HIT', 'another account');
--- calls: 5



=== TEST 5: by URI
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
sub del {
    my ($path) = @_;

    return "DELETE $path HTTP/1.1\r\nHost: a\r\n\r\n";
}

my $other = token('TKN-1234-5679');

for my $path ('/purge/TKN-1234-5678', '/purge/a/b/TKN-1234-5678',
              '/purge/TKN-1234-5678?id=TKN-1234-5679',
              '/purge/TKN%2D1234-5678')
{
    ask($_) for $Good, $other;
    answers(del($path), 1, $path);
    is(ask($Good), '204 pass MISS', "$path - asked again");
    is(ask($other), '204 pass HIT', "$path - another id");
}

answers(del('/purge/TKN-0000-0000'), 0, 'an id of nothing');
answers(del('/purge/ACC-8765-4321'), 0, 'an account is no token');
answers(post('{"all":true}', '/purge/TKN-0000-0000', 'DELETE'), 0,
        'a body counts for nothing');
is(ask($Good), '204 pass HIT', 'still there');
--- calls: 6



=== TEST 6: an id or nothing at the end of the URI
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
nothing_purged(400, map {
    ($_ => "DELETE $_ HTTP/1.1\r\nHost: a\r\n\r\n")
} '/purge/', '/purge/TKN-1234-5678/', '/purge/idt:TKN-1234-5678:secret',
  '/purge/TKN-1234-5678%20', '/purge/' . 'T' x 65, '/purge/TKN*');
--- calls: 1



=== TEST 7: wrong secrets are verdicts of the id they claim
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my @bad = map { "$Bad$_" } 1 .. 100;
my $other = token('TKN-1234-5679');

ask($_) for @bad, $Good, $other, 'idt:TKN-1234-5679:MADEUPwrong';
is(figures()->{calls}, 103, 'asked');

# whose account an unknown token has nobody knows
purged('{"account":"ACC-0000-0001"}', 0);
purged($ById, 101);

is(ask($_), '401 unknown MISS', 'a wrong secret') for @bad[0, 50, 99];
is(ask($Good), '204 pass MISS', 'the token');
is(ask($other), '204 pass HIT', 'another id');
is(ask('idt:TKN-1234-5679:MADEUPwrong'), '401 unknown HIT',
   'a wrong secret of another id');
is(zone()->{denials}{entries}, 4, 'denials');
--- calls: 107



=== TEST 8: verdicts of several APIs and ways to ask
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /one {
        auth_api_token "r";
        auth_api_token_request /_token_api api=one;
        try_files /dev/null =204;
    }

    location /two {
        auth_api_token "r";
        auth_api_token_request /_token_api api=two;
        try_files /dev/null =204;
    }

    location /again {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        auth_api_token_request /_token_api api=two;
        try_files /dev/null =204;
    }

    location /three {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- perl
my @uris = qw(/one /two /three);

is(ask($Good, $_), '204 pass MISS', $_) for @uris;
is(ask($Bad, '/one'), '401 unknown MISS', 'a denial');
is(ask($Good, '/again'), '403 module HIT', 'a decision is no verdict');
purged($ById, 4);
is(ask($Good, $_), '204 pass MISS', $_) for @uris;
is(ask($Good, '/again'), '403 module HIT', 'decided as before');
purged('{"account":"ACC-8765-4321"}', 3);
is(ask($Good, '/again'), '403 module MISS', 'decided as before');
--- calls: 8



=== TEST 9: opaque tokens, by the id that the API gave
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r" format=opaque;
        try_files /dev/null =204;
    }

    location /idt {
        auth_api_token "r";
        auth_api_token_request /_by_id;
        try_files /dev/null =204;
    }

    location = /_by_id {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }

    location /purge { auth_api_token_purge tokens; }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- api
token TKN-0000-0001 {"account":{"id":"ACC-0000-0001","type":"Operations"}}
--- perl
# the first is that of Operations, who may read the token of another id

my $operations = token('TKN-0000-0001');

is(ask($operations), '204 pass MISS', 'one opaque token');
is(ask($Good), '204 pass MISS', 'another of the same id');
is(ask('nope'), '401 unknown MISS', 'an unknown one');
is(ask($Good, '/idt'), '204 pass MISS', 'one with an id to claim');

purged('{"token":"TKN-0000-0001"}', 0);
is(ask($operations), '204 pass HIT', 'not by the id that it seems to have');
purged($ById, 3);
is(ask($operations), '204 pass MISS', 'one opaque token');
is(ask($Good), '204 pass MISS', 'another of the same id');
is(ask('nope'), '401 unknown HIT', 'an unknown one has no id');
is(ask($Good, '/idt'), '204 pass MISS', 'one with an id to claim');

purged('{"account":"ACC-8765-4321"}', 3);
purged('{"all":true}', 1);
--- calls: 7



=== TEST 10: another zone is left alone
--- http_config
    auth_api_token_zone zone=tokens:1m;
    auth_api_token_zone zone=others:1m;
--- config eval
$::Config . <<'END';
    location /others {
        auth_api_token "r";
        auth_api_token_cache others valid=10m;
        try_files /dev/null =204;
    }

    location /purge_others { auth_api_token_purge others; }
END
--- perl
my @uris = qw(/t /others);

is(ask($Good, $_), '204 pass MISS', $_) for @uris;
purged('{"all":true}', 1);
is(ask($Good, '/others'), '204 pass HIT', 'still there');
is(ask($Good, '/t'), '204 pass MISS', 'purged');
purged($ById, 1, '/purge_others');
is(ask($Good, '/others'), '204 pass MISS', 'purged');
is(ask($Good, '/t'), '204 pass HIT', 'still there');
--- error_log
API tokens purged: 1, zone: "others"
--- calls: 4



=== TEST 11: other methods
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



=== TEST 12: HEAD has the header of a GET, and no body
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



=== TEST 13: bodies that say nothing
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



=== TEST 14: a body is JSON, whatever its type and form
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



=== TEST 15: bodies up to 64 KiB
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $large = $ById . ' ' x (65536 - length $ById);

ask($Good);
answers(post($large), 1, 'with a length');
ask($Good);
answers(chunked($large), 1, 'chunked');
ask($Good);

nothing_purged_since($large);

sub nothing_purged_since {
    my ($large) = @_;

    for my $request (post("$large "), chunked("$large "),
                     post($large . ' ' x 500000), chunked($large x 9))
    {
        is_problem(exchange($request), 413, 'larger');
        is(ask($Good), '204 pass HIT', 'still there');
    }
}

my $zone = zone();

is("@$zone{qw(purges purged)}", '2 2', 'figures');
--- calls: 3



=== TEST 16: bodies over client_max_body_size
--- http_config eval: $::Zone
--- config eval: $::Config =~ s{purge tokens;}{purge tokens; client_max_body_size 100;}r
--- perl
my $large = $ById . ' ' x 1000;

nothing_purged(413, length => post($large), chunked => chunked($large));
purged($ById, 1);
--- calls: 1



=== TEST 17: bodies larger than their buffer
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



=== TEST 18: bodies in a file
--- http_config eval: $::Zone
--- config eval: "    client_body_in_file_only clean;\n" . $::Config
--- perl
for my $request (post($ById), chunked($ById)) {
    ask($Good);
    answers($request, 1, 'purged');
}
--- calls: 2



=== TEST 19: several requests over one connection
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



=== TEST 20: auth_api_token_problem off
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



=== TEST 21: protected by deny
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
    like($response->{body}, qr/<title>403 Forbidden/, 'body');
    is(ask($Good), '204 pass HIT', 'still there');
}

is(zone()->{purges}, 0, 'figures');
--- calls: 1



=== TEST 22: protected by this module
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



=== TEST 23: a lookup under way, whoever comes next
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @bodies = ($ById, '{"account":"ACC-8765-4321"}', '{"all":true}',
              '{"object":{"id":"TKN-1234-5678"}}');

for my $body (@bodies) {
    api('POST', 'reset');
    api('PUT', 'tokens/TKN-1234-5678');
    exchange(post('{"all":true}'));

    my $sock = start_lookup();

    purged($body, 0);
    is(ask($Good), '401 disabled MISS', 'who comes next asks again');
    is(ask($Good), '401 disabled HIT', 'and those after');
    is(summary(read_response($sock)), '401 disabled WAIT', 'who had asked');
    is(ask($Good), '401 disabled HIT', 'nothing was brought back');
    is(figures()->{answers}, 2, 'both lookups have ended');

    my $zone = zone();

    is("$zone->{facts}{entries} $zone->{denials}{entries}"
       . " $zone->{in_flight}", '0 1 0', 'the zone');
}
--- calls: 2



=== TEST 24: a lookup under way, and nobody comes
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $sock = start_lookup();
my @others = map { my $s = client(); print {$s} request_of($Good); $s } 1 .. 3;

until_true('all wait', sub { zone()->{waits} == 3 });

purged($ById, 0);

my @results = map { summary(read_response($_)) } $sock, @others;

is(join(',', sort @results),
   '401 disabled MISS' . ',401 disabled WAIT' x 3, 'who had asked ask again');
is(ask($Good), '401 disabled HIT', 'nothing was brought back');
is(zone()->{facts}{entries}, 0, 'no facts');
--- calls: 2



=== TEST 25: a lookup under way, and the client that asked is gone
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
close(start_lookup());
purged($ById, 0);

until_true('answered', sub { !zone()->{in_flight} });

my $zone = zone();

is("$zone->{facts}{entries} $zone->{denials}{entries}", '0 0', 'not kept');
is(ask($Good), '401 disabled MISS', 'asked again');
--- calls: 2



=== TEST 26: a refresh under way
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=2s denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge   { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status json; }
--- perl
ask($Good);
api('PUT', 'faults/any', { delay => 1000 });

until_true('a refresh is under way', sub {
    ask($Good);
    my $zone = zone();
    $zone->{refreshes} && $zone->{in_flight};
});

api('DELETE', 'faults/any');
api('PUT', 'tokens/TKN-1234-5678', $Disabled);
exchange(post($ById));

is(ask($Good), '401 disabled MISS', 'who comes next asks again');
until_true('the refresh has ended', sub { !zone()->{in_flight} });
is(ask($Good), '401 disabled HIT', 'nothing was brought back');
is(zone()->{facts}{entries}, 0, 'no facts');



=== TEST 27: a lookup of another id goes on
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $sock = start_lookup();

purged('{"token":"TKN-1234-5679"}', 0);
is(summary(read_response($sock)), '204 pass MISS', 'passes');
is(ask($Good), '204 pass HIT', 'and is kept');
--- calls: 1



=== TEST 28: an opaque token that is looked up, whose id nobody knows yet
--- http_config eval: $::Zone
--- config eval: $::Config =~ s/"r";/"r" format=opaque;/r
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- perl
my $sock = start_lookup();

purged($ById, 0);
is(ask($Good), '401 disabled MISS', 'who comes next asks again');
is(summary(read_response($sock)), '401 disabled WAIT', 'who had asked');
is(zone()->{facts}{entries}, 0, 'no facts');
--- calls: 2



=== TEST 29: purged facts do not serve as stale ones
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=1s stale=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- perl
ask($Good);
api('PUT', 'faults/any', { status => 500 });

until_true('stale', sub { ask($Good) eq '204 pass STALE' });

purged($ById, 1);
like(ask($Good), qr/^503 (?:unavailable|busy) MISS$/, 'nothing is left');
