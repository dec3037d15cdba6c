package Bench::Server;

# Starts and stops nginx servers, and measures what their workers cost.
#
# A server is a hash: name, port, pid, dir, workers (their pids).

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);
use FindBin ();
use IO::Socket::INET ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_server stop_server cpu_ns until_true slurp spawn ended
                 reap cores on_core);
our @EXPORT_OK = qw($Nginx $Modules $Module);

our $Nginx = '/usr/sbin/nginx';
our $Modules = '/usr/lib/nginx/modules';
our $Module;

my $conf = "$FindBin::Bin/conf";
my $owner = $$;
my $started = 0;
my ($temp, %running);


END {
    if ($$ == $owner) {
        my $status = $?;

        # a killed master would leave its workers behind

        eval { reap($_, $_, 'TERM'); 1 } or warn $@ for keys %running;

        $? = $status;
    }
}


$SIG{$_} = sub { exit 1 } for qw(HUP INT PIPE TERM);


# caches of files are quickest in memory, if that has room for them

sub directory {
    my $memory = '/dev/shm';
    my ($room) = `df -k --output=avail $memory 2>/dev/null` =~ /(\d+)/;

    return $ENV{TMPDIR} || (($room || 0) > 4 << 20 && -w $memory ? $memory
                                                               : '/tmp');
}


# waits for a condition, not for a time

sub until_true {
    my ($what, $seconds, $code) = @_;

    my $limit = time + $seconds;

    until ($code->()) {
        die "$what: not within $seconds seconds\n" if time > $limit;
        sleep 0.01;
    }
}


sub cores {
    open my $in, '<', '/proc/cpuinfo' or return 1;

    return scalar grep { /^processor\s*:/ } <$in>;
}


# the first core is for clients and the API, the last one for a single worker

sub on_core {
    my ($core) = @_;

    return cores() > 1 ? ('taskset', '-c', $core) : ();
}


# a child that does not survive this process; what it writes goes to a file

sub spawn {
    my ($out, @command) = @_;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;

        exec 'setpriv', '--pdeathsig', 'TERM', @command
            or POSIX::_exit(127);
    }

    $running{$pid} = 1;

    return $pid;
}


sub ended {
    my ($pid) = @_;

    return !$running{$pid}
           || waitpid($pid, WNOHANG) == $pid && delete $running{$pid};
}


# an nginx of one process looks for signals before it waits for events: one that
# comes in between is seen after the next

sub reap {
    my ($what, $pid, $signal) = @_;

    my $again = 0;

    until_true("end of $what", 60, sub {
        return 1 if ended($pid);

        if (time > $again) {
            kill $_ => $pid for $signal, 'CONT';
            $again = time + 1;
        }

        return 0;
    });
}


sub free_port {
    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        or die "no free port: $!\n";

    return $sock->sockport;
}


sub slurp {
    my ($file) = @_;

    open my $in, '<', $file or return '';
    local $/;

    return scalar <$in>;
}


# the name of a file of conf/, and what the placeholders stand for; "command" is
# what nginx is run by, and may have @DIR@ for its directory

sub start_server {
    my ($name, %vars) = @_;

    $temp ||= tempdir('bench-XXXXXXXX', DIR => directory(), CLEANUP => 1);

    my $dir = "$temp/" . ++$started;
    my $port = free_port();
    my @command = map { s/\@DIR\@/$dir/r } @{delete $vars{command} || []};

    %vars = (WORKERS => 1, ZONE => '10m', MASTER => 'on', LIMIT => '',
             PORT => $port, DIR => $dir, MODULES => $Modules,
             MODULE => $Module, USER => $> ? '' : 'user root;', %vars);

    $vars{AFFINITY} ||= $vars{WORKERS} == 1 ? '1' . '0' x (cores() - 1)
                                            : 'auto';
    mkdir $dir or die "$dir: $!\n";

    for my $path (glob "$conf/*") {
        my $text = slurp($path);

        $text =~ s{\@([A-Z]+)\@}{defined $vars{$1} ? $vars{$1} : "\@$1\@"}ge;

        my ($base) = $path =~ m{([^/]+)\z};

        open my $out, '>', "$dir/$base" or die "$dir/$base: $!\n";
        print {$out} $text;
        close $out;
    }

    my $server = { name => $name, port => $port, dir => $dir,
                   module => $vars{MODULE} };

    $server->{pid} = spawn("$dir/output", @command, $Nginx, '-p', $dir,
                           '-c', "$dir/$name.conf", '-e', "$dir/error.log",
                           '-g', "error_log $dir/error.log warn;");

    until_true("start of $name", 60, sub {
        die "$name: nginx did not start\n", slurp("$dir/output")
            if ended($server->{pid});

        return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                     PeerPort => $port);
    });

    $server->{workers} = [ $server->{pid} ];

    until_true("workers of $name", 60, sub {
        $server->{workers} = [
            grep { slurp("/proc/$_/cmdline") =~ /worker process/ }
            split ' ', `pgrep -P $server->{pid}`
        ];

        return @{$server->{workers}} == $vars{WORKERS};
    }) if $vars{MASTER} eq 'on';

    return $server;
}


sub stop_server {
    my (@servers) = @_;

    for my $server (@servers) {
        reap($server->{name}, $server->{pid}, 'QUIT');

        # cached answers in files are many

        system 'rm', '-rf', "$server->{dir}/cache";
    }
}


# the time that the workers were on a core

sub cpu_ns {
    my ($server) = @_;

    my $ns = 0;

    for my $pid (@{$server->{workers}}) {
        my ($ran) = slurp("/proc/$pid/schedstat") =~ /\A(\d+) /
            or die "$server->{name}: a worker is gone\n";

        $ns += $ran;
    }

    return $ns;
}


1;
