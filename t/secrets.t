use lib 't/lib';
use AuthApiToken;
use Lines qw($Good);

BEGIN { $ENV{TEST_NGINX_LOG_LEVEL} = 'debug' }

use Test::Nginx::Socket 'no_plan';

# At the debug level nginx logs the headers it reads and sends.  The module's
# own lines, which the library looks at after each block, hold no secret.

log_level('debug');

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=300ms;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }

    location /cached {
        auth_api_token "r";
        auth_api_token_cache tokens valid=10ms denied=10ms stale=1h;
        auth_api_token_denied_limit $http_authorization rate=1000r/s;
        try_files /dev/null =204;
    }

    location /purge {
        auth_api_token_purge tokens;
    }

    location /service {
        auth_api_token "r";
        auth_api_token_request /_token_api credential=service;
        try_files /dev/null =204;
    }
END

no_long_string();
run_tests();

__DATA__

=== TEST 1: whatever happens
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: $::Config
--- perl
for my $fault ({}, { status => 401 }, { status => 403 }, { status => 500 },
               { delay => 1000 }, { reset => 'before' }, { reset => 'middle' },
               { cut => 'middle' }, { chunked => 1 }, { gzip => 1 },
               { pad => 100000 }, { body => token('TKN-1234-5678') },
               { body => '{"token":"' . token('TKN-1234-5678') . '"' })
{
    api('PUT', 'faults/any', $fault);

    for my $uri ('/t', '/service', '/cached', '/cached') {
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n$::Good\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer idt:TKN-1234-5678:MADEUPno\r\n\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer MADEUP, MADEUP\r\n\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer idt:EXT-1234-5678:MADEUP\r\n\r\n");
    }

    my $body = '{"token":"' . token('TKN-1234-5678') . '"}';

    exchange("POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: "
             . length($body) . "\r\n\r\n$body");
}
--- error_log
auth api token handler
auth api token lookup
API token refused
--- no_error_log
[alert]
[emerg]
