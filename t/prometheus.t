use lib 't/lib';
use AuthApiToken;
use Example;
use Files;
use JSON::PP ();
use Prometheus;
use Test::More;
use Time::HiRes qw(time);
use YAML::PP;

# The files of conf-examples/prometheus/ and conf-examples/grafana/, with a
# Prometheus that scrapes the nginx of conf-examples/nginx.conf.

my $examples = "$Top/conf-examples";
my $prefix = 'nginx_auth_api_token_';

my %types = (
    (map { $_ => 'counter' } qw(
        requests_total cache_requests_total lookups_total refreshes_total
        breaker_opened_total evictions_total purge_requests_total
        purged_records_total zone_resets_total)),
    (map { $_ => 'gauge' } qw(
        build_info lookups_in_flight lookups_limit lookups_queued
        last_success_timestamp_seconds breaker_open zone_records zone_used_bytes
        zone_size_bytes evicted_age_seconds)),
    (map { $_ => 'histogram' } qw(
        request_wait_seconds lookup_duration_seconds)),
);

# a zone for some 100 tokens, so that there is something to evict

my $example = Example->start('nginx.conf',
    address => { '443' => port(1), '80' => port(2),
                 '127.0.0.1:8090' => port(3), '127.0.0.1:8080' => port(4) },
    change  => [ [ 'zone=tokens:10m', 'zone=tokens:32k' ] ],
    http    => backend(port(4)));

my $prometheus = Prometheus->start(port(5), '127.0.0.1:8090', port(3));


# requests over one connection with TLS, a few at a time

sub volley {
    my (@tokens) = @_;

    my $sock = $example->client(port(1));
    my @responses;

    while (my @some = splice @tokens, 0, 20) {
        print {$sock} map { request_of($_, '/orders/1') } @some;
        push @responses, map { read_response($sock) } @some;
    }

    return @responses;
}


sub status {
    my ($method, $uri, $headers) = @_;

    return exchange("$method $uri HTTP/1.1\r\nHost: a\r\n$headers\r\n",
                    port(3));
}


# a figure is what it has to be, as soon as it is scraped

sub figure {
    my ($series, $want) = @_;

    my $value = '';

    until_true("$series is $want", sub {
        $value = $prometheus->value("$prefix$series") // 'absent';

        return $value eq $want;
    }) or diag("it is $value");

    is($value, $want, "$series is $want");
}


sub until_fires {
    my ($alert) = @_;

    ok(until_true("$alert fires", sub {
        return { $prometheus->firing }->{$alert};
    }), "$alert fires");
}


# all that got a 503

sub turned_away {
    my ($n) = @_;

    my $sum = qq(sum(${prefix}requests_total{result=~"unavailable|busy"}));

    until_true("$n turned away", sub { $prometheus->value($sum) == $n });
    is($prometheus->value($sum), $n, "$n turned away");
}


# the names of metrics in an expression

sub named {
    my ($expr) = @_;

    return $expr =~ /\b(\w*auth_api_token_\w+)/g;
}


until_true('scraped', sub { $prometheus->value('up') });
is($prometheus->value('up{job="auth-api-token"}'), 1, 'the target is up');
is($prometheus->value("absent(${prefix}$_)"), 1, "no $_ yet")
    for qw(last_success_timestamp_seconds evicted_age_seconds);

# some of everything: each token twice

my $calls = figures()->{calls};
my @ids = map { sprintf 'TKN-%04d-0001', $_ } 1 .. 200;
my @responses;

api('PUT', "tokens/$_") for @ids;
push @responses, volley(map { (token($_)) x 2 } @ids);
push @responses, volley((undef) x 3, (token($ids[-1]) =~ s/M\w+/MADEUP/r) x 2);
push @responses, exchange(request_of(token($ids[0]), '/orders/1'), port(2));

is(join(' ', map { $_->{status} } @responses),
   join(' ', (200) x 400, (401) x 5, 403), 'answers');
is(figures()->{calls} - $calls, 201, 'lookups');
until_fires('AuthApiTokenPlainHttp');
is(status('DELETE', "/purge/$ids[-1]", '')->{body}, '{"purged":2}', 'a purge');

