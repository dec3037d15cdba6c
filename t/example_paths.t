use lib 't/lib';
use AuthApiToken;
use Example;
use Test::Nginx::Socket 'no_plan';
use Ways;

# conf-examples/path-account.conf and path-module.conf: what a path needs, and
# the ways of writing one path for another

our ($Tls, $Backend) = (port(1), port(2));

# the backend tells the path that it got, and what could stand for one

our $Server = backend($Backend) =~ s/(?=X-MPT-Token-Id)/<<"END"/er;
X-Original-URL: \$http_x_original_url
X-Rewrite-URL: \$http_x_rewrite_url
END

our ($Mine, $Other) = ('ACC-1000-0001', 'ACC-1000-0002');
our $Token = token('TKN-1000-0001');
our $Api = qq(token TKN-1000-0001 {"account":{"id":"$Mine"}});


sub start {
    my ($way, $name, $more) = @_;

    # what the backend names is what nginx goes to

    my $server = $Server =~ s!(?=    location /)!<<"END"!er;
    location /accounts/$Mine/moved {
        add_header X-Accel-Redirect /accounts/$Other/1;
        return 204;
    }

    location /accounts/$Mine/odd {
        add_header X-Accel-Redirect "/accounts/$Mine/..;/$Other/1";
        return 204;
    }

    location /v1/orders/odd {
        add_header X-Accel-Redirect "/v1/orders/..;/invoices/1";
        return 204;
    }

    location /v1/orders/moved {
        add_header X-Accel-Redirect /v1/invoices/1;
        return 204;
    }

END

    return start_as($way, $name, http => $server,
                    address => { '443' => $Tls, '127.0.0.1:8080' => $Backend });
}


sub ask {
    my ($example, $token, $uri, $headers) = @_;

    return $example->ask($Tls, request_of($token, $uri, $headers), 'tls');
}


# paths, the status of each, and the path that the backend gets, if any

