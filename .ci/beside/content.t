use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw($Good $Bad start);
use Test::Nginx::Socket 'no_plan';

# what other modules do after the check: subrequests, redirects, bodies that
# come while the request waits

our $Echo = <<'END';
    location /t {
        auth_api_token "r";
        echo_sleep 0.01;
        echo -n $auth_api_token_id;
        echo_location /part;
        echo_flush;
        echo_location_async /part;
        echo -n $auth_api_token_result;
    }

    location /part {
        auth_api_token "r";
        auth_api_token_module MOD-9999;
        echo -n " $auth_api_token_id,$auth_api_token_result ";
    }

    location /exec {
        auth_api_token "r";
        echo_exec /part;
    }

    location /open {
        echo_exec /part;
    }

    location /body {
        auth_api_token "r";
        echo_read_request_body;
        echo_sleep 0.01;
        echo_request_body;
    }

    location /twice {
        auth_api_token "r";
        echo_subrequest POST /body -b 'x';
        echo_subrequest_async POST /body -b 'y';
    }
END

our $Dav = <<'END';
    location /dav {
        root $TEST_NGINX_SERVER_ROOT/client_body_temp;
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        dav_methods PUT DELETE MKCOL COPY MOVE;
        dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
        dav_ext_lock zone=locks;
        create_full_put_path on;
    }
END

our $Perl = <<'END';
package Pages;

use nginx;

sub page {
    my $r = shift;

    $r->sleep(10, sub {
        my $r = shift;

        $r->send_http_header('text/plain');
        $r->print($r->variable('auth_api_token_result'), ' ',
                  $r->variable('auth_api_token_id'));

        return OK;
    });

    return OK;
}

sub away {
    my $r = shift;

    $r->internal_redirect('/page');

    return OK;
}

sub body {
    my $r = shift;

    return OK if $r->has_request_body(sub {
        my $r = shift;

        $r->send_http_header('text/plain');
        $r->print(length($r->request_body || ''), ' ',
                  $r->variable('auth_api_token_id'));

        return OK;
    });

    return HTTP_BAD_REQUEST;
}

1;
END


sub get {
    my ($uri, $token, $headers) = @_;

    return exchange(request_of($token, $uri, $headers));
}


sub method {
    my ($method, $uri, $token, $body, $headers) = @_;

    return exchange(head($method, $uri, $token, $body, $headers) . $body);
}


sub head {
    my ($method, $uri, $token, $body, $headers) = @_;

    return "$method $uri HTTP/1.1\r\nHost: a\r\n" . ($headers || '')
           . (defined $token ? "Authorization: Bearer $token\r\n" : '')
           . 'Content-Length: ' . length($body) . "\r\n\r\n";
}


sub echo {
    same_worker(sub {
        for (1 .. 2) {
            is(get('/t', $Good)->{body}, 'TKN-1234-5678 TKN-1234-5678,pass  '
               . 'TKN-1234-5678,pass pass', 'parts');
            is(get('/t', $Bad)->{status}, 401, 'refused');
        }

        is(get('/exec', $Good)->{status}, 403, 'who is led on is checked there');
        is(get('/open', $Good)->{status}, 403, 'from anywhere');
        is(get('/open')->{status}, 401, 'and without a token');

        my $body = 'b' x 3000;

        is(method('POST', '/body', $Good, $body)->{body}, $body, 'a body');
        is(method('POST', '/body', $Bad, $body)->{status}, 401, 'refused');
        is(get('/twice', $Good)->{body}, 'xy', 'bodies of subrequests');
    });
}


# the rest of the body comes after the decision, or long before it

