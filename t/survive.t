use lib 't/lib';
use AuthApiToken;
use Files;
use Load;
use Store qw(zone);

BEGIN { $ENV{TEST_NGINX_LOG_LEVEL} = 'notice' }

use Test::Nginx::Socket 'no_plan';

# what the store survives: reloads, and changes of the configuration

# there are too many requests to log

log_level('notice');
master_on();
workers(2);
worker_connections(1024);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=2s;
    auth_api_token_cache tokens valid=1h denied=1h;

    location /t {
        auth_api_token "r";
        add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
        add_header X-Id $auth_api_token_id always;
        try_files /dev/null =204;
    }

    location /status { auth_api_token_status json; }
END


no_long_string();
run_tests();

__DATA__

=== TEST 1: fifty reloads under load
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(ask('/t', token('TKN-1234-5678'))->{status}, 204, 'looked up');
is(ask('/t', "idt:TKN-1234-5678:MADEUPwrong$_")->{status}, 401, 'looked up')
    for 0 .. 19;

my @children = map { load(\&ask, '/t', 'TKN-1234-5678') } 1 .. 3;

for (1 .. 50) {
    reload_workers(2) or last;
}

my ($right, $none, $wrong) = stop(@children);

cmp_ok($right, '>', 100, 'load');
is($none, 0, 'no request failed');
is($wrong, '', 'no wrong answer');
is(zone()->{zone_records}{facts}, 1, 'facts are still there');
is(zone()->{zone_resets}, 0, 'no reset');
check_zone();
--- calls: 21
--- no_error_log
starts empty
exited on signal



=== TEST 2: a zone of another size or with other lookups starts empty
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';
my $n = 0;

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'miss');
is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT', 'hit');

for my $change (['tokens:1m', 'tokens:2m', 'MISS'],
                ['tokens:2m', 'tokens:2m lookups=32', 'MISS'],
                ['lookups=32', 'lookups=32 denied=20%', 'HIT'],
                ['lookups=32', 'lookups=32 queue=20', 'HIT'])
{
    open my $in, '<', $file or die;
    my $text = join '', <$in>;
    close $in;

    $text =~ s/$change->[0]/$change->[1]/ or die;

    open my $out, '>', $file or die;
    print {$out} $text;
    close $out;

    reload_workers(2);

    my $notices = () = nginx_log() =~ /zone "tokens" starts empty/g;

    $n++ if $change->[2] eq 'MISS';

    is($notices, $n, 'one notice');
    is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'},
       "pass $change->[2]", "$change->[1]: $change->[2]");

    reload_workers(2);
    is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT',
       'hit after another reload');
}

check_zone();
--- calls: 3



=== TEST 3: a server that moved in the configuration keeps its verdicts
--- http_config eval
$::Zone . <<'END';
# server before
END
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'miss');

open my $in, '<', $file or die;
my $text = join '', <$in>;
close $in;

my $api = $ENV{TEST_NGINX_API_PORT};

$text =~ s!# server before!server {
    listen 127.0.0.1:$ENV{TEST_NGINX_PORT_1};
    auth_api_token_cache tokens;
    auth_api_token_https off;
    location = /_token_api { internal; proxy_pass http://127.0.0.1:$api/no; }
    location /t {
        auth_api_token "r"; auth_api_token_request /_token_api;
        try_files /dev/null =204;
    }
}! or die;

open my $out, '>', $file or die;
print {$out} $text;
close $out;

reload_workers(2);

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT', 'hit');

my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                        . token('TKN-1234-5678') . "\r\n\r\n",
                        $ENV{TEST_NGINX_PORT_1});

is($response->{status}, 401, 'and the new one has its own');



=== TEST 4: a reload changes the share of denials
--- http_config
    auth_api_token_zone zone=tokens:64k denied=10%;
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

ask('/t', "idt:TKN-1234-5678:MADEUP$_") for 1 .. 60;

my $before = zone()->{zone_records}{denials};

cmp_ok($before, '<', 30, 'a tenth');

open my $in, '<', $file or die;
my $text = join '', <$in>;
close $in;

$text =~ s/denied=10%/denied=50%/ or die;

open my $out, '>', $file or die;
print {$out} $text;
close $out;

reload_workers(2);

ask('/t', "idt:TKN-1234-5678:MADEUP$_") for 61 .. 120;

cmp_ok(zone()->{zone_records}{denials}, '>', $before + 30, 'more than that');
check_zone();



=== TEST 5: what a token may act through, and since when that is known
--- http_config eval: $::Zone
--- config
    auth_api_token_cache tokens valid=1h;
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status [$auth_api_token_extensions]" always;
    add_header X-Age $auth_api_token_age always;

    location /any { auth_api_token "r"; try_files /n =204; }
    location /one { auth_api_token "r"; auth_api_token_extension EXT-1234-5678; try_files /n =204; }