sub check {
    my ($example, $token, $way, $paths) = @_;

    for my $line (split /\n/, $paths) {
        my ($uri, $status, $got) = split ' ', $line =~ s/<M>/$Mine/gr
                                                    =~ s/<O>/$Other/gr;
        my $response = ask($example, $token, $uri);

        is($response->{status}, $status, "$way - $uri");
        is($response->{body} =~ /^GET (\S+) HTTP/ ? $1 : undef, $got,
           "$way - $uri - at the backend");
    }
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: a token reaches what is below its own account, and nothing else
--- config
--- api eval: $::Api
--- perl
for my $way (ways()) {
    my $example = start($way, 'path-account.conf');

    check($example, $Token, $way, <<'END');
/accounts/<M>/orders/1 200 /accounts/<M>/orders/1
/accounts/<M>/orders/1?a=/accounts/<O>/ 200 /accounts/<M>/orders/1?a=/accounts/<O>/
/accounts/<M>/ 200 /accounts/<M>/
/accounts/<M> 200 /accounts/<M>
/accounts/<M>/a-b_c~d.e/.../x 200 /accounts/<M>/a-b_c~d.e/.../x
/accounts/<O>/orders/1 403
/accounts/<O>/ 403
/accounts/<O> 403
/accounts/<O>?/accounts/<M>/ 403
/accounts/ 403
/accounts/orders 403
/accounts/x/<M>/1 403
/accounts/x/accounts/<M>/1 403
/accounts/<O>1/accounts/<M>/1 403
/accounts/ACC-1000/1 403
/accounts/ACC-1000-000/1 403
/accounts/<M>1/1 403
/accounts/<M>-0002/1 403
/accounts/<M>x/1 403
/accounts/x<M>/1 403
/accounts/acc-1000-0001/1 403
/accounts/ACC-9999-9999/1 403
/Accounts/<O>/1 404
/accounts<M>/1 404
/ 404
/_token_api 404
END

    like(ask($example, $Token, "/accounts/$Mine/1")->{body},
         qr/^Authorization: \n(?:.*\n)*X-MPT-Account-Id: $Mine$/m,
         "$way - who it is");

    is(ask($example, undef, "/accounts/$Mine/1")->{status}, 401,
       "$way - no token");
    is(ask($example, token('TKN-1234-5678'), "/accounts/$Mine/1")->{status},
       403, "$way - the token of another");

    $example->stop;
}
--- calls: 4



=== TEST 2: other ways of writing a path
--- config
--- api eval: $::Api
--- perl
for my $way (ways()) {
    my $example = start($way, 'path-account.conf');

    check($example, $Token, $way, <<'END');
//accounts//<O>//1 403
/accounts/<M>/../<O>/1 403
/accounts/<M>/x/../../<O>/1 403
/accounts/<M>//../<O>/1 403
/accounts/./<O>/1 403
/accounts/<M>/.././<O>/1 403
/accounts/<M>/%2e%2e/<O>/1 403
/accounts/<M>/%2E./<O>/1 403
/accounts/<M>/..%2f<O>/1 403
/accounts/<M>%2f..%2f<O>/1 403
/accounts/%41CC-1000-0002/1 403
/%61ccounts/<O>/1 403
/accounts/<O>//../<M>/1 200 /accounts/<M>/1
/accounts/<O>/%2e%2e/<M>/1 200 /accounts/<M>/1
/accounts/<O>/..%2f<M>/1 200 /accounts/<M>/1
/x/../accounts/<M>/1 200 /accounts/<M>/1
/accounts/<M>/a%2fb 200 /accounts/<M>/a/b
/accounts/<M>/a//b 200 /accounts/<M>/a/b
/accounts/<M>/..;/<O>/1 403
/accounts/<M>/..;x=y/<O>/1 403
/accounts/<M>;/1 403
/accounts/<M>/x;/../<O>/1 200 /accounts/<M>/<O>/1
/accounts/<M>/..%3b/<O>/1 403
/accounts/<M>/..\<O>/1 403
/accounts/<M>/..%5c<O>/1 403
/accounts/<M>\..\<O>/1 403
/accounts/<M>/%252e%252e/<O>/1 403
/accounts/<M>/..%252f<O>/1 403
/accounts/<M>/%c0%ae%c0%ae/<O>/1 403
/accounts/<M>/%ef%bc%8e%ef%bc%8e/<O>/1 403
/accounts/<M>%0a/1 403
/accounts/<M>%0a 403
/accounts/<M>/1%0a 403
/accounts/<M>/1%0d%0aX: 403
/accounts/<M>/%3f/../<O>/1 200 /accounts/<M>/<O>/1
/accounts/<M>/1%3fx 403
/accounts/<M>/1%23x 403
/accounts/<M>/%20 403
/accounts/<M>#/../<O>/1 200 /accounts/<M>
/accounts/<M>%00/1 400
/accounts/../../<O>/1 400
https://a/accounts/<O>/1 403
https://a/accounts/<M>/1 200 /accounts/<M>/1
/accounts/<M>/moved 403
/accounts/<M>/odd 403
/accounts/<M>/.. 403
/accounts/<M>/x/../.. 403
/accounts/<M>/x/.. 200 /accounts/<M>/
END

    my $body = ask($example, $Token, "/accounts/$Mine/1",
                   "X-Original-URL: /accounts/$Other/1\r\n"
                   . "X-Rewrite-URL: /accounts/$Other/1\r\n"
                   . "X-MPT-Account-Id: $Other\r\n")->{body};

    like($body, qr{^GET /accounts/$Mine/1 }, "$way - headers");
    unlike($body, qr/$Other/, "$way - headers of the client are not passed");

    $example->stop;
}



=== TEST 3: a token without an account reaches nothing
--- config
--- api
fault TKN-1234-5678 {"body":"{\"id\":\"TKN-1234-5678\",\"status\":\"Active\"}"}
--- perl
my $example = start('as it stands', 'path-account.conf');

check($example, token('TKN-1234-5678'), 'no account', <<'END');
/accounts/<M>/1 403
/accounts/ 403
/accounts// 403
/accounts/x/1 403
END

$example->stop;
--- calls: 1



=== TEST 4: a path needs its module
--- config
--- api
token TKN-1000-0001 {"modules":[{"id":"MOD-0478","code":"new-marketplace"}]}
token TKN-1000-0002 {"modules":[{"id":"MOD-1756"},{"id":"MOD-8743","code":"billing"}]}
token TKN-1000-0003 {"modules":[]}
--- perl
for my $way (ways()) {
    my $example = start($way, 'path-module.conf');

    check($example, $Token, "$way, MOD-0478", <<'END');
/v1/orders/1?a=b 200 /v1/orders/1?a=b
/v1/orders 200 /v1/orders
/v1/tokens/1 403
/v1/invoices 403
/v1/exports/1 403
/v1/ 403
/v1/users/1 403
/v1/ordersx 403
/v1/orders-x/1 403
/v1/Orders/1 403
/v1/x/orders/1 403
/v2/orders/1 404
/ 404
/_token_api 404
//v1//tokens/1 403
/v1/orders/../invoices/1 403
/v1/orders//../invoices/1 403
/v1/orders/%2e%2e/invoices/1 403
/v1/orders/..%2finvoices/1 403
/v1/invoices//../orders/1 200 /v1/orders/1
/v1/orders/..;/invoices/1 403
/v1/orders;/../invoices/1 403
/v1/orders/..\invoices/1 403
/v1/orders/..%5cinvoices/1 403
/v1/orders/%252e%252e/invoices/1 403
/v1/orders%0a 403
/v1/orders/1%0a 403
/v1/orders%00/1 400
https://a/v1/invoices/1 403
/v1/orders/moved 403
/v1/orders/odd 403
END

    check($example, token('TKN-1000-0002'), "$way, MOD-1756, billing", <<'END');
/v1/orders/1 403
/v1/tokens/1 200 /v1/tokens/1
/v1/invoices/1 200 /v1/invoices/1
/v1/invoicesx/1 403
/v1/exports/1 200 /v1/exports/1
/v1/exports/../orders/1 403
/v1/exports/..;/orders/1 403
/v1/exports/..%5corders/1 403
/v1/exports/%252e%252e/orders/1 403
/v1/exports//../exports/1 200 /v1/exports/1
END

    check($example, token('TKN-1000-0003'), "$way, no module", <<'END');
/v1/orders/1 403
/v1/exports/1 403
/v1/ 403
/v1/users 403
END

    for my $path ('orders/1', 'exports/1') {
        my $token = token($path =~ /orders/ ? 'TKN-1000-0001'
                                            : 'TKN-1000-0002');
        my $response = ask($example, $token, "/v1/$path",
                           "X-Original-URL: /v1/admin\r\n"
                           . "X-Rewrite-URL: /v1/admin\r\n");

        is($response->{status}, 200, "$way - $path");
        unlike($response->{body}, qr/admin/, "$way - no other path");
        is(ask($example, undef, "/v1/$path")->{status}, 401,
           "$way - $path - no token");
    }

    is(ask($example, $Token, '/v1/invoices')->{headers}{'www-authenticate'},
       'Bearer realm="api", error="insufficient_scope", '
       . 'error_description="The token lacks a required module", scope="billing"',
       "$way - who is refused is told what is missing");

    $example->stop;
}
--- calls: 6