sub dav {
    my $file = Test::Nginx::Util::server_root() . '/client_body_temp/dav/a';

    same_worker(sub {
        for my $size (10, 100000) {
            my $body = 'c' x $size;

            for my $case ([$Bad, 401], [undef, 401], [$Good, 201]) {
                my ($token, $status) = @$case;
                my $sock = client();
                my $calls = figures()->{calls};

                print {$sock} head('PUT', '/dav/a', $token, $body),
                              substr $body, 0, $size / 2;

                until_true('asked', sub { figures()->{calls} > $calls })
                    if $token;

                print {$sock} substr $body, $size / 2;

                is(read_response($sock)->{status}, $status, "PUT $size");
                is(-e $file ? 1 : 0, $status == 201 ? 1 : 0, 'the file');
            }

            is(-s $file, $size, 'whole');
            is(method('DELETE', '/dav/a', $Bad, '')->{status}, 401, 'DELETE');
            ok(-e $file, 'still there');
            is(method('LOCK', '/dav/a', $Bad, '')->{status}, 401, 'LOCK');

            my $lock = method('LOCK', '/dav/a', $Good, '<lockinfo xmlns="DAV:">'
                . '<lockscope><exclusive/></lockscope><locktype><write/>'
                . '</locktype></lockinfo>', "Timeout: Second-600\r\n");

            is($lock->{status}, 200, 'locked');
            is(method('DELETE', '/dav/a', $Good, '')->{status}, 423, 'really');

            my $unlock = "Lock-Token: $lock->{headers}{'lock-token'}\r\n";

            is(method('UNLOCK', '/dav/a', $Bad, '', $unlock)->{status}, 401,
               'UNLOCK');
            is(method('UNLOCK', '/dav/a', $Good, '', $unlock)->{status}, 204,
               'unlocked');
            is(method('PROPFIND', '/dav/a', $Bad, '')->{status}, 401,
               'PROPFIND');
            is(method('PROPFIND', '/dav/a', $Good, '', "Depth: 0\r\n")
               ->{status}, 207, 'found');
            is(method('DELETE', '/dav/a', $Good, '')->{status}, 204, 'deleted');
        }

        is(method('MKCOL', '/dav/b/', $Bad, '')->{status}, 401, 'MKCOL');
        is(method('OPTIONS', '/dav/', undef, '')->{status}, 401, 'OPTIONS');
    });
}


sub perl_pages {
    same_worker(sub {
        is(get('/page', $Good)->{body}, 'pass TKN-1234-5678', 'a page');
        is(get('/page', $Bad)->{status}, 401, 'refused');
        is(get('/away', $Good)->{body}, 'pass TKN-1234-5678', 'redirected');
        is(get('/away', $Bad)->{status}, 401, 'refused there');

        my $body = 'd' x 50000;

        is(method('POST', '/body', $Good, $body)->{body}, '50000 TKN-1234-5678',
           'a body');
        is(method('POST', '/body', $Bad, $body)->{status}, 401, 'refused');
    });
}


no_long_string();
master_on();
run_tests();

__DATA__

=== TEST 1: echo, loaded before
--- before: echo
--- config eval: $::Echo
--- perl
echo();



=== TEST 2: echo, loaded after
--- after: echo
--- config eval: $::Echo
--- perl
echo();



=== TEST 3: DAV, with bodies that come while the request waits
--- before: dav_ext
--- http_config
    dav_ext_lock_zone zone=locks:1m;
--- config eval: $::Dav
--- api
fault any {"delay":50}
--- perl
dav();



=== TEST 4: the same, loaded after
--- after: dav_ext
--- http_config
    dav_ext_lock_zone zone=locks:1m;
--- config eval: $::Dav
--- perl
dav();



=== TEST 5: Perl, loaded before
--- before: perl
--- http_config
    perl_modules $TEST_NGINX_SERVER_ROOT/html;
    perl_require Pages.pm;
--- config
    auth_api_token "r";
    client_body_buffer_size 64k;
    location /page { perl Pages::page; }
    location /away { auth_api_token off; perl Pages::away; }
    location /body { client_body_in_file_only off; perl Pages::body; }
--- user_files eval: ">>> Pages.pm\n" . $::Perl
--- perl
perl_pages();



=== TEST 6: Perl, loaded after
--- after: perl
--- http_config
    perl_modules $TEST_NGINX_SERVER_ROOT/html;
    perl_require Pages.pm;
--- config
    auth_api_token "r";
    client_body_buffer_size 64k;
    location /page { perl Pages::page; }
    location /away { auth_api_token off; perl Pages::away; }
    location /body { client_body_in_file_only off; perl Pages::body; }
--- user_files eval: ">>> Pages.pm\n" . $::Perl
--- perl
perl_pages();



=== TEST 7: uploads that are tracked
--- before: uploadprogress
--- http_config
    upload_progress uploads 1m;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        return 200 "$content_length";
    }
--- config
    location /t {
        auth_api_token "r";
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
        track_uploads uploads 10s;
    }

    location /object {
        auth_api_token "r";
        auth_api_token_object;
        track_uploads uploads 10s;
    }

    location /progress {
        report_uploads uploads;
    }
