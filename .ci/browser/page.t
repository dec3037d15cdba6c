# The status page in Chromium, with a real nginx and the emulator.  PAGE_SAMPLES
# is how many figures the screenshots in build/page/ show at least, one in two
# seconds.

use strict;
use warnings;

use lib '.ci/browser', 't/lib';
use AuthApiToken;
use Background;
use Page;
use Status qw(@Reasons);
use Test::More;
use Time::HiRes qw(sleep time);

my ($Tab, $Enter) = ("\x{e004}", "\x{e007}");


# requests over one connection, one of each in turn: to those that pass, with
# another module, unknown, none, in dry run

sub volley {
    my ($example, $n) = @_;

    my $sock = $example->client($Tls);
    my $from = int rand 1000;

    # one only, or the address spends its budget

    my $wrong = 'idt:TKN-1000-0000:MADEUPwrong';

    for my $i ($from .. $from + $n - 1) {
        my $id = sprintf 'TKN-1000-%04d', $i % 40;
        my $request = $i % 17 == 0 ? request_of(undef, '/orders/1')
            : $i % 13 == 0 ? request_of(token('TKN-2000-0001'), '/orders/1')
            : $i % 11 == 0 ? request_of($wrong, '/orders/1')
            : $i % 7 == 0 ? request_of(token($id), '/dry/1')
            : $i % 5 == 0 ? request_of(token('TKN-2000-0001'), '/dry/1')
            : request_of(token($id), '/orders/1');

        print {$sock} $request;
        read_response($sock);
    }
}


# a child that sends them until it is told to stop

sub load {
    my ($example) = @_;

    return Background->start(sub {
        my ($go_on) = @_;

        while ($go_on->()) {
            my $part = .5 + .5 * sin(time / 15);

            eval { volley($example, 4 + int(10 * $part + rand 4)) };
            sleep .1;
        }

        return;
    });
}


# the real thing

my $example = start();

api('PUT', 'tokens/TKN-2000-0001', { modules => [] });

for my $n (0 .. 39) {
    my $id = sprintf 'TKN-1000-%04d', $n;

    api('PUT', "tokens/$id");
    api('PUT', "faults/$id", { delay => 5 + $n * $n / 4 });
}

$Browser->go($Page);
$Browser->until('no requests yet',
                'return /^No requests yet/m.test(document.body.innerText)');
look_at('empty');

my $load = load($example);

$Browser->until('figures move', <<'END');
const numbers = [...document.querySelectorAll('h3 + ul')].slice(0, 2).map(e =>
    [...e.querySelectorAll('b')].slice(0, 2).map(b => parseFloat(b.innerText)));

return numbers.flat().every(n => n > 0);
END

my $samples = $ENV{PAGE_SAMPLES} || 12;

for (my $n = 4; $n <= $samples; $n += 4) {
    $Browser->until("$n figures", <<'END', $n);
return zones.get('tokens').samples.length >= arguments[0];
END
}

like(states(), qr/^All is well/, 'under load');
look_at('live');
sane('live');

# a reload changes nothing

my $before = figures_of($example)->{zones}{tokens}{requests}{pass};

$example->reload(['rate=30r/m', 'rate=60r/m']);
$Browser->until('it goes on', <<'END', $before);
return zones.get('tokens').samples.at(-1).json.requests.pass > arguments[0];
END
is(states(), 'All is well', 'a reload');
is(banner(), '', 'nobody was away');
$load->stop;

# what it shows is what nginx says

my $figures;

until_true('no lookup is under way', sub {
    $figures = figures_of($example)->{zones}{tokens};

    return $figures->{lookups_in_flight} == 0;
});

cmp_ok($figures->{requests}{$_}, '>', 0, "there were $_")
    for qw(pass unknown no_token module);
cmp_ok($figures->{requests_dry_run}{$_}, '>', 0, "in dry run $_")
    for qw(pass module);

sub grouped {
    my ($n) = @_;

    1 while $n =~ s/^(\d+)(\d{3})/$1,$2/;

    return $n;
}

$Browser->until('the last figures', <<'END', @$figures{qw(requests lookups)});
const { requests, lookups } = zones.get('tokens').samples.at(-1).json;

