use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw(ask);
use Test::Nginx::Socket 'no_plan';

# filters of other modules: whatever is loaded, in whatever order, none sees or
# changes what the API answers

master_on();

our $Cache = <<'END';
    auth_api_token_zone zone=tokens:1m;
END

our $Config = <<'END';
    auth_api_token_cache tokens;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }

    location /plain {
        return 200 'CRM "Disabled"';
    }
END

our $Disabled = <<'END';
token TKN-0000-0002 {"status":"Disabled","works":true}
END

our $Replace = <<'END';
    test_filter_replace '"Disabled"' '"Active"  ';
    test_filter_log on;
END

our $Subs = <<'END';
    subs_filter_types *;
    subs_filter Disabled Active;
END

our $Js = <<'END';
    js_path $TEST_NGINX_SERVER_ROOT/html;
    js_import filter.js;
END

our $Filtered = <<'END';
        js_header_filter filter.header;
        js_body_filter filter.body;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
END

our $Script = <<'END';
>>> filter.js
function header(r) {
    delete r.headersOut['Content-Length'];
}

function body(r, data, flags) {
    r.error(data);
    r.sendBuffer(data.replace('Disabled', 'Active'), flags);
}

export default { header, body };
END

our $Lua = <<'END';
    body_filter_by_lua_block {
        ngx.log(ngx.NOTICE, "lua saw ", ngx.arg[1])
        ngx.arg[1] = ngx.re.gsub(ngx.arg[1], "Disabled", "Active")
    }
    header_filter_by_lua_block {
        ngx.header.content_length = nil
    }
END


sub body {
    return exchange("GET $_[0] HTTP/1.1\r\nHost: a\r\n\r\n")->{body};
}


# verdicts are those of what the API says, and stay so in the zone

sub hidden {
    my ($name) = @_;

    my $good = token('TKN-1234-5678');
    my $disabled = token('TKN-0000-0002');

    is(ask($good), '204 pass MISS', "$name - good");
    is(ask($good), '204 pass HIT', "$name - good, again");
    is(ask($disabled), '401 disabled MISS', "$name - disabled");
    is(ask($disabled), '401 disabled HIT', "$name - disabled, again");

    unlike(nginx_log(), qr/CRM robot/, "$name - not in the log");
}


# the same, of a filter that changes what is no lookup's

sub replaced {
    like(body('/plain'), qr/^CRM "Active"/, 'the filter is there');
    hidden('lookup');
}


# what a reload sets up before it fails is what the next worker starts with

sub survives {
    my ($directive, $message) = @_;

    replaced();

    my ($worker) = worker_pids();

    break_config($directive);
    kill HUP => nginx_pid();

    until_true('the reload failed', sub { nginx_log() =~ $message });

    kill KILL => $worker;

    until_true('another worker', sub {
        my @pids = worker_pids();
        @pids == 1 && $pids[0] != $worker;
    });

    api('PUT', 'tokens/TKN-1234-5678', { secret => 'MADEUPother' });
    api('PUT', 'tokens/TKN-0000-0003', { status => 'Disabled', works => 1 });

    my $disabled = token('TKN-0000-0003');

    is(ask($disabled), '401 disabled MISS', 'disabled');
    is(ask($disabled), '401 disabled HIT', 'disabled, again');
    is(ask(token('TKN-1234-5678')), '204 pass HIT', 'kept');
    is(ask('idt:TKN-1234-5678:MADEUPother'), '204 pass MISS', 'good');

    unlike(nginx_log(), qr/CRM robot/, 'not in the log');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a filter that is loaded before
--- before: test_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 2: a filter that is loaded after
--- after: test_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 3: a filter with no order, loaded before
--- before: test_top_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 4: a filter with no order, loaded after
--- after: test_top_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 5: a filter that sets Content-Encoding, loaded before
--- before: test_filter
--- http_config eval: $::Cache . "test_filter_header Content-Encoding x;\n"
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 6: a filter that sets Content-Encoding, loaded after
--- after: test_filter
--- http_config eval: $::Cache . "test_filter_header Content-Encoding x;\n"
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 7: subs_filter, loaded before
--- before: subs_filter
--- http_config eval: $::Cache . $::Subs
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 8: subs_filter, loaded after
--- after: subs_filter
--- http_config eval: $::Cache . $::Subs
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 9: Lua, loaded before
--- before: lua
--- http_config eval: $::Cache . $::Lua
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 10: Lua, loaded after
--- after: lua
--- http_config eval: $::Cache . $::Lua
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
replaced();
--- calls: 2



=== TEST 11: headers-more, loaded before
--- before: headers_more
--- http_config eval: $::Cache . "more_set_headers 'Content-Encoding: br';\n"
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 12: headers-more, loaded after
--- after: headers_more
--- http_config eval: $::Cache . "more_set_headers 'Content-Encoding: br';\n"
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 13: njs in the lookup location, loaded before
--- before: js
--- http_config eval: $::Cache . $::Js
--- config eval: $::Config
--- lookup eval: $::Filtered
--- user_files eval: $::Script
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 14: njs in the lookup location, loaded after
--- after: js
--- http_config eval: $::Cache . $::Js
--- config eval: $::Config
--- lookup eval: $::Filtered
--- user_files eval: $::Script
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 15: all of them, before and after
--- before: headers_more test_top_filter js
--- after: lua subs_filter
--- http_config eval
$::Cache . $::Replace . $::Subs . $::Lua
. "more_set_headers 'Content-Encoding: br';\n"
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
hidden('lookup');
--- calls: 2



=== TEST 16: an encoding that is none
--- after: headers_more
--- http_config eval: $::Cache . "more_set_headers 'Content-Encoding: br';\n"
--- config
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }
--- perl
for my $value ('identity', 'IDENTITY', '') {
    api('PUT', 'faults/any', { headers => { 'Content-Encoding' => $value } });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', "\"$value\"");
}

api('PUT', 'faults/any', { headers => { 'Content-Encoding' => 'br' } });
is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'another one');
--- calls: 4



=== TEST 17: a worker that is started after a reload that failed
--- after: test_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
survives('log_format broken $broken;', qr/unknown "broken" variable/);



=== TEST 18: the same, with a filter that has no order
--- before: test_top_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
survives('log_format broken $broken;', qr/unknown "broken" variable/);



=== TEST 19: a reload that failed before this module had its part in it
--- before: lua test_filter
--- http_config eval: $::Cache . $::Replace
--- config eval: $::Config
--- api eval: $::Disabled
--- perl
survives('init_by_lua_block { error("broken") }', qr/init_by_lua.*broken/);
