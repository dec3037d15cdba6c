use lib 't/lib';
use AuthApiToken;
use File::Temp ();
use Test::Nginx::Socket 'no_plan';

# the figures: their formats, and what makes each of them move

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Status = <<'END';
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    add_header X-Age $auth_api_token_age always;

    location = /status     { auth_api_token_status; }
    location = /json       { auth_api_token_status json; }
    location = /prometheus { auth_api_token_status prometheus; }
    location /purge        { auth_api_token_purge tokens; }
END

our $Config = $Status . <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END

our $Good = token('TKN-1234-5678');
our $Bad = 'idt:TKN-1234-5678:MADEUPwrong';

our $Prometheus = 'text/plain; version=0.0.4; charset=utf-8';
our @Reasons = qw(pass no_token malformed unsupported insecure unknown disabled
                  deleted inactive mismatch account_disabled unreadable account
                  account_type module require unavailable busy limited);
our @Outcomes = qw(active unknown disabled deleted inactive mismatch
                   account_disabled unreadable unavailable);
our @Bounds = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, '+Inf');


sub request_of {
    my ($token, $uri) = @_;

    return 'GET ' . ($uri || '/t') . " HTTP/1.1\r\nHost: a\r\n"
           . (defined $token ? "Authorization: Bearer $token\r\n" : '')
           . "\r\n";
}


sub summary {
    my ($response) = @_;

    return join ' ', $response->{status},
                map { $response->{headers}{$_} || '-' } qw(x-result x-cache);
}


sub ask {
    return summary(exchange(request_of(@_)));
}


# a request that waits for its answer

sub start {
    my $sock = client();

    print {$sock} request_of(@_);

    return $sock;
}


sub get {
    my ($uri, $headers, $method) = @_;

    return exchange(($method || 'GET') . " $uri HTTP/1.1\r\nHost: a\r\n"
                    . ($headers || '') . "\r\n");
}


sub zones {
    return JSON::PP->new->utf8->decode(get('/json')->{body})->{zones};
}


sub zone {
    my ($name) = @_;

    return zones()->{$name || 'tokens'};
}


# what is not zero, as "name:number"

sub moved {
    my ($figures) = @_;

    return join ' ', map { $figures->{$_} ? "$_:$figures->{$_}" : () }
                     sort keys %$figures;
}


# a strict reader of the text format, version 0.0.4; dies of what is wrong, and
# returns the samples

