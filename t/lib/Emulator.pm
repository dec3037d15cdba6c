package Emulator;

# An emulator of the token API.  AuthApiToken.pm starts one for each file; this
# is for tests that need a second one, at another address or with another name.
#
#     my $other = Emulator->start(host => 'api.s1.show');
#     $other->api('PUT', 'tokens/TKN-1234-5678');
#     $other->tls_port;
#
# Options of start(): "host", the name in its certificate; "tls", where it
# listens for TLS.  Without a host it has the certificate of the first one.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Files qw($Top);
use JSON::PP ();

my $json = JSON::PP->new->utf8->canonical;


sub start {
    my ($class, %option) = @_;

    my $self = bless { dir => tempdir(CLEANUP => 1), owner => $$ }, $class;

    $self->{cert} = "$ENV{TEST_NGINX_CERT}/api";

    if ($option{host}) {
        $self->{cert} = "$self->{dir}/api";

        make_certificate($self->{cert}, $option{host});
    }

    $self->{pid} = open my $out, '-|', $^X,
                        "$Top/t/emulator/token-api.pl",
                        '--tls', $option{tls} || '127.0.0.1:0',
                        '--cert', "$self->{cert}.crt",
                        '--key', "$self->{cert}.key"
        or die "no emulator: $!";

    $self->{out} = $out;

    my $line = <$out> || '';

    @{$self}{qw(port tls_port)} = $line =~ /:(\d+) tls \S+:(\d+)/
        or die "no emulator: $line";

    return $self;
}


# FILE.crt and FILE.key, for these names

sub make_certificate {
    my ($file, @names) = @_;

    system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1'
           . " -nodes -days 2 -subj /CN=$names[0] -addext subjectAltName="
           . join(',', map { "DNS:$_" } @names)
           . " -keyout $file.key -out $file.crt 2>/dev/null") == 0
        or die 'no certificate';
}


sub port {
    my ($self) = @_;

    return $self->{port};
}


sub tls_port {
    my ($self) = @_;

    return $self->{tls_port};
}


sub certificate {
    my ($self) = @_;

    return "$self->{cert}.crt";
}


# its control: method, path below /control/, data

sub api {
    my ($self, $method, $path, $data) = @_;

    my $body = $data // '';

    $body = $json->encode($data) if ref $data;

    my $response = AuthApiToken::exchange(
        "$method /control/$path HTTP/1.1\r\nHost: emulator\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body", $self->{port});

    $response->{status} == 200
        or die "emulator: $method $path: $response->{status}";

    return $json->decode($response->{body});
}


sub calls {
    my ($self) = @_;

    return $self->api('GET', 'figures')->{calls};
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pid};

    local ($?, $!);

    kill TERM => $self->{pid};
    close $self->{out};
}


1;
