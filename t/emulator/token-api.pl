#!/usr/bin/perl

# An emulator of the SoftwareOne Marketplace token API, for tests and demos.
#
#     token-api.pl [--listen 127.0.0.1:0]
#                  [--tls 127.0.0.1:0 --cert FILE --key FILE]
#
# Prints a line "listening on ADDRESS:PORT [tls ADDRESS:PORT]" and serves
# until it is killed or the process that started it is gone.
#
#     GET /public/v1/accounts/api-tokens/{id}       with any known bearer
#     GET /public/v1/accounts/api-tokens?{filter}   eq(id,'…'), eq(token,'…'),
#                                                   id=…, token=…
#
# It is commanded below /control, with JSON and without a bearer:
#
#     POST   /control/reset           forgets tokens, faults and figures
#     POST   /control/release         sends at once what is delayed so far
#     PUT    /control/tokens/{id}     creates or changes a token; members
#                                     that are left out keep their value;
#                                     "secret", "self" (the status of reading
#                                     itself: 200, 403, 404) and "works"
#                                     (authenticates whatever its status)
#                                     are not part of its body
#     DELETE /control/tokens/{id}     forgets a token
#     PUT    /control/faults/{id}     a fault for lookups of this id, or "any"
#     DELETE /control/faults/{id}
#     GET    /control/figures         calls in all, by id, and the most at a
#                                     time, answers sent, connections, and the
#                                     requests
#
# Members of a fault: "delay" (ms), "status", "headers" (object), "body" (a
# string sent as it is), "merge" (members put into the token's body), "pad"
# (bytes of padding in it), "gzip", "chunked", "close_delimited", "drip" (ms
# between the bytes of the body), "before" (a string sent at once, before the
# answer and its delay), "cut" ("before" or "middle" of the answer,
# an orderly close), "reset" (the same with RST), "times" (how many calls).

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Getopt::Long qw(GetOptions);
use IO::Compress::Gzip qw(gzip);
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

use constant MAX_REQUEST  => 1 << 20;
use constant MAX_REQUESTS => 1000;
use constant API          => '/public/v1/accounts/api-tokens';

my %opt = (listen => '127.0.0.1:0');

GetOptions(\%opt, 'listen=s', 'tls=s', 'cert=s', 'key=s')
    or die "usage: $0 [--listen ADDR] [--tls ADDR --cert FILE --key FILE]\n";

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $parent = getppid;

my (%tokens, %faults, %figures, %conns);

my %reason = (
    200 => 'OK', 400 => 'Bad Request', 401 => 'Unauthorized',
    403 => 'Forbidden', 404 => 'Not Found', 405 => 'Method Not Allowed',
    429 => 'Too Many Requests', 500 => 'Internal Server Error',
    502 => 'Bad Gateway', 503 => 'Service Unavailable',
    504 => 'Gateway Timeout'
);

my %section = (
    400 => '15.5.1', 401 => '15.5.2', 403 => '15.5.4', 404 => '15.5.5',
    405 => '15.5.6'
);

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };

reset_all();

my @listeners = (listener($opt{listen}, 0));

if ($opt{tls}) {
    require IO::Socket::SSL;
    push @listeners, listener($opt{tls}, 1);
}

$| = 1;

print "listening on ",
      join(' tls ', map { $_->{sock}->sockhost . ':' . $_->{sock}->sockport }
                    @listeners), "\n";

serve();


sub listener {
    my ($address, $tls) = @_;

    my $sock = IO::Socket::INET->new(LocalAddr => $address, Listen => 511,
                                     ReuseAddr => 1, Blocking => 0)
        or die "listen on $address: $@\n";

    return { sock => $sock, tls => $tls };
}


sub serve {
    while (getppid == $parent) {
        my $read = IO::Select->new(map { $_->{sock} } @listeners);
        my $write = IO::Select->new;
        my $now = time;
        my $timeout = 1;

        for my $c (values %conns) {
            advance($c, $now);

            next if $c->{closed};

            if ($c->{want_write} || length $c->{out}) {
                $write->add($c->{sock});
            }

            $read->add($c->{sock}) unless length $c->{out};

            if (@{$c->{queue}}) {
                my $wait = $c->{queue}[0]{at} - $now;
                $timeout = $wait if $wait < $timeout;
            }
        }

        $timeout = 0 if $timeout < 0;

        my ($r, $w) = IO::Select->select($read, $write, undef, $timeout);

        my %ready = map { fileno $_ => 1 } @{$r || []}, @{$w || []};

        for my $listener (@listeners) {
            accept_all($listener) if $ready{fileno $listener->{sock}};
        }

        for my $fd (keys %ready) {
            my $c = $conns{$fd} or next;

            handshake($c) if $c->{handshake};
            flush_out($c) if !$c->{closed} && !$c->{handshake};
            read_in($c) if !$c->{closed} && !$c->{handshake};
        }
    }
}


