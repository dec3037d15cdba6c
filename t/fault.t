use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# whatever the API does that is no answer is 503, and never anything else

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=500ms;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END


sub ask {
    return exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                    . "Authorization: Bearer " . token('TKN-1234-5678')
                    . "\r\n\r\n");
}


sub unavailable {
    my ($name, $fault, $retry) = @_;

    api('PUT', 'faults/any', $fault);

    my $response = ask();

    is($response->{status}, 503, "$name - status");
    is($response->{headers}{'x-result'}, 'unavailable', "$name - result");
    is($response->{headers}{'retry-after'}, $retry || 1, "$name - retry");
    is($response->{headers}{'www-authenticate'}, undef, "$name - challenge");

    # and the next one is not the worse for it

    api('DELETE', 'faults/any');
    is(ask()->{status}, 204, "$name - recovers");
}


# a body of the token's own but for what is given

sub body {
    my ($change) = @_;

    my $body = { id => 'TKN-1234-5678', status => 'Active', name => 'n',
                 token => token('TKN-1234-5678'),
                 account => { id => 'ACC-8765-4321', type => 'Vendor',
                              status => 'Active', name => 'TestCompany' },
                 modules => [ { id => 'MOD-0478' } ] };

    for my $path (keys %$change) {
        my ($one, $two) = split /\./, $path;

        if (defined $two) {
            $body->{$one}{$two} = $change->{$path};

        } elsif (defined $change->{$path}
                 && $change->{$path} eq '-absent-')
        {
            delete $body->{$one};

        } else {
            $body->{$one} = $change->{$path};
        }
    }

    return { body => JSON::PP->new->utf8->canonical->encode($body) };
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: any other status
--- config eval: $::Config
--- perl
for my $status (201, 202, 204, 206, 226, 300, 303, 304, 400, 402, 405, 406,
                408, 409, 410, 418, 422, 429, 451, 499, 500, 501, 502, 503,
                504, 520, 599)
{
    unavailable("status $status", { status => $status });
}
--- error_log
cause: the API says nothing of the token (status 500)



=== TEST 2: a status of which the body claims otherwise
--- config eval: $::Config
--- perl
for my $status (201, 203, 206, 400, 500) {
    unavailable("status $status", { status => $status, %{body({})} });
}



=== TEST 3: a redirect is not followed
--- config eval: $::Config
--- perl
for my $status (301, 302, 303, 307, 308) {
    unavailable("status $status", {
        status => $status,
        headers => { Location => '/public/v1/accounts/api-tokens/TKN-1234-5678' }
    });
}
--- calls: 10



=== TEST 4: 429 and 503 hand their Retry-After on
--- config eval: $::Config
--- perl
unavailable('429', { status => 429, headers => { 'Retry-After' => 17 } }, 17);
unavailable('503', { status => 503, headers => { 'Retry-After' => 9 } }, 9);
unavailable('zero', { status => 429, headers => { 'Retry-After' => 0 } }, 1);
unavailable('none', { status => 429 }, 1);
unavailable('long', { status => 429, headers => { 'Retry-After' => 1e6 } },
            3600);
unavailable('garbage', { status => 429,
                         headers => { 'Retry-After' => 'soon' } }, 1);
unavailable('negative', { status => 429,
                          headers => { 'Retry-After' => -5 } }, 1);
unavailable('huge', { status => 429, headers => { 'Retry-After' => '9' x 40 } },
            1);
unavailable('past', { status => 429, headers =>
                      { 'Retry-After' => 'Sun, 06 Nov 1994 08:49:37 GMT' } },
            1);
unavailable('date', { status => 429, headers =>
                      { 'Retry-After' => 'Fri, 06 Nov 2099 08:49:37 GMT' } },
            3600);
unavailable('500 has none to give', { status => 500, headers =>
                                      { 'Retry-After' => 17 } }, 1);



=== TEST 5: too late
--- config eval: $::Config
--- perl
unavailable('delay', { delay => 3000 });
unavailable('drip', { drip => 5 });
unavailable('chunked drip', { drip => 5, chunked => 1 });
unavailable('drip without a length', { drip => 5, close_delimited => 1 });
--- error_log
cause: timed out



=== TEST 6: nginx's own time limits
--- config eval: $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_read_timeout 100ms;
--- perl
unavailable('delay', { delay => 3000 });
--- error_log
cause: the API could not be asked (status 504)



=== TEST 7: closed and reset
--- config eval: $::Config
--- perl
for my $how ('cut', 'reset') {
    for my $where ('before', 'middle') {
        for my $more ({}, { chunked => 1 }, { close_delimited => 1 },
                      { drip => 0.1 })
        {
            unavailable(join(' ', $how, $where, keys %$more),
                        { $how => $where, %$more });
        }
    }
}
--- error_log
cause: the body was cut short



=== TEST 8: a body that is cut where it is JSON already
--- config eval: $::Config
--- perl
my $body = body({})->{body};

unavailable('length', { body => $body . ' ' x length $body, cut => 'middle' });
unavailable('chunks', { body => $body . ' ' x length $body, cut => 'middle',
                        chunked => 1 });



=== TEST 9: no connection
--- config eval: $::Config
--- lookup
        proxy_pass http://127.0.0.1:1/$auth_api_token_claimed_id;
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log
cause: the API could not be asked (status 502)



=== TEST 10: no such host
--- config eval: $::Config
--- lookup
        set $host_name nowhere.invalid;
        proxy_pass http://$host_name/$auth_api_token_claimed_id;
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 503
--- error_log
cause: the API could not be asked (status 502)



=== TEST 11: gzip
--- config eval: $::Config
--- perl
unavailable('gzip', { gzip => 1 });
unavailable('gzip chunked', { gzip => 1, chunked => 1 });
unavailable('a coding in name only',
            { headers => { 'Content-Encoding' => 'br' } });
unavailable('identity', { headers => { 'Content-Encoding' => 'identity' } });
--- error_log
cause: the body has a Content-Encoding



=== TEST 12: gzip, and gunzip on
--- config eval: "    gunzip on;\n" . $::Config
--- perl
unavailable('gzip', { gzip => 1 });



=== TEST 13: 64 KiB are read, and no byte more
--- config eval: $::Config
--- perl
my $body = body({})->{body};
my $room = 65536 - length $body;

for my $more ({}, { chunked => 1 }, { close_delimited => 1 }) {
    my $name = join '', keys %$more;

    for my $size ($room - 1, $room) {
        api('PUT', 'faults/any', { body => $body . ' ' x $size, %$more });
        is(ask()->{status}, 204, "$name: " . ($size + length $body));
    }

    unavailable("$name: 65537", { body => $body . ' ' x ($room + 1), %$more });
    unavailable("$name: 200000", { pad => 200000, %$more });
    unavailable("$name: 5 MB", { pad => 5e6, %$more });
}
--- error_log
cause: the body is too large



=== TEST 14: a body as large as that, and buffers and files of nginx's own
--- config eval: $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_buffering on;
        proxy_buffer_size 1k;
        proxy_buffers 2 1k;
        proxy_busy_buffers_size 1k;
        proxy_max_temp_file_size 100m;
--- perl
api('PUT', 'faults/any', { pad => 60000 });
is(ask()->{status}, 204, 'passes');
--- no_error_log
buffered to a temporary file



=== TEST 15: not JSON
--- config eval: $::Config
--- perl
my $body = body({})->{body};
my %bodies = (
    empty => '', space => ' ', html => '<html>Active</html>',
    text => 'Active', zero => "\0", half => substr($body, 0, -1),
    trailing => "${body}x", 'trailing object' => "$body$body",
    'trailing zero' => "$body\0", comma => '{"id":"TKN-1234-5678",}',
    single => "{'id':'TKN-1234-5678','status':'Active'}",
    bom => "\xef\xbb\xbf$body", latin => "{\"id\":\"caf\xe9\"}",
    'zero in a string' => '{"id":"TKN-1234-5678","status":"Active\u0000"}',
    'lone surrogate' =>
        '{"id":"TKN-1234-5678","status":"Active","name":"\ud800"}',
    comment => "/* */$body", prefix => ")]}'\n$body",
    'duplicate id' =>
        '{"id":"TKN-1234-5678","id":"TKN-1234-5678","status":"Active"}',
    'duplicate status' =>
        '{"id":"TKN-1234-5678","status":"Disabled","status":"Active"}',
    'duplicate by an escape' =>
        '{"id":"TKN-1234-5678","status":"Disabled","st\u0061tus":"Active"}',
    'duplicate below' => '{"id":"TKN-1234-5678","status":"Active",'
        . '"account":{"status":"Disabled","status":"Active"}}',
    deep => '{"id":"TKN-1234-5678","status":"Active","a":' . '[' x 5000
        . ']' x 5000 . '}',
    'deep objects' => '{"a":' x 5000 . '1' . '}' x 5000,
);

for my $name (sort keys %bodies) {
    unavailable($name, { body => $bodies{$name} });
}
--- error_log
cause: the body is not JSON



=== TEST 16: JSON of another shape
--- config eval: $::Config
--- perl
my $token = '{"id":"TKN-1234-5678","status":"Active"}';
my %bodies = (
    null => 'null', true => 'true', number => '200', string => '"Active"',
    array => "[$token]", 'empty array' => '[]', 'empty object' => '{}',
    'list of two' => "{\"data\":[$token,$token]}",
    'list of one and null' => "{\"data\":[$token,null]}",
    'list of null' => '{"data":[null]}',
    'list of a string' => '{"data":["TKN-1234-5678"]}',
    'list of a list' => "{\"data\":[[$token]]}",
    'data is an object' => "{\"data\":$token}",
    'data is null' => '{"data":null}',
    'data and id' =>
        '{"data":[],"id":"TKN-1234-5678","status":"Active"}',
    'id and data' =>
        "{\"id\":\"TKN-1234-5678\",\"status\":\"Active\",\"data\":[$token]}",
    'inside of another' => "{\"token\":$token}",
);

for my $name (sort keys %bodies) {
    unavailable($name, { body => $bodies{$name} });
}



=== TEST 17: members of another type
--- config eval: $::Config
--- perl
for my $change ({ id => 1 }, { id => undef }, { id => [] }, { id => {} },
                { id => '-absent-' }, { status => 1 }, { status => undef },
                { status => JSON::PP::true() }, { status => ['Active'] },
                { status => { a => 'Active' } }, { status => '-absent-' },
                { status => '' }, { name => 1 }, { name => {} },
                { account => 'ACC-8765-4321' }, { account => [] },
                { account => 1 }, { account => JSON::PP::false() },
                { 'account.id' => 1 }, { 'account.status' => 1 },
                { 'account.status' => ['Active'] }, { 'account.type' => [] },
                { 'account.name' => {} }, { modules => {} },
                { modules => 'MOD-0478' }, { modules => ['MOD-0478'] },
                { modules => [ { id => 478 } ] },
                { modules => [ { id => 'MOD-0478', code => 1 } ] },
                { modules => [ [ 'MOD-0478' ] ] })
{
    my $name = JSON::PP->new->canonical->encode($change);

    unavailable($name, body($change));
}
--- error_log
cause: the body has members of a wrong type
cause: the body has a "status" that is no string, or none



=== TEST 18: another token's body
--- config eval: $::Config
--- perl
for my $id ('TKN-1234-5679', 'TKN-1234-567', 'TKN-1234-56789', 'tkn-1234-5678',
            ' TKN-1234-5678', 'TKN-1234-5678 ', '', 'TKN-1234-5678/',
            "TKN-1234-5678\n", '*')
{
    unavailable("id '$id'", body({ id => $id }));
}
--- error_log
cause: the body speaks of another token



=== TEST 19: what the API may leave out
--- config eval: $::Config
--- perl
for my $change ({}, { name => '-absent-' }, { name => undef }, { name => '' },
                { account => '-absent-' }, { account => undef },
                { account => {} }, { modules => '-absent-' },
                { modules => undef }, { modules => [] },
                { modules => [ {} ] }, { modules => [ undef ] },
                { modules => [ { id => undef, code => 'a' } ] },
                { token => '-absent-' }, { token => 1 }, { '$meta' => 1 },
                { revision => 1e30 }, { unknown => [ 1, { id => 'x' } ] })
{
    api('PUT', 'faults/any', body($change));
    is(ask()->{status}, 204, JSON::PP->new->canonical->encode($change));
}

for my $number ('9' x 30, '-1', '1.5', '1e10') {
    api('PUT', 'faults/any', { body => '{"id":"TKN-1234-5678",'
        . "\"status\":\"Active\",\"revision\":$number}" });
    is(ask()->{status}, 204, "a revision of $number");
}



=== TEST 20: bodies as the platform sends them
--- config eval: $::Config
--- perl
my %want = (
    '200-active'             => ['TKN-1234-5678', 204, 'pass'],
    '200-list-one'           => ['TKN-1234-5678', 204, 'pass'],
    '200-no-modules'         => ['TKN-1234-5682', 204, 'pass'],
    '200-operations-enabled' => ['TKN-1234-5681', 204, 'pass'],
    '200-documented-minimum' => ['TKN-4134-7330', 204, 'pass'],
    '200-disabled'           => ['TKN-1234-5679', 401, 'disabled'],
    '200-account-disabled'   => ['TKN-1234-5680', 401, 'account_disabled'],
    '200-list-none'          => ['TKN-1234-5678', 401, 'unknown'],
    '400-problem'            => ['TKN-1234-5678', 503, 'unavailable'],
    '401-gateway'            => ['TKN-1234-5678', 401, 'unknown'],
    '401-problem'            => ['TKN-1234-5678', 401, 'unknown'],
    '403-problem'            => ['TKN-1234-5678', 403, 'unreadable'],
    '404-problem'            => ['TKN-1234-5678', 401, 'unknown']);

for my $name (sort keys %want) {
    open my $in, '<', "t/samples/$name.json" or die "$name: $!";
    my $body = do { local $/; <$in> };

    my ($id, $status, $result) = @{$want{$name}};
    my ($answer) = $name =~ /^(\d+)/;

    api('PUT', 'faults/any', { status => $answer + 0, body => $body });

    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: "
                            . "Bearer idt:$id:MADEUP\r\n\r\n");

    is($response->{status}, $status, "$name - status");
    is($response->{headers}{'x-result'}, $result, "$name - result");
}
--- calls: 13



