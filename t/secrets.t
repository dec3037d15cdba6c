use lib 't/lib';
use AuthApiToken;

BEGIN { $ENV{TEST_NGINX_LOG_LEVEL} = 'debug' }

use Test::Nginx::Socket 'no_plan';

# At the debug level nginx logs the headers it reads and sends.  The module's
# own lines, which the library looks at after each block, hold no secret.

log_level('debug');

our $Good = 'Authorization: Bearer ' . token('TKN-1234-5678') . "\r\n";

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=300ms;

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
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
--- config eval: $::Config
--- perl
for my $fault ({}, { status => 401 }, { status => 403 }, { status => 500 },
               { delay => 1000 }, { reset => 'before' }, { reset => 'middle' },
               { cut => 'middle' }, { chunked => 1 }, { gzip => 1 },
               { pad => 100000 }, { body => token('TKN-1234-5678') },
               { body => '{"token":"' . token('TKN-1234-5678') . '"' })
{
    api('PUT', 'faults/any', $fault);

    for my $uri ('/t', '/service') {
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n$::Good\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer idt:TKN-1234-5678:MADEUPno\r\n\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer MADEUP, MADEUP\r\n\r\n");
        exchange("GET $uri HTTP/1.1\r\nHost: a\r\n"
                 . "Authorization: Bearer idt:EXT-1234-5678:MADEUP\r\n\r\n");
    }
}
--- error_log
auth api token handler
auth api token lookup
API token refused
--- no_error_log
[alert]
[emerg]
