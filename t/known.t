use lib 't/lib';
use AuthApiToken;
use Lines qw($Get $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# $auth_api_token_known_id and _known_account_id: who it was, where the API
# said so, whatever was decided; never what was only claimed

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Show = <<'END';
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Known "$auth_api_token_known_id|$auth_api_token_known_account_id|$auth_api_token_id|$auth_api_token_account_id" always;
END

our $Config = $Show . <<'END';
    auth_api_token_cache tokens;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END

our $Both = 'TKN-1234-5678|ACC-8765-4321';


# what was decided, the known id and account, the proved id and account

sub ask {
    my ($headers, $uri) = @_;

    my $response = exchange('GET ' . ($uri || '/t')
                            . " HTTP/1.1\r\nHost: a\r\n$headers\r\n");

    return "$response->{headers}{'x-all'} $response->{headers}{'x-known'}";
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: pass
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'miss');
is(ask($::Good), "pass HIT $::Both|$::Both", 'hit');
--- calls: 1



=== TEST 2: requirements that are not met
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    auth_api_token "r";
    location /account      { auth_api_token_account ACC-1111-1111; try_files /n =204; }
    location /account_type { auth_api_token_account_type Client; try_files /n =204; }
    location /module       { auth_api_token_module MOD-9999; try_files /n =204; }
    location /extension    { auth_api_token_extension EXT-9999-9999; try_files /n =204; }
    location /require      { auth_api_token_require $arg_a; try_files /n =204; }
    location /error        { auth_api_token_require $arg_a error=401; try_files /n =204; }
END
--- api
token TKN-1234-5678 {"extensions":[]}
--- perl
my $cache = 'MISS';

for my $reason (qw(account account_type module extension require)) {
    is(ask($::Good, "/$reason"), "$reason $cache $::Both||", $reason);
    $cache = 'HIT';
}

is(ask($::Good, '/error'), "require HIT $::Both||", 'require, 401');
--- calls: 1



=== TEST 3: tokens that the API knows, and that are no good
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $case (['disabled', { status => 'Disabled', works => 1 }],
              ['deleted', { status => 'Deleted', works => 1 }],
              ['inactive', { status => 'New', works => 1 }],
              ['account_disabled',
               { account => { id => 'ACC-8765-4321', status => 'Disabled' } }])
{
    my ($reason, $change) = @$case;
    my $id = sprintf 'TKN-0000-%04d', ++$n;
    my $headers = 'Authorization: Bearer ' . token($id) . "\r\n";

    api('PUT', "tokens/$id", $change);

    is(ask($headers), "$reason MISS $id|ACC-8765-4321||", "$reason, miss");
    is(ask($headers), "$reason HIT $id|ACC-8765-4321||", "$reason, hit");
}
--- calls: 4



=== TEST 4: a token without an account, and one in a list
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $member = '"id":"TKN-1234-5678","status":"Active"';

for my $case (["{$member}", ''], ["{$member,\"account\":null}", ''],
              ["{$member,\"account\":{\"id\":\"\"}}", ''],
              ["{\"data\":[{$member,\"account\":{\"id\":\"ACC-1111-1111\"}}]}",
               'ACC-1111-1111'],
              ["{$member,\"account\":{\"id\":\"a\\r\\n%\"}}", 'a%0D%0A%25'])
{
    my ($body, $account) = @$case;
    my $secret = 'MADEUP' . ++$n;
    my $headers = "Authorization: Bearer idt:TKN-1234-5678:$secret\r\n";

    api('PUT', 'faults/any', { body => $body });

    for my $cache ('MISS', 'HIT') {
        is(ask($headers), "pass $cache TKN-1234-5678|$account|"
           . "TKN-1234-5678|$account", "$body, $cache");
    }
}
--- calls: 5



=== TEST 5: nobody proved anything: nothing was asked
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /secure { auth_api_token "r"; auth_api_token_https on; try_files /n =204; }
    location /preflight { auth_api_token "r"; auth_api_token_preflight on; try_files /n =204; }
    location /off { try_files /n =204; }
    location /off/var { auth_api_token $arg_realm; try_files /n =204; }
END
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'somebody else is known');