=== TEST 21: an error_page of the server does not speak for the API
--- config eval
"    error_page 404 500 502 503 504 =200 /ok.json;\n"
. "    error_page 401 =404 /nope;\n"
. "    proxy_intercept_errors on;\n"
. "    location = /ok.json { return 200 '{\"id\":\"TKN-1234-5678\","
. "\"status\":\"Active\"}'; }\n" . <<'END';
    location /t {
        auth_api_token "r";
        error_page 418 /x;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END
--- perl
unavailable('reset', { reset => 'before' });
unavailable('status 500', { status => 500 });

for my $status (401, 404) {
    api('PUT', 'faults/any', { status => $status });
    is(ask()->{headers}{'x-result'}, 'unknown', "status $status");
}



=== TEST 22: an error_page of http, with recursive_error_pages
--- http_config
    error_page 404 500 502 503 504 =200 /ok.json;
    recursive_error_pages on;
--- config eval
"    location = /ok.json { return 200 '{\"id\":\"TKN-1234-5678\","
. "\"status\":\"Active\"}'; }\n" . <<'END';
    location /t {
        auth_api_token "r";
        error_page 418 /x;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END
--- perl
unavailable('reset', { reset => 'before' });



=== TEST 23: a lookup location that answers itself
--- config eval: $::Config
--- lookup
        if ($arg_x = "") { return 200 '{"id":"TKN-1234-5678","status":"Active"}'; }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 0



=== TEST 24: a lookup location that is not there, or refuses
--- config
    location = /401 { return 401; }
    location = /403 { return 403; }
    location = /404 { return 404; }
    location = /500 { return 500; }
    location = /204 { return 204; }
    location = /302 { return 302 /; }
    location = /444 { return 444; }
    location = /200 { return 200; }

    location /t/ {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        error_page 418 /;

        location /t/nowhere { auth_api_token_request /nowhere; try_files /n =204; }
        location /t/dir/    { auth_api_token_request /dir/; try_files /n =204; }
        location /t/401     { auth_api_token_request /401; try_files /n =204; }
        location /t/403     { auth_api_token_request /403; try_files /n =204; }
        location /t/404     { auth_api_token_request /404; try_files /n =204; }
        location /t/500     { auth_api_token_request /500; try_files /n =204; }
        location /t/204     { auth_api_token_request /204; try_files /n =204; }
        location /t/302     { auth_api_token_request /302; try_files /n =204; }
        location /t/444     { auth_api_token_request /444; try_files /n =204; }
        location /t/200     { auth_api_token_request /200; try_files /n =204; }
    }
--- perl
for my $where (qw(nowhere dir/ 401 403 404 500 204 302 444 200)) {
    my $response = exchange("GET /t/$where HTTP/1.1\r\nHost: a\r\n"
                            . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n");

    is($response->{status}, 503, "location $where");
    is($response->{headers}{'x-result'}, 'unavailable', "location $where");
}
--- error_log
cause: the API could not be asked (status 404)
--- calls: 0



=== TEST 25: a resolver that does not answer
--- config eval: $::Config
--- lookup
        resolver 127.0.0.1:$TEST_NGINX_PORT_1 ipv6=off;
        set $host_name api.example.com;
        proxy_pass http://$host_name/$auth_api_token_claimed_id;
--- perl
my $silent = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1',
                                   LocalPort => $ENV{TEST_NGINX_PORT_1})
    or die "udp: $!";

is(ask()->{headers}{'x-result'}, 'unavailable', 'result') for 1, 2;
--- error_log
cause: timed out



=== TEST 26: a TLS handshake that does not end
--- config eval: $::Config
--- lookup
        proxy_pass https://127.0.0.1:$TEST_NGINX_PORT_1/$auth_api_token_claimed_id;
--- perl
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
                                   ReuseAddr => 1,
                                   LocalPort => $ENV{TEST_NGINX_PORT_1})
    or die "tcp: $!";

is(ask()->{headers}{'x-result'}, 'unavailable', 'result') for 1, 2;
--- error_log
cause: timed out



=== TEST 27: an answer of other things than HTTP, and of headers only
--- config eval: $::Config
--- lookup
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1/$auth_api_token_claimed_id;
--- perl
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
                                   ReuseAddr => 1,
                                   LocalPort => $ENV{TEST_NGINX_PORT_1})
    or die "tcp: $!";
