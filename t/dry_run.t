use lib 't/lib';
use AuthApiToken;
use DryRun;
use Status qw(@Reasons);
use Test::Nginx::Socket 'no_plan';

# a request that would be refused passes, is marked as such, and has no identity

our $Locations = $Show . <<"END";
    location /t {
        auth_api_token "r";
$Proxy
    }

    location /insecure {
        auth_api_token "r";
        auth_api_token_https on;
$Proxy
    }

    location /service {
        auth_api_token "r";
        auth_api_token_request /_service credential=service;
$Proxy
    }

    location /account {
        auth_api_token "r";
        auth_api_token_account ACC-0000-0001;
$Proxy
    }

    location /account_type {
        auth_api_token "r";
        auth_api_token_account_type Client;
$Proxy
    }

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
$Proxy
    }

    location /extension {
        auth_api_token "r";
        auth_api_token_extension EXT-1234-5678;
$Proxy
    }

    location /require {
        auth_api_token "r";
        auth_api_token_require \$arg_ok;
$Proxy
    }

    location /require401 {
        auth_api_token "r";
        auth_api_token_require \$arg_ok error=401;
$Proxy
    }

    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit \$host rate=1r/m burst=1;
$Proxy
    }

    location = /_service {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
    }

    location = /status     { auth_api_token_status json; }
    location = /prometheus { auth_api_token_status prometheus; }
END

# the same twice, of which one is in dry run

our $Http = $Backend . <<"END";
    auth_api_token_zone zone=tokens:1m lookups=1 queue=0;
    auth_api_token_zone zone=enforced:1m lookups=1 queue=0;

    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1;
        auth_api_token_https off;
        auth_api_token_request /_token_api;
        auth_api_token_cache enforced valid=10m denied=10m;
$Locations
        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
        }
    }
END

our $Config = <<"END";
    auth_api_token_cache tokens valid=10m denied=10m;
    auth_api_token_dry_run on;
$Locations
END

our $NoZone = $Config =~ s/auth_api_token_cache [^;]*;//r
                     =~ s/auth_api_token_denied_limit [^;]*;//r;

our $Enforced = $ENV{TEST_NGINX_PORT} + 1;


sub prometheus {
    my ($labels) = @_;

    my ($value) = exchange(get('/prometheus'))->{body}
                  =~ /^nginx_auth_api_token_requests_total\{\Q$labels\E\} (\d+)$/m;

    return $value;
}


# a hit of many requests over one connection: how many of each result and status

sub sent {
    my ($n, $uri_of) = @_;

    my $sock = client();
    my %seen;

    for my $i (1 .. $n) {
        print {$sock} request_of($Bad, $uri_of->($i));
        my $response = read_response($sock);

        $seen{"$response->{status} $response->{headers}{'x-result'} "
              . $response->{headers}{'x-dry'}}++;
    }

    return \%seen;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: every reason
--- http_config eval: $::Http
--- config eval: $::Config
--- api
token TKN-0000-0001 {"secret":"operations","account":{"id":"ACC-0000-0001","type":"Operations"}}
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"status":"New","works":1}
token TKN-1000-0004 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0005 {"self":403}
token TKN-1000-0006
fault TKN-1000-0006 {"status":500}
token TKN-1000-0007
fault TKN-1000-0007 {"delay":60000}
token TKN-1000-0008
fault TKN-1000-0008 {"status":429,"headers":{"Retry-After":"7"}}
token TKN-1000-0009 {"extensions":[]}
--- perl
my $good = token('TKN-1234-5678');
my %seen;

sub decided {
    my ($status, $reason, $uri, $token, $known) = @_;

    my $lines = lines('API token refused, dry run: ');
    my $response = exchange(get($uri, $token), $Enforced);

    is("$response->{status} $response->{headers}{'x-result'}",
       "$status $reason", "$reason - refused");

    $response = exchange(get($uri, $token));
    passes($response, "${reason}_dry_run", $uri);
    is($response->{headers}{'x-known'}, $known || ',', "$reason - who it was");

    # the line is that of the refusal, except for a few words

    my @dry = lines('API token refused, dry run: ');
    my ($refused) = reverse lines("API token refused: $reason, ");

    is(scalar @dry, $lines + 1, "$reason - a line");
    is($dry[-1] =~ s/^\[error\]/[info]/r,
       $refused =~ s/refused:/refused, dry run:/r =~ s/^\[error\]/[info]/r,
       "$reason - which is the same");

    # and so are the figures

    $seen{$reason}++;

    my $want = join ' ', map { "$_:$seen{$_}" } sort keys %seen;

    is(moved(zone('tokens')->{requests_dry_run}), $want, "$reason - counted");
    is(moved(zone('tokens')->{requests}), '', "$reason - and apart");
    is(moved(zone('enforced')->{requests}), $want,
       "$reason - counted as a refusal");
    is(moved(zone('enforced')->{requests_dry_run}), '', "$reason - not in dry run");
}

