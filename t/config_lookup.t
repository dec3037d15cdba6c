use lib 't/lib';
use AuthApiToken;
use NginxConfig;
use Test::More;

# what "nginx -t" warns of: the location that asks the API

my $asks = 'proxy_pass http://127.0.0.1:1984;';
my $none = qr/\[warn\] .*server "([^"]*)" has no location "\/_api",/;
my $open = qr/\[warn\] .*server "([^"]*)" has a location "\/_api" without "internal",/;


sub warned {
    my ($name, $config, $want) = @_;

    my ($status, $text) = config_test($config);

    is($status, 0, "$name: accepted") or diag($text);
    is(join(' ', (map { "none:$_" } $text =~ /$none/g),
                 map { "open:$_" } $text =~ /$open/g), $want, $name);
}


sub in_server {
    my ($config, $name) = @_;

    $name ||= 'a';

    return "server { listen 127.0.0.1:1984; server_name $name; $On"
           . " location / { root html; } $config }\n";
}


for my $case (
    ['one of the name', "location = /_api { internal; $asks }", ''],
    ['a prefix of the name', "location /_api { internal; $asks }", ''],
    ['a longer prefix that is internal', "location /_ { internal; $asks }", ''],
    ['a nested one',
     "location /_a { location = /_api { internal; $asks } }", ''],

    ['none', '', 'none:a'],
    ['one of another name', "location = /_api2 { internal; $asks }", 'none:a'],
    ['one of another case', "location = /_API { internal; $asks }", 'none:a'],
    ['one below', "location /_api/ { internal; $asks }", 'none:a'],
    ['a shorter one', "location = /_ap { internal; $asks }", 'none:a'],
    ['a named one', 'location @_api { proxy_pass http://127.0.0.1:1984; }',
     'none:a'],

    ['one that clients may use', "location = /_api { $asks }", 'open:a'],
    ['a prefix that clients may use', "location /_api { $asks }", 'open:a'],
    ['"internal" in what is nested',
     "location /_api { $asks location /_api/a { internal; } }", 'open:a'],
    ['"if" in it',
     "location = /_api { if (\$arg_a) { return 204; } $asks }", 'open:a'],

    # of two with the name, the exact one

    ['an exact one after a prefix',
     "location /_api { $asks } location = /_api { internal; $asks }", ''],
    ['an exact one before a prefix',
     "location = /_api { internal; $asks } location /_api { $asks }", ''],
    ['an exact one that clients may use, after a prefix',
     "location /_api { internal; $asks } location = /_api { $asks }", 'open:a'],
    ['an exact one that clients may use, before a prefix',
     "location = /_api { $asks } location /_api { internal; $asks }", 'open:a'],

    ['a regular expression of the name',
     "location ~ ^/_a { internal; $asks }", ''],
    ['one that clients may use: not told', "location ~ ^/_a { $asks }", ''],
    ['one of other names', "location ~ ^/_b { $asks }", 'none:a'],
    ['one beside an exact one',
     "location ~ ^/_a { $asks } location = /_api { internal; $asks }", ''],
    ['one beside an exact one that clients may use',
     "location ~ ^/_a { internal; $asks } location = /_api { $asks }",
     'open:a'])
{
    my ($name, $config, $want) = @$case;

    warned($name, in_server($config), $want);
}

# each server has its own

my $good = "location = /_api { internal; $asks }";

warned('two servers', in_server($good) . in_server('', 'b'), 'none:b');
warned('two without', in_server('') . in_server('', 'b'), 'none:a none:b');
warned('two that clients may use', in_server("location = /_api { $asks }")
       . in_server("location = /_api { $asks }", 'b'), 'open:a open:b');

# once for many locations, and for each name

warned('many locations',
       in_server(join '', map { "location /$_ { auth_api_token x; }" } 1 .. 20),
       'none:a');
my $own = 'auth_api_token_request /_api credential=service;';

warned('two lines, in turn', in_server(
    join '', "location /s { $own }",
             map { "location /$_ { root html; location /$_/s { root html; } }" }
                 1 .. 3), 'none:a none:a');

# where nothing is checked, nobody asks

warned('off', in_server('') =~ s/auth_api_token "r"/auth_api_token off/r, '');
warned('nothing at all', 'server { listen 127.0.0.1:1984; }', '');
warned('off in all locations', "server { listen 127.0.0.1:1984;"
       . ' auth_api_token_request /_api; location / { root html; } }', '');
warned('inherited from http', "$On server { listen 127.0.0.1:1984;"
       . ' server_name c; location / { root html; } }', 'none:c');

warned('a server that only redirects', in_server($good) . "$On server {"
       . ' listen 127.0.0.1:1984; server_name d; return 301 https://a; }', '');

done_testing();
