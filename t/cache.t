use lib 't/lib';
use AuthApiToken;
use Kept;
use Store qw($Good $Bad);
use Test::Nginx::Socket 'no_plan';

# what the zone keeps, for how long, and for whom

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Show = <<'END';
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    add_header X-Id "$auth_api_token_id|$auth_api_token_name|$auth_api_token_account_id|$auth_api_token_account_name|$auth_api_token_account_type|$auth_api_token_modules" always;
    add_header X-Age "$auth_api_token_age" always;
END


no_long_string();
run_tests();

__DATA__

=== TEST 1: facts are kept, and so are denials
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { auth_api_token "r"; try_files /n =204; }
END
--- perl
is(all('/t', $::Good), '204 pass MISS', 'first');
is(all('/t', $::Good), '204 pass HIT', 'again');
is(all('/t', $::Bad), '401 unknown MISS', 'bad');
is(all('/t', $::Bad), '401 unknown HIT', 'bad again');
is(all('/t', $::Good), '204 pass HIT', 'the good one is still good');

my $response = ask('/t', $::Good);

is($response->{headers}{'x-id'}, 'TKN-1234-5678|CRM robot|ACC-8765-4321|'
   . 'TestCompany|Vendor|MOD-0478,MOD-1756', 'all facts');
is($response->{headers}{'x-age'}, 0, 'age');

$response = ask('/t', $::Bad);

is($response->{headers}{'x-id'}, '|||||', 'no facts of a denial');
like($response->{headers}{'www-authenticate'}, qr/error="invalid_token"/,
     'challenge');
like($response->{body}, qr/"The token is unknown, disabled or deleted"/, 'problem');
--- calls: 2



=== TEST 2: each location decides on the same facts
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    auth_api_token "r";
    location /vendor { auth_api_token_account_type Vendor; try_files /n =204; }
    location /client { auth_api_token_account_type Client; try_files /n =204; }
    location /module { auth_api_token_module MOD-1756; try_files /n =204; }
    location /code { auth_api_token_module access-management; try_files /n =204; }
    location /no { auth_api_token_module MOD-9999; try_files /n =204; }
    location /account { auth_api_token_account ACC-8765-4321; try_files /n =204; }
END
--- api
token TKN-1234-5678 {"modules":[{"id":"MOD-0478"},{"id":"MOD-1756","code":"access-management"}]}
--- perl
is(all('/vendor', $::Good), '204 pass MISS', 'vendor');
is(all('/client', $::Good), '403 account_type HIT', 'client');
is(all('/module', $::Good), '204 pass HIT', 'module');
is(all('/code', $::Good), '204 pass HIT', 'code of a module');
is(all('/no', $::Good), '403 module HIT', 'another module');
is(all('/account', $::Good), '204 pass HIT', 'account');
--- calls: 1



=== TEST 3: facts run out after "valid", denials after "denied"
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    location /t { auth_api_token_cache tokens valid=2s denied=1s refresh=off; try_files /n =204; }
END
--- perl
is(all('/t', $::Good), '204 pass MISS', 'facts');
is(all('/t', $::Bad), '401 unknown MISS', 'denial');

until_true('the denial runs out', sub {
    all('/t', $::Bad) eq '401 unknown MISS'
});

is(all('/t', $::Good), '204 pass HIT', 'facts last longer');
is(figures()->{calls}, 3, 'lookups');

my $age;

until_true('the facts run out', sub {
    my $response = ask('/t', $::Good);

    if ($response->{headers}{'x-all'} eq 'pass HIT') {
        $age = $response->{headers}{'x-age'};
        return 0;
    }

    is($response->{headers}{'x-all'}, 'pass MISS', 'looked up again');
    is($response->{headers}{'x-age'}, 0, 'new age');
});

is($age, 1, 'age before');
--- calls: 4



=== TEST 4: a token that is disabled is refused within "valid"
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=1s;
    location /t { try_files /n =204; }
END
--- perl
use Time::HiRes qw(time);

