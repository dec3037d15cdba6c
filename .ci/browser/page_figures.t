# The status page with figures that the test makes up: what it has to show of
# them, and how it looks in trouble.

use strict;
use warnings;

use lib '.ci/browser', 't/lib';
use AuthApiToken;
use JSON::PP ();
use Page;
use Status qw(@Reasons @Outcomes);
use Test::More;

my $json = JSON::PP->new->utf8->canonical;

# figures come when the test gives them, and the page asks for more at once

my $stub = <<'END';
const later = setTimeout;
window.setTimeout = (f, ms) => later(f, ms / 100);
window.fetch = () => new Promise((done, fail) => {
    window.give = (body, status) => {
        window.give = undefined;
        status === 0 ? fail(new TypeError('Failed to fetch'))
            : status === 1 ? fail(new DOMException('late', 'TimeoutError'))
            : done(new Response(body, { status }));
    };
});
END


# figures as the test gives them

my @Bounds = qw(0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf);

sub zeros {
    return { map { $_ => 0 } @_ };
}

# a histogram of how many there are up to each bound

sub histogram {
    my (@n) = (@_, (0) x (@Bounds - @_));

    for my $i (1 .. $#n) {
        $n[$i] = $n[$i - 1] if $n[$i] < $n[$i - 1];
    }

    my %buckets;
    @buckets{@Bounds} = @n;

    return { buckets => \%buckets, count => $n[-1], sum => 0 };
}

sub zone {
    my (%is) = @_;

    my %kinds = %{zeros(qw(facts denials budgets))};
    my %zone = (
        requests => zeros(@Reasons), requests_dry_run => zeros(@Reasons),
        cache_requests => zeros(qw(hit miss wait stale bypass)),
        lookups => zeros(@Outcomes), request_wait_seconds => histogram(),
        lookup_duration_seconds => histogram(), refreshes => 0,
        lookups_in_flight => 0, lookups_limit => 64, lookups_queued => 0,
        last_success_timestamp_seconds => undef, breaker => 'closed',
        breaker_opened => 0, zone_records => { %kinds },
        zone_used_bytes => { %kinds }, evictions => { %kinds },
        zone_size_bytes => 1048576, evicted_age_seconds => undef,
        purge_requests => 0, purged_records => 0, zone_resets => 0,
    );

    for my $name (keys %is) {
        my $value = $is{$name};

        $zone{$name} = ref $value && !$value->{buckets}
                       ? { %{$zone{$name}}, %$value } : $value;
    }

    return \%zone;
}

# the page has them when it asks for the next

sub give {
    my ($time, %zones) = @_;

    answer($json->encode({ version => '0.1.0', nginx => '1.22.1',
                           timestamp_seconds => $time, zones => \%zones }));
}

sub answer {
    my ($body, $status) = @_;

    $Browser->until('the page asks', 'return !!window.give');
    $Browser->run('give(arguments[0], arguments[1])', $body,
                  defined $status ? $status : 200);
    $Browser->until('the page asks again', 'return !!window.give');
}


# what the numbers have to be

$Browser->before($stub);
my $example = start();

$Browser->go($Page);
give(1000, tokens => zone(requests => { pass => 1000 },
                          last_success_timestamp_seconds => 996.2));

my $dash = "\x{2013}";
my $shown = shown();

is(states(), 'All is well', 'first figures - state');
is($shown->{now}{'Requests a second'}{passed}, $dash, 'no rate yet');
is($shown->{'Hit ratio'}, $dash, 'no ratio yet');
is($shown->{'Clients wait, p95'}, $dash, 'no time yet');
is($shown->{'The API last answered'}, '4 s ago', "by nginx's clock");
sane('first figures');

my $waited = histogram(0, 0, 1, 6, 9, 10);
my $taken = histogram(0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 8);

give(1010, tokens => zone(
    requests => { pass => 1100, unknown => 20, no_token => 5,
                  unavailable => 10, busy => 5 },
    requests_dry_run => { pass => 30, module => 10 },
    cache_requests => { hit => 90, miss => 8, wait => 2 },
    request_wait_seconds => $waited, lookup_duration_seconds => $taken,
    lookups => { active => 6, unavailable => 2 },
    zone_records => { facts => 5000, denials => 2, budgets => 1 },
    zone_used_bytes => { facts => 524288, denials => 2048, budgets => 128 }));

