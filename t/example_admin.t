use lib 't/lib';
use AuthApiToken;
use Example;
use JSON::PP ();
use Test::Nginx::Socket 'no_plan';

# conf-examples/admin.conf: figures, and purging, for those who may

our ($Tls, $Backend, $Local, $Internal) = map { port($_) } 1 .. 4;

# from where the tests come is the internal network, and the extension

our @Inside = (['allow 10.0.0.0/8', 'allow 127.0.0.0/8'],
               ['allow 10.0.0.7', 'allow 127.0.0.1']);


sub start {
    my (@change) = @_;

    return Example->start('admin.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Backend,
                     '127.0.0.1:8090' => $Local, '8443' => $Internal },
        http    => backend($Backend), change => \@change);
}


# how clients fare with a token

sub orders {
    my ($example, $id) = @_;

    return $example->ask($Tls, request_of(token($id || 'TKN-1234-5678'),
                                          '/orders/1'), 'tls')->{status};
}


# a request to one of the two

sub admin {
    my ($example, $port, $request, $headers, $body) = @_;

    $body = '' if !defined $body;

    my $host = $port == $Local ? "127.0.0.1:$Local" : 'admin.example.com';

    return $example->ask($port, "$request HTTP/1.1\r\nHost: $host\r\n"
                         . ($headers || '') . "Connection: close\r\n"
                         . ($body eq '' ? ''
                            : 'Content-Length: ' . length($body) . "\r\n")
                         . "\r\n$body", $port == $Internal);
}


sub told {
    my ($response) = @_;

    return "$response->{status} $response->{body}";
}


sub bearer {
    my ($id) = @_;

    return 'Authorization: Bearer ' . token($id) . "\r\n";
}


# the formats of the figures, by what the client accepts

