package Kept;

# Requests of the tests of what the zone keeps: ask() returns the response,
# all() its status and X-All, in which locations show what there is to know.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);

our @EXPORT = qw(ask all);


sub ask {
    my ($uri, $token, $host) = @_;

    $token //= token('TKN-1234-5678');

    return exchange("GET $uri HTTP/1.1\r\nHost: " . ($host || 'a') . "\r\n"
                    . "Authorization: Bearer $token\r\n\r\n");
}


sub all {
    my $response = ask(@_);

    return "$response->{status} $response->{headers}{'x-all'}";
}


1;
