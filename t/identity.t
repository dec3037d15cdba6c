use lib 't/lib';
use AuthApiToken;
use Files;
use Test::Nginx::Socket 'no_plan';

# conf-examples/auth-api-token/identity-*.conf: backends learn who is calling,
# nothing that a client made up, and never the token

our $Dir = "$Top/conf-examples/auth-api-token";

our @Facts = ('TKN-1234-5678', 'CRM robot', 'ACC-8765-4321', 'TestCompany',
              'Vendor', 'MOD-0478,MOD-1756');
our @Names = qw(TOKEN_ID TOKEN_NAME ACCOUNT_ID ACCOUNT_NAME ACCOUNT_TYPE
                MODULES);

our $Echo = join ';', map { "\$http_x_mpt_\L$_" } @Names;


# a request with made-up headers, with a token or as a preflight without one

sub forged {
    my ($uri, $token) = @_;

    return ($token ? 'GET' : 'OPTIONS') . " $uri HTTP/1.1\r\nHost: a\r\n"
           . join('', map { 'X-MPT-' . tr/_/-/r . ": made up\r\n" } @Names)
           . ($token ? 'Authorization: Bearer ' . token($token) . "\r\n"
                     : "Authorization: made up\r\nOrigin: x\r\n"
                       . "Access-Control-Request-Method: GET\r\n")
           . "Connection: close\r\n\r\n";
}


# one request to a FastCGI backend: its parameters

sub fastcgi {
    my ($listen, $request) = @_;

    my $client = client();
    print {$client} $request;

    IO::Select->new($listen)->can_read(10) or return;
    my $sock = $listen->accept;
    my ($in, $params) = ('', '');

    # records of type 4 are parameters, an empty one ends them

    for (;;) {
        while (length $in < 8 || length $in < 8 + unpack 'x4 n', $in) {
            sysread($sock, $in, 65536, length $in) or return;
        }

        my ($type, $length, $padding) = unpack 'x C x2 n C', $in;
        my $content = substr $in, 8, $length;

        substr($in, 0, 8 + $length + $padding) = '';

        next if $type != 4;
        last if $length == 0;
        $params .= $content;
    }

    my $body = "Status: 200\r\n\r\n";

    print {$sock} pack('C2 n2 C2', 1, 6, 1, length $body, 0, 0), $body,
                  pack('C2 n2 C2', 1, 6, 1, 0, 0, 0),
                  pack('C2 n2 C2 x8', 1, 3, 1, 8, 0, 0);
    close $sock;
    read_response($client);

    my %params;

    while (length $params) {
        my @length = map {
            my $n = unpack 'C', $params;

            $n < 128 ? (unpack 'C', substr $params, 0, 1, '')
                     : (unpack 'N', substr $params, 0, 4, '') & 0x7fffffff;
        } 1 .. 2;

        my $name = substr $params, 0, $length[0], '';
        push @{$params{$name}}, substr $params, 0, $length[1], '';
    }

    return \%params;
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: all three say the same
--- config
--- perl
my %text;

for my $name (qw(headers fastcgi grpc)) {
    $text{$name} = slurp("$Dir/identity-$name.conf");
}

my $fastcgi = join '', sort $text{fastcgi} =~ /^fastcgi_param HTTP_(.*\n)/mg;

for my $name (qw(headers grpc)) {
    my @lines = $text{$name} =~ /_set_header ((?:X-MPT|Auth)[\w-]* .*\n)/g;

    is(join('', sort map { s/^([\w-]+)/uc $1 =~ tr!-!_!r/er } @lines), $fastcgi,
       $name);
}



=== TEST 2: proxy_pass
--- http_config eval
<<END;
    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1;
        return 200 "$::Echo;\$http_authorization";
    }
END
--- config eval
<<END;
    location / {
        auth_api_token "r";
        auth_api_token_preflight on;
        include $::Dir/identity-headers.conf;
        proxy_pass http://127.0.0.1:\$TEST_NGINX_PORT_1;
    }
END
--- perl
is(exchange(forged('/', 'TKN-1234-5678'))->{body}, join(';', @Facts, ''),
   'who is calling');
is(exchange(forged('/'))->{body}, ';;;;;;', 'nobody');



=== TEST 3: grpc_pass
--- http_config eval
<<END;
    server {
        listen 127.0.0.1:\$TEST_NGINX_PORT_1 http2;
        return 200 "$::Echo;\$http_authorization";
    }
END
--- config eval
<<END;
    location / {
        auth_api_token "r";
        auth_api_token_preflight on;
        include $::Dir/identity-grpc.conf;
        grpc_pass grpc://127.0.0.1:\$TEST_NGINX_PORT_1;
    }
END
--- perl
is(exchange(forged('/', 'TKN-1234-5678'))->{body}, join(';', @Facts, ''),
   'who is calling');
is(exchange(forged('/'))->{body}, ';;;;;;', 'nobody');



=== TEST 4: fastcgi_pass
--- config eval
<<END;
    location / {
        auth_api_token "r";
        auth_api_token_preflight on;
        include $::Dir/identity-fastcgi.conf;
        fastcgi_pass 127.0.0.1:\$TEST_NGINX_PORT_2;
    }
END
--- perl
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
                                   LocalPort => $ENV{TEST_NGINX_PORT_2},
                                   ReuseAddr => 1) or die;

for my $token ('TKN-1234-5678', undef) {
    my $params = fastcgi($listen, forged('/', $token)) || {};

    is(join(';', map { @{$params->{"HTTP_X_MPT_$_"} || ['-']} } @Names),
       $token ? join(';', @Facts) : ';;;;;', 'who is calling');
    is(join(';', @{$params->{HTTP_AUTHORIZATION} || []}), '', 'no token');
    is(join(';', @{$params->{HTTP_HOST} || []}), 'a', 'other headers');
}
