package Store;

# Requests of the tests of the store.  Locations show $auth_api_token_result and
# $auth_api_token_cache_status as X-Result and X-Cache; /status has the figures.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use JSON::PP ();

our @EXPORT_OK = qw(ids summary ask start zone get $Good $Bad);

# the token that is always there, and one that nobody issued

our $Good = token('TKN-1234-5678');
our $Bad = 'idt:TKN-1234-5678:MADEUPwrong';


sub summary {
    my ($response) = @_;

    return join ' ', $response->{status},
                map { $response->{headers}{$_} || '-' } qw(x-result x-cache);
}


sub ask {
    return summary(exchange(request_of(@_)));
}


# a request that waits for its answer

sub start {
    my $sock = client();

    print {$sock} request_of(@_);

    return $sock;
}


# tokens that differ, known to the API

sub ids {
    my ($n) = @_;

    my @ids = map { sprintf 'TKN-%04d-0000', $_ } 1 .. $n;
    api('PUT', "tokens/$_") for @ids;

    return @ids;
}


# the figures of a zone

sub zone {
    my ($name) = @_;

    my $body = exchange("GET /status HTTP/1.1\r\nHost: a\r\n"
                        . "Connection: close\r\n\r\n")->{body};

    return JSON::PP->new->decode($body)->{zones}{$name || 'tokens'};
}


sub get {
    my ($uri, $headers, $method) = @_;

    return exchange(($method || 'GET') . " $uri HTTP/1.1\r\nHost: a\r\n"
                    . ($headers || '') . "\r\n");
}


1;