sub read_prometheus {
    my ($text) = @_;

    my (%family, %sample, %done, $now);
    my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;

    die "no newline at the end\n" if length $text && $text !~ /\n\z/;

    for my $line ($text =~ /(.*)\n/g) {

        if ($line =~ /\A# HELP ($name) (\S.*)\z/) {
            die "HELP twice: $line\n" if $family{$1}{help}++;
            die "family comes again: $line\n" if $done{$1};
            $done{$now} = 1 if defined $now;
            $now = $1;
            next;
        }

        if ($line =~ /\A# TYPE ($name) (counter|gauge|histogram)\z/) {
            my ($family, $type) = ($1, $2);

            die "TYPE without HELP: $line\n"
                unless defined $now && $family eq $now;
            die "TYPE twice: $line\n" if $family{$now}{type};
            die "a counter without _total, or no counter: $line\n"
                if ($type eq 'counter') != ($family =~ /_total\z/);
            die "a suffix of a histogram: $line\n"
                if $family =~ /_(?:count|sum|bucket)\z/;

            $family{$now}{type} = $type;
            next;
        }

        my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\n"])*"/;

        my ($series, $labels, $value) = $line =~
            /\A($name)\{($label(?:,$label)*)\} ([0-9]+(?:\.[0-9]+)?)\z/
            or die "not a sample: $line\n";

        my $type = defined $now && $family{$now}{type}
            or die "a sample without TYPE: $line\n";

        my ($suffix) = $series =~ /\A\Q$now\E(|_bucket|_sum|_count)\z/
            or die "a sample of another family: $line\n";

        die "a suffix of a histogram: $line\n"
            if ($suffix ne '') != ($type eq 'histogram');
        die "a fraction: $line\n" if $value =~ /\./ && $type eq 'counter';

        my %label = map { /\A(\w+)="(.*)"\z/s } $labels =~ /$label/g;
        my $le = delete $label{le};

        die "le in place: $line\n" if defined $le != ($suffix eq '_bucket');

        my $set = join ',', map { "$_=$label{$_}" } sort keys %label;
        my $id = "$series {$set}" . (defined $le ? " $le" : '');

        die "a series twice: $line\n" if exists $sample{$id};
        $sample{$id} = $value;

        push @{$family{$now}{sets}{$set}}, [$le, $value] if defined $le;
    }

    for my $name (sort keys %family) {
        die "no TYPE: $name\n" unless $family{$name}{type};

        my $sets = $family{$name}{sets} or next;

        for my $set (sort keys %$sets) {
            my ($before, $n) = (0, 0);

            for my $bucket (@{$sets->{$set}}) {
                my ($le, $value) = @$bucket;

                die "$name: order of buckets\n"
                    if $before eq '+Inf' || ($le ne '+Inf' && $le <= $before);
                die "$name: not cumulative\n" if $value < $n;

                ($before, $n) = ($le, $value);
            }

            die "$name: no +Inf\n" if $before ne '+Inf';
            die "$name: count\n" if $sample{"${name}_count {$set}"} != $n;
            die "$name: no sum\n" if !defined $sample{"${name}_sum {$set}"};
        }
    }

    return \%sample;
}


sub prometheus {
    my ($name) = @_;

    my $text = get('/prometheus')->{body};
    my $sample = eval { read_prometheus($text) };

    is($@, '', "$name - the format");
    promtool($text, $name);

    return $sample || {};
}


sub promtool {
    my ($text, $name) = @_;

    return if !grep { -x "$_/promtool" } split /:/, $ENV{PATH};

    my $file = File::Temp->new;

    print {$file} $text;
    $file->flush;

    is(scalar `promtool check metrics <$file 2>&1`, '', "$name - promtool");
    is($?, 0, "$name - promtool is content");
}


# the figures of both formats, as members of JSON

sub flat {
    my ($value, $path, $into) = @_;

    if (ref $value eq 'HASH') {
        flat($value->{$_}, defined $path ? "$path.$_" : $_, $into)
            for keys %$value;

    } else {
        $into->{$path} = $value;
    }

    return $into;
}


