use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw($Good $Bad start);
use File::Temp qw(tempdir);
use Test::Nginx::Socket 'no_plan';
use Time::HiRes qw(sleep);

# a module that changes the order of the handlers of the access phase while
# requests wait in one of them: srcache does, with the first request that it has
# something to do for

our $Big = tempdir(CLEANUP => 1);

chmod 0755, $Big;

open my $out, '>', "$Big/big" or die "$Big/big: $!";
print {$out} 'x' x 16_000_000;
close $out;

$ENV{TEST_NGINX_BIG} = $Big;

our $Config = <<'END' . $Location;
    auth_api_token_phase $PHASE;
    satisfy $SATISFY;

    location /cached {
        srcache_fetch GET /nothing;
        try_files /dev/null =204;
    }

    location = /nothing {
        internal;
        return 404;
    }

    location = /big {
        root $TEST_NGINX_BIG;
    }
END


sub config {
    my ($phase, $satisfy) = @_;

    return $Config =~ s/\$PHASE/$phase/r =~ s/\$SATISFY/$satisfy/r;
}


sub moved_meanwhile {
    my @bad = map { start($Bad) } 1 .. 3;
    my @good = map { start($Good) } 1 .. 3;

    until_true('they wait', sub { figures()->{calls} == 6 });

    is(exchange("GET /cached HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 204,
       'srcache has moved');
    api('POST', 'release');

    for my $sock (@bad) {
        my $response = read_response($sock);
        is($response->{status}, 401, 'refused');
        is($response->{headers}{'x-result'}, 'unknown', 'with its reason');
    }

    for my $sock (@good) {
        my $response = read_response($sock);
        is($response->{status}, 204, 'passes');
        is($response->{headers}{'x-result'}, 'pass', 'by a decision');
    }
}


# Once a connection was full, nginx asks to be told when it can write there
# again, and epoll tells it so with each byte that the client sends.  This wakes
# a request that waits for a lookup, for nothing.

sub woken_in_vain {
    my $sock = client();

    print {$sock} "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    sleep 0.3;
    is(length read_response($sock)->{body}, -s "$Big/big", 'it was full');

    print {$sock} request_of($Bad);
    until_true('it waits', sub { figures()->{calls} == 1 });

    print {$sock} "GET /t HTTP/1.1\r\n";
    sleep 0.1;

    is(exchange("GET /cached HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 204,
       'srcache has moved');
    api('POST', 'release');

    my $response = read_response($sock);
    is($response->{status}, 401, 'refused');
    is($response->{headers}{'x-result'}, 'unknown', 'with its reason');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: srcache, loaded before
--- before: srcache
--- config eval: ::config('access', 'all')
--- api
fault any {"delay":20000}
--- perl
moved_meanwhile();



=== TEST 2: srcache, loaded after
--- after: srcache
--- config eval: ::config('access', 'all')
--- api
fault any {"delay":20000}
--- perl
moved_meanwhile();



=== TEST 3: with "satisfy any"
--- before: srcache
--- config eval: ::config('access', 'any')
--- api
fault any {"delay":20000}
--- perl
moved_meanwhile();



=== TEST 4: requests that wait in the preaccess phase
--- before: srcache
--- config eval: ::config('preaccess', 'all')
--- api
fault any {"delay":20000}
--- perl
moved_meanwhile();



=== TEST 5: a request that was woken in vain
--- before: srcache
--- config eval: ::config('access', 'all')
--- api
fault any {"delay":20000}
--- perl
woken_in_vain();
