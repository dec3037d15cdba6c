use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use Files qw($Top);
use JSON::PP ();
use Test::More;
use YAML::PP;

# conf-examples/prometheus/: what promtool finds, and the texts of the alerts.
# t/prometheus.t has a Prometheus that scrapes nginx with these files.

my $dir = "$Top/conf-examples/prometheus";
my $yaml = YAML::PP->new(boolean => 'JSON::PP');
my $groups = $yaml->load_file("$dir/alerts.yml")->{groups};
my $tests = $yaml->load_file("$dir/alerts.test.yml")->{tests};
my %rule = map { $_->{alert} => $_ } map { @{$_->{rules}} } @$groups;

# the summaries of the instances for which alerts.test.yml has the alert

my %summaries = map {
    my ($alert, $instance, $text) = /\A(\w+) ?(\w*):(.*)/s;

    ("AuthApiToken$alert $instance" => join ' ', split ' ', $text);
} split /\n(?! )/, <<'END';
BreakerOpen bad:
    The token API fails for bad: the breaker of zone tokens is open
BreakerOpen left:
    The token API fails for left: the breaker of zone tokens is open
TurnedAway bad:
    bad answers 1.961% of the requests that bring a token with 503: it
    cannot check them (zone tokens)
TurnedAway places:
    places answers 100% of the requests that bring a token with 503: it
    cannot check them (zone tokens)
TurnedAway noise:
    noise answers 100% of the requests that bring a token with 503: it
    cannot check them (zone tokens)
LookupsFailing bad:
    17.1% of the lookups of bad fail (zone tokens)
LookupsSlow bad:
    One in twenty lookups of bad takes longer than 2.2s (zone tokens)
PlacesUsedUp bad:
    100% of the lookups that zone tokens of bad may make at once are under
    way
QueueNotEmpty bad:
    Requests have queued for minutes for a place among the lookups of bad,
    89 of them now (zone tokens)
ServingStale bad:
    bad lets 2.00 requests a second pass with facts that have expired (zone
    tokens)
DenialsFlood bad:
    bad gets 5.1 tokens a second that are not valid (zone tokens)
DenialsFlood shield:
    shield gets 7.1 tokens a second that are not valid (zone tokens)
PlainHttp bad:
    Tokens came to bad over plain HTTP: requests in 15 minutes, 1 (zone
    tokens)
PlainHttp dry:
    Tokens came to dry over plain HTTP: requests in 15 minutes, 3 (zone
    tokens)
ZoneTooSmall bad:
    Zone tokens of bad is too small: it forgets tokens after 41s
ZoneReset bad:
    Zone tokens of bad was emptied after a worker of nginx died
NoSuccess bad:
    bad asked the token API 10 times in 10 minutes, without one usable
    answer (zone tokens)
NoSuccess new:
    new asked the token API 40 times in 10 minutes, without one usable
    answer (zone tokens)
Down bad:
    Prometheus gets no figures from bad: nginx may be down
FiguresMissing bad:
    bad answers, but without figures of the module
FiguresMissing:
    Prometheus has no target in the job auth-api-token
END


sub promtool {
    my ($name, @args) = @_;

    my $out = `promtool @args 2>&1`;

    is($?, 0, $name) or diag($out);
}


promtool('the rules', 'check', 'rules', "$dir/alerts.yml");
promtool('the configuration', 'check', 'config', "$dir/prometheus.yml");
promtool('the tests of the rules', 'test', 'rules', "$dir/alerts.test.yml");

# each alert fires in a test, and before and after it does not

my (%fires, %silent, %first, %seen, @expected);

for my $test (@$tests) {
    for my $case (@{$test->{promql_expr_test}}) {
        my ($alert) = $case->{expr} =~
            /\AALERTS\{alertname="(\w+)",alertstate="firing"\}\z/ or next;

        if (!$case->{exp_samples}) {
            $silent{$alert}++;
            next;
        }

        $fires{$alert}++;

        # the first time in each test, as a test of all that the alert says

        push @expected, {
            %$test{qw(interval input_series)},
            alert_rule_test => [ {
                eval_time => $case->{eval_time},
                alertname => $alert,
                exp_alerts => [ map { alert($alert, $_->{labels}) }
                                @{$case->{exp_samples}} ],
            } ],
        } if !$first{$test->{name}}++;
    }
}

for my $alert (sort keys %rule) {
    my ($labels, $text) = @{$rule{$alert}}{qw(labels annotations)};

    ok($fires{$alert}, "$alert fires in a test");
    ok($silent{$alert}, "$alert is silent in a test");
    like($alert, qr/\AAuthApiToken[A-Z]\w+\z/, "$alert has the prefix");
    like($labels->{severity}, qr/\A(?:critical|warning)\z/,
         "$alert has a severity");
    like($text->{description}, qr/\A\w.{100,}\.\z/,
         "$alert says what to do");
    unlike($text->{description}, qr/\{\{/, "$alert says it to everybody");
}

# the severity, the summary with its values, and the description

my $tmp = tempdir(CLEANUP => 1);

open my $out, '>', "$tmp/test.yml" or die "$tmp/test.yml: $!";
print {$out} JSON::PP->new->utf8->encode({
    rule_files => [ "$dir/alerts.yml" ], evaluation_interval => '15s',
    tests => \@expected
});
close $out or die "$tmp/test.yml: $!";

promtool('the summaries', 'test', 'rules', "$tmp/test.yml");
is(join(',', sort keys %seen), join(',', sort keys %summaries), 'all of them');

done_testing();


sub alert {
    my ($alert, $series) = @_;

    my %labels = $series =~ /(\w+)="([^"]*)"/g;

    my $name = "$alert " . ($labels{instance} // '');

    $seen{$name}++;
    delete @labels{qw(alertname alertstate)};

    return {
        exp_labels => \%labels,
        exp_annotations => {
            summary => $summaries{$name},
            description => $rule{$alert}{annotations}{description},
        },
    };
}
