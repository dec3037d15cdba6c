use lib 't/lib';
use AuthApiToken;
use Purge qw(purged);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);
use Token;

# auth_api_token_object: every way of asking it shows whose token it is;
# t/object_proof.t is about requests that do not learn it

no_long_string();
run_tests();

__DATA__

=== TEST 1: a miss and a hit
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $cache ('MISS', 'HIT') {
    my $response = get('/object');

    whole($cache, $response);
    is($response->{headers}{'x-all'}, "pass $cache", 'where from');
}
--- calls: 1



=== TEST 2: Age grows, and is never less than the real age
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $before = time;
my $age = get('/object')->{headers}{age};
my $after = time;
my %seen;

cmp_ok($age, '<=', $after - $before + 1, 'new');

until_true('it grows', sub {
    my $sent = time;
    my $now = get('/object')->{headers}{age};
    my $late = time;

    # clocks of two processes, each in ms

    return fail("$now, after " . ($sent - $after))
        if $now < $sent - $after - 0.1;
    return fail("$now, after " . ($late - $before))
        if $now > $late - $before + 1.1;
    return fail("$now, after $age") if $now < $age;

    $age = $now;
    $seen{$now}++;
    $now >= 3
});

cmp_ok(scalar keys %seen, '>=', 2, 'second by second');
--- calls: 1



=== TEST 3: whatever method a gateway forwards
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $method (qw(GET POST PUT PATCH DELETE OPTIONS PROPFIND MKCOL LOCK COPY
                   PURGE QUERY))
{
    whole($method, get('/object', method => $method));
}

my $get = get('/object');
my $head = get('/object', method => 'HEAD');

is($head->{status}, 200, 'HEAD - status');
is(identity($head), $::Identity, 'HEAD - identity');
is($head->{body}, '', 'HEAD - body');

for my $name (qw(cache-control vary content-type content-length)) {
    is($head->{headers}{$name}, $get->{headers}{$name}, "HEAD - $name");
}

like($head->{headers}{age}, qr/^\d+$/, 'HEAD - Age');
--- calls: 1



=== TEST 4: request bodies are ignored, and the next request is read
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $sock = client();
my $line = 'Authorization: Bearer ' . token('TKN-1234-5678') . "\r\n";

for my $body ('', 'x', '{"id":"TKN-0000-0001"}', 'GET /x HTTP/1.1' . "\r\n" x 2,
              'x' x 100000)
{
    for my $method ('POST', 'PUT', 'GET', 'DELETE') {
        print {$sock} "$method /object HTTP/1.1\r\nHost: a\r\n$line"
                      . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
        whole("$method, " . length $body, read_response($sock));

        print {$sock} "$method /object HTTP/1.1\r\nHost: a\r\n$line"
                      . "Transfer-Encoding: chunked\r\n\r\n"
                      . (length $body ? sprintf("%x\r\n%s\r\n", length $body,
                                                $body) : '')
                      . "0\r\n\r\n";
        whole("$method, chunked", read_response($sock));
    }
}

# nobody waits for a body

$sock = client();
print {$sock} "POST /object HTTP/1.1\r\nHost: a\r\n$line"
              . "Content-Length: 1000\r\n\r\nx";
whole('a body that does not come', read_response($sock));
--- calls: 1



=== TEST 5: a client's conditions and wishes that a gateway forwards
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $past = 'Sun, 06 Nov 1994 08:49:37 GMT';
my $future = 'Fri, 06 Nov 2099 08:49:37 GMT';