figure(qq(requests_total{result="$$_[0]",dry_run=""}), $$_[1])
    for [ pass => 400 ], [ no_token => 3 ], [ unknown => 2 ], [ insecure => 1 ],
        [ unavailable => 0 ];

figure(qq(cache_requests_total{status="$$_[0]"}), $$_[1])
    for [ hit => 201 ], [ miss => 201 ], [ wait => 0 ], [ stale => 0 ],
        [ bypass => 0 ];

figure(qq(lookups_total{outcome="$$_[0]"}), $$_[1])
    for [ active => 200 ], [ unknown => 1 ], [ unavailable => 0 ];

figure($$_[0], $$_[1])
    for [ request_wait_seconds_count => 201 ],
        [ 'request_wait_seconds_bucket{le="+Inf"}' => 201 ],
        [ lookup_duration_seconds_count => 201 ],
        [ 'lookup_duration_seconds_bucket{le="+Inf"}' => 201 ],
        [ refreshes_total => 0 ], [ lookups_in_flight => 0 ],
        [ lookups_limit => 64 ], [ lookups_queued => 0 ], [ breaker_open => 0 ],
        [ breaker_opened_total => 0 ], [ purge_requests_total => 1 ],
        [ purged_records_total => 2 ], [ zone_resets_total => 0 ],
        [ 'zone_records{kind="denials"}' => 0 ],
        [ 'zone_records{kind="budgets"}' => 1 ];

is($prometheus->value("sum(${prefix}requests_total)"), 406, 'no other result');
is($prometheus->value(qq(sum(${prefix}requests_total{dry_run="on"}))), 0,
   'nor any in dry run');
is($prometheus->value("count(${prefix}requests_total)"), 40, 'all are there');

# what is not purged was evicted, or is still there

is($prometheus->value(qq(${prefix}zone_records{kind="facts"} + ignoring(kind)
    sum without (kind) (${prefix}evictions_total{kind="facts"}))), 199,
   'facts, and evictions');
cmp_ok($prometheus->value(qq(${prefix}zone_used_bytes{kind="facts"})), '<=',
       $prometheus->value("${prefix}zone_size_bytes"), 'memory of the zone');
cmp_ok($prometheus->value("${prefix}evicted_age_seconds"), '<', 60,
       'what was evicted was young');
cmp_ok(abs(time - $prometheus->value("${prefix}last_success_timestamp_seconds")),
       '<', 60, 'the last success');
cmp_ok($prometheus->value("${prefix}$_"), '>', 0, $_)
    for qw(request_wait_seconds_sum lookup_duration_seconds_sum);

my ($build) = $prometheus->query("${prefix}build_info");
my ($version) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{nginx/([\d.]+)};

is($build->{labels}{nginx}, $version, 'the version of nginx');
like($build->{labels}{version}, qr/\A\d+\.\d+\.\d+\z/, 'that of the module');
is($build->{value}, 1, 'it is information');

# all that is scraped, by name and type

my %metadata = map { $_->{metric} => $_ }
               @{$prometheus->api('targets/metadata')};

is_deeply({ map { $_ => $metadata{$_}{type} } keys %metadata },
          { map { $prefix . $_ => $types{$_} } keys %types }, 'names and types');
is(join(' ', grep { !$metadata{$_}{help} } sort keys %metadata), '',
   'each with a text');

my $text = status('GET', '/status', "Accept: text/plain\r\n")->{body};

open my $promtool, '|-', "promtool check metrics >$example->{dir}/lint 2>&1"
    or die "promtool: $!";
print {$promtool} $text;
close $promtool;
is($?, 0, 'promtool check metrics');
is($example->read('../lint'), '', 'and no warning');

# what rules and dashboard ask for

my %scraped = map { $_ => 1 } @{$prometheus->api('label/__name__/values')};
my @rules = map { @{$_->{rules}} }
            @{YAML::PP->new->load_file("$examples/prometheus/alerts.yml")
              ->{groups}};

is(join(' ', grep { !$scraped{$_} } map { named($_->{expr}) } @rules), '',
   'no rule asks for what there is not');