--- api
fault any {"delay":20000}
--- perl
same_worker(sub {
    my $body = 'e' x 500000;
    my %sock;

    for my $case (['good', $::Good], ['bad', $::Bad]) {
        my ($id, $token) = @$case;

        $sock{$id} = client();
        print {$sock{$id}} head('POST', "/t?X-Progress-ID=$id", $token, $body),
                           substr $body, 0, 1000;
    }

    until_true('they wait', sub { figures()->{calls} == 2 });
    like(get('/progress?X-Progress-ID=bad')->{body}, qr/uploading|starting/,
     'tracked');
    api('POST', 'release');

    is(read_response($sock{bad})->{status}, 401, 'refused');

    print {$sock{good}} substr $body, 1000;
    is(read_response($sock{good})->{body}, 500000, 'whole');
    like(get('/progress?X-Progress-ID=good')->{body}, qr/done/, 'tracked');

    api('PUT', 'faults/any', {});
    is(method('POST', '/object?X-Progress-ID=o', $::Good, $body)->{status}, 200,
       'the token object');
    is(method('POST', '/object?X-Progress-ID=p', $::Bad, $body)->{status}, 401,
       'not to others');
});



=== TEST 8: nchan: who may publish and subscribe
--- before: nchan
--- config
    location /sub {
        auth_api_token "r";
        nchan_subscriber longpoll;
        nchan_channel_id $auth_api_token_account_id;
    }

    location /pub {
        auth_api_token "r";
        auth_api_token_dry_run $arg_dry;
        nchan_publisher;
        nchan_channel_id $arg_to;
    }
--- perl
same_worker(sub {
    my $one = start($::Good, '/sub');
    my $two = start($::Good, '/sub');

    is(get('/sub', $::Bad)->{status}, 401, 'no subscriber');
    is(method('POST', '/pub?to=ACC-8765-4321', $::Bad, 'no')->{status}, 401,
       'no publisher');

    until_true('both are there', sub {
        get('/pub?to=ACC-8765-4321', $::Good)->{body}
            =~ /active subscribers: 2/
    });

    is(method('POST', '/pub?to=ACC-8765-4321', $::Good, 'yes')->{status}, 201,
       'published');
    is(read_response($one)->{body}, 'yes', 'one');
    is(read_response($two)->{body}, 'yes', 'two');
});



=== TEST 9: images: a refusal stays one
--- before: image_filter
--- config
    location /t {
        auth_api_token "r";
        image_filter test;
        add_header X-Result $auth_api_token_result always;
        empty_gif;
    }
--- perl
same_worker(sub {
    is(get('/t', $::Good)->{status}, 200, 'an image');

    for my $token ($::Bad, undef) {
        my $response = get('/t', $token);

        is($response->{status}, 415, 'what is no image is image_filter\'s own');
        unlike($response->{body}, qr/GIF/, 'no image');
    }
});



=== TEST 10: XSLT: a refusal stays one
--- before: xslt_filter
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        default_type text/xml;
        return 200 "<a/>";
    }
--- config
    location /t {
        auth_api_token "r";
        xslt_types application/problem+json;
        xslt_stylesheet $TEST_NGINX_SERVER_ROOT/html/any.xslt;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1;
    }
--- user_files
>>> any.xslt
<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="a"><b>c</b></x:template></x:stylesheet>
--- perl
same_worker(sub {
    like(get('/t', $::Good)->{body}, qr{<b>c</b>}, 'transformed');
    isnt(get('/t', $::Bad)->{status}, 200, 'refused');
    unlike(get('/t', $::Bad)->{body} || '', qr{<b>}, 'no content');
});



=== TEST 11: a purge whose body another module has read
--- before: lua modsecurity
--- http_config
    auth_api_token_zone zone=tokens:1m;
    modsecurity on;
    modsecurity_rules 'SecRuleEngine On SecRequestBodyAccess On';
    lua_need_request_body on;
    rewrite_by_lua_block { ngx.ctx.length = ngx.var.request_body }
--- config
    auth_api_token_cache tokens;
    client_body_buffer_size 1k;

    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }

    location /purge { auth_api_token_purge tokens; }
--- perl
same_worker(sub {
    for my $size (0, 5000) {
        is(get('/t', $::Good)->{status}, 204, 'stored');

        my $purge = method('POST', '/purge', undef,
                           '{"all":true' . ' ' x $size . '}');

        is($purge->{status}, 200, "purged, $size");
        like($purge->{body}, qr/"purged": ?1/, 'the one there was');
    }
});
--- calls: 2
