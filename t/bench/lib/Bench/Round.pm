package Bench::Round;

# Timed rounds of wrk, and tables of their results.

use strict;
use warnings;

use Bench::Client;
use Bench::Guard;
use Bench::Server;
use Exporter qw(import);
use FindBin ();
use List::Util qw(shuffle);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(rounds seconds wrk wrk_done rounds_of median spread table
                 title);

use constant CONNECTIONS => 32;

our $Slice = 0.05;


sub rounds {
    my ($default) = @_;

    return $ENV{BENCH_ROUNDS} || $default;
}


sub seconds {
    my ($default) = @_;

    return $ENV{BENCH_SECONDS} || $default;
}


# What wrk is run by, and where its report goes.  It has a thread for each
# worker, as workers that wait for clients lose what is in their caches.

sub wrk {
    my ($server, $seconds, @args) = @_;

    my $report = "$server->{dir}/wrk";
    my $core = $server->{clients};
    my $threads = @{$server->{workers}};

    $core = 0 if !defined $core && $threads == 1;

    my $pid = spawn($report, defined $core ? on_core($core) : (), 'wrk',
                    "-t$threads", '-c' . CONNECTIONS * $threads,
                    "-d${seconds}s", '--timeout', '60s',
                    '-s', "$FindBin::Bin/requests.lua",
                    "http://127.0.0.1:$server->{port}/t", '--', @args);

    return { server => $server, pid => $pid, report => $report, active => 0 };
}


# waits for its report: how many requests.  Any of its threads may get a signal,
# and all have to.

sub wrk_done {
    my ($wrk, $signal) = @_;

    my $name = $wrk->{server}{name};

    until_true("end of wrk for $name", 60, sub {
        kill $_ => $wrk->{pid} for $signal ? ($signal, 'CONT') : ();
        return ended($wrk->{pid});
    });

    my $text = slurp($wrk->{report});

    my ($requests, $wrong) =
        $text =~ /^bench: (\d+) requests in \d+ us, (\d+) wrong$/m
        or die "wrk: $text\n";

    die "$name: $wrong answers were wrong\n" if $wrong;
    die "$name: no answers\n" if !$requests;

    return $requests;
}


# what a server has done for others, when it has nothing more to do

sub done_by {
    my ($server) = @_;

    $server->{looks}++;

    my ($requests) = get($server->{port}, '/requests') =~ /(\d+) \nReading/
        or die "$server->{name}: no number of requests\n";

    my $ns = -1;

    until_true("rest of $server->{name}", 10, sub {
        my $before = $ns;

        return $before == ($ns = cpu_ns($server));
    });

    return { requests => $requests - $server->{looks}, ns => $ns };
}


# samples where the workers of a server are

sub perf {
    my ($server) = @_;

    return spawn("$server->{dir}/perf", 'perf', 'record', '-e', 'cpu-clock',
                 '-F', 1000, '-o', "$server->{dir}/perf.data",
                 '-p', join ',', @{$server->{workers}});
}


# The share of the samples that are in the module, in libcrypto, which nothing
# else uses here, and in the mutex of a zone.

sub share {
    my ($server, $pid) = @_;

    my ($module) = $server->{module} =~ m{([^/]+)\z};
    my ($own, $all) = (0, 0);

    reap("perf of $server->{name}", $pid, 'INT');

    my $report = "perf report -i $server->{dir}/perf.data --stdio"
                 . ' --sort dso,sym -F sample,dso,sym 2>/dev/null';

    for (`$report`) {
        my ($n, $object, $symbol) = /^ *(\d+) +(\S+) +\[.\] (\S+)/ or next;

        $all += $n;
        $own += $n if $object eq $module || $object =~ /^libcrypto/
                      || $symbol =~ /^ngx_shmtx_/;
    }

    die "$server->{name}: no samples, perf said:\n",
        slurp("$server->{dir}/perf") if !$all;

    return $own / $all;
}


