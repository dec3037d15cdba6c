use lib 't/lib';
use AuthApiToken;
use Fleet;
use Test::Nginx::Socket 'no_plan';

# conf-examples/fleet/: what is purged at one edge is forgotten by all nodes of
# the tier, and by all edges after them

our $Backend = <<'END2';
    location / {
        return 200 "$http_x_mpt_token_id $http_x_mpt_account_id";
    }
END2

our $Disabled = { status => 'Disabled' };


# waits until the n-th purge, at this edge, was handed to all

sub all_purged {
    my ($n, $edge, @nodes) = @_;

    @nodes = @Tier if !@nodes;

    return until_purged((map { $_ => $n } @nodes),
                        (map { $_ => $n * @nodes } @Edges),
                        $edge => $n * @nodes + $n);
}


# a token that this node is asked about

sub of_node {
    my ($node) = @_;

    my @ids = ids(20);

    is(passed(['edge1'], @ids), '20', 'known');

    return (asked_at($node, @ids))[0];
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: all forms of a purge
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my ($id, $other) = ids(2);
my $n = 0;

for my $what ($id, qq({"token":"$id"}), '{"account":"ACC-8765-4321"}',
              qq({"object":{"id":"$id"}}), 'ACC-8765-4321', '{"all":true}')
{
    my $both = $what !~ /TKN/;

    api('POST', 'reset');
    ids(2);

    is(passed(\@Edges, $id, $other), '2 2 2', "$what: known");
    api('PUT', "tokens/$_", $Disabled) for $id, $other;
    is(passed(\@Edges, $id, $other), '2 2 2', "$what: still passes");
    is(purge('edge1', $what), '{"purged":' . (1 + $both) . '}', $what);
    all_purged(++$n, 'edge1');
    is(passed(\@Edges, $id), '0 0 0', "$what: refused by all edges");
    is(passed(\@Edges, $other), $both ? '0 0 0' : '1 1 1',
       "$what: another token");
    is(calls($id), 2, "$what: one call more");

    # denials go too

    api('PUT', "tokens/$_", { status => 'Active' }) for $id, $other;
    purge('edge1', '{"all":true}');
    all_purged(++$n, 'edge1');
}

finish();



=== TEST 2: the edge is asked before the tier has forgotten
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my ($id) = ids(1);

is(passed(\@Edges, $id), '1 1 1', 'known');
api('PUT', "tokens/$id", $Disabled);

signal_all(STOP => $_) for @Tier;
is(purge('edge2', $id), '{"purged":1}', 'the edge forgets');

my $sock = start_ask('edge2', token($id));

until_true('it asks the tier', sub { figures_of('edge2')->{lookups_in_flight} });
is(passed(['edge1', 'edge3'], $id), '1 1', 'other edges know nothing of it');
signal_all(CONT => $_) for @Tier;

like(read_response($sock)->{status}, qr/\A(?:200|401)\z/, 'old facts or new');
all_purged(1, 'edge2');
is(passed(\@Edges, $id), '0 0 0', 'and new ones in the end');
is(calls($id), 2, 'one call more');
finish();



=== TEST 3: a node is down
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my $id = of_node('tier1');

is(passed(\@Edges, $id), '1 1 1', 'known');
api('PUT', "tokens/$id", $Disabled);
kill9('tier1');
is(purge('edge3', $id), '{"purged":1}', 'purged');
all_purged(1, 'edge3', 'tier2');
is(passed(\@Edges, $id), '0 0 0', 'refused by all edges');
like(fleet_node('edge3')->log,
     qr{\[error\] .* connect\(\) failed .* request: "DELETE},
     'what was lost is in the log');

start('tier1');

until_true('it is asked again', sub {
    purge_edges(@Edges);
    passed(\@Edges, $id) eq '0 0 0' or die 'passes';
    return asks('tier1')->{$id};
});

is(passed(\@Edges, $id), '0 0 0', 'and knows nothing from before');
finish();



=== TEST 4: a lookup is under way
--- bare_config
--- config eval: $::Backend
--- perl
fleet(tier => '10m', edge => '20m');

my ($id) = ids(1);

api('PUT', 'faults/any', { delay => 600000 });

my @socks = map { start_ask($_, token($id)) } @Edges;

until_true('the API is asked', sub { calls($id) == 1 });
api('DELETE', 'faults/any');
api('PUT', "tokens/$id", $Disabled);
purge('edge1', $id);
all_purged(1, 'edge1');
api('POST', 'release');

is(join(' ', map { read_response($_)->{status} } @socks), '401 401 401',
   'its answer is not believed');
is(passed(\@Edges, $id), '0 0 0', 'by any edge');
finish();
