use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw(ask);
use Test::Nginx::Socket 'no_plan';
use Unavailable qw($Broken);

# a content handler in the lookup location that makes a subrequest, in memory or
# not, and then answers itself: that is the answer

master_on();

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }

    location /inner {
        internal;
        subrequest_output_buffer_size 256k;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END

our $Active = q('{"id":"TKN-1234-5678","status":"Active"}');
our $Disabled = q('{"id":"TKN-1234-5678","status":"Disabled"}');


# what is below the lookup fails in all ways, and the worker does not care; it is
# for nginx to say whether the handler comes to answer then

sub breaks {
    my ($want) = @_;

    my $token = token('TKN-1234-5678');

    for my $fault ($Broken, { cut => 'middle' }, { reset => 'middle' },
                   { chunked => 1, cut => 'middle' },
                   { close_delimited => 1, cut => 'middle' })
    {
        api('PUT', 'faults/any', $fault);
        like(ask($token), $want, 'broken');
    }

    api('PUT', 'faults/any', $Broken);

    my @socks = map { Store::start($token) } 1 .. 6;

    until_true('asked', sub { figures()->{calls} == 11 });
    close $_ for splice @socks, 0, 3;

    like(read_response($_)->{status}, qr/\A(?:503|204)\z/, 'broken') for @socks;

    api('DELETE', 'faults/any');
    is(ask($token), '204 pass BYPASS', 'good');
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: in memory
--- after: test_content
--- config eval: $::Config
--- lookup
        test_content /inner;
--- api
token TKN-0000-0002 {"status":"Disabled","works":true}
--- perl
same_worker(sub {
    for (1 .. 3) {
        is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
        is(ask(token('TKN-0000-0002')), '401 disabled BYPASS', 'disabled');
    }
});
--- calls: 6



=== TEST 2: in memory, with the module loaded last
--- before: test_content
--- config eval: $::Config
--- lookup
        test_content /inner;
--- perl
is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
--- calls: 1



=== TEST 3: in memory, and breaks
--- after: test_content
--- config eval: $::Config
--- lookup
        test_content /inner;
--- perl
same_worker(sub { breaks(qr/\A503 unavailable /) });



=== TEST 4: not in memory, and breaks
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner plain $::Active;\n"
--- perl
same_worker(sub { breaks(qr/\A(?:503 unavailable|204 pass) /) });



=== TEST 5: in memory, and the answer is another
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner memory $::Disabled;\n"
--- perl
is(ask(token('TKN-1234-5678')), '401 disabled BYPASS', 'disabled');
--- calls: 1



=== TEST 6: the same, the other way round
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner memory $::Active;\n"
--- api
token TKN-1234-5678 {"status":"Disabled","works":true}
--- perl
is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
--- calls: 1



=== TEST 7: not in memory, and the answer is another
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner plain $::Disabled;\n"
--- perl
is(ask(token('TKN-1234-5678')), '401 disabled BYPASS', 'disabled');
--- calls: 1



=== TEST 8: the same, the other way round
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner plain $::Active;\n"
--- api
token TKN-1234-5678 {"status":"Disabled","works":true}
--- perl
is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
--- calls: 1



=== TEST 9: not in memory, with no answer but that of below
--- after: test_content
--- config eval: $::Config
--- lookup
        test_content /inner plain;
--- perl
is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'is no proof');
--- calls: 1



=== TEST 10: what is below is large, and in no file
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner plain $::Active;\n"
--- perl
same_worker(sub {
    for my $fault ({ pad => 200000 }, { pad => 200000, chunked => 1 },
                   { pad => 3000000 })
    {
        api('PUT', 'faults/any', $fault);
        is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
    }
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 3



=== TEST 11: as large, and in memory
--- after: test_content
--- config eval: $::Config
--- lookup eval: "test_content /inner memory $::Active;\n"
--- perl
same_worker(sub {
    api('PUT', 'faults/any', { pad => 200000 });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');

    api('PUT', 'faults/any', { pad => 300000 });
    is(ask(token('TKN-1234-5678')), '503 unavailable BYPASS', 'too large');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 2



=== TEST 12: a subrequest of a subrequest
--- after: test_content
--- config eval
$::Config . <<"END";
    location /middle {
        internal;
        test_content /inner plain $::Disabled;
    }
END
--- lookup eval: "test_content /middle plain $::Active;\n"
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');

    api('PUT', 'faults/any', { pad => 200000 });
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'large');

    api('PUT', 'faults/any', $::Broken);
    like(ask(token('TKN-1234-5678')), qr/\A(?:503|204) /, 'broken');
});

unlike(nginx_log(), qr/temporary file/, 'no file');
--- calls: 3



=== TEST 13: below is a file
--- after: test_content
--- config eval
$::Config . <<'END';
    location /file {
        internal;
        alias html/inner;
    }
END
--- lookup
        test_content /file;
--- user_files
>>> inner
{"id":"TKN-1234-5678","status":"Active"}
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
});
--- calls: 0



=== TEST 14: below is a status of nginx's own
--- after: test_content
--- config eval
$::Config . <<'END';
    location /status {
        internal;
        return 404;
    }
END
--- lookup eval: "test_content /status memory $::Active;\n"
--- perl
same_worker(sub {
    is(ask(token('TKN-1234-5678')), '204 pass BYPASS', 'good');
});
--- calls: 0
