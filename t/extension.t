use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# auth_api_token_extension: what the API says about a token's extensions has
# five forms, and only one of them means "all"

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Show = <<'END';
    auth_api_token "r";
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status [$auth_api_token_extensions]" always;
END

our $Config = $Show . <<'END';
    auth_api_token_cache tokens;
    location /any   { try_files /n =204; }
    location /one   { auth_api_token_extension EXT-1234-5678; try_files /n =204; }
    location /other { auth_api_token_extension EXT-9999-9999; try_files /n =204; }
    location /var   { auth_api_token_extension $arg_e; try_files /n =204; }
END

my $last = 0;


# a token of its own, of which the API says this; with $list, which is what
# stands before "data", in a list

sub told {
    my ($members, $list) = @_;

    my $id = sprintf 'TKN-0000-%04d', ++$last;
    my $body = qq({"id":"$id","status":"Active"$members});

    $body = qq({$list"data":[$body]}) if defined $list;

    api('PUT', "faults/$id", { body => $body });

    return $id;
}


sub ask {
    my ($uri, $id) = @_;

    my $response = exchange(request_of(token($id || 'TKN-1234-5678'), $uri));

    return "$response->{status} $response->{headers}{'x-all'}";
}


# the first request, and later ones, in both orders

sub form {
    my ($name, $variable, $one, $other, @told) = @_;

    my %want = ('/any' => "204 pass %s [$variable]",
                '/one' => $one ? "204 pass %s [$variable]"
                               : '403 extension %s []',
                '/other' => $other ? "204 pass %s [$variable]"
                                   : '403 extension %s []');

    for my $order ([qw(/any /one /other)], [qw(/one /any /one /other)],
                   [qw(/other /one /any)])
    {
        my $id = told(@told);
        my $cache = 'MISS';

        for my $uri (@$order) {
            Test::More::is(ask($uri, $id), sprintf($want{$uri}, $cache),
                           "$name: $uri, $cache");
            $cache = 'HIT';
        }
    }
}


# the token meets the requirement of no extension, and the variable has neither
# "*" nor an id that is required