$shown = shown();

is($shown->{states}[0], 'Requests are turned away', '503 - state');
is_deeply([ @{$shown->{states}}[1, 2] ], ['Lookups fail', 'Lookups are slow'],
          'and others');
is($shown->{'Requests a second+'}, 'and 4 in dry run', 'dry run apart');
is_deeply($shown->{tables}{'Requests by result'}, {
    pass => ['100', '1,100', '30'], unknown => ['20', '20', '0'],
    no_token => ['5', '5', '0'], module => ['0', '0', '10'],
    unavailable => ['10', '10', '0'], busy => ['5', '5', '0']
}, 'results');
is($shown->{'Hit ratio'}, '90.0%', 'hit ratio');
is($shown->{'Clients wait, p95'}, '175 ms', 'p95');
is($shown->{'The API last answered'}, 'not yet', 'no answer yet');
is_deeply($shown->{now}{'How long clients wait, if they have to'},
          { p50 => '45 ms', p95 => '175 ms', p99 => '235 ms' },
          'what clients wait');
is_deeply($shown->{now}{'How long lookups take'},
          { p50 => '100 ms', p95 => 'over 10 s', p99 => 'over 10 s' },
          'what lookups take');
is_deeply($shown->{tables}{'Memory by kind'}, {
    facts => ['5,000', '512.0 KiB', '0'], denials => ['2', '2.0 KiB', '0'],
    budgets => ['1', '128 B', '0']
}, 'memory');
is(join(' ', map { sprintf '%.1f', $_ } @{$Browser->run(<<'END')}),
return [...document.querySelectorAll('.bar span')].map(e =>
    100 * e.getBoundingClientRect().width / e.parentNode.clientWidth);
END
   '50.0 0.2 0.0', 'the bar');
is_deeply([ map { $shown->{now}{'Requests a second'}{$_} }
            'passed', 'refused', 'not decided' ], ['10', '2.50', '1.50'],
          'a second');
like(said(), qr/^Zone tokens: Requests are turned away\.$/, 'told once');
like($Browser->run('return document.title'), qr/Requests are turned away/,
     'and in the title');
sane('503');

# nginx is started again: no counter is as high as it was

answer('', 0);
is(states(), 'Not known', 'no nginx - state');
like(banner(), qr/^Cannot reach nginx\s+Since \d\d:\d\d:\d\d, \d+ s: no conn/,
     'no nginx');
sane('no nginx');

give(1020, tokens => zone(requests => { pass => 30, unknown => 6 },
                          cache_requests => { hit => 20, miss => 10 }));
is(banner(), '', 'nginx again');

$shown = shown();

is($shown->{states}[-1], 'The counters were reset', 'reset');
is_deeply($shown->{now}{'Requests a second'},
          { passed => '3', refused => '0.60', 'not decided' => '0' },
          'from nothing on');
is($shown->{'Hit ratio'}, '84.6%', 'hit ratio over both');
is_deeply($shown->{tables}{'Requests by result'},
          { pass => ['130', '30', '0'], unknown => ['26', '6', '0'] },
          'results of both');
sane('reset');

# the minute is over, and with it what was in it

give(1090, tokens => zone(requests => { pass => 30, unknown => 6 },
                          cache_requests => { hit => 20, miss => 10 }));

$shown = shown();

is($shown->{states}[0], 'All is well', 'a minute later - state');
is($shown->{'Hit ratio'}, $dash, 'nothing to have a ratio of');
is_deeply($shown->{now}{'How long lookups take'},
          { p50 => $dash, p95 => $dash, p99 => $dash }, 'and no times');

# nobody looked for five minutes: what came then was not in the last one

my %then = (unknown => 6, busy => 500);

give(1390, tokens => zone(requests => { pass => 3030, %then },
                          cache_requests => { hit => 20, miss => 10 }));

$shown = shown();

