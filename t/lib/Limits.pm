package Limits;

# Requests of the tests of limits, and how many of them had which status.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use Http2;

our @EXPORT = qw(volley tally volley2 crowd logged $Zones);

# nothing leaks back while a test lasts

our $Zones = <<'END';
    auth_api_token_zone zone=tokens:1m;
    limit_req_zone $auth_api_token_account_id zone=account:1m rate=1r/m;
    limit_req_zone $auth_api_token_id zone=token:1m rate=1r/m;
    limit_req_zone $binary_remote_addr zone=address:1m rate=1r/m;
    limit_req_status 429;
    limit_conn_status 429;
END


# requests one after the other over one connection

sub volley {
    my ($n, @request) = @_;

    my $sock = client();

    print {$sock} request_of(@request) x $n;

    return tally(map { read_response($sock) } 1 .. $n);
}


# such as "204:3 429:9"

sub tally {
    my %n;

    $n{$_->{status}}++ for @_;

    return join ' ', map { "$_:$n{$_}" } sort keys %n;
}


# Clients that come while the API is asked.  It is to answer late, and does so
# when all of them wait: they are woken together.

sub crowd {
    my (@requests) = @_;

    my @socks = map { my $sock = client(); print {$sock} $_; $sock } @requests;

    until_true('all wait', sub { figures()->{calls} && all_read() });
    api('POST', 'release');

    return map { read_response($_) } @socks;
}


# requests at once over one connection of HTTP/2, to another port

sub volley2 {
    my ($n, $token, $uri, $port) = @_;

    my $sock = client($port);

    print {$sock} preface(), map { get_stream(2 * $_ - 1, $uri, $token) }
                             1 .. $n;

    return tally(map { { status => $_ } } read_statuses($sock, $n));
}


# the lines of a log, when there are so many

sub logged {
    my ($n, $name) = @_;

    my $file = Test::Nginx::Util::server_root() . "/logs/$name";
    my @lines;

    until_true("$n lines of $name", sub {
        open my $in, '<', $file or return 0;
        @lines = <$in>;
        @lines >= $n;
    });

    chomp @lines;

    return @lines;
}


1;
