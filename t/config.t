use lib 't/lib';
use AuthApiToken;
use File::Temp qw(tempdir);
use Test::More;

# what "nginx -t" refuses, and the words that tell the operator what to mend

# a refused configuration is not freed, which is nothing to report
$ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (), 'detect_leaks=0';

my $dir = tempdir(CLEANUP => 1);
my $modules = join '', map { "load_module $_;\n" }
                       split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';
my $on = 'auth_api_token "r"; auth_api_token_request /_api;';


sub config_test {
    my ($config) = @_;

    # a line of its own for every block and directive

    open my $out, '>', "$dir/nginx.conf" or die $!;
    print $out "${modules}error_log stderr;\npid $dir/nginx.pid;\n",
               "events { }\nhttp {\n    access_log off;\n",
               (map { "    ${_}_temp_path $dir/$_;\n" }
                    qw(client_body proxy fastcgi uwsgi scgi)),
               "$config\n}\n";
    close $out;

    my $text = `$ENV{TEST_NGINX_BINARY} -t -p $dir -c $dir/nginx.conf 2>&1`;

    return ($?, $text);
}


sub refused {
    my ($name, $config, $message) = @_;

    my ($status, $text) = config_test($config);

    isnt($status, 0, "$name: refused");
    like($text, $message, "$name: says why");
}


sub accepted {
    my ($name, $config) = @_;

    my ($status, $text) = config_test($config);

    is($status, 0, "$name: accepted") or diag($text);
}


sub server {
    my ($config) = @_;

    return "server { listen 127.0.0.1:1984; location /t { $config } }";
}


my $id = qr/such as "ACC-1234-5678"/;
my $module = qr/such as "MOD-0478" or a module code/;
my $time = qr/a time from 1ms to 60s/;

