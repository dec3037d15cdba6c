use lib 't/lib';
use AuthApiToken;
use Digest::MD5 qw(md5_hex);
use Example;
use Test::More;

# conf-examples/debian/: the drop-in, in the nginx.conf of Debian's package as it
# stands.  .ci/drop-in does the same on a fresh system.

my %debian = map { ($_, text_of("/etc/nginx/$_")) } 'nginx.conf', 'mime.types';
my ($sum) = (`dpkg-query -W -f '\${Conffiles}' nginx-common 2>/dev/null` // '')
            =~ m{^ /etc/nginx/nginx\.conf (\w+)}m;

plan skip_all => 'no nginx.conf as Debian made it'
    if !$sum || $sum ne md5_hex($debian{'nginx.conf'});

my ($tls, $plain, $backend, $tls6, $plain6) = map { port($_) } 1 .. 5;
my $load = 'modules-enabled/60-mod-http-auth-api-token.conf';

my @dropped = map { s{.*/conf-examples/debian/}{}r }
              glob "$FindBin::Bin/../conf-examples/debian/*/*";

is_deeply([ sort @dropped ], [ 'conf.d/api.conf', $load ],
          'all that is dropped in');

api('POST', 'reset');
api('PUT', 'tokens/TKN-1234-5678');
api('PUT', 'tokens/TKN-0000-0001', { modules => [] });
api('PUT', 'tokens/TKN-0000-0002', { account => { type => 'Client' } });

my $example = Example->start('debian/conf.d/api.conf',
    as      => 'conf.d/api.conf',
    beside  => { %debian, $load => Example->example("debian/$load") },
    address => { '443' => $tls, '[::]:443' => $tls6, '80' => $plain,
                 '[::]:80' => $plain6, '127.0.0.1:8080' => $backend },
    http    => backend($backend));

my $good = token('TKN-1234-5678');


sub text_of {
    my ($name) = @_;

    open my $in, '<', $name or return '';
    local $/;

    return scalar <$in>;
}


sub ask {
    my ($token, $uri) = @_;

    return $example->ask($tls, request_of($token, $uri), 'tls');
}


# the first try, which needs no backend

my $response = ask(undef, '/whoami');

is($response->{status}, 401, 'no token');
is($response->{headers}{'www-authenticate'}, 'Bearer realm="api"', 'challenge');

$response = ask($good, '/whoami');

is($response->{status}, 200, 'a good token');
like($response->{body}, qr/"id":"TKN-1234-5678".*"id":"ACC-8765-4321"/,
     'what is told of it');
is(ask($good . 'x', '/whoami')->{status}, 401, 'a bogus one');
is(ask(token('TKN-0000-0001'), '/whoami')->{status}, 200,
   'one without modules');

# the API

$response = ask($good, '/orders/1');

is($response->{status}, 200, 'the API');
like($response->{body}, qr{^GET /orders/1 .*\nAuthorization: \n(?:.*\n)*X-MPT-Account-Id: ACC-8765-4321$}m,
     'at the backend');
is(ask(undef, '/orders/1')->{status}, 401, 'no token');
is(ask(token('TKN-0000-0001'), '/orders/1')->{status}, 403,
   'one without modules');
is(ask(token('TKN-0000-0002'), '/orders/1')->{status}, 403,
   'one of a client');

# and nothing else

is(ask($good, $_)->{status}, 404, $_) for '/', '/_token_api', '/index.html';
for my $port ($plain, $plain6) {
    is($example->ask($port, request_of($good, $_))->{status}, 403,
       "$_ in the clear") for '/whoami', '/orders/1';
}
is($example->ask($tls6, request_of($good, '/whoami'), 'tls')->{status}, 200,
   'a good token over IPv6');
is($example->ask($plain, request_of(undef, '/whoami'))->{status}, 401,
   'no token in the clear');

is(figures()->{calls}, 4, 'lookups');
$example->stop;
done_testing();
