use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(sleep time);

# A token in steady use, at the edge of "valid".  TEST_NGINX_EDGE is how many
# seconds it lasts; the name of the token at the API shows how old facts are.

log_level('notice');
master_on();
workers(2);

our $Seconds = $ENV{TEST_NGINX_EDGE} || 6;

no_long_string();
run_tests();

__DATA__

=== TEST 1: five hundred requests a second
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens valid=2s;
    keepalive_requests 100000;

    location /t {
        auth_api_token "r";
        add_header X-Name "$auth_api_token_name" always;
        add_header X-Cache "$auth_api_token_cache_status" always;
        try_files /dev/null =204;
    }
--- api
token TKN-1234-5678 {"name":"0"}
fault TKN-1234-5678 {"delay":100}
--- perl
my $ask = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
          . token('TKN-1234-5678') . "\r\n\r\n";

is(exchange($ask)->{status}, 204, 'passes');

my @socks = map { client() } 1 .. 4;
my $start = time;
my ($n, $name, $changed, $refused, $oldest) = (0, 0, $start, 0, 0);
my (@superseded, @took, %cache);

while ((my $now = time) < $start + $::Seconds) {

    if ($now - $changed > 0.1) {
        api('PUT', 'tokens/TKN-1234-5678', { name => "" . ($name + 1) });

        $changed = time;
        $superseded[$name++] = $changed;
        next;
    }

    if ($n > ($now - $start) * 500) {
        sleep 0.001;
        next;
    }

    my $sock = $socks[$n++ % @socks];

    my $sent = time;
    print {$sock} $ask;
    my $response = read_response($sock);

    push @took, time - $sent;
    $refused++ if $response->{status} != 204;
    $cache{$response->{headers}{'x-cache'}}++;

    my $since = $superseded[$response->{headers}{'x-name'}];
    $oldest = $sent - $since if $since && $sent - $since > $oldest;
}

@took = sort { $a <=> $b } @took;

Test::More::note(sprintf('%d requests, %d calls, oldest facts %.2f s, '
                         . 'median %.2f ms, 99 of 100 in %.2f ms, slowest '
                         . '%.2f ms', scalar @took, figures()->{calls}, $oldest,
                         map { $_ * 1000 } $took[@took / 2],
                         $took[@took * 0.99], $took[-1]));

cmp_ok(scalar @took, '>', $::Seconds * 100, 'load');
is($refused, 0, 'all pass');
is(join(' ', keys %cache), 'HIT', 'nobody waits for the API');
cmp_ok(figures()->{calls}, '<=', $::Seconds + 1, 'at most a call a second');
cmp_ok(figures()->{calls}, '>', $::Seconds / 2, 'enough of them');
cmp_ok($oldest, '<', 2, 'no older than "valid"');
cmp_ok($oldest, '>', 1, 'it was close');



=== TEST 2: the API is down
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config
    auth_api_token_cache tokens;
    keepalive_requests 100000;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
--- api
fault any {"reset":"before"}
--- perl
my $ask = "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
          . token('TKN-1234-5678') . "\r\n\r\n";

my $sock = client();
my $start = time;
my (%status, @took);

while ((my $now = time) < $start + $::Seconds) {

    print {$sock} $ask;
    $status{read_response($sock)->{status}}++;

    push @took, time - $now;
    sleep 0.002;
}

@took = sort { $a <=> $b } @took;

my $calls = figures()->{calls};

Test::More::note(sprintf('%d requests, %d calls, median %.2f ms, 99 of 100 in '
                         . '%.2f ms, slowest %.2f ms', scalar @took, $calls,
                         map { $_ * 1000 } $took[@took / 2],
                         $took[@took * 0.99], $took[-1]));

is(join(' ', keys %status), 503, 'nobody passes');

# five, and a probe after 1, 2, 4 ... 30 seconds

my ($most, $t) = (6, 0);

for (my $delay = 1; ($t += $delay) < $::Seconds; $delay *= 2) {
    $delay = 30 if $delay > 30;
    $most++;
}

cmp_ok($calls, '<=', $most, 'few calls');
cmp_ok($calls, '>=', 6, 'and some');