sub accept_all {
    my ($listener) = @_;

    while (my $sock = $listener->{sock}->accept) {
        $sock->blocking(0);

        my $c = { sock => $sock, in => '', out => '', queue => [],
                  handshake => $listener->{tls}, fd => fileno $sock };

        if ($listener->{tls}) {
            IO::Socket::SSL->start_SSL($sock, SSL_server => 1,
                                       SSL_startHandshake => 0,
                                       SSL_cert_file => $opt{cert},
                                       SSL_key_file => $opt{key})
                or next;
        }

        $conns{$c->{fd}} = $c;
    }
}


sub handshake {
    my ($c) = @_;

    if ($c->{sock}->accept_SSL) {
        $c->{handshake} = 0;
        $c->{want_write} = 0;
        return;
    }

    no warnings 'once';

    my $error = $IO::Socket::SSL::SSL_ERROR;

    if ($error == IO::Socket::SSL::SSL_WANT_READ()) {
        $c->{want_write} = 0;

    } elsif ($error == IO::Socket::SSL::SSL_WANT_WRITE()) {
        $c->{want_write} = 1;

    } else {
        drop($c, 0);
    }
}


sub read_in {
    my ($c) = @_;

    for (1 .. 16) {
        my $n = sysread($c->{sock}, $c->{in}, 16384, length $c->{in});

        if (!defined $n) {
            return parse($c) if $!{EAGAIN} || $!{EINTR} || $!{EWOULDBLOCK};
            return drop($c, 0);
        }

        if ($n == 0) {
            return drop($c, 0);
        }

        return drop($c, 0) if length $c->{in} > MAX_REQUEST;
    }

    parse($c);
}


sub flush_out {
    my ($c) = @_;

    while (length $c->{out}) {
        my $n = syswrite($c->{sock}, $c->{out});

        if (!defined $n) {
            return if $!{EAGAIN} || $!{EINTR} || $!{EWOULDBLOCK};
            return drop($c, 0);
        }

        substr($c->{out}, 0, $n) = '';
    }
}


# what is due now goes out, in order

sub advance {
    my ($c, $now) = @_;

    while (@{$c->{queue}} && $c->{queue}[0]{at} <= $now) {
        return if length $c->{out} && defined $c->{queue}[0]{end};

        my $item = shift @{$c->{queue}};

        if (defined $item->{end}) {
            return drop($c, $item->{end} eq 'reset');
        }

        $c->{out} .= $item->{data};
        flush_out($c);

        return if $c->{closed};

        $figures{answers}++ if $item->{last};

        parse($c) unless @{$c->{queue}};
    }
}


