use lib 't/lib';
use AuthApiToken;
use Lines qw($Good $Bad);
use Test::Nginx::Socket 'no_plan';

our $All = join '|', map { "\$auth_api_token_$_" }
           qw(claimed_id id name account_id account_name account_type modules
              result cache_status age);


sub ask {
    my ($uri, $headers) = @_;

    return exchange("GET $uri HTTP/1.1\r\nHost: a\r\n$headers\r\n")
           ->{headers}{'x-all'};
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: all of them
--- config eval
"    add_header X-All \"$::All\" always;\n" . <<'END';
    location /t   { auth_api_token "r"; try_files /n =204; }
    location /no  { auth_api_token "r"; auth_api_token_module MOD-9999; try_files /n =204; }
    location /off { try_files /n =204; }
END
--- perl
is(ask('/t', $::Good), 'TKN-1234-5678|TKN-1234-5678|CRM robot|ACC-8765-4321|'
   . 'TestCompany|Vendor|MOD-0478,MOD-1756|pass|BYPASS|0', 'pass');
is(ask('/no', $::Good), 'TKN-1234-5678|||||||module|BYPASS|0', 'no access');
is(ask('/t', $::Bad), 'TKN-1234-5678|||||||unknown|BYPASS|0', 'unknown');
is(ask('/t', ''), '|||||||no_token|-|', 'no token');
is(ask('/t', "Authorization: Bearer a b\r\n"), '|||||||malformed|-|',
   'malformed');
is(ask('/off', $::Good), 'TKN-1234-5678||||||||-|', 'off, and a token');
is(ask('/off', ''), '||||||||-|', 'off');
is(ask('/off', "Authorization: Bearer x\r\n"), '||||||||-|', 'off, another');



=== TEST 2: in the access log
--- http_config
    log_format all "$uri $auth_api_token_id,$auth_api_token_result,$auth_api_token_claimed_id,$auth_api_token_fingerprint";
--- config
    access_log logs/all.log all;
    location /t { auth_api_token "r"; try_files /n =204; }
--- perl
ask('/t', $::Good);
ask('/t', $::Bad);
ask('/t', '');

my $file = Test::Nginx::Util::server_root() . '/logs/all.log';

until_true('three lines', sub { -s $file && `wc -l < $file` == 3 });

my @lines = split /\n/, `cat $file`;

like($lines[0], qr!^/t TKN-1234-5678,pass,TKN-1234-5678,[0-9a-f]{16}$!, 'pass');
like($lines[1], qr!^/t -,unknown,TKN-1234-5678,[0-9a-f]{16}$!, 'unknown');
is($lines[2], '/t -,no_token,-,-', 'no token');



=== TEST 3: names are percent-encoded as far as a header needs it
--- config
    add_header X-All "$auth_api_token_name|$auth_api_token_account_name" always;
    location /t { auth_api_token "r"; try_files /n =204; }
--- perl
my %names = (
    "caf\x{e9}"        => 'caf%C3%A9',
    "\x{65e5}\x{672c}" => '%E6%97%A5%E6%9C%AC',
    "a\r\nX-Evil: 1"   => 'a%0D%0AX-Evil: 1',
    "100% 'ok' - \"x\"" => "100%25 'ok' - \"x\"",
    "a\tb\x{7f}c\x{1}" => 'a%09b%7Fc%01',
    "\x{1f600}"        => '%F0%9F%98%80',
    "a, b; c=d"        => 'a, b; c=d',
    "%0d%0a"           => '%250d%250a');

for my $name (sort keys %names) {
    api('PUT', 'tokens/TKN-1234-5678',
        { name => $name, account => { name => $name } });
    is(ask('/t', $::Good), "$names{$name}|$names{$name}", $names{$name});
}



=== TEST 4: long names
--- config
    add_header X-All "$auth_api_token_account_name" always;
    location /t { auth_api_token "r"; try_files /n =204; }
--- perl
api('PUT', 'tokens/TKN-1234-5678',
    { account => { name => "\x{65e5}" x 500 } });
is(ask('/t', $::Good), '%E6%97%A5' x 500, 'as long as it is');



=== TEST 5: read too early, a variable is empty and not frozen
--- config
    location /t {
        set $early "$auth_api_token_id,$auth_api_token_result,$auth_api_token_account_id";
        auth_api_token "r";
        add_header X-All "$early|$auth_api_token_id,$auth_api_token_result,$auth_api_token_account_id";
        try_files /n =204;
    }
--- perl
is(ask('/t', $::Good), ',,|TKN-1234-5678,pass,ACC-8765-4321', 'early and late');



=== TEST 6: the claimed id is there before the check
--- config
    location /t {
        set $early "$auth_api_token_claimed_id";
        auth_api_token "r";
        add_header X-All "$early|$auth_api_token_claimed_id" always;
        try_files /n =204;
    }
--- perl
is(ask('/t', $::Good), 'TKN-1234-5678|TKN-1234-5678', 'good');
is(ask('/t', $::Bad), 'TKN-1234-5678|TKN-1234-5678', 'bad');
is(ask('/t', ''), '|', 'none');
is(ask('/t', "Authorization: Bearer idt:../x:y\r\n"), '|', 'a path');



=== TEST 7: what a backend gets, whatever the client sent
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 "[$http_x_id][$http_x_account][$http_authorization]";
    }