my $body = body({})->{body};
my $length = length $body;

for my $answer ("garbage\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                . sprintf("%x\r\n%s\r\n", $length, $body),
                "HTTP/1.1 200 OK\r\nX: " . 'x' x 100000 . "\r\n\r\n$body",
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                . "Content-Encoding:\r\nContent-Length: $length\r\n\r\n$body",
                "HTTP/1.1 100 Continue\r\n\r\n",
                "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n$body",
                "HTTP/1.1 999 Odd\r\nContent-Length: $length\r\n\r\n$body",
                "\0" x 100, '')
{
    my $client = client();

    print {$client} "GET /t HTTP/1.1\r\nHost: a\r\n"
                    . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n";

    my $sock = $server->accept;

    sysread $sock, my $request, 4096;
    print {$sock} $answer;
    close $sock;

    is(read_response($client)->{headers}{'x-result'}, 'unavailable',
       substr $answer, 0, 40);
}

# HTTP/0.9 was a body and nothing else: nginx makes a 200 of it

my $client = client();

print {$client} "GET /t HTTP/1.1\r\nHost: a\r\n"
                . "Authorization: Bearer <TKN-1234-5678>\r\n\r\n";

my $sock = $server->accept;

sysread $sock, my $request, 4096;
print {$sock} "<html>\n";
close $sock;

