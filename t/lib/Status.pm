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
    location = /html       { auth_api_token_status html; }
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
our @Bounds = qw(0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf);


sub zones {
    return JSON::PP->new->utf8->decode(get('/json')->{body})->{zones};
}


1;
