package Bench::Count;

# Exact counts: instructions with callgrind, system calls with strace.

use strict;
use warnings;

use Bench::Client;
use Bench::Guard;
use Bench::Round;
use Bench::Server;
use Exporter qw(import);

our @EXPORT_OK = qw(instructions profile syscalls miss_instructions miss_profile
                    miss_syscalls);

use constant TOKENS => 100;
use constant FEW    => 500;
use constant MANY   => 2500;
use constant CALLS  => 1000;
use constant NO_SHA => 'valgrind knows no SHA instructions: the digest of the'
                       . ' module costs more here than on a CPU that has them.';


# Makes so many requests, each a "hit" or a "miss", one after the other: it is
# what such a request costs alone that counts.  What they need is done before,
# and "begin" is called between.

sub send_requests {
    my ($server, $kind, $count, $begin) = @_;

    my $sock = connected($server->{port});
    my $known = fresh(TOKENS);
    my $new = fresh($count);
    my @known = map { token($known + $_) } 0 .. TOKENS - 1;

    warm($server, @known);
    send_all($sock, 1, $known[0]);
    api_reset();
    $begin->() if $begin;

    my $got = send_all($sock, 1, map {
        $kind eq 'miss' ? token($new + $_) : $known[$_ % TOKENS]
    } 0 .. $count - 1);

    my $want = $kind eq 'miss' && $server->{name} ne 'bare' ? $count : 0;
    my $calls = api_calls();

    die "$server->{name}: a good token was refused\n" if $got->{200} != $count;
    die "$server->{name}: $calls calls of the API, not $want\n"
        if $calls != $want;
}


# instructions by function of an nginx of one process that got so many requests

sub instructions_of {
    my ($name, $kind, $count) = @_;

    my $server = guard($name, MASTER => 'off', command => [
        'valgrind', '--tool=callgrind', '--smc-check=all-non-file',
        '--callgrind-out-file=@DIR@/callgrind.out' ]);

    send_requests($server, $kind, $count);
    stop_server($server);

    my (%ir, %object);
    my $out = "$server->{dir}/callgrind.out";

    for (`callgrind_annotate --threshold=100 --auto=no $out`) {
        my ($count, $function) = /^\s*([\d,]+) (?:\(.*?\)\s+)?(.*\S)/ or next;
        my ($object) = $function =~ s/ \[.*?([^\/]+)\]\z// ? $1 : '';

        # the file is not needed, and one function may be in several

        $function =~ s/\A[^:]+://;
        $function = "$object $function" if $function =~ /\A0x/;
        $count =~ tr/,//d;

        $ir{$function} += $count;
        $object{$object} += $count if $object;
    }

    return { ir => \%ir, object => \%object, calls => calls_in($out) };
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


# instructions of one request in all, by function and by object file: the start
# is the same in both runs

sub of_one {
    my ($name, $kind) = @_;

    my $few = instructions_of($name, $kind, FEW);
    my $many = instructions_of($name, $kind, MANY);

    my ($one, $object, $calls) = map {
        my $what = $_;

        +{ map {
            ($_ => ($many->{$what}{$_} - ($few->{$what}{$_} || 0))
                   / (MANY - FEW))
        } keys %{$many->{$what}} };
    } qw(ir object calls);

    my $all = delete $one->{'PROGRAM TOTALS'}
        or die "$name: callgrind wrote nothing\n";

    return ($all, $one, $object, $calls);
}


sub instructions {
    instructions_table('instructions', 'hit');
}


sub miss_instructions {
    instructions_table('miss_instructions', 'miss');
}


sub instructions_table {
    my ($title, $kind) = @_;

    title($title, "Instructions of nginx (without the kernel) for a $kind,"
          . ' under callgrind: the difference of ' . MANY . ' and ' . FEW,
          'requests, one after the other, with ' . tokens_of($kind)
          . '; and calls of malloc() and of ngx_palloc().', NO_SHA);

    my @rows = [ 'guard', 'instructions', 'over bare', 'malloc', 'pool' ];
    my $bare;

    for my $name (@Guards) {
        my ($all, undef, undef, $calls) = of_one($name, $kind);

        $bare = $all if !defined $bare;
        push @rows, [ $name, (map { sprintf '%.0f', $_ } $all, $all - $bare),
                      map { sprintf '%.1f', $calls->{$_} } qw(malloc pool) ];
    }

    table(@rows);
}


sub tokens_of {
    my ($kind) = @_;

    return $kind eq 'hit' ? TOKENS . ' known tokens' : 'a new token each';
}


sub profile {
    profile_table('profile', 'hit');
}


sub miss_profile {
    profile_table('miss_profile', 'miss');
}


sub profile_table {
    my ($title, $kind) = @_;

    title($title, "Instructions of the module for a $kind by object file, and"
          . ' by function, each without those it calls,',
          'as a difference to bare. What has no symbol stands under its address'
          . ' or its neighbour\'s name (then once too many, once too few).',
          NO_SHA);

    my ($bare_all, @bare) = of_one('bare', $kind);
    my ($all, @one) = of_one('module', $kind);

    for my $i (1, 0) {
        my ($one, $bare) = ($one[$i], $bare[$i]);

        $one->{$_} -= $bare->{$_} for keys %$bare;

        my @rows = map { [ $_, sprintf '%.0f', $one->{$_} ] }
                   grep { abs $one->{$_} >= 10 }
                   sort { $one->{$b} <=> $one->{$a} || $a cmp $b } keys %$one;

        table([ $i ? 'object file' : 'function', 'instructions' ], @rows,
              [ 'all', sprintf '%.0f', $all - $bare_all ]);
        print "\n" if $i;
    }
}


# how many of each name, for a request

sub calls_of {
    my ($server, $kind) = @_;

    my ($pid) = @{$server->{workers}};
    my ($log, $out) = map { "$server->{dir}/strace.$_" } qw(log out);
    my $strace;

    send_requests($server, $kind, CALLS, sub {
        $strace = spawn($log, 'strace', '-f', '-c', '-o', $out, '-p', $pid);

        until_true("strace of $server->{name}", 10, sub {
            die slurp($log) if ended($strace);

            return slurp($log) =~ /attached/;
        });
    });
    reap('strace', $strace, 'INT');

    # the last column is the name, the fourth the calls

    return { map { /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*?(\w+)$/
                   && $2 ne 'total' ? ($2 => $1 / CALLS) : () }
             split /\n/, slurp($out) };
}


sub syscalls {
    syscalls_table('syscalls', 'hit');
}


sub miss_syscalls {
    syscalls_table('miss_syscalls', 'miss');
}


sub syscalls_table {
    my ($title, $kind) = @_;

    title($title, "System calls of the worker for a $kind, by strace, over "
          . CALLS . ' requests, one after the other, with ' . tokens_of($kind)
          . ';', 'by name where there are more of them than with bare.');

    my @servers = guards(\@Guards);
    my @rows = [ 'guard', 'calls', 'more than bare' ];
    my $bare;

    for my $server (@servers) {
        my $calls = calls_of($server, $kind);
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
            if @more && $kind eq 'hit' && $server->{name} eq 'module';
    }

    table(@rows);
    stop_server(@servers);
}


1;