for my $line ('If-Match: "x"', 'If-Match: *', 'If-None-Match: "x"',
              'If-None-Match: *', "If-Modified-Since: $past",
              "If-Modified-Since: $future", "If-Unmodified-Since: $past",
              "If-Unmodified-Since: $future", 'Range: bytes=0-1',
              'Range: bytes=0-1,3-4', 'Range: bytes=9999-', 'Range: bytes=-1',
              "Range: bytes=0-1\r\nIf-Range: \"x\"",
              "Range: bytes=0-1\r\nIf-Range: $past",
              'Accept-Encoding: gzip', 'Accept-Encoding: identity;q=0',
              'Accept: text/html', 'Accept: */*;q=0', 'Accept-Charset: x',
              'Cache-Control: only-if-cached', 'Cache-Control: no-cache',
              'Pragma: no-cache', 'TE: trailers',
              'Upgrade: websocket', 'Max-Forwards: 0', 'Age: 99',
              'X-MPT-Account-Id: ACC-0000-0001',
              'X-HTTP-Method-Override: DELETE', "Content-Type: x",
              'Cookie: a=b', 'Origin: http://x',
              "Origin: x\r\nAccess-Control-Request-Method: GET")
{
    for my $method ('GET', 'OPTIONS') {
        whole("$method, $line", get('/object', method => $method,
                                    headers => "$line\r\n"));
    }
}
--- calls: 1



=== TEST 6: each identity header is there, whatever the API left out
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my %bodies = (
    '' => 'TKN-0000-0001||||||*',
    ',"name":null,"account":null,"modules":null' => 'TKN-0000-0001||||||*',
    ',"name":"","account":{},"modules":[],"extensions":[]'
        => 'TKN-0000-0001||||||',
    ',"account":{"id":"ACC-1111-1111"}' => 'TKN-0000-0001||ACC-1111-1111||||*',
    ',"account":{"type":"Client"}' => 'TKN-0000-0001||||Client||*',
    ',"modules":[{"code":"billing"}]' => 'TKN-0000-0001||||||*',
    ',"extensions":[{"id":"EXT-1234-5678"},{"id":"EXT-4321-8765"}]'
        => 'TKN-0000-0001||||||EXT-1234-5678,EXT-4321-8765',
    ',"$meta":{"omitted":["extensions"]}' => 'TKN-0000-0001||||||',
    ',"name":"a\r\nX-MPT-Account-Id: ACC-0000-0001","account":{"name":"é %"}'
        => 'TKN-0000-0001|a%0D%0AX-MPT-Account-Id: ACC-0000-0001||'
           . '%C3%A9 %25|||*');

my $n = 0;

for my $members (sort keys %bodies) {
    api('PUT', 'faults/any',
        { body => "{\"id\":\"TKN-0000-0001\",\"status\":\"Active\"$members}" });

    my $secret = 'MADEUP' . ++$n;

    for my $cache ('MISS', 'HIT') {
        my $response = get('/object', token => "idt:TKN-0000-0001:$secret");

        is(identity($response), $bodies{$members}, "$members, $cache");
        is($response->{headers}{'x-all'}, "pass $cache", "$members, passes");
    }
}
--- calls: 9



=== TEST 7: refusals are those of any location
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /account   { auth_api_token "r"; auth_api_token_account ACC-1111-1111; auth_api_token_object; }
    location /type      { auth_api_token "r"; auth_api_token_account_type Client; auth_api_token_object; }
    location /module    { auth_api_token "r"; auth_api_token_module MOD-9999; auth_api_token_object; }
    location /extension { auth_api_token "r"; auth_api_token_extension EXT-1234-5678; auth_api_token_object; }
    location /require   { auth_api_token "r"; auth_api_token_require $arg_a; auth_api_token_object; }
    location /secure    { auth_api_token "r"; auth_api_token_https on; auth_api_token_object; }
    location /limit     { auth_api_token "r"; auth_api_token_denied_limit $binary_remote_addr rate=1r/m burst=1; auth_api_token_object; }
    location /plain     { auth_api_token "r"; auth_api_token_problem off; auth_api_token_object; }
    location /page      { auth_api_token "r"; error_page 401 = /own; auth_api_token_object; }
    location /own       { return 401 "own"; }
END
--- api
token TKN-1234-5678 {"extensions":[]}
token TKN-0000-0002 {"status":"Disabled","works":1}
token TKN-0000-0003 {"self":403}
--- perl
my $bad = 'idt:TKN-1234-5678:MADEUPwrong';
my $n = 0;