sub as_json {
    my ($sample, $zone) = @_;

    my %name = (
        'evictions_total' => '%s.evicted', 'entries' => '%s.entries',
        'bytes' => '%s.bytes', 'capacity_bytes' => 'capacity',
        'lookups_in_flight' => 'in_flight', 'lookups_limit' => 'limit',
        'decisions_total' => 'decisions.%s', 'lookups_total' => 'lookups.%s',
        'lookup_duration_seconds_count' => 'latency.count');

    my %into;

    for my $id (keys %$sample) {
        my ($series, $labels, $le) =
            $id =~ /\Aauth_api_token_(\S+) \{(.*)\}(?: (\S+))?\z/ or die $id;

        my %label = map { split /=/ } split /,/, $labels;

        next if delete $label{zone} ne $zone;

        my ($label) = values %label;

        if (defined $le) {
            $into{'latency.buckets.' . ($le eq '+Inf' ? $le : $le * 1000)}
                = $sample->{$id};

        } elsif ($series eq 'lookup_duration_seconds_sum') {
            $into{'latency.sum'} = sprintf '%.0f', $sample->{$id} * 1000;

        } elsif ($series eq 'evicted_age_seconds') {
            $into{evicted_age} = int $sample->{$id};

        } elsif ($series eq 'breaker_open') {
            $into{breaker} = $sample->{$id} ? 'open' : 'closed';

        } else {
            my $path = $name{$series} || $series =~ s/_total\z//r;
            $into{$path =~ s/%s/$label/r} = $sample->{$id};
        }
    }

    return \%into;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: JSON
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $response = get('/json');
my $status = JSON::PP->new->utf8->decode($response->{body});
my $zone = $status->{zones}{tokens};

is($response->{status}, 200, 'status');
is($response->{headers}{'content-type'}, 'application/json', 'type');
is(join(' ', sort keys %$status), 'version zones', 'members');
is(join(' ', sort keys %{$status->{zones}}), 'tokens', 'zones');
is(join(' ', sort keys %$zone),
   'breaker breaker_opened budgets capacity decisions denials evicted_age facts'
   . ' hits in_flight latency limit lookups misses purged purges refreshes'
   . ' resets stale waits', 'members of a zone');
is(join(' ', sort keys %{$zone->{decisions}}), join(' ', sort @Reasons),
   'reasons');
is(join(' ', sort keys %{$zone->{lookups}}), join(' ', sort @Outcomes),
   'outcomes');
is(join(' ', sort keys %{$zone->{latency}{buckets}}), join(' ', sort @Bounds),
   'buckets');

my $figures = flat($zone, undef, {});
my $capacity = delete $figures->{capacity};

is(moved($figures), 'breaker:closed limit:64', 'all else is zero');
cmp_ok($capacity, '>', 900_000, 'capacity');
cmp_ok($capacity, '<', 1 << 20, 'capacity');



=== TEST 2: Prometheus
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $response = get('/prometheus');

is($response->{status}, 200, 'status');
is($response->{headers}{'content-type'}, $Prometheus, 'type');

my $sample = prometheus('one zone');

is($sample->{"auth_api_token_decisions_total {reason=$_,zone=tokens}"}, 0, $_)
    for @Reasons;
is($sample->{"auth_api_token_lookups_total {outcome=$_,zone=tokens}"}, 0, $_)
    for @Outcomes;
is($sample->{'auth_api_token_lookups_limit {zone=tokens}'}, 64, 'limit');



=== TEST 3: what reads the text format is strict
--- perl
my $head = "# HELP a_total x\n# TYPE a_total counter\n";
my $histogram = "# HELP h x\n# TYPE h histogram\n";

ok(eval { read_prometheus("${head}a_total{z=\"x\"} 1\n") }, 'good');

for my $bad ("a_total{z=\"x\"} 1\n", "${head}a_total{z=\"x\"} 1",
             "${head}b_total{z=\"x\"} 1\n", "${head}a_total{z=\"x\"} x\n",
             "${head}a_total{z=x} 1\n", $head . $head,
             "# HELP a x\n# TYPE a counter\n", "# TYPE a_total counter\n",
             "# HELP a_total x\n# TYPE a_total gauge\n", "$head\n",
             "# HELP a x\n", $head . "a_total{z=\"x\"} 1\n" x 2,
             "${head}a_total{z=\"x\"} 1\n# HELP b x\n# TYPE b gauge\n$head",
             "${histogram}h_bucket{le=\"1\"} 1\nh_sum{z=\"x\"} 1\n",
             "${histogram}h_bucket{z=\"x\",le=\"1\"} 2\n"
             . "h_bucket{z=\"x\",le=\"+Inf\"} 1\n")
{
    ok(!eval { read_prometheus($bad) }, 'bad') or diag($bad);
}



=== TEST 4: by Accept
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $json = 'application/json';

my %want = (
    '' => $json, 'application/json' => $json, '*/*' => $json,
    'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' => $json,
    'text/*' => $json, 'nonsense' => $json,
    'text/plain' => $Prometheus, 'Text/Plain; version=0.0.4' => $Prometheus,
    'application/openmetrics-text;version=1.0.0;q=0.5,'
    . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.1' => $Prometheus,
    'application/openmetrics-text' => $Prometheus);

for my $accept (sort keys %want) {
    my $response = get('/status', $accept ? "Accept: $accept\r\n" : '');

    is($response->{headers}{'content-type'}, $want{$accept},
       $accept || 'no Accept');
    like($response->{body},
         $want{$accept} eq $json ? qr/\A\{.*\}\n\z/ : qr/\A# HELP /, 'body');
}

is(get('/json', "Accept: text/plain\r\n")->{headers}{'content-type'}, $json,
   'the argument wins');
is(get('/prometheus', "Accept: $json\r\n")->{headers}{'content-type'},
   $Prometheus, 'the argument wins');



=== TEST 5: methods
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
for my $uri (qw(/status /json /prometheus)) {
    my $get = get($uri);
    my $sock = client();

    print {$sock} "HEAD $uri HTTP/1.1\r\nHost: a\r\n\r\n";
    my $head = read_response($sock, 1);

    is($head->{status}, 200, "HEAD $uri");
    is("@{$head->{headers}}{qw(content-type content-length)}",
       "@{$get->{headers}}{qw(content-type content-length)}", 'header');

    print {$sock} "GET $uri HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
                  . "12345GET $uri HTTP/1.1\r\nHost: a\r\n\r\n";
    is(read_response($sock)->{body}, $get->{body}, 'GET with a body');
    is(read_response($sock)->{body}, $get->{body}, 'no body after HEAD');

    is(get($uri, "Content-Length: 0\r\n", $_)->{status}, 405, "$_ $uri")
        for qw(POST PUT DELETE);
}



=== TEST 6: no zone
--- config eval: $::Status =~ s/.*purge.*\n//r
--- perl
is_deeply(zones(), {}, 'JSON');
is_deeply(prometheus('no zone'), {}, 'Prometheus');



=== TEST 7: two zones
--- http_config
    auth_api_token_zone zone=tokens:1m;
    auth_api_token_zone zone=Other.zone_2-x:64k lookups=7;
--- config eval
$::Config . <<'END';
    location /other {
        auth_api_token "r";
        auth_api_token_cache Other.zone_2-x;
        try_files /dev/null =204;
    }

    location /none {
        auth_api_token "r";
        auth_api_token_cache off;
        try_files /dev/null =204;
    }
END
--- perl
ask($Good, '/t') for 1 .. 3;
ask($Bad, '/other');
ask($Good, '/none');

my $zones = zones();
my ($one, $two) = @$zones{qw(tokens Other.zone_2-x)};

is(join(' ', sort keys %$zones), 'Other.zone_2-x tokens', 'names');
is(moved($one->{decisions}), 'pass:3', 'decisions of one');
is(moved($two->{decisions}), 'unknown:1', 'decisions of the other');
is("@$one{qw(hits misses limit)}", '2 1 64', 'figures of one');
is("@$two{qw(hits misses limit)}", '0 1 7', 'figures of the other');
cmp_ok($two->{capacity}, '<', 65536, 'capacity');

my $sample = prometheus('two zones');

is($sample->{'auth_api_token_hits_total {zone=tokens}'}, 2, 'hits of one');
is($sample->{'auth_api_token_hits_total {zone=Other.zone_2-x}'}, 0,
   'hits of the other');
is($sample->{'auth_api_token_lookups_limit {zone=Other.zone_2-x}'}, 7,
   'limit of the other');



=== TEST 8: decisions by reason
--- http_config
    auth_api_token_zone zone=tokens:1m lookups=1;
--- config eval
$::Config . <<'END';
    auth_api_token_require $arg_ok;

    location /account {
        auth_api_token "r";
        auth_api_token_account ACC-0000-0001;
        try_files /dev/null =204;
    }

    location /account_type {
        auth_api_token "r";
        auth_api_token_account_type Client;
        try_files /dev/null =204;
    }

    location /module {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        try_files /dev/null =204;
    }

    location /insecure {
        auth_api_token "r";
        auth_api_token_https on;
        try_files /dev/null =204;
    }

    location /service {
        auth_api_token "r";
        auth_api_token_request /_service credential=service;
        try_files /dev/null =204;
    }

    location = /_service {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
    }

    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit $host rate=1r/m burst=1;
        try_files /dev/null =204;
    }
END
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
fault TKN-1000-0007 {"delay":1000}
--- perl
my %seen;

sub decided {
    my ($want, $token, $uri) = @_;

    my (undef, $reason) = split ' ', ask($token, $uri || '/t?ok=1');

    is($reason, $want, $want);
    $seen{$reason}++;
    is(moved(zone()->{decisions}),
       join(' ', map { "$_:$seen{$_}" } sort keys %seen), "$want is counted");
}

decided('pass', $Good) for 1, 2;
decided('no_token');
decided('malformed', '=');
decided('unsupported', 'x');
decided('insecure', $Good, '/insecure?ok=1');
decided('unknown', $Bad);
decided('disabled', token('TKN-1000-0001'));
decided('deleted', token('TKN-1000-0002'));
decided('inactive', token('TKN-1000-0003'));
decided('account_disabled', token('TKN-1000-0004'));
decided('unreadable', token('TKN-1000-0005')) for 1, 2;
decided('mismatch', $Bad, '/service?ok=1');
decided('account', $Good, '/account?ok=1');
decided('account_type', $Good, '/account_type?ok=1');
decided('module', $Good, '/module?ok=1');
decided('require', $Good, '/t?ok=0');
decided('unavailable', token('TKN-1000-0006'));
decided('unknown', 'idt:TKN-1234-5678:MADEUP2', '/limited?ok=1');
decided('limited', 'idt:TKN-1234-5678:MADEUP3', '/limited?ok=1');

# the only place is taken

my $sock = start(token('TKN-1000-0007'), '/t?ok=1');
until_true('asked', sub { zone()->{in_flight} });
decided('busy', 'idt:TKN-1234-5678:MADEUP4');
is(read_response($sock)->{status}, 204, 'the one that was asked about');
$seen{pass}++;

is(join(' ', sort keys %seen), join(' ', sort @Reasons), 'all reasons');
is(moved(zone()->{decisions}),
   join(' ', map { "$_:$seen{$_}" } sort keys %seen), 'at the end');

my $sample = prometheus('Prometheus');

is($sample->{"auth_api_token_decisions_total {reason=$_,zone=tokens}"},
   $seen{$_}, "$_ in Prometheus") for @Reasons;



=== TEST 9: lookups by outcome
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /service {
        auth_api_token "r";
        auth_api_token_request /_service credential=service;
        try_files /dev/null =204;
    }

    location = /_service {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_set_header Authorization "Bearer idt:TKN-0000-0001:operations";
    }
END
--- api
token TKN-0000-0001 {"secret":"operations","account":{"id":"ACC-0000-0001","type":"Operations"}}
token TKN-1000-0001 {"status":"Disabled","works":1}
token TKN-1000-0002 {"status":"Deleted","works":1}
token TKN-1000-0003 {"status":"New","works":1}
token TKN-1000-0004 {"account":{"id":"ACC-8765-4321","status":"Disabled"}}
token TKN-1000-0005 {"self":403}
token TKN-1000-0006
fault TKN-1000-0006 {"reset":"before"}
--- perl
my %seen;

sub looked_up {
    my ($outcome, $token, $uri) = @_;

    ask($token, $uri);
    $seen{$outcome}++;
    is(moved(zone()->{lookups}),
       join(' ', map { "$_:$seen{$_}" } sort keys %seen), $outcome);
}

looked_up('active', $Good);
looked_up('active', token('TKN-0000-0001') =~ s/:MADEUP.*/:operations/r);
looked_up('unknown', $Bad);
looked_up('disabled', token('TKN-1000-0001'));
looked_up('deleted', token('TKN-1000-0002'));
looked_up('inactive', token('TKN-1000-0003'));
looked_up('account_disabled', token('TKN-1000-0004'));
looked_up('unreadable', token('TKN-1000-0005'));
looked_up('mismatch', $Bad, '/service');
looked_up('unavailable', token('TKN-1000-0006'));

# no lookup
ask($_) for $Good, $Bad, 'x', '=', token('TKN-1000-0001');

is(moved(zone()->{lookups}),
   join(' ', map { "$_:$seen{$_}" } sort keys %seen), 'hits are none');
is(join(' ', sort keys %seen), join(' ', sort @Outcomes), 'all outcomes');

my $sample = prometheus('Prometheus');

is($sample->{"auth_api_token_lookups_total {outcome=$_,zone=tokens}"},
   $seen{$_}, "$_ in Prometheus") for @Outcomes;
is($sample->{'auth_api_token_lookup_duration_seconds_count {zone=tokens}'},
   10, 'the histogram has as many');



=== TEST 10: hits, misses, waits and lookups in flight
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
fault any {"delay":1500}
--- perl
my @socks = (start($Good), start(token('TKN-1234-5679')));

until_true('both are asked about', sub { figures()->{calls} == 2 });
is(zone()->{in_flight}, 2, 'in flight');
is(prometheus('in flight')->{
   'auth_api_token_lookups_in_flight {zone=tokens}'}, 2, 'in Prometheus');

push @socks, map { start($Good) } 1 .. 3;
until_true('three wait', sub { zone()->{waits} == 3 });

is(read_response($_)->{status}, 204, 'passes') for @socks;
api('DELETE', 'faults/any');
ask($Good) for 1 .. 4;
ask($Bad) for 1 .. 3;

is(join(' ', @{zone()}{qw(hits misses waits in_flight)}), '6 3 3 0',
   'figures');
--- calls: 3



=== TEST 11: how long lookups take
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
token TKN-1234-5679
token TKN-1234-5670
fault TKN-1234-5678 {"delay":300}
fault TKN-1234-5679 {"delay":700}
--- perl
ask($_) for $Good, token('TKN-1234-5679'), token('TKN-1234-5670');

my $latency = zone()->{latency};
my @counts = @{$latency->{buckets}}{@Bounds};

is($latency->{count}, 3, 'count');
cmp_ok($latency->{sum}, '>=', 1000, 'sum, in milliseconds');
cmp_ok($latency->{sum}, '<', 30000, 'sum, in milliseconds');
is("@counts", join(' ', sort { $a <=> $b } @counts), 'cumulative');
is($counts[-1], 3, 'all of them');
cmp_ok($latency->{buckets}{250}, '<=', 1, 'two took longer than 250 ms');
cmp_ok($latency->{buckets}{500}, '<=', 2, 'one took longer than 500 ms');

my $sample = prometheus('Prometheus');
my $name = 'auth_api_token_lookup_duration_seconds';

is($sample->{"${name}_count {zone=tokens}"}, 3, 'count');
cmp_ok($sample->{"${name}_sum {zone=tokens}"}, '>=', 1, 'sum, in seconds');
cmp_ok($sample->{"${name}_bucket {zone=tokens} 0.250"}, '<=', 1,
       'bounds in seconds');



=== TEST 12: refreshes
--- http_config eval: $::Zone
--- config eval
$::Status . <<'END';
    auth_api_token_cache tokens valid=1s;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /off {
        auth_api_token "r";
        auth_api_token_cache tokens valid=1s refresh=off;
        try_files /dev/null =204;
    }
END
--- perl
until_true('asked again', sub {
    ask($Good, '/off');
    zone()->{misses} == 2;
});

is(zone()->{refreshes}, 0, 'none where they are off');

until_true('refreshed', sub {
    ask($Good);
    zone()->{refreshes} == 1;
});

until_true('ended', sub { !zone()->{in_flight} });

my $zone = zone();

is($zone->{lookups}{active}, $zone->{misses} + 1, 'a lookup that is no miss');



=== TEST 13: stale facts
--- http_config eval: $::Zone
--- config eval
$::Status . <<'END';
    auth_api_token_cache tokens valid=1s stale=10m refresh=off;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END
--- perl
is(ask($Good), '204 pass MISS', 'asked');
api('PUT', 'faults/any', { status => 500 });

until_true('stale', sub { ask($Good) eq '204 pass STALE' });
is(zone()->{stale}, 1, 'counted');
is(ask($Good), '204 pass STALE', 'stale');
is(zone()->{stale}, 2, 'counted');
is(moved(zone()->{lookups}), 'active:1 unavailable:2', 'lookups');



=== TEST 14: entries and bytes
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit $http_x_key;
        try_files /dev/null =204;
    }