my $two = "Authorization: Bearer <TKN-1234-5678> x\r\n";

is(ask(''), 'no_token - |||', 'no token');
is(ask("Authorization: Basic dXNlcjpnb29k\r\n"), 'no_token - |||', 'basic');
is(ask($two), 'malformed - |||', 'malformed');
is(ask("Authorization: Bearer idt:EXT-1234-5678:x\r\n"), 'unsupported - |||',
   'unsupported');
is(ask($::Good, '/secure'), 'insecure - |||', 'insecure');
is(ask($::Good, '/off'), ' - |||', 'off');
is(ask($::Good, '/off/var?realm=off'), ' - |||', 'off, in a variable');

my $response = exchange("OPTIONS /preflight HTTP/1.1\r\nHost: a\r\nOrigin: x\r\n"
                        . "Access-Control-Request-Method: GET\r\n$::Good\r\n");

is($response->{headers}{'x-known'}, '|||', 'preflight');
--- calls: 1



=== TEST 6: nobody proved anything: the API did not say so
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'the right secret');
is(ask($::Bad), 'unknown MISS |||', 'a wrong one');
is(ask($::Bad), 'unknown HIT |||', 'a wrong one, again');

my $body = '{"id":"TKN-1234-5678","status":"Active",'
           . '"account":{"id":"ACC-8765-4321"}}';

for my $case ([ unknown => { status => 401, body => $body } ],
              [ unknown => { status => 404, body => $body } ],
              [ unreadable => { status => 403, body => $body } ],
              [ unavailable => { status => 500, body => $body }, 'MISS' ],
              [ unavailable => { body => $body =~ s/5678/5679/r }, 'MISS' ],
              [ unavailable => { body => "[$body]" }, 'MISS' ],
              [ unavailable => { body => substr $body, 0, -1 }, 'MISS' ],
              [ unavailable => { body => $body =~ s/"Active"/1/r }, 'MISS' ],
              [ unavailable =>
                { body => $body =~ s/"status"/"extensions":1,"status"/r },
                'MISS' ],
              [ unavailable => { body => $body, gzip => 1 }, 'MISS' ],
              [ unknown => { body => '{"data":[]}' } ])
{
    my ($reason, $fault, $again) = @$case;
    my $headers = 'Authorization: Bearer idt:TKN-1234-5678:MADEUP' . ++$n
                  . "\r\n";

    api('PUT', 'faults/any', $fault);

    for my $cache ('MISS', $again || 'HIT') {
        is(ask($headers), "$reason $cache |||", "$reason, $cache");
    }
}



=== TEST 7: a service credential: a token that is another one proves nobody
--- http_config eval: $::Zone
--- config eval
"    auth_api_token_request /_token_api credential=service;\n" . $::Config
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
--- api
token TKN-0000-0001 {"secret":"operations","account":{"type":"Operations"}}
token TKN-0000-0002 {"status":"Disabled"}
token TKN-0000-0003 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'the token');

for my $id ('TKN-1234-5678', 'TKN-0000-0002', 'TKN-0000-0003') {
    my $headers = "Authorization: Bearer idt:$id:MADEUPwrong\r\n";

    is(ask($headers), 'mismatch MISS |||', "$id, mismatch");
    is(ask($headers), 'mismatch HIT |||', "$id, mismatch again");
}

for my $cache ('MISS', 'HIT') {
    is(ask('Authorization: Bearer ' . token('TKN-0000-0002') . "\r\n"),
       "disabled $cache TKN-0000-0002|ACC-8765-4321||", "disabled, $cache");
    is(ask('Authorization: Bearer ' . token('TKN-0000-0003') . "\r\n"),
       "account_disabled $cache TKN-0000-0003|ACC-8765-4321||",
       "account_disabled, $cache");
}



