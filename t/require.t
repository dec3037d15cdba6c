use lib 't/lib';
use AuthApiToken;
use Lines qw($Good);
use Test::Nginx::Socket 'no_plan';

# requirements: values of one line are "any of", lines are "each"


sub ask {
    my ($uri) = @_;

    my $response = exchange("GET $uri HTTP/1.1\r\nHost: a\r\n$::Good\r\n");
    my $challenge = $response->{headers}{'www-authenticate'} || '';
    my ($scope) = $challenge =~ / scope="([^"]*)"/;

    return join ' ', $response->{headers}{'x-result'},
                     defined $scope ? $scope : ();
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: accounts
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";

    location /one   { auth_api_token_account ACC-8765-4321; try_files /n =204; }
    location /any   { auth_api_token_account ACC-1111-1111 ACC-8765-4321; try_files /n =204; }
    location /other { auth_api_token_account ACC-1111-1111; try_files /n =204; }
    location /short { auth_api_token_account ACC-8765; try_files /n =204; }
    location /long  { auth_api_token_account ACC-8765-4321-0000; try_files /n =204; }
    location /each  {
        auth_api_token_account ACC-8765-4321;
        auth_api_token_account ACC-1111-1111;
        try_files /n =204;
    }
    location /both  {
        auth_api_token_account ACC-8765-4321;
        auth_api_token_account ACC-1111-1111 ACC-8765-4321;
        try_files /n =204;
    }
--- perl
is(ask('/one'), 'pass', 'one');
is(ask('/any'), 'pass', 'any');
is(ask('/other'), 'account', 'another');
is(ask('/short'), 'account', 'the beginning of an id');
is(ask('/long'), 'account', 'more than an id');
is(ask('/each'), 'account', 'two lines');
is(ask('/both'), 'pass', 'two lines that hold');
--- calls: 7



=== TEST 2: account types
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";

    location /vendor { auth_api_token_account_type Vendor; try_files /n =204; }
    location /any    { auth_api_token_account_type Client Vendor; try_files /n =204; }
    location /other  { auth_api_token_account_type Client; try_files /n =204; }
    location /var    { auth_api_token_account_type $arg_type; try_files /n =204; }
--- perl
is(ask('/vendor'), 'pass', 'Vendor');
is(ask('/any'), 'pass', 'any');
is(ask('/other'), 'account_type', 'another');
is(ask('/var?type=Vendor'), 'pass', 'variable');
is(ask('/var?type=vendor'), 'account_type', 'in lower case');
is(ask('/var'), 'account_type', 'empty');

for my $type ('Development', 'vendor', 'Vendors', 'Vendo', 'Vendor ', '') {
    api('PUT', 'tokens/TKN-1234-5678',
        { account => { id => 'ACC-8765-4321', type => $type } });
    is(ask('/any'), 'account_type', "type '$type'");
}



=== TEST 3: modules
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";

    location /id     { auth_api_token_module MOD-0478; try_files /n =204; }
    location /last   { auth_api_token_module MOD-1756; try_files /n =204; }
    location /code   { auth_api_token_module access-management; try_files /n =204; }
    location /any    { auth_api_token_module MOD-9999 billing MOD-0478; try_files /n =204; }
    location /other  { auth_api_token_module MOD-9999; try_files /n =204; }
    location /both   {
        auth_api_token_module MOD-0478;
        auth_api_token_module access-management billing;
        try_files /n =204;
    }
    location /each   {
        auth_api_token_module MOD-0478;
        auth_api_token_module MOD-9042 billing;
        try_files /n =204;
    }
    location /long   { auth_api_token_module MOD-0478-0000; try_files /n =204; }
    location /part   { auth_api_token_module access; try_files /n =204; }
    location /var    { auth_api_token_module $arg_m; try_files /n =204; }
    location /varlist { auth_api_token_module $arg_m MOD-9999; try_files /n =204; }
