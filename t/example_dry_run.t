use lib 't/lib';
use AuthApiToken;
use Example;
use JSON::PP ();
use Test::Nginx::Socket 'no_plan';

# conf-examples/dry-run.conf, and the steps that it describes

our ($Tls, $Plain, $Backend, $Operator) = map { port($_) } 1 .. 4;

our @Ids = map { sprintf 'TKN-%04d-0001', $_ } 1 .. 40;

our $Tokens = join "\n", map { qq(token $_ {"modules":[]}) } @Ids;

our ($Ten, $All) = (['# 10% off;', '10% off;'], ['* on;', '* off;']);


sub start {
    return Example->start('dry-run.conf',
        address => { '443' => $Tls, '80' => $Plain,
                     '127.0.0.1:8080' => $Backend,
                     '127.0.0.1:8090' => $Operator },
        http    => backend($Backend), @_);
}


sub ask {
    my ($example, $token, $headers) = @_;

    return $example->ask($Tls, request_of($token, '/orders/1', $headers),
                         'tls');
}


sub status_of {
    my ($example) = @_;

    return JSON::PP->new->utf8->decode($example->ask($Operator,
        "GET /status HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n"
        . "Connection: close\r\n\r\n")->{body})->{zones}{tokens};
}


# the answer of the backend, with the identity or without

sub served {
    my ($response, $id, $name) = @_;

    is($response->{status}, 200, "$name - served");
    like($response->{body}, qr{^GET /orders/1 }, "$name - by the backend");
    like($response->{body}, qr/^Authorization: $/m, "$name - without the token");
    like($response->{body}, qr/^X-MPT-Token-Id: \Q$id\E$/m, "$name - token");
    like($response->{body}, $id ? qr/^X-MPT-Account-Id: ACC-8765-4321$/m
                                : qr/^X-MPT-Account-Id: $/m,
         "$name - account");
    unlike($response->{head}, qr/^(?:WWW-Authenticate|Retry-After):/mi,
           "$name - nothing of a refusal");
}


# tokens without the module, and which of them are refused, each time they come

