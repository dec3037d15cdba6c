package Inject;

# The nginx whose allocations fail, and the page of inject.c that says which.
#
#     my $nginx = Inject->start($config, workers => 1);
#     $nginx->arm(7);               the 7th from now on fails
#     $nginx->disarm;               whether it did fail; "site" says where

use strict;
use warnings;

use AuthApiToken qw(until_true);
use File::Path qw(make_path remove_tree);
use Files;
use POSIX ();
use Time::HiRes qw(sleep);
use parent qw(Child);

# the members of inject_page_t

my @members = qw(target pid low high seen failed idle free last nframes);
my %at = map { $members[$_] => 8 * $_ } 0 .. $#members;
my $size = 8 * (@members + 48);

my (@symbols, %files);


sub start {
    my ($class, $dir, $config) = @_;

    my $self = bless { dir => $dir, owner => $$ }, $class;

    remove_tree($dir);
    make_path("$dir/logs", "$dir/conf", "$dir/html");
    chmod 0711, $dir;

    open $self->{page}, '+>:raw', "$dir/page" or die "$dir/page: $!";
    chmod 0666, "$dir/page";
    syswrite $self->{page}, "\0" x $size;

    $self->configure($config);

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        $ENV{ALLOC_INJECT} = "$dir/page";

        open STDOUT, '>', "$dir/logs/out";
        open STDERR, '>&', \*STDOUT;

        exec $ENV{TEST_NGINX_BINARY}, '-p', $dir, '-e', "$dir/logs/error.log",
             '-c', "$dir/conf/nginx.conf", '-g', 'daemon off;'
            or POSIX::_exit(1);
    }

    $self->{pid} = $pid;

    until_true('nginx starts', sub {
        $self->gone || -s "$dir/logs/nginx.pid" && $self->get('idle')
    }) and $self->{pid} or die 'nginx does not start: ', $self->log('out'),
                               $self->log;

    return $self;
}


sub configure {
    my ($self, $config) = @_;

    spew("$self->{dir}/conf/nginx.conf", $config);
}


sub log {
    my ($self, $name) = @_;

    open my $in, '<', "$self->{dir}/logs/" . ($name || 'error.log')
        or return '';
    local $/;

    return scalar <$in>;
}


sub pid {
    my ($self) = @_;

    return $self->{pid};
}


sub workers {
    my ($self) = @_;

    open my $in, '<', "/proc/$self->{pid}/task/$self->{pid}/children"
        or return;

    my @pids = sort split ' ', (<$in> || '');

    return @pids;
}


# ends it gracefully, so that LeakSanitizer looks at what is left

sub stop {
    my ($self) = @_;

    kill QUIT => $self->{pid};
    until_true('nginx ends', sub { $self->gone });

    return $self->{status};
}


sub set {
    my ($self, %value) = @_;

    while (my ($name, $value) = each %value) {
        sysseek $self->{page}, $at{$name}, 0;
        syswrite $self->{page}, pack 'Q<', $value;
    }
}


sub get {
    my ($self, $name) = @_;

    sysseek $self->{page}, $at{$name}, 0;
    sysread $self->{page}, my $value, 8;

    return unpack 'Q<', $value;
}


# the nth from now on fails; with 0 none does, and they are counted

sub arm {
    my ($self, $n) = @_;

    $self->{seen} = $self->get('seen');
    $self->{failed} = $self->get('failed');

    $self->set(target => $n ? $self->{seen} + $n : 0);
}


# whether it failed

sub disarm {
    my ($self) = @_;

    $self->set(target => 0);
    $self->{count} = $self->since;

    return $self->get('failed') != $self->{failed};
}


# how many there were since arm()

sub since {
    my ($self) = @_;

    return $self->get('seen') - $self->{seen};
}


# how many there were between arm() and disarm()

sub count {
    my ($self) = @_;

    return $self->{count};
}


# counts those of one process, or of any; with "ours" only those of this module

sub only {
    my ($self, $pid, $ours) = @_;

    my ($low, $high) = (0, 0);

    if ($ours) {
        my @ours = grep { $_->[2] =~ /\Angx_http_auth_api_token_/ } symbols();

        ($low, $high) = ($ours[0][0], $ours[-1][0] + $ours[-1][1]);
    }

    $self->set(pid => $pid, low => $low, high => $high);
}


# like until_true(), for what takes only some milliseconds

sub soon {
    my ($self, $what, $code) = @_;

    for (1 .. 1000) {
        return 1 if $code->();
        sleep 0.002;
    }

    return until_true($what, $code);
}


# waits until nothing is allocated any more

sub quiet {
    my ($self) = @_;

    my ($last, $same) = (-1, 0);

    for (1 .. 4000) {
        my $seen = $self->get('seen');

        $same = $seen == $last ? $same + 1 : 0;
        $last = $seen;

        return if $same == 6;

        sleep 0.002;
    }

    die 'nginx is never quiet';
}


# the functions that were called, the innermost first

sub site {
    my ($self) = @_;

    my $n = $self->get('nframes');

    sysseek $self->{page}, 8 * @members, 0;
    sysread $self->{page}, my $frames, 8 * $n;

    my @names = grep { !/\A(?:inject|__wrap|backtrace)/ }
                map { symbol($_) } unpack 'Q<*', $frames;

    return @names;
}


# functions by address

sub symbols {
    return @symbols if @symbols;

    open my $in, '-|', 'nm', '-nS', '--defined-only', $ENV{TEST_NGINX_BINARY}
        or die "nm: $!";

    while (<$in>) {
        my ($address, $length, $name) = /\A(\w+) (\w+) [tT] (\S+)/ or next;

        push @symbols, [hex $address, hex $length, $name];
    }

    return @symbols;
}


sub symbol {
    my ($address) = @_;

    my ($low, $high) = (0, scalar symbols());

    while ($high - $low > 1) {
        my $i = int(($low + $high) / 2);

        if ($symbols[$i][0] < $address) {
            $low = $i;

        } else {
            $high = $i;
        }
    }

    my ($start, $length, $name) = @{$symbols[$low]};

    return $address <= $start + $length ? sprintf('%s+%x', $name,
                                                  $address - $start) : ();
}


1;
