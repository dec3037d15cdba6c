package Backend;

# A backend that does what the test says, step by step: in the process of the
# test, and over one connection at a time.
#
#     my $backend = Backend->new(port(2));
#     my $request = $backend->request;    # waits for one that came
#     $request->{line}, $request->{headers}{host}[0];
#     $request->say("HTTP/1.1 200 OK\r\n...");
#     $request->hear(qr/regex/);          # reads until it matches
#
# Where it is not known whether a request passes:
#
#     my $sock = Backend->client($tls_port);
#     print {$sock} ...
#     if ($backend->asked($sock)) { ... } else { read_response($sock) }

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use IO::Socket::SSL ();


sub new {
    my ($class, $port) = @_;

    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16,
                                     LocalPort => $port, ReuseAddr => 1)
        or die "listen on $port: $@";

    return bless { sock => $sock }, $class;
}


sub request {
    my ($self) = @_;

    IO::Select->new($self->{sock})->can_read(20) or die "no request came\n";

    my $sock = $self->{sock}->accept or die "accept: $!";
    my $request = bless { sock => $sock, in => '' }, 'Backend::Request';
    my ($line, @lines) = split /\r\n/, $request->hear(qr/\r\n\r\n/);

    $request->{line} = $line;

    for (@lines) {
        my ($name, $value) = split /: */, $_, 2;
        push @{$request->{headers}{lc $name}}, $value;
    }

    return $request;
}


# that none came, or comes any more when all else is done

sub idle {
    my ($self) = @_;

    return !IO::Select->new($self->{sock})->can_read(0);
}


# with TLS 1.2 nothing but an answer makes a client readable

sub client {
    my ($class, $port) = @_;

    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                SSL_version => 'TLSv1_2', Timeout => 10,
                                SSL_verify_mode => 0)
           || die "TLS: $IO::Socket::SSL::SSL_ERROR";
}


# waits for what comes first, a request or the answer to the client

sub asked {
    my ($self, $client) = @_;

    IO::Select->new($self->{sock}, $client)->can_read(20)
        or die "neither a request nor an answer came\n";

    return !$self->idle;
}


package Backend::Request;


sub say {
    my ($self, $text) = @_;

    syswrite($self->{sock}, $text) == length $text or die "write: $!";
}


# what came, up to the end of the match

sub hear {
    my ($self, $regex) = @_;

    return Backend::hear($self, $regex);
}


package Backend;


# the same for a client, as "in" and "sock"

sub hear {
    my ($self, $regex) = @_;

    my $limit = time + 20;

    while ($self->{in} !~ $regex) {
        my $sock = $self->{sock};
        my $ready = $sock->can('pending') && $sock->pending
                    || IO::Select->new($sock)->can_read($limit - time);

        die "nothing that matches $regex: $self->{in}\n"
            if !$ready || !sysread $sock, $self->{in}, 65536,
                                   length $self->{in};
    }

    $self->{in} =~ s/\A(.*?$regex)//s or die;

    return $1;
}


1;
