package Gateway;

# A gateway between client and backend: the authority and the gateway of
# conf-examples/gateways/ run as children, with paths and ports of the test.
# Example.pm runs those that are an nginx.  The backend is the nginx of the
# block, which shows what came to it.

use strict;
use warnings;

use AuthApiToken;
use Child ();
use Example ();
use Exporter qw(import);
use File::Find qw(find);
use File::Temp qw(tempdir);
use Files;
use IO::Socket::SSL ();
use JSON::PP ();
use POSIX ();
use Test::More;

our @EXPORT = qw(authority_start odd_authority_start gateway_start nginx_start
                 change checks passes passes_empty refuses closed
                 closed_to_all);

my $examples = "$Top/conf-examples";

our %Port = (
    backend   => $ENV{TEST_NGINX_PORT},
    authority => $ENV{TEST_NGINX_PORT_1},
    any_path  => $ENV{TEST_NGINX_PORT_2},
    tls       => $ENV{TEST_NGINX_PORT_3},
    plain     => $ENV{TEST_NGINX_PORT_4}
);

# clients come from an address of their own

our $Client = '127.0.0.9';

# 201, which no authority says; no filter of nginx judges it by If-Match

our $Backend = <<'END_OF_BACKEND';
    client_body_buffer_size 1m;
    access_log logs/backend.log;

    location / {
        content_by_lua_block {
            ngx.req.read_body()
            local seen = ngx.req.raw_header() .. "body: "
                         .. #(ngx.req.get_body_data() or "")
            ngx.status = 201
            ngx.header.content_length = #seen
            ngx.print(seen)
        }
    }
END_OF_BACKEND

# by "authority" and "gateway": an Example, or a Child

my (%children, $temp);
my $owner = $$;

Test::Nginx::Util::add_test_cleanup_handler(\&end_of_block);


END {
    if ($owner == $$) {
        my $status = $?;

        # an Example that goes is ended, and not looked at

        %children = ();

        $? = $status;
    }
}


sub directory {
    if (!$temp) {
        $temp = tempdir(CLEANUP => 1);

        # HAProxy wants certificate and key in one file

        spew("$temp/both.pem", map { slurp("$ENV{TEST_NGINX_CERT}/api.$_") }
                              qw(crt key));
    }

    return $temp;
}


# nothing that they wrote may hold a secret

sub end_of_block {
    my ($block) = @_;

    stop_all();

    my @found;

    find(sub {
        push @found, $File::Find::name if -f $_ && slurp($_) =~ /MADEUP/;
    }, directory());

    is("@found", '', $block->name . ' - no secret in the gateway\'s files');

    undef $temp;
}


# an example with other paths and ports: pairs of a string, which has to be
# there, and what stands in its place

sub change {
    my ($name, @pairs) = @_;

    my $text = slurp("$examples/$name");

    while (my ($old, $new) = splice @pairs, 0, 2) {
        $text =~ s/\Q$old\E/$new/g or die "no \"$old\" in $name\n";
    }

    return $text;
}


# starts one of the two, in place of one that runs, and waits for its ports

sub child {
    my ($name, $ports, @command) = @_;

    my $dir = directory();

    stop($name);

    my $pid = fork;

    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        chdir $dir or POSIX::_exit(126);

        # nobody's home may be read or written

        $ENV{$_} = $dir for qw(HOME XDG_CONFIG_HOME XDG_DATA_HOME);

        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/$name.out";
        open STDERR, '>&', \*STDOUT;

        exec { $command[0] } @command or print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    my $child = $children{$name} = bless { pid => $pid, owner => $$ }, 'Child';

    return until_true("$name listens", sub {
        if ($child->gone) {
            delete $children{$name};
            die "$name: ", slurp("$dir/$name.out");
        }

        return @$ports == grep {
            IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_)
        } @$ports;
    });
}


sub stop {
    my ($name) = @_;

    my $child = delete $children{$name} or return;

    return $child->isa('Example') ? $child->stop : $child->end;
}


sub stop_all {
    stop($_) for keys %children;
}


# an nginx of the examples in place of one of the two

sub nginx_start {
    my ($name, $file, $ports, @change) = @_;

    stop($name);

    $children{$name} = Example->start("gateways/$file", address => $ports,
        change => [ [ 'worker_processes auto;', 'worker_processes 1;' ],
                    @change ]);
}