my $known = 'TKN-1234-5678,ACC-8765-4321';

decided(401, 'no_token', '/t');
decided(400, 'malformed', '/t', 'a b');
decided(401, 'unsupported', '/t', 'idt:EXT-1234-5678:MADEUP');
decided(401, 'unsupported', '/t', 'eyJ' . 'a' x 3000);
decided(403, 'insecure', '/insecure', $good);
decided(401, 'unknown', '/t', $Bad) for 1, 2;
decided(401, 'disabled', '/t', token('TKN-1000-0001'),
        'TKN-1000-0001,ACC-8765-4321');
decided(401, 'deleted', '/t', token('TKN-1000-0002'),
        'TKN-1000-0002,ACC-8765-4321');
decided(401, 'inactive', '/t', token('TKN-1000-0003'),
        'TKN-1000-0003,ACC-8765-4321');
decided(401, 'account_disabled', '/t', token('TKN-1000-0004'),
        'TKN-1000-0004,ACC-8765-4321');
decided(403, 'unreadable', '/t', token('TKN-1000-0005'));
decided(401, 'mismatch', '/service', $Bad);
decided(403, 'account', '/account', $good, $known);
decided(403, 'account_type', '/account_type', $good, $known);
decided(403, 'module', '/module', $good, $known);
decided(403, 'extension', '/extension', token('TKN-1000-0009'),
        'TKN-1000-0009,ACC-8765-4321');
decided(403, 'require', '/require', $good, $known);
decided(403, 'require', '/require?ok=0', $good, $known);
decided(401, 'require', '/require401', $good, $known);
decided(503, 'unavailable', '/t', token('TKN-1000-0006'));
decided(503, 'unavailable', '/t', token('TKN-1000-0008'));
decided(401, 'unknown', '/limited', 'idt:TKN-1234-5678:MADEUP2');
decided(429, 'limited', '/limited', 'idt:TKN-1234-5678:MADEUP3');

# the only place is taken, and nobody may wait for it

my @socks = map { client($_) } listen_port(), $Enforced;

print {$_} get('/t', token('TKN-1000-0007')) for @socks;

until_true('asked', sub {
    zone('tokens')->{lookups_in_flight} && zone('enforced')->{lookups_in_flight};
});

decided(503, 'busy', '/t', 'idt:TKN-1234-5678:MADEUP4');
api('POST', 'release');

for my $sock (@socks) {
    my $response = read_response($sock);

    is("$response->{status} $response->{headers}{'x-result'}", '207 pass',
       'the one that was asked about');
}

$seen{pass}++;

is(join(' ', sort keys %seen), join(' ', sort @Reasons), 'all reasons');

my ($dry, $enforced) = map { zone($_) } qw(tokens enforced);

is_deeply($dry->{requests_dry_run}, $enforced->{requests}, 'counted alike');
is_deeply($dry->{requests}, $enforced->{requests_dry_run}, 'in the right place');
is_deeply($dry->{lookups}, $enforced->{lookups}, 'and asked alike');
is(join(' ', sort keys %{$dry->{requests_dry_run}}),
   join(' ', sort keys %{$dry->{requests}}), 'the same members');

is(prometheus(qq(zone="tokens",result="$_",dry_run="on")), $seen{$_},
   "$_ in Prometheus"),
is(prometheus(qq(zone="tokens",result="$_")), 0, "$_ is not refused"),
is(prometheus(qq(zone="enforced",result="$_",dry_run="on")), 0,
   "$_ is not in dry run"),
is(prometheus(qq(zone="enforced",result="$_")), $seen{$_}, "$_ is refused")
    for @Reasons;



=== TEST 2: busy, as the breaker is open
--- http_config eval: $::Http
--- config eval: $::Config
--- api
fault any {"status":503,"headers":{"Retry-After":"30"}}
--- perl
dry('unavailable', '/t', token("TKN-0000-000$_")) for 1 .. 5;

my $response = exchange(get('/t', token('TKN-1234-5678')));

passes($response, 'busy_dry_run', '/t');
is(zone()->{breaker}, 'open', 'the breaker');
is(moved(zone()->{requests_dry_run}), 'busy:1 unavailable:5', 'counted');
--- error_log
API token refused, dry run: busy, id: "TKN-1234-5678", account: "-", location: "/t", cause: the breaker is open
--- calls: 5



