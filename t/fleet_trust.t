use lib 't/lib';
use AuthApiToken;
use Fleet;
use Test::Nginx::Socket 'no_plan';

# conf-examples/fleet/: edges and nodes know each other by certificates, and
# what a node says about a token

our $Backend = <<'END2';
    location / {
        return 200 "$http_x_mpt_token_id $http_x_mpt_account_id";
    }
END2

our $Locations = <<'END2';
location = /any {
    auth_api_token "r";
    add_header X-Result $auth_api_token_result always;
    add_header X-Extensions $auth_api_token_extensions always;
    try_files /dev/null =204;
}

location = /one {
    auth_api_token "r";
    auth_api_token_extension EXT-1234-5678;
    add_header X-Result $auth_api_token_result always;
    add_header X-Extensions $auth_api_token_extensions always;
    try_files /dev/null =204;
}
END2


# a request over a connection with this certificate

sub with_cert {
    my ($name, $cert, $request) = @_;

    my $sock = tls_to($name, $cert) or return 'no connection';

    print {$sock} $request;

    return read_response($sock);
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: who may ask a node, and purge an edge
--- bare_config
--- config eval: $::Backend
--- perl
fleet();

my ($id) = ids(1);
my $start = now();
my $ask = request_of(token($id), '/token');
my $purge = "DELETE /purge/$id HTTP/1.1\r\nHost: a\r\n\r\n";

for my $cert (undef, 'other/other') {
    my $who = $cert ? 'a certificate of another CA' : 'no certificate';

    is(with_cert('tier1', $cert, $ask)->{status}, 400, "$who: token");
    is(with_cert('tier1', $cert, $purge)->{status}, 400, "$who: node");
    is(with_cert('edge1', $cert, $purge)->{status}, 400, "$who: edge");
}

is(calls($id), 0, 'nobody was asked');

my $response = with_cert('tier1', 'edge1', $ask);

is($response->{status}, 200, 'an edge');
like($response->{body}, qr/"id":"$id"/, 'is told');
cmp_ok($response->{headers}{age}, '>=', 1, 'with the age');
cmp_ok($response->{headers}{age}, '<=', now() - $start + 1, 'rounded up');
is(with_cert('edge1', 'tier1', $purge)->{status}, 200, 'a node may purge');

is(with_cert('tier1', 'edge1', $purge)->{status}, 200, 'and an edge may');
is(with_cert('tier1', 'edge1', request_of(token($id), '/tokens'))->{status},
   421, 'what is not there is no word about a token');
finish();



=== TEST 2: what a node's log says about a lookup
--- bare_config
--- config eval: $::Backend
--- perl
fleet();

my ($id) = ids(1);
my $trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

is(ask('edge2', token($id), '/orders/1', "traceparent: $trace\r\n")->{body},
   "$id ACC-8765-4321", 'who it is');

my ($node) = grep { asked_at($_, $id) } @Tier;

my $line;

until_true('logged', sub {
    ($line) = fleet_node($node)->read('access.log') =~ /^(.* id=$id .*)$/m;
});

like($line, qr/" 200 result=pass cache=MISS age=\d+ id=$id /, 'the token');
like($line, qr/ edge=CN=edge2,O=edge traceparent=$trace\z/,
     'the edge, and the trace');
finish();



=== TEST 3: which node an edge asks
--- bare_config
--- config eval: $::Backend
--- perl
fleet();

my @ids = ids(4);

my %wrong = (
    'other/other' => 'verify error',
    'edge3'       => 'does not match "tier.fleet.internal"'
);

for my $cert (sort keys %wrong) {
    for my $name (@Tier, 'edge1') {
        quit($name);
        start($name, $name eq 'edge1' ? () : $cert);
    }

    for my $id (@ids) {
        is(ask('edge1', token($id))->{status}, 503, "$cert: not believed");
    }

    is(purge('edge1', $ids[0]), '{"purged":0}', "$cert: an edge purges");

    # the lookup's, of each node, and the copy's

    for my $what (qw(/_token_api /_purge/)) {
        until_true("$cert: $what", sub {
            my @lines = fleet_node('edge1')->log =~ m{
                upstream\ SSL\ certificate\ \Q$wrong{$cert}\E .*
                subrequest:\ "$what
            }gx;

            return @lines >= 2;
        });
    }

    is(join('', map { fleet_node($_)->read('access.log') } @Tier), '',
       "$cert: is told nothing");
    is(figures_of($_)->{purge_requests}, 0, "$cert: nor is it purged") for @Tier;
}

is(calls(@ids), 0, 'the API was not asked');
finish();



=== TEST 4: extensions
--- bare_config
--- config eval: $::Backend
--- perl
fleet(locations => $::Locations);

my $one = { id => 'EXT-1234-5678', name => 'CRM bridge' };
my $two = { id => 'EXT-4321-8765' };
my %form = (
    'left out' => [{}, '*', 1],
    'null'     => [{ extensions => undef }, '*', 1],
    'none'     => [{ extensions => [] }, '', 0],
    'both'     => [{ extensions => [$one, $two] },
                   'EXT-1234-5678,EXT-4321-8765', 1],
    'another'  => [{ extensions => [$two] }, 'EXT-4321-8765', 0],
    'omitted'  => [{ '$meta' => { omitted => ['audit', 'extensions'] } },
                   '', 0]
);
my $n = 0;

for my $name (sort keys %form) {
    my ($members, $list, $pass) = @{$form{$name}};

    # the location that requires one asks first, and the other one does

    for my $first ('/one', '/any') {
        my $id = sprintf 'TKN-%04d-0000', ++$n;

        api('PUT', "tokens/$id", $members);

        my %want = ('/any' => "204 pass $list",
                    '/one' => $pass ? "204 pass $list" : '403 extension ');

        for my $round (1, 2) {
            for my $edge ('edge1', 'edge2') {
                for my $uri ($first, $first eq '/one' ? '/any' : '/one') {
                    my $response = ask($edge, token($id), $uri);

                    is(join(' ', $response->{status},
                            map { $_ // '' }
                            @{$response->{headers}}{qw(x-result x-extensions)}),
                       $want{$uri}, "$name, $uri, $edge, $round");
                }
            }
        }

        is(calls($id), 1, "$name: one call");
    }
}

finish();



=== TEST 5: a backend that names the location that asks
--- bare_config
--- config
    location / {
        add_header X-Accel-Redirect /_token_api;
        return 204;
    }
--- perl
fleet();

my ($id) = ids(1);
my $response = ask('edge1', token($id));

is($response->{status}, 403, 'gets nothing');
unlike($response->{head} . $response->{body}, qr/$id|ACC-/, 'of the object');
is(scalar(grep { asked_at($_, $id) } @Tier), 1, 'except the lookup');
finish();
--- calls: 1
