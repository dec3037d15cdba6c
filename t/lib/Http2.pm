package Http2;

# HTTP/2 by hand, for what no client does on demand: resetting streams, and
# starting many at once.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select ();

our @EXPORT = qw(preface get_stream reset_stream read_statuses);

# https://www.rfc-editor.org/rfc/rfc7541#appendix-A

my %indexed = (8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404,
               14 => 500);


# what a connection begins with: the preface, and SETTINGS that change nothing

sub preface {
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '');
}


# a GET, whose headers are literals that are not indexed

sub get_stream {
    my ($stream, $uri, $token) = @_;

    return frame(1, 5, $stream, literals(
        [':method', 'GET'], [':scheme', 'http'], [':path', $uri],
        [':authority', 'a'], ['authorization', "Bearer $token"]));
}


sub literals {
    return join '', map {
        ("\0", map { pack('C', length) . $_ } @$_)
    } @_;
}


# RST_STREAM, CANCEL

sub reset_stream {
    my ($stream) = @_;

    return frame(3, 0, $stream, pack 'N', 8);
}


# reads the responses to n streams: their statuses, as they come

sub read_statuses {
    my ($sock, $n) = @_;

    my $limit = time + 30;
    my $in = '';
    my @statuses;

    while (@statuses < $n) {
        if (length $in < 9 || length $in < 9 + unpack 'N', "\0$in") {
            my $left = $limit - time;

            last if $left <= 0 || !IO::Select->new($sock)->can_read($left)
                    || !sysread $sock, $in, 65536, length $in;
            next;
        }

        my $length = unpack 'N', "\0$in";
        my ($type) = unpack 'x3 C', substr $in, 0, 9, '';
        my $payload = substr $in, 0, $length, '';

        # GOAWAY, or RST_STREAM with an error: no more will come

        last if $type == 7 || $type == 3 && unpack 'N', $payload;

        next if $type != 1;

        # the status comes first, except for a change of the table's size

        $payload =~ s/\A[\x20-\x3f]+//;

        my $first = ord $payload;

        push @statuses, $first & 0x80 ? $indexed{$first & 0x7f}
                                      : substr $payload, 2, 3;
    }

    return @statuses;
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


1;
