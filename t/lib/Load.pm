package Load;

# Children that send requests as long as a test goes on, with good tokens and
# bad ones, and verify what they get.

use strict;
use warnings;

use AuthApiToken;
use Background;
use Exporter qw(import);
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

    return Background->start(sub {
        my ($go_on) = @_;

        my ($right, $none, @wrong) = (0, 0);

        while ($go_on->()) {
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

        return [ $right, $none, @wrong[0 .. ($#wrong > 9 ? 9 : $#wrong)] ];
    });
}


sub stop {
    my (@children) = @_;

    my ($right, $none, @wrong) = (0, 0);

    for my $result (Background::stop(@children)) {
        my ($r, $n, @w) = @$result;

        $right += $r;
        $none += $n;
        push @wrong, @w;
    }

    return ($right, $none, join ', ', @wrong);
}


1;
