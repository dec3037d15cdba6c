package Bench::Hits;

# The cost of a request that the cache answers.

use strict;
use warnings;

use Bench::Client;
use Bench::Guard;
use Bench::Round;
use Bench::Server;
use Exporter qw(import);

our @EXPORT_OK = qw(hits throughput workers misses size);

use constant STRIDE => 618_033;


sub hits {
    my $rounds = rounds(7);
    my $seconds = seconds(2);

    title('hits', 'CPU of the workers for a request (/proc/PID/schedstat),'
          . ' compared with bare in the same round,',
          "and requests a second as a ratio to it; $rounds rounds of"
          . " $seconds s, median (min to max).");

    for my $workers (1, 2) {
        my @servers = guards(\@Guards, WORKERS => $workers);

        for my $tokens (1, 10_000) {
            my $results = hit_rounds($rounds, $seconds, $tokens, @servers);

            print "$tokens token", ($tokens > 1 ? 's' : ''), ", $workers"
                  . " worker", ($workers > 1 ? 's' : ''), ":\n\n";

            compared($results, @servers);
        }

        stop_server(@servers);
    }
}


# rounds with so many tokens that all servers know

sub hit_rounds {
    my ($rounds, $seconds, $tokens, @servers) = @_;

    my $first = fresh($tokens);

    warm_all($first, $tokens, @servers);

    return rounds_of($rounds, $seconds, 0, sub {
        return ($first, $tokens, 1, 'made');
    }, @servers);
}


sub compared {
    my ($results, @servers) = @_;

    table([ 'guard', 'us a request', 'us over bare', 'throughput to bare' ],
          map {
              my $result = $results->{$_->{name}};

              [ $_->{name}, spread('%.2f', 'us', $result),
                spread('%.2f', 'over', $result),
                spread('%.3f', 'ratio', $result) ]
          } @servers);

    print "\n";
}


sub throughput {
    my $rounds = rounds(20);
    my $seconds = seconds(1);
    my $tokens = 10_000;

    title('throughput', 'Requests a second with the module as a ratio to bare,'
          . " $tokens tokens, 1 worker;",
          "$rounds rounds of $seconds s, median (min to max).");

    my @servers = guards(\@Mine);

    compared(hit_rounds($rounds, $seconds, $tokens, @servers), @servers);
    stop_server(@servers);
}


# Two workers on two cores have the clients on their cores, so they are compared
# with one worker that has them on its core.  Slices are long enough for caches
# to be filled again.

sub workers {
    my $rounds = rounds(15);
    my $seconds = seconds(4);
    my $tokens = 10_000;

    title('workers', 'CPU of the workers for a hit, over that of bare with as'
          . " many workers, and in the module, its digest",
          'and its mutex as perf samples it, which is compared with one worker'
          . ' with the clients on its core;',
          "$tokens tokens, $rounds rounds of $seconds s, median (min to max).");

    my @cases = ([ 1, '1', 0 ], [ 1, '1, with clients', cores() - 1 ],
                 [ 2, '2' ]);

    my @servers = map {
        my ($workers, $case, $core) = @$_;

        map { +{ %$_, name => "$_->{name} $case", clients => $core,
                 perf => 1 } }
            guards(\@Mine, WORKERS => $workers);
    } @cases;

    local $Bench::Round::Slice = 1;

    my $results = hit_rounds($rounds, $seconds, $tokens, @servers);
    my @rows = [ 'guard', 'workers', 'us a request', 'us over bare',
                 'ns in the module', 'to one, with clients',
                 'throughput to bare' ];

    for my $name (grep { $_ ne 'bare' } @Mine) {
        my %of = map { ($_ => over($results, $name, $_->[1])) } @cases;

        for my $case (@cases) {
            my $result = $of{$case};
            my $one = $of{$cases[1]};

            for my $i (0 .. $#$result) {
                $result->[$i]{times} = $result->[$i]{own} / $one->[$i]{own};
                $result->[$i]{ns} = $result->[$i]{own} * 1000;
            }

            push @rows, [ $name, $case->[1], spread('%.2f', 'us', $result),
                          spread('%.2f', 'over', $result),
                          spread('%.0f', 'ns', $result),
                          spread('%.2f', 'times', $result),
                          spread('%.3f', 'ratio', $result) ];
        }
    }

    table(@rows);
    stop_server(@servers);
}


# the results of one, compared with bare in the same case

sub over {
    my ($results, $name, $case) = @_;

    my ($bare, $result) = @$results{"bare $case", "$name $case"};

    for my $i (0 .. $#$result) {
        $result->[$i]{over} = $result->[$i]{us} - $bare->[$i]{us};
        $result->[$i]{ratio} = $result->[$i]{rate} / $bare->[$i]{rate};
    }

    return $result;
}


sub misses {
    my $rounds = rounds(5);
    my $seconds = seconds(1);
    my $tokens = 100_000;

    title('misses', 'CPU of the worker for a request with a token that was'
          . ' never seen before, as for hits;',
          "$rounds rounds of $seconds s, 1 worker; the API is another nginx and"
          . ' not counted.');

    my @servers = guards(\@Guards);

    my $results = rounds_of($rounds, $seconds, 1, sub {
        return (fresh($tokens), $tokens, 1);
    }, @servers);

    for my $server (grep { $_->{name} ne 'bare' } @servers) {
        die "not enough tokens\n"
            if grep { $_->{requests} > $tokens } @{$results->{$server->{name}}};
    }

    compared($results, @servers);
    stop_server(@servers);
}


# wrk cannot be told how many requests to send: what it began and did not end
# is sent again

sub fill {
    my ($server, $first, $count) = @_;

    my $done = 0;

    while ($done < $count) {
        $done += wrk_done(wrk($server, 3, $first + $done, $count - $done, 1));
        $done -= 100 if $done < $count;
    }
}


sub size {
    my $rounds = rounds(7);
    my $seconds = seconds(2);
    my @sizes = (1_000, 100_000, 1_000_000);
    my $first = fresh($sizes[-1]);

    title('size', 'CPU of the worker for a hit by how many tokens the zone'
          . ' holds, all of them asked for in a scattered order,',
          "as a ratio to $sizes[0] tokens in the same round; $rounds rounds of"
          . " $seconds s, median (min to max).");

    my @servers = map {
        my $server = guard('module', ZONE => '320m');
        my $before = zone($server);

        fill($server, $first, $_);

        my $zone = zone($server);
        my $entries = $zone->{zone_records}{facts} - $before->{zone_records}{facts};

        die "$entries tokens in the zone, not $_\n" if $entries != $_;
        die "tokens were evicted\n" if grep { $_ } values %{$zone->{evictions}};

        +{ %$server, name => $_, tokens => $_ };
    } @sizes;

    my $results = rounds_of($rounds, $seconds, 0, sub {
        return ($first, $_[0]{tokens}, STRIDE);
    }, @servers);

    table([ 'tokens', 'us a request', "to $sizes[0]", 'throughput' ],
          map {
              my $result = $results->{$_};

              [ $_, spread('%.2f', 'us', $result),
                spread('%.3f', 'times', $result),
                spread('%.3f', 'ratio', $result) ]
          } @sizes);

    stop_server(@servers);
}


1;