is(all('/t', $::Good), '204 pass MISS', 'passes');

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });

my $start = time;
my $last = $start;

until_true('refused', sub {
    my $now = time;
    my $all = all('/t', $::Good);

    $last = $now if $all =~ /^204/;
    $all =~ /^401 disabled/;
});

cmp_ok($last - $start, '<', 1, 'none passed a second later');
like(all('/t', $::Good), qr/^401 disabled HIT/, 'the denial took its place');



=== TEST 5: a location that trusts facts for less time asks earlier
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    location /long { auth_api_token_cache tokens valid=1h; try_files /n =204; }
    location /short { auth_api_token_cache tokens valid=1s refresh=off; try_files /n =204; }
    location /off { auth_api_token_cache off; try_files /n =204; }
END
--- perl
is(all('/long', $::Good), '204 pass MISS', 'long');
is(all('/short', $::Good), '204 pass HIT', 'short');

until_true('too old for one', sub {
    all('/short', $::Good) eq '204 pass MISS'
});

is(all('/long', $::Good), '204 pass HIT', 'which serves the other');
is(all('/off', $::Good), '204 pass BYPASS', 'off');
is(all('/off', $::Good), '204 pass BYPASS', 'off again');
--- calls: 4



=== TEST 6: an internal redirect to a location that trusts facts for less time
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=1h;
    location /off { error_page 404 = /in/off; try_files /n =404; }
    location /short { error_page 404 = /in/short; try_files /n =404; }
    location /long { error_page 404 = /in/long; try_files /n =404; }
    location /in/off { auth_api_token_cache off; try_files /n =204; }
    location /in/short { auth_api_token_cache tokens valid=1s refresh=off; try_files /n =204; }
    location /in/long { try_files /n =204; }
END
--- perl
is(all('/long', $::Good), '204 pass MISS', 'asked for this request');
is(all('/long', $::Good), '204 pass HIT', 'long');
is(figures()->{calls}, 1, 'one lookup');

is(all('/off', $::Good), '204 pass BYPASS', 'facts of the zone are not enough');
is(figures()->{calls}, 2, 'asked');

until_true('too old', sub { all('/short', $::Good) eq '204 pass MISS' });
is(figures()->{calls}, 3, 'asked again');
--- calls: 3



=== TEST 7: verdicts of one API do not serve another
--- http_config
auth_api_token_zone zone=tokens:1m;
server {
    listen 127.0.0.1:$TEST_NGINX_PORT_1;
    server_name other;
    auth_api_token_cache tokens;
    auth_api_token_https off;
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
    location = /_token_api { proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id; }
    location /t { auth_api_token "r"; auth_api_token_request /_token_api; try_files /n =204; }
    location /label { auth_api_token "r"; auth_api_token_request /_token_api api=prod; try_files /n =204; }
}
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location = /_other { proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id; }
    location /t { auth_api_token "r"; try_files /n =204; }
    location /other { auth_api_token "r"; auth_api_token_request /_other; try_files /n =204; }
    location /label { auth_api_token "r"; auth_api_token_request /_token_api api=prod; try_files /n =204; }
    location /service { auth_api_token "r"; auth_api_token_request /_token_api credential=service; try_files /n =204; }
    location /opaque { auth_api_token "r" format=opaque; try_files /n =204; }
END
--- perl
my $port = $ENV{TEST_NGINX_PORT_1};

sub elsewhere {
    my ($uri) = @_;

    my $response = exchange("GET $uri HTTP/1.1\r\nHost: other\r\n"
                            . "Authorization: Bearer $::Good\r\n\r\n", $port);

    return "$response->{status} $response->{headers}{'x-all'}";
}