=== TEST 3: a good token passes as before, and is counted
--- http_config eval: $::Http
--- config eval: $::Config
--- perl
for my $cache (qw(MISS HIT)) {
    my $response = exchange(get('/t', token('TKN-1234-5678')));
    my $headers = $response->{headers};

    is($response->{status}, 207, "$cache - status");
    is("$headers->{'x-result'} $headers->{'x-cache'}", "pass $cache",
       "$cache - result");
    is($headers->{'x-identity'}, 'TKN-1234-5678,CRM robot,ACC-8765-4321,'
       . 'TestCompany,Vendor,MOD-0478,MOD-1756,*', "$cache - variables");
    is($response->{body}, '/t;;TKN-1234-5678;CRM robot;ACC-8765-4321;'
       . 'TestCompany;Vendor;MOD-0478,MOD-1756;*', "$cache - who is calling");
}

is(moved(zone()->{requests_dry_run}), 'pass:2', 'counted');
is(moved(zone()->{requests}), '', 'and apart');
--- no_error_log
API token refused
--- calls: 1



=== TEST 4: without a zone
--- http_config eval: $::Http
--- config eval: $::NoZone
--- perl
dry('unknown', '/t', $Bad);
dry('module', '/module', token('TKN-1234-5678'));
dry('no_token', '/t');
dry('unsupported', '/t', 'x.y.z');

is(exchange(get('/t', token('TKN-1234-5678')))->{headers}{'x-result'}, 'pass',
   'pass');
is(moved(zone()->{requests_dry_run}), '', 'nowhere to count');
--- calls: 3



=== TEST 5: what else is known of the decision is there
--- http_config eval: $::Http
--- config eval
"    add_header X-More \"\$auth_api_token_claimed_id,\$auth_api_token_age,"
. "\$auth_api_token_fingerprint\" always;\n"
. $::Config =~ s/add_header X-Cache[^;]*;//r =~ s/add_header X-Known[^;]*;//r
--- perl
for my $age ('0', '\d') {
    my $response = exchange(get('/module', token('TKN-1234-5678')));

    like($response->{headers}{'x-more'},
         qr/\ATKN-1234-5678,$age,[0-9a-f]{16}\z/, 'the same as before');
}



=== TEST 6: off, and inherited
--- http_config eval
$::Backend . <<"END";
    auth_api_token_dry_run on;

    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1;
        auth_api_token_https off;
        auth_api_token_request /_token_api;
        auth_api_token_dry_run off;
$::Show
        location /t         { auth_api_token "r"; $::Proxy }
        location /dry       { auth_api_token "r"; auth_api_token_dry_run on; $::Proxy }
        location = /_token_api { return 500; }
    }
END
--- config eval
<<"END";
$::Show
    location /t       { auth_api_token "r"; $::Proxy }
    location /refused { auth_api_token "r"; auth_api_token_dry_run off; $::Proxy }

    location /var {
        auth_api_token "r";
        auth_api_token_dry_run \$http_x_dry;
$::Proxy
        location /var/same { $::Proxy }
        location /var/on   { auth_api_token_dry_run on; $::Proxy }
        location /var/off  { auth_api_token_dry_run off; $::Proxy }
    }
END
--- perl
dry('no_token', '/t');

my $response = exchange(get('/refused'));
is($response->{status}, 401, 'off in the location');
is($response->{headers}{'x-result'}, 'no_token', 'its result');

$response = exchange(get('/t'), $Enforced);
is($response->{status}, 401, 'off in the server');
passes(exchange(get('/dry'), $Enforced), 'no_token_dry_run', '/dry');

# a variable, and levels below it

my $yes = "X-Dry: on\r\n";

dry('no_token', "/var$_", undef, $yes) for '', '/same', '/on';
dry('no_token', '/var/on');
is(exchange(get("/var$_"))->{status}, 401, "var$_, enforced")
    for '', '/same', '/off';
is(exchange(get('/var/off', undef, $yes))->{status}, 401, 'off below');
--- calls: 0



=== TEST 7: the values of a variable
--- http_config eval: $::Http
--- config eval: $::Config =~ s/dry_run on/dry_run \$http_x_dry/r
--- perl
my ($dry, $enforced) = (0, 0);

for my $value ('on', '1') {
    dry('unknown', '/t', $Bad, "X-Dry: $value\r\n");
    $dry++;
}