sub authority_start {
    nginx_start('authority', 'authority.conf',
        { '127.0.0.1:8081' => $Port{authority},
          '127.0.0.1:8082' => $Port{any_path} },
        [ "log_format check '",
          "log_format check '\$request_method \$content_length "
          . '$http_transfer_encoding ' ],
        [ 'rate=30r/m burst=30', 'rate=1r/m burst=12' ]);
}


# one that has a single answer for everybody

sub odd_authority_start {
    my ($status) = @_;

    my $dir = directory();

    spew("$dir/odd.conf", <<"END_OF_CONFIG");
daemon off;
pid $dir/odd.pid;
error_log $dir/odd.log;
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:$Port{authority};
        add_header Location http://127.0.0.1/ always;
        return $status;
    }
}
END_OF_CONFIG

    child('authority', [ $Port{authority} ], $ENV{TEST_NGINX_BINARY}, '-e',
          "$dir/odd.log", '-p', $dir, '-c', "$dir/odd.conf");
}


# starts a gateway, of which files are given by name, by a command

sub gateway_start {
    my ($files, @command) = @_;

    my $dir = directory();

    spew("$dir/$_", $files->{$_} =~ s/DIR/$dir/gr) for keys %$files;

    child('gateway', [ @Port{qw(tls plain)} ], map { s/DIR/$dir/gr } @command);
}


# requests over TLS and without

sub secure {
    my ($request) = @_;

    my $sock = IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $Port{tls},
                                    LocalAddr => $Client,
                                    SSL_hostname => 'api.example.com',
                                    SSL_verify_mode => 0, Timeout => 10)
        or die "TLS: $! $IO::Socket::SSL::SSL_ERROR";

    print {$sock} $request;

    return read_response($sock, $request =~ /\AHEAD /);
}


sub clear_text {
    return exchange($_[0], $Port{plain});
}


# what came to the backend: first line, headers under small letters with all
# their values, and the length of the body

sub seen {
    my ($response) = @_;

    my ($first, $rest) = $response->{body} =~ /\A([^\r]*)\r\n(.*)\z/s
        or return { first => '' };
    my ($body) = $rest =~ s/\r\n\r\nbody: (\d+)\z/\r\n/ ? $1 : -1;
    my %headers;

    for my $line (split /\r\n/, $rest) {
        my ($name, $value) = split /: */, $line, 2;
        push @{$headers{lc $name}}, $value;
    }

    return { first => $first, headers => \%headers, body => $body };
}


# what a backend may take for who is calling: names and values, without those
# that are empty

sub identity {
    my ($response) = @_;

    my $headers = seen($response)->{headers} || {};

    return join ', ', map {
        my $name = $_;
        map { "$name=$_" } grep { length } @{$headers->{$name}}
    } grep { /\A[^a-z]*x[^a-z]*mpt/ } sort keys %$headers;
}


# headers that a client made up, in forms that backends may take for the real

sub forged {
    return join '', map { "$_: made-up\r\n" }
           map { ($_, lc, uc, tr/-/_/r, s/^X-/X_/r, s/MPT-/MPT_/r) }
           @IdentityHeaders;
}


# what the authority was asked, a line each

sub checks {
    return split /^/, $children{authority}->read('access.log');
}


# how often the backend was asked

sub passed_on {
    my $file = Test::Nginx::Util::server_root() . '/logs/backend.log';

    return scalar split /^/, slurp($file);
}


sub request {
    my ($method, $headers, $body) = @_;

    my $end = "Connection: close\r\n\r\n";

    if ($method =~ /\A(?:POST|PUT|DELETE)\z/) {
        $body = '' if !defined $body;
        $end = 'Content-Length: ' . length($body) . "\r\n$end$body";
    }

    return "$method /orders/1?a=b HTTP/1.1\r\nHost: api.example.com\r\n"
           . "$headers$end";
}


sub bearer {
    my ($token) = @_;

    return "Authorization: Bearer $token\r\n";
}


# A token of which all is known, and what clients send beside it.