is(join(' ', map { $_->{lastError} ? "$_->{name}: $_->{lastError}" : () }
             map { @{$_->{rules}} } @{$prometheus->api('rules')->{groups}}), '',
   'all rules can be evaluated');

my $dashboard = JSON::PP->new->utf8->decode(
    slurp("$examples/grafana/auth-api-token.json"));
my %variable = map { $_->{name} => $_ } @{$dashboard->{templating}{list}};

for my $name (qw(instance zone)) {
    my ($series, $label) = grounded($variable{$name}{query}{query})
                           =~ /\Alabel_values\((.*), (\w+)\)\z/;

    is($label, $name, "the variable \$$name");
    is(scalar @{$prometheus->api("label/$label/values", 'match[]' => $series)},
       1, 'has a value');
}

cmp_ok(scalar @{$dashboard->{panels}}, '>=', 12, 'a dozen panels');

for my $panel (@{$dashboard->{panels}}) {
    ok($panel->{description}, "$panel->{title} - described");

    for my $target (@{$panel->{targets}}) {
        my $name = "$panel->{title} - $target->{refId}";
        my @samples = $prometheus->query(grounded($target->{expr}));

        is(join(' ', grep { !$scraped{$_} } named($target->{expr})), '',
           "$name - names");
        ok(@samples > 0, "$name - data");
        is(scalar(grep { $_->{value} !~ /\A[\d.e+-]+\z/ } @samples), 0,
           "$name - numbers");
        is(join(' ', grep { !exists $samples[0]{labels}{$_} }
                     ($target->{legendFormat} // '') =~ /\{\{(\w+)\}\}/g), '',
           "$name - labels of the legend");
    }
}


# an expression of the dashboard, with what Grafana puts in

sub grounded {
    my ($expr) = @_;

    $expr =~ s/\$__rate_interval\b/1m/g;
    $expr =~ s/"\$(\w+)"/"$variable{$1}{allValue}"/g;

    die "still there: $expr" if $expr =~ /\$/;

    return $expr;
}


# what fires when the API answers 500, and that it ends

my %firing = $prometheus->firing;

is(join(' ', grep { /BreakerOpen|TurnedAway|Down|Missing/ } sort keys %firing),
   '', 'all is well');
$calls = figures()->{calls};
api('PUT', 'faults/any', { status => 500 });

my ($n, %seen) = (0);

until_true('alerts fire', sub {
    my $id = sprintf 'TKN-%04d-0002', ++$n;

    $seen{$_->{status}}++ for volley((token($id)) x 5);
    %firing = $prometheus->firing;

    return $firing{AuthApiTokenBreakerOpen} && $firing{AuthApiTokenTurnedAway};
});

is(join(' ', sort keys %seen), 503, 'nobody new passes');

my $target = '127.0.0.1:' . port(3);
my %want = (
    AuthApiTokenBreakerOpen => qr/\AThe token API fails for $target: the breaker of zone tokens is open\z/,
    AuthApiTokenTurnedAway  => qr/\A$target answers \d[\d.]*% of the requests that bring a token with 503: it cannot check them \(zone tokens\)\z/,
);

for my $name (sort keys %want) {
    my $alert = $firing{$name} || {};

    is($alert->{labels}{severity}, 'critical', "$name is for the person on call");
    is($alert->{labels}{zone}, 'tokens', 'with the zone');
    is($alert->{labels}{instance}, $target, 'and the instance');
    like($alert->{annotations}{summary}, $want{$name}, 'the summary');
}

figure('breaker_open', 1);
figure('breaker_opened_total', 1);
figure('lookups_total{outcome="unavailable"}', figures()->{calls} - $calls);
turned_away($seen{503});

api('DELETE', 'faults/any');

until_true('they end', sub {
    volley(token($ids[0]));
    %firing = $prometheus->firing;

    return !$firing{AuthApiTokenBreakerOpen}
           && !$firing{AuthApiTokenTurnedAway};
});

figure('breaker_open', 0);

# nginx is gone

$example->stop;

until_fires('AuthApiTokenDown');

$prometheus->stop;
done_testing();
