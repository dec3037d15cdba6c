package Store;

# Requests of the tests of the store.  Locations show $auth_api_token_result and
# $auth_api_token_cache_status as X-Result and X-Cache; /status has the figures.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use JSON::PP ();

our @EXPORT_OK = qw(request_of summary ask start zone);


sub request_of {
    my ($token, $uri) = @_;

    return 'GET ' . ($uri || '/t') . " HTTP/1.1\r\nHost: a\r\n"
           . (defined $token ? "Authorization: Bearer $token\r\n" : '')
           . "\r\n";
}


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


# the figures of a zone

sub zone {
    my ($name) = @_;

    my $body = exchange("GET /status HTTP/1.1\r\nHost: a\r\n"
                        . "Connection: close\r\n\r\n")->{body};

    return JSON::PP->new->decode($body)->{zones}{$name || 'tokens'};
}


1;
