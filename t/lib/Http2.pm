package Http2;

# HTTP/2 by hand, for what no client does on demand: streams that are reset.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(preface get_stream reset_stream);


# what a connection begins with: the preface, and SETTINGS that change nothing

sub preface {
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '');
}


# a GET, whose headers are literals that are not indexed

sub get_stream {
    my ($stream, $uri, $token) = @_;

    return frame(1, 5, $stream, join '', map {
        ("\0", map { pack('C', length) . $_ } @$_)
    } [':method', 'GET'], [':scheme', 'http'], [':path', $uri],
      [':authority', 'a'], ['authorization', "Bearer $token"]);
}


# RST_STREAM, CANCEL

sub reset_stream {
    my ($stream) = @_;

    return frame(3, 0, $stream, pack 'N', 8);
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


1;
