use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Token;

# auth_api_token_object: to a gateway 200 means yes, so a client gets 200 only
# if the check of that location let it in

no_long_string();
run_tests();

__DATA__

=== TEST 1: where no token was proved there is no object
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /any {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        auth_api_token_object;
    }

    location /realm {
        auth_api_token $arg_realm;
        auth_api_token_object;
    }

    location /if {
        auth_api_token "r";
        if ($arg_a) { set $a b; }
        auth_api_token_object;
    }

    location /preflight {
        auth_api_token "r";
        auth_api_token_preflight on;
        auth_api_token_object;
    }
END
--- perl
whole('somebody is known', get('/object'));

for my $token (undef, token('TKN-1234-5678'), 'idt:TKN-1234-5678:MADEUPwrong',
               'x')
{
    my $name = defined $token ? $token =~ s/MADEUP\w*//r : 'no token';

    nothing("$name, an address", get('/any', token => $token));
    nothing("$name, off", get('/realm?realm=off', token => $token));

    # a preflight passes where it was told to, as it does anywhere

    my $response = get('/preflight', token => $token, method => 'OPTIONS',
                       headers => "Origin: x\r\n"
                                  . "Access-Control-Request-Method: GET\r\n");

    is($response->{status}, 200, "$name, preflight - status");
    is(identity($response), '||||||', "$name, preflight - identity");
    is($response->{body}, '{}', "$name, preflight - body");
    is($response->{headers}{age}, undef, "$name, preflight - Age");
    is($response->{headers}{'cache-control'}, 'no-store',
       "$name, preflight - Cache-Control");
}

for my $uri ('/if', '/if?a=b', '/preflight') {
    nothing("$uri, no token", get($uri, token => undef), 401);
    whole($uri, get($uri));
}

whole('on', get('/realm?realm=r'));
--- calls: 1



=== TEST 2: a subrequest is not checked, and gets no object
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location = /strict {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        auth_api_token_object;
    }

    location /t       { auth_request /object; try_files /dev/null =204; }
    location /checked { auth_api_token "r"; auth_request /strict; try_files /dev/null =204; }
    location /page    { ssi on; ssi_types *; root html; }
    location /mine    { ssi on; ssi_types *; auth_api_token "r"; root html; }
END
--- user_files
>>> page
[<!--#include virtual="/object" -->]
>>> mine
[<!--#include virtual="/strict" -->]
--- perl
for my $token (undef, token('TKN-1234-5678'), 'idt:TKN-1234-5678:MADEUPwrong') {
    my $name = defined $token ? $token =~ s/MADEUP\w*//r : 'no token';

    nothing("$name, auth_request", get('/t', token => $token));
    unlike(get('/page', token => $token)->{body}, qr/TKN-1234-5678|"status"/,
           "$name, a part of a page");
}

nothing('a checked request', get('/checked'));
unlike(get('/mine')->{body}, qr/TKN-1234-5678|"status"/,
       'a part of a checked page');



=== TEST 3: a dry run lets requests pass, and tells no identity
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location = /dry {
        auth_api_token "r";
        auth_api_token_account_type Vendor;
        auth_api_token_dry_run on;
        auth_api_token_object;
    }
END
--- api
token TKN-0000-0002 {"account":{"id":"ACC-8765-4321","type":"Client"}}
token TKN-0000-0003 {"status":"Disabled","works":1}
--- perl
whole('pass', get('/dry'));

for my $case (['no_token', undef], ['malformed', 'a b'], ['unsupported', 'x'],
              ['unknown', 'idt:TKN-1234-5678:MADEUPwrong'],
              ['account_type', token('TKN-0000-0002')],
              ['disabled', token('TKN-0000-0003')])
{
    my ($reason, $token) = @$case;
    my $response = get('/dry', token => $token);

    is($response->{status}, 200, "$reason - status");
    is(identity($response), '||||||', "$reason - identity");
    is($response->{body}, '{}', "$reason - body");
    is($response->{headers}{'www-authenticate'}, undef, "$reason - challenge");
    like($response->{headers}{'x-all'}, qr/^${reason}_dry_run /,
         "$reason - result");
}



=== TEST 4: internal redirects
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /to     { try_files /n /object; }
    location /from   { auth_api_token "r"; try_files /n /object; }
    location /strict { auth_api_token "r"; auth_api_token_module MOD-9999; auth_api_token_object; }
    location /more   { auth_api_token "r"; try_files /n /strict; }
    location /error  { error_page 404 = /object; try_files /n =404; }
END
--- perl
for my $uri ('/to', '/from', '/error') {
    whole($uri, get($uri));
    nothing("$uri, no token", get($uri, token => undef), 401);
}

nothing('a place that requires more', get('/more'));
--- calls: 1



=== TEST 5: a check that begins before the limits, and is not the one that decides
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    auth_api_token_phase preaccess;

    location = /before { auth_api_token "r"; auth_api_token_account_type Vendor; auth_api_token_object; }
    location = /strict { auth_api_token "r"; auth_api_token_account_type Client; auth_api_token_object; }

    location = /any {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        auth_api_token_account_type Client;
        auth_api_token_object;
    }

    location = /dry  { auth_api_token "r"; auth_api_token_dry_run on; auth_api_token_account_type Client; try_files /n /any; }
    location = /pass { auth_api_token "r"; try_files /n /any; }
    location = /part { auth_request /strict; try_files /dev/null =204; }
END
--- perl
for my $cache ('MISS', 'HIT') {
    whole("before, $cache", get('/before'));
    nothing("strict, $cache", get('/strict'));
}

for my $uri ('/any', '/dry', '/pass', '/part') {
    nothing($uri, get($uri));
    nothing("$uri, no token", get($uri, token => undef),
            $uri eq '/pass' ? 401 : 403);
    nothing("$uri, unknown", get($uri, token => 'idt:TKN-1234-5678:MADEUPx'),
            $uri eq '/pass' ? 401 : 403);
}
