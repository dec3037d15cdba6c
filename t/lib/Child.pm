package Child;

# A process that a test starts: an object with its "pid", and with the process
# that started it as "owner".  The process ends with the object at the latest.

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep);


# whether it has ended; "status" is how

sub gone {
    my ($self) = @_;

    return 1 if !$self->{pid};
    return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid};

    $self->{status} = $?;
    $self->{pid} = 0;

    return 1;
}


# ends it, by force if it does not end within ten seconds

sub end {
    my ($self) = @_;

    return if !$self->{pid};

    kill TERM => $self->{pid};

    for (1 .. 500) {
        return if $self->gone;
        sleep 0.02;
    }

    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = 0;
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $@);

    $self->end;
}


1;
