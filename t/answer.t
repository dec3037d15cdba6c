use lib 't/lib';
use AuthApiToken;
use Files qw(slurp);
use Test::Nginx::Socket 'no_plan';
use Unavailable;

# a 200 is a proof only if its body is JSON of the right shape; which members
# may be missing

no_long_string();
run_tests();

__DATA__

=== TEST 1: not JSON
--- config eval: $::Config
--- perl
my $body = body({})->{body};
my %bodies = (
    empty => '', space => ' ', html => '<html>Active</html>',
    text => 'Active', zero => "\0", half => substr($body, 0, -1),
    trailing => "${body}x", 'trailing object' => "$body$body",
    'trailing zero' => "$body\0", comma => '{"id":"TKN-1234-5678",}',
    single => "{'id':'TKN-1234-5678','status':'Active'}",
    bom => "\xef\xbb\xbf$body", latin => "{\"id\":\"caf\xe9\"}",
    'zero after a number' =>
        "{\"id\":\"TKN-1234-5678\",\"status\":\"Active\",\"a\":1\0}",
    'zero after a word' =>
        "{\"id\":\"TKN-1234-5678\",\"status\":\"Active\",\"a\":null\0}",
    'zero in a string' => '{"id":"TKN-1234-5678","status":"Active\u0000"}',
    'lone surrogate' =>
        '{"id":"TKN-1234-5678","status":"Active","name":"\ud800"}',
    comment => "/* */$body", prefix => ")]}'\n$body",
    'duplicate id' =>
        '{"id":"TKN-1234-5678","id":"TKN-1234-5678","status":"Active"}',
    'duplicate status' =>
        '{"id":"TKN-1234-5678","status":"Disabled","status":"Active"}',
    'duplicate by an escape' =>
        '{"id":"TKN-1234-5678","status":"Disabled","st\u0061tus":"Active"}',
    'duplicate below' => '{"id":"TKN-1234-5678","status":"Active",'
        . '"account":{"status":"Disabled","status":"Active"}}',
    deep => '{"id":"TKN-1234-5678","status":"Active","a":' . '[' x 5000
        . ']' x 5000 . '}',
    'deep objects' => '{"a":' x 5000 . '1' . '}' x 5000,
);

for my $name (sort keys %bodies) {
    unavailable($name, { body => $bodies{$name} });
}
--- error_log
cause: the body is not JSON



=== TEST 2: JSON of another shape
--- config eval: $::Config
--- perl
my $token = '{"id":"TKN-1234-5678","status":"Active"}';
my %bodies = (
    null => 'null', true => 'true', number => '200', string => '"Active"',
    array => "[$token]", 'empty array' => '[]', 'empty object' => '{}',
    'list of two' => "{\"data\":[$token,$token]}",
    'list of one and null' => "{\"data\":[$token,null]}",
    'list of null' => '{"data":[null]}',
    'list of a string' => '{"data":["TKN-1234-5678"]}',
    'list of a list' => "{\"data\":[[$token]]}",
    'data is an object' => "{\"data\":$token}",
    'data is null' => '{"data":null}',
    'data and id' =>
        '{"data":[],"id":"TKN-1234-5678","status":"Active"}',
    'id and data' =>
        "{\"id\":\"TKN-1234-5678\",\"status\":\"Active\",\"data\":[$token]}",
    'inside of another' => "{\"token\":$token}",
);

for my $name (sort keys %bodies) {
    unavailable($name, { body => $bodies{$name} });
}



=== TEST 3: members of another type
--- config eval: $::Config
--- perl
for my $change ({ id => 1 }, { id => undef }, { id => [] }, { id => {} },
                { id => '-absent-' }, { status => 1 }, { status => undef },
                { status => JSON::PP::true() }, { status => ['Active'] },
                { status => { a => 'Active' } }, { status => '-absent-' },
                { status => '' }, { name => 1 }, { name => {} },
                { account => 'ACC-8765-4321' }, { account => [] },
                { account => 1 }, { account => JSON::PP::false() },
                { 'account.id' => 1 }, { 'account.status' => 1 },
                { 'account.status' => ['Active'] }, { 'account.type' => [] },
                { 'account.name' => {} }, { modules => {} },
                { modules => 'MOD-0478' }, { modules => ['MOD-0478'] },
                { modules => [ { id => 478 } ] },
                { modules => [ { id => 'MOD-0478', code => 1 } ] },
                { modules => [ [ 'MOD-0478' ] ] })
{
    my $name = JSON::PP->new->canonical->encode($change);

    unavailable($name, body($change));
}
--- error_log
cause: the body has members of the wrong type
cause: the body has no "status" that is a string