sub figures_at {
    my ($example, $port) = @_;

    for my $accept ('', "Accept: application/json\r\n") {
        my $json = admin($example, $port, 'GET /status', $accept);
        my $zones = JSON::PP->new->utf8->decode($json->{body})->{zones};

        is(join(' ', keys %$zones), 'tokens', 'JSON for programs');
    }

    my $page = admin($example, $port, 'GET /status', "Accept: text/html,"
                     . "application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
                     . "\r\n");

    like($page->{headers}{'content-type'}, qr/^text\/html/, 'a page');
    like($page->{headers}{'content-security-policy'}, qr/default-src 'none'/,
         'which asks nobody else');
    like($page->{body}, qr/<html/i, 'it is HTML');

    for my $accept ('', "Accept: text/html\r\n", "Accept: */*\r\n",
                    "Accept: application/json\r\n")
    {
        my $response = admin($example, $port, 'GET /metrics', $accept);

        like($response->{headers}{'content-type'},
             qr/^text\/plain; version=0\.0\.4/, 'the type for Prometheus');
        like($response->{body}, qr/^# TYPE nginx_auth_api_token_lookups_total/m,
             'figures for Prometheus');
        unlike($response->{body}, qr/TKN-/, 'and of no token');
    }

    is(admin($example, $port, 'POST /metrics', '', 'a')->{status}, 405,
       'which are only read');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: from this machine
--- config
--- api
token TKN-0000-0001
--- perl
my $example = start();

orders($example);
figures_at($example, $Local);

# a token is disabled, and used until somebody purges it

is(orders($example), 200, 'passes');
api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(orders($example), 200, 'as long as it is remembered');

is(told(admin($example, $Local, 'DELETE /purge/TKN-1234-5678')),
   '200 {"purged":1}', 'purged');
is(orders($example), 401, 'refused at once');

# by what else there is

is(orders($example, 'TKN-0000-0001'), 200, 'another one');
is(told(admin($example, $Local, 'POST /purge', '',
              '{"account":"ACC-8765-4321"}')), '200 {"purged":1}',
   'an account');
is(admin($example, $Local, 'GET /purge')->{status}, 405, 'GET purges nothing');
is(admin($example, $Local, 'POST /purge', '', 'all')->{status}, 400, 'nor this');

$example->logged(qr{"DELETE /purge/TKN-1234-5678" 200 }, 'it is logged',
                 'admin.log');
unlike($example->read('admin.log'), qr{/metrics|/status}, 'reading is not');
$example->stop;
--- calls: 3



=== TEST 2: no page of another site
--- config
--- perl
my $example = start();

is(orders($example), 200, 'passes');

for my $host ('evil.example', "evil.example:$Local", 'a', 'localhost.evil',
              '10.0.0.1')
{
    for my $request ('GET /status', 'GET /metrics', 'DELETE /purge/TKN-1234-5678')
    {
        is($example->ask($Local, "$request HTTP/1.1\r\nHost: $host\r\n\r\n")
                   ->{status}, 421, "$host - $request");
    }
}

# HTTP/1.0 needs no name

is($example->ask($Local, "GET /metrics HTTP/1.0\r\n\r\n")->{status}, 421,
   'no name');
is($example->ask($Local, "GET /metrics HTTP/1.1\r\n"
                 . "Host: localhost:$Local\r\n\r\n")->{status}, 200, 'localhost');

for my $origin ('https://evil.example', 'null', "http://127.0.0.1:$Local") {
    my $header = "Origin: $origin\r\nContent-Type: text/plain\r\n";

    is(admin($example, $Local, 'POST /purge', $header, '{"all":true}')
       ->{status}, 403, "$origin - all");
    is(admin($example, $Local, 'DELETE /purge/TKN-1234-5678', $header)
       ->{status}, 403, "$origin - one");
}

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(orders($example), 200, 'nothing was purged');
$example->stop;
--- calls: 1



=== TEST 3: what else there might be
--- config
--- perl
my $example = start();

for my $path (qw(/ /status /metrics /purge /purge/TKN-1234-5678 /events
                 /nginx_status))
{
    for my $method (qw(GET POST DELETE)) {
        is($example->ask($Tls, "$method $path HTTP/1.1\r\nHost: a\r\n"
                         . "Content-Length: 0\r\n\r\n", 'tls')->{status},
           404, "for clients - $method $path");
    }
}

is(admin($example, $Local, "GET $_")->{status}, 404, "from here - $_")
    for qw(/ /orders/1 /_token_api /metrics/ /events);

$example->stop;
--- calls: 0



=== TEST 4: an internal network, from outside
--- config
--- api
token TKN-0000-0002 {"account":{"type":"Operations"}}
--- perl
my $example = start();

is(orders($example), 200, 'passes');

for my $path (qw(/status /metrics /purge/TKN-1234-5678 /events /orders/1 /)) {
    for my $header ('', bearer('TKN-0000-0002'),
                    "X-Forwarded-For: 10.0.0.7\r\n")
    {
        like(admin($example, $Internal, "DELETE $path", $header)->{status},
             qr/^(?:403|404)$/, "DELETE $path");
        like(admin($example, $Internal, "GET $path", $header)->{status},
             qr/^(?:403|404)$/, "GET $path");
    }
}

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(orders($example), 200, 'nothing was purged');
$example->stop;



=== TEST 5: an internal network, from there
--- config
--- api
token TKN-0000-0002 {"account":{"type":"Operations"}}
token TKN-0000-0003 {"account":{"type":"Operations"},"status":"Disabled"}
--- perl
my $example = start(@Inside);
my $one = 'DELETE /purge/TKN-1234-5678';

is(orders($example), 200, 'passes');
figures_at($example, $Internal);

is(admin($example, $Internal, $one)->{status}, 401, 'no token');
is(admin($example, $Internal, $one, bearer('TKN-1234-5678'))->{status}, 403,
   'a token of a vendor');
is(admin($example, $Internal, $one, bearer('TKN-0000-0003'))->{status}, 401,
   'a disabled one');
is(admin($example, $Internal, $one, "Authorization: Bearer idt:TKN-0000-0002:"
         . "MADEUPwrong\r\n")->{status}, 401, 'a wrong one');

api('PUT', 'tokens/TKN-1234-5678', { status => 'Disabled' });
is(orders($example), 200, 'nothing was purged');

is(told(admin($example, $Internal, $one, bearer('TKN-0000-0002'))),
   '200 {"purged":1}', 'a token of SoftwareOne');
is(orders($example), 401, 'purged');

$example->logged(
    qr{"DELETE /purge/TKN-1234-5678" 200 result=pass id=TKN-0000-0002$}m,
    'the log says by whom', 'admin.log');

# its token is refused as soon as it is disabled

api('PUT', 'tokens/TKN-0000-0002', { status => 'Disabled' });
is(admin($example, $Internal, $one, bearer('TKN-0000-0002'))->{status}, 401,
   'it is asked about each time');

is($example->ask($Internal, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
           ->{status}, 400, 'no plain HTTP');
is(admin($example, $Internal, 'GET /orders/1')->{status}, 404, 'nothing else');
$example->stop;



=== TEST 6: events of the platform
--- config
--- api
token TKN-0000-0001
--- perl
my $example = start(@Inside);
my $event = '{"id":"MSG-1","object":{"id":"TKN-1234-5678","name":"CRM robot",'
            . '"objectType":"ApiToken"},"details":{"eventType":"platform.'
            . 'accounts.apitoken.status_changed"}}';

is(orders($example), 200, 'passes');
is(orders($example, 'TKN-0000-0001'), 200, 'another one');
api('PUT', "tokens/$_", { status => 'Disabled' })
    for qw(TKN-1234-5678 TKN-0000-0001);

is(told(admin($example, $Internal, 'POST /events', '', $event)),
   '200 {"purged":1}', 'the token of the event');
is(orders($example), 401, 'is refused');
is(orders($example, 'TKN-0000-0001'), 200, 'the other one is not');

is(told(admin($example, $Internal, 'POST /events', '',
              $event =~ s/TKN-1234-5678/ORD-1234-5678/r)), '200 {"purged":0}',
   'an event about something else');

# a neighbour of the extension

$example->reload(['allow 127.0.0.1', 'allow 10.0.0.7']);
is(admin($example, $Internal, 'POST /events', '', $event)->{status}, 403,
   'from elsewhere');
is(admin($example, $Internal, 'GET /metrics')->{status}, 200,
   'where others may read');
$example->stop;



=== TEST 7: a socket in place of a port
--- config
--- perl
my $dir = File::Temp::tempdir(CLEANUP => 1);

chmod 0711, $dir;

my $example = start(['listen 127.0.0.1:8090 default_server;',
                     "listen unix:$dir/socket default_server;"],
                    ["listen 127.0.0.1:8090;\n        server_name localhost",
                     "listen unix:$dir/socket;\n        server_name localhost"]);

is(orders($example), 200, 'passes');

my $curl = "curl -s -m 20 --unix-socket $dir/socket http://localhost";

like(`$curl/metrics`, qr/^# TYPE nginx_auth_api_token_lookups_total/m, 'figures');
is(`$curl/purge/TKN-1234-5678 -X DELETE`, '{"purged":1}', 'purged');
like(`$curl/metrics -H 'Host: evil.example'`, qr/421/, 'another name');
$example->stop;