=== TEST 8: busy and limited
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /limit { auth_api_token "r"; auth_api_token_denied_limit $binary_remote_addr rate=1r/m burst=1; try_files /n =204; }
END
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'known');

my $n = 0;

until_true('limited', sub {
    ask('Authorization: Bearer idt:TKN-1234-5678:MADEUP' . ++$n . "\r\n",
        '/limit') eq 'limited MISS |||'
});

is(ask($::Good, '/limit'), "pass HIT $::Both|$::Both", 'still known');

api('PUT', 'faults/any', { reset => 'before' });

until_true('busy', sub {
    ask('Authorization: Bearer idt:TKN-1234-5678:MADEUP' . ++$n . "\r\n")
        eq 'busy MISS |||'
});

is(ask($::Good), "pass HIT $::Both|$::Both", 'still known');



=== TEST 9: stale facts
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=10ms stale=1h refresh=off;
    location /t { try_files /n =204; }
    location /no { auth_api_token_account ACC-1111-1111; try_files /n =204; }
END
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'facts');
api('PUT', 'faults/any', { reset => 'before' });

until_true('stale', sub { ask($::Good) eq "pass STALE $::Both|$::Both" });
is(ask($::Good, '/no'), "account STALE $::Both||", 'not met');
is(ask($::Bad), 'unavailable MISS |||', 'nothing is known of another');



=== TEST 10: a token without a public id
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { auth_api_token "r" format=opaque; try_files /n =204; }
END
--- lookup
    proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- perl
my $opaque = "Authorization: Bearer opaque\r\n";

api('PUT', 'tokens/TKN-1234-5678', { token => 'opaque' });
is(ask($opaque), "pass MISS $::Both|$::Both", 'pass');
is(ask($opaque), "pass HIT $::Both|$::Both", 'pass again');

api('PUT', 'tokens/TKN-1234-5678', { token => 'another', works => 1,
                                     status => 'Disabled' });

for my $cache ('MISS', 'HIT') {
    is(ask("Authorization: Bearer another\r\n"), "disabled $cache $::Both||",
       "disabled, $cache");
    is(ask("Authorization: Bearer wrong\r\n"), "unknown $cache |||",
       "unknown, $cache");
}



=== TEST 11: internal redirects
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /page { auth_api_token off; try_files /n =204; }
    location /no   { auth_api_token "r"; auth_api_token_account ACC-1111-1111; error_page 403 = /page; try_files /n =204; }
    location /bad  { auth_api_token "r"; error_page 401 = /page; try_files /n =204; }
    location /to   { auth_api_token "r"; try_files /n /no; }
    location /off  { auth_api_token "r"; try_files /n /page; }
    location /api  { auth_api_token "r"; auth_api_token_request /_token_api api=b; error_page 503 = /page; try_files /n =204; }
    location /two  { auth_api_token "r"; try_files /n /api; }
    location /var  { auth_api_token "r"; try_files /n /token; }
    location /token { auth_api_token "r" token=$http_x_token; error_page 401 = /page; try_files /n =204; }
END
--- perl
for my $cache ('MISS', 'HIT') {
    is(ask($::Good, '/no'), "account $cache $::Both||", "error page, $cache");
    is(ask($::Good, '/to'), "account HIT $::Both||", "redirect, $cache");
    is(ask($::Good, '/off'), "pass HIT $::Both|$::Both", "off, $cache");
    is(ask($::Bad, '/bad'), "unknown $cache |||", "unknown, $cache");
}

# what was known of one token, or to one API, is not of another

is(ask("${::Good}X-Token: idt:TKN-1234-5678:MADEUPwrong\r\n", '/var'),
   'unknown HIT |||', 'another token');
is(ask($::Good, '/var'), 'no_token - |||', 'no other token');

api('PUT', 'faults/any', { status => 500 });
is(ask($::Good, '/two'), 'unavailable MISS |||', 'another API');



