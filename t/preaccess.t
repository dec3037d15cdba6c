use lib 't/lib';
use AuthApiToken;
use Limits;
use Store qw($Good $Bad zone);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(time);

# limit_req and limit_conn by who is calling

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_phase preaccess;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
END

# TKN-1234-5678 is of ACC-8765-4321

our $Tokens = <<'END';
token TKN-1000-0001
token TKN-2000-0001 {"account":{"id":"ACC-2000-0001"}}
token TKN-2000-0002 {"account":{"id":"ACC-2000-0001"}}
END

our $Same = token('TKN-1000-0001');
our $Other = token('TKN-2000-0001');
our $OtherToo = token('TKN-2000-0002');

# what does not answer before it is told to

our $Slow = "fault TKN-9999-9999 {\"delay\":60000,\"body\":\"slow\"}\n";

our $SlowBackend = <<'END';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-9999-9999?;
END


no_long_string();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: twelve requests of one token, a second account, and a bogus token
--- http_config eval: $::Zones
--- config eval: $::Config
--- api eval: $::Tokens
--- perl
is(volley(12, $Bad), '401:12', 'a bogus token is counted under nobody');
is(volley(12, $Good), '204:3 429:9', 'one token');
is(volley(2, $::Other), '204:2', 'a second account');
is(volley(12, $Bad), '401:12', 'the bogus token');
is(volley(12, $::Other), '204:1 429:11', 'the second account');
--- calls: 3



=== TEST 2: one a second
--- http_config eval: $::Zones =~ s{1r/m}{1r/s}r
--- config eval: $::Config
--- perl
my $start = time;
my ($passed) = volley(12, $Good) =~ /204:(\d+)/;

cmp_ok($passed, '>=', 3, 'one, and a burst of two');
cmp_ok($passed, '<=', 3 + (time - $start), 'and no more than the rate');
--- calls: 1



=== TEST 3: in the access phase the same limits nobody
--- http_config eval
$::Zones . "limit_conn_zone \$auth_api_token_id zone=conns:1m;\n"
--- config eval
$::Config =~ s/auth_api_token_phase .*/limit_conn conns 1;/r . <<'END';
    location /access {
        auth_api_token "r";
        auth_api_token_phase access;
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }
END
--- api
fault any {"delay":60000}
--- perl
is(tally(crowd((request_of($Good)) x 12)), '204:12', 'a crowd');
is(volley(12, $Good), '204:12', 'by default');
is(volley(12, $Good, '/access'), '204:12', 'said so');
--- calls: 1



=== TEST 4: by account, and by token
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    location /token {
        auth_api_token "r";
        limit_req zone=token burst=2 nodelay;
        try_files /dev/null =204;
    }

    location /both {
        auth_api_token "r";
        limit_req zone=token burst=2 nodelay;
        limit_req zone=account burst=4 nodelay;
        try_files /dev/null =204;
    }
END
--- api eval: $::Tokens
--- perl
is(volley(2, $Good), '204:2', 'an account');
is(volley(12, $::Same), '204:1 429:11', 'another token of it');
is(volley(12, $Good, '/token'), '204:3 429:9', 'a token');
is(volley(12, $::Same, '/token'), '204:3 429:9', 'another token');
is(volley(12, $::Other, '/both'), '204:3 429:9', 'both');
is(volley(12, $::OtherToo, '/both'), '204:2 429:10', 'what is left');
--- calls: 4



=== TEST 5: a map of them
--- http_config eval
$::Zones . <<'END';
    map $auth_api_token_account_id $small {
        default $auth_api_token_account_id;
        ACC-2000-0001 "";
    }

    map $auth_api_token_account_id $large {
        ACC-2000-0001 $auth_api_token_id;
    }

    limit_req_zone $small zone=small:1m rate=1r/m;
    limit_req_zone $large zone=large:1m rate=1r/m;
END
--- config eval
$::Config . <<'END';
    location /map {
        auth_api_token "r";
        limit_req zone=small burst=2 nodelay;
        limit_req zone=large burst=7 nodelay;
        try_files /dev/null =204;
    }
END
--- api eval: $::Tokens
--- perl
is(volley(12, $Bad, '/map'), '401:12', 'a bogus token');
is(volley(12, $Good, '/map'), '204:3 429:9', 'an account');
is(volley(12, $::Same, '/map'), '429:12', 'all its tokens');
is(volley(12, $::Other, '/map'), '204:8 429:4', 'another rate');
is(volley(12, $::OtherToo, '/map'), '204:8 429:4', 'for each token');
--- calls: 5