is(all('/t', $::Good), '204 pass MISS', 'a server and its URI');
is(all('/t', $::Good), '204 pass HIT', 'again');
is(all('/other', $::Good), '204 pass MISS', 'another URI');
is(all('/label', $::Good), '204 pass MISS', 'a label');
like(all('/service', $::Good), qr/MISS$/, 'another credential');
like(all('/opaque', $::Good), qr/MISS$/, 'another format');
is(elsewhere('/t'), '204 pass MISS', 'another server, the same URI');
is(elsewhere('/label'), '204 pass HIT', 'another server, the same label');
is(all('/t', $::Good), '204 pass HIT', 'the first is still there');



=== TEST 8: facts too large to keep are used
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    auth_api_token "r";
    location /t { try_files /n =204; }
END
--- api
token TKN-1234-5678 {"name":"x"}
--- perl
for my $case ([1000, 'HIT'], [3900, 'HIT'], [5000, 'MISS'], [10, 'HIT']) {
    my ($n, $second) = @$case;
    my $id = sprintf 'TKN-0000-%04d', $n;
    my $name = join '', map { chr(97 + $_ % 26) } 1 .. $n;

    api('PUT', "tokens/$id", { name => $name });

    for my $from ('MISS', $second) {
        my $response = ask('/t', token($id));
        my (undef, $got) = split /\|/, $response->{headers}{'x-id'};

        is($response->{headers}{'x-all'}, "pass $from", "$n bytes: $from");
        ok($got eq $name, "$n bytes: whole");
    }
}



=== TEST 9: tokens without a public id
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /t { auth_api_token "r" format=opaque; try_files /n =204; }
END
--- lookup
    proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- perl
is(all('/t', $::Good), '204 pass MISS', 'miss');
is(all('/t', $::Good), '204 pass HIT', 'hit');
like(ask('/t', $::Good)->{headers}{'x-id'}, qr/^TKN-1234-5678\|CRM robot\|/,
     'the id is kept');
--- calls: 1



=== TEST 10: the fingerprint is that of the key, across locations
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens;
    add_header X-Print "$auth_api_token_fingerprint" always;
    location /t { auth_api_token "r"; try_files /n =204; }
    location /u { auth_api_token "r"; auth_api_token_account ACC-1111-1111; try_files /n =204; }
    location /off { auth_api_token "r"; auth_api_token_cache off; try_files /n =204; }
--- perl
my $print = ask('/t', $::Good)->{headers}{'x-print'};

like($print, qr/^[0-9a-f]{16}$/, 'fingerprint');
is(ask('/t', $::Good)->{headers}{'x-print'}, $print, 'of a hit');
is(ask('/u', $::Good)->{headers}{'x-print'}, $print, 'where it is refused');
isnt(ask('/t', $::Bad)->{headers}{'x-print'}, $print, 'of another token');
isnt(ask('/off', $::Good)->{headers}{'x-print'}, $print, 'without the zone');



=== TEST 11: a refresh comes before facts run out, and nobody waits for it
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=2s;
    location /t { try_files /n =204; }
END
--- api
token TKN-1234-5678 {"name":"one"}
--- perl
is(all('/t', $::Good), '204 pass MISS', 'miss');
api('PUT', 'tokens/TKN-1234-5678', { name => 'two' });

# one connection: the request after the one that starts it is not held up

my $sock = client();
my %seen;

until_true('refreshed', sub {
    print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\n"
                  . "Authorization: Bearer $::Good\r\n\r\n";
    my $response = read_response($sock);

    $seen{$response->{headers}{'x-all'}}++;
    $response->{headers}{'x-id'} =~ /\|two\|/;
});

is(join(' ', keys %seen), 'pass HIT', 'hits only');
--- calls: 2



=== TEST 12: a refresh that the API refuses
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    auth_api_token_cache tokens valid=2s denied=1m;
    location /t { try_files /n =204; }
END
--- perl
is(all('/t', $::Good), '204 pass MISS', 'miss');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled', works => 1 });

my %seen;

until_true('refused', sub {
    my $all = all('/t', $::Good);
    $seen{$all}++;
    $all =~ /^401/;
});

is(join(', ', sort keys %seen), '204 pass HIT, 401 disabled HIT',
   'from one request to the next');
--- calls: 2



