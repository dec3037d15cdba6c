use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# nothing that is known about one request is left for the next

our $Config = <<'END';
    add_header X-Result "$auth_api_token_result,$auth_api_token_id,$auth_api_token_account_id" always;
    auth_api_token "r";

    location /open   { try_files /n =204; }
    location /module { auth_api_token_module MOD-1756; try_files /n =204; }
    location /client { auth_api_token_account_type Client; try_files /n =204; }
    location /off    { auth_api_token off; try_files /n =204; }
END

our $Tokens = <<'END';
token TKN-1111-1111 {"account":{"id":"ACC-1111-1111","type":"Client"}}
token TKN-2222-2222 {"account":{"id":"ACC-2222-2222","type":"Vendor"},"modules":[]}
END


sub in_order {
    my ($name, @requests) = @_;

    my $sock = client();

    for my $request (@requests) {
        my ($uri, $id, $want) = @$request;

        print {$sock} "GET $uri HTTP/1.1\r\nHost: a\r\n"
                      . ($id ? 'Authorization: Bearer '
                               . ($id eq 'bad' ? 'idt:TKN-1111-1111:MADEUPno'
                                               : token($id)) . "\r\n"
                             : '')
                      . "\r\n";

        my $response = read_response($sock);

        is("$response->{status} $response->{headers}{'x-result'}", $want,
           "$name: $uri " . ($id || 'none'));
    }
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: two locations of different requirements, in both orders
--- config eval: $::Config
--- api eval: $::Tokens
--- perl
my $client = ['/client', 'TKN-1111-1111', '204 pass,TKN-1111-1111,ACC-1111-1111'];
my $module = ['/module', 'TKN-1111-1111', '204 pass,TKN-1111-1111,ACC-1111-1111'];
my $vendor = ['/client', 'TKN-2222-2222', '403 account_type,,'];
my $lacks  = ['/module', 'TKN-2222-2222', '403 module,,'];
my $open   = ['/open', 'TKN-2222-2222', '204 pass,TKN-2222-2222,ACC-2222-2222'];

in_order('passes first', $client, $vendor, $module, $lacks, $open);
in_order('refused first', $vendor, $client, $lacks, $module, $open);
in_order('open first', $open, $lacks, $vendor, $open, $client);
--- calls: 15



=== TEST 2: a good token, then none
--- config eval: $::Config
--- api eval: $::Tokens
--- perl
my $good = ['/open', 'TKN-1111-1111', '204 pass,TKN-1111-1111,ACC-1111-1111'];
my $none = ['/open', undef, '401 no_token,,'];
my $bad  = ['/open', 'bad', '401 unknown,,'];
my $off  = ['/off', undef, '204 -'];

$off->[2] = '204 ,,';

in_order('good first', $good, $none, $good, $bad, $none, $off, $good, $off);
in_order('none first', $none, $good, $off, $none, $bad, $good);
--- calls: 7
