package Purge;

# Requests to purge, and what the two files that send them have in common.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use Test::More ();

our @EXPORT = qw(post answers purged $Config $ById);

our $Config = <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge   { auth_api_token_purge tokens; }
    location = /status { auth_api_token_status json; }
END

our $ById = '{"token":"TKN-1234-5678"}';


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
