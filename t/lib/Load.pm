package Load;

# Children that send requests as long as a test goes on, with good tokens and
# bad ones, and verify what they get.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use IO::Select ();
use POSIX ();
use Time::HiRes qw(time);

our @EXPORT = qw(ask load stop);


# over a connection of its own, so that no worker keeps one

sub ask {
    my ($uri, $token) = @_;

    return exchange(request_of($token, $uri, "Connection: close\r\n"));
}


# a child that sends requests until it is told to stop, and then counts: those
# answered rightly, those with no answer, and a text for each wrong answer

sub load {
    my ($ask, $uri, @ids) = @_;

    pipe my $stop, my $to_child or die;
    pipe my $from_child, my $counts or die;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        close $to_child;
        my ($right, $none, @wrong) = (0, 0);
        my $select = IO::Select->new($stop);

        srand $$;

        while (!$select->can_read(0)) {
            my $id = $ids[rand @ids];
            my $bad = rand() < 0.3;
            my $token = $bad ? "idt:$id:MADEUPwrong" . int rand 20 : token($id);
            my $start = time;
            my $response = eval { $ask->($uri, $token) } || { status => 0 };
            my $got = $response->{status};

            if (time - $start > 10) {
                push @wrong, "$got after " . (time - $start) . ' s';

            } elsif ($got == 0 || $got == 503) {
                $none++;

            } elsif ($got != ($bad ? 401 : 204)
                     || (!$bad && $response->{headers}{'x-id'} ne $id))
            {
                push @wrong, "$got for a " . ($bad ? 'bad' : 'good') . ' token';

            } else {
                $right++;
            }
        }

        print {$counts} join("\n", $right, $none, @wrong[0 .. ($#wrong > 9
                                                              ? 9 : $#wrong)]);
        close $counts;
        POSIX::_exit(0);
    }

    close $stop;
    close $counts;

    return { pid => $pid, stop => $to_child, counts => $from_child };
}


sub stop {
    my (@children) = @_;

    my ($right, $none, @wrong) = (0, 0);

    close $_->{stop} for @children;

    for my $child (@children) {
        my @lines = readline $child->{counts};
        chomp @lines;
        waitpid $child->{pid}, 0;

        $right += shift @lines;
        $none += shift @lines;
        push @wrong, @lines;
    }

    return ($right, $none, join ', ', @wrong);
}


1;
