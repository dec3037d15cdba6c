package Status;

# The figures of all zones in all formats, and what there has to be.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use JSON::PP ();
use Store qw(get);

our @EXPORT = qw(zones $Status $Config @Reasons @Outcomes @Bounds);

our $Status = <<'END';
    add_header X-Result $auth_api_token_result always;
    add_header X-Cache $auth_api_token_cache_status always;
    add_header X-Age $auth_api_token_age always;

    location = /status     { auth_api_token_status; }
    location = /json       { auth_api_token_status json; }
    location = /prometheus { auth_api_token_status prometheus; }
    location /purge        { auth_api_token_purge tokens; }
END

our $Config = $Status . <<'END';
    auth_api_token_cache tokens valid=10m denied=10m;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END

our @Reasons = qw(pass no_token malformed unsupported insecure unknown disabled
                  deleted inactive mismatch account_disabled unreadable account
                  account_type module extension require unavailable busy
                  limited);
our @Outcomes = qw(active unknown disabled deleted inactive mismatch
                   account_disabled unreadable unavailable);
our @Bounds = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, '+Inf');


sub zones {
    return JSON::PP->new->utf8->decode(get('/json')->{body})->{zones};
}


1;