=== TEST 6: per location
--- http_config eval
$::Zones . "auth_api_token_phase preaccess;\n"
--- config eval
$::Config =~ s/ +auth_api_token_phase .*//r . <<'END';
    location /access {
        auth_api_token "r";
        auth_api_token_phase access;
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;

        location /access/preaccess {
            auth_api_token_phase preaccess;
            auth_api_token "inner";
            limit_req zone=account burst=2 nodelay;
            try_files /dev/null =204;
        }
    }

    location /off {
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
is(volley(12, $Good, '/access'), '204:12', 'access');
is(volley(12, $Good, '/off'), '204:12', 'what is not checked');
is(volley(2, $Good, '/access/preaccess'), '204:2', 'an inner location');
is(volley(12, $Good, '/t'), '204:1 429:11', 'inherited');
--- calls: 1



=== TEST 7: a location of one phase that leads to one of the other
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    location /to/access {
        auth_api_token "r";
        try_files /nope /access;
    }

    location /access {
        auth_api_token "r";
        auth_api_token_phase access;
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }

    location /to/preaccess {
        auth_api_token "r";
        auth_api_token_phase access;
        try_files /nope /t;
    }
END
--- perl
# what the first location has proved is known in the second

is(volley(12, $Good, '/to/access'), '204:3 429:9', 'from preaccess');
is(volley(12, $Good, '/to/preaccess'), '429:12', 'to preaccess');
--- calls: 1



=== TEST 8: delay
--- http_config eval: $::Zones =~ s{1r/m}{10r/s}r
--- config eval: $::Config =~ s/burst=2 nodelay/burst=20/r
--- perl
my $start = time;

is(volley(6, $Good), '204:6', 'all pass');
cmp_ok(time - $start, '>=', 0.45, 'in time');
like(nginx_log(), qr/delaying request/, 'they were delayed');
--- calls: 1



=== TEST 9: of those that wait for one lookup, some pass, some are delayed
--- http_config eval: $::Zones =~ s{1r/m}{2r/s}r
--- config eval: $::Config =~ s/burst=2 nodelay/burst=4 delay=2/r
--- api
fault any {"delay":60000}
--- perl
my @responses = crowd((request_of($Good)) x 12);

is(tally(@responses), '204:5 429:7', 'three, and two late');
is(scalar(() = nginx_log() =~ /delaying request/g), 2, 'two are delayed');
is(scalar(() = nginx_log() =~ /limiting requests/g), 7, 'seven are refused');
--- calls: 1



=== TEST 10: a slow lookup, two accounts
--- http_config eval: $::Zones
--- config eval: $::Config
--- api eval
$::Tokens . 'fault any {"delay":60000}'
--- perl
my @tokens = ($Good, $::Same, $::Other);
my @socks = map { my $sock = client(); print {$sock} request_of($_); $sock }
            (@tokens) x 8;

until_true('all wait', sub { figures()->{calls} == 3 && all_read() });
api('POST', 'release');

is(tally(map { read_response($_) } @socks), '204:6 429:18', 'three each');
--- calls: 3



=== TEST 11: limit_conn by token
--- http_config eval
$::Zones . "limit_conn_zone \$auth_api_token_id zone=conns:1m;\n"
--- config eval
$::Config . <<"END";
    location /slow {
        auth_api_token "r";
        limit_conn conns 2;
$::SlowBackend
    }
END
--- api eval: $::Tokens . $::Slow
--- perl
my $known = figures()->{calls};

sub slow {
    my ($n, $token) = @_;

    return map {
        my $sock = client();
        print {$sock} request_of($token, '/slow');
        $sock;
    } 1 .. $n;
}

volley(1, $_) for $Good, $::Same, $::Other;

my @two = slow(2, $Good);

until_true('both are there', sub { figures()->{calls} == 5 });

is(volley(3, $Good, '/slow'), '429:3', 'no more of this token');

my @same = slow(1, $::Same);

until_true('there, too', sub { figures()->{calls} == 6 });

is(volley(2, $Bad, '/slow'), '401:2', 'a bogus token');
api('POST', 'release');
is(tally(map { read_response($_) } @two, @same), '200:3', 'three pass');
--- calls: 7



=== TEST 12: limit_conn, and clients that wait for one lookup
--- http_config eval
$::Zones . "limit_conn_zone \$auth_api_token_account_id zone=conns:1m;\n"
--- config eval
$::Config . <<"END";
    location /slow {
        auth_api_token "r";
        limit_conn conns 2;
$::SlowBackend
    }
END
--- api eval: $::Slow . 'fault TKN-1234-5678 {"delay":60000}'
--- perl
my @socks = map {
    my $sock = client();
    print {$sock} request_of($Good, '/slow');
    $sock;
} 1 .. 5;

until_true('all wait', sub { figures()->{calls} && all_read() });
api('POST', 'release');
until_true('two pass', sub { figures()->{calls} == 3 });
api('POST', 'release');

is(tally(map { read_response($_) } @socks), '200:2 429:3', 'two');
is(tally(map { read_response($_) }
             map { print {$_} request_of($Good); $_ } @socks), '204:3 429:2',
   'the connections work');
--- calls: 3



=== TEST 13: HTTP/2
--- http_config eval
$::Zones . "limit_conn_zone \$auth_api_token_id zone=conns:1m;\n" . <<"END";
    server {
        listen 127.0.0.1:$ENV{TEST_NGINX_PORT_1} http2;
        auth_api_token_https off;
        auth_api_token_request /_token_api;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
        }

        location /slow {
            auth_api_token_cache tokens;
            auth_api_token_phase preaccess;
            auth_api_token "r";
            limit_conn conns 2;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-9999-9999?;
        }
$::Config
    }
