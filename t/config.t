use lib 't/lib';
use AuthApiToken;
use NginxConfig;
use Test::More;

# what "nginx -t" refuses, and the words that tell the operator what is wrong

my $id = qr/such as "ACC-1234-5678"/;
my $module = qr/such as "MOD-0478" or a module code/;
my $extension = qr/an extension id such as "EXT-1234-5678"/;
my $time = qr/a time from 1ms to 60s/;
my $zone = 'auth_api_token_zone zone=tokens:1m;';
my $named = qr/expected "zone=NAME:SIZE", a name of .* and a size such as "10m"/;
my $age = qr/a time from 10ms to 1d/;
my $rate = qr/a rate such as "rate=30r\/m", up to 1000000r\/s/;

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
     qr/invalid value "credential=mine" in .*, expected "credential=client", /],
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
    ['module id without a group', 'auth_api_token_module MOD-;', $module],
    ['module code with a capital prefix', 'auth_api_token_module MOD-abc;',
     $module],
    ['module code that begins with a hyphen', 'auth_api_token_module -mod;',
     $module],
    ['module code with a capital', 'auth_api_token_module Billing;', $module],
    ['module code with a space', 'auth_api_token_module "new market";',
     $module],
    ['empty module', 'auth_api_token_module "";', $module],
    ['extension of another kind', 'auth_api_token_extension MOD-0478;',
     qr/invalid value "MOD-0478" in "auth_api_token_extension", expected an ext/],
    ['extension with a short group', 'auth_api_token_extension EXT-12;',
     $extension],
    ['extension without digits', 'auth_api_token_extension EXT-;', $extension],
    ['extension without a prefix', 'auth_api_token_extension 1234-5678;',
     $extension],
    ['extension in lower case', 'auth_api_token_extension ext-1234-5678;',
     $extension],
    ['extension with letters', 'auth_api_token_extension EXT-1234-567a;',
     $extension],
    ['extension with five groups',
     'auth_api_token_extension EXT-1234-1234-1234-1234-1234;', $extension],
    ['extensions in one', 'auth_api_token_extension EXT-1234-5678,EXT-1234-5679;',
     $extension],
    ['all extensions', 'auth_api_token_extension *;', $extension],
    ['any extension', 'auth_api_token_extension ?;', $extension],
    ['empty extension', 'auth_api_token_extension "";', $extension],
    ['second extension is wrong',
     'auth_api_token_extension EXT-1234-5678 EXT;', $extension],
    ['extension of more than a variable', 'auth_api_token_extension EXT-$arg_a;',
     $extension],
    ['extension of an unknown variable', 'auth_api_token_extension $nope;',
     qr/unknown "nope" variable/],
    ['no extension', 'auth_api_token_extension;',
     qr/invalid number of arguments in "auth_api_token_extension"/],
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
     qr/"auth_api_token_require" directive needs a variable/],

    # the rest

    ['https of another value', 'auth_api_token_https yes;',
     qr/invalid value "yes" in "auth_api_token_https", expected "on", "off"/],
    ['https of more than a variable', 'auth_api_token_https "on $https";',
     qr/invalid value "on \$https" in "auth_api_token_https"/],
    ['duplicate _https', 'auth_api_token_https on; auth_api_token_https off;',
     qr/"auth_api_token_https" directive is duplicate/],
    ['dry run of another value', 'auth_api_token_dry_run yes;',
     qr/invalid value "yes" in "auth_api_token_dry_run", expected "on", "off" or a variable/],
    ['dry run of a share', 'auth_api_token_dry_run 10%;',
     qr/invalid value "10%" in "auth_api_token_dry_run", expected "on", "off"/],
    ['dry run of more than a variable', 'auth_api_token_dry_run "on $arg_a";',
     qr/invalid value "on \$arg_a" in "auth_api_token_dry_run", expected "on"/],
    ['dry run of nothing', 'auth_api_token_dry_run "";',
     qr/invalid value "" in "auth_api_token_dry_run", expected "on", "off"/],
    ['dry run of an unknown variable', 'auth_api_token_dry_run $nope;',
     qr/unknown "nope" variable/],
    ['dry run of two values', 'auth_api_token_dry_run on off;',
     qr/invalid number of arguments in "auth_api_token_dry_run"/],
    ['duplicate _dry_run',
     'auth_api_token_dry_run $arg_a; auth_api_token_dry_run off;',
     qr/"auth_api_token_dry_run" directive is duplicate/],
    ['dry run in limit_except',
     'limit_except GET { auth_api_token_dry_run on; }',
     qr/"auth_api_token_dry_run" directive is not allowed here/],
    ['phase of another name', 'auth_api_token_phase rewrite;',
     qr/invalid value "rewrite" in "auth_api_token_phase", expected "access" or "preaccess"/],
    ['phase in other letters', 'auth_api_token_phase Access;',
     qr/invalid value "Access" in "auth_api_token_phase"/],
    ['phase of a variable', 'auth_api_token_phase $arg_a;',
     qr/invalid value "\$arg_a" in "auth_api_token_phase"/],
    ['an empty phase', 'auth_api_token_phase "";',
     qr/invalid value "" in "auth_api_token_phase"/],
    ['two phases', 'auth_api_token_phase access preaccess;',
     qr/invalid number of arguments in "auth_api_token_phase"/],
    ['no phase', 'auth_api_token_phase;',
     qr/invalid number of arguments in "auth_api_token_phase"/],
    ['duplicate _phase',
     'auth_api_token_phase access; auth_api_token_phase access;',
     qr/"auth_api_token_phase" directive is duplicate/],
    ['phase in limit_except',
     'limit_except GET { auth_api_token_phase preaccess; }',
     qr/"auth_api_token_phase" directive is not allowed here/],
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

