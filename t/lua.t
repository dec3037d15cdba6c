use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw(ask);
use Test::Nginx::Socket 'no_plan';

# Lua in lookup locations, and in locations that are checked

master_on();

our $Checked = <<'END';
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
END

our $Config = <<"END";
    location /t {
$Checked
        try_files /dev/null =204;
    }
END

our $Pass = <<'END';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
END

our $Inner = <<"END";
    location = /inner {
        internal;
        subrequest_output_buffer_size 256k;
$Pass
    }
END

our $Zone = <<'END';
    auth_api_token_zone zone=tokens:1m;
END


sub get {
    return exchange(request_of($_[0]));
}


# a good token, a disabled one and a wrong one, and the worker stays as it is

sub judged {
    my $good = token('TKN-1234-5678');

    api('PUT', 'tokens/TKN-0000-0002', { status => 'Disabled', works => 1 });

    same_worker(sub {
        for (1 .. 2) {
            is(ask($good), '204 pass BYPASS', 'good');
            is(ask(token('TKN-0000-0002')), '401 disabled BYPASS', 'disabled');
            is(ask('idt:TKN-1234-5678:MADEUPwrong'), '401 unknown BYPASS',
               'unknown');
        }
    });

    unlike(nginx_log(), qr/API disabled|attempt to|stack traceback/,
           'Lua has no complaint');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a rewrite of the server, loaded after
--- after: lua
--- config eval
<<'END' . $::Config;
    rewrite_by_lua_block { ngx.ctx.t = ngx.var.request_id }
END
--- perl
judged();
--- calls: 6



=== TEST 2: a rewrite of the server, loaded before
--- before: lua
--- config eval
<<'END' . $::Config;
    rewrite_by_lua_block { ngx.ctx.t = ngx.var.request_id }
END
--- perl
judged();
--- calls: 6



=== TEST 3: set in the server and in the lookup location
--- after: lua
--- config eval
<<'END' . $::Config;
    set_by_lua_block $server { return ngx.var.request_id }
END
--- lookup eval
<<'END' . $::Pass;
        set_by_lua_block $id { return ngx.var.auth_api_token_claimed_id }
        proxy_set_header X-Id "$id $server";
END
--- perl
judged();
like(join(' ', map { @$_ } @{figures()->{requests}[0]{headers}}),
     qr/X-Id TKN-1234-5678 [0-9a-f]{32}/, 'variables');
--- calls: 6



=== TEST 4: a balancer
--- after: lua
--- http_config
    upstream lua_api {
        server 0.0.0.1;
        balancer_by_lua_block {
            local balancer = require "ngx.balancer"
            ngx.ctx.tries = (ngx.ctx.tries or 0) + 1
            assert(balancer.set_timeouts(1, 1, 1))
            assert(balancer.set_current_peer("127.0.0.1",
                                             $TEST_NGINX_API_PORT))
        }
        keepalive 4;
    }
--- config eval: $::Config
--- lookup
        proxy_pass http://lua_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
--- perl
judged();
--- calls: 6
--- connections: 1



=== TEST 5: content that asks by a subrequest
--- after: lua
--- config eval: $::Config . $::Inner
--- lookup
        content_by_lua_block {
            local res = ngx.location.capture("/inner")
            ngx.status = res.status
            ngx.header.content_type = "application/json"
            ngx.print(res.body)
        }
--- perl
judged();
--- calls: 6



=== TEST 6: content that asks twice at once, and says something else
--- after: lua
--- config eval: $::Config . $::Inner
--- lookup
        content_by_lua_block {
            local one, two = ngx.location.capture_multi({ { "/inner" },
                                                          { "/inner" } })
            local body = one.body == two.body and one.body or "{}"

            ngx.header.content_type = "application/json"

            if body:find('"status":"Disabled"', 1, true) then
                body = '{"id":"TKN-0000-0002","status":"Active"}'
            else
                body = body:gsub('"status":"Active","token"',
                                 '"status":"Disabled","token"')
            end

            ngx.print(body)
        }
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '401 disabled BYPASS', 'Active to Lua');
    is(ask(token('TKN-0000-0002')), '204 pass BYPASS', 'Disabled to Lua');
});
--- calls: 4



