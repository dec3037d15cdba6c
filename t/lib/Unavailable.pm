package Unavailable;

# What the tests of an API that gives no usable answer share.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use JSON::PP ();
use Test::More;

our @EXPORT = qw(ask body unavailable $Config);
our @EXPORT_OK = qw($Broken);

our $Config = "    auth_api_token_request /_token_api timeout=500ms;\n\n"
              . $Location;

# an answer whose body breaks 0.3 s after its head has come

our $Broken = { close_delimited => 1, drip => 50,
                headers => { 'Transfer-Encoding' => 'chunked' },
                body    => "1\r\nx\r\nzz\r\n" };


sub ask {
    return exchange(request_of(token('TKN-1234-5678')));
}


# a fault that has to end in 503, and has to leave nothing behind

sub unavailable {
    my ($name, $fault, $retry) = @_;

    api('PUT', 'faults/any', $fault);

    my $response = ask();

    is($response->{status}, 503, "$name - status");
    is($response->{headers}{'x-result'}, 'unavailable', "$name - result");
    is($response->{headers}{'retry-after'}, $retry || 1, "$name - retry");
    is($response->{headers}{'www-authenticate'}, undef, "$name - challenge");

    # and the next request is not affected

    api('DELETE', 'faults/any');
    is(ask()->{status}, 204, "$name - recovers");
}


# the token's own body, with these changes

sub body {
    my ($change) = @_;

    my $body = { id => 'TKN-1234-5678', status => 'Active', name => 'n',
                 token => token('TKN-1234-5678'),
                 account => { id => 'ACC-8765-4321', type => 'Vendor',
                              status => 'Active', name => 'TestCompany' },
                 modules => [ { id => 'MOD-0478' } ] };

    for my $path (keys %$change) {
        my ($one, $two) = split /\./, $path;

        if (defined $two) {
            $body->{$one}{$two} = $change->{$path};

        } elsif (defined $change->{$path}
                 && $change->{$path} eq '-absent-')
        {
            delete $body->{$one};

        } else {
            $body->{$one} = $change->{$path};
        }
    }

    return { body => JSON::PP->new->utf8->canonical->encode($body) };
}


1;