refused('purge and status in one place',
        "$zone" . server('auth_api_token_purge tokens; auth_api_token_status;'),
        qr/"auth_api_token_status" directive cannot be used with/);
refused('status and purge in one place',
        "$zone" . server('auth_api_token_status; auth_api_token_purge tokens;'),
        qr/"auth_api_token_purge" directive cannot be used with/);

# the token object: there has to be a token

my $object = 'auth_api_token_object;';
my $needs = qr/"auth_api_token_object" in location "\/t" of server "" needs "auth_api_token"/;

refused('an object of no token', server($object), $needs);
refused('an object of no token below one',
        $On . server("auth_api_token off; $object"), $needs);
refused('an object of no token, except for some methods',
        server("auth_api_token_request /_api; $object"
               . ' limit_except GET { auth_api_token "r"; }'), $needs);
refused('an object of no token for some methods',
        $On . server("limit_except GET { auth_api_token off; } $object"),
        $needs);
refused('two objects', $On . server("$object $object"),
        qr/"auth_api_token_object" directive is duplicate/);
refused('an object of something', $On . server('auth_api_token_object on;'),
        qr/invalid number of arguments in "auth_api_token_object"/);
refused('an object for a server', "$On server { listen 127.0.0.1:1984;"
        . " $object location /t { } }",
        qr/"auth_api_token_object" directive is not allowed here/);
refused('an object in if', $On . server("if (\$arg_a) { $object }"),
        qr/"auth_api_token_object" directive is not allowed here/);

for my $other ('auth_api_token_status', 'auth_api_token_purge tokens') {
    my ($name) = $other =~ /(\w+)/;

    refused("$name and an object", "$zone $On" . server("$other; $object"),
            qr/"auth_api_token_object" directive cannot be used with/);
    refused("an object and $name", "$zone $On" . server("$object $other;"),
            qr/"$name" directive cannot be used with/);
}

accepted('an object', server("$On $object"));
accepted('an object of a token that all have', $On . server($object));
accepted('an object in a location of another', $On . server(
    "$object location /t/in { $object }"));
accepted('a page in a location of an object', server(
    "$On $object location /t/in { auth_api_token off; }"));

accepted('all of it', server(
    'auth_api_token "realm $host" token=$http_x_token format=idt;'
    . 'auth_api_token_request /_api credential=service api=prod-1 timeout=2s;'
    . 'auth_api_token_cache off;'
    . 'auth_api_token_account ACC-1234-5678 ACC-1234-5678-9012 $arg_account;'
    . 'auth_api_token_account $arg_a;'
    . 'auth_api_token_account_type Client Vendor Operations $arg_type;'
    . 'auth_api_token_module MOD-0478 MOD-1756-1452 billing 365-ea $arg_m;'
    . 'auth_api_token_module MOD-1234;'
    . 'auth_api_token_extension EXT-1234-5678 EXT-1234-5678-9012 $arg_e;'
    . 'auth_api_token_extension EXT-1234;'
    . 'auth_api_token_require $arg_a ${arg_b} error=401;'
    . 'auth_api_token_require $arg_c;'
    . 'auth_api_token_https $arg_https; auth_api_token_dry_run $arg_dry;'
    . 'auth_api_token_problem off; auth_api_token_preflight on;'));

