use lib 't/lib';
use AuthApiToken;
use JSON::PP ();
use Neighbours;
use Store qw($Bad);
use Test::Nginx::Socket 'no_plan';

# other modules where requests are checked, loaded before this one and after

our $Headers = <<'END';
    more_set_headers 'X-More: $auth_api_token_result';
    more_set_headers -s 401 'X-Refused: yes' 'Server: none';
END

our $Subs = <<'END';
    subs_filter_types application/problem+json;
    subs_filter Unauthorized UNAUTHORIZED;
    subs_filter html HTML;
END

our $Lua = <<'END';
    header_filter_by_lua_block {
        ngx.header.x_lua = ngx.var.auth_api_token_result
    }
    body_filter_by_lua_block {
        if ngx.arg[1]:find("MADEUP", 1, true) then
            ngx.arg[1] = "a secret"
        end
    }
END


# a refusal and what comes after it on the same connection

sub refused {
    my ($name) = @_;

    my $sock = client();
    my ($response, $next);

    for (1 .. 2) {
        print {$sock} request_of($Bad);
        $response = read_response($sock);

        is($response->{status}, 401, "$name - refused");
        is($response->{headers}{'content-type'}, 'application/problem+json',
           "$name - type");
        like($response->{headers}{'www-authenticate'}, qr/invalid_token/,
             "$name - challenge");
        like($response->{body}, qr/\A\{"type".*"status":401.*\}\z/,
             "$name - body");
        ok(eval { JSON::PP->new->utf8->decode($response->{body}) },
           "$name - JSON");
    }

    print {$sock} request_of(token('TKN-1234-5678'));
    $next = read_response($sock);

    is($next->{status}, 204, "$name - passes");

    return ($response->{headers}, $next->{headers});
}


sub more {
    my ($refused, $passed) = refused('headers-more');

    is($refused->{'x-more'}, 'unknown', 'a variable, refused');
    is($refused->{'x-refused'}, 'yes', 'by status');
    is($refused->{server}, 'none', 'Server');
    is($passed->{'x-more'}, 'pass', 'a variable, passed');
    is($passed->{'x-refused'}, undef, 'not by status');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: headers-more, loaded before
--- before: headers_more
--- config eval: $::Headers . $::Location
--- perl
more();
--- calls: 3



=== TEST 2: headers-more, loaded after
--- after: headers_more
--- config eval: $::Headers . $::Location
--- perl
more();
--- calls: 3



=== TEST 3: subs_filter and a problem body, loaded before
--- before: subs_filter
--- config eval: $::Subs . $::Location
--- perl
refused('subs_filter');
--- calls: 3



=== TEST 4: subs_filter and a problem body, loaded after
--- after: subs_filter
--- config eval: $::Subs . $::Location
--- perl
refused('subs_filter');
--- calls: 3



=== TEST 5: a filter with no order and a problem body
--- before: test_top_filter
--- config eval
"    test_filter_log on;\n    test_filter_header X-Test yes;\n" . $::Location
--- perl
my ($refused) = refused('a filter');
is($refused->{'x-test'}, 'yes', 'a header');
--- calls: 3



=== TEST 6: Lua and a problem body, loaded before
--- before: lua
--- config eval: $::Lua . $::Location
--- perl
my ($refused, $passed) = refused('Lua');
is("$refused->{'x-lua'} $passed->{'x-lua'}", 'unknown pass', 'variables');
--- calls: 3



=== TEST 7: Lua and a problem body, loaded after
--- after: lua
--- config eval: $::Lua . $::Location
--- perl
my ($refused, $passed) = refused('Lua');
is("$refused->{'x-lua'} $passed->{'x-lua'}", 'unknown pass', 'variables');
--- calls: 3



=== TEST 8: auth_request to Lua, with satisfy any
--- after: lua
--- config
    location /t {
        satisfy any;
        auth_api_token "r";
        auth_request /other;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location = /other {
        internal;
        content_by_lua_block {
            ngx.sleep(0.01)
            ngx.exit(ngx.var.http_x_other == "yes" and 200 or 403)
        }
    }
--- perl
is(exchange(request_of(token('TKN-1234-5678')))->{status}, 204, 'the token');
is(exchange(request_of("$::Bad\r\nX-Other: yes"))->{status}, 204,
   'the other');
is(exchange(request_of($::Bad))->{status}, 401, 'neither');
--- calls: 3



=== TEST 9: limit_req that delays
--- before: lua
--- after: headers_more subs_filter js
--- http_config
    limit_req_zone $server_name zone=r:1m rate=50r/s;
--- config eval
<<'END' . $::Location;
    limit_req zone=r burst=10;
    rewrite_by_lua_block { ngx.ctx.t = 1 }
END
--- lookup
        limit_req zone=r burst=100;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
my @socks = map { Store::start(token('TKN-1234-5678')) } 1 .. 5;

is(read_response($_)->{status}, 204, 'passes') for @socks;
like(nginx_log(), qr/delaying request/, 'late');
--- calls: 5



=== TEST 10: realip, and deny by what it says
--- after: lua
--- config
    location /t {
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        allow 192.0.2.7;
        deny all;
        auth_api_token "r";
        access_by_lua_block {
            ngx.header.x_lua = ngx.var.remote_addr .. " "
                               .. ngx.var.auth_api_token_id
        }
        try_files /dev/null =204;
    }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header X-Remote $remote_addr;
--- perl
my $get = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer <TKN-1234-5678>";
my $response = exchange("$get\r\nX-Real-IP: 192.0.2.7\r\n\r\n");

is($response->{status}, 204, 'passes');
is($response->{headers}{'x-lua'}, '192.0.2.7 TKN-1234-5678', 'who it is');
is(exchange("$get\r\nX-Real-IP: 192.0.2.8\r\n\r\n")->{status}, 403, 'denied');

my %headers = map { @$_ } @{figures()->{requests}[0]{headers}};
is($headers{'X-Remote'}, '192.0.2.7', 'the lookup knows too');
--- calls: 1
--- calls_preaccess: 2



=== TEST 11: Lua ends a response with another status
--- after: lua
--- config
    location /t {
        auth_api_token "r";
        add_header X-Id "$auth_api_token_id, $auth_api_token_result" always;
        header_filter_by_lua_block {
            if ngx.status ~= 418 then
                return ngx.exit(418)
            end
        }
        try_files /dev/null =204;
    }
--- perl
my $response = exchange(request_of(token('TKN-1234-5678')));

is($response->{status}, 418, 'passed');
is($response->{headers}{'x-id'}, 'TKN-1234-5678, pass', 'who it was');

$response = exchange(request_of($::Bad));

is($response->{status}, 418, 'refused');
is($response->{headers}{'x-id'}, ', unknown', 'why');
