package DryRun;

# What the tests of the dry run share: a backend that shows what it got, and
# what has to hold when a request passes that would have been refused.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use Files qw($Top);
use Store qw(zone $Bad);
use Test::More ();

our @EXPORT = qw(get passes dry lines zone $Backend $Show $Proxy $Bad);

# a status that nothing else has

our $Backend = <<"END";
    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_3;
        access_log off;
        return 207 "\$request_uri;\$http_authorization;@{[
            join ';', map { "\$http_\L$_" =~ tr/-/_/r } @IdentityHeaders]}";
    }
END

our $Show = <<'END';
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    add_header X-Known $auth_api_token_known_id,$auth_api_token_known_account_id always;
    add_header X-Identity "$auth_api_token_id,$auth_api_token_name,$auth_api_token_account_id,$auth_api_token_account_name,$auth_api_token_account_type,$auth_api_token_modules,$auth_api_token_extensions" always;
END

our $Proxy = <<"END";
        include $Top/conf-examples/auth-api-token/identity-headers.conf;
        proxy_pass http://127.0.0.1:\$TEST_NGINX_PORT_3;
END


# a request that claims an identity, and perhaps has a token

sub get {
    my ($uri, $token, $headers) = @_;

    return request_of($token, $uri, 'Connection: close' . "\r\n"
                      . join('', map { "$_: made up\r\n" } @IdentityHeaders)
                      . ($headers || ''));
}


# the backend's own answer to a request that came without an identity, and
# nothing of a refusal

sub passes {
    my ($response, $result, $uri, $name) = @_;

    my $headers = $response->{headers};

    $name ||= $result;

    Test::More::is($response->{status}, 207, "$name - status");
    Test::More::is($headers->{'x-result'}, $result, "$name - result");
    Test::More::is($headers->{'x-identity'}, ',,,,,,', "$name - variables");
    Test::More::is($response->{body}, "$uri;" . ';' x @IdentityHeaders,
                   "$name - what the backend got");
    Test::More::is($headers->{'content-type'}, 'text/plain', "$name - type");

    Test::More::unlike($response->{head},
                       qr/^(?:WWW-Authenticate|Retry-After|Cache-Control):/mi,
                       "$name - nothing of a refusal");
}


# the same of a request that is sent to a location

sub dry {
    my ($reason, $uri, $token, $headers) = @_;

    passes(exchange(get($uri, $token, $headers)), "${reason}_dry_run", $uri);
}


# log lines of refusals, from the level on to what says whose they are

sub lines {
    my ($begin) = @_;

    return map { s/^.*?(\[\w+\]) .*?: \*\d+ /$1 /r =~ s/, client: .*//r }
           grep { /: \*\d+ \Q$begin\E/ } split /\n/, nginx_log();
}


1;