END
--- api
token TKN-1000-0001
token TKN-1000-0002
--- perl
api('PUT', 'tokens/TKN-1000-0002', { name => 'x' x 300 });

sub sizes {
    my $zone = zone();

    return join ' ', map { "$zone->{$_}{entries}:$zone->{$_}{bytes}" }
                     qw(facts denials budgets);
}

ask($Good) for 1, 2;
is(sizes(), '1:256 0:0 0:0', 'facts');
ask(token('TKN-1000-0001'));
is(sizes(), '2:512 0:0 0:0', 'more');
ask(token('TKN-1000-0002'));
is(sizes(), '3:1024 0:0 0:0', 'facts that take two cells');
ask("$Bad$_") for 1 .. 3;
is(sizes(), '3:1024 3:768 0:0', 'denials');

for my $i (4, 5) {
    exchange("GET /limited HTTP/1.1\r\nHost: a\r\nX-Key: $i\r\n"
             . "Authorization: Bearer $Bad$i\r\n\r\n");
}

is(sizes(), '3:1024 5:1280 2:512', 'budgets');

my $sample = prometheus('Prometheus');

is($sample->{'auth_api_token_bytes {kind=facts,zone=tokens}'}, 1024, 'facts');
is($sample->{'auth_api_token_entries {kind=denials,zone=tokens}'}, 5,
   'denials');

