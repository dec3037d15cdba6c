use lib 't/lib';
use AuthApiToken;
use Backend;
use Neighbours;
use Store qw($Good $Bad ask start);
use Test::Nginx::Socket 'no_plan';

# other modules in the lookup location: what they change in the API's answer has
# no effect, and an answer of their own is judged like any other

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }
END

our $Proxy = <<'END';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
END

our $Short = <<'END';
    auth_api_token_request /_token_api timeout=200ms;
END

our $Body = '{"id":"TKN-1234-5678","name":"a","status":"Active"}';


sub as_ever {
    same_worker(sub {
        for (1 .. 2) {
            is(ask($Good), '204 pass BYPASS', 'good');
            is(ask($Bad), '401 unknown BYPASS', 'bad');
        }
    });
}


# work that a cut-off lookup left behind ends before the last of these

sub too_long {
    same_worker(sub {
        is(ask($Good), '503 unavailable BYPASS', 'no answer') for 1 .. 4;
    });
}


# stands for memcached: answers one request after the other

sub memcached {
    my (@answers) = @_;

    my $backend = Backend->new($ENV{TEST_NGINX_PORT_2});
    my @got;

    for my $answer (@answers) {
        my $sock = start($Good);
        my $request = $backend->{sock}->accept or die "accept: $!";
        my $line = <$request>;

        is($line, "get TKN-1234-5678\r\n", 'asked');
        print {$request} $answer;
        close $request;

        my $response = read_response($sock);
        push @got, "$response->{status} $response->{headers}{'x-result'}";
    }

    return join ', ', @got;
}


no_long_string();
master_on();
run_tests();

__DATA__

=== TEST 1: image_filter, which takes no JSON
--- before: image_filter
--- config eval: $::Config
--- lookup eval: "        image_filter test;\n" . $::Proxy
--- perl
as_ever();
--- calls: 4



=== TEST 2: the same, loaded after
--- after: image_filter
--- config eval: $::Config
--- lookup eval: "        image_filter test;\n" . $::Proxy
--- perl
as_ever();
--- calls: 4



=== TEST 3: XSLT, which takes no JSON either
--- after: xslt_filter
--- config eval: $::Config
--- lookup eval
"        xslt_types *;
        xslt_stylesheet \$TEST_NGINX_SERVER_ROOT/html/any.xslt;\n" . $::Proxy
--- user_files
>>> any.xslt
<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"/>
--- perl
as_ever();
--- calls: 4



=== TEST 4: echo around the answer
--- before: echo
--- config eval: $::Config
--- lookup eval
"        echo_before_body '[';
        echo_after_body ']';\n" . $::Proxy
--- perl
as_ever();
--- calls: 4



=== TEST 5: the same, loaded after
--- after: echo
--- config eval: $::Config
--- lookup eval
"        echo_before_body '[';
        echo_after_body ']';\n" . $::Proxy
--- perl
as_ever();
--- calls: 4



=== TEST 6: echo answers, at once and in pieces
--- before: echo
--- config eval: $::Config
--- lookup
        default_type application/json;
        echo_sleep 0.01;
        echo -n '{"id":"TKN-1234-5678",';
        echo_flush;
        echo_sleep 0.01;
        echo '"status":"Active"}';
--- perl
same_worker(sub {
    is(ask($::Good), '204 pass BYPASS', 'passes') for 1 .. 2;
});
--- calls: 0



