use lib 't/lib';
use AuthApiToken;
use Digest::MD5 qw(md5_hex);
use Example;
use Files;
use Test::More;

# The quick start of README.md, in the nginx.conf of Debian's package as it
# stands.  .ci/quick-start does the same on a fresh system.

my %debian = map { ($_, -e "/etc/nginx/$_" ? slurp("/etc/nginx/$_") : '') }
             'nginx.conf', 'mime.types';
my ($sum) = (`dpkg-query -W -f '\${Conffiles}' nginx-common 2>/dev/null` // '')
            =~ m{^ /etc/nginx/nginx\.conf (\w+)}m;

plan skip_all => 'no nginx.conf as Debian made it'
    if !$sum || $sum ne md5_hex($debian{'nginx.conf'});

my ($tls, $backend) = map { port($_) } 1, 2;

api('POST', 'reset');
api('PUT', 'tokens/TKN-1234-5678');
api('PUT', 'tokens/TKN-0000-0001', { modules => [] });
api('PUT', 'tokens/TKN-0000-0002', { account => { type => 'Client' } });

# what the package enables, and what it takes for a certificate

my $example = Example->start('quick-start.conf',
    as      => 'conf.d/api.conf',
    beside  => {
        %debian,
        'modules-enabled/50-mod-http-auth-api-token.conf' =>
            "load_module modules/ngx_http_auth_api_token_module.so;\n",
        'snippets/snakeoil.conf' => slurp('/etc/nginx/snippets/snakeoil.conf')
    },
    address => { '443' => $tls, '127.0.0.1:8080' => $backend },
    http    => backend($backend));

my $good = token('TKN-1234-5678');


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

# the service

$response = ask($good, '/orders/1');

is($response->{status}, 200, 'the service');
like($response->{body}, qr{^GET /orders/1 .*\nAuthorization: \n(?:.*\n)*X-MPT-Account-Id: ACC-8765-4321$}m,
     'at the backend');
is(ask(undef, '/orders/1')->{status}, 401, 'no token');
is(ask(token('TKN-0000-0001'), '/orders/1')->{status}, 403,
   'one without modules');
is(ask(token('TKN-0000-0002'), '/orders/1')->{status}, 403,
   'one of a client');

# and nothing else

is(ask($good, $_)->{status}, 404, $_) for '/_token_api', '/index.html';

is(figures()->{calls}, 4, 'lookups');
$example->stop;
done_testing();