for my $case (

    # auth_api_token

    ['no auth_api_token_request', 'auth_api_token "r";',
     qr/"auth_api_token" in location "\/t" of server "" needs "auth_api_t/],
    ['unknown parameter', 'auth_api_token "r" foo=bar;',
     qr/invalid value "foo=bar" in "auth_api_token", expected/],
    ['unknown format', 'auth_api_token "r" format=jwt;',
     qr/invalid value "format=jwt" in "auth_api_token", expected/],
    ['token without a variable', 'auth_api_token "r" token=abc;',
     qr/invalid value "token=abc" in "auth_api_token", expected "token=\$var/],
    ['empty token', 'auth_api_token "r" token=;',
     qr/invalid value "token=" in "auth_api_token"/],
    ['two tokens', 'auth_api_token "r" token=$arg_a token=$arg_b;',
     qr/invalid value "token=\$arg_b" in "auth_api_token"/],
    ['token of more than a variable', 'auth_api_token "r" token=x$arg_a;',
     qr/invalid value "token=x\$arg_a" in "auth_api_token"/],
    ['off with a parameter', 'auth_api_token off format=opaque;',
     qr/invalid value "format=opaque" in .* expected nothing after "off"/],
    ['two formats', 'auth_api_token "r" format=idt format=opaque;',
     qr/invalid value "format=opaque" in .* expected each parameter once/],
    ['token of an unknown variable',
     'auth_api_token "r" token=$nope; auth_api_token_request /_api;',
     qr/unknown "nope" variable/],
    ['no realm', 'auth_api_token;', qr/invalid number of arguments/],
    ['duplicate auth_api_token', 'auth_api_token "a"; auth_api_token "b";',
     qr/"auth_api_token" directive is duplicate/],
    ['opaque tokens with a service credential',
     'auth_api_token "r" format=opaque;'
     . ' auth_api_token_request /_api credential=service;',
     qr/"format=opaque" .* in location "\/t" .* needs "credential=client"/],

    # auth_api_token_request

    ['a URI that is none', 'auth_api_token_request api;',
     qr/invalid value "api" in "auth_api_token_request", expected the URI/],
    ['a URL', 'auth_api_token_request https://api/;',
     qr/invalid value "https:\/\/api\/" in "auth_api_token_request"/],
    ['a named location', 'auth_api_token_request @api;',
     qr/invalid value "\@api" in "auth_api_token_request"/],
    ['an empty URI', 'auth_api_token_request "";',
     qr/invalid value "" in "auth_api_token_request"/],
    ['a URI with arguments', 'auth_api_token_request /api?a=b;',
     qr/invalid value "\/api\?a=b" in "auth_api_token_request"/],
    ['a URI with a space', 'auth_api_token_request "/a b";',
     qr/invalid value "\/a b" in "auth_api_token_request"/],
    ['a URI with a fragment', 'auth_api_token_request "/a#b";',
     qr/invalid value "\/a#b" in "auth_api_token_request"/],
    ['a URI with a variable', 'auth_api_token_request /api/$host;',
     qr/invalid value "\/api\/\$host" in "auth_api_token_request"/],
    ['unknown parameter of _request', 'auth_api_token_request /api foo;',
     qr/invalid value "foo" in "auth_api_token_request", expected "cred/],
    ['unknown credential', 'auth_api_token_request /api credential=mine;',
     qr/invalid value "credential=mine" in "auth_api_token_request"/],
    ['zero timeout', 'auth_api_token_request /api timeout=0;', $time],
    ['zero timeout with a unit', 'auth_api_token_request /api timeout=0s;',
     $time],
    ['absurd timeout', 'auth_api_token_request /api timeout=1d;', $time],
    ['timeout over the limit', 'auth_api_token_request /api timeout=60001ms;',
     $time],
    ['a timeout that is none', 'auth_api_token_request /api timeout=soon;',
     $time],
    ['negative timeout', 'auth_api_token_request /api timeout=-1;', $time],
    ['two timeouts', 'auth_api_token_request /api timeout=1s api=a timeout=1s;',
     qr/invalid value "timeout=1s" in .* expected each parameter once/],
    ['two credentials',
     'auth_api_token_request /api credential=client credential=service;',
     qr/invalid value "credential=service" in .* each parameter once/],
    ['two labels', 'auth_api_token_request /api api=a api=a;',
     qr/invalid value "api=a" in .* expected each parameter once/],
    ['empty label', 'auth_api_token_request /api api=;',
     qr/invalid value "api=" in .* expected a label/],
    ['label with a space', 'auth_api_token_request /api "api=a b";',
     qr/invalid value "api=a b" in .* expected a label/],
    ['duplicate _request',
     'auth_api_token_request /a; auth_api_token_request /b;',
     qr/"auth_api_token_request" directive is duplicate/],

    # auth_api_token_cache

    ['a zone never declared', 'auth_api_token_cache tokens valid=60s;',
     qr/zone "tokens" in "auth_api_token_cache" is not declared/],
    ['parameters of no cache', 'auth_api_token_cache off valid=60s;',
     qr/invalid value "valid=60s" in "auth_api_token_cache", expected nothing/],
    ['duplicate _cache', 'auth_api_token_cache off; auth_api_token_cache off;',
     qr/"auth_api_token_cache" directive is duplicate/],

    # requirements

    ['account without a prefix', 'auth_api_token_account 1234-5678;', $id],
    ['account in lower case', 'auth_api_token_account acc-1234-5678;', $id],
    ['account of another kind', 'auth_api_token_account TKN-1234-5678;', $id],
    ['account with a short group', 'auth_api_token_account ACC-123-4567;', $id],
    ['account without digits', 'auth_api_token_account ACC-;', $id],
    ['account with letters', 'auth_api_token_account ACC-1234-567a;', $id],
    ['account with five groups',
     'auth_api_token_account ACC-1234-1234-1234-1234-1234;', $id],
    ['second account is wrong',
     'auth_api_token_account ACC-1234-5678 "ACC-1234 ";', $id],
    ['account of more than a variable', 'auth_api_token_account ACC-$arg_a;',
     $id],
    ['no account', 'auth_api_token_account;', qr/invalid number of arguments/],
    ['account type in lower case', 'auth_api_token_account_type vendor;',
     qr/invalid value "vendor" in "auth_api_token_account_type", expected "Cl/],
    ['unknown account type', 'auth_api_token_account_type Reseller;',
     qr/invalid value "Reseller" in "auth_api_token_account_type"/],
    ['module id in lower case after a capital', 'auth_api_token_module Mod-1;',
     $module],
    ['module id with a short group', 'auth_api_token_module MOD-047;', $module],
    ['module id in lower case', 'auth_api_token_module mod-0478;', $module],
    ['module code with a capital', 'auth_api_token_module Billing;', $module],
    ['module code with a space', 'auth_api_token_module "new market";',
     $module],
    ['empty module', 'auth_api_token_module "";', $module],
    ['require without a variable', 'auth_api_token_require yes;',
     qr/invalid value "yes" in "auth_api_token_require", expected variables/],
    ['require with two variables in one', 'auth_api_token_require $arg_a,$arg_b;',
     qr/invalid value "\$arg_a,\$arg_b" in "auth_api_token_require"/],
    ['require with a text and a variable', 'auth_api_token_require a${arg_b};',
     qr/invalid value "a\$\{arg_b\}" in "auth_api_token_require"/],
    ['require with an error in a variable',
     'auth_api_token_require $arg_a error=$arg_b;',
     qr/invalid value "error=\$arg_b" in "auth_api_token_require"/],
    ['require with another error',
     'auth_api_token_require $arg_a error=404;',
     qr/invalid value "error=404" in "auth_api_token_require"/],
    ['require with two errors',
     'auth_api_token_require $arg_a error=401 error=403;',
     qr/invalid value "error=403" in "auth_api_token_require", expected var/],
    ['require with an error only', 'auth_api_token_require error=401;',
     qr/"auth_api_token_require" directive names no variable/],

    # the rest

    ['https of another value', 'auth_api_token_https yes;',
     qr/invalid value "yes" in "auth_api_token_https", expected "on", "off"/],
    ['https of more than a variable', 'auth_api_token_https "on $https";',
     qr/invalid value "on \$https" in "auth_api_token_https"/],
    ['duplicate _https', 'auth_api_token_https on; auth_api_token_https off;',
     qr/"auth_api_token_https" directive is duplicate/],
    ['problem of another value', 'auth_api_token_problem yes;',
     qr/invalid value "yes" in "auth_api_token_problem" directive/],
    ['preflight of another value', 'auth_api_token_preflight yes;',
     qr/invalid value "yes" in "auth_api_token_preflight" directive/],
    ['duplicate _preflight',
     'auth_api_token_preflight on; auth_api_token_preflight on;',
     qr/"auth_api_token_preflight" directive is duplicate/])
{
    refused($case->[0], server($case->[1]), $case->[2]);
}

refused('no auth_api_token_request for the server',
        'auth_api_token "r"; server { listen 127.0.0.1:1984; location /t {'
        . ' auth_api_token_request /_api; } }',
        qr/"auth_api_token_request"/);

refused('in if', server("if (\$arg_a) { auth_api_token \"r\"; }"),
        qr/"auth_api_token" directive is not allowed here/);

accepted('all of it', server(
    'auth_api_token "realm $host" token=$http_x_token format=idt;'
    . 'auth_api_token_request /_api credential=service api=prod-1 timeout=2s;'
    . 'auth_api_token_cache off;'
    . 'auth_api_token_account ACC-1234-5678 ACC-1234-5678-9012 $arg_account;'
    . 'auth_api_token_account $arg_a;'
    . 'auth_api_token_account_type Client Vendor Operations $arg_type;'
    . 'auth_api_token_module MOD-0478 MOD-1756-1452 billing 365-ea $arg_m;'
    . 'auth_api_token_module MOD-1234;'
    . 'auth_api_token_require $arg_a ${arg_b} error=401;'
    . 'auth_api_token_require $arg_c;'
    . 'auth_api_token_https $arg_https;'
    . 'auth_api_token_problem off; auth_api_token_preflight on;'));

accepted('inherited from http',
         "$on auth_api_token_cache off; auth_api_token_https off;"
         . ' auth_api_token_account_type Vendor;' . server(''));

accepted('off needs no request', server('auth_api_token off;'));

accepted('off below on', $on . server('auth_api_token off;'));

accepted('limit_except',
         server("auth_api_token_request /_api; limit_except GET {"
                . ' auth_api_token "r"; }'));

refused('limit_except without auth_api_token_request',
        server('limit_except GET { auth_api_token "r"; }'),
        qr/"auth_api_token_request"/);

done_testing();