--- perl
is(ask('/id'), 'pass', 'an id');
is(ask('/last'), 'pass', 'the last id');
is(ask('/code'), 'pass', 'a code');
is(ask('/any'), 'pass', 'any');
is(ask('/other'), 'module MOD-9999', 'another');
is(ask('/both'), 'pass', 'each');
is(ask('/each'), 'module MOD-9042 billing', 'each, the second does not hold');
is(ask('/long'), 'module MOD-0478-0000', 'more than an id');
is(ask('/part'), 'module access', 'a part of a code');
is(ask('/var?m=MOD-0478'), 'pass', 'variable');
is(ask('/var?m='), 'module', 'empty');
is(ask('/var?m=MOD-0478,MOD-1756'), 'module MOD-0478,MOD-1756', 'a list');
is(ask('/var?m=,'), 'module ,', 'a comma');
is(ask('/var?m=MOD-'), 'module MOD-', 'a prefix');
is(ask('/varlist?m=a"b'), 'module MOD-9999', 'a quote');
is(ask('/varlist?m=a\\b'), 'module MOD-9999', 'a backslash');



=== TEST 4: names of modules and members below say nothing
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /id   { auth_api_token_module MOD-9999; try_files /n =204; }
    location /code { auth_api_token_module billing; try_files /n =204; }
--- api
token TKN-1234-5678 {"modules":[{"id":"MOD-0001","name":"MOD-9999","settings":{"id":"MOD-9999","code":"billing"},"description":"billing"},{"id":"billing","code":"MOD-9999"},{"id":"MOD-0002,MOD-9999","code":"a,billing"}]}
--- perl
is(ask('/id'), 'module MOD-9999', 'id');
is(ask('/code'), 'module billing', 'code');



=== TEST 5: "MOD-" begins an id, "mod-" may begin a code
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /code   { auth_api_token_module mod-abc; try_files /n =204; }
    location /digits { auth_api_token_module mod-0478; try_files /n =204; }
    location /id     { auth_api_token_module MOD-0001; try_files /n =204; }
    location /var    { auth_api_token_module $arg_m; try_files /n =204; }
--- api
token TKN-1234-5678 {"modules":[{"id":"MOD-0001","code":"mod-abc"},{"id":"MOD-0478","code":"MOD-"},{"id":"mod-def","code":"MOD-0002"}]}
--- perl
is(ask('/code'), 'pass', 'a code');
is(ask('/id'), 'pass', 'an id');
is(ask('/digits'), 'module mod-0478', 'an id in lower case');
is(ask('/var?m=mod-abc'), 'pass', 'a code in a variable');
is(ask('/var?m=MOD-ABC'), 'module MOD-ABC', 'a code in capitals');
is(ask('/var?m=mod-0001'), 'module mod-0001', 'an id in lower case');
is(ask('/var?m=mod-def'), 'module mod-def', 'no code');
is(ask('/var?m=MOD-0002'), 'module MOD-0002', 'no id');
is(ask('/var?m=MOD-'), 'module MOD-', 'nothing after the prefix');



=== TEST 6: what the API leaves out fails what needs it, and nothing else
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /none    { try_files /n =204; }
    location /account { auth_api_token_account $arg_a; try_files /n =204; }
    location /type    { auth_api_token_account_type $arg_a; try_files /n =204; }
    location /module  { auth_api_token_module $arg_a; try_files /n =204; }
--- perl
for my $body ('"account":null,"modules":null', '"account":{},"modules":[]',
              '"account":{"id":"","type":""},"modules":[{"id":"","code":""}]',
              '"name":"n"')
{
    api('PUT', 'faults/any',
        { body => "{\"id\":\"TKN-1234-5678\",\"status\":\"Active\",$body}" });

    for my $arg ('', '?a=', '?a=,', '?a=x') {
        is(ask("/none$arg"), 'pass', 'none');
        is(ask("/account$arg"), 'account', 'account');
        is(ask("/type$arg"), 'account_type', 'type');
        like(ask("/module$arg"), qr/^module/, 'module');
    }
}



=== TEST 7: require
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /one { auth_api_token_require $arg_a; try_files /n =204; }
    location /two { auth_api_token_require $arg_a $arg_b; try_files /n =204; }
    location /lines {
        auth_api_token_require $arg_a;
        auth_api_token_require $arg_b;
        try_files /n =204;
    }
--- perl
is(ask('/one?a=1'), 'pass', 'set');
is(ask('/one?a=yes'), 'pass', 'set');
is(ask('/one?a=00'), 'pass', 'not just 0');
is(ask('/one?a=0'), 'require', '0');
is(ask('/one?a='), 'require', 'empty');
is(ask('/one'), 'require', 'none');
is(ask('/two?a=1&b=1'), 'pass', 'both');
is(ask('/two?a=1'), 'require', 'the first');
is(ask('/two?b=1'), 'require', 'the second');
is(ask('/lines?a=1&b=1'), 'pass', 'both lines');
is(ask('/lines?a=1&b=0'), 'require', 'the first line');
is(ask('/lines?a=0&b=1'), 'require', 'the second line');