--- perl
my @forms = (['', '*', 'pass'], [',"extensions":null', '*', 'pass'],
             [',"extensions":[]', '', 'extension'],
             [',"extensions":[{"id":"EXT-1234-5678"}]', 'EXT-1234-5678', 'pass'],
             [',"$meta":{"omitted":["extensions"]}', '', 'extension']);

for my $reloads (0, 1) {
    is(reload_workers(2), 1, 'reloaded') if $reloads;

    for my $n (0 .. $#forms) {
        my ($members, $variable, $one) = @{$forms[$n]};
        my $cache = $reloads ? 'HIT' : 'MISS';
        my $id = "TKN-0000-000$n";

        api('PUT', "faults/$id",
            { headers => { Age => 100 },
              body => "{\"id\":\"$id\",\"status\":\"Active\"$members}" });

        my $any = ask('/any', token($id));

        is($any->{headers}{'x-all'}, "pass $cache [$variable]",
           "'$members' - any");
        cmp_ok($any->{headers}{'x-age'}, '>=', 100, "'$members' - age");

        is(ask('/one', token($id))->{headers}{'x-all'},
           "$one HIT [" . ($one eq 'pass' ? $variable : '') . ']',
           "'$members' - one");
    }
}
--- calls: 5



=== TEST 6: one of several zones changes, and the others do not
--- http_config
    limit_req_zone $binary_remote_addr zone=requests:1m rate=100r/s;
    auth_api_token_zone zone=first:1m;
    auth_api_token_zone zone=second:1m;
    auth_api_token_zone zone=third:1m;
--- config
    auth_api_token_request /_token_api timeout=2s;
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;

    location /first {
        auth_api_token "r";
        auth_api_token_cache first valid=1h;
        try_files /dev/null =204;
    }

    location /second {
        auth_api_token "r";
        auth_api_token_cache second valid=1h;
        try_files /dev/null =204;
    }

    location /third {
        auth_api_token "r";
        auth_api_token_cache third valid=1h;
        try_files /dev/null =204;
    }
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

sub all { return join ' ', map { ask($_, token('TKN-1234-5678'))->{headers}{'x-all'} }
                           qw(/first /second /third) }

is(all(), 'pass MISS pass MISS pass MISS', 'looked up');

for my $case ([ 'zone=second:1m', 'zone=second:2m', 'pass HIT pass MISS pass HIT' ],
              [ 'zone=third:1m', 'zone=third:2m', 'pass HIT pass HIT pass MISS' ],
              [ 'zone=first:1m', 'zone=first:2m', 'pass MISS pass HIT pass HIT' ])
{
    my $text = slurp($file);

    $text =~ s/$case->[0]/$case->[1]/ or die;

    spew($file, $text);

    reload_workers(2);

    is(all(), $case->[2], $case->[1]);
    is(all(), 'pass HIT pass HIT pass HIT', 'and kept');
}
--- calls: 6



=== TEST 7: the http block goes, and comes back
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';
my $text = slurp($file);

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'before');

for my $case ([ 'gone', $text =~ s/^http \{.*?^\}//msr ], [ 'back', $text ]) {
    spew($file, $case->[1]);

    is(reload_workers(2), 1, $case->[0]);
}

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS', 'after');
is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT', 'and kept');
check_zone();
--- calls: 2



=== TEST 8: each worker counts for itself, and what it counted stays
--- http_config eval: $::Zone
--- config eval
$::Config . <<"END"
    listen 127.0.0.1:$ENV{TEST_NGINX_PORT_1} reuseport;

    location /pid {
        auth_api_token "r";
        add_header X-Pid \$pid;
        try_files /dev/null =204;
    }
END
--- perl
my ($n, %seen) = (0);

# the kernel chooses the worker, by the port of the client

sub both {
    my %pids;

    for (1 .. 1000) {
        my $response = exchange(request_of(token('TKN-1234-5678'), '/pid',
                                           "Connection: close\r\n"),
                                $ENV{TEST_NGINX_PORT_1});

        die "answer $response->{status}" if $response->{status} != 204;
        $n++;
        $pids{$response->{headers}{'x-pid'}} = 1;

        last if keys %pids == 2;
    }

    my $new = grep { !$seen{$_}++ } keys %pids;
    my $zone = zone();

    return "$new new, " . join ' ', map { $_ - $n } $zone->{requests}{pass},
           $zone->{cache_requests}{hit} + $zone->{cache_requests}{miss};
}

is(both(), '2 new, 0 0', 'two workers');

reload_workers(2);
is(both(), '2 new, 0 0', 'two others');

for my $i (1 .. 2) {
    my ($pid) = grep { $seen{$_} } worker_pids();

    kill KILL => $pid;

    until_true('another worker', sub {
        my @pids = worker_pids();
        return @pids == 2 && !grep { $_ == $pid } @pids;
    });

    is(both(), '1 new, 0 0', "killed, $i");
}

is(zone()->{zone_resets}, 0, 'no reset');
like(check_zone(), qr/ counted by 2 workers$/m, 'each for itself');
--- calls: 1
