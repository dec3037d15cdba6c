use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw(ask);
use Test::Nginx::Socket 'no_plan';
use Unavailable qw($Broken);

# a script in the lookup location that sends requests of its own: its answer is
# the answer of the lookup, and its requests have no effect

master_on();

our $Js = <<'END';
    js_path $TEST_NGINX_SERVER_ROOT/html;
    js_import ask.js;
END

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }

    location /inner/ {
        internal;
        subrequest_output_buffer_size 256k;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END

our $Script = <<'END';
>>> ask.js
function answer(r, status, text) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, text);
}

async function same(r) {
    let reply = await r.subrequest('/inner/x');

    answer(r, reply.status, reply.responseText);
}

async function other(r) {
    let reply = await r.subrequest('/inner/x');
    let token = JSON.parse(reply.responseText);

    token.status = token.status == 'Active' ? 'Disabled' : 'Active';
    delete token.token;

    answer(r, 200, JSON.stringify(token));
}

async function status(r) {
    let reply = await r.subrequest('/inner/x');

    answer(r, 404, reply.responseText);
}

async function size(r) {
    let reply = await r.subrequest('/inner/x');
    let token = JSON.parse(reply.responseText);

    token.padding = reply.responseText.length;
    delete token.token;

    answer(r, 200, JSON.stringify(token));
}

async function twice(r) {
    let replies = await Promise.all([r.subrequest('/inner/1'),
                                     r.subrequest('/inner/2')]);

    answer(r, 200, replies[0].responseText == replies[1].responseText
                   ? replies[0].responseText : '{}');
}

async function detached(r) {
    r.subrequest('/inner/1', { detached: true });

    let reply = await r.subrequest('/inner/2');

    answer(r, 200, reply.responseText);
}

async function fails(r) {
    await r.subrequest('/inner/x');

    throw new Error('as told');
}

export default { same, other, status, size, twice, detached, fails };
END


no_long_string();
run_tests();

__DATA__

=== TEST 1: what the API answers, handed on
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.same;
--- user_files eval: $::Script
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
same_worker(sub {
    for (1 .. 3) {
        is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
        is(ask(token('TKN-0000-0002')), '401 disabled BYPASS', 'disabled');
        is(ask('idt:TKN-1234-5678:MADEUPwrong'), '401 unknown BYPASS',
           'unknown');
    }
});
--- calls: 9



=== TEST 2: the same, with the module loaded last
--- before: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.same;
--- user_files eval: $::Script
--- perl
is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
--- calls: 1



=== TEST 3: an answer that breaks
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.same;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    api('PUT', 'faults/any', $::Broken);
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'broken');

    for my $fault ({ cut => 'middle' }, { reset => 'middle' },
                   { cut => 'before' }, { chunked => 1, cut => 'middle' })
    {
        api('PUT', 'faults/any', $fault);
        is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'cut');
    }

    api('DELETE', 'faults/any');
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
});



=== TEST 4: ten that break, for clients that wait in a row and some that left
--- after: js
--- http_config eval
"    auth_api_token_zone zone=tokens:1m;\n" . $::Js
--- config eval: "    auth_api_token_cache tokens;\n" . $::Config
--- lookup
        js_content ask.same;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    api('PUT', 'faults/any', $::Broken);

    my @socks = map { Store::start(token('TKN-1234-5678')) } 1 .. 10;

    until_true('asked', sub { figures()->{calls} == 1 });
    close $_ for splice @socks, 0, 5;

    is(read_response($_)->{status}, 503, 'refused') for @socks;

    api('DELETE', 'faults/any');
    is(ask(token('TKN-1234-5678')), '204 pass MISS', 'good');
});
--- calls: 2



=== TEST 5: a script that does not say what the API says
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.other;
--- user_files eval: $::Script
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
is(ask(token('TKN-1234-5678')), '401 disabled BYPASS', 'Active to the script');
is(ask(token('TKN-0000-0002')), '204 pass BYPASS', 'Disabled to the script');
--- calls: 2



=== TEST 6: a status that is the script's
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.status;
--- user_files eval: $::Script
--- perl
is(ask(token('TKN-1234-5678')), '401 unknown BYPASS', 'unknown');
--- calls: 1



=== TEST 7: what the script asks is large, and in no file
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.size;
--- user_files eval: $::Script
--- api
fault any {"pad":200000}
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 1



=== TEST 8: larger than the script takes, and than a lookup does
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.same;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    for my $fault ({ pad => 100000 }, { pad => 300000 },
                   { pad => 300000, chunked => 1 })
    {
        api('PUT', 'faults/any', $fault);
        is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'too large');
    }

    api('PUT', 'faults/any', { pad => 60000 });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'large');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 4



=== TEST 9: two requests of a script, one after the other and at once
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.twice;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');

    api('PUT', 'faults/any', { delay => 50, times => 1 });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'one is late');

    api('PUT', 'faults/any', { %$::Broken, times => 1 });
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'one breaks');
});
--- calls: 6



=== TEST 10: one that a script does not wait for
--- after: js
--- http_config eval: $::Js
--- config eval: $::Config
--- lookup
        js_content ask.detached;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');

    api('PUT', 'faults/any', { delay => 200, times => 1 });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'it comes later');

    api('PUT', 'faults/any', { %$::Broken, times => 1 });
    ask(token('TKN-1234-5678'));

    api('PUT', 'faults/any', { pad => 200000 });
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'too large');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 8



=== TEST 11: a script that throws, and one that is slow
--- after: js
--- http_config eval: $::Js
--- config eval
"    auth_api_token_request /_token_api timeout=300ms;\n" . $::Config
--- lookup
        js_content ask.fails;
--- user_files eval: $::Script
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'throws');

    api('PUT', 'faults/any', { delay => 1000 });
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'is slow');

});
--- calls: 2