get('/purge/TKN-1000-0002', '', 'DELETE');
is(sizes(), '2:512 5:1280 2:512', 'a purge of one');



=== TEST 15: evictions
--- http_config
    auth_api_token_zone zone=tokens:64k;
--- config eval: $::Config
--- perl
my $zone = zone();
my $cells = $zone->{capacity} / 256;

cmp_ok($cells, '>', 100, 'cells');

for my $i (0 .. $cells) {
    api('PUT', sprintf('tokens/TKN-1000-%04d', $i), { name => "n$i" });
}

ask(token(sprintf 'TKN-1000-%04d', $_)) for 0, 1;

until_true('a second', sub {
    exchange(request_of(token('TKN-1000-0001')))->{headers}{'x-age'} >= 1;
});

is($zone->{evicted_age}, 0, 'no age of an evicted one yet');

for my $i (2 .. $cells) {
    ask(token(sprintf 'TKN-1000-%04d', $i));
    $zone = zone();
    last if $zone->{facts}{evicted};
}

is($zone->{facts}{evicted}, 1, 'one is evicted');
cmp_ok($zone->{evicted_age}, '>=', 1, 'the oldest');
is(ask(token('TKN-1000-0000')), '204 pass MISS', 'it is not known any more');
is(zone()->{facts}{evicted}, 2, 'it took the place of another');
is(zone()->{denials}{evicted}, 0, 'no denials');

