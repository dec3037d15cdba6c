use lib 't/lib';
use AuthApiToken;
use Example;
use IO::Socket::SSL ();
use Limits qw(tally);
use Test::More;
use Time::HiRes qw(time);

# conf-examples/limits.conf, as it stands.  What leaks back while requests are
# sent may pass, too.

# what does not answer before it is told to

my $slow = 'TKN-9999-9999';

api('POST', 'reset');
api('PUT', "faults/$slow", { delay => 60000, body => 'slow' });

# tokens of accounts, by the number of both; ACC-8765-4321 has agreed on more

sub known {
    my ($account, $n) = @_;

    my $id = sprintf 'TKN-%s-%04d', $account =~ /(\d+)/, $n;

    api('PUT', "tokens/$id", { account => { id => $account } });

    return token($id);
}

my $example = Example->start('limits.conf',
    address => { '443' => port(1), '127.0.0.1:8090' => port(2),
                 '127.0.0.1:8080' => port(3) },
    http    => backend(port(3)) =~ s!(?=    location /)!<<"END"!er);
    location /exports/slow {
        proxy_set_header Connection "";
        proxy_pass http://127.0.0.1:$ENV{TEST_NGINX_API_PORT}/public/v1/accounts/api-tokens/$slow?;
    }

END


# with TLS 1.2 nothing but an answer makes it readable

sub connected {
    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => port(1),
                                SSL_version => 'TLSv1_2', SSL_verify_mode => 0,
                                Timeout => 10)
           || die "TLS: $IO::Socket::SSL::SSL_ERROR";
}


# requests one after the other over one connection

sub volley {
    my ($n, $token, $uri) = @_;

    my $sock = connected();

    print {$sock} request_of($token, $uri || '/orders/1') x $n;

    return map { read_response($sock) } 1 .. $n;
}


# how many of them had the status

sub having {
    my ($status, @responses) = @_;

    return scalar grep { $_->{status} == $status } @responses;
}


# that so many at least pass of more, and no more than what leaks back

sub passes {
    my ($name, $least, $rate, $code, $status) = @_;

    my $start = time;
    my @responses = $code->();
    my $n = having($status || 200, @responses);

    cmp_ok($n, '>=', $least, "$name - the burst");
    cmp_ok($n, '<=', $least + 1 + $rate * (time - $start),
           "$name - and not more than the rate");
    is($n + having(429, @responses), @responses, "$name - the others are late");

    return @responses;
}


# a token

my $token = known('ACC-1000-0001', 1);
my @responses = passes('a token', 21, 10, sub { volley(100, $token) });

like($responses[0]{body}, qr/^X-MPT-Account-Id: ACC-1000-0001$/m,
     'the backend knows the account');

my ($late) = grep { $_->{status} == 429 } @responses;

is($late->{headers}{'retry-after'}, 1, 'who is late is told to retry');
is($late->{headers}{'www-authenticate'}, undef, 'and not challenged');
is($responses[0]{headers}{'retry-after'}, undef, 'nobody else is');

$example->logged(qr{GET /orders/1 HTTP/1.1" 429 result=- id=TKN-1000-0001 account=ACC-1000-0001 limit_req=REJECTED },
     'the log says who it was') if $late;

# an account, and another one at the same time

my @tokens = map { known('ACC-2000-0001', $_) } 1 .. 6;

passes('an account', 41, 20, sub { map { volley(20, $_) } @tokens });
is(having(200, volley(10, known('ACC-3000-0001', 1))), 10, 'another account');

# an account that has agreed on more

is(having(200, volley(300, known('ACC-8765-4321', 1))), 300, 'a large account');
is(having(200, volley(100, known('ACC-8765-4321', 2))), 100, 'all its tokens');

# whose account the API leaves out

api('PUT', 'tokens/TKN-4000-0001');
api('PUT', 'faults/TKN-4000-0001',
    { body => '{"id":"TKN-4000-0001","status":"Active"}' });
passes('no account', 21, 10, sub { volley(60, token('TKN-4000-0001')) });

# a client that is not proved counts for its address only

my $calls = figures()->{calls};
my $other = known('ACC-5000-0001', 1);
my $bogus = $other =~ s/MADEUP.*/MADEUPwrong/r;

passes('nobody', 11, 1, sub { volley(15, $bogus), volley(15) }, 401);
is(figures()->{calls}, $calls + 1, 'one bogus token, one lookup');
is(having(200, volley(20, $other)), 20, 'whose id it claims has its burst');

# those at a time: two of a token, eight of an account

my %waits = map { known('ACC-6000-0001', $_) => 1 } 1 .. 5;
my @socks = map {
    my $token = $_;

    map {
        my $sock = connected();
        print {$sock} request_of($token, '/exports/slow');
        $sock;
    } 1 .. 3
} sort keys %waits;

# a request that is refused is answered at once

my $select = IO::Select->new(@socks);
my @refused;

until_true('seven are refused', sub {
    for my $sock ($select->can_read(0)) {
        $select->remove($sock);
        push @refused, read_response($sock);
    }

    return @refused >= 7;
});

is(tally(@refused), '429:7', 'eight wait');
api('POST', 'release');
is(tally(map { read_response($_) } $select->handles), '200:8',
   'and are answered');
is(having(200, volley(1, (sort keys %waits)[0], '/exports/1')), 1, 'and more');

# a burst that is held back

@responses = volley(14, known('ACC-7000-0001', 1), '/exports/1');

is(tally(@responses), '200:14', 'all pass');
like($example->log, qr/delaying request/, 'some of them late');

like(exchange("GET /status HTTP/1.1\r\nHost: a\r\nAccept: application/json"
              . "\r\n\r\n", port(2))->{body}, qr/"tokens":\{/, 'figures');

$example->stop;
done_testing();
