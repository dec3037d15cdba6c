use lib 't/lib';
use AuthApiToken;
use Store qw(zone);
use Test::Nginx::Socket 'no_plan';

# Unknown tokens do not evict known ones.  TEST_NGINX_FLOOD is how many unknown
# tokens come.

log_level('notice');

our $Flood = $ENV{TEST_NGINX_FLOOD} || 2000;

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_cache tokens valid=1h denied=1h;
    keepalive_requests 1000000;

    location /t {
        auth_api_token "r";
        add_header X-Cache "$auth_api_token_cache_status" always;
        try_files /dev/null =204;
    }

    location /status { auth_api_token_status json; }
END


# one connection, and a count of what comes back

sub ask_all {
    my (@tokens) = @_;

    my $sock = client();
    my %seen;

    for my $token (@tokens) {
        print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\n"
                      . "Authorization: Bearer $token\r\n\r\n";

        my $response = read_response($sock);

        $seen{"$response->{status} $response->{headers}{'x-cache'}"}++;
    }

    return \%seen;
}


sub ids {
    my ($n) = @_;

    return map { sprintf 'TKN-%04d-%04d', $_ / 10000, $_ % 10000 } 1 .. $n;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a flood evicts nothing that is good
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my @ids = ids(100);
api('PUT', "tokens/$_") for @ids;

is_deeply(ask_all(map { token($_) } @ids), { '204 MISS' => 100 }, 'known');

my $seen = ask_all(map { "idt:TKN-9999-9999:MADEUP$_" } 1 .. $::Flood);

is_deeply($seen, { '401 MISS' => $::Flood }, 'the flood');

my $status = zone();

is($status->{evictions}{facts}, 0, 'no facts evicted');
cmp_ok($status->{evictions}{denials}, '>', 0, 'denials evicted');
cmp_ok($status->{zone_used_bytes}{denials}, '<=', $status->{zone_size_bytes} / 10,
       'within their share');

my $calls = figures()->{calls};

is_deeply(ask_all(map { token($_) } @ids), { '204 HIT' => 100 }, 'still known');
is(figures()->{calls}, $calls, 'without asking');



=== TEST 2: one bogus token costs one lookup, in a full zone too
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is_deeply(ask_all(('idt:TKN-9999-9999:MADEUP') x 1000),
          { '401 MISS' => 1, '401 HIT' => 999 }, 'a thousand times');

# facts fill the zone

my @ids = ids(4200);
my %large = (name => 'n' x 200);

api('PUT', "tokens/$_", \%large) for @ids[0 .. 2099];

ask_all(map { token($_) } @ids[0 .. 2099]);

cmp_ok(zone()->{evictions}{facts}, '>', 0, 'full');

my $evicted = zone()->{evictions}{facts};

is_deeply(ask_all(('idt:TKN-9999-9999:MADEUPother') x 1000),
          { '401 MISS' => 1, '401 HIT' => 999 }, 'a thousand times');
is(zone()->{evictions}{facts}, $evicted, 'and no facts had to go');



=== TEST 3: four thousand tokens in a megabyte
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my %token = (
    name => 'a name of 20 letters',
    account => { id => 'ACC-8765-4321', type => 'Vendor', status => 'Active',
                 name => 'accounts have 20, too' },
    modules => [ { id => 'MOD-0478', code => 'new-marketplace' },
                 { id => 'MOD-1756', code => 'access-management' },
                 { id => 'MOD-9042', code => 'account-management' } ]);

$token{account}{name} = substr $token{account}{name}, 0, 20;

my @ids = ids(4000);
api('PUT', "tokens/$_", \%token) for @ids;

ask_all(map { token($_) } @ids);

my $status = zone();

Test::More::note("$status->{zone_records}{facts} tokens in $status->{zone_used_bytes}{facts} "
                 . "of $status->{zone_size_bytes} bytes");

is($status->{zone_records}{facts}, 4000, 'all of them');
is($status->{evictions}{facts}, 0, 'none had to go');
is_deeply(ask_all(map { token($_) } @ids), { '204 HIT' => 4000 }, 'all are hits');