sub passes {
    my $good = bearer(token('TKN-1234-5678'));
    my $all = 'x-mpt-account-id=ACC-8765-4321, '
              . 'x-mpt-account-name=TestCompany, x-mpt-account-type=Vendor, '
              . 'x-mpt-extensions=EXT-1111-1111, '
              . 'x-mpt-modules=MOD-0478,MOD-1756, '
              . 'x-mpt-token-id=TKN-1234-5678, x-mpt-token-name=CRM robot';

    api('PUT', 'tokens/TKN-1234-5678',
        { extensions => [ { id => 'EXT-1111-1111' } ] });

    for my $headers ($good, forged() . $good, $good . forged()) {
        my $response = secure(request('GET', $headers));

        is($response->{status}, 201, 'passes');
        is(identity($response), $all, 'who is calling');
    }

    for my $method (qw(GET POST PUT DELETE OPTIONS)) {
        my $body = $method =~ /^P/ ? 'x' x 100_000 : '';
        my $response = secure(request($method, $good . forged(), $body));
        my $seen = seen($response);

        is($response->{status}, 201, "$method passes");
        like($seen->{first}, qr{\A$method /orders/1\?a=b HTTP/1},
             "$method is kept");
        is($seen->{body}, length $body, "$method - the body is whole");
        is(identity($response), $all, "$method - who is calling");
        is($seen->{headers}{authorization}, undef, "$method - no token");
    }

    is(secure(request('HEAD', $good))->{status}, 201, 'HEAD passes');

    my $chunks = "Transfer-Encoding: chunked\r\n";
    my $response = secure(request('POST', $good . $chunks)
                          =~ s/Content-Length: 0\r\n//r
                          . "5\r\nhello\r\n0\r\n\r\n");
    is(seen($response)->{body}, 5, 'a chunked body is whole');

    # a gateway takes away what the client says is about the connection

    for my $list ('X-MPT-Account-Id, X-MPT-Modules', 'close, x-mpt-token-id') {
        my $response = secure(request('GET', "${good}Connection: $list\r\n"));

        ok($response->{status} == 400 || identity($response) eq $all,
           'no client takes away who it is')
            or diag($response->{body});
    }

    # what is about the backend's answer is not about the authority's

    for my $header ('If-Match: "x"', 'If-None-Match: *', 'Range: bytes=0-1',
                    'If-Modified-Since: Fri, 25 Nov 2050 00:00:00 GMT',
                    'If-Unmodified-Since: Fri, 25 Nov 2005 00:00:00 GMT')
    {
        my ($name, $value) = split /: /, $header, 2;
        my $response = secure(request('GET', "$good$header\r\n"));

        is($response->{status}, 201, "$name passes");
        is(join(', ', @{seen($response)->{headers}{lc $name} || []}), $value,
           "$name is for the backend");
    }

    is(figures()->{calls}, 1, 'the API was asked once');

    my @wrong = grep { !/\A\w+ [-0] - \Q$Client\E / } checks();

    is("@wrong", '', 'the authority knows who asks, and got no body');
}


# a token of which little is known, where nothing is required

sub passes_empty {
    api('PUT', 'tokens/TKN-0000-0001');
    api('PUT', 'faults/TKN-0000-0001', {
        merge => { map { $_ => '-absent-' } qw(name account modules) }
    });
    api('PUT', 'tokens/TKN-0000-0002', { modules => [], extensions => [] });

    my $headers = bearer(token('TKN-0000-0001'));

    for my $more ('', forged()) {
        my $response = secure(request('GET', $more . $headers));

        is($response->{status}, 201, 'passes');
        is(identity($response),
           'x-mpt-extensions=*, x-mpt-token-id=TKN-0000-0001',
           'nothing made up where there is nothing to say');
    }

    is(identity(secure(request('GET', forged()
                                      . bearer(token('TKN-0000-0002'))))),
       'x-mpt-account-id=ACC-8765-4321, x-mpt-account-name=TestCompany, '
       . 'x-mpt-account-type=Vendor, x-mpt-token-id=TKN-0000-0002, '
       . 'x-mpt-token-name=CRM robot', 'neither modules nor extensions');
}


# What the authority refuses comes out as it would say it itself, with its body
# where the gateway can.

