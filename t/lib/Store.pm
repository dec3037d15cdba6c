package Store;

# Requests of the tests of the store.  Locations show $auth_api_token_result and
# $auth_api_token_cache_status as X-Result and X-Cache; /status has the figures.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use JSON::PP ();
use Test::More ();

our @EXPORT_OK = qw(ids request_of summary ask start zone get zones moved post
                    answers purged @Reasons @Outcomes @Bounds);

our @Reasons = qw(pass no_token malformed unsupported insecure unknown disabled
                  deleted inactive mismatch account_disabled unreadable account
                  account_type module require unavailable busy limited);
our @Outcomes = qw(active unknown disabled deleted inactive mismatch
                   account_disabled unreadable unavailable);
our @Bounds = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, '+Inf');


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


sub zones {
    return JSON::PP->new->utf8->decode(get('/json')->{body})->{zones};
}


# what is not zero, as "name:number"

sub moved {
    my ($figures) = @_;

    return join ' ', map { $figures->{$_} ? "$_:$figures->{$_}" : () }
                     sort keys %$figures;
}


# a request to purge, what it answers, and both

sub post {
    my ($body, $uri, $method, $headers) = @_;

    return ($method || 'POST') . ' ' . ($uri || '/purge') . " HTTP/1.1\r\n"
           . "Host: a\r\n" . ($headers || '') . 'Content-Length: '
           . length($body) . "\r\n\r\n$body";
}


sub answers {
    my ($request, $n, $name) = @_;

    my $response = exchange($request);

    Test::More::is($response->{status}, 200, "$name - status");
    Test::More::is($response->{headers}{'content-type'}, 'application/json',
                   "$name - type");
    Test::More::is($response->{body}, qq({"purged":$n}), "$name - answer");
}


sub purged {
    my ($body, $n, $uri) = @_;

    answers(post($body, $uri), $n, $body =~ s/\s+/ /gr);
}


1;
