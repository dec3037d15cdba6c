use lib 't/lib';
use AuthApiToken;
use Purge;
use Store qw(summary ask zone $Good $Bad);
use Test::Nginx::Socket 'no_plan';

# forgetting verdicts: what is purged by which request, and that no lookup that
# was under way brings it back

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Disabled = { status => 'Disabled', works => 1 };


# a lookup that has facts of an active token and keeps them for a while, and a
# token that is disabled meanwhile

sub start_lookup {
    api('PUT', 'faults/any', { delay => 1000 });

    my $sock = client();

    print {$sock} request_of($::Good);

    until_true('asked', sub { figures()->{calls} == 1 });

    api('DELETE', 'faults/any');
    api('PUT', 'tokens/TKN-1234-5678', $::Disabled);

    return $sock;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: by token
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my $other = token('TKN-1234-5679');

ask($_) for $Good, $other;
purged($::ById, 1);
is(ask($Good), '204 pass MISS', 'asked again');
is(ask($other), '204 pass HIT', 'another id');
purged($::ById, 1);
purged($::ById, 0);
purged('{"token":"TKN-1234-567"}', 0);
is(ask($other), '204 pass HIT', 'another id');

my $zone = zone();

is("@$zone{qw(purge_requests purged_records)}", '4 2', 'figures');
is($zone->{zone_records}{facts}, 1, 'entries');
--- error_log eval
qr!\[notice\] .*API tokens purged: 1, zone: "tokens", id: "TKN-1234-5678", account: ""!
--- calls: 3



=== TEST 2: by account
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @tokens;

for my $i (1 .. 120) {
    my $id = sprintf 'TKN-0000-%04d', $i;
    my $account = $i % 3 ? 'ACC-8765-4321' : 'ACC-0000-0001';

    api('PUT', "tokens/$id", { account => { id => $account },
                               $i <= 6 ? %$Disabled : () });
    push @tokens, token($id);
}

ask($_) for @tokens;
purged('{"account":"ACC-0000-0001"}', 40);
my $wrong = 0;

for my $i (1 .. 120) {
    my $want = ($i <= 6 ? '401 disabled' : '204 pass')
               . ($i % 3 ? ' HIT' : ' MISS');

    $wrong++ if ask($tokens[$i - 1]) ne $want;
}

is($wrong, 0, 'facts and denials of the account, and no others');
purged('{"account":"ACC-9999-9999"}', 0);
purged('{"account":"ACC-8765-4321"}', 80);
purged('{"account":"ACC-0000-0001"}', 40);

my $zone = zone();

is("$zone->{zone_records}{facts} $zone->{zone_records}{denials}", '0 0', 'entries');
--- error_log
API tokens purged: 40, zone: "tokens", id: "", account: "ACC-0000-0001"
--- calls: 160



=== TEST 3: all
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my $other = token('TKN-1234-5679');

purged('{"all":true}', 0);
ask($_) for $Good, $other, $Bad;
purged('{"all":true}', 3);
is(ask($Good), '204 pass MISS', 'a token');
is(ask($other), '204 pass MISS', 'another token');
is(ask($Bad), '401 unknown MISS', 'a denial');
is(ask($Good), '204 pass HIT', 'the zone works as before');
--- error_log eval
qr!API tokens purged: 3, zone: "tokens", id: "", account: "", all!
--- calls: 6



=== TEST 4: by an event of the platform
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679 {"account":{"id":"ACC-0000-0001"}}
--- perl
my $other = token('TKN-1234-5679');
my $event = '{"id":"MSG-1234-5678","object":{"id":"%s","name":"CRM robot",'
            . '"objectType":"ApiToken"},"details":{"eventType":'
            . '"platform.accounts.api-token.status_changed","enqueueTime":'
            . '"2026-03-15T10:00:00.000Z","n":1e3}}';

ask($_) for $Good, $other;
purged('{"object":{"id":"TKN-1234-5678"}}', 1);
is(ask($Good), '204 pass MISS', 'without other members');
purged(sprintf($event, 'TKN-1234-5678'), 1);
is(ask($Good), '204 pass MISS', 'with other members');
purged(sprintf($event, 'ORD-1234-5678'), 0);
purged(sprintf($event, 'ACC-9999-9999'), 0);
is(ask($Good), '204 pass HIT', 'objects of other kinds');
purged(sprintf($event, 'ACC-0000-0001'), 1);
is(ask($other), '204 pass MISS', 'an account');
is(ask($Good), '204 pass HIT', 'another account');
--- calls: 5



=== TEST 5: by URI
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
sub del {
    my ($path) = @_;

    return "DELETE $path HTTP/1.1\r\nHost: a\r\n\r\n";
}

my $other = token('TKN-1234-5679');

for my $path ('/purge/TKN-1234-5678', '/purge/a/b/TKN-1234-5678',
              '/purge/TKN-1234-5678?id=TKN-1234-5679',
              '/purge/TKN%2D1234-5678')
{
    ask($_) for $Good, $other;
    answers(del($path), 1, $path);
    is(ask($Good), '204 pass MISS', "$path - asked again");
    is(ask($other), '204 pass HIT', "$path - another id");
}

answers(del('/purge/TKN-0000-0000'), 0, 'an id of nothing');
answers(post('{"all":true}', '/purge/TKN-0000-0000', 'DELETE'), 0,
        'a body counts for nothing');
is(ask($Good), '204 pass HIT', 'still there');
answers(del('/purge/ACC-8765-0000'), 0, 'an account of nobody');
is(ask($Good), '204 pass HIT', 'still there');
answers(del('/purge/ACC-8765-4321'), 2, 'an account');
is(ask($Good), '204 pass MISS', 'gone');
--- calls: 7



=== TEST 6: wrong secrets are verdicts of the id they claim
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
--- perl
my @bad = map { "$Bad$_" } 1 .. 100;
my $other = token('TKN-1234-5679');

ask($_) for @bad, $Good, $other, 'idt:TKN-1234-5679:MADEUPwrong';
is(figures()->{calls}, 103, 'asked');

# whose account an unknown token has nobody knows
purged('{"account":"ACC-0000-0001"}', 0);
purged($ById, 101);

is(ask($_), '401 unknown MISS', 'a wrong secret') for @bad[0, 50, 99];
is(ask($Good), '204 pass MISS', 'the token');
is(ask($other), '204 pass HIT', 'another id');
is(ask('idt:TKN-1234-5679:MADEUPwrong'), '401 unknown HIT',
   'a wrong secret of another id');
is(zone()->{zone_records}{denials}, 4, 'denials');
--- calls: 107



=== TEST 7: verdicts of several APIs and ways to ask
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /one {
        auth_api_token "r";
        auth_api_token_request /_token_api api=one;
        try_files /dev/null =204;
    }

    location /two {
        auth_api_token "r";
        auth_api_token_request /_token_api api=two;
        try_files /dev/null =204;
    }

    location /again {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        auth_api_token_request /_token_api api=two;
        try_files /dev/null =204;
    }

    location /three {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- perl
my @uris = qw(/one /two /three);

is(ask($Good, $_), '204 pass MISS', $_) for @uris;
is(ask($Bad, '/one'), '401 unknown MISS', 'a denial');
is(ask($Good, '/again'), '403 module HIT', 'a decision is no verdict');
purged($ById, 4);
is(ask($Good, $_), '204 pass MISS', $_) for @uris;
is(ask($Good, '/again'), '403 module HIT', 'decided as before');
purged('{"account":"ACC-8765-4321"}', 3);
is(ask($Good, '/again'), '403 module MISS', 'decided as before');
--- calls: 8



=== TEST 8: opaque tokens, by the id that the API gave
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r" format=opaque;
        try_files /dev/null =204;
    }

    location /idt {
        auth_api_token "r";
        auth_api_token_request /_by_id;
        try_files /dev/null =204;
    }

    location = /_by_id {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }

    location /purge { auth_api_token_purge tokens; }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- api
token TKN-0000-0001 {"account":{"id":"ACC-0000-0001","type":"Operations"}}
--- perl
# the first is that of Operations, who may read the token of another id

my $operations = token('TKN-0000-0001');

is(ask($operations), '204 pass MISS', 'one opaque token');
is(ask($Good), '204 pass MISS', 'another of the same id');
is(ask('nope'), '401 unknown MISS', 'an unknown one');
is(ask($Good, '/idt'), '204 pass MISS', 'one with an id to claim');

purged('{"token":"TKN-0000-0001"}', 0);
is(ask($operations), '204 pass HIT', 'not by the id that it seems to have');
purged($ById, 3);
is(ask($operations), '204 pass MISS', 'one opaque token');
is(ask($Good), '204 pass MISS', 'another of the same id');
is(ask('nope'), '401 unknown HIT', 'an unknown one has no id');
is(ask($Good, '/idt'), '204 pass MISS', 'one with an id to claim');

purged('{"account":"ACC-8765-4321"}', 3);
purged('{"all":true}', 1);
--- calls: 7



=== TEST 9: another zone is left alone
--- http_config
    auth_api_token_zone zone=tokens:1m;
    auth_api_token_zone zone=others:1m;
--- config eval
$::Config . <<'END';
    location /others {
        auth_api_token "r";
        auth_api_token_cache others valid=10m;
        try_files /dev/null =204;
    }

    location /purge_others { auth_api_token_purge others; }
END
--- perl
my @uris = qw(/t /others);

is(ask($Good, $_), '204 pass MISS', $_) for @uris;
purged('{"all":true}', 1);
is(ask($Good, '/others'), '204 pass HIT', 'still there');
is(ask($Good, '/t'), '204 pass MISS', 'purged');
purged($ById, 1, '/purge_others');
is(ask($Good, '/others'), '204 pass MISS', 'purged');
is(ask($Good, '/t'), '204 pass HIT', 'still there');
--- error_log
API tokens purged: 1, zone: "others"
--- calls: 4



=== TEST 10: a lookup under way, and a request that comes next
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @bodies = ($ById, '{"account":"ACC-8765-4321"}', '{"all":true}',
              '{"object":{"id":"TKN-1234-5678"}}');

for my $body (@bodies) {
    api('POST', 'reset');
    api('PUT', 'tokens/TKN-1234-5678');
    exchange(post('{"all":true}'));

    my $sock = start_lookup();

    purged($body, 0);
    is(ask($Good), '401 disabled MISS', 'who comes next asks again');
    is(ask($Good), '401 disabled HIT', 'and those after');
    is(summary(read_response($sock)), '401 disabled WAIT', 'who had asked');
    is(ask($Good), '401 disabled HIT', 'nothing was brought back');
    is(figures()->{answers}, 2, 'both lookups have ended');

    my $zone = zone();

    is("$zone->{zone_records}{facts} $zone->{zone_records}{denials}"
       . " $zone->{lookups_in_flight}", '0 1 0', 'the zone');
}
--- calls: 2



=== TEST 11: a lookup under way, and nobody comes
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location = /stub_status { stub_status; }
END
--- perl
my $sock = start_lookup();
my @others = map { my $s = client(); print {$s} request_of($Good); $s } 1 .. 3;

until_true('all wait', sub {
    exchange("GET /stub_status HTTP/1.1\r\nHost: a\r\n\r\n")->{body}
        =~ /Writing: 5 /;
});

purged($ById, 0);

my @results = map { summary(read_response($_)) } $sock, @others;

is(join(',', sort @results),
   '401 disabled MISS' . ',401 disabled WAIT' x 3, 'who had asked ask again');
is(ask($Good), '401 disabled HIT', 'nothing was brought back');
is(zone()->{zone_records}{facts}, 0, 'no facts');
--- calls: 2



=== TEST 12: a lookup under way, and the client that asked is gone
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
close(start_lookup());
purged($ById, 0);

until_true('answered', sub { !zone()->{lookups_in_flight} });

my $zone = zone();

is("$zone->{zone_records}{facts} $zone->{zone_records}{denials}", '0 0', 'not kept');
is(ask($Good), '401 disabled MISS', 'asked again');
--- calls: 2



=== TEST 13: a refresh under way
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=2s denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge   { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status json; }
--- perl
ask($Good);
api('PUT', 'faults/any', { delay => 1000 });

until_true('a refresh is under way', sub {
    ask($Good);
    my $zone = zone();
    $zone->{refreshes} && $zone->{lookups_in_flight};
});

api('DELETE', 'faults/any');
api('PUT', 'tokens/TKN-1234-5678', $Disabled);
exchange(post($ById));

is(ask($Good), '401 disabled MISS', 'who comes next asks again');
until_true('the refresh has ended', sub { !zone()->{lookups_in_flight} });
is(ask($Good), '401 disabled HIT', 'nothing was brought back');
is(zone()->{zone_records}{facts}, 0, 'no facts');



=== TEST 14: a lookup of another id goes on
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $sock = start_lookup();

purged('{"token":"TKN-1234-5679"}', 0);
is(summary(read_response($sock)), '204 pass MISS', 'passes');
is(ask($Good), '204 pass HIT', 'and is kept');
--- calls: 1



=== TEST 15: an opaque token that is looked up, whose id nobody knows yet
--- http_config eval: $::Zone
--- config eval: $::Config =~ s/"r";/"r" format=opaque;/r
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- perl
my $sock = start_lookup();

purged($ById, 0);
is(ask($Good), '401 disabled MISS', 'who comes next asks again');
is(summary(read_response($sock)), '401 disabled WAIT', 'who had asked');
is(zone()->{zone_records}{facts}, 0, 'no facts');
--- calls: 2



=== TEST 16: purged facts do not serve as stale ones
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=1s stale=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- perl
ask($Good);
api('PUT', 'faults/any', { status => 500 });

until_true('stale', sub { ask($Good) eq '204 pass STALE' });

purged($ById, 1);
like(ask($Good), qr/^503 (?:unavailable|busy) MISS$/, 'nothing is left');