=== TEST 4: another token's body
--- config eval: $::Config
--- perl
for my $id ('TKN-1234-5679', 'TKN-1234-567', 'TKN-1234-56789', 'tkn-1234-5678',
            ' TKN-1234-5678', 'TKN-1234-5678 ', '', 'TKN-1234-5678/',
            "TKN-1234-5678\n", '*')
{
    unavailable("id '$id'", body({ id => $id }));
}
--- error_log
cause: the body is about another token



=== TEST 5: what the API may leave out
--- config eval: $::Config
--- perl
for my $change ({}, { name => '-absent-' }, { name => undef }, { name => '' },
                { account => '-absent-' }, { account => undef },
                { account => {} }, { modules => '-absent-' },
                { modules => undef }, { modules => [] },
                { modules => [ {} ] }, { modules => [ undef ] },
                { modules => [ { id => undef, code => 'a' } ] },
                { token => '-absent-' }, { token => 1 }, { '$meta' => 1 },
                { revision => 1e30 }, { unknown => [ 1, { id => 'x' } ] })
{
    api('PUT', 'faults/any', body($change));
    is(ask()->{status}, 204, JSON::PP->new->canonical->encode($change));
}

for my $number ('9' x 30, '-1', '1.5', '1e10') {
    api('PUT', 'faults/any', { body => '{"id":"TKN-1234-5678",'
        . "\"status\":\"Active\",\"revision\":$number}" });
    is(ask()->{status}, 204, "a revision of $number");
}



=== TEST 6: bodies as the platform sends them
--- config eval: $::Config
--- perl
my %want = (
    '200-active'             => ['TKN-1234-5678', 204, 'pass'],
    '200-list-one'           => ['TKN-1234-5678', 204, 'pass'],
    '200-extensions'         => ['TKN-1234-5678', 204, 'pass'],
    '200-extensions-none'    => ['TKN-1234-5678', 204, 'pass'],
    '200-no-modules'         => ['TKN-1234-5682', 204, 'pass'],
    '200-operations-enabled' => ['TKN-1234-5681', 204, 'pass'],
    '200-documented-minimum' => ['TKN-4134-7330', 204, 'pass'],
    '200-disabled'           => ['TKN-1234-5679', 401, 'disabled'],
    '200-account-disabled'   => ['TKN-1234-5680', 401, 'account_disabled'],
    '200-list-none'          => ['TKN-1234-5678', 401, 'unknown'],
    '400-problem'            => ['TKN-1234-5678', 503, 'unavailable'],
    '401-gateway'            => ['TKN-1234-5678', 401, 'unknown'],
    '401-problem'            => ['TKN-1234-5678', 401, 'unknown'],
    '403-problem'            => ['TKN-1234-5678', 403, 'unreadable'],
    '404-problem'            => ['TKN-1234-5678', 401, 'unknown']);

is(join(' ', sort map { m{([\w-]+)\.json$} } glob 't/samples/*.json'),
   join(' ', sort keys %want), 'all samples');

for my $name (sort keys %want) {
    my $body = slurp("t/samples/$name.json");
    my ($id, $status, $result) = @{$want{$name}};
    my ($answer) = $name =~ /^(\d+)/;

    api('PUT', 'faults/any', { status => $answer + 0, body => $body });

    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: "
                            . "Bearer idt:$id:MADEUP\r\n\r\n");

    is($response->{status}, $status, "$name - status");
    is($response->{headers}{'x-result'}, $result, "$name - result");
}
--- calls: 15