=== TEST 13: no refresh where it is off, or where nobody asks
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    location /off { auth_api_token_cache tokens valid=2s refresh=off; try_files /n =204; }
    location /idle { auth_api_token_request /_token_api api=idle; auth_api_token_cache tokens valid=2s; try_files /n =204; }
END
--- perl
is(all('/idle', $::Good), '204 pass MISS', 'idle');
is(all('/off', $::Good), '204 pass MISS', 'off');

my %seen;

until_true('run out', sub {
    my $all = all('/off', $::Good);
    $seen{$all}++;
    $all =~ /MISS/;
});

is(join(', ', sort keys %seen), '204 pass HIT, 204 pass MISS', 'no refresh');
is(all('/idle', $::Good), '204 pass MISS', 'idle');
--- calls: 4



=== TEST 14: facts that run out, or are purged, before an internal redirect
--- http_config
    auth_api_token_zone zone=tokens:1m;
    auth_api_token_zone zone=other:1m;
--- config eval
$::Show . <<'END';
    auth_api_token "r";
    location /t { auth_api_token_cache tokens valid=1h; proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1; }
    location /in { auth_api_token_cache tokens valid=300ms refresh=off; try_files /n =204; }
    location /other { auth_api_token_cache other valid=300ms refresh=off; try_files /n =204; }
END
--- perl
use Time::HiRes qw(time);

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', ReuseAddr => 1,
                                   LocalPort => $ENV{TEST_NGINX_PORT_1},
                                   Listen => 5) or die "listen: $!";

for my $to ('/in', '/other') {
    my $id = $to eq '/in' ? 'TKN-0000-0001' : 'TKN-0000-0002';

    api('PUT', "tokens/$id");

    my $sock = client();
    print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                  . token($id) . "\r\n\r\n";

    my $backend = $listen->accept;
    sysread $backend, my $request, 4096;

    my $start = time;
    api('PUT', "tokens/$id", { status => 'Disabled', works => 1 });

    until_true('run out', sub { time - $start > 0.4 });

    print {$backend} "HTTP/1.1 200 OK\r\nX-Accel-Redirect: $to\r\n"
                     . "Content-Length: 0\r\n\r\n";
    close $backend;

    my $response = read_response($sock);

    is("$response->{status} $response->{headers}{'x-all'}", '401 disabled MISS',
       "too old for $to");
}



=== TEST 15: an internal redirect to another API, or with another token
--- http_config eval: $::Zone
--- config eval
$::Show . <<'END';
    auth_api_token_cache tokens;
    location /a { auth_api_token "r"; auth_api_token_request /_token_api api=a; error_page 404 = /b; try_files /n =404; }
    location /b { auth_api_token "r"; auth_api_token_request /_token_api api=b; try_files /n =204; }
    location /c { auth_api_token "r"; error_page 404 = /d; try_files /n =404; }
    location /d { auth_api_token "r" token=$http_x_token; try_files /n =204; }
END
--- perl
is(all('/a', $::Good), '204 pass MISS', 'the other API is asked, too');
is(figures()->{calls}, 2, 'two lookups');
is(all('/a', $::Good), '204 pass HIT', 'both are kept');
is(figures()->{calls}, 2, 'no lookup');
is(all('/b', $::Good), '204 pass HIT', 'the other one by itself');

is(all('/c', $::Good), '401 no_token -', 'no other token');

my $response = exchange("GET /c HTTP/1.1\r\nHost: a\r\nX-Token: $::Bad\r\n"
                        . "Authorization: Bearer $::Good\r\n\r\n");

is("$response->{status} $response->{headers}{'x-all'}", '401 unknown MISS',
   'another token');

$response = exchange("GET /c HTTP/1.1\r\nHost: a\r\nX-Token: $::Bad\r\n"
                     . "Authorization: Bearer $::Good\r\n\r\n");

is("$response->{status} $response->{headers}{'x-all'}", '401 unknown HIT',
   'which is kept');
--- calls: 4
