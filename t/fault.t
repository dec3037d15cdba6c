use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Unavailable;

# when the API gives no usable answer, the client gets 503 and nothing else

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
cause: the API says nothing about the token (status 500)



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
                      { 'Retry-After' => 'Fri, 06 Nov 2037 08:49:37 GMT' } },
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

for my $value ('identity', 'IDENTITY', '') {
    api('PUT', 'faults/any', { headers => { 'Content-Encoding' => $value } });
    is(ask()->{status}, 204, "taken: '$value'");
}
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



=== TEST 15: a resolver that does not answer
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



=== TEST 16: a TLS handshake that does not end
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



=== TEST 17: an answer of other things than HTTP, and of headers only
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
