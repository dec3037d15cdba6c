use lib 't/lib';
use AuthApiToken;
use JSON::PP ();
use Test::Nginx::Socket 'no_plan';

# a file in the lookup location answers lookups as well as the API does

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Account $auth_api_token_account_id always;
        try_files /dev/null =204;
    }
END

our $Lookup = <<'END';
        root html;
        try_files /$auth_api_token_claimed_id.json =404;
END

# good, disabled, another's, larger than a file is sent at once, and as large as
# an answer may be and larger

our $Files = file('TKN-1234-5678')
             . file('TKN-0000-0002', status => 'Disabled')
             . file('TKN-0000-0003', id => 'TKN-1234-5678')
             . file('TKN-0000-0004', padding => 'x' x 50000)
             . file('TKN-0000-0005', padding => 'x' x 65300)
             . file('TKN-0000-0006', padding => 'x' x 65536)
             . file('TKN-0000-0007', padding => 'x' x 3000000)
             . ">>> TKN-0000-0008.json\n"
             . ">>> TKN-0000-0009.json\n{\"id\":\"TKN-0000-0009\",\n";


sub file {
    my ($id, %more) = @_;

    return ">>> $id.json\n" . JSON::PP->new->canonical->encode({
        id      => $id, status => 'Active', name => 'n',
        account => { id => 'ACC-8765-4321', type => 'Vendor' },
        modules => [ { id => 'MOD-0478' } ], %more
    }) . "\n";
}


sub ask {
    my ($id) = @_;

    my $response = exchange(request_of(token($id)));

    return join ' ', $response->{status}, $response->{headers}{'x-result'},
                     $response->{headers}{'x-account'} || '-';
}


sub judged {
    is(ask('TKN-1234-5678'), '204 pass ACC-8765-4321', 'good');
    is(ask('TKN-0000-0002'), '401 disabled -', 'disabled');
    is(ask('TKN-0000-0003'), '503 unavailable -', 'of another token');
    is(ask('TKN-0000-0004'), '204 pass ACC-8765-4321', 'large');
    is(ask('TKN-0000-0005'), '204 pass ACC-8765-4321', 'as large as may be');
    is(ask('TKN-0000-0006'), '503 unavailable -', 'too large');
    is(ask('TKN-0000-0007'), '503 unavailable -', 'much too large');
    is(ask('TKN-0000-0008'), '503 unavailable -', 'empty');
    is(ask('TKN-0000-0009'), '503 unavailable -', 'cut short');
    is(ask('TKN-0000-0010'), '503 unavailable -', 'no file');
    is(ask('TKN-1234-5678'), '204 pass ACC-8765-4321', 'good, again');
    is(ask('TKN-0000-0011'), '503 unavailable -', 'no file, again');

    # many at a time

    my @socks = map {
        my $sock = client();
        print {$sock} request_of(token('TKN-0000-0004'));
        $sock
    } 1 .. 10;

    is(join(' ', map { read_response($_)->{status} } @socks),
       join(' ', (204) x 10), 'ten at once');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: read
--- config eval: "    sendfile off;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 2: sendfile
--- config eval: "    sendfile on;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 3: aio threads
--- config eval: "    aio threads;\n    sendfile off;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 4: aio threads and sendfile
--- config eval: "    aio threads;\n    sendfile on;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 5: directio
--- config eval: "    directio 1;\n    sendfile on;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 6: directio and aio threads
--- config eval: "    directio 4k;\n    aio threads;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 7: small buffers
--- config eval: "    aio threads;\n    output_buffers 2 512;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 8: a file that was opened before
--- http_config
    open_file_cache max=100;
--- config eval: "    aio threads;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
judged();
--- no_error_log
[alert]
--- calls: 0



=== TEST 9: clients that leave while a thread reads, and no time
--- config eval
"    auth_api_token_request /_token_api timeout=1ms;\n    aio threads;\n"
. "    output_buffers 1 512;\n" . $::Config
--- lookup eval: $::Lookup
--- user_files eval: $::Files
--- perl
for (1 .. 20) {
    my @socks = map {
        my $sock = client();
        print {$sock} "GET /t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                      . token('TKN-0000-0005') . "\r\n\r\n";
        $sock
    } 1 .. 4;

    shutdown shift @socks, 2;

    like(read_response($_)->{status}, qr/\A(?:204|503)\z/, 'answered')
        for @socks;
}

is(exchange("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 404, 'lives');
--- no_error_log
[alert]
--- calls: 0
