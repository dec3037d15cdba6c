use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Unavailable;

# nobody but the API speaks for a token, whatever nginx is told to do

no_long_string();
run_tests();

__DATA__

=== TEST 1: an error_page of the server does not speak for the API
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



=== TEST 2: an error_page of http, with recursive_error_pages
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



=== TEST 3: a lookup location that answers itself
--- config eval: $::Config
--- lookup
        if ($arg_x = "") { return 200 '{"id":"TKN-1234-5678","status":"Active"}'; }
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 0



=== TEST 4: a lookup location that is not there, or refuses
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



=== TEST 5: an error_page that asks somebody else who knows anybody
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



=== TEST 6: an answer that nginx has in a cache, for whichever client it came
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



=== TEST 7: a 401 with an X-Accel-Redirect to what says otherwise
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



=== TEST 8: a lookup that is cut off while a thread reads for it
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



=== TEST 9: a lookup location that answers from a file
--- config eval: $::Config
--- lookup
        sendfile on;
        alias html/token.json;
--- user_files eval
">>> token.json\n" . '{"id":"TKN-1234-5678","status":"Active"}' . "\n"
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 204
--- calls: 0
