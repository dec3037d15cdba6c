use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw($Good $Bad);
use Test::Nginx::Socket 'no_plan';

# other modules that refuse, allow or answer before the content phase: in the
# phases of this module, and right before and after them

our $Memory = <<'END';
    lua_shared_dict memory 1m;
END

our $Cached = <<'END' . $Location;
    location /cached {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        srcache_fetch GET /memory $uri;
        srcache_store PUT /memory $uri;
        default_type text/plain;
        proxy_pass http://$TEST_NGINX_SERVER_PORT/answer;
    }

    location /free {
        srcache_fetch GET /memory $uri;
        srcache_store PUT /memory $uri;
        proxy_pass http://$TEST_NGINX_SERVER_PORT/answer;
    }

    location /answer {
        auth_api_token off;
        return 200 "for $http_x_id, $connection_requests\n";
    }

    location = /memory {
        internal;
        content_by_lua_block {
            local memory = ngx.shared.memory

            if ngx.req.get_method() == "PUT" then
                ngx.req.read_body()
                memory:set(ngx.var.args, ngx.req.get_body_data())
                ngx.exit(201)
            end

            local text = memory:get(ngx.var.args)

            if not text then
                ngx.exit(404)
            end

            ngx.print(text)
        }
    }

    location /memory/keys {
        content_by_lua_block {
            ngx.say(table.concat(ngx.shared.memory:get_keys(), " "))
        }
    }
END

our $Modsecurity = <<'END' . $Location;
    modsecurity on;
    modsecurity_rules '
        SecRuleEngine On
        SecRequestBodyAccess On
        SecResponseBodyAccess On
        SecResponseBodyMimeType application/problem+json text/plain
        SecRule ARGS:stop "@streq early" "id:1,phase:1,deny,status:406"
        SecRule REQUEST_BODY "@contains stop" "id:2,phase:2,deny,status:406"
        SecRule RESPONSE_STATUS "@streq 403" "id:3,phase:3,deny,status:406"
        SecRule REQUEST_URI "@contains _token_api" "id:4,phase:1,pass,log,msg:lookup"
        SecRule REQUEST_URI "@contains away" "id:5,phase:1,redirect:/t"
    ';

    location /body {
        auth_api_token "r";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
END


sub get {
    my ($uri, $token, $headers) = @_;

    return exchange(request_of($token, $uri, $headers));
}


sub post {
    my ($uri, $token, $body) = @_;

    return exchange("POST $uri HTTP/1.1\r\nHost: a\r\n"
                    . (defined $token ? "Authorization: Bearer $token\r\n" : '')
                    . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
}


sub result {
    my ($response) = @_;

    return "$response->{status} " . ($response->{headers}{'x-result'} || '-');
}


sub cached {
    my $first = get('/cached/a', $Good);

    is(result($first), '200 pass', 'stored');
    is(get('/cached/a', $Good)->{body}, $first->{body}, 'and served');
    like(get('/memory/keys')->{body}, qr{/cached/a}, 'from what is stored');

    is(result(get('/cached/a', $Bad)), '401 unknown', 'not to others');
    is(result(get('/cached/a')), '401 no_token', 'nor to anybody');
    is(result(get('/cached/b', $Bad)), '401 unknown', 'a refusal');
    is(result(get('/cached/b', $Good)), '200 pass', 'is not stored');
    unlike(get('/memory/keys')->{body}, qr/_token_api/, 'no lookup either');

    is(get('/free')->{body}, get('/free')->{body}, 'elsewhere it serves');
}


sub modsecurity {
    same_worker(sub {
        is(result(get('/t', $Good)), '204 pass', 'passes');
        is(result(get('/t', $Bad)), '401 unknown', 'refused');
        is(get('/t?stop=early', $Good)->{status}, 406, 'stopped before');
        is(get('/away', $Good)->{status}, 302, 'redirected');

        is(post('/body', $Good, 'to go')->{status}, 200, 'a body');
        is(post('/body', $Good, 'to stop')->{status}, 406, 'stopped by it');
        is(post('/body', $Bad, 'to stop')->{status}, 406, 'also with a bad one');
        is(post('/body', $Bad, 'to go')->{status}, 401, 'refused with a body');
        is(post('/body', $Good, 'a' x 200000)->{status}, 200, 'a large body');
        is(post('/body', $Bad, 'a' x 200000)->{status}, 401, 'refused with it');

        like(nginx_log(), qr/\[msg "lookup"\]/, 'the lookup is seen');
    });
}


no_long_string();
master_on();
run_tests();

__DATA__

=== TEST 1: srcache with answers behind the check, loaded before
--- before: lua srcache
--- http_config eval: $::Memory
--- config eval: $::Cached
--- perl
cached();



=== TEST 2: the same, loaded after
--- after: srcache lua
--- http_config eval: $::Memory
--- config eval: $::Cached
--- perl
cached();



=== TEST 3: srcache for the lookup itself: it has nothing to keep
--- before: lua srcache
--- http_config eval: $::Memory
--- config eval: $::Cached
--- lookup
        srcache_fetch GET /memory $uri;
        srcache_store PUT /memory $uri;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
for (1 .. 2) {
    is(result(get('/t', $::Good)), '204 pass', 'passes');
    is(result(get('/t', $::Bad)), '401 unknown', 'refused');
}

is(get('/memory/keys')->{body}, "\n", 'nothing is kept');
--- calls: 4



=== TEST 4: ModSecurity, loaded before
--- before: modsecurity
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200;
    }
--- config eval: $::Modsecurity
--- perl
modsecurity();



=== TEST 5: ModSecurity, loaded after
--- after: modsecurity
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200;
    }