for my $case (['/object', undef, 401, 'no_token', qr/^Bearer realm="r"$/],
              ['/object', 'a b', 400, 'malformed', qr/"invalid_request"/],
              ['/object', 'x', 401, 'unsupported', qr/"invalid_token"/],
              ['/object', $bad, 401, 'unknown', qr/"invalid_token"/],
              ['/object', token('TKN-0000-0002'), 401, 'disabled',
               qr/"invalid_token"/],
              ['/object', token('TKN-0000-0003'), 403, 'unreadable', undef],
              map({ [ "/$_->[0]", token('TKN-1234-5678'), 403, $_->[1],
                      qr/"insufficient_scope"/ ] }
                  ['account', 'account'], ['type', 'account_type'],
                  ['module', 'module'], ['extension', 'extension'],
                  ['require', 'require']),
              ['/secure', token('TKN-1234-5678'), 403, 'insecure', undef])
{
    my ($uri, $token, $status, $reason, $challenge) = @$case;

    for my $method ('GET', 'POST', 'HEAD') {
        my $response = get($uri, token => $token, method => $method);
        my $headers = $response->{headers};

        nothing("$method, $reason", $response, $status);
        like($headers->{'x-all'}, qr/^$reason /, "$method, $reason");

        if ($challenge) {
            like($headers->{'www-authenticate'}, $challenge,
                 "$method, $reason - challenge");

        } else {
            is($headers->{'www-authenticate'}, undef,
               "$method, $reason - no challenge");
        }

        is($headers->{'content-type'}, 'application/problem+json',
           "$method, $reason - problem");
    }
}

until_true('limited', sub {
    my $response = get('/limit', token => $bad . ++$n);

    return 0 if $response->{status} != 429;

    nothing('limited', $response, 429);
    like($response->{headers}{'retry-after'}, qr/^\d+$/, 'limited - how long');
    is(json_of($response->{body})->{status}, 429, 'limited - problem');
});

nothing('plain', get('/plain', token => undef), 401);
is(get('/plain', token => undef)->{headers}{'content-type'}, 'text/html',
   'no problem');
is(get('/page', token => undef)->{body}, 'own', 'a page of its own');

api('PUT', 'faults/any', { status => 429, headers => { 'Retry-After' => 7 } });

my $response = get('/object', token => $bad . ++$n);

nothing('unavailable', $response, 503);
is($response->{headers}{'retry-after'}, 7, 'unavailable - how long');
is(json_of($response->{body})->{status}, 503, 'unavailable - problem');



=== TEST 8: after a purge
--- http_config eval: $::Zone
--- config eval
$::Config . "    location /purge { auth_api_token_purge tokens; }\n"
--- perl
whole('before', get('/object'));
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
whole('not known yet', get('/object'));
purged('{"token":"TKN-1234-5678"}', 1);
nothing('after', get('/object'), 401);
api('PUT', 'tokens/TKN-1234-5678', { status => 'Active' });
purged('{"token":"TKN-1234-5678"}', 1);
whole('again', get('/object'));
--- calls: 3



=== TEST 9: behind auth_request, by proxy_pass
--- http_config
    auth_api_token_zone zone=tokens:1m;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        auth_api_token_request /_token_api;
        auth_api_token_cache tokens;
        auth_api_token_https off;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location = /object {
            auth_api_token "r";
            auth_api_token_account_type Vendor;
            auth_api_token_object;
        }
    }

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_2;
        return 200 "$http_x_mpt_token_id|$http_x_mpt_account_id|$http_x_mpt_modules";
    }
--- config
    location /t {
        auth_request /check;
        auth_request_set $token_id   $upstream_http_x_mpt_token_id;
        auth_request_set $account_id $upstream_http_x_mpt_account_id;
        auth_request_set $modules    $upstream_http_x_mpt_modules;
        proxy_set_header X-MPT-Token-Id   $token_id;
        proxy_set_header X-MPT-Account-Id $account_id;
        proxy_set_header X-MPT-Modules    $modules;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_2;
    }

    location = /check {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1/object;
        proxy_method $request_method;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }
