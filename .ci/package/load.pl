#!/usr/bin/perl

# Keeps nginx busy while a command runs, and says whether a request failed:
#
#     load.pl ADDRESS TOKEN COMMAND [ARG ...]
#
# Two processes send their requests over connections that they keep, two open a
# connection for each request, and two more send requests for which the token
# API takes a while.  The command runs once all of them have got answers for a
# while, and the program ends once they have again after the command.

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes qw(time);

use constant ANSWERS => 1000;
use constant LIMIT   => 300;

my ($address, $token, @command) = @ARGV;

die "usage: load.pl ADDRESS TOKEN COMMAND [ARG ...]\n" if !@command;

$SIG{PIPE} = 'IGNORE';

my $until = time + LIMIT;
my ($answers, $again, %failed) = (0, 0);

pipe my $stop, my $stopper or die "pipe: $!\n";

my @children = map { child(@$_) } [ '/', 1 ], [ '/', 1 ], [ '/', 0 ],
                                  [ '/', 0 ], [ '/uncached', 1 ],
                                  [ '/uncached', 0 ];
my $said = IO::Select->new(map { $_->{said} } @children);

busy();

my $start = time;
my $command = fork;

die "fork: $!\n" if !defined $command;

if (!$command) {
    close $stopper;
    exec @command or die "$command[0]: $!\n";
}

hear() while $said->count && waitpid($command, POSIX::WNOHANG()) == 0;

$failed{"the command: $?"}++ if $?;
printf "the command took %.1f seconds\n", time - $start;

busy();

close $stopper;
hear() while $said->count;
waitpid $_->{pid}, 0 for @children;

print "$answers answers, $again connections closed between two requests, ",
      %failed ? '' : 'none ', "failed\n";
print "FAILED, $failed{$_} times: $_\n" for sort keys %failed;

exit(%failed ? 1 : 0);


# waits until each child has as many answers more

sub busy {
    $_->{want} = $_->{answers} + ($_->{slow} ? 10 : ANSWERS) for @children;

    hear() while $said->count == @children
                 && grep { $_->{answers} < $_->{want} } @children;

    $failed{'a client has ended'}++ if $said->count != @children;
}


# what children have to say

sub hear {
    for my $from ($said->can_read(0.1)) {
        my ($child) = grep { $_->{said} == $from } @children;

        if (!sysread $from, $child->{text}, 65536, length $child->{text}) {
            $said->remove($from);
            next;
        }

        while ($child->{text} =~ s/\A([^\n]*)\n//) {
            if ($1 eq 'answer') {
                $answers++;
                $child->{answers}++;
            } elsif ($1 eq 'again') {
                $again++;
            } else {
                $failed{$1}++;
            }
        }
    }
}


sub child {
    my ($uri, $keep) = @_;

    pipe my $said, my $say or die "pipe: $!\n";

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        close $stopper;
        close $said;
        ask($say, $uri, $keep);
        POSIX::_exit(0);
    }

    close $say;

    return { pid => $pid, said => $said, slow => $uri ne '/', answers => 0,
             text => '' };
}


sub ask {
    my ($say, $uri, $keep) = @_;

    my ($sock, $used);
    my $ended = IO::Select->new($stop);
    my @kinds = ([ 204, $token ], [ 401, "${token}bad" ], [ 401 ]);

    while (!$ended->can_read(0) && time < $until) {
        my ($want, $credential) = @{$kinds[rand @kinds]};

        ($want, $credential) = @{$kinds[0]} if $uri ne '/';

        if (!$sock) {
            $sock = IO::Socket::INET->new(PeerAddr => $address);
            $used = 0;

            if (!$sock) {
                syswrite $say, "no connection: $!\n";
                next;
            }
        }

        my $got = exchange($sock, "GET $uri HTTP/1.1\r\nHost: api.test\r\n"
            . ($credential ? "Authorization: Bearer $credential\r\n" : '')
            . ($keep ? '' : "Connection: close\r\n") . "\r\n");

        # A server may close a connection that has no request; a request that
        # crosses it has no answer, and the client sends it again.

        if ($got eq '' && $used) {
            syswrite $say, "again\n";
            undef $sock;
            next;
        }

        syswrite $say, $got =~ m{\AHTTP/1\.1 $want }
                       ? "answer\n"
                       : "not $want but " . (($got =~ /\A([^\r\n]+)/)[0]
                                             // 'no answer') . "\n";

        $used = 1;
        undef $sock if $got !~ /^Connection: keep-alive\r$/mi;
    }
}


sub exchange {
    my ($sock, $request) = @_;

    my $select = IO::Select->new($sock);
    my $got = '';

    syswrite $sock, $request;

    while ($got !~ /\r\n\r\n/ || length $got < length_of($got)) {
        return "nothing more after 20 seconds: $got" if !$select->can_read(20);

        last if !sysread $sock, $got, 65536, length $got;
    }

    return $got;
}


# how long the whole response is

sub length_of {
    my ($got) = @_;

    my ($head) = $got =~ /\A(.*?\r\n\r\n)/s;

    return length($head)
           + (($head =~ /^Content-Length: (\d+)\r$/mi)[0] // 0);
}