--- config
    location / {
        auth_api_token "r";
        proxy_set_header X-Id $auth_api_token_id;
        proxy_set_header X-Account $auth_api_token_account_id;
        proxy_set_header Authorization "";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }

    location /none {
        auth_api_token off;
        proxy_set_header X-Id $auth_api_token_id;
        proxy_set_header X-Account $auth_api_token_account_id;
        proxy_set_header Authorization "";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- perl
my $spoof = "X-Id: TKN-0000-0000\r\nX-Account: ACC-0000-0000\r\n";

is(exchange("GET / HTTP/1.1\r\nHost: a\r\n$::Good$spoof\r\n")->{body},
   '[TKN-1234-5678][ACC-8765-4321][]', 'proved');
is(exchange("GET /none HTTP/1.1\r\nHost: a\r\n$::Good$spoof\r\n")->{body},
   '[][][]', 'not checked');



=== TEST 8: a fingerprint tells tokens and APIs apart, and says nothing
--- config
    auth_api_token "r";
    add_header X-All $auth_api_token_fingerprint always;

    location /t      { try_files /n =204; }
    location /same   { try_files /n =204; }
    location /other  { auth_api_token_request /_token_api api=x; try_files /n =204; }
    location /secure { auth_api_token_https on; try_files /n =204; }
--- perl
my $one = ask('/t', $::Good);

like($one, qr/^[0-9a-f]{16}$/, 'hexadecimal');
is(ask('/same', $::Good), $one, 'the same token');
is(ask('/secure', $::Good), $one, 'the same token, not looked up');
isnt(ask('/other', $::Good), $one, 'another API');
isnt(ask('/t', $::Bad), $one, 'another token');
is(ask('/t', ''), undef, 'no token');



=== TEST 9: a name of the list form, which has no modules
--- config eval
"    add_header X-All \"$::All\" always;\n" . <<'END';
    location /t { auth_api_token "r"; try_files /n =204; }
END
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens?eq(id,'$auth_api_token_claimed_id')&limit=2;
--- perl
is(ask('/t', $::Good), 'TKN-1234-5678|TKN-1234-5678|CRM robot|ACC-8765-4321|'
   . 'TestCompany|Vendor||pass|BYPASS|0', 'pass');



=== TEST 10: limit_req by the claimed id, in another server
--- config eval
"    add_header X-All \"$::All\" always;\n" . <<'END';
    location /t { auth_api_token "$host"; try_files /n =204; }
END
--- perl
like(exchange("GET /t HTTP/1.1\r\nHost: some.example.com\r\n\r\n")->{head},
     qr/realm="some\.example\.com"/, 'a realm with a variable');



=== TEST 11: a filter ends the request with another status
--- http_config
    log_format all "$status $auth_api_token_id,$auth_api_token_result,$auth_api_token_claimed_id";
--- config eval
"    add_header X-All \"$::All\" always;\n" . <<'END';
    access_log logs/all.log all;
    location /t { auth_api_token "r" token=$arg_token; }
END
--- user_files
>>> t
text
--- perl
my $token = token('TKN-1234-5678');
my $response = exchange("GET /t?token=$token HTTP/1.1\r\nHost: a\r\n"
                        . "If-Match: \"none\"\r\n\r\n");

is($response->{status}, 412, 'the condition fails');
is($response->{headers}{'x-all'},
   'TKN-1234-5678|TKN-1234-5678|CRM robot|ACC-8765-4321|TestCompany|Vendor|'
   . 'MOD-0478,MOD-1756|pass|BYPASS|0', 'the variables stay');

my $file = Test::Nginx::Util::server_root() . '/logs/all.log';

until_true('a line', sub { -s $file });
is(`cat $file`, "412 TKN-1234-5678,pass,TKN-1234-5678\n", 'in the log, too');



=== TEST 12: the claimed id where nothing is checked, and a problem is sent
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval
"    add_header X-All \"$::All\" always;\n" . <<'END';
    location /purge { auth_api_token_purge tokens; }
END
--- perl
is(ask('/purge', $::Good), 'TKN-1234-5678||||||||-|', 'a problem');