--- api
token TKN-0000-0002 {"account":{"type":"Vendor"},"modules":[]}
token TKN-0000-0003 {"account":{"type":"Client"}}
--- perl
my $spoof = "X-MPT-Account-Id: ACC-0000-0001\r\nX-MPT-Modules: MOD-0001\r\n"
            . "Range: bytes=0-1\r\nIf-None-Match: \"x\"\r\n";

for my $method ('GET', 'POST', 'PUT', 'OPTIONS') {
    my %more = (method => $method, headers => $spoof,
                $method eq 'GET' ? () : (body => 'x' x 10000));

    is(get('/t', %more)->{body},
       'TKN-1234-5678|ACC-8765-4321|MOD-0478,MOD-1756', "$method, pass");
    is(get('/t', %more, token => token('TKN-0000-0002'))->{body},
       'TKN-0000-0002||', "$method, without an account's id and modules");
    is(get('/t', %more, token => token('TKN-0000-0003'))->{status}, 403,
       "$method, another account type");
    is(get('/t', %more, token => 'idt:TKN-1234-5678:MADEUPwrong')->{status},
       401, "$method, unknown");
    is(get('/t', %more, token => undef)->{status}, 401, "$method, no token");
}



=== TEST 10: HTTP/2
--- http_config
    auth_api_token_zone zone=tokens:1m;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 ssl http2;
        ssl_certificate     $TEST_NGINX_CERT/api.crt;
        ssl_certificate_key $TEST_NGINX_CERT/api.key;
        auth_api_token_request /_token_api;
        auth_api_token_cache tokens;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location = /object {
            auth_api_token "r";
            auth_api_token_object;
        }
    }
--- config
--- api
token TKN-0000-0002 {"name":null,"account":null,"modules":null}
--- perl
my $url = "https://127.0.0.1:$ENV{TEST_NGINX_PORT_1}/object";

for my $id ('TKN-1234-5678', 'TKN-1234-5678', 'TKN-0000-0002') {
    for my $args ('', '-X POST --data xyz', '-I', '-H "If-Match: *"') {
        my $token = token($id);
        my $text = `curl -s -k -i --http2 --max-time 20 $args -H "Authorization: Bearer $token" $url`;
        my ($head, $body) = split /\r\n\r\n/, $text, 2;

        like($head, qr/^HTTP\/2 200 ?\r\n/, "$id $args - status");

        # names are in small letters

        for my $name (@IdentityHeaders) {
            $head =~ s/^\L$name\E: ?/$name: /m;
        }

        is(identity({ head => $head }),
           $id eq 'TKN-1234-5678' ? $::Identity : "$id||||||*",
           "$id $args - identity");

        if ($args eq '-I') {
            is($body, '', "$id $args - body");

        } else {
            is(json_of($body)->{id}, $id, "$id $args - object");
        }
    }
}

like(`curl -s -k -i --http2 --max-time 20 $url`, qr/^HTTP\/2 401 ?\r\n/,
     'no token');
--- calls: 2



=== TEST 11: without a zone, stale, and with a token in another place
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /off   { auth_api_token "r"; auth_api_token_cache off; auth_api_token_object; }
    location /stale { auth_api_token "r"; auth_api_token_cache tokens valid=1s stale=1h refresh=off; auth_api_token_object; }
    location /other { auth_api_token "r" token=$http_x_token; auth_api_token_object; }
END
--- perl
whole('no zone', get('/off'));
is(get('/off')->{headers}{'x-all'}, 'pass BYPASS', 'no zone');

whole('known', get('/stale'));
api('PUT', 'faults/any', { reset => 'before' });

until_true('stale', sub {
    my $response = get('/stale');

    return 0 if $response->{headers}{'x-all'} ne 'pass STALE';

    whole('stale', $response);
    cmp_ok($response->{headers}{age}, '>=', 2, 'more than "valid"');
});

api('DELETE', 'faults/any');

my $response = get('/other', token => undef,
                   headers => 'X-Token: ' . token('TKN-1234-5678') . "\r\n");

whole('another header', $response);
nothing('not there', get('/other'), 401);