sub nothing {
    my ($name, @told) = @_;

    my $id = told(@told);

    for my $uri ('/one', '/other', '/one', '/var?e=*', '/var?e=?', '/var?e=,',
                 '/var?e=')
    {
        Test::More::like(ask($uri, $id),
                         qr/^(?:403 extension|503 unavailable) \w+ \[\]$/,
                         "$name: $uri");
    }

    my ($variable) = ask('/any', $id) =~ /\[(.*)\]$/;
    my @bad = grep { /\A(?:\*|EXT-1234-5678|EXT-9999-9999)\z/ }
              split /,/, $variable;

    Test::More::is(join(' ', @bad), '', "$name: variable");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: the five forms
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $omitted = ',"$meta":{"omitted":["audit","extensions"]}';
my $two = ',"extensions":[{"id":"EXT-1234-5678","name":"b"},'
          . '{"id":"EXT-4321-8765"}]';

form('left out', '*', 1, 1, '');
form('left out, others omitted', '*', 1, 1,
     ',"$meta":{"omitted":["audit","modules"]}');
form('null', '*', 1, 1, ',"extensions":null');
form('none', '', 0, 0, ',"extensions":[]');
form('some', 'EXT-1234-5678,EXT-4321-8765', 1, 0, $two);
form('others', 'EXT-4321-8765', 0, 0, ',"extensions":[{"id":"EXT-4321-8765"}]');
form('omitted', '', 0, 0, $omitted);
form('omitted and null', '', 0, 0, "$omitted,\"extensions\":null");



=== TEST 2: the five forms, in a list
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $list = '"$meta":{"pagination":{"offset":0,"limit":10,"total":1},'
           . '"omitted":%s},';
my $audit = sprintf $list, '["modules","audit"]';
my $names = sprintf $list, '["modules","extensions"]';

form('left out', '*', 1, 1, '', $audit);
form('left out, without $meta', '*', 1, 1, '', '');
form('null', '*', 1, 1, ',"extensions":null', $audit);
form('none', '', 0, 0, ',"extensions":[]', $audit);
form('some', 'EXT-1234-5678', 1, 0,
     ',"extensions":[{"id":"EXT-1234-5678"}]', $audit);
form('omitted of all', '', 0, 0, '', $names);
form('omitted of all, and null', '', 0, 0, ',"extensions":null', $names);
form('omitted of the one', '', 0, 0, ',"$meta":{"omitted":["extensions"]}',
     $audit);
form('omitted of all, not named by the one', '', 0, 0,
     ',"$meta":{"omitted":["audit"]}', $names);



=== TEST 3: an omission that is odd is not "all"
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $omitted ('[null,1,"extensions"]', '["extensions","extensions"]',
                 '[["modules"],"extensions",{}]', '"extensions"',
                 '{"extensions":true}', '[["extensions"]]')
{
    my $meta = qq("\$meta":{"omitted":$omitted});

    nothing("$omitted", ",$meta");
    nothing("$omitted, in a list", '', "$meta,");
}



=== TEST 4: another type
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $value ('{}', '{"id":"EXT-1234-5678"}', '"EXT-1234-5678"', '"*"', '""',
               '1', '0', 'true', 'false', '["EXT-1234-5678"]', '["*"]', '[1]',
               '[[]]', '[{"id":1}]', '[{"id":true}]',
               '[{"id":["EXT-1234-5678"]}]',
               '[{"id":"EXT-1234-5678"},"EXT-9999-9999"]')
{
    my $id = told(",\"extensions\":$value");

    for my $uri ('/any', '/one', '/other', '/any') {
        is(ask($uri, $id), '503 unavailable MISS []', "$value: $uri");
    }
}
--- error_log
cause: the body has members of the wrong type



=== TEST 5: an item without an id is none
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $value ('[{}]', '[{"name":"EXT-1234-5678"}]', '[{"id":null}]',
               '[{"id":""}]', '[null]', '[{},{}]',
               '[{"ID":"EXT-1234-5678"}]',
               '[{"extension":{"id":"EXT-1234-5678"}}]')
{
    nothing($value, ",\"extensions\":$value");
}

form('beside others', 'EXT-1234-5678', 1, 0,
     ',"extensions":[{},{"id":"EXT-1234-5678"},{"name":"EXT-9999-9999"}]');



=== TEST 6: an id that is none
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @odd = ('*', '**', '?', '-', '0', ',', ',,', '*,', ',*', ' ', '%2A', '%',
           'null', 'EXT-1234-5678,EXT-9999-9999', ',EXT-1234-5678',
           'EXT-1234-5678,', 'EXT-1234-567', 'EXT-1234-56780',
           'EXT-1234-5678-0000', ' EXT-1234-5678', 'EXT-1234-5678 ',
           'EXT-1234-5678\\n', 'EXT-1234-5678\\t', 'EXT-1234-5678;',
           'ext-1234-5678', 'MOD-1234-5678', 'EXT-', 'EXT', 'EXT-*',
           'EXT-1234-5678\\u007f', "\xd0\x95XT-1234-5678", '\\ufeff*',
           '\\"', '\\\\');

for my $odd (@odd) {
    nothing($odd, ",\"extensions\":[{\"id\":\"$odd\"}]");

    my $id = told(',"extensions":[{"id":"EXT-1234-5678"},'
                  . "{\"id\":\"$odd\"},{\"id\":\"EXT-4321-8765\"}]");

    like(ask('/other', $id),
         qr/^(?:403 extension|503 unavailable) MISS \[\]$/,
         "$odd: between others");
    unlike(ask('/any', $id), qr/[\[,](?:\*|EXT-9999-9999)[\],]/,
           "$odd: variable");
}



=== TEST 7: what is of an extension but its id says nothing
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
form('members below', 'EXT-4321-8765', 0, 0,
     ',"extensions":[{"id":"EXT-4321-8765","name":"EXT-1234-5678","code":'
     . '"EXT-1234-5678","of":{"id":"EXT-1234-5678"}}]');
form('members of others', '', 0, 0,
     ',"modules":[{"id":"EXT-1234-5678","code":"EXT-1234-5678"}],'
     . '"account":{"id":"EXT-1234-5678","type":"EXT-1234-5678",'
     . '"extensions":[{"id":"EXT-1234-5678"}]},"extensions":[]');
form('"all" below', '', 0, 0,
     ',"account":{"id":"ACC-1234-5678","extensions":null},"extensions":[]');

# and "Extensions" is another member

form('in another case', '*', 1, 1, ',"Extensions":[]');



=== TEST 8: a member twice is no JSON
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $value ('"extensions":[],"extensions":null',
               '"extensions":[],"extension\\u0073":null',
               '"$meta":{"omitted":["extensions"]},"$meta":{}')
{
    is(ask('/one', told(",$value")), '503 unavailable MISS []', $value);
}
--- error_log
cause: the body is not JSON



=== TEST 9: any of a line, each of several lines
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /any  { auth_api_token_extension EXT-9999-9999 EXT-1234-5678; try_files /n =204; }
    location /each { auth_api_token_extension EXT-1234-5678; auth_api_token_extension EXT-9999-9999; try_files /n =204; }
    location /both { auth_api_token_extension EXT-1234-5678; auth_api_token_extension EXT-9999-9999 EXT-4321-8765; try_files /n =204; }
    location /long { auth_api_token_extension EXT-1234-5678-0000; try_files /n =204; }
    location /short { auth_api_token_extension EXT-1234; try_files /n =204; }
END
--- perl
my $some = told(',"extensions":[{"id":"EXT-1234-5678"},'
                . '{"id":"EXT-4321-8765"}]');

like(ask('/any', $some), qr/^204 pass /, 'any');
like(ask('/each', $some), qr/^403 extension /, 'two lines');
like(ask('/both', $some), qr/^204 pass /, 'two lines that hold');
like(ask('/long', $some), qr/^403 extension /, 'more than an id');
like(ask('/short', $some), qr/^403 extension /, 'the beginning of an id');

like(ask($_), qr/^204 pass \w+ \[\*\]$/, "$_, all")
    for qw(/any /each /both /long /short);

my $none = told(',"extensions":[]');

like(ask($_, $none), qr/^403 extension /, "$_, none")
    for qw(/any /each /both /long /short);
--- calls: 3



=== TEST 10: variables
--- http_config eval
$::Zone . <<'END';
    map $auth_api_token_account_type $extension {
        Vendor  EXT-1234-5678;
        default EXT-9999-9999;
    }
END
--- config eval
$::Config . <<'END';
    location /or  { auth_api_token_extension $arg_e EXT-4321-8765; try_files /n =204; }
    location /map { auth_api_token_extension $extension; try_files /n =204; }
END
--- perl
my $some = told(',"account":{"type":"Vendor"},'
                . '"extensions":[{"id":"EXT-1234-5678"},'
                . '{"id":"EXT-4321-8765"}]');

like(ask('/var?e=EXT-1234-5678', $some), qr/^204 pass /, 'an id');
like(ask('/var?e=EXT-9999-9999', $some), qr/^403 extension /, 'another');
like(ask('/or?e=EXT-9999-9999', $some), qr/^204 pass /, 'or one');
like(ask('/map', $some), qr/^204 pass /, 'a map');
like(ask('/map', told(',"account":{"type":"Client"},'
                      . '"extensions":[{"id":"EXT-1234-5678"}]')),
     qr/^403 extension /, 'a map, of another');

# an empty or malformed value is met by nothing, not even by "all"

for my $value ('', '*', '?', ',', '-', '0', 'EXT-', 'EXT', 'EXT-12',
               'EXT-1234-567', 'EXT-1234-56789', 'ext-1234-5678',
               'EXT-1234-5678,EXT-4321-8765', 'EXT-1234-5678,', 'EXT-1234-567a',
               'MOD-1234', 'ACC-1234-5678', 'EXT-1234-5678-', 'EXT--1234',
               'EXT-1234-1234-1234-1234-1234')
{
    like(ask("/var?e=$value", $some), qr/^403 extension /, "some, '$value'");
    like(ask("/var?e=$value"), qr/^403 extension /, "all, '$value'");
    like(ask("/or?e=$value", $some), qr/^204 pass /, "or one, '$value'");
}

like(ask('/var'), qr/^403 extension /, 'no value');
like(ask('/var?e=EXT-1234-5678'), qr/^204 pass /, 'all');



=== TEST 11: status, challenge, body and log line
--- config
    location /t {
        auth_api_token "orders";
        auth_api_token_extension EXT-1234-5678;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
--- api
token TKN-1234-5678 {"extensions":[]}
--- request
GET /t
--- more_headers
Authorization: Bearer <TKN-1234-5678>
--- error_code: 403
--- response_headers_like
X-Result: extension
Content-Type: application/problem\+json
WWW-Authenticate: Bearer realm="orders", error="insufficient_scope", error_description="[^"]*extension[^"]*"$
--- response_body_like eval
qr!^\{"type":"https://tools\.ietf\.org/html/rfc9110#section-15\.5\.4","title":"Forbidden","status":403,"detail":"[^"]*extension[^"]*","instance":"/t","traceId":"[0-9a-f]{32}"\}$!
--- error_log eval
qr!\[info\] .*API token refused: extension, id: "TKN-1234-5678", account: "ACC-8765-4321", location: "/t", client!
--- calls: 1



=== TEST 12: the order: after modules, before variables
--- config eval
$::Show . <<'END';
    location /t {
        auth_api_token_require      $arg_a;
        auth_api_token_extension    $arg_e;
        auth_api_token_module       $arg_m;
        auth_api_token_account_type $arg_t;
        auth_api_token_account      $arg_i;
        try_files /n =204;
    }
END
--- perl
my $uri = '/t?i=ACC-8765-4321';

like(ask('/t'), qr/^403 account /, 'account');
like(ask($uri), qr/^403 account_type /, 'account type');
like(ask($uri .= '&t=Vendor'), qr/^403 module /, 'module');
like(ask($uri .= '&m=MOD-0478'), qr/^403 extension /, 'extension');
like(ask($uri .= '&e=EXT-1234-5678'), qr/^403 require /, 'require');
like(ask("$uri&a=1"), qr/^204 pass /, 'pass');



=== TEST 13: inherited, unless the level has its own
--- config eval
$::Show . <<'END';
    auth_api_token_extension EXT-9999-9999;
    location /inherited { try_files /n =204; }
    location /own       { auth_api_token_extension EXT-1234-5678; try_files /n =204; }
    location /other     { auth_api_token_module MOD-0478; try_files /n =204; }
    location /nested/ {
        auth_api_token_extension EXT-1234-5678;
        location /nested/in/ { try_files /n =204; }
    }
    location /redirect  { auth_api_token_extension EXT-1234-5678; try_files /n /inherited; }
END
--- api
token TKN-1234-5678 {"extensions":[{"id":"EXT-1234-5678"}]}
--- perl
like(ask('/inherited'), qr/^403 extension /, 'inherited');
like(ask('/own'), qr/^204 pass /, 'its own');
like(ask('/other'), qr/^403 extension /, 'of another kind');
like(ask('/nested/in/'), qr/^204 pass /, 'from the location around it');
like(ask('/redirect'), qr/^403 extension /, 'of the place that is gone to');



=== TEST 14: many extensions, kept and too many to be kept
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /last { auth_api_token_extension EXT-1000-0100; try_files /n =204; }
    location /most { auth_api_token_extension EXT-1000-0500; try_files /n =204; }
END
--- perl
for my $n (100, 500) {
    my @ids = map { sprintf 'EXT-1000-%04d', $_ } 1 .. $n;
    my $id = told(',"extensions":['
                  . join(',', map { "{\"id\":\"$_\"}" } @ids) . ']');
    my $cache = 'MISS';

    for (1, 2) {
        is(ask('/any', $id), "204 pass $cache [" . join(',', @ids) . ']',
           "$n, all of them");
        $cache = 'HIT' if $n == 100;

        like(ask('/last', $id), qr/^204 pass $cache /, "$n, the last");
        like(ask('/most', $id), $n == 500 ? qr/^204 pass $cache /
                                          : qr/^403 extension $cache /,
             "$n, number 500");
        like(ask('/one', $id), qr/^403 extension $cache /, "$n, another");
    }
}



=== TEST 15: news of the API
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens valid=200ms refresh=off;
    location /one { auth_api_token_extension EXT-1234-5678; try_files /n =204; }
END
--- perl
my @steps = (['left out', '-absent-', qr/^204 pass MISS \[\*\]$/],
             ['none', [], qr/^403 extension MISS \[\]$/],
             ['one', [ { id => 'EXT-1234-5678' } ],
              qr/^204 pass MISS \[EXT-1234-5678\]$/],
             ['others', [ { id => 'EXT-4321-8765' } ],
              qr/^403 extension MISS \[\]$/],
             ['null', undef, qr/^204 pass MISS \[\*\]$/]);

for my $step (@steps) {
    my ($name, $extensions, $want) = @$step;

    api('PUT', 'tokens/TKN-1234-5678', { extensions => $extensions });
    until_true($name, sub { ask('/one') =~ $want });
}
