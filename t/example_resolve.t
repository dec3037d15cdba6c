use lib 't/lib';
use AuthApiToken;
use Dns;
use Emulator;
use Example;
use Test::More;

# conf-examples/resolve.conf, and the one for older versions: without DNS at the
# start, and with an address that changes

my ($minor) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{nginx/1\.(\d+\.\d+)};
my ($major, $patch) = split /\./, $minor;
my $new = $major > 27 || $major == 27 && $patch >= 3;

my $dns = Dns->start('api.platform.softwareone.com');
my $port = $ENV{TEST_NGINX_API_TLS_PORT};

# another address of the API, and one of somebody else

my $second = Emulator->start(tls => "127.0.0.2:$port");
my $evil = Emulator->start(tls => "127.0.0.3:$port", host => 'evil.example');

# so that each request is a lookup

my @ids = map { sprintf 'TKN-0000-%04d', $_ } 1 .. 2000;


sub start {
    my ($name, @change) = @_;

    # where it is the location that names the API

    push @change, ['https://$marketplace_host/',
                   "https://\$marketplace_host:$port/"] if $name =~ /before/;

    return Example->start($name,
        address => { '443' => port(1), '127.0.0.1:8080' => port(2) },
        api     => "api.platform.softwareone.com:$port",
        http    => backend(port(2)),
        change  => [['resolver 127.0.0.53;', 'resolver 127.0.0.1:'
                                             . $dns->port . ';'],
                    ['worker_processes auto', 'worker_processes 1'], @change]);
}


# one more token, known to all of them

sub next_token {
    my $id = shift @ids || die "no more tokens\n";

    api('PUT', "tokens/$id");
    $_->api('PUT', "tokens/$id") for $second, $evil;

    return token($id);
}


sub ask {
    my ($example, $token) = @_;

    return $example->ask(port(1), request_of($token || next_token(),
                                             '/orders/1'), 'tls');
}


sub passes {
    my ($example, $what) = @_;

    return until_true($what, sub { ask($example)->{status} == 200 });
}


sub calls {
    return join ' ', figures()->{calls}, $second->calls, $evil->calls;
}


sub unavailable {
    my ($response, $name) = @_;

    is($response->{status}, 503, $name);
    like($response->{headers}{'retry-after'}, qr/^[1-9]\d*$/,
         "$name - Retry-After");
}


sub situation {
    my ($name) = @_;

    my $example = start($name);

    pass("$name starts without DNS");
    unavailable(ask($example), 'no address');
    is(calls(), '0 0 0', 'nobody was asked');

    $dns->says('127.0.0.1');
    passes($example, 'DNS is up');

    my $known = next_token();

    is(ask($example, $known)->{status}, 200, 'passes');
    is(ask($example, 'idt:TKN-0000-0001:MADEUPwrong')->{status}, 401,
       'an unknown token does not');
    is($second->calls, 0, 'the second address is not known');

    # whether connections are kept

    my $before = figures();

    is(ask($example)->{status}, 200, 'one more') for 1 .. 5;

    my $after = figures();

    is($after->{calls} - $before->{calls}, 5, 'five lookups');
    is($after->{connections} - $before->{connections}, $new ? 0 : 5,
       $new ? 'over a connection that was kept' : 'each over its own');

    # it moves

    $dns->says('127.0.0.2');
    until_true('the second address', sub {
        ask($example)->{status} == 200 && $second->calls;
    });

    my $calls = figures()->{calls};

    is(ask($example)->{status}, 200, 'there') for 1 .. 3;
    is(figures()->{calls}, $calls, 'and not where it was');

    # it is somewhere else, says a DNS that lies

    my $asked = $dns->queries;

    $dns->says('127.0.0.3');
    until_true('a wrong address', sub { ask($example)->{status} == 503 });
    unavailable(ask($example), 'a wrong certificate');
    like($example->log, qr/upstream SSL certificate does not match|certificate verify/,
         'which the log has');
    is($evil->calls, 0, 'nothing was sent there');
    is(ask($example, $known)->{status}, 200, 'a known token passes');
    cmp_ok($dns->queries, '>', $asked, 'DNS was asked');

    # no such name

    $dns->says('none');
    $asked = $dns->queries;
    until_true('no such name', sub {
        ask($example)->{status} == 503 && $dns->queries > $asked;
    });
    unavailable(ask($example), 'no such name');

    $dns->says('127.0.0.1');
    passes($example, 'all is well');

    # DNS does not answer any more

    $dns->says('nothing');
    $asked = $dns->queries;

    if ($new) {
        until_true('asked in vain', sub { $dns->queries > $asked + 1 });
        is(ask($example)->{status}, 200, 'the address is still known')
            for 1 .. 3;

    } else {
        until_true('asked in vain', sub { ask($example)->{status} == 503 });
        unavailable(ask($example), 'the address is forgotten');
    }

    is($evil->calls, 0, 'nothing was sent to the wrong address');
    $example->stop;
}


situation($new ? 'resolve.conf' : 'resolve-before-1.27.3.conf');

if ($new) {

    # the older one works here, too

    $dns->says('127.0.0.1');

    my $example = start('resolve-before-1.27.3.conf');

    passes($example, 'the file for older versions');
    $example->stop;

} else {

    # a refused configuration is not freed, which is nothing to report

    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (),
                                    'detect_leaks=0';

    ok(!eval { start('resolve.conf') }, 'the file for newer versions');
    like($@, qr/\[emerg\].* invalid parameter "resolve" in /, 'says why');
}

done_testing();