END
--- config
--- api eval
$::Tokens . qq(fault TKN-1234-5678 {"delay":300}\n)
. 'fault TKN-9999-9999 {"delay":1500,"body":"slow"}'
--- perl
my $port = listen_port() + 1;

is(volley2(12, $Good, '/t', $port), '204:3 429:9', 'limit_req');
is(volley2(12, $::Other, '/t', $port), '204:3 429:9', 'another account');
is(volley2(12, $Bad, '/t', $port), '401:12', 'a bogus token');
is(volley2(8, $::Other, '/slow', $port), '200:2 429:6', 'limit_conn');
--- calls: 5



=== TEST 14: without a zone
--- http_config eval: $::Zones
--- config eval: $::Config =~ s/auth_api_token_cache .*/auth_api_token_cache off;/r
--- perl
is(volley(12, $Good), '204:3 429:9', 'limited');
is(volley(3, $Bad), '401:3', 'a bogus token');
--- calls: 15



=== TEST 15: beside a limit by address, which counts everybody
--- http_config eval: $::Zones
--- config eval
$::Config . <<'END';
    location /both {
        auth_api_token "r";
        limit_req zone=address burst=4 nodelay;
        limit_req zone=account burst=2 nodelay;
        try_files /dev/null =204;
    }
END
--- api eval: $::Tokens
--- perl
is(volley(1, undef, '/both'), '401:1', 'no token');
is(volley(1, $Bad, '/both'), '401:1', 'a bogus token');
is(volley(12, $Good, '/both'), '204:3 429:9', 'of what is left');

# the lookup of the last one is in vain: a limit refuses it

for my $token (undef, $Bad, '=', 'x', $::Same) {
    my $response = exchange(request_of($token, '/both'));

    is($response->{status}, 429, 'limited, whatever it is');
    is($response->{headers}{'www-authenticate'}, undef, 'no challenge');
    like($response->{headers}{'content-type'}, qr/^text\/html/, 'no problem');
}
--- calls: 3



=== TEST 16: an address is counted only while nobody is proved
--- http_config eval
$::Zones . <<'END';
    map $auth_api_token_id $unproved {
        "" $binary_remote_addr;
        default "";
    }

    limit_req_zone $unproved zone=unproved:1m rate=1r/m;
END
--- config eval
$::Config . <<'END';
    location /both {
        auth_api_token "r";
        limit_req zone=unproved burst=1 nodelay;
        limit_req zone=account burst=4 nodelay;
        try_files /dev/null =204;
    }
END
--- perl
is(volley(12, $Good, '/both'), '204:5 429:7', 'an account');
is(volley(3, $Bad, '/both'), '401:2 429:1', 'a bogus token');
is(volley(3, undef, '/both'), '429:3', 'no token');
--- calls: 2



=== TEST 17: stale facts count, as those of an API that answers
--- http_config eval: $::Zones
--- config eval
$::Config =~ s/valid=10m/valid=50ms stale=1h refresh=off/r
--- perl
is(volley(1, $Good), '204:1', 'known');
api('PUT', 'faults/any', { status => 500 });

my $known = time;

until_true('stale', sub { time - $known > 0.1 });
is(volley(12, $Good), '204:2 429:10', 'limited');
is(zone()->{cache_requests}{stale} > 0, 1, 'stale');



=== TEST 18: no answer of the API counts for nobody
--- http_config eval: $::Zones
--- config eval: $::Config
--- api
fault any {"status":500,"times":3}
--- perl
is(volley(3, $Good), '503:3', 'unavailable');
is(volley(12, $Good), '204:3 429:9', 'the whole burst is left');
--- calls: 4



=== TEST 19: tokens that are not active count for nobody
--- http_config eval
$::Zones . "limit_req_zone \$auth_api_token_id\$auth_api_token_account_id zone=any:1m rate=1r/m;\n"
--- config eval
$::Config . <<'END';
    location /any {
        auth_api_token "r";
        limit_req zone=any burst=2 nodelay;
        try_files /dev/null =204;
    }
END
--- api
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0004 {"self":403}
--- perl
is(volley(5, token("TKN-1000-000$_"), '/any'), ($_ == 4 ? 403 : 401) . ':5',
   "token $_") for 1 .. 4;
is(volley(12, $Good, '/any'), '204:3 429:9', 'an active one');
--- calls: 5