is(read_response($client)->{headers}{'x-result'}, 'unavailable', 'HTTP/0.9');



=== TEST 28: an error_page that asks somebody else who knows anybody
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 '{"id":"TKN-1234-5678","status":"Active"}';
    }
--- config eval
"    error_page 500 502 503 504 = /anybody;\n"
. "    proxy_intercept_errors on;\n"
. "    location = /anybody { proxy_pass http://127.0.0.1:"
. "\$TEST_NGINX_PORT_1; }\n" . <<'END';
    location /t {
        auth_api_token "r";
        error_page 418 /x;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END
--- perl
unavailable('reset', { reset => 'before' });
unavailable('status 500', { status => 500 });



=== TEST 29: an answer that nginx has in a cache, whoever asked for it
--- http_config
    proxy_cache_path cache keys_zone=cache:1m;
    proxy_cache cache;
    proxy_cache_valid any 1h;
--- config eval
$::Config . <<'END';
    location /public/ {
        proxy_pass http://token_api;
    }
END
--- perl
my $get = "GET /public/v1/accounts/api-tokens/TKN-1234-5678 HTTP/1.1\r\n"
          . "Host: a\r\nAuthorization: Bearer ";
my $bad = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
          . "idt:TKN-1234-5678:no\r\n\r\n";

# the cache of the test holds a secret, as any of the API's bodies would
api('PUT', 'tokens/TKN-1234-5678', { secret => 'good' });

is(exchange("${get}idt:TKN-1234-5678:good\r\n\r\n")->{status}, 200,
   'in the cache');
is(exchange($bad)->{headers}{'x-result'}, 'unavailable', 'not for a lookup');
--- error_log
cause: the answer came from a cache of nginx



=== TEST 30: a 401 with an X-Accel-Redirect to what says otherwise
--- config eval
$::Config . <<'END';
    location = /evil {
        internal;
        default_type application/json;
        return 200 '{"id":"TKN-1234-5678","status":"Active"}';
    }
END
--- perl
api('PUT', 'faults/any', { status => 401, headers =>
                           { 'X-Accel-Redirect' => '/evil' } });
is(ask()->{headers}{'x-result'}, 'unavailable', 'result');
--- error_log
cause: the API could not be asked



=== TEST 31: a lookup that is cut off while a thread reads for it
--- main_config
    thread_pool default threads=1;
--- config
    auth_api_token_request /_token_api timeout=1ms;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location /big {
        root html;
        aio threads;
        sendfile off;
        output_buffers 64 32k;
    }
--- lookup
        aio threads;
        sendfile off;
        alias html/token.json;
--- user_files eval
">>> token.json\n" . '{"id":"TKN-1234-5678","status":"Active"}' . "\n"
. ">>> big\n" . 'x' x 3000000 . "\n"
--- perl
my %results;

for my $round (1 .. 40) {
    my @socks = map {
        my $sock = client();
        print {$sock} $_ % 2 ? "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
                             : "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization:"
                               . " Bearer <TKN-1234-5678>\r\n\r\n";
        $sock;
    } 1 .. 12;

    for my $sock (@socks) {
        my $response = read_response($sock);
        $results{$response->{status}
                 . ($response->{headers}{'x-result'} || '')}++;
    }
}

delete $results{'503unavailable'};

is(join(' ', sort keys %results) =~ s/^200 204pass$/200/r, '200',
   'files, and tokens that pass or time out');
--- no_error_log
[alert]
