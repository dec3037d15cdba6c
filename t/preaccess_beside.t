use lib 't/lib';
use AuthApiToken;
use Limits;
use Neighbours;
use Store qw(zone $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# other modules where the API is asked in the preaccess phase

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_phase preaccess;

    location /t {
        auth_api_token "r";
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END

our $Conns = $Zones . "limit_conn_zone \$auth_api_token_id zone=conns:1m;\n";

# in all phases, with whatever makes a request wait there

our $Lua = <<'END';
    location /lua {
        rewrite_by_lua_block {
            ngx.sleep(0.01)
            ngx.ctx.early = ngx.var.auth_api_token_id
        }

        auth_api_token "r";
        limit_req zone=account burst=2 nodelay;

        access_by_lua_block {
            ngx.sleep(0.01)
            ngx.ctx.late = ngx.var.auth_api_token_id .. " "
                           .. ngx.var.auth_api_token_result
        }

        content_by_lua_block {
            ngx.header["X-Seen"] = (ngx.ctx.early or "") .. "|" .. ngx.ctx.late
            ngx.exit(204)
        }
    }
END

our $Real = <<'END';
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
END

our $Input = <<'END';
        more_set_input_headers "Authorization: $http_x_token";
END

our $Script = <<'END';
>>> limit.js
function key(r) {
    return r.variables.auth_api_token_account_id || '';
}

export default { key };
END


# three pass, whichever modules there are; and so with limit_conn

sub limits {
    is(volley(12, $Bad), '401:12', 'a bogus token');
    is(volley(12, $Good), '204:3 429:9', 'limited');
}


sub lua {
    limits();

    my @responses = map { exchange(request_of(token('TKN-2000-0001'), '/lua')) }
                    1 .. 5;

    is(tally(@responses), '204:3 429:2', 'with Lua in all phases');
    is($responses[0]{headers}{'x-seen'}, '|TKN-2000-0001 pass', 'variables');
    is(exchange(request_of($Bad, '/lua'))->{status}, 401, 'a bogus token');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: realip of the server
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    auth_api_token_denied_limit $binary_remote_addr rate=1r/m burst=2;

    location /address {
        auth_api_token "r";
        limit_req zone=address burst=2 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
our $n = 0;

sub from {
    my ($address, $uri) = @_;

    return exchange(request_of('idt:TKN-1234-5678:MADEUP' . ++$n, $uri,
                               "X-Real-IP: 192.0.2.$address\r\n"))->{status};
}

is(join(' ', map { from(1) } 1 .. 4), '401 401 429 429', 'an address');
is(join(' ', map { from(2) } 1 .. 4), '401 401 429 429', 'another address');
is(join(' ', map { from(3, '/address') } 1 .. 4), '401 401 429 429', 'both');
is(zone()->{zone_records}{budgets}, 3, 'budgets');
is(zone()->{requests}{limited}, 5, 'the last is refused by limit_req');
--- calls: 6



=== TEST 2: realip of the location, which comes in the preaccess phase itself
--- http_config eval: $::Zones
--- config eval
<<'END' . $::Config =~ s/location \/t \{/location \/t {\n$::Real/r;
    auth_api_token_denied_limit $binary_remote_addr rate=1r/m burst=2;
END
--- lookup
        proxy_set_header X-Remote $remote_addr;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
our $n = 0;

sub from {
    return exchange(request_of('idt:TKN-1234-5678:MADEUP' . ++$n, '/t',
                               "X-Real-IP: 192.0.2.$_[0]\r\n"))->{status};
}

is(join(' ', map { from(1) } 1 .. 4), '401 401 429 429', 'an address');
is(join(' ', map { from(2) } 1 .. 4), '401 401 429 429', 'another address');

my @seen = map { my %h = map { @$_ } @{$_->{headers}}; $h{'X-Remote'} }
           @{figures()->{requests}};

is("@seen", '192.0.2.1 192.0.2.1 192.0.2.2 192.0.2.2', 'lookups know');
--- calls: 4



=== TEST 3: both kinds of limits, in one location
--- http_config eval: $::Conns
--- config eval
$::Config =~ s/burst=2 nodelay;/burst=2 nodelay; limit_conn conns 1;/r
--- perl
limits();

# limit_req counts first, and what it refuses is no connection

is(zone()->{requests}{pass}, 3, 'decisions');
--- calls: 2



=== TEST 4: Lua, loaded before
--- before: lua
--- http_config eval: $::Zones
--- config eval: $::Config . $::Lua
--- api
token TKN-2000-0001 {"account":{"id":"ACC-2000-0001"}}
--- perl
lua();
--- calls: 3



=== TEST 5: Lua, loaded after
--- after: lua
--- http_config eval: $::Zones
--- config eval: $::Config . $::Lua
--- api
token TKN-2000-0001 {"account":{"id":"ACC-2000-0001"}}
--- perl
lua();
--- calls: 3



=== TEST 6: Lua that ends requests before the check and after it
--- after: lua
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    location /early {
        auth_api_token "r";
        rewrite_by_lua_block { ngx.exit(ngx.HTTP_FORBIDDEN) }
        try_files /dev/null =204;
    }

    location /late {
        auth_api_token "r";
        limit_req zone=token burst=1 nodelay;
        access_by_lua_block { ngx.exit(ngx.HTTP_FORBIDDEN) }
        try_files /dev/null =204;
    }

    location /redirect {
        auth_api_token "r";
        access_by_lua_block { ngx.exec("/t") }
    }
END
--- perl
is(volley(3, $Good, '/early'), '403:3', 'before');
is(figures()->{calls}, 0, 'no lookup');
is(volley(4, $Good, '/late'), '403:2 429:2', 'after');
is(volley(4, $Good, '/redirect'), '204:3 429:1', 'to another location');
--- calls: 1



=== TEST 7: njs makes the key, loaded before
--- before: js
--- http_config eval
$::Zones . <<'END';
    js_path $TEST_NGINX_SERVER_ROOT/html;
    js_import limit.js;
    js_set $key limit.key;
    limit_req_zone $key zone=js:1m rate=1r/m;
END
--- config eval: $::Config =~ s/zone=account/zone=js/r
--- user_files eval: $::Script
--- perl
limits();
--- calls: 2



=== TEST 8: njs makes the key, loaded after
--- after: js
--- http_config eval
$::Zones . <<'END';
    js_path $TEST_NGINX_SERVER_ROOT/html;
    js_import limit.js;
    js_set $key limit.key;
    limit_req_zone $key zone=js:1m rate=1r/m;
END
--- config eval: $::Config =~ s/zone=account/zone=js/r
--- user_files eval: $::Script
--- perl
limits();
--- calls: 2



=== TEST 9: headers-more sets the token, loaded before
--- before: headers_more
--- http_config eval: $::Zones
--- config eval
$::Config =~ s/(location \/t \{)/$1\n$::Input/r
--- perl
my @responses = map {
    exchange(request_of(undef, '/t', "X-Token: Bearer $Good\r\n"))
} 1 .. 5;

is(tally(@responses), '204:3 429:2', 'limited');
--- calls: 1



=== TEST 10: headers-more sets the token, loaded after
--- after: headers_more
--- http_config eval: $::Zones
--- config eval
$::Config =~ s/(location \/t \{)/$1\n$::Input/r
--- perl
my @responses = map {
    exchange(request_of(undef, '/t', "X-Token: Bearer $Good\r\n"))
} 1 .. 5;

is(tally(@responses), '204:3 429:2', 'limited');
--- calls: 1



=== TEST 11: filters of others see no lookup, loaded before
--- before: subs_filter headers_more test_filter
--- http_config eval
$::Zones . <<'END';
    subs_filter_types *;
    subs_filter Disabled Active;
    test_filter_replace '"Disabled"' '"Active"  ';
    more_set_headers 'Content-Encoding: br';
END
--- config eval: $::Config
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
limits();
is(volley(3, token('TKN-0000-0002')), '401:3', 'disabled');
--- calls: 3



=== TEST 12: filters of others see no lookup, loaded after
--- after: subs_filter headers_more test_filter
--- http_config eval
$::Zones . <<'END';
    subs_filter_types *;
    subs_filter Disabled Active;
    test_filter_replace '"Disabled"' '"Active"  ';
    more_set_headers 'Content-Encoding: br';
END
--- config eval: $::Config
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
limits();
is(volley(3, token('TKN-0000-0002')), '401:3', 'disabled');
--- calls: 3