sub refused {
    my ($example) = @_;

    my $sock = $example->client($Tls);
    my @refused;

    for my $id (@Ids) {
        my @statuses = map {
            print {$sock} request_of(token($id), '/orders/1');
            read_response($sock)->{status};
        } 1 .. 3;

        is("@statuses", "$statuses[0] " x 2 . $statuses[0],
           "$id - always the same");
        push @refused, $id if $statuses[0] == 403;
    }

    return @refused;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: dry run for all, and what there is to look at
--- config
--- api
token TKN-0000-0001 {"modules":[]}
token TKN-0000-0002 {"account":{"id":"ACC-0000-0002","type":"Client"}}
--- perl
my $example = start();

served(ask($example, token('TKN-1234-5678')), 'TKN-1234-5678', 'good');
served(ask($example, token('TKN-0000-0001')), '', 'no module');
served(ask($example, token('TKN-0000-0002')), '', 'another type');
served(ask($example), '', 'no token');
served(ask($example, 'idt:TKN-1234-5678:MADEUPwrong'), '', 'bogus');
served(ask($example, 'a b'), '', 'malformed');
served($example->ask($Plain, request_of(token('TKN-1234-5678'), '/orders/1')),
       '', 'in the clear');

# the log, by the command of the example

my ($command) = $example->read('nginx.conf', 'conf')
                =~ /^#( +grep .*\n# +sort.*\n)/m;

$command =~ s/^# +//mg;
my $dir = $example->dir;
my @lines = map { s/^ *\d+ //r } split /\n/, `cd $dir/logs && $command`;

is_deeply([ sort @lines ], [
    'dry run: account_type, id: "TKN-0000-0002", account: "ACC-0000-0002"',
    'dry run: insecure, id: "TKN-1234-5678", account: "-"',
    'dry run: malformed, id: "-", account: "-"',
    'dry run: module, id: "TKN-0000-0001", account: "ACC-8765-4321"',
    'dry run: no_token, id: "-", account: "-"',
    'dry run: unknown, id: "TKN-1234-5678", account: "-"'
], 'who would be refused');

is($example->log =~ /API token/ ? 1 : 0, 0, 'and nowhere else');

$example->logged(qr/ 200 result=module_dry_run dry_run=on claimed=TKN-0000-0001 token=TKN-0000-0001 account=ACC-8765-4321 /,
     'a line of who would be refused');
$example->logged(qr/ 200 result=pass dry_run=on claimed=TKN-1234-5678 token=TKN-1234-5678 account=ACC-8765-4321 /,
     'a line of who passes');
$example->logged(qr/ 200 result=unknown_dry_run dry_run=on claimed=TKN-1234-5678 token=- account=- /,
     'a line of a claim');

# the figures

my $zone = status_of($example);

is(moved($zone->{requests_dry_run}), 'account_type:1 insecure:1 malformed:1 module:1 '
   . 'no_token:1 pass:1 unknown:1', 'counted');
is(moved($zone->{requests}), '', 'and apart');

my ($series) = $example->read('nginx.conf', 'conf')
               =~ /^# +(nginx_auth_api_token_\w+\{\S+\}) 4$/m;
my $text = $example->ask($Operator,
    "GET /status HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n"
    . "Connection: close\r\n\r\n")->{body};

like($text, qr/^\Q$series\E 1$/m, 'the series of the example');
$example->stop;
--- calls: 4



=== TEST 2: what has guarded the API so far still does
--- config
--- perl
my $example = start(change => [['allow 127.0.0.0/8;',
                                'allow 192.0.2.0/24;']]);

is(ask($example, token('TKN-1234-5678'))->{status}, 403, 'denied');
$example->stop;
--- calls: 0



=== TEST 3: one in ten, the same ones, then some more, then all, and back
--- config
--- api eval: $::Tokens
--- perl
my $example = start();

is(scalar refused($example), 0, 'none so far');
is(moved(status_of($example)->{requests_dry_run}), 'module:120', 'counted');

$example->reload($Ten);

my @ten = refused($example);

cmp_ok(scalar @ten, '>', 0, 'some');
cmp_ok(scalar @ten, '<', 12, 'a few');

my $zone = status_of($example);

is(moved($zone->{requests}), 'module:' . 3 * @ten, 'who are counted');
is(moved($zone->{requests_dry_run}), 'module:' . (240 - 3 * @ten), 'as are the others');

my $response = ask($example, token($ten[0]));

is($response->{headers}{'www-authenticate'}, 'Bearer realm="orders", '
   . 'error="insufficient_scope", error_description="The token lacks a required module"'
   . ', scope="MOD-0478"', 'they are told');
$example->logged(
    qr/ 403 result=module dry_run=off claimed=$ten[0] token=$ten[0] /,
    'and logged');
served(ask($example, token('TKN-1234-5678')), 'TKN-1234-5678', 'good');

# without a token it is the address

my $statuses = join ' ', map { ask($example)->{status} } 1 .. 3;
like($statuses, qr/^(?:200 200 200|401 401 401)$/, 'no token');

$example->reload([' 10% off;', ' 25% off;']);

my %more = map { $_ => 1 } refused($example);

cmp_ok(scalar keys %more, '>', scalar @ten, 'more of them');
is(join(' ', grep { !$more{$_} } @ten), '', 'and the first ones, too');

$example->reload($All);
is(scalar refused($example), 40, 'all');
is(ask($example)->{status}, 401, 'no token');
served(ask($example, token('TKN-1234-5678')), 'TKN-1234-5678', 'good');

# when it has held

my $text = $example->read('nginx.conf', 'conf');
my @blocks = $text =~ /^(    (?:map|split_clients) .*?^    \}\n)/msg;

is(scalar @blocks, 2, 'a map and split_clients');
$example->reload(map { [$_, ''] } @blocks, ' dry_run=$dry_run',
                                  'auth_api_token_dry_run $dry_run;');
is(ask($example, token($Ids[0]))->{status}, 403, 'without all of that');

$example->reload(['auth_api_token_account_type',
                  'auth_api_token_dry_run on; auth_api_token_account_type']);
served(ask($example, token($Ids[0])), '', 'and back');
$example->stop;
--- calls: 41



=== TEST 4: an API that does not answer holds nobody up for long
--- config
--- api
fault any {"delay":60000}
--- perl
my $example = start();
my $start = Time::HiRes::time();

served(ask($example, token('TKN-1234-5678')), '', 'no answer');
cmp_ok(Time::HiRes::time() - $start, '<', 9, 'in time');

like($example->read('refused.log'), qr/dry run: unavailable, id: "TKN-1234-5678"/,
     'logged');
$example->stop;
