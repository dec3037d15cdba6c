package Dns;

# A small DNS server on 127.0.0.1, for one name: it answers as it is told, or
# not at all.
#
#     my $dns = Dns->start('api.platform.softwareone.com');
#     $dns->says('127.0.0.1');    # an address; "nothing", no answer at all;
#                                 # "none", there is no such name
#     $dns->port;
#     $dns->queries;              # how many came for an address
#
# Its answers may be cached for a second.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Files;
use IO::Select ();
use IO::Socket::INET ();
use Socket qw(inet_aton);
use parent qw(Child);


sub start {
    my ($class, $name) = @_;

    my $self = bless { dir => tempdir(CLEANUP => 1), owner => $$ }, $class;
    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp')
        or die "DNS: $@";

    $self->{port} = $sock->sockport;
    $self->says('nothing');

    my $parent = $$;
    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        $SIG{TERM} = 'DEFAULT';
        eval { $self->serve($sock, lc $name, $parent) };
        kill KILL => $$;
    }

    $self->{pid} = $pid;

    return $self;
}


sub port {
    my ($self) = @_;

    return $self->{port};
}


sub says {
    my ($self, $what) = @_;

    my $file = "$self->{dir}/says";

    spew("$file.new", $what);
    rename "$file.new", $file or die "$file: $!";
}


sub queries {
    my ($self) = @_;

    return -s "$self->{dir}/queries" || 0;
}


sub serve {
    my ($self, $sock, $name, $parent) = @_;

    open my $count, '>', "$self->{dir}/queries" or die "$self->{dir}: $!";
    $count->autoflush(1);

    while (getppid == $parent) {
        IO::Select->new($sock)->can_read(1) or next;

        my $from = recv $sock, my $query, 512, 0;
        next if !defined $from || length $query < 17;

        open my $in, '<', "$self->{dir}/says" or die "$self->{dir}: $!";
        my $reply = reply($query, $name, scalar <$in>);

        print {$count} '.' if asked($query)->{type} == 1;
        send $sock, $reply, 0, $from if defined $reply;
    }
}


# https://www.rfc-editor.org/rfc/rfc1035#section-4

sub asked {
    my ($query) = @_;

    my ($at, @labels) = (12);

    while ((my $length = ord substr $query, $at++, 1) > 0) {
        push @labels, substr $query, $at, $length;
        $at += $length;
    }

    return { name => lc join('.', @labels), end => $at + 4,
             type => unpack 'n', substr $query, $at, 2 };
}


sub reply {
    my ($query, $name, $says) = @_;

    return if $says eq 'nothing';

    my $asked = asked($query);
    my $known = $asked->{name} eq $name && $says ne 'none';
    my $answer = '';

    # the name that was asked for, A, IN, a second

    $answer = pack('nnnNn', 0xc00c, 1, 1, 1, 4) . inet_aton($says)
        if $known && $asked->{type} == 1;

    return substr($query, 0, 2)
           . pack('nnnnn', $known ? 0x8180 : 0x8183, 1, $answer ne '', 0, 0)
           . substr($query, 12, $asked->{end} - 12) . $answer;
}


1;