my $sample = prometheus('Prometheus');

is($sample->{'auth_api_token_evictions_total {kind=facts,zone=tokens}'}, 2,
   'evictions');
cmp_ok($sample->{'auth_api_token_evicted_age_seconds {zone=tokens}'}, '>=', 1,
       'age');

# denials have their share, and none of it is that of facts

ask("$Bad$_") for 1 .. $cells;

my $facts = $zone->{facts}{entries};

$zone = zone();
is($zone->{facts}{entries}, $facts, 'all facts are there');
cmp_ok($zone->{denials}{entries}, '>', 0, 'denials');
cmp_ok($zone->{denials}{entries}, '<=', $cells / 10, 'denials');
is($zone->{denials}{entries} + $zone->{denials}{evicted}, int $cells,
   'the others were evicted');
is($zone->{facts}{evicted}, 2, 'evictions of facts');



=== TEST 16: purges
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
ask($_) for $Good, $Bad;
get("/purge/$_", '', 'DELETE') for qw(TKN-1234-5678 TKN-1234-5678 TKN-0-0);
get('/purge/TKN-1234-5678');

is(join(' ', @{zone()}{qw(purges purged)}), '3 2', 'figures');
is(prometheus('Prometheus')->{'auth_api_token_purges_total {zone=tokens}'}, 3,
   'in Prometheus');



