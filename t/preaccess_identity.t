use lib 't/lib';
use AuthApiToken;
use Limits;
use Store qw(zone $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# in the preaccess phase nobody is refused; who is calling is known there to
# limits, and nowhere else before the decision

our $Backend = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 "[$http_x_id|$http_x_account|$http_x_name|$http_x_modules]";
    }
END

our $Identity = <<'END';
        proxy_set_header X-Id $auth_api_token_id;
        proxy_set_header X-Account $auth_api_token_account_id;
        proxy_set_header X-Name $auth_api_token_name;
        proxy_set_header X-Modules $auth_api_token_modules;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
END

our $Http = $Zones . $Backend . <<'END';
    log_format who "$status $auth_api_token_result $auth_api_token_id $auth_api_token_account_id";
END

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_phase preaccess;
    access_log logs/who.log who;

    location /t {
        auth_api_token "r";
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END

# a limit, and where its refusal leads to

our $Pages = join '', map { <<"END" }
    location /from/$_ {
        auth_api_token "r";
        limit_req zone=account;
        error_page 429 = /$_;
        try_files /dev/null =204;
    }
END
qw(off checked access empty rewrite module), 'named';

$Pages =~ s/= \/named/= \@named/;

our $Known = '[TKN-1234-5678|ACC-8765-4321|CRM robot|MOD-0478,MOD-1756]';
our $Nobody = '[|||]';

our $Users = <<'END';
>>> ../conf/users
user:{PLAIN}good
END


sub body {
    return exchange(request_of(@_))->{body};
}


# a page of nginx's own that says nothing of the module

sub plain {
    my ($response, $status, $name) = @_;

    is($response->{status}, $status, "$name - status");
    unlike($response->{head}, qr/^WWW-Authenticate: Bearer/m,
           "$name - no challenge");
    unlike($response->{head}, qr/^Retry-After/m, "$name - no Retry-After");
    like($response->{headers}{'content-type'}, qr/^text\/html/,
         "$name - no problem");
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: allow and deny: a lookup, and no more of the module
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /deny {
        auth_api_token "r";
        deny all;
        try_files /dev/null =204;
    }
END
--- perl
plain(exchange(request_of($_, '/deny')), 403, $_ || 'no token')
    for $Bad, undef, '=', 'x', $Good;

is(join(',', map { s/^403 //r } (logged(5, 'who.log'))[0 .. 3]),
   join(',', ('- - -') x 4), 'nothing is known of the others');
is(moved(zone()->{lookups}), 'active:1 unknown:1', 'two lookups');
is(join(' ', map { $_ || () } values %{zone()->{requests}}), '',
   'no decision');
--- no_error_log
API token refused
--- calls: 2



=== TEST 2: auth_basic
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /basic {
        auth_basic "b";
        auth_basic_user_file users;
        auth_api_token "r" token=$http_x_token;
        try_files /dev/null =204;
    }
END
--- user_files eval: $::Users
--- perl
my $response = exchange("GET /basic HTTP/1.1\r\nHost: a\r\n"
                        . "X-Token: $Bad\r\n\r\n");

plain($response, 401, 'no password');
is($response->{headers}{'www-authenticate'}, 'Basic realm="b"', 'challenge');
is(figures()->{calls}, 1, 'a lookup');

my $basic = "GET /basic HTTP/1.1\r\nHost: a\r\n"
            . "Authorization: Basic dXNlcjpnb29k\r\n";

is(exchange("${basic}X-Token: $Good\r\n\r\n")->{status}, 204, 'passes');
is(exchange("${basic}X-Token: $Bad\r\n\r\n")->{status}, 401, 'refused');
--- calls: 2



=== TEST 3: over plain HTTP there is no lookup, and limits come first
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /https {
        auth_api_token "r";
        auth_api_token_https on;
        limit_req zone=address burst=1 nodelay;
        limit_req zone=account burst=1 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
my ($one, $two, $three) = map { exchange(request_of($Good, '/https')) } 1 .. 3;

is($_->{status}, 403, 'insecure') for $one, $two;
like($one->{body}, qr/^\{"type"/, 'with a problem');
plain($three, 429, 'limited');
is(zone()->{requests}{insecure}, 2, 'two decisions');
is(volley(12, $Good), '204:3 429:9', 'it counts under no account');
--- calls: 1



=== TEST 4: what is required and missing: counted, and nobody afterwards
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        limit_req zone=account burst=2 nodelay;
        error_page 403 \@page;
        try_files /dev/null =204;
    }

    location /named {
        auth_api_token "r";
        auth_api_token_account ACC-0000-0001;
        limit_req zone=token burst=2 nodelay;
        error_page 403 /page;
        try_files /dev/null =204;
    }

    location \@page {
        auth_api_token off;
$::Identity
    }

    location /page {
        auth_api_token off;
$::Identity
    }
END
--- perl
is(volley(1, $Good), '204:1', 'one that passes');
is(volley(4, $Good, '/module'), '403:2 429:2', 'two that do not');
is(body($Good, '/named'), $::Nobody, 'an error page');

my @lines = logged(6, 'who.log');

is($lines[0], '204 pass TKN-1234-5678 ACC-8765-4321', 'one that passes');
is($_, '403 module - -', 'refused') for @lines[1, 2];
like($_, qr/^429 - /, 'limited') for @lines[3, 4];
is($lines[5], '403 account - -', 'refused');
--- calls: 1



=== TEST 5: the backend of an error page for a refusal
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    error_page 403 \@named;

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }

    location \@named {
$::Identity
    }
END
--- perl
is(body($Good, '/module'), $::Nobody, 'nobody');
--- calls: 1



=== TEST 6: a limit that refuses, and the pages for it
--- http_config eval: $::Http
--- config eval
$::Config . $::Pages . <<"END";
    recursive_error_pages on;

    location \@named   { auth_api_token off; $::Identity }
    location /off     { auth_api_token off; $::Identity }
    location /empty   { $::Identity }
    location /checked { auth_api_token "r"; $::Identity }
    location /rewrite { return 200 "[\$auth_api_token_id|\$auth_api_token_account_id|\$auth_api_token_name|\$auth_api_token_modules]"; }

    location /access {
        auth_api_token "r";
        auth_api_token_phase access;
        $::Identity
    }

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        error_page 403 = /off;
        $::Identity
    }
END
--- perl
is(exchange(request_of($Good, '/from/off'))->{status}, 204, 'the only one');

is(body($Good, "/from/$_"), $::Nobody, "$_: nobody")
    for qw(off named empty rewrite module);
is(body($Good, "/from/$_"), $::Known, "$_: decided") for qw(checked access);

my @lines = logged(8, 'who.log');

is($lines[0], '204 pass TKN-1234-5678 ACC-8765-4321', 'the only one');
unlike($_, qr/pass/, 'no decision') for @lines[1 .. 4];
is($lines[5], '200 module - -', 'refused');
is($_, '200 pass TKN-1234-5678 ACC-8765-4321', 'decided') for @lines[6, 7];
--- calls: 1



=== TEST 7: a realm that is off, and a preflight
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /off {
        set \$realm off;
        auth_api_token \$realm;
        $::Identity
    }

    location /preflight {
        auth_api_token "r";
        auth_api_token_preflight on;
        $::Identity
    }
END
--- perl
is(body($Good, '/off'), $::Nobody, 'off');
is(figures()->{calls}, 0, 'no lookup');

my $response = exchange("OPTIONS /preflight HTTP/1.1\r\nHost: a\r\nOrigin: x\r\n"
                        . "Access-Control-Request-Method: GET\r\n"
                        . "Authorization: Bearer $Good\r\n\r\n");

is("$response->{status} $response->{body}", "200 $::Nobody", 'a preflight');
is(figures()->{calls}, 0, 'no lookup');



=== TEST 8: SSI parts, mirror, and add_after_body
--- http_config eval
$::Http . 'limit_req_zone $auth_api_token_account_id$uri zone=part:1m rate=1r/m;'
--- config eval
$::Config . <<"END";
    limit_req_status 503;
    log_subrequest on;

    location /page.html {
        auth_api_token off;
        ssi on;
        root html;
    }

    location /checked.html {
        auth_api_token "r";
        ssi on;
        root html;
    }

    location /add {
        auth_api_token off;
        add_after_body /part;
        addition_types *;
        root html;
    }

    location /mirrored {
        auth_api_token off;
        mirror /part;
        proxy_pass http://127.0.0.1:$ENV{TEST_NGINX_PORT_1};
    }

    location /part {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        limit_req zone=account;
        $::Identity
    }
END
--- api
token TKN-2000-0001 {"account":{"id":"ACC-2000-0001"}}
--- user_files
>>> page.html
<!--#include virtual="/part"--><!--#include virtual="/part"-->
>>> checked.html
<!--#include virtual="/part"--><!--#include virtual="/part"-->
>>> add
added to
--- perl
is(body($Good, '/page.html'), "$::Nobody$::Nobody\n", 'SSI');
is(body($Good, '/add'), "added to\n$::Nobody", 'add_after_body');
is(body($Good, '/mirrored'), $::Nobody, 'mirror');
is(figures()->{calls}, 0, 'no lookup');
is(zone()->{cache_requests}{miss}, 0, 'nor a miss');

# parts of a page that was checked know whose token it was

is(body($Good, '/checked.html'), "$::Known$::Known\n", 'SSI of a page that is checked');
is(zone()->{cache_requests}{miss} . zone()->{cache_requests}{hit}, '10', 'a miss');
is(volley(3, token('TKN-2000-0001'), '/part'), '403:1 503:2', 'by itself');
--- calls: 2



=== TEST 9: the location that auth_request names
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    location /outer {
        auth_api_token off;
        auth_request /check;
        $::Identity
    }

    location /both {
        auth_api_token "r";
        auth_request /check;
        auth_request_set \$seen \$upstream_http_x_seen;
        $::Identity
    }

    location /check {
        auth_api_token "r";
        $::Identity
    }
END
--- perl
is(body($Good, '/outer'), $::Nobody, 'of one that is not checked');
is(figures()->{calls}, 0, 'no lookup');
is(body($Good, '/both'), $::Known, 'of one that is');
is(exchange(request_of($Bad, '/both'))->{status}, 401, 'refused');
--- calls: 2



=== TEST 10: a lookup location that inherits all of it
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    auth_api_token "server";
    limit_req zone=account burst=20 nodelay;
    limit_req zone=token burst=20 nodelay;
    limit_req zone=address burst=2 nodelay;

    location /inherits {
        try_files /dev/null =204;
    }
END
--- api
token TKN-1000-0001
--- perl
# a request and its lookup count for the address; those that follow do not ask

is(exchange(request_of($Good, '/inherits'))->{status}, 204, 'a miss');
is(exchange(request_of($Good, '/inherits'))->{status}, 204, 'a hit');
is(exchange(request_of(token('TKN-1000-0001'), '/inherits'))->{status}, 429,
   'limited');
unlike(nginx_log(), qr/\[alert\]|\[crit\]/, 'no alert');
--- calls: 1



=== TEST 11: post_action of a request that a limit refused
--- http_config eval: $::Http
--- config eval
$::Config . <<"END";
    log_subrequest on;

    location /done {
        auth_api_token "r";
        limit_req zone=account;
        post_action /acct;
        try_files /dev/null =204;
    }

    location /acct {
        auth_api_token off;
        access_log logs/acct.log who;
        $::Identity
    }
END
--- perl
is(volley(2, $Good, '/done'), '204:1 429:1', 'one passes');

my @lines = logged(2, 'acct.log');

like($lines[0], qr/ TKN-1234-5678 ACC-8765-4321$/, 'it passed');
like($lines[1], qr/ - -$/, 'it was not decided');
--- calls: 1



=== TEST 12: variables that are no identity, where a limit refuses
--- http_config eval
$::Http . 'log_format about "$status $auth_api_token_result $auth_api_token_claimed_id $auth_api_token_fingerprint";'
--- config eval
$::Config . <<'END';
    location /about {
        auth_api_token "r";
        access_log logs/about.log about;
        limit_req zone=account;
        try_files /dev/null =204;
    }
END
--- perl
is(volley(2, $Good, '/about'), '204:1 429:1', 'one passes');

my @lines = logged(2, 'about.log');

like($lines[0], qr/^204 pass TKN-1234-5678 [0-9a-f]{16}$/, 'passed');
like($lines[1], qr/^429 - TKN-1234-5678 [0-9a-f]{16}$/, 'limited');
--- calls: 1



=== TEST 13: satisfy any
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /any {
        satisfy any;
        deny all;
        auth_api_token "r";
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location /address {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        limit_req zone=token burst=2 nodelay;
        try_files /dev/null =204;
    }

    location /backend {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        proxy_set_header X-Id $auth_api_token_id;
        proxy_set_header X-Account $auth_api_token_account_id;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
END
--- perl
is(volley(12, $Good, '/any'), '204:3 429:9', 'by token');
is(volley(4, $Bad, '/any'), '401:4', 'a bogus token');
is(volley(4, undef, '/any'), '401:4', 'no token');
is(volley(12, undef, '/address'), '204:12', 'by address');
is(volley(12, $Bad, '/address'), '204:12', 'with a bogus token');
is(volley(12, $Good, '/address'), '204:3 429:9', 'a token counts');
is(zone()->{requests}{module}, 0, 'and is not judged');

# the module did not let it pass, so it gives no identity

is(body($Good, '/backend'), $::Nobody, 'nobody');
is((logged(57, 'who.log'))[56], '200 - - -', 'in the log, too');
--- calls: 2



=== TEST 14: known, and cached by others
--- http_config eval
$::Http . <<'END';
    map $auth_api_token_id $volatile {
        volatile;
        default $auth_api_token_id;
    }
END
--- config eval
$::Config . <<'END';
    location /set {
        set $early "$auth_api_token_id$volatile";
        auth_api_token "r";
        add_header X-All "$early|$auth_api_token_id|$volatile" always;
        limit_req zone=account burst=1 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
is(exchange(request_of($Good, '/set'))->{headers}{'x-all'},
   '|TKN-1234-5678|TKN-1234-5678', 'not known to "set"');
is(exchange(request_of($Bad, '/set'))->{headers}{'x-all'}, '||', 'refused');
is(volley(12, $Good, '/set'), '204:1 429:11', 'counted');
--- calls: 2



=== TEST 15: an error page for a refusal, which another module refuses
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        error_page 403 /page;
        try_files /dev/null =204;
    }

    location /page {
        auth_api_token "page";
        deny all;
        try_files /dev/null =204;
    }
END
--- perl
my $response = exchange(request_of($Good, '/module'));

is($response->{status}, 403, 'status');
like($response->{headers}{'www-authenticate'}, qr/realm="r".*insufficient_scope/,
     'the challenge of the refusal');
like($response->{headers}{'content-type'}, qr/^text\/html/, 'a page of nginx');
--- calls: 1



=== TEST 16: deny, while the API is down, and a client over its budget
--- http_config eval: $::Http
--- config eval
$::Config . <<'END';
    location /deny {
        auth_api_token "r";
        auth_api_token_denied_limit $arg_key rate=1r/m burst=1;
        deny all;
        try_files /dev/null =204;
    }
END
--- perl
plain(exchange(request_of("idt:TKN-1234-5678:MADEUP$_", '/deny?key=a')), 403, $_)
    for 'one', 'two';

api('PUT', 'faults/any', { status => 503, headers => { 'Retry-After' => 9 } });
plain(exchange(request_of($Good, '/deny')), 403, 'down');
is(join(' ', map { $_ || () } values %{zone()->{requests}}), '',
   'no decision');
--- no_error_log
API token refused
--- calls: 2



=== TEST 17: a realm is not made of what is proved before the decision
--- http_config eval
$::Http . <<'END';
    map $auth_api_token_account_id $realm {
        volatile;
        default r;
        ACC-8765-4321 off;
    }
END
--- config eval
$::Config . <<'END';
    location /realm {
        auth_api_token $realm;
        auth_api_token_module MOD-9999;
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END
--- perl
my $response = exchange(request_of($Good, '/realm'));

is($response->{status}, 403, 'refused');
is($response->{headers}{'x-result'}, 'module', 'for its modules');
--- calls: 1