=== TEST 7: a subrequest that breaks or is large
--- after: lua
--- config eval: $::Config . $::Inner
--- lookup
        content_by_lua_block {
            local res = ngx.location.capture("/inner")
            ngx.header.content_type = "application/json"
            ngx.say('{"id":"TKN-1234-5678","status":"',
                    res.truncated and "broken" or "Active", '"}')
        }
--- perl
same_worker(sub {
    my $token = token('TKN-1234-5678');

    for my $fault ({ close_delimited => 1, drip => 50,
                     headers => { 'Transfer-Encoding' => 'chunked' },
                     body    => "1\r\nx\r\nzz\r\n" },
                   { cut => 'middle' }, { reset => 'middle' })
    {
        api('PUT', 'faults/any', $fault);
        isnt((split ' ', ask($token))[0], 204, 'broken');
    }

    api('PUT', 'faults/any', { pad => 200000 });
    is(ask($token), '204 pass BYPASS', 'large');

    api('DELETE', 'faults/any');
    is(ask($token), '204 pass BYPASS', 'good');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 5



=== TEST 8: content of its own, over a socket
--- after: lua
--- config eval: $::Config
--- lookup
        lua_check_client_abort on;
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", $TEST_NGINX_API_PORT))
            assert(sock:send("GET /public/v1/accounts/api-tokens/"
                             .. ngx.var.auth_api_token_claimed_id
                             .. " HTTP/1.1\r\nHost: a\r\nAuthorization: "
                             .. ngx.var.http_authorization .. "\r\n\r\n"))

            ngx.status = tonumber(sock:receive("*l"):match(" (%d+) "))

            local length

            for line in function() return sock:receive("*l") end do
                if line == "" then
                    break
                end
                length = line:match("^Content%-Length: (%d+)") or length
            end

            ngx.header.content_type = "application/json"
            ngx.print(sock:receive(tonumber(length)))
            ngx.flush(true)
            sock:setkeepalive()
        }
--- perl
judged();
--- calls: 6
--- connections: 1



=== TEST 9: what there is of a client
--- after: lua
--- config eval: $::Config
--- lookup eval
<<'END' . $::Pass;
        lua_need_request_body on;
        rewrite_by_lua_block {
            local head = ngx.req.raw_header()

            ngx.req.raw_header(true)
            ngx.req.read_body()
            ngx.req.get_body_data()
            ngx.req.get_headers()
            ngx.req.get_uri_args()
            ngx.on_abort(function() end)
            ngx.sleep(0.02)
            ngx.ctx.head = #head
        }
        header_filter_by_lua_block { ngx.header.x = ngx.ctx.head }
        log_by_lua_block { ngx.log(ngx.INFO, "a log") }
END
--- perl
judged();
--- calls: 6



=== TEST 10: clients that leave, and a lookup that times out
--- after: lua
--- http_config eval: $::Zone
--- config eval
"    auth_api_token_cache tokens;\n"
. "    auth_api_token_request /_token_api timeout=400ms;\n"
. $::Config . $::Inner
--- lookup
        content_by_lua_block {
            ngx.sleep(0.05)
            local res = ngx.location.capture("/inner")
            ngx.sleep(0.05)
            ngx.status = res.status
            ngx.print(res.body)
        }
--- api
fault any {"delay":100}
--- perl
my $token = token('TKN-1234-5678');

same_worker(sub {
    my @socks = map { Store::start($token) } 1 .. 6;

    until_true('asked', sub { figures()->{calls} == 1 });
    close $_ for splice @socks, 0, 3;

    is(read_response($_)->{status}, 204, 'passes') for @socks;

    api('PUT', 'faults/any', { delay => 1000 });
    is(ask('idt:TKN-1234-5678:MADEUPx'), '503 unavailable MISS', 'too late');

    api('DELETE', 'faults/any');
    is(ask('idt:TKN-1234-5678:MADEUPy'), '401 unknown MISS', 'and the next');
});
--- calls: 3



=== TEST 11: access after the check, loaded after
--- after: lua
--- config eval
<<"END";
    location /t {
$::Checked
        access_by_lua_block {
            ngx.header.x_lua = ngx.var.auth_api_token_id .. " "
                               .. ngx.var.auth_api_token_result
            if ngx.var.auth_api_token_account_type ~= "Vendor" then
                ngx.exit(402)
            end
        }
        log_by_lua_block {
            ngx.log(ngx.NOTICE, "logged ", ngx.var.auth_api_token_result)
        }
        try_files /dev/null =204;
    }
END
--- api
token TKN-0000-0002 {"account":{"id":"ACC-0000-0002","type":"Client"}}
--- perl
my $response = get(token('TKN-1234-5678'));
is($response->{status}, 204, 'passes');
is($response->{headers}{'x-lua'}, 'TKN-1234-5678 pass', 'and Lua knows');

$response = get(token('TKN-0000-0002'));
is($response->{status}, 402, 'Lua refuses');
is($response->{headers}{'x-lua'}, 'TKN-0000-0002 pass', 'what passed');

$response = get('idt:TKN-1234-5678:MADEUPwrong');
is($response->{status}, 401, 'refused');
is($response->{headers}{'x-lua'}, undef, 'and Lua was not asked');

until_true('logged', sub { nginx_log() =~ /logged unknown/ });
is(join(' ', nginx_log() =~ /logged (\w+)/g), 'pass pass unknown', 'logs');
--- calls: 3



=== TEST 12: access after the check, loaded before
--- before: lua
--- config eval
<<"END";
    location /t {
$::Checked
        access_by_lua_block {
            ngx.header.x_lua = ngx.var.auth_api_token_id
        }
        try_files /dev/null =204;
    }
END
--- perl
my @socks = map { Store::start(token('TKN-1234-5678')) } 1 .. 5;

for (@socks) {
    my $response = read_response($_);

    is($response->{status}, 204, 'passes');
    is($response->{headers}{'x-lua'}, 'TKN-1234-5678', 'and Lua knows');
}

my $response = get('idt:TKN-1234-5678:MADEUPwrong');
is($response->{status}, 401, 'refused');
is($response->{headers}{'x-lua'}, undef, 'and Lua was not asked');
--- calls: 6



=== TEST 13: content, subrequests and logs where requests are checked
--- after: lua
--- http_config eval: $::Zone
--- config eval
<<"END";
    auth_api_token_cache tokens;
    log_by_lua_block { ngx.log(ngx.NOTICE, "logged ", ngx.var.uri) }

    location /t {
$::Checked
        content_by_lua_block {
            local res = ngx.location.capture("/part")
            ngx.say(ngx.var.auth_api_token_account_id, " ", res.body)
        }
    }

    location /part {
$::Checked
        auth_api_token_module MOD-9999;
        content_by_lua_block {
            ngx.print(ngx.var.auth_api_token_id)
        }
    }
END
--- perl
for my $cache (qw(MISS HIT)) {
    my $response = get(token('TKN-1234-5678'));

    is($response->{body}, "ACC-8765-4321 TKN-1234-5678\n", 'both know');
    is($response->{headers}{'x-cache'}, $cache, 'from where');
}

is(get('idt:TKN-1234-5678:MADEUPwrong')->{status},
   401, 'refused');

until_true('logged', sub { 3 <= (() = nginx_log() =~ /logged /g) });
is(join(' ', nginx_log() =~ /logged (\S+)/g), '/t /t /t',
   'lookups are not logged');
--- calls: 2



=== TEST 14: an answer of Lua has an age, if it says so
--- after: lua
--- http_config eval: $::Zone
--- config eval
<<"END";
    auth_api_token_cache tokens valid=10s;
    location /ten {
$::Checked
        try_files /dev/null =204;
    }
    location /hour {
$::Checked
        auth_api_token_cache tokens valid=1h;
        add_header X-Age \$auth_api_token_age;
        try_files /dev/null =204;
    }
END
--- lookup
        content_by_lua_block {
            ngx.header["Age"] = "100"
            ngx.print('{"id":"', ngx.var.auth_api_token_claimed_id,
                      '","status":"Active"}')
        }
--- perl
my $token = token('TKN-1234-5678');

is(ask($token, '/ten'), '503 unavailable MISS', 'too old') for 1 .. 2;
like(ask($token, '/hour'), qr/^204 pass (?:HIT|MISS)$/, 'not too old');
cmp_ok(exchange(request_of($token, '/hour'))->{headers}{'x-age'}, '>=', 100,
       'age');
is(ask($token, '/ten'), '503 unavailable MISS', 'still too old');
--- calls: 0
