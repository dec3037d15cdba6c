use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# HTTP/2, over TLS and in the clear, with curl as the client

our $Servers = <<'END';
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1 ssl http2;
        ssl_certificate     $TEST_NGINX_CERT/api.crt;
        ssl_certificate_key $TEST_NGINX_CERT/api.key;
        client_max_body_size 20m;

        auth_api_token_request /_token_api;
        add_header X-Result "$auth_api_token_result,$auth_api_token_id" always;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }

        location /t {
            auth_api_token "r";
            try_files /dev/null =204;
        }

        location /post {
            auth_api_token "r";
            client_body_buffer_size 16m;
            proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_2;
        }
    }

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_2;
        client_max_body_size 20m;

        location / {
            client_body_buffer_size 16m;
            add_header X-Length $request_length;
            proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_3;
        }
    }

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_3;
        return 200 "$request_length\n";
    }
END


sub curl {
    my (@args) = @_;

    my $pid = open my $out, '-|', 'curl', '-s', '--http2', '-k', '--max-time',
                   20, @args or die "curl: $!";
    local $/;
    my $text = <$out>;
    close $out;

    return $text;
}


our $Url = "https://127.0.0.1:$ENV{TEST_NGINX_PORT_1}";
our @Good = ('-H', 'Authorization: Bearer ' . token('TKN-1234-5678'));
our @Bad = ('-H', 'Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong');
our @Show = ('-o', '/dev/null', '-w',
             '%{http_version} %{http_code} %header{x-result}');

no_long_string();
run_tests();

__DATA__

=== TEST 1: pass and refuse
--- http_config eval: $::Servers
--- config
--- perl
is(curl(@::Show, @::Good, "$::Url/t"), '2 204 pass,TKN-1234-5678', 'pass');
is(curl(@::Show, @::Bad, "$::Url/t"), '2 401 unknown,', 'unknown');
is(curl(@::Show, "$::Url/t"), '2 401 no_token,', 'no token');

my $text = curl('-i', @::Bad, "$::Url/t");

like($text, qr/^www-authenticate: Bearer realm="r", error="invalid_token", /m,
     'challenge');
like($text, qr/^content-type: application\/problem\+json\r$/m, 'type');
like($text, qr/^\{"type":.*"instance":"\/t".*\}$/m, 'body');
--- calls: 3



=== TEST 2: two Authorization headers
--- http_config eval: $::Servers
--- config
--- perl
my @two = ('-H', 'Authorization: Bearer a', '-H', 'Authorization: Bearer b');

is(curl(@::Show, @two, "$::Url/t"), '2 400 ,', 'refused by nginx');
--- calls: 0



=== TEST 3: HEAD
--- http_config eval: $::Servers
--- config
--- perl
is(curl('-I', @::Show, @::Good, "$::Url/t"), '2 204 pass,TKN-1234-5678',
   'pass');
is(curl('-I', @::Show, @::Bad, "$::Url/t"), '2 401 unknown,', 'unknown');
--- calls: 2



=== TEST 4: a POST of 10 MB
--- http_config eval: $::Servers
--- config
--- perl
my $file = "$ENV{TEST_NGINX_CERT}/body";

open my $out, '>', $file or die $!;
print $out 'x' x 10000000;
close $out;

is(curl(@::Show, @::Good, '--data-binary', "\@$file", "$::Url/post"),
   '2 200 pass,TKN-1234-5678', 'pass');
like(curl('-i', @::Good, '--data-binary', "\@$file", "$::Url/post"),
     qr/^x-length: 10000\d{3}\r$/m, 'all of it');
is(curl(@::Show, @::Bad, '--data-binary', "\@$file", "$::Url/post"),
   '2 401 unknown,', 'refused');
--- calls: 3



=== TEST 5: many streams of one connection
--- http_config eval: $::Servers
--- config
--- api
fault any {"delay":50}
--- perl
my $text = curl('--no-progress-meter', '--parallel', '--parallel-max', 20, '-o', '/dev/null', '-w',
                '%{http_version} %{http_code}\n', @::Good,
                "$::Url/t?[1-20]");

my $n = () = $text =~ /^2 204$/mg;

is($n, 20, 'all pass') or diag($text);
--- calls: 20



=== TEST 6: a stream that is gone before the answer
--- http_config eval: $::Servers
--- config
--- api
fault any {"delay":60000}
--- perl
my $pid = fork;

exec 'curl', '-s', '--http2', '-k', '-o', '/dev/null', @::Good, "$::Url/t"
    if !$pid;

until_true('asked', sub { figures()->{calls} == 1 });
kill TERM => $pid;
waitpid $pid, 0;

until_true('noticed', sub {
    nginx_log() =~ /client (?:prematurely closed|canceled|closed)/
});

api('DELETE', 'faults/any');

is(curl(@::Show, @::Good, "$::Url/t"), '2 204 pass,TKN-1234-5678', 'pass');
--- calls: 2



=== TEST 7: a token that came over HTTPS is as secure as can be
--- http_config eval: $::Servers
--- config
--- perl
is(curl('--http1.1', @::Show, @::Good, "$::Url/t"),
   '1.1 204 pass,TKN-1234-5678', 'HTTP/1.1 over TLS');
--- calls: 1