accepted('inherited from http',
         "$On auth_api_token_cache off; auth_api_token_https off;"
         . ' auth_api_token_dry_run on; auth_api_token_account_type Vendor;'
         . server(''));

accepted('off needs no request', server('auth_api_token off;'));

accepted('off below on', $On . server('auth_api_token off;'));

accepted('limit_except',
         server("auth_api_token_request /_api; limit_except GET {"
                . ' auth_api_token "r"; }'));

refused('limit_except without auth_api_token_request',
        server('limit_except GET { auth_api_token "r"; }'),
        qr/"auth_api_token_request"/);

# auth_api_token_zone, and what else needs one

for my $case (
    ['zone without a name and a size', 'zone=;', $named],
    ['zone without a size', 'zone=tokens;', $named],
    ['zone with an empty size', 'zone=tokens:;', $named],
    ['zone without a name', 'zone=:1m;', $named],
    ['zone with a size that is none', 'zone=tokens:large;', $named],
    ['zone with another unit', 'zone=tokens:1x;', $named],
    ['zone with a fraction', 'zone=tokens:1.5m;', $named],
    ['zone with a negative size', 'zone=tokens:-1m;', $named],
    ['zone with an absurd size', 'zone=tokens:99999999999999g;', $named],
    ['zone with a slash in its name', 'zone=to/kens:1m;', $named],
    ['zone with a quote in its name', q('zone=to"kens:1m';), $named],
    ['zone with two colons', 'zone=a:b:1m;', $named],
    ['zone with a long name', 'zone=' . 'a' x 65 . ':1m;', $named],
    ['no zone=', 'lookups=64;',
     qr/"auth_api_token_zone" directive needs "zone=NAME:SIZE"/],
    ['zone without its key', 'tokens:1m;',
     qr/invalid value "tokens:1m" in "auth_api_token_zone", expected "zone="/],
    ['unknown parameter of _zone', 'zone=tokens:1m size=1m;',
     qr/invalid value "size=1m" in .*, expected "zone=", "lookups=", "queue=" or "/],
    ['zone that is too small', 'zone=tokens:28k;',
     qr/zone "tokens" in "auth_api_token_zone" is too small, .* least 32k/],
    ['zone of nothing', 'zone=tokens:0;', qr/zone "tokens" in .* is too small/],
    ['no lookups', 'zone=tokens:1m lookups=0;', qr/a number from 1 to 1024/],
    ['too many lookups', 'zone=tokens:1m lookups=1025;',
     qr/invalid value "lookups=1025" in .* a number from 1 to 1024/],
    ['negative lookups', 'zone=tokens:1m lookups=-1;', qr/from 1 to 1024/],
    ['empty lookups', 'zone=tokens:1m lookups=;', qr/from 1 to 1024/],
    ['lookups that are none', 'zone=tokens:1m lookups=10k;',
     qr/from 1 to 1024/],
    ['negative queue', 'zone=tokens:1m queue=-1;',
     qr/invalid value "queue=-1" in .* a number from 0 to 65536/],
    ['too large a queue', 'zone=tokens:1m queue=65537;',
     qr/invalid value "queue=65537" in .* a number from 0 to 65536/],
    ['empty queue', 'zone=tokens:1m queue=;', qr/from 0 to 65536/],
    ['queue that is none', 'zone=tokens:1m queue=off;', qr/from 0 to 65536/],
    ['two queues', 'zone=tokens:1m queue=1 queue=2;',
     qr/invalid value "queue=2" in .* expected each parameter once/],
    ['no share for denials', 'zone=tokens:1m denied=0%;',
     qr/invalid value "denied=0%" in .* a percentage from "1%" to "90%"/],
    ['too large a share for denials', 'zone=tokens:1m denied=91%;',
     qr/invalid value "denied=91%" in .* a percentage from "1%" to "90%"/],
    ['share without a percent sign', 'zone=tokens:1m denied=10;',
     qr/invalid value "denied=10" in .* a percentage from "1%" to "90%"/],
    ['empty share', 'zone=tokens:1m denied=;', qr/a percentage from/],
    ['share of a percent sign', 'zone=tokens:1m denied=%;', qr/a percentage from/],
    ['share with two percent signs', 'zone=tokens:1m denied=1%%;',
     qr/a percentage from/],
    ['two lookups', 'zone=tokens:1m lookups=1 lookups=2;',
     qr/invalid value "lookups=2" in .* expected each parameter once/],
    ['too many parameters', 'zone=tokens:1m lookups=1 queue=1 denied=1% x=1;',
     qr/invalid number of arguments in "auth_api_token_zone"/],
    ['no parameters', ';', qr/invalid number of arguments/],
    ['zone declared twice', "zone=tokens:1m; $zone",
     qr/zone "tokens" in "auth_api_token_zone" is declared twice/],
    ['zone declared twice, with two sizes', "zone=tokens:2m; $zone",
     qr/zone "tokens" in "auth_api_token_zone" is declared twice/],
    ['two zones in one', 'zone=a:1m zone=b:1m;',
     qr/invalid value "zone=b:1m" in .* expected each parameter once/],
    ['a zone that no cache can name', 'zone=off:1m;',
     qr/invalid value "zone=off:1m" in "auth_api_token_zone"/],
    ['zone of another module',
     'zone=t:1m; limit_req_zone $uri zone=t:1m rate=1r/s;',
     qr/zone "t" is already declared for a different use/])
{
    refused($case->[0], "auth_api_token_zone $case->[1]", $case->[2]);
}

refused('zone in a server', "server { $zone }",
        qr/"auth_api_token_zone" directive is not allowed here/);

for my $case (
    ['zero valid', 'auth_api_token_cache tokens valid=0;', $age],
    ['zero valid with a unit', 'auth_api_token_cache tokens valid=0s;', $age],
    ['short valid', 'auth_api_token_cache tokens valid=9ms;', $age],
    ['absurd valid', 'auth_api_token_cache tokens valid=25h;', $age],
    ['empty valid', 'auth_api_token_cache tokens valid=;', $age],
    ['valid that is no time', 'auth_api_token_cache tokens valid=soon;', $age],
    ['negative valid', 'auth_api_token_cache tokens valid=-1s;', $age],
    ['zero denied', 'auth_api_token_cache tokens denied=0;', $age],
    ['absurd denied', 'auth_api_token_cache tokens denied=1y;', $age],
    ['absurd stale', 'auth_api_token_cache tokens stale=2d;',
     qr/invalid value "stale=2d" in "auth_api_token_cache"/],
    ['stale that is no time', 'auth_api_token_cache tokens stale=on;',
     qr/invalid value "stale=on" in "auth_api_token_cache"/],
    ['refresh of another value', 'auth_api_token_cache tokens refresh=maybe;',
     qr/invalid value "refresh=maybe" in .* "refresh=on", "refresh=off"/],
    ['unknown parameter of _cache', 'auth_api_token_cache tokens foo=1;',
     qr/invalid value "foo=1" in "auth_api_token_cache", expected "valid="/],
    ['parameter of _zone in _cache', 'auth_api_token_cache zone=tokens:1m;',
     qr/zone "zone=tokens:1m" in "auth_api_token_cache" is not declared/],
    ['two valid', 'auth_api_token_cache tokens valid=1s valid=1s;',
     qr/invalid value "valid=1s" in .* expected each parameter once/],
    ['two denied', 'auth_api_token_cache tokens denied=1s valid=1s denied=2s;',
     qr/invalid value "denied=2s" in .* expected each parameter once/],
    ['two stale', 'auth_api_token_cache tokens stale=1s stale=0;',
     qr/invalid value "stale=0" in .* expected each parameter once/],
    ['two refresh', 'auth_api_token_cache tokens refresh=on refresh=off;',
     qr/invalid value "refresh=off" in .* expected each parameter once/],
    ['duplicate _cache with a zone',
     'auth_api_token_cache tokens; auth_api_token_cache off;',
     qr/"auth_api_token_cache" directive is duplicate/],
    ['_cache without a zone', 'auth_api_token_cache;',
     qr/invalid number of arguments/],
    ['zone in another case', 'auth_api_token_cache Tokens;',
     qr/zone "Tokens" in "auth_api_token_cache" is not declared/],
    ['zone with a shorter name', 'auth_api_token_cache token;',
     qr/zone "token" in "auth_api_token_cache" is not declared/],

    # auth_api_token_denied_limit

    ['limit without a variable', 'auth_api_token_denied_limit key;',
     qr/invalid value "key" in .* expected a key with a variable, .* or "off"/],
    ['limit with an empty key', 'auth_api_token_denied_limit "";',
     qr/invalid value "" in .* expected a key with a variable/],
    ['limit without a key', 'auth_api_token_denied_limit rate=1r/s;',
     qr/invalid value "rate=1r\/s" in .* expected a key with a variable/],
    ['limit of an unknown variable', 'auth_api_token_denied_limit $nope;',
     qr/unknown "nope" variable/],
    ['limit off with a parameter', 'auth_api_token_denied_limit off burst=1;',
     qr/invalid value "burst=1" in .* expected nothing after "off"/],
    ['rate without a unit', 'auth_api_token_denied_limit $host rate=30;',
     $rate],
    ['zero rate', 'auth_api_token_denied_limit $host rate=0r/s;', $rate],
    ['empty rate', 'auth_api_token_denied_limit $host rate=;', $rate],
    ['rate without a number', 'auth_api_token_denied_limit $host rate=r/s;',
     $rate],
    ['rate of another unit', 'auth_api_token_denied_limit $host rate=1r/h;',
     $rate],
    ['rate with a fraction', 'auth_api_token_denied_limit $host rate=.5r/s;',
     $rate],
    ['negative rate', 'auth_api_token_denied_limit $host rate=-1r/s;', $rate],
    ['absurd rate', 'auth_api_token_denied_limit $host rate=1000001r/s;',
     $rate],
    ['zero burst', 'auth_api_token_denied_limit $host burst=0;',
     qr/invalid value "burst=0" in .* a number from 1 to 1000000/],
    ['empty burst', 'auth_api_token_denied_limit $host burst=;',
     qr/invalid value "burst=" in .* a number from 1 to 1000000/],
    ['absurd burst', 'auth_api_token_denied_limit $host burst=1000001;',
     qr/invalid value "burst=1000001" in .* a number from 1 to 1000000/],
    ['unknown parameter of _limit',
     'auth_api_token_denied_limit $host nodelay;',
     qr/invalid value "nodelay" in .*, expected "rate=" or "burst="/],
    ['two rates', 'auth_api_token_denied_limit $host rate=1r/s rate=2r/s;',
     qr/invalid value "rate=2r\/s" in .* expected each parameter once/],
    ['two bursts', 'auth_api_token_denied_limit $host burst=1 burst=2;',
     qr/invalid value "burst=2" in .* expected each parameter once/],
    ['duplicate _limit',
     'auth_api_token_denied_limit $host; auth_api_token_denied_limit off;',
     qr/"auth_api_token_denied_limit" directive is duplicate/],

    # auth_api_token_status and auth_api_token_purge

    ['status in an unknown format', 'auth_api_token_status xml;',
     qr/invalid value "xml" in "auth_api_token_status", expected "json", "prometheus" or "html"/],
    ['status in two formats', 'auth_api_token_status json prometheus;',
     qr/invalid number of arguments/],
    ['duplicate _status', 'auth_api_token_status; auth_api_token_status json;',
     qr/"auth_api_token_status" directive is duplicate/],
    ['purge of a zone never declared', 'auth_api_token_purge others;',
     qr/zone "others" in "auth_api_token_purge" is not declared/],
    ['purge of no zone', 'auth_api_token_purge;',
     qr/invalid number of arguments/],
    ['purge of two zones', 'auth_api_token_purge tokens tokens;',
     qr/invalid number of arguments/],
    ['purge of nothing', 'auth_api_token_purge off;',
     qr/zone "off" in "auth_api_token_purge" is not declared/],
    ['duplicate _purge', 'auth_api_token_purge tokens;'
     . ' auth_api_token_purge tokens;',
     qr/"auth_api_token_purge" directive is duplicate/])
{
    refused($case->[0], $zone . server($case->[1]), $case->[2]);
}

for my $directive ('auth_api_token_status', 'auth_api_token_purge tokens') {
    my ($name) = split ' ', $directive;

    refused("$name in a server", "$zone server { $directive; }",
            qr/"$name" directive is not allowed here/);
}

# the line of a zone that is not declared, in whichever file

for my $directive ('auth_api_token_cache others valid=1s',
                   'auth_api_token_purge others')
{
    my ($name) = split ' ', $directive;

    open my $out, '>', "$Dir/part.conf" or die $!;
    print $out "\n\nlocation /p {\n    root html;\n    $directive;\n}\n";
    close $out;

    refused("$name in an included file",
            "$zone\nserver {\n listen 127.0.0.1:1984;\n include part.conf;\n}",
            qr/zone "others" in "$name" is not declared, .* \S+part\.conf:5\b/);
}

my ($status, $text) = config_test("\n\n" . server(
    "auth_api_token_cache\n others\n valid=1s;"));

my ($line) = $text =~ /expected .* in \Q$Dir\E\/nginx\.conf:(\d+)/;
open my $in, '<', "$Dir/nginx.conf" or die $!;
my @lines = <$in>;

like($lines[($line || 1) - 1], qr/valid=1s;/, 'the line where it ends');

# what was too much is fine in a lesser dose

for my $case (
    ['the smallest zone', 'auth_api_token_zone zone=tokens:32k;'],
    ['the smallest zone, with room for all lookups',
     'auth_api_token_zone zone=tokens:32k lookups=1024;'],
    ['the largest numbers',
     'auth_api_token_zone zone=tokens:1m lookups=1024 queue=65536 denied=90%;'],
    ['the smallest numbers',
     'auth_api_token_zone zone=tokens:1m lookups=1 queue=0 denied=1%;'],
    ['parameters in another order',
     'auth_api_token_zone denied=1% queue=1 lookups=1 zone=Tok.en_s-1:1m;'],
    ['two zones', "$zone auth_api_token_zone zone=others:64k;"],
    ['a zone that is declared after its use',
     server("$On auth_api_token_cache tokens;")
     . server('auth_api_token_purge tokens;') =~ s/1984/1985/r . $zone],
    ['all of a cache', $zone . server(
        "$On auth_api_token_cache tokens valid=10ms denied=1d refresh=off"
        . ' stale=0;')],
    ['the largest times', $zone . server(
        "$On auth_api_token_cache tokens valid=1d denied=10ms refresh=on"
        . ' stale=1d;')],
    ['a cache for all servers', "$zone auth_api_token_cache tokens; $On"
     . server('auth_api_token_cache off;')],
    ['all of a limit', "$zone auth_api_token_cache tokens; $On"
     . 'auth_api_token_denied_limit $binary_remote_addr$host rate=1r/m'
     . ' burst=1;' . server(
        'auth_api_token_denied_limit a-${host} burst=1000000'
        . ' rate=1000000r/s;')],
    ['phases, for all, a server and a location',
     'auth_api_token_phase access;' . server(
        "$On auth_api_token_phase preaccess;"
        . 'location /t/a { auth_api_token_phase access; }')],
    ['a phase where nothing is checked',
     server('auth_api_token_phase preaccess;')],
    ['status and purge', $zone . server(
        'location /t/a { auth_api_token_status; }'
        . 'location /t/b { auth_api_token_status json; }'
        . 'location /t/c { auth_api_token_status prometheus; }'
        . 'location /t/e { auth_api_token_status html; }'
        . 'location /t/d { auth_api_token_purge tokens; deny all; }')],
    ['status without a zone', server('auth_api_token_status;')],
    ['module codes, of whatever beginning', server(
        'auth_api_token_module mod-abc mod mod- mod-0478 365-ea m 0;')])
{
    accepted(@$case);
}

# a limit that limits nothing is worth a warning

my $limit = 'auth_api_token_denied_limit $host;';
my $nothing = qr/\[warn\] .* limits nothing in location "\/t" of server ""/;

for my $case (
    ['without a cache', $limit, 1],
    ['with the cache off', "$limit auth_api_token_cache off;", 1],
    ['with a cache', "$limit auth_api_token_cache tokens;", 0],
    ['that is off', 'auth_api_token_denied_limit off;', 0])
{
    my ($status, $text) = config_test($zone . server($On . $case->[1]));

    is($status, 0, "a limit $case->[0]: accepted");
    is($text =~ $nothing ? 1 : 0, $case->[2], "a limit $case->[0]: warning");
}

done_testing();