=== TEST 17: the breaker
--- http_config eval: $::Zone
--- config eval: $::Config
--- api
fault any {"status":500}
--- perl
my $n = 0;

sub breaker {
    return join ' ', @{zone()}{qw(breaker breaker_opened)};
}

for my $i (1 .. 4) {
    ask($Bad . $n++);
    is(breaker(), 'closed 0', "$i failures");
}

ask($Bad . $n++);
is(breaker(), 'open 1', 'five failures');
is(prometheus('open')->{'auth_api_token_breaker_open {zone=tokens}'}, 1,
   'in Prometheus');

api('PUT', 'faults/any', { delay => 1500 });

# the first that is let through after a second

my @socks;

until_true('a probe', sub {
    push @socks, start($Bad . $n++);
    zone()->{breaker} eq 'probing';
});

is(figures()->{calls}, 6, 'one at a time');
is(zone()->{in_flight}, 1, 'one at a time');
until_true('closed', sub { breaker() eq 'closed 1' });
is(prometheus('closed')->{'auth_api_token_breaker_open {zone=tokens}'}, 0,
   'in Prometheus');



=== TEST 18: both formats say the same
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location /limited {
        auth_api_token "r";
        auth_api_token_denied_limit $host burst=2;
        try_files /dev/null =204;
    }