--- config eval: $::Modsecurity
--- perl
modsecurity();



=== TEST 6: ModSecurity stops a lookup: no answer of the API
--- before: modsecurity
--- config eval: $::Location
--- lookup
        modsecurity on;
        modsecurity_rules '
            SecRuleEngine On
            SecRule REQUEST_URI "@contains _token" "id:1,phase:1,deny,status:401"
        ';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(result(get('/t', $::Good)), '503 unavailable', 'its word is not the API\'s');
--- calls: 0



=== TEST 7: the same in the phase of the body, and of the answer
--- before: modsecurity
--- config eval: $::Location
--- lookup
        modsecurity on;
        modsecurity_rules '
            SecRuleEngine On
            SecRequestBodyAccess On
            SecResponseBodyAccess On
            SecRule REQUEST_URI "@contains _token" "id:1,phase:2,deny,status:404"
            SecRule RESPONSE_STATUS "@streq 200" "id:2,phase:3,deny,status:404"
        ';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
is(result(get('/t', $::Good)), '503 unavailable', 'its word is not the API\'s');
--- calls: 0



=== TEST 8: PAM: all of them
--- before: auth_pam
--- config
    location /t {
        auth_pam "pam";
        auth_pam_service_name "none";
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- perl
same_worker(sub {
    is(get('/t', $::Good)->{status}, 401, 'a token does not do');
    is(get('/t', undef, "Authorization: Basic YTpi\r\n")->{status}, 401,
       'nor does a password');
});
--- calls: 0



=== TEST 9: PAM: any of them
--- after: auth_pam
--- config
    location /t {
        satisfy any;
        auth_pam "pam";
        auth_pam_service_name "none";
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
same_worker(sub {
    is(result(get('/t', $::Good)), '204 pass', 'a token');
    is(result(get('/t', $::Bad)), '401 unknown', 'a bad one');
    is(result(get('/t', undef, "Authorization: Basic YTpi\r\n")), '401 no_token',
       'a bad password');
    is(result(get('/t')), '401 no_token', 'nothing');
});
--- calls: 2



=== TEST 10: headers-more has the token from elsewhere
--- before: headers_more
--- config
    location /t {
        more_set_input_headers 'Authorization: Bearer $http_x_token';
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- perl
same_worker(sub {
    is(result(get('/t', undef, "X-Token: $::Good\r\n")), '204 pass', 'good');
    is(result(get('/t', undef, "X-Token: $::Bad\r\n")), '401 unknown', 'bad');
    is(result(get('/t', $::Good, "X-Token: $::Bad\r\n")), '401 unknown',
       'instead of the header');
});



=== TEST 11: cache_purge: a client without a token purges nothing
--- before: cache_purge
--- http_config
    proxy_cache_path $TEST_NGINX_SERVER_ROOT/proxy_temp/cached keys_zone=cached:1m;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        add_header Cache-Control max-age=60;
        return 200 "$request_id";
    }
--- config
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        proxy_cache cached;
        proxy_cache_key $uri;
        proxy_cache_purge PURGE from all;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- perl
my $purge = sub { exchange(request_of(@_) =~ s/^GET/PURGE/r) };

same_worker(sub {
    my $body = get('/t', $::Good)->{body};

    is(get('/t', $::Good)->{body}, $body, 'cached');
    is(result($purge->($::Bad, '/t')), '401 unknown', 'a bad token');
    is(result($purge->(undef, '/t')), '401 no_token', 'none');
    is(get('/t', $::Good)->{body}, $body, 'still cached');
});