=== TEST 7: what echo's subrequests answer is theirs, and no answer of the API
--- after: echo
--- config eval
$::Config . <<'END'
    location = /ask {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END
--- lookup
        default_type application/json;
        echo_location /ask;
--- perl
same_worker(sub {
    is(ask($::Good), '503 unavailable BYPASS', 'no answer') for 1 .. 2;
});
--- calls: 2



=== TEST 8: the same without waiting for it
--- after: echo
--- config eval
$::Config . <<'END'
    location = /ask {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END
--- lookup
        default_type application/json;
        echo_location_async /ask;
--- perl
same_worker(sub {
    is(ask($::Good), '503 unavailable BYPASS', 'no answer') for 1 .. 2;
});
--- calls: 2



=== TEST 9: echo leads to another location
--- before: echo
--- config eval
$::Config . <<'END'
    location = /ask {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END
--- lookup
        echo_exec /ask;
--- perl
as_ever();
--- calls: 4



=== TEST 10: memcached answers
--- before: memc
--- config eval: $::Config
--- lookup
        default_type application/json;
        set $memc_key $auth_api_token_claimed_id;
        memc_pass 127.0.0.1:$TEST_NGINX_PORT_2;
--- perl
same_worker(sub {
    is(memcached(sprintf("VALUE TKN-1234-5678 0 %d\r\n%s\r\nEND\r\n",
                         length $::Body, $::Body),
                 "END\r\n", "SERVER_ERROR out of memory\r\n",
                 "VALUE TKN-1234-5678 0 100\r\n{", 'nonsense'),
       '204 pass, 401 unknown, 503 unavailable, 503 unavailable, '
       . '503 unavailable', 'what it says');
    is(ask($::Good), '503 unavailable BYPASS', 'nobody there');
});
--- calls: 0



=== TEST 11: Perl answers
--- before: perl
--- http_config
    perl_modules $TEST_NGINX_SERVER_ROOT/html;
    perl_require Answer.pm;
--- config eval: $::Config
--- lookup
        perl Answer::now;
--- user_files
>>> Answer.pm
package Answer;

use nginx;

sub now {
    my $r = shift;

    if ($r->header_in('Authorization') =~ /wrong/) {
        $r->status(401);
        $r->send_http_header('text/plain');
        return OK;
    }

    $r->send_http_header('application/json');
    $r->print('{"id":"', $r->variable('auth_api_token_claimed_id'), '",');
    $r->flush;
    $r->print('"status":"Active"}');

    return OK;
}

1;
--- perl
as_ever();
--- calls: 0



=== TEST 12: Perl sleeps, and sends the lookup elsewhere
--- after: perl
--- http_config
    perl_modules $TEST_NGINX_SERVER_ROOT/html;
    perl_require Answer.pm;
--- config eval
$::Config . <<'END'
    location = /ask {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END
--- lookup
        perl Answer::later;
--- user_files
>>> Answer.pm
package Answer;

use nginx;

sub later {
    my $r = shift;

    $r->sleep(10, sub { $_[0]->internal_redirect('/ask'); return OK; });

    return OK;
}

1;
--- perl
as_ever();



=== TEST 13: the fair balancer, over a dead server and a live one
--- before: upstream_fair
--- http_config
    upstream fair_api {
        fair;
        server 127.0.0.1:1 fail_timeout=1s;
        server 127.0.0.1:$TEST_NGINX_API_PORT;
        keepalive 4;
    }
--- config eval: $::Config
--- lookup
        proxy_pass http://fair_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
--- perl
as_ever();
--- calls: 4



=== TEST 14: the time is over while echo sleeps
--- before: echo
--- config eval: $::Config . $::Short
--- lookup
        echo_sleep 0.5;
        echo -n '{"id":"TKN-1234-5678","status":"Active"}';
--- perl
too_long();
--- calls: 0



=== TEST 15: the time is over while Perl sleeps
--- before: perl
--- config eval: $::Config . $::Short
--- lookup
        perl 'sub {
            $_[0]->sleep(500, sub { $_[0]->send_http_header; return OK; });
            return OK;
        }';
--- perl
too_long();
--- calls: 0



=== TEST 16: the time is over while Lua sleeps, before it asks
--- after: lua
--- config eval: $::Config . $::Short
--- lookup eval
"        rewrite_by_lua_block { ngx.sleep(0.5) }\n" . $::Proxy
--- perl
too_long();
--- calls: 0



=== TEST 17: the time is over while memcached thinks
--- before: memc
--- config eval: $::Config . $::Short
--- lookup
        set $memc_key $auth_api_token_claimed_id;
        memc_pass 127.0.0.1:$TEST_NGINX_PORT_2;
--- perl
my $backend = Backend->new($ENV{TEST_NGINX_PORT_2});
too_long();
--- calls: 0



=== TEST 18: the time is over while a subrequest of echo's goes on
--- before: echo
--- config eval
$::Config . $::Short . <<'END'
    location = /ask {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END
--- lookup
        echo_location /ask;
        echo_location_async /ask;
--- api
fault any {"delay":500}
--- perl
too_long();



=== TEST 19: lookups in the access log, and all that runs there
--- before: lua modsecurity js
--- after: perl uploadprogress
--- http_config
    log_subrequest on;
    modsecurity on;
    modsecurity_rules 'SecRuleEngine On';
    log_by_lua_block { ngx.log(ngx.NOTICE, "logged ", ngx.var.uri) }
    perl_set $seen 'sub { return $_[0]->uri }';
    log_format seen 'seen:$seen:$status';
    access_log logs/seen.log seen;
--- config eval: $::Config
--- perl
as_ever();
like(nginx_log(), qr{logged /_token_api}, 'Lua logs lookups');
--- calls: 4



=== TEST 20: filters of all kinds around a lookup
--- before: brotli_filter subs_filter xslt_filter test_top_filter
--- after: echo srcache image_filter headers_more lua modsecurity
--- http_config
    brotli on;
    brotli_types *;
    brotli_min_length 1;
    subs_filter_types *;
    subs_filter Active Disabled;
    more_set_headers 'Content-Encoding: br';
    test_filter_log on;
    body_filter_by_lua_block { ngx.arg[1] = nil }
    modsecurity on;
    modsecurity_rules 'SecRuleEngine On SecResponseBodyAccess On SecResponseBodyMimeType application/json
        SecRule RESPONSE_BODY "@contains Active" "id:1,phase:4,deny,status:404"';
--- config eval: $::Config
--- lookup eval
"        image_filter test;
        xslt_types *;
        xslt_stylesheet \$TEST_NGINX_SERVER_ROOT/html/any.xslt;
        echo_after_body x;\n" . $::Proxy
--- user_files
>>> any.xslt
<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"/>
--- perl
as_ever();
unlike(nginx_log(), qr/CRM robot/, 'no filter sees it');
--- calls: 4
