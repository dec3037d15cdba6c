use lib 't/lib';
use AuthApiToken;
use DryRun;
use Neighbours;
use Test::Nginx::Socket 'no_plan';

# other modules see a request in dry run go on, loaded before this one and after

our $Checked = <<"END" . $Show;
    auth_api_token "r";
    auth_api_token_module \$arg_module MOD-0478;
    auth_api_token_dry_run on;
END

our $Lua = $Checked . <<"END";
    location /t {
        access_by_lua_block {
            ngx.header.x_access = ngx.var.auth_api_token_result .. ";"
                                  .. (ngx.var.auth_api_token_id or "")
            if ngx.var.arg_stop then
                ngx.exit(402)
            end
        }
        header_filter_by_lua_block {
            ngx.header.x_filter = ngx.var.auth_api_token_result .. ";"
                                  .. (ngx.header.www_authenticate or "")
        }
        log_by_lua_block {
            ngx.log(ngx.NOTICE, "logged ", ngx.var.auth_api_token_result, ";",
                    ngx.var.auth_api_token_known_id or "")
        }
$Proxy
    }

    location /content {
        content_by_lua_block {
            ngx.status = 207
            ngx.print(ngx.var.auth_api_token_result, ";",
                      ngx.var.auth_api_token_id or "")
        }
    }

    location /any {
        satisfy any;
        access_by_lua_block {
            if ngx.var.arg_stop then
                ngx.exit(403)
            end
        }
$Proxy
    }
END

our $Js = '    js_path $TEST_NGINX_SERVER_ROOT/html; js_import dry.js;';

our $Njs = $Checked . <<"END";
    location /t {
        js_header_filter dry.header;
        js_body_filter dry.body;
$Proxy
    }

    location /content { js_content dry.content; }

    location /asked {
        auth_request /ask;
$Proxy
    }

    location = /ask {
        internal;
        auth_api_token off;
        js_content dry.ask;
    }
END

our $Script = <<'END';
>>> dry.js
function header(r) {
    r.headersOut['X-Filter'] = r.variables.auth_api_token_result + ';'
                               + (r.headersOut['WWW-Authenticate'] || '');
}

function body(r, data, flags) {
    r.sendBuffer(data, flags);
}

function content(r) {
    r.return(207, r.variables.auth_api_token_result + ';'
                  + (r.variables.auth_api_token_id || ''));
}

function ask(r) {
    r.return(r.headersIn['X-No'] ? 403 : 204);
}

export default { header, body, content, ask };
END

our $More = $Checked . <<"END";
    more_set_headers 'X-More: \$auth_api_token_result;\$auth_api_token_id';
    more_set_headers -s '400 401 403' 'X-Refused: yes';
    more_set_headers -s 207 'X-Passed: yes';

    location /t {
$Proxy
    }
END


sub lua {
    my $headers;

    same_worker(sub {
        for my $case (['unknown', '/t', $Bad], ['no_token', '/t'],
                      ['malformed', '/t', 'a b'])
        {
            my ($reason, $uri, $token) = @$case;
            my $response = exchange(get($uri, $token));

            passes($response, "${reason}_dry_run", $uri);

            $headers = $response->{headers};
            is($headers->{'x-access'}, "${reason}_dry_run;",
               "$reason - access");
            is($headers->{'x-filter'}, "${reason}_dry_run;",
               "$reason - filter");
        }

        $headers = exchange(get('/t', token('TKN-1234-5678')))->{headers};
        is($headers->{'x-access'}, 'pass;TKN-1234-5678', 'pass - access');

        is(exchange(get('/t?stop=1', $Bad))->{status}, 402, 'Lua refuses');
        is(exchange(get('/content', $Bad))->{body}, 'unknown_dry_run;',
           'content');

        dry('unknown', '/any', $Bad);
        is(exchange(get('/any?stop=1', $Bad))->{status}, 403,
           'who is left to Lua');
        is(exchange(get('/any?stop=1', token('TKN-1234-5678')))
           ->{headers}{'x-result'}, 'pass', 'who is not');
    });

    until_true('logged', sub {
        5 <= (() = nginx_log() =~ /logged /g)
    });
    is(join(' ', nginx_log() =~ /logged (\S+?;[-\w]*)/g), 'unknown_dry_run; '
       . 'no_token_dry_run; malformed_dry_run; pass;TKN-1234-5678 '
       . 'unknown_dry_run;', 'logs');
}


sub njs {
    same_worker(sub {
        for my $case (['unknown', '/t', $Bad], ['no_token', '/t']) {
            my ($reason, $uri, $token) = @$case;
            my $response = exchange(get($uri, $token));

            passes($response, "${reason}_dry_run", $uri);
            is($response->{headers}{'x-filter'}, "${reason}_dry_run;",
               "$reason - filter");
        }

        is(exchange(get('/content', $Bad))->{body}, 'unknown_dry_run;',
           'content');
        is(exchange(get('/content', token('TKN-1234-5678')))->{body},
           'pass;TKN-1234-5678', 'content of who passes');

        dry('unknown', '/asked', $Bad);
        is(exchange(get('/asked', $Bad, "X-No: 1\r\n"))->{status}, 403,
           'refused by the script');
    });
}


sub more {
    same_worker(sub {
        for my $case (['unknown', $Bad], ['no_token'], ['malformed', 'a b']) {
            my ($reason, $token) = @$case;
            my $response = exchange(get('/t', $token));
            my $headers = $response->{headers};

            passes($response, "${reason}_dry_run", '/t');
            is($headers->{'x-more'}, "${reason}_dry_run;", "$reason - more");
            is($headers->{'x-refused'}, undef, "$reason - not refused");
            is($headers->{'x-passed'}, 'yes', "$reason - passed");
        }
    });
}


no_long_string();
master_on();
run_tests();

__DATA__

=== TEST 1: Lua, loaded before
--- before: lua
--- http_config eval: $::Backend
--- config eval: $::Lua
--- perl
lua();



=== TEST 2: Lua, loaded after
--- after: lua
--- http_config eval: $::Backend
--- config eval: $::Lua
--- perl
lua();



=== TEST 3: njs, loaded before
--- before: js
--- http_config eval: $::Js . $::Backend
--- config eval: $::Njs
--- user_files eval: $::Script
--- perl
njs();



=== TEST 4: njs, loaded after
--- after: js
--- http_config eval: $::Js . $::Backend
--- config eval: $::Njs
--- user_files eval: $::Script
--- perl
njs();



=== TEST 5: headers-more, loaded before
--- before: headers_more
--- http_config eval: $::Backend
--- config eval: $::More
--- perl
more();



=== TEST 6: headers-more, loaded after
--- after: headers_more
--- http_config eval: $::Backend
--- config eval: $::More
--- perl
more();



=== TEST 7: all of them, and filters of our own
--- before: test_top_filter lua
--- after: headers_more js
--- http_config eval: $::Backend
--- config eval
$::Lua . "    more_set_headers 'X-More: \$auth_api_token_result';\n"
. "    test_filter_log on;\n"
--- perl
same_worker(sub {
    my $response = exchange(get('/t', $::Bad));

    passes($response, 'unknown_dry_run', '/t');
    is($response->{headers}{'x-more'}, 'unknown_dry_run', 'headers-more');
    is($response->{headers}{'x-access'}, 'unknown_dry_run;', 'Lua');
});