=== TEST 8: require what a map makes of the token
--- http_config
    map $auth_api_token_account_id $known { ACC-8765-4321 1; }
    map $auth_api_token_id $listed { TKN-0000-0000 1; }
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;
    auth_api_token "r";
    location /known  { auth_api_token_require $known; try_files /n =204; }
    location /listed { auth_api_token_require $listed; try_files /n =204; }
--- perl
is(ask('/known'), 'pass,TKN-1234-5678', 'known');
is(ask('/listed'), 'require,', 'not listed');
--- calls: 2



=== TEST 9: a module for each type of account, by a map
--- http_config
    map $auth_api_token_account_type $module {
        Vendor  MOD-0478;
        Client  MOD-9999;
        default MOD-8888;
    }
--- config
    add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;
    auth_api_token "r";
    location /t { auth_api_token_module $module; try_files /n =204; }
--- perl
is(ask('/t'), 'pass,TKN-1234-5678', 'Vendor');
api('PUT', 'tokens/TKN-1234-5678', { account => { type => 'Client' } });
is(ask('/t'), 'module, MOD-9999', 'Client');
api('PUT', 'tokens/TKN-1234-5678', { account => undef });
is(ask('/t'), 'module, MOD-8888', 'none');
--- calls: 3



=== TEST 10: a map that limit_req asks for before the check
--- http_config
    map $auth_api_token_account_type $allowed {
        volatile;
        Vendor  0;
        default 1;
    }

    limit_req_zone $allowed$binary_remote_addr zone=r:1m rate=1000r/s;
--- config
    add_header X-Result "$auth_api_token_result" always;
    location /t {
        limit_req zone=r burst=10;
        auth_api_token "r";
        auth_api_token_require $allowed;
        try_files /n =204;
    }
--- perl
is(ask('/t'), 'require', 'Vendor');
api('PUT', 'tokens/TKN-1234-5678', { account => { type => 'Client' } });
is(ask('/t'), 'pass', 'Client');
--- calls: 2



=== TEST 11: what is checked first
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    location /t {
        auth_api_token_require      $arg_a;
        auth_api_token_module       $arg_m;
        auth_api_token_account_type $arg_t;
        auth_api_token_account      $arg_i;
        try_files /n =204;
    }
--- perl
is(ask('/t'), 'account', 'account');
is(ask('/t?i=ACC-8765-4321'), 'account_type', 'account type');
is(ask('/t?i=ACC-8765-4321&t=Vendor'), 'module', 'module');
is(ask('/t?i=ACC-8765-4321&t=Vendor&m=MOD-0478'), 'require', 'require');
is(ask('/t?i=ACC-8765-4321&t=Vendor&m=MOD-0478&a=1'), 'pass', 'pass');



=== TEST 12: inherited, unless the level has its own
--- config
    add_header X-Result $auth_api_token_result always;
    auth_api_token "r";
    auth_api_token_module MOD-9999;
    location /inherited { try_files /n =204; }
    location /own       { auth_api_token_module MOD-0478; try_files /n =204; }
    location /other     { auth_api_token_account_type Vendor; try_files /n =204; }
    location /nested/ {
        auth_api_token_module MOD-0478;
        location /nested/in/ { try_files /n =204; }
    }
--- perl
is(ask('/inherited'), 'module MOD-9999', 'inherited');
is(ask('/own'), 'pass', 'its own');
is(ask('/other'), 'module MOD-9999', 'of another kind');
is(ask('/nested/in/'), 'pass', 'from the location around it');



=== TEST 13: many modules
--- config
    add_header X-Result $auth_api_token_result always;
    add_header X-Modules $auth_api_token_modules;
    auth_api_token "r";
    location /t { auth_api_token_module MOD-0500; try_files /n =204; }
--- perl
my @modules = map { { id => sprintf('MOD-%04d', $_), code => "code-$_" } }
              1 .. 500;

api('PUT', 'tokens/TKN-1234-5678', { modules => \@modules });
is(ask('/t'), 'pass', 'the last');

my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n$::Good\r\n");

is($response->{headers}{'x-modules'}, join(',', map { $_->{id} } @modules),
   'all of them');

pop @modules;
api('PUT', 'tokens/TKN-1234-5678', { modules => \@modules });
is(ask('/t'), 'module MOD-0500', 'one less');