sub refuses {
    my ($body) = @_;

    api('PUT', 'tokens/TKN-0000-0002', { account => { id => 'ACC-1111-1111',
                                                      type => 'Client' } });
    api('PUT', 'tokens/TKN-0000-0003', { modules => [] });
    api('PUT', 'tokens/TKN-0000-0004', { status => 'Disabled', works => 1 });
    api('PUT', 'tokens/TKN-0000-0005', { self => 403 });
    api('PUT', 'faults/TKN-0000-0006', { status => 429,
                                         headers => { 'Retry-After' => '7' } });

    my $good = bearer(token('TKN-1234-5678'));
    my %id = map { $_ => bearer(token("TKN-0000-000$_")) } 2 .. 6;

    refused($body, 401, 'no token', forged());
    refused($body, 401, 'an unknown token', bearer('idt:TKN-1234-5678:wrong'));
    refused($body, 401, 'a token of another kind', bearer('a.b.c'));
    refused($body, 401, 'a disabled token', $id{4} . forged());
    refused($body, 400, 'a malformed token', bearer('idt:a b'));
    refused($body, 403, 'another type of account', $id{2} . forged());
    refused($body, 403, 'no modules', $id{3} . forged());
    refused($body, 403, 'a token that may not read itself', $id{5});
    refused($body, 503, 'the API does not answer', $id{6} . forged());

    is(secure(request('GET', $good . $good))->{status}, 400, 'two tokens');

    for my $method (qw(HEAD POST DELETE OPTIONS)) {
        my $response = secure(request($method, $id{3}, 'x' x 10_000));

        is($response->{status}, 403, "$method is refused");
        like($response->{headers}{'www-authenticate'}, qr/insufficient_scope/,
             "$method - challenge");
    }

    for my $headers ('', "X-Forwarded-Proto: https\r\n") {
        my $response = clear_text(request('GET', $good . $headers));

        is($response->{status}, 403, 'in the clear');
        unlike($response->{body}, qr/TKN/, 'in the clear - not passed on');
    }

    # no path leads out of what is named, wherever the backend may take it

    for my $path (qw(/orders/../other /orders/%2e%2e/other /orders/.%2E%2fother
                     /orders/..%2Fother /orders/1/../../other /orders/..
                     /orders/%2e%2e))
    {
        my $response = secure(request('GET', $good)
                              =~ s{/orders/1\?a=b}{$path}r);

        like($response->{status}, qr/\A40[034]\z/, "$path is not served");
    }

    # each of these is another one to the API

    my $limited;

    for my $n (1 .. 60) {
        $limited = bearer("idt:TKN-1111-1111:$n");
        last if secure(request('GET', $limited))->{status} == 429;
    }

    refused($body, 429, 'too many unknown tokens', $limited);

    my $other = "X-Forwarded-For: 192.0.2.7\r\n";

    is(secure(request('GET', $limited . $other))->{status}, 429,
       'nor from where the client says it is');
    is(passed_on(), 0, 'nothing reached the backend');
}


sub refused {
    my ($with_body, $status, $name, $headers) = @_;

    my $response = secure(request('GET', $headers));
    my $own = exchange("GET /check/orders HTTP/1.1\r\nHost: a\r\n"
                       . "X-Forwarded-Proto: https\r\n"
                       . "X-Forwarded-For: $Client\r\n$headers\r\n",
                       $Port{authority});

    # the second time it may be another second

    for my $r ($response, $own) {
        $r->{headers}{'retry-after'} =~ s/\A[1-9]\d*\z/some/
            if defined $r->{headers}{'retry-after'};
    }

    is($own->{status}, $status, "$name - the authority's own status");
    is($response->{status}, $status, "$name - status");

    is($response->{headers}{$_}, $own->{headers}{$_}, "$name - $_")
        for qw(www-authenticate retry-after content-type);

    my @all = $response->{head} =~ /^(?:www-authenticate|retry-after):/mig;
    my @own = $own->{head} =~ /^(?:www-authenticate|retry-after):/mig;

    is(scalar @all, scalar @own, "$name - none twice");

    my ($said, $is) = map { eval { JSON::PP->new->utf8->decode($_->{body}) }
                            || {} } $own, $response;

    is(join(', ', map { defined $is->{$_} ? $is->{$_} : '-' } @$with_body),
       join(', ', map { defined $said->{$_} ? $said->{$_} : '+' } @$with_body),
       "$name - body");
}


sub closed_to_all {
    my ($status) = @_;

    my $response = secure(request('GET', bearer(token('TKN-1234-5678'))));

    is($response->{status}, $status, 'a good token is refused');
    is(passed_on(), 0, 'nothing reached the backend');
}


# without a yes of the authority nothing passes; $wrong starts the gateway with
# a question that the authority does not know

sub closed {
    my ($status, $wrong) = @_;

    my $good = bearer(token('TKN-1234-5678'));

    authority_start();
    is(secure(request('GET', $good))->{status}, 201, 'passes');

    stop('authority');

    is(secure(request('POST', $good . forged(), 'x'))->{status}, $status,
       'the authority is gone');

    authority_start();
    is(secure(request('GET', $good))->{status}, 201, 'it is back');

    $wrong->();

    like(secure(request('GET', $good))->{status}, qr/\A(?:404|50[023])\z/,
         'the authority knows no such question');

    until_true('the backend has its log', sub { passed_on() >= 2 });
    is(passed_on(), 2, 'nothing else reached the backend');
}


1;