return requests.pass === arguments[0].pass
    && lookups.active === arguments[1].active;
END

my $tables = shown()->{tables};

is_deeply({ map { $_ => [ @{$tables->{'Requests by result'}{$_}}[1, 2] ] }
            keys %{$tables->{'Requests by result'}} },
          { map { $_ => [ grouped($figures->{requests}{$_}),
                          grouped($figures->{requests_dry_run}{$_}) ] }
            grep { $figures->{requests}{$_} + $figures->{requests_dry_run}{$_} }
            @Reasons }, 'requests');

for (['Cache', 'cache_requests'], ['Lookups', 'lookups']) {
    my ($table, $name) = @$_;

    is_deeply({ map { $_ => $tables->{$table}{$_}[1] }
                keys %{$tables->{$table}} },
              { map { $_ => grouped($figures->{$name}{$_}) }
                keys %{$figures->{$name}} }, $name);
}

is(join(' ', map { $tables->{'Memory by kind'}{$_}[0] } qw(facts denials)),
   join(' ', @{$figures->{zone_records}}{qw(facts denials)}), 'records');

# paused, by keyboard

$Browser->run('document.activeElement.blur()');
$Browser->press($_) for $Tab, $Enter;
is(focus()->[0], 'Resume', 'paused');
like(join(' ', $Browser->texts('#live')), qr/, paused\./, 'and says so');
$Browser->press($Enter);
is(focus()->[0], 'Pause', 'goes on');

# the API fails

api('PUT', 'faults/any', { status => 500 });
api('DELETE', sprintf 'faults/TKN-1000-%04d', $_) for 0 .. 39;

until_true('the breaker opens', sub {
    volley($example, 60);
    figures_of($example)->{zones}{tokens}{breaker} ne 'closed';
});

$Browser->until('the breaker is open', <<'END');
return /^The breaker is open/m.test(document.querySelector('.zone').innerText);
END

like(states(), qr/Requests are turned away/, 'and what that means');
is(shown()->{Breaker} =~ /^(?:open|probing)$/ ? 1 : 0, 1, 'in its tile');
look_at('breaker');

api('DELETE', 'faults/any');

until_true('the breaker closes', sub {
    volley($example, 20);
    figures_of($example)->{zones}{tokens}{breaker} eq 'closed';
});

$Browser->until('the breaker is closed', <<'END');
return !/^The breaker is open/m.test(document.querySelector('.zone').innerText);
END

# all that it asked for, and what went wrong meanwhile

is_deeply([ $Browser->console ], [], 'the console is silent');
is_deeply($Browser->run('return violations'), [], 'its policy is kept');

my %asked;

$asked{$_->{url}}++ for grep { $_->{url} !~ /^data:/ } $Browser->requests;

is(join(' ', keys %asked), $Page, 'nobody else is asked');
cmp_ok($asked{$Page}, '>', 10, 'nginx is');

# nginx is away, and back

$example->stop;
$Browser->until('nginx is away', <<'END');
return /^Cannot reach nginx/m.test(document.body.innerText);
END
is(states(), 'Not known', 'nothing is well');
like($Browser->run('return document.title'), qr/Cannot reach nginx/, 'title');
look_at('away');

$example = start();

$Browser->until('nginx is back', <<'END');
return !/^Cannot reach nginx/m.test(document.body.innerText);
END
like(states(), qr/; The counters were reset$/, 'and the figures are others');
volley($example, 50);
$Browser->until('figures of the new one', <<'END');
return zones.get('tokens').samples.at(-1).json.requests.pass > 0;
END
sane('nginx is back');
is(join(' ', grep { !/ERR_CONNECTION_REFUSED/ } $Browser->console), '',
   'the console tells only that it was away');
is_deeply($Browser->run('return violations'), [], 'its policy is kept still');

# by whatever address it is reached

my ($scheme, $address) = $Page =~ m{^(\w+://)(.*)/status$};

for my $url ("$scheme$address//status", "${scheme}a:b\@$address/status",
             "$Page?a=b")
{
    $Browser->go($url);
    is($Browser->until("an answer at $url",
                       'return zones.size > 0 ? "figures" : why && why[0];'),
       'figures', $url);
}

$example->stop;
done_testing();