# One round: so many seconds for each server, but in short slices in turn, with
# the clients of the others stopped, so that what else the machine does meets
# all alike.  "args" makes the arguments of requests.lua for a server; "calls"
# is whether the API may be asked.  Microseconds of the workers for a request,
# and requests a second, by name.

sub round {
    my ($seconds, $calls, $args, @servers) = @_;

    api_reset();

    my %before = map { ($_->{name} => done_by($_)) } @servers;
    my @wrks = map { wrk($_, 600, $args->($_)) } @servers;

    kill STOP => map { $_->{pid} } @wrks;

    my %perf = map { ($_->{name} => perf($_)) } grep { $_->{perf} } @servers;

    for my $slice (1 .. $seconds / $Slice) {
        for my $wrk (shuffle @wrks) {
            my $start = time;

            kill CONT => $wrk->{pid};
            sleep $Slice;
            kill STOP => $wrk->{pid};

            $wrk->{active} += time - $start;
        }
    }

    my %results;
    my $sum = 0;

    for my $wrk (@wrks) {
        my $name = $wrk->{server}{name};
        my $after = done_by($wrk->{server});
        my $requests = $after->{requests} - $before{$name}{requests};

        $results{$name} = {
            us => ($after->{ns} - $before{$name}{ns}) / $requests / 1000,
            rate => $requests / $wrk->{active},
            requests => $requests
        };

        $results{$name}{own} = $results{$name}{us}
                               * share($wrk->{server}, $perf{$name})
            if $perf{$name};

        $sum += $requests if $name ne 'bare';
    }

    my $asked = api_calls();

    die "hits asked the API\n" if !$calls && $asked;
    die "$sum misses, $asked calls\n" if $calls && $asked < $sum;

    wrk_done($_, 'INT') for @wrks;

    return \%results;
}


# the results of each by round, compared with those of the first

sub rounds_of {
    my ($rounds, $seconds, $calls, $args, @servers) = @_;

    my %results;

    for my $round (1 .. $rounds) {
        my $one = round($seconds, $calls, $args, @servers);
        my $base = $one->{$servers[0]{name}};

        for my $server (@servers) {
            my $result = $one->{$server->{name}};

            $result->{over} = $result->{us} - $base->{us};
            $result->{times} = $result->{us} / $base->{us};
            $result->{ratio} = $result->{rate} / $base->{rate};

            push @{$results{$server->{name}}}, $result;
        }
    }

    return \%results;
}


sub median {
    my (@values) = sort { $a <=> $b } @_;

    return ($values[$#values / 2] + $values[@values / 2]) / 2;
}


# "median (min to max)" of one member of the results

sub spread {
    my ($format, $member, $results) = @_;

    my @values = sort { $a <=> $b } map { $_->{$member} } @$results;

    return sprintf "$format ($format to $format)", median(@values),
                   @values[0, -1];
}


sub title {
    my ($title, @text) = @_;

    local $| = 1;
    print "\n## $title\n\n", join("\n", @text), "\n\n";
}


# columns are as wide as they have to be; numbers stand at the right

sub table {
    my (@rows) = @_;

    my @width;

    for my $row (@rows) {
        for my $i (0 .. $#$row) {
            my $length = length $row->[$i];
            $width[$i] = $length if !$width[$i] || $length > $width[$i];
        }
    }

    my $line = sub {
        my (@cells) = @_;

        return '| ' . join(' | ', map {
            my $i = $_;
            sprintf $i ? "%$width[$i]s" : "%-$width[$i]s", $cells[$i]
        } 0 .. $#width) . " |\n";
    };

    local $| = 1;

    print $line->(@{shift @rows});
    print '|', join('|', map { '-' x ($width[$_] + ($_ ? 1 : 2))
                               . ($_ ? ':' : '') } 0 .. $#width), "|\n";
    print $line->(@$_) for @rows;
}


1;