for my $value (undef, '', '0', 'off', 'ON', 'On', 'true', 'yes', '2', '10',
               '01', 'on1', 'o', 'on,on', '"on"')
{
    my $response = exchange(get('/t', $Bad, defined $value
                                            ? "X-Dry: $value\r\n" : ''));
    my $headers = $response->{headers};
    my $name = defined $value ? "\"$value\"" : 'none';

    is("$response->{status} $headers->{'x-result'}", '401 unknown',
       "$name - refused");
    like($headers->{'www-authenticate'}, qr/error="invalid_token"/,
         "$name - challenge");
    like($response->{body}, qr/^\{"type"/, "$name - problem");
    $enforced++;
}

is(exchange(get('/t', token('TKN-1234-5678'), "X-Dry: $_\r\n"))
   ->{headers}{'x-result'}, 'pass', 'pass') for 'on', 'off', 'off';

is(moved(zone()->{requests_dry_run}), "pass:1 unknown:$dry", 'dry run');
is(moved(zone()->{requests}), "pass:2 unknown:$enforced", 'enforced');



=== TEST 8: a map of who it was, which is known when the variable is asked for
--- http_config eval
$::Http . <<'END';
    map $auth_api_token_known_account_id $dry {
        ACC-8765-4321 on;
        default       off;
    }

    map $auth_api_token_result $late {
        module  on;
        default off;
    }
END
--- config eval
$::Config =~ s/dry_run on/dry_run \$dry/r
=~ s/(location \/require \{)/$1 auth_api_token_dry_run \$late;/r
--- api
token TKN-0000-0002 {"account":{"id":"ACC-0000-0002","type":"Client"}}
token TKN-0000-0003 {"status":"Disabled","works":1}
--- perl
for (1, 2) {
    dry('module', '/module', token('TKN-1234-5678'));
    dry('disabled', '/t', token('TKN-0000-0003'));

    is(exchange(get('/module', token('TKN-0000-0002')))->{status}, 403,
       'another account');
    is(exchange(get('/module'))->{status}, 401, 'nobody');
    is(exchange(get('/t', $Bad))->{status}, 401, 'the id is claimed, and no more');

    # over one connection, one after the other

    my $sock = client();
    my @statuses;

    for my $id (qw(TKN-1234-5678 TKN-0000-0002 TKN-1234-5678)) {
        print {$sock} request_of(token($id), '/module');
        push @statuses, read_response($sock)->{status};
    }

    is("@statuses", '207 403 207', 'each for itself');
}

is(moved(zone()->{requests_dry_run}), 'disabled:2 module:6', 'dry run');
is(moved(zone()->{requests}), 'module:4 no_token:2 unknown:2',
   'enforced');
--- calls: 4



=== TEST 9: a share of the requests
--- http_config eval
$::Http . <<'END';
    split_clients "$arg_k" $dry {
        10% off;
        *   on;
    }
END
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    keepalive_requests 10000;

    location /t {
        auth_api_token "r";
        auth_api_token_dry_run $dry;
        add_header X-Result $auth_api_token_result always;
        add_header X-Dry $dry always;
        try_files /dev/null =204;
    }

    location = /status { auth_api_token_status json; }
--- perl
my $seen = sent(2000, sub { "/t?k=key-$_[0]" });
my $enforced = $seen->{'401 unknown off'};

is_deeply([ sort keys %$seen ], [ '204 unknown_dry_run on', '401 unknown off' ],
          'those whom the split says');
cmp_ok($enforced, '>', 150, 'a tenth, at least');
cmp_ok($enforced, '<', 250, 'a tenth, at most');

is(moved(zone()->{requests}), "unknown:$enforced", 'enforced');
is(moved(zone()->{requests_dry_run}), 'unknown:' . (2000 - $enforced), 'dry run');

is_deeply(sent(2000, sub { "/t?k=key-$_[0]" }), $seen, 'the same ones again');
--- calls: 1



=== TEST 10: an outage is logged once a second, in dry run too
--- http_config eval: $::Http
--- config eval: $::NoZone
--- api
fault any {"status":500}
--- perl
dry('unavailable', '/t', token('TKN-1234-5678')) for 1 .. 20;

my @lines = grep { /API token refused, dry run: unavailable/ }
            split /\n/, nginx_log();
my %seconds = map { /^(\S+ \S+)/; ($1, 1) } @lines;
my @errors = grep { /\[error\]/ } @lines;

is(scalar @lines, 20, 'all are logged');
cmp_ok(scalar @errors, '>=', 1, 'an error');
cmp_ok(scalar @errors, '<=', scalar keys %seconds, 'but not in each line');
--- calls: 20
