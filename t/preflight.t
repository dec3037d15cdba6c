use lib 't/lib';
use AuthApiToken;
use Lines qw($Good);
use Test::Nginx::Socket 'no_plan';

our $Origin = "Origin: https://app.example.com\r\n";
our $Method = "Access-Control-Request-Method: PUT\r\n";

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result "$auth_api_token_result,$auth_api_token_id,$auth_api_token_cache_status" always;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
END

our $Backend = 'server { listen 127.0.0.1:$TEST_NGINX_PORT_1; return 200; }';


sub ask {
    my ($method, $headers) = @_;

    my $response = exchange("$method /t HTTP/1.1\r\nHost: a\r\n"
                            . "Content-Length: 0\r\n$headers\r\n");

    return join ' ', $response->{status},
                     $response->{headers}{'x-result'} || '-';
}


run_tests();

__DATA__

=== TEST 1: off by default
--- http_config eval: $::Backend
--- config eval: $::Config
--- perl
is(ask('OPTIONS', $::Origin . $::Method), '401 no_token,,-', 'a preflight');
--- calls: 0



=== TEST 2: a preflight passes, and nothing else does
--- http_config eval: $::Backend
--- config eval: "    auth_api_token_preflight on;\n" . $::Config
--- perl
is(ask('OPTIONS', $::Origin . $::Method), '200 pass,,-', 'a preflight');
is(ask('OPTIONS', lc($::Origin) . lc $::Method), '200 pass,,-',
   'in lower case');
is(ask('OPTIONS', $::Origin), '401 no_token,,-', 'no method');
is(ask('OPTIONS', $::Method), '401 no_token,,-', 'no origin');
is(ask('OPTIONS', ''), '401 no_token,,-', 'neither');
is(ask('OPTIONS', "X-$::Origin$::Method"), '401 no_token,,-',
   'another header');

for my $method (qw(GET HEAD POST PUT DELETE PATCH options OPTION OPTIONSX)) {
    unlike(ask($method, $::Origin . $::Method), qr/pass/, $method);
}

is(ask('GET', $::Good), '200 pass,TKN-1234-5678,BYPASS', 'a token');
--- calls: 1



=== TEST 3: a preflight that brings a token has no identity
--- http_config eval: $::Backend
--- config eval: "    auth_api_token_preflight on;\n" . $::Config
--- perl
is(ask('OPTIONS', $::Origin . $::Method . $::Good), '200 pass,,-', 'pass');
--- calls: 0
