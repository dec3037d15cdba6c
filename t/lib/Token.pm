package Token;

# What the tests of the token object share.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use Files qw(slurp);
use JSON::PP ();
use Test::More ();

our @EXPORT = qw(get identity json_of sample check_object whole nothing $Config
                 $Zone $Identity);

our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_cache tokens valid=1h denied=1h;
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;

    location = /object {
        auth_api_token "r";
        auth_api_token_object;
    }
END

our $Identity = 'TKN-1234-5678|CRM robot|ACC-8765-4321|TestCompany|Vendor|'
                . 'MOD-0478,MOD-1756|*';

my $Object = { id => 'TKN-1234-5678', name => 'CRM robot', status => 'Active',
               account => { id => 'ACC-8765-4321', name => 'TestCompany',
                            type => 'Vendor' },
               modules => [ { id => 'MOD-0478', code => 'new-marketplace' },
                            { id => 'MOD-1756',
                              code => 'access-management' } ] };

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# a request with the token that is always there, unless another is given

sub get {
    my ($uri, %more) = @_;

    my $token = exists $more{token} ? $more{token} : token('TKN-1234-5678');
    my $body = $more{body};

    return exchange(($more{method} || 'GET') . " $uri HTTP/1.1\r\nHost: a\r\n"
                    . (defined $token ? "Authorization: Bearer $token\r\n" : '')
                    . ($more{headers} || '')
                    . (defined $body ? 'Content-Length: ' . length($body)
                                       . "\r\n" : '')
                    . "\r\n" . (defined $body ? $body : ''), $more{port});
}


# the identity headers of a response: each has to be there, once

sub identity {
    my ($response) = @_;

    return join '|', map {
        my @values = $response->{head} =~ /^\Q$_\E:[ ]?([^\r\n]*)\r?$/mg;
        @values == 1 ? $values[0] : "$_ is there " . @values . ' times';
    } @IdentityHeaders;
}


sub json_of {
    my ($body) = @_;

    my $data = eval { $json->decode($body) };

    return defined $data ? $data : { broken => $body };
}


# what is left of a token, as the API tells of it: members that are empty say as
# much as ones that are not there, except the extensions

sub expected {
    my ($token) = @_;

    my $object = members($token, qw(id name status));
    my $account = members($token->{account} || {}, qw(id name type));
    my @modules = grep { keys %$_ } map { members($_ || {}, qw(id code)) }
                  @{$token->{modules} || []};

    $object->{account} = $account if keys %$account;
    $object->{modules} = [ by_id(@modules) ] if @modules;

    if (grep { $_ eq 'extensions' } @{($token->{'$meta'} || {})->{omitted}}) {
        $object->{'$meta'} = { omitted => ['extensions'] };

    } elsif (exists $token->{extensions}) {
        my $extensions = $token->{extensions};

        $object->{extensions} = $extensions && [ map { members($_, 'id') }
                                                 @$extensions ];
    }

    return $object;
}


# modules without an id may come last

sub by_id {
    return ((grep { defined $_->{id} } @_), (grep { !defined $_->{id} } @_));
}


sub members {
    my ($from, @names) = @_;

    return { map { ($_, $from->{$_}) }
             grep { defined $from->{$_} && length $from->{$_} } @names };
}


sub sample {
    my ($name) = @_;

    return slurp("t/samples/$name.json");
}


# an object has to say what the API said of the token, and nothing that only the
# token's owner knows

sub check_object {
    my ($name, $response, $token) = @_;

    Test::More::is($response->{status}, 200, "$name - status");
    Test::More::is_deeply(trimmed(json_of($response->{body})),
                          expected($token), "$name - object")
        or Test::More::diag($response->{body});
    Test::More::unlike($response->{head} . $response->{body},
                       qr/MADEUP|"token"/, "$name - no secret");
}


# an object without what says nothing

sub trimmed {
    my ($object) = @_;

    for my $name (qw(account modules)) {
        my $value = $object->{$name};

        delete $object->{$name}
            if exists $object->{$name}
               && (!$value || (ref $value eq 'HASH' && !%$value)
                   || (ref $value eq 'ARRAY' && !@$value));
    }

    return $object;
}


# the whole of a 200

sub whole {
    my ($name, $response) = @_;

    check_object($name, $response, $Object);

    my $headers = $response->{headers};

    Test::More::is(identity($response), $Identity, "$name - identity");
    Test::More::like($headers->{age}, qr/^\d+$/, "$name - Age");
    Test::More::is($headers->{'cache-control'}, 'no-store',
                   "$name - Cache-Control");
    Test::More::is($headers->{vary}, 'Authorization', "$name - Vary");
    Test::More::is($headers->{'content-type'}, 'application/json',
                   "$name - Content-Type");
    Test::More::is($headers->{'content-length'}, length $response->{body},
                   "$name - Content-Length");
}


# no 200, and nothing of a token

sub nothing {
    my ($name, $response, $status) = @_;

    Test::More::is($response->{status}, $status || 403, "$name - status");
    Test::More::unlike($response->{head}, qr/^X-MPT-/mi, "$name - headers");
    Test::More::unlike($response->{head} . $response->{body},
                       qr/ACC-8765-4321|CRM robot/, "$name - facts");
}


1;
