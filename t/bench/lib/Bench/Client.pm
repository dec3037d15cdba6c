package Bench::Client;

# Tokens and the requests with them, except those of wrk.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time);

our @EXPORT = qw(connected get token bogus fresh send_all warm herd zone);

use constant BATCH   => 100;
use constant TIMEOUT => 30;

my $next = 1;


# requests.lua makes the same token of the same number

sub secret {
    my ($x) = @_;

    my @part;

    for (1 .. 8) {
        $x = ($x * 1664525 + 1013904223) % 4294967296;
        push @part, $x;
    }

    $part[7] %= 16777216;

    return sprintf '%08x' x 7 . '%06x', @part;
}


sub token {
    my ($n) = @_;

    return sprintf 'idt:TKN-%04d-%04d:%s', $n / 10000, $n % 10000, secret($n);
}


sub bogus {
    my ($n) = @_;

    return sprintf 'idt:TKN-%04d-%04d:bogus%s', $n / 10000, $n % 10000,
                   substr secret($n), 5;
}


# numbers that nobody had before, by the first of them

sub fresh {
    my ($count) = @_;

    my $first = $next;

    $next += $count;
    die "no ids are left\n" if $next > 100_000_000;

    return $first;
}


sub connected {
    my ($port) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                 Timeout => TIMEOUT)
        || die "connect: $!\n";
}


# reads what there is, and takes the statuses of whole responses off its front

sub statuses {
    my ($sock, $in) = @_;

    my @statuses;

    sysread($sock, $$in, 65536, length $$in) or die "no answer: $!\n";

    while ($$in =~ /\AHTTP\/1\.1 (\d+) .*?\r\n\r\n/s) {
        my ($status, $size, $head) = ($1, $+[0], $&);

        $size += $1 if $head =~ /\r\nContent-Length: (\d+)/i;
        last if length $$in < $size;

        substr($$in, 0, $size, '');
        push @statuses, $status;
    }

    return @statuses;
}


sub request_of {
    my ($token) = @_;

    return "GET /t HTTP/1.1\r\nHost: bench\r\n"
           . (defined $token ? "Authorization: Bearer $token\r\n" : '')
           . "\r\n";
}


# one after the other over one connection, in batches; how many of each status

sub send_all {
    my ($sock, $batch, @tokens) = @_;

    my $select = IO::Select->new($sock);
    my %got;

    while (@tokens) {
        my @some = splice @tokens, 0, $batch;
        my $in = '';
        my $left = @some;

        syswrite $sock, join '', map { request_of($_) } @some;

        while ($left > 0) {
            $select->can_read(TIMEOUT) or die "no answer: a timeout\n";

            for my $status (statuses($sock, \$in)) {
                $got{$status}++;
                $left--;
            }
        }
    }

    return \%got;
}


# HTTP/1.0, for all that is not measured

sub get {
    my ($port, $path, $method) = @_;

    my $sock = connected($port);
    my $in = '';

    print {$sock} ($method || 'GET') . " $path HTTP/1.0\r\nHost: bench\r\n\r\n";

    while (IO::Select->new($sock)->can_read(TIMEOUT)) {
        sysread($sock, $in, 65536, length $in) and next;

        $in =~ s/\AHTTP\/1\.1 200 .*?\r\n\r\n//s or die "$path: $in\n";

        return $in;
    }

    die "$path: no answer\n";
}


sub zone {
    my ($server) = @_;

    return JSON::PP->new->decode(get($server->{port}, '/status'))
           ->{zones}{tokens};
}


# every token to every worker, over a connection to it, and once more: the first
# hit may be another one than those after it

sub warm {
    my ($server, @tokens) = @_;

    my %to;

    for (1 .. 1000) {
        my $sock = connected($server->{port});

        print {$sock} "GET /pid HTTP/1.1\r\nHost: bench\r\n\r\n";
        IO::Select->new($sock)->can_read(TIMEOUT) or die "no pid\n";
        sysread $sock, my $in, 65536;

        my ($pid) = $in =~ /\r\n\r\n(\d+)\z/ or die "no pid: $in\n";

        $to{$pid} ||= $sock;
        last if keys %to == @{$server->{workers}};
    }

    for my $pid (@{$server->{workers}}) {
        my $sock = $to{$pid} or die "$server->{name}: no way to a worker\n";
        my $got = send_all($sock, BATCH, @tokens, @tokens);

        ($got->{200} || 0) == 2 * @tokens
            or die "$server->{name}: a good token was refused\n";
    }
}


# many at once with one token: those answered rightly, and when the last was

sub herd {
    my ($server, $clients, $token) = @_;

    my %in;
    my $right = 0;
    my @socks = map { connected($server->{port}) } 1 .. $clients;
    my $select = IO::Select->new(@socks);
    my $request = request_of($token);
    my $start = time;

    @in{@socks} = ('') x @socks;

    syswrite $_, $request for @socks;

    while ($select->count) {
        my @ready = $select->can_read(TIMEOUT)
            or die "$server->{name}: no answer\n";

        for my $sock (@ready) {
            my ($status) = statuses($sock, \$in{$sock}) or next;

            $right++ if $status == 200;
            $select->remove($sock);
        }
    }

    return ($right, time - $start);
}


1;
