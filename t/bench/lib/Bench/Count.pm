package Bench::Count;

# Exact counts: instructions with callgrind, system calls with strace.

use strict;
use warnings;

use Bench::Client;
use Bench::Guard;
use Bench::Round;
use Bench::Server;
use Exporter qw(import);

our @EXPORT_OK = qw(instructions profile syscalls);

use constant TOKENS => 100;
use constant FEW    => 500;
use constant MANY   => 2500;
use constant NO_SHA => 'valgrind knows no SHA instructions: the digest of the'
                       . ' module costs more here than on a CPU that has them.';


sub some_tokens {
    my ($count) = @_;

    my $first = fresh(TOKENS);

    return map { token($first + $_ % TOKENS) } 0 .. $count - 1;
}


# one after the other, as it is what such a request costs alone that counts

sub send_hits {
    my ($server, $sock, @tokens) = @_;

    api_reset();

    my $got = send_all($sock, 1, @tokens);

    die "$server->{name}: a good token was refused\n"
        if $got->{200} != @tokens;
    die "$server->{name}: a hit asked the API\n" if api_calls();
}


# instructions by function of an nginx of one process that got so many hits

sub instructions_of {
    my ($name, $hits) = @_;

    my $server = guard($name, MASTER => 'off', command => [
        'valgrind', '--tool=callgrind', '--smc-check=all-non-file',
        '--callgrind-out-file=@DIR@/callgrind.out' ]);
    my @tokens = some_tokens($hits);

    warm($server, @tokens[0 .. TOKENS - 1]);
    send_hits($server, connected($server->{port}), @tokens);
    stop_server($server);

    my %ir;
    my $out = "$server->{dir}/callgrind.out";

    for (`callgrind_annotate --threshold=100 --auto=no $out`) {
        my ($count, $function) = /^\s*([\d,]+) (?:\(.*?\)\s+)?(.*\S)/ or next;
        my ($object) = $function =~ s/ \[.*?([^\/]+)\]\z// ? $1 : '';

        # the file is not needed, and one function may be in several

        $function =~ s/\A[^:]+://;
        $function = "$object $function" if $function =~ /\A0x/;
        $count =~ tr/,//d;

        $ir{$function} += $count;
    }

    return { ir => \%ir, calls => calls_in($out) };
}


# how often the functions that allocate were called: a name stands where it
# comes first, and after that its number only

sub calls_in {
    my ($out) = @_;

    my (%name, %calls, $called);

    open my $in, '<', $out or die "$out: $!\n";

    while (<$in>) {
        if (/^(c?)fn=\((\d+)\)(?: (.*))?/) {
            $name{$2} = $3 if defined $3;
            $called = $name{$2} if $1;

        } elsif (my ($count) = /^calls=(\d+)/) {
            $calls{malloc} += $count
                if $called =~ /\A(?:malloc|calloc|realloc|posix_memalign)\z/;
            $calls{pool} += $count if $called =~ /\Angx_pn?alloc\z/;
        }
    }

    return \%calls;
}


# instructions of one hit, by function and in all: the start and the misses are
# the same in both runs

sub of_one_hit {
    my ($name) = @_;

    my $few = instructions_of($name, FEW);
    my $many = instructions_of($name, MANY);

    my ($one, $calls) = map {
        my $what = $_;

        +{ map {
            ($_ => ($many->{$what}{$_} - ($few->{$what}{$_} || 0))
                   / (MANY - FEW))
        } keys %{$many->{$what}} };
    } qw(ir calls);

    my $all = delete $one->{'PROGRAM TOTALS'}
        or die "$name: callgrind wrote nothing\n";

    return ($all, $one, $calls);
}


sub instructions {
    title('instructions', 'Instructions of nginx (without the kernel) for a'
          . ' hit, under callgrind: the difference of ' . MANY . ' and ' . FEW,
          'hits, one after the other, of ' . TOKENS . ' tokens; and calls of'
          . ' malloc() and of ngx_palloc().', NO_SHA);

    my @rows = [ 'guard', 'instructions', 'over bare', 'malloc', 'pool' ];
    my $bare;

    for my $name (@Guards) {
        my ($all, undef, $calls) = of_one_hit($name);

        $bare = $all if !defined $bare;
        push @rows, [ $name, (map { sprintf '%.0f', $_ } $all, $all - $bare),
                      map { sprintf '%.1f', $calls->{$_} } qw(malloc pool) ];
    }

    table(@rows);
}


sub profile {
    title('profile', 'Instructions of the module for a hit by function, each'
          . ' without those it calls, as a difference to bare.',
          'What has no symbol stands under its address or its neighbour\'s name'
          . ' (then once too many, once too few).',
          NO_SHA);

    my ($bare_all, $bare) = of_one_hit('bare');
    my ($all, $one) = of_one_hit('module');

    $one->{$_} -= $bare->{$_} for keys %$bare;

    my @rows = map { [ $_, sprintf '%.0f', $one->{$_} ] }
               grep { abs $one->{$_} >= 10 }
               sort { $one->{$b} <=> $one->{$a} || $a cmp $b } keys %$one;

    table([ 'function', 'instructions' ], @rows,
          [ 'all', sprintf '%.0f', $all - $bare_all ]);
}


# how many of each name, for so many hits

sub calls_of {
    my ($server, $hits) = @_;

    my $sock = connected($server->{port});
    my ($pid) = @{$server->{workers}};
    my @tokens = some_tokens($hits);
    my ($log, $out) = map { "$server->{dir}/strace.$_" } qw(log out);

    warm($server, @tokens[0 .. TOKENS - 1]);
    send_all($sock, 1, $tokens[0]);

    my $strace = spawn($log, 'strace', '-f', '-c', '-o', $out, '-p', $pid);

    until_true("strace of $server->{name}", 10, sub {
        die slurp($log) if ended($strace);

        return slurp($log) =~ /attached/;
    });
    send_hits($server, $sock, @tokens);
    reap('strace', $strace, 'INT');

    # the last column is the name, the fourth the calls

    return { map { /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*?(\w+)$/
                   && $2 ne 'total' ? ($2 => $1 / $hits) : () }
             split /\n/, slurp($out) };
}


sub syscalls {
    my $hits = 1000;

    title('syscalls', "System calls of the worker for a hit, by strace, over"
          . " $hits hits one after the other of " . TOKENS . ' tokens;',
          'by name where there are more of them than with bare.');

    my @servers = guards(\@Guards);
    my @rows = [ 'guard', 'calls', 'more than bare' ];
    my $bare;

    for my $server (@servers) {
        my $calls = calls_of($server, $hits);
        my $all = 0;

        $bare ||= $calls;
        $all += $_ for values %$calls;

        my @more = map { sprintf '%s %.2f', $_, $calls->{$_}
                                                - ($bare->{$_} || 0) }
                   grep { $calls->{$_} - ($bare->{$_} || 0) >= 0.005 }
                   sort keys %$calls;

        push @rows, [ $server->{name}, sprintf('%.2f', $all),
                      join(', ', @more) || '-' ];

        die "a hit of the module makes system calls: @more\n"
            if @more && $server->{name} eq 'module';
    }

    table(@rows);
    stop_server(@servers);
}


1;