=== TEST 12: in the access log, and not before the check
--- http_config eval
$::Zone . <<'END';
    log_format known "$uri $auth_api_token_known_id,$auth_api_token_known_account_id,$auth_api_token_id";
END
--- config
    auth_api_token_cache tokens;
    access_log logs/known.log known;

    location /t {
        set $early "$auth_api_token_known_id$auth_api_token_known_account_id";
        auth_api_token "r";
        auth_api_token_module $arg_m;
        add_header X-Early "[$early]" always;
        try_files /n =204;
    }
--- perl
for my $headers ($::Good, $::Good, $::Bad, '') {
    is(exchange("$::Get$headers\r\n")->{headers}{'x-early'}, '[]', 'early');
}

my $file = Test::Nginx::Util::server_root() . '/logs/known.log';

until_true('four lines', sub { -s $file && `wc -l < $file` == 4 });

is(`cat $file`, "/t TKN-1234-5678,ACC-8765-4321,-\n" x 2 . "/t -,-,-\n" x 2,
   'who it was');
--- calls: 2



=== TEST 13: no zone
--- config eval
$::Show . <<'END';
    location /t { auth_api_token "r"; auth_api_token_account_type $arg_type; try_files /n =204; }
END
--- perl
is(ask($::Good, '/t?type=Vendor'), "pass BYPASS $::Both|$::Both", 'pass');
is(ask($::Good), "account_type BYPASS $::Both||", 'not met');
is(ask($::Bad), 'unknown BYPASS |||', 'unknown');

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });
is(ask($::Good), "disabled BYPASS $::Both||", 'disabled');
--- calls: 4



=== TEST 14: a token that was good, and is not any more
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=100ms denied=1h refresh=off;
    location /t { try_files /n =204; }
END
--- perl
is(ask($::Good), "pass MISS $::Both|$::Both", 'good');

# the API authenticates it no longer: it proves nothing

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
until_true('unknown', sub { ask($::Good) eq 'unknown MISS |||' });
is(ask($::Good), 'unknown HIT |||', 'unknown again');



=== TEST 15: a dry run, and a check that begins before the limits
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    auth_api_token "r";
    location /dry    { auth_api_token_dry_run on; auth_api_token_account_type $arg_type; try_files /n =204; }
    location /before { auth_api_token_phase preaccess; auth_api_token_account_type $arg_type; try_files /n =204; }
END
--- perl
my $n = 0;

for my $case (['/dry', '_dry_run'], ['/before', '']) {
    my ($uri, $dry) = @$case;
    my $id = sprintf 'TKN-0000-%04d', ++$n;
    my $headers = 'Authorization: Bearer ' . token($id) . "\r\n";
    my $known = "$id|ACC-8765-4321";

    api('PUT', "tokens/$id");

    for my $cache ('MISS', 'HIT') {
        is(ask($headers, $uri), "account_type$dry $cache $known||",
           "$uri, not met, $cache");
        is(ask($headers, "$uri?type=Vendor"),
           "pass HIT $known|$known", "$uri, pass, $cache");
        is(ask($headers =~ s/MADEUP/MADEUPwrong/r, $uri),
           "unknown$dry $cache |||", "$uri, unknown, $cache");
    }

    is(ask('', $uri), "no_token$dry - |||", "$uri, no token");

    api('PUT', "tokens/$id", { secret => 'MADEUPnew', status => 'Disabled',
                               works => 1 });

    for my $cache ('MISS', 'HIT') {
        is(ask("Authorization: Bearer idt:$id:MADEUPnew\r\n", $uri),
           "disabled$dry $cache $known||", "$uri, disabled, $cache");
    }

    api('PUT', 'faults/any', { status => 500 });
    is(ask("Authorization: Bearer idt:$id:MADEUP500\r\n", $uri),
       "unavailable$dry MISS |||", "$uri, unavailable");
    api('DELETE', 'faults/any');
}