is($shown->{states}[0], 'All is well', 'after a pause - state');
is($shown->{'Requests a second'}, $dash, 'not known yet');
is_deeply($shown->{tables}{'Requests by result'}{busy}, ['0', '500', '0'],
          'not in the last minute');

give(1392, tokens => zone(requests => { pass => 3050, %then },
                          cache_requests => { hit => 30, miss => 20 }));

$shown = shown();

is($shown->{'Requests a second'}, '10', 'of two seconds');
is($shown->{'Hit ratio'}, '50.0%', 'of these alone');
sane('after a pause');

# what an operator is told of

my %calm = (requests => { pass => 30, unknown => 6 });
my $now = 1392;

for ([{ breaker => 'open' }, 'The breaker is open: the token API fails'],
     [{ breaker => 'probing' }, 'The breaker is open: the token API fails'],
     [{ lookups_queued => 7 }, 'All places are taken'],
     [{ lookups_in_flight => 64 }, 'All places are taken'],
     [{ cache_requests => { stale => 1 } }, 'Old facts are served'],
     [{ evictions => { facts => 1 }, evicted_age_seconds => 8 },
      'The zone is full'],
     [{ requests => { %{$calm{requests}}, limited => 1 } },
      'Bad tokens are being tried'],
     [{ requests => { %{$calm{requests}}, insecure => 1 } },
      'Tokens come over plain HTTP'],
     [{ zone_resets => 1 }, 'The zone was reset'])
{
    my ($is, $state) = @$_;

    # a zone of its own has no past

    give($now += 2, "z$now" => zone(%calm));
    is(states(), 'All is well', "$state - not yet");
    give($now += 2, 'z' . ($now - 2) => zone(%calm, %$is));
    is(states(), $state, $state);
    sane($state);
}

# zones come and go; a clock that is set back, a zone of which little is known

give($now - 500, new => {}, tokens => zone(%calm));
is(states(0), 'No requests yet', 'a zone with nothing');
is_deeply([ $Browser->texts('nav li') ],
          ['new: No requests yet', 'tokens: All is well'], 'two zones');
sane('little is known');
like(said(), qr/Zone z\d+ is gone\./, 'a zone is gone');
give($now, tokens => zone(%calm));
is(scalar $Browser->texts('.zone'), 1, 'one zone');

# answers that are no figures

answer('<p>Forbidden</p>', 403);
like(banner(), qr/^nginx gives no figures\s.*it answers 403\./s,
     'refused');
answer('', 1);
like(banner(), qr/^Cannot reach nginx\s.*no answer in time\./s, 'late');
answer('<p>', 200);
like(banner(), qr/^nginx gives no figures\s/, 'no JSON');
answer('{}', 200);
like(banner(), qr/^nginx gives no figures\s/, 'no zones');
sane('no figures');
give($now += 2, tokens => zone(%calm));
is(banner(), '', 'figures again');

# how two zones look, one of them with large numbers and trouble

my %large = (
    breaker => 'open', breaker_opened => 1234, lookups_in_flight => 1024,
    lookups_limit => 1024, lookups_queued => 10000,
    zone_records => { facts => 4e7, denials => 4e6, budgets => 4e5 },
    zone_used_bytes => { facts => 9e9, denials => 1e9, budgets => 5e8 },
    zone_size_bytes => 12e9, evicted_age_seconds => 86400 * 3,
    request_wait_seconds => $taken, lookup_duration_seconds => $taken);

my $long = 'a-zone-with-quite-a-long-name-that-cannot-be-broken-anywhere';

for my $n (1 .. 8) {
    give($now += 20, tokens => zone(%calm), $long => zone(%large,
         requests => { map { $_ => 123456789 + $n * 77777 } @Reasons },
         requests_dry_run => { map { $_ => 1234567 + $n * 777 } @Reasons }));
}

look_at('trouble', 'all open');
sane('trouble');

# all that can be done, by keyboard

$Browser->run(<<'END');
document.querySelectorAll('details').forEach(e => { e.open = false; });
END
is_deeply([ tab() ], ['Pause', 'tokens', $long, 'More figures', 'More figures'],
    'in the order of the page');

is_deeply($Browser->run('return violations'), [], 'its policy is kept');

$example->stop;
done_testing();
