package Background;

# A child that does something until it is told to stop, and then reports the
# outcome:
#
#     my $child = Background->start(sub {
#         my ($go_on) = @_;
#
#         while ($go_on->()) { ... }
#
#         return { right => 12 };         # whatever JSON can hold
#     });
#
#     my $result = $child->stop;
#     my @results = Background::stop(@children);
#
# It also stops when the test ends.

use strict;
use warnings;

use IO::Select ();
use JSON::PP ();
use POSIX ();
use parent qw(Child);

my $json = JSON::PP->new->allow_nonref;


sub start {
    my ($class, $code) = @_;

    pipe my $until, my $stop or die "pipe: $!";
    pipe my $in, my $out or die "pipe: $!";

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        close $stop;
        srand $$;
        $SIG{TERM} = 'DEFAULT';
        $SIG{PIPE} = 'IGNORE';

        my $select = IO::Select->new($until);
        my $result = eval { $code->(sub { !$select->can_read(0) }) };

        print STDERR $@ if $@;
        print {$out} $json->encode($result) if !$@;
        close $out;
        POSIX::_exit(0);
    }

    close $until;
    close $out;

    return bless { pid => $pid, owner => $$, stop => $stop, in => $in }, $class;
}


# tells all of them to stop, and waits for their results

sub stop {
    my (@children) = @_;

    local $SIG{PIPE} = 'IGNORE';

    # a byte, as younger children have the other end open, too

    syswrite $_->{stop}, '.' for @children;

    my @results = map {
        my $text = readline $_->{in};

        waitpid $_->{pid}, 0;
        $_->{pid} = 0;
        $json->decode($text // die "a child ended without a result\n");
    } @children;

    return wantarray ? @results : $results[0];
}


1;
