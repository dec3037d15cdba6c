use lib 't/lib';
use AuthApiToken;
use Status;
use Store qw(ask zone get $Good $Bad);
use File::Temp ();
use Test::Nginx::Socket 'no_plan';

# the formats of the figures, and how they are chosen

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Prometheus = 'text/plain; version=0.0.4; charset=utf-8';


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
        'lookups_queued' => 'queued',
        'decisions_total' => 'decisions.%s', 'dry_run' => 'dry_run.%s',
        'lookups_total' => 'lookups.%s',
        'lookup_duration_seconds' => 'latency',
        'request_wait_seconds' => 'wait');

    my %into;

    for my $id (keys %$sample) {
        my ($series, $labels, $le) =
            $id =~ /\Aauth_api_token_(\S+) \{(.*)\}(?: (\S+))?\z/ or die $id;

        my %label = map { split /=/ } split /,/, $labels;

        next if delete $label{zone} ne $zone;

        $series = 'dry_run' if delete $label{dry_run};

        my ($label) = values %label;

        if ($series =~ /\A(\w+_seconds)_(bucket|sum|count)\z/) {
            my ($histogram, $part) = ($name{$1}, $2);
            my $value = $sample->{$id};

            $part = 'buckets.' . ($le eq '+Inf' ? $le : $le * 1000)
                if defined $le;
            $value = sprintf '%.0f', $value * 1000 if $part eq 'sum';

            $into{"$histogram.$part"} = $value;

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
   'breaker breaker_opened budgets capacity decisions denials dry_run'
   . ' evicted_age facts hits in_flight latency limit lookups misses purged purges queued'
   . ' refreshes resets stale wait waits', 'members of a zone');
is(join(' ', sort keys %{$zone->{$_}}), join(' ', sort @Reasons),
   "reasons of $_") for qw(decisions dry_run);
is(join(' ', sort keys %{$zone->{lookups}}), join(' ', sort @Outcomes),
   'outcomes');
is(join(' ', sort keys %{$zone->{$_}}), 'buckets count sum', "members of $_")
    for qw(latency wait);
is(join(' ', sort keys %{$zone->{$_}{buckets}}), join(' ', sort @Bounds),
   "buckets of $_") for qw(latency wait);

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
is($sample->{"auth_api_token_decisions_total {dry_run=on,reason=$_,zone=tokens}"},
   0, "$_, dry run") for @Reasons;
is($sample->{"auth_api_token_lookups_total {outcome=$_,zone=tokens}"}, 0, $_)
    for @Outcomes;
is($sample->{'auth_api_token_lookups_limit {zone=tokens}'}, 64, 'limit');
is($sample->{'auth_api_token_lookups_queued {zone=tokens}'}, 0, 'queued');
is($sample->{'auth_api_token_request_wait_seconds_count {zone=tokens}'}, 0,
   'waits');



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



=== TEST 8: both formats say the same
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



=== TEST 9: protected as any location is
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