sub drop {
    my ($c, $reset) = @_;

    if ($reset) {
        setsockopt($c->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    }

    $c->{closed} = 1;
    delete $conns{$c->{fd}};

    if ($c->{sock}->can('stop_SSL')) {
        $c->{sock}->close(SSL_no_shutdown => $reset);

    } else {
        close $c->{sock};
    }
}


sub parse {
    my ($c) = @_;

    while (!@{$c->{queue}} && !$c->{closed}) {

        $c->{in} =~ /\A(\S+) (\S+) HTTP\/1\.[01]\r\n(.*?)\r\n\r\n/s
            or $c->{in} =~ /\A(\S+) (\S+) HTTP\/1\.[01]\r\n()\r\n/
            or return;

        my ($method, $uri, $lines, $size) = ($1, $2, $3, $+[0]);

        my @headers = map { [ split /:[ \t]*/, $_, 2 ] } split /\r\n/, $lines;
        my %header = map { lc $_->[0] => $_->[1] } @headers;

        my $length = $header{'content-length'} || 0;

        return if length $c->{in} < $size + $length;

        my $body = substr($c->{in}, $size, $length);
        substr($c->{in}, 0, $size + $length) = '';

        my $r = { method => $method, uri => $uri, headers => \@headers,
                  header => \%header, body => $body };

        if ($uri =~ m{\A/control/}) {
            control($c, $r);

        } else {
            lookup($c, $r);
        }
    }
}


sub answer {
    my ($c, $status, $body, %more) = @_;

    my $fault = $more{fault} || {};
    my $at = time + ($fault->{delay} || 0) / 1000;
    my %headers = ('Content-Type' => 'application/json',
                   %{$more{headers} || {}}, %{$fault->{headers} || {}});

    if ($fault->{gzip}) {
        my $plain = $body;
        gzip(\$plain => \$body);
        $headers{'Content-Encoding'} = 'gzip';
    }

    my $wire = $body;
    my $end;

    if ($fault->{chunked}) {
        my $half = int(length($body) / 2);

        $headers{'Transfer-Encoding'} = 'chunked';

        $wire = join '', map { sprintf("%x\r\n%s\r\n", length $_, $_) }
                         grep { length $_ }
                         substr($body, 0, $half), substr($body, $half);
        $wire .= "0\r\n\r\n";

    } elsif ($fault->{close_delimited}) {
        $headers{Connection} = 'close';
        $end = 'cut';

    } else {
        $headers{'Content-Length'} = length $body;
    }

    my $head = "HTTP/1.1 $status " . ($reason{$status} || 'Status') . "\r\n"
               . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
               . "\r\n";

    for my $kind (qw(cut reset)) {
        my $where = $fault->{$kind} or next;

        $end = $kind;

        if ($where eq 'before') {
            $head = $wire = '';

        } else {
            $wire = substr($wire, 0, int(length($wire) / 2));
        }
    }

    if (defined $fault->{before}) {
        push @{$c->{queue}}, { at => time, data => $fault->{before} };
    }

    if ($fault->{drip}) {
        push @{$c->{queue}}, { at => $at, data => $head };

        for my $byte (split //, $wire) {
            $at += $fault->{drip} / 1000;
            push @{$c->{queue}}, { at => $at, data => $byte };
        }

    } else {
        push @{$c->{queue}}, { at => $at, data => $head . $wire };
    }

    $c->{queue}[-1]{last} = $more{lookup};

    if ($end) {

        # what was sent before a reset must have a chance to arrive

        $at += 0.05 if $end eq 'reset' && length $head;

        push @{$c->{queue}}, { at => $at, end => $end };
    }
}


sub problem {
    my ($c, $status, $detail, %more) = @_;

    answer($c, $status, $json->encode({
        type    => 'https://tools.ietf.org/html/rfc9110'
                   . ($section{$status} ? "#section-$section{$status}" : ''),
        title   => $status == 401 ? 'Authentication Failed'
                                  : $reason{$status} || 'Error',
        status  => $status,
        detail  => $detail,
        traceId => '00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25-00'
    }), %more);
}


sub lookup {
    my ($c, $r) = @_;

    my ($path, $query) = split /\?/, $r->{uri}, 2;
    my ($id) = $path =~ m{\A\Q${\API}\E/([^/]+)\z};

    $query = '' unless defined $query;
    $query =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;

    my %filter;

    while ($query =~ /\beq\((\w+),['"]?([^'")]*)['"]?\)/g) { $filter{$1} = $2 }
    while ($query =~ /(?:\A|&)(id|token)=([^&]*)/g) { $filter{$1} = $2 }

    my $key = defined $id ? $id : $filter{id};

    if (!defined $key && defined $filter{token}) {
        ($key) = $filter{token} =~ /\Aidt:([^:]+):/;
    }

    $key = '-' unless defined $key;

    $figures{connections}++ unless $c->{asked}++;
    $figures{calls}++;
    $figures{tokens}{$key}++;

    my $now = 1 + grep { @{$_->{queue}} } values %conns;
    $figures{most} = $now if $now > $figures{most};

    push @{$figures{requests}}, { method  => $r->{method}, uri => $r->{uri},
                                  headers => $r->{headers} };
    shift @{$figures{requests}} while @{$figures{requests}} > MAX_REQUESTS;

    my $name = exists $faults{$key} ? $key : 'any';
    my $fault = $faults{$name};

    if ($fault && defined $fault->{times} && $fault->{times}-- <= 0) {
        $fault = undef;
    }

    my %more = (fault => $fault, lookup => 1);

    if ($fault && (defined $fault->{body} || defined $fault->{status})) {
        my $status = $fault->{status} || 200;

        return problem($c, $status, 'As told', %more)
            unless defined $fault->{body};

        return answer($c, $status, $fault->{body}, %more);
    }

    return problem($c, 405, 'GET only', %more) if $r->{method} ne 'GET';

    my $caller = caller_of($r->{header}{authorization});

    return problem($c, 401, '', %more) unless $caller;

    my $operations = ($caller->{account}{type} || '') eq 'Operations';

    if (defined $id) {
        my $token = $tokens{$id};

        if (!$token || ($token != $caller && !$operations)) {
            return problem($c, 404, "Entity for given id $id not found", %more);
        }

        if ($token == $caller && $token->{self} != 200) {
            return problem($c, $token->{self}, 'The server understands the '
                           . 'request but refuses to authorize it.', %more);
        }

        return answer($c, 200, $json->encode(body_of($token, $fault)), %more);
    }

    return problem($c, 404, 'Not found', %more) unless $path eq API;
    return problem($c, 400, 'Unknown expression group.', %more) unless %filter;

    my @found = grep {
        ($operations || $_ == $caller)
        && (!defined $filter{id} || $_->{id} eq $filter{id})
        && (!defined $filter{token} || bearer($_) eq $filter{token})
    } map { $tokens{$_} } sort keys %tokens;

    my @data = map { my $t = body_of($_, $fault); delete $t->{modules}; $t }
               @found;

    answer($c, 200, $json->encode({
        '$meta' => { pagination => { offset => 0, limit => 10,
                                     total => scalar @data },
                     omitted => [ 'modules', 'audit' ] },
        data    => \@data
    }), %more);
}


sub caller_of {
    my ($value) = @_;

    return unless defined $value && $value =~ /\ABearer (\S+)\z/i;

    my $bearer = $1;

    # there may be thousands, of which most say who they are

    my ($claimed) = map { $tokens{$_} || () } $bearer =~ /\Aidt:([^:]+):/;

    return $claimed if $claimed && authenticates($claimed, $bearer);

    for my $token (values %tokens) {
        return $token if authenticates($token, $bearer);
    }

    return;
}


sub authenticates {
    my ($token, $bearer) = @_;

    return bearer($token) eq $bearer
           && ($token->{status} eq 'Active' || $token->{works});
}


sub bearer {
    my ($token) = @_;

    return defined $token->{token} ? $token->{token}
                                   : "idt:$token->{id}:$token->{secret}";
}


sub body_of {
    my ($token, $fault) = @_;

    my %body = (%$token, token => bearer($token));

    delete @body{qw(secret self works)};

    if ($fault) {
        %body = (%body, %{$fault->{merge}}) if $fault->{merge};
        $body{padding} = 'x' x $fault->{pad} if $fault->{pad};
    }

    for my $name (keys %body) {
        delete $body{$name}
            if defined $body{$name} && !ref $body{$name}
               && $body{$name} eq '-absent-';
    }

    return \%body;
}


sub control {
    my ($c, $r) = @_;

    my ($what, $name) = $r->{uri} =~ m{\A/control/(\w+)(?:/([^/]+))?\z}
        or return problem($c, 404, 'Not found');

    my $data = {};

    if (length $r->{body}) {
        $data = eval { $json->decode($r->{body}) };

        return problem($c, 400, 'Not JSON') unless ref $data eq 'HASH';
    }

    if ($what eq 'reset' && $r->{method} eq 'POST') {
        reset_all();

    } elsif ($what eq 'release' && $r->{method} eq 'POST') {
        release();

    } elsif ($what eq 'figures' && $r->{method} eq 'GET') {
        return answer($c, 200, $json->encode(\%figures));

    } elsif ($what eq 'tokens' && defined $name && $r->{method} eq 'PUT') {
        $tokens{$name} = { %{$tokens{$name} || template($name)}, %$data };

    } elsif ($what eq 'tokens' && defined $name && $r->{method} eq 'DELETE') {
        delete $tokens{$name};

    } elsif ($what eq 'faults' && defined $name && $r->{method} eq 'PUT') {
        $faults{$name} = $data;

    } elsif ($what eq 'faults' && defined $name && $r->{method} eq 'DELETE') {
        delete $faults{$name};

    } else {
        return problem($c, 404, 'Not found');
    }

    answer($c, 200, '{}');
}


sub release {
    my $now = time;

    for my $queue (map { $_->{queue} } values %conns) {
        my $wait = @$queue ? $queue->[0]{at} - $now : 0;

        next if $wait <= 0;

        $_->{at} -= $wait for @$queue;
    }
}


sub reset_all {
    %tokens = ();
    %faults = ();
    %figures = (calls => 0, most => 0, answers => 0, connections => 0,
                tokens => {}, requests => []);
}


sub template {
    my ($id) = @_;

    return {
        '$meta'      => { omitted => ['audit'] },
        id           => $id,
        revision     => 3,
        name         => 'CRM robot',
        description  => 'drives CRM',
        status       => 'Active',
        lastAccessAt => '2026-03-15T10:00:00.000Z',
        account      => {
            id       => 'ACC-8765-4321',
            type     => 'Vendor',
            status   => 'Active',
            name     => 'TestCompany',
            icon     => '/v1/accounts/accounts/ACC-8765-4321/icon',
            revision => 7
        },
        modules      => [
            { id          => 'MOD-0478',
              name        => 'Marketplace',
              code        => 'new-marketplace',
              description => 'Buy and manage subscription based licenses.',
              paid        => JSON::PP::false,
              filters     => { 'group.buyers' => [ 'selected', 'all' ] },
              settings    => { sharedAccount => JSON::PP::true,
                               default       => JSON::PP::true } },
            { id          => 'MOD-1756',
              name        => 'Access Management',
              code        => 'access-management' }
        ],
        secret       => 'MADEUPmadeup0123456789MADEUPmadeup'
                        . '0123456789MADEUPmadeup01234567',
        self         => 200,
        works        => 0
    };
}
