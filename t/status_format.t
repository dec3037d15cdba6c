use lib 't/lib';
use AuthApiToken;
use Status;
use Store qw(ask zone get $Good $Bad);
use File::Temp ();
use Test::Nginx::Socket 'no_plan';

# the formats of the figures, and how they are chosen

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Prometheus = 'text/plain; version=0.0.4; charset=utf-8';
our $Html = 'text/html; charset=utf-8';
our $Browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
our @Histograms = qw(request_wait_seconds lookup_duration_seconds);

our %Body = ('application/json' => qr/\A\{.*\}\n\z/,
             $Prometheus => qr/\A# HELP /,
             $Html => qr/\A<!DOCTYPE html>\n.*<\/html>\n\z/s);

our $Version = module_version();
our ($Nginx) = `nginx -v 2>&1` =~ m{nginx/([0-9.]+)};


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

    my %into;

    for my $id (keys %$sample) {
        my ($series, $labels, $le) =
            $id =~ /\Anginx_auth_api_token_(\S+) \{(.*)\}(?: (\S+))?\z/
            or die $id;

        my %label = map { split /=/ } split /,/, $labels;

        next if ($label{zone} // '') ne $zone;

        my $path = $series =~ s/_total\z//r;

        $path .= '_dry_run' if delete $label{dry_run};
        $path =~ s/_(bucket|sum|count)\z/.$1/;
        $path =~ s/\.bucket\z/.buckets.$le/ if defined $le;

        delete $label{zone};
        $path .= ".$_" for values %label;

        $into{$path} = $sample->{$id} + 0;
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
is($response->{headers}{'cache-control'}, 'no-store', 'not kept');
is(join(' ', sort keys %$status), 'nginx timestamp_seconds version zones',
   'members');
is(join(' ', @$status{qw(version nginx)}), "$Version $Nginx", 'versions');
cmp_ok(abs($status->{timestamp_seconds} - time), '<', 60, 'time');
is(join(' ', sort keys %{$status->{zones}}), 'tokens', 'zones');
is(join(' ', sort keys %$zone),
   'breaker breaker_open breaker_opened cache_requests evicted_age_seconds'
   . ' evictions last_success_timestamp_seconds lookup_duration_seconds lookups'
   . ' lookups_in_flight lookups_limit lookups_queued purge_requests'
   . ' purged_records refreshes request_wait_seconds requests requests_dry_run'
   . ' zone_records zone_resets zone_size_bytes zone_used_bytes',
   'members of a zone');
is(join(' ', sort keys %{$zone->{$_}}), join(' ', sort @Reasons),
   "results of $_") for qw(requests requests_dry_run);
is(join(' ', sort keys %{$zone->{cache_requests}}),
   'bypass hit miss stale wait', 'statuses');
is(join(' ', sort keys %{$zone->{lookups}}), join(' ', sort @Outcomes),
   'outcomes');
is(join(' ', sort keys %{$zone->{$_}}), 'budgets denials facts', "kinds of $_")
    for qw(zone_records zone_used_bytes evictions);
is(join(' ', sort keys %{$zone->{$_}}), 'buckets count sum', "members of $_")
    for @Histograms;
is(join(' ', sort keys %{$zone->{$_}{buckets}}), join(' ', sort @Bounds),
   "buckets of $_") for @Histograms;
is_deeply([@$zone{qw(last_success_timestamp_seconds evicted_age_seconds)}],
          [undef, undef], 'what is not known is null');

my $figures = flat($zone, undef, {});
my $size = delete $figures->{zone_size_bytes};

is(moved($figures), 'breaker:closed lookups_limit:64', 'all else is zero');
cmp_ok($size, '>', 900_000, 'size');
cmp_ok($size, '<', 1 << 20, 'size');



=== TEST 2: Prometheus
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $response = get('/prometheus');

is($response->{status}, 200, 'status');
is($response->{headers}{'content-type'}, $Prometheus, 'type');
is($response->{headers}{'cache-control'}, 'no-store', 'not kept');

my $sample = prometheus('one zone');
my $metric = 'nginx_auth_api_token_';

is($sample->{"${metric}build_info {nginx=$Nginx,version=$Version}"}, 1,
   'versions');
is($sample->{"${metric}requests_total {result=$_,zone=tokens}"}, 0, $_)
    for @Reasons;
is($sample->{"${metric}requests_total {dry_run=on,result=$_,zone=tokens}"}, 0,
   "$_, dry run") for @Reasons;
is($sample->{"${metric}cache_requests_total {status=$_,zone=tokens}"}, 0, $_)
    for qw(hit miss wait stale bypass);
is($sample->{"${metric}lookups_total {outcome=$_,zone=tokens}"}, 0, $_)
    for @Outcomes;
is($sample->{"${metric}lookups_limit {zone=tokens}"}, 64, 'limit');
is($sample->{"${metric}lookups_queued {zone=tokens}"}, 0, 'queued');
is($sample->{"${metric}request_wait_seconds_count {zone=tokens}"}, 0,
   'waits');
is($sample->{"$metric$_ {zone=tokens}"}, undef, "$_ is not known")
    for qw(last_success_timestamp_seconds evicted_age_seconds);



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
    $Browser => $Html, 'text/HTML' => $Html, 'text/html, application/json' => $Html,
    'text/*' => $json, 'nonsense' => $json, 'text/plain, application/json' => $json,
    'text/plain' => $Prometheus, 'Text/Plain; version=0.0.4' => $Prometheus,
    'application/openmetrics-text;version=1.0.0;q=0.5,'
    . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.1' => $Prometheus,
    'application/openmetrics-text' => $Prometheus);

for my $accept (sort keys %want) {
    my $response = get('/status', $accept ? "Accept: $accept\r\n" : '');

    is($response->{headers}{'content-type'}, $want{$accept},
       $accept || 'no Accept');
    like($response->{body}, $Body{$want{$accept}}, 'body');
    is($response->{headers}{vary}, 'Accept', 'it depends on Accept');
}

# a location for a browser answers its page, too

for my $accept (sort keys %want) {
    my $response = get('/html', $accept ? "Accept: $accept\r\n" : '');
    my $type = $accept =~ m{json|plain|openmetrics}i ? $want{$accept} : $Html;

    is($response->{headers}{'content-type'}, $type, "/html, $accept");
    like($response->{body}, $Body{$type}, 'body');
    is($response->{headers}{vary}, 'Accept', 'it depends on Accept');
}

for my $accept ('text/plain', $Browser, $json) {
    is(get('/json', "Accept: $accept\r\n")->{headers}{'content-type'}, $json,
       'the argument wins');
    is(get('/prometheus', "Accept: $accept\r\n")->{headers}{'content-type'},
       $Prometheus, 'the argument wins');
}

is(get('/json')->{headers}{vary}, undef, 'it depends on nothing');



=== TEST 5: methods
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $time = qr/"timestamp_seconds":[0-9.]+/;

for my $uri (qw(/status /json /prometheus /html)) {
    my $get = get($uri);
    my $sock = client();

    print {$sock} "HEAD $uri HTTP/1.1\r\nHost: a\r\n\r\n";
    my $head = read_response($sock, 1);

    is($head->{status}, 200, "HEAD $uri");
    is("@{$head->{headers}}{qw(content-type content-length)}",
       "@{$get->{headers}}{qw(content-type content-length)}", 'header');

    print {$sock} "GET $uri HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
                  . "12345GET $uri HTTP/1.1\r\nHost: a\r\n\r\n";
    is(read_response($sock)->{body} =~ s/$time//r, $get->{body} =~ s/$time//r,
       $_) for 'GET with a body', 'no body after HEAD';

    is(get($uri, "Content-Length: 0\r\n", $_)->{status}, 405, "$_ $uri")
        for qw(POST PUT DELETE);
}



=== TEST 6: no zone
--- config eval: $::Status =~ s/.*purge.*\n//r
--- perl
is_deeply(zones(), {}, 'JSON');
is_deeply(prometheus('no zone'),
          { "nginx_auth_api_token_build_info {nginx=$Nginx,version=$Version}" => 1 },
          'Prometheus');



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
is(moved($one->{requests}), 'pass:4', 'requests of one, and one of the other');
is(moved($two->{requests}), 'unknown:1', 'requests of the other');
is(moved($one->{cache_requests}), 'bypass:1 hit:2 miss:1', 'cache of one');
is(moved($two->{cache_requests}), 'miss:1', 'cache of the other');
is("$one->{lookups_limit} $two->{lookups_limit}", '64 7', 'limits');
cmp_ok($two->{zone_size_bytes}, '<', 65536, 'size');

my $sample = prometheus('two zones');

is($sample->{'nginx_auth_api_token_cache_requests_total {status=hit,zone=tokens}'}, 2, 'hits of one');
is($sample->{'nginx_auth_api_token_cache_requests_total {status=hit,zone=Other.zone_2-x}'}, 0,
   'hits of the other');
is($sample->{'nginx_auth_api_token_lookups_limit {zone=Other.zone_2-x}'}, 7,
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

is(delete $zone->{breaker}, 'open', 'in words');
is(delete $zone->{evicted_age_seconds}, undef, 'not known');
is_deeply($sample, $zone, 'the same');
is($zone->{breaker_open}, 1, 'something has happened');
is($zone->{'zone_records.budgets'}, 1, 'something has happened');



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