END
--- api
fault TKN-1000-0001 {"status":500}
--- perl
ask($Good) for 1 .. 3;
ask("$Bad$_", '/limited') for 1 .. 4;
ask(token('TKN-1000-0001')) for 1 .. 5;
get('/purge/TKN-1234-5678', '', 'DELETE');
ask($Good);

my $zone = flat(zone(), undef, {});
my $sample = as_json(prometheus('Prometheus'), 'tokens');

is_deeply($sample, $zone, 'the same');
is($zone->{breaker}, 'open', 'something has happened');
is($zone->{'budgets.entries'}, 1, 'something has happened');



=== TEST 19: protected as any location is
--- http_config eval: $::Zone
--- config eval
$::Config . <<'END';
    location = /denied {
        deny all;
        auth_api_token_status;
    }

    location = /operations {
        auth_api_token "operations";
        auth_api_token_account_type Operations;
        auth_api_token_status;
    }
END
--- api
token TKN-0000-0001 {"account":{"id":"ACC-0000-0001","type":"Operations"}}
--- perl
is(get('/denied')->{status}, 403, 'deny');
is(ask(undef, '/operations'), '401 no_token -', 'no token');
is(ask($Good, '/operations'), '403 account_type MISS', 'a vendor');
is(ask(token('TKN-0000-0001'), '/operations'), '200 pass MISS', 'Operations');
