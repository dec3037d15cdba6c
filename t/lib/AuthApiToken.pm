package AuthApiToken;

# What all tests share: an emulator of the token API for each file, a lookup
# location in each block, and checks that follow every block.
#
# In all sections <TKN-1234-5678> stands for the token of that id, secret
# included.  Sections of its own, in addition to those of Test::Nginx:
#
#     api          commands for the emulator, one a line: "token ID {json}",
#                  "fault ID {json}"; TKN-1234-5678 is always there
#     calls        how many lookups the API must have seen after the block
#     calls_preaccess  the same where it is asked in the preaccess phase, before
#                  other modules refuse, or allow
#     connections  over how many connections they must have come
#     perl         code that is run in place of "request"
#     lookup       what the lookup location holds, in place of proxy_pass
#     bare_config  the block's "config" is all there is in the server
#
# Beside.pm loads other modules in each block.  With TEST_NGINX_PHASE=preaccess,
# the API is asked in that phase wherever a block does not say otherwise.

use strict;
use warnings;

use Emulator ();
use Exporter qw(import);
use File::Find qw(find);
use File::Temp qw(tempdir);
use Files;
use IO::Select ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(api api_connections client exchange figures moved read_response
                 request_of token until_true all_read nginx_log nginx_pid
                 worker_pids reload_workers listen_port check_zone
                 module_version $Location @IdentityHeaders);

our $Secret = 'MADEUPmadeup0123456789MADEUPmadeup'
              . '0123456789MADEUPmadeup01234567';

# the headers in which a backend or a gateway learns who is calling

our @IdentityHeaders = map { "X-MPT-$_" }
                       qw(Token-Id Token-Name Account-Id Account-Name
                          Account-Type Modules Extensions);

# a location that shows what the check said

our $Location = <<'END';
    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        try_files /dev/null =204;
    }
END

BEGIN {
    $ENV{TEST_NGINX_PORT} ||= 1984;
    $ENV{TEST_NGINX_CLIENT_PORT} = $ENV{TEST_NGINX_PORT};
    $ENV{TEST_NGINX_SERVER_PORT} = "127.0.0.1:$ENV{TEST_NGINX_PORT}";
    $ENV{TEST_NGINX_LOG_LEVEL} ||= 'info';
    $ENV{TEST_NGINX_STREAM_PORT} ||= $ENV{TEST_NGINX_PORT} + 9;

    for my $i (1 .. 4) {
        $ENV{"TEST_NGINX_PORT_$i"} = $ENV{TEST_NGINX_PORT} + $i;
    }

    for my $dir (split /:/, $ENV{PATH} . ':/usr/sbin:/usr/local/sbin') {
        $ENV{TEST_NGINX_BINARY} ||= "$dir/nginx" if -x "$dir/nginx";
    }
}

use Test::Nginx::Socket ();
use Beside ();

my $cert = tempdir(CLEANUP => 1);

$ENV{TEST_NGINX_CERT} = $cert;

Emulator::make_certificate("$cert/api", qw(localhost api.example.com
                                           api.platform.softwareone.com));

my $emulator = Emulator->start;
my $port = $emulator->port;

$ENV{TEST_NGINX_API_PORT} = $port;
$ENV{TEST_NGINX_API_TLS_PORT} = $emulator->tls_port;

Test::Nginx::Util::no_root_location();
Test::Nginx::Util::add_block_preprocessor(\&prepare);

$Test::Nginx::Util::RunTestHelper = \&run_block;

Beside::load();


# before Perl closes what it reads from the emulator, and waits for it

END {
    undef $emulator;
}


sub token {
    my ($id) = @_;

    return "idt:$id:$Secret";
}


# the emulator's control: method, path below /control/, data

sub api {
    return $emulator->api(@_);
}


sub figures {
    return api('GET', 'figures');
}


# what is not zero, as "name:number"

sub moved {
    my ($figures) = @_;

    return join ' ', map { $figures->{$_} ? "$_:$figures->{$_}" : () }
                     sort keys %$figures;
}


# how many connections to the API are open

sub api_connections {
    my $address = sprintf ':%04X', $port;

    open my $in, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

    return scalar grep {
        (split)[3] eq '01' && (split)[2] =~ /$address\z/
    } <$in>;
}


sub listen_port {
    return $ENV{TEST_NGINX_CLIENT_PORT};
}


sub client {
    my ($to) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $to || listen_port(),
                                 Timeout => 10)
        || die "connect: $!";
}


# a request with a token, or none, and more headers

sub request_of {
    my ($token, $uri, $headers) = @_;

    return 'GET ' . ($uri || '/t') . " HTTP/1.1\r\nHost: a\r\n"
           . ($headers || '')
           . (defined $token ? "Authorization: Bearer $token\r\n" : '')
           . "\r\n";
}


# sends a request over a connection of its own and reads the response

sub exchange {
    my ($request, $to) = @_;

    my $sock = client($to);

    print {$sock} $request;

    return read_response($sock, $request =~ /\AHEAD /);
}


sub read_response {
    my ($sock, $head) = @_;

    my $limit = time + 30;
    my $in = ${*$sock}{rest} || '';
    my $response;

    for (;;) {
        if (!$response
            && $in =~ s/\AHTTP\/1\.1 (\d+)[^\r]*\r\n(.*?)\r\n\r\n//s)
        {
            $response = { status => $1, head => $2 };
            $response->{headers} = {
                map { my ($n, $v) = split /: ?/, $_, 2; (lc $n, $v) }
                split /\r\n/, $2
            };
        }

        if ($response) {
            my $length = $response->{headers}{'content-length'};

            $length = 0 if $head || $response->{status} =~ /\A(?:204|304)\z/;

            if ($response->{status} == 100) {
                undef $response;
                next;
            }

            if (defined $length && length $in >= $length) {
                $response->{body} = substr($in, 0, $length, '');
                ${*$sock}{rest} = $in;
                return $response;
            }

            if (($response->{headers}{'transfer-encoding'} || '') eq 'chunked') {
                my ($body, $rest) = dechunk($in);

                if (defined $body) {
                    $response->{body} = $body;
                    ${*$sock}{rest} = $rest;
                    return $response;
                }
            }
        }

        my $left = $limit - time;

        if ($left <= 0 || !IO::Select->new($sock)->can_read($left)
            || !sysread($sock, $in, 65536, length $in))
        {
            $response ||= { status => 0, head => '', headers => {} };
            $response->{body} = $in;
            return $response;
        }
    }
}


sub dechunk {
    my ($in) = @_;

    my $body = '';

    while ($in =~ s/\A([0-9a-f]+)\r\n//) {
        my $size = hex $1;

        return if length $in < $size + 2;

        $body .= substr($in, 0, $size, '');
        substr($in, 0, 2, '');

        return ($body, $in) if $size == 0;
    }

    return;
}


# waits for a condition, not for a time

sub until_true {
    my ($what, $code) = @_;

    for (1 .. 1000) {
        return 1 if $code->();
        sleep 0.02;
    }

    Test::More::fail("$what: not within 20 seconds");

    return 0;
}


# whether nginx has read all that was sent to it

sub all_read {
    my $hex = sprintf '%04X', listen_port();

    open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

    return !grep {
        my @f = split;
        $f[1] =~ /:$hex\z/ && $f[3] eq '01'
            && ($f[4] !~ /:00000000\z/ || !$f[9])
    } <$tcp>;
}


sub nginx_log {
    my $root = Test::Nginx::Util::server_root();

    open my $in, '<', "$root/logs/error.log" or return '';
    local $/;

    return scalar <$in>;
}


sub nginx_pid {
    my $root = Test::Nginx::Util::server_root();

    open my $in, '<', "$root/logs/nginx.pid" or return 0;
    my ($pid) = (<$in> || '') =~ /(\d+)/;

    return $pid;
}


sub worker_pids {
    return split ' ', `pgrep -P ${\nginx_pid()}`;
}


# reloads, and waits until so many workers of before have ended; needs the log
# level "notice"

sub reload_workers {
    my ($workers) = @_;

    my $exited = sub {
        my $n = () = nginx_log() =~ /worker process \d+ exited with code 0/g;
        return $n;
    };
    my $before = $exited->();

    kill HUP => nginx_pid();

    return until_true('reloaded', sub { $exited->() >= $before + $workers });
}


sub module_version {
    my $file = "$Top/src/conf/ngx_http_auth_api_token_conf.h";
    my ($version) = slurp($file)
                    =~ /^#define NGX_HTTP_AUTH_API_TOKEN_VERSION +"(.+)"$/m
        or die "no version in $file";

    return $version;
}


# walks the zones of the running nginx, or another; t/store/zone.c says what it
# verifies

sub check_zone {
    my ($pid) = @_;

    $pid ||= nginx_pid();

    my $program = $ENV{TEST_NGINX_ZONE} || "$Top/build/zone";

    my $text = join ' ', $program, $pid, 'MADEUP';
    $text = `$text 2>&1`;

    Test::More::is($?, 0, 'the store is consistent') or Test::More::diag($text);

    return $text;
}


sub prepare {
    my ($block) = @_;

    for my $name (qw(config http_config more_headers request raw_request
                     pipelined_requests perl))
    {
        next unless defined $block->$name;
        $block->set_value($name, expand($block->$name));
    }

    my $http = defined $block->http_config ? $block->http_config : '';
    my $config = defined $block->config ? $block->config : '';

    $block->set_value('http_config', <<"END" . $http);
    upstream token_api {
        server    127.0.0.1:$port;
        keepalive 4;
    }
END

    if ($ENV{TEST_NGINX_PHASE} && $http !~ /^ {0,4}auth_api_token_phase /m) {
        $block->set_value('http_config',
                          "    auth_api_token_phase $ENV{TEST_NGINX_PHASE};\n"
                          . $block->http_config);
    }

    if (!defined $block->bare_config) {
        my $lookup = defined $block->lookup ? $block->lookup : <<'END';
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
END

        $config = "    auth_api_token_https off;\n" . $config
            unless $config =~ /^    auth_api_token_https /m;

        $config = "    auth_api_token_request /_token_api;\n" . $config
            unless $config =~ /^    auth_api_token_request /m;

        $block->set_value('config', <<"END" . $config);
    location = /_token_api {
        internal;
$lookup
    }
END
    }

    Beside::switch_on($block);

    api('POST', 'reset');
    api('PUT', 'tokens/TKN-1234-5678');

    my $commands = defined $block->api ? $block->api : '';

    for my $command (split /\n/, $commands) {
        my ($what, $name, $data) = split ' ', $command, 3;
        api('PUT', "${what}s/$name", $data);
    }
}


sub expand {
    my ($value) = @_;

    return [ map { expand($_) } @$value ] if ref $value eq 'ARRAY';
    return { map { ($_, expand($value->{$_})) } keys %$value }
        if ref $value eq 'HASH';

    if (defined $value && !ref $value) {
        $value =~ s/<([A-Z]{3}(?:-[0-9]{4}){2,4})>/token($1)/ge;
    }

    return $value;
}


sub run_block {
    my ($block, $dry_run, $repeated) = @_;

    if (defined $block->perl) {
        eval "package main; no strict; no warnings;\n# line 1 \"perl\"\n"
             . $block->perl . "; 1"
            or Test::More::fail($block->name . " - perl: $@");

        &Test::Nginx::Socket::check_error_log($block, undef, $dry_run,
                                              $repeated, 0);

    } else {
        &Test::Nginx::Socket::run_test_helper($block, $dry_run, $repeated);
    }

    my $name = $block->name;
    my $figures = figures();

    for my $figure (qw(calls connections)) {
        my $want = $block->$figure;

        if ($figure eq 'calls' && ($ENV{TEST_NGINX_PHASE} || '') eq 'preaccess'
            && defined $block->calls_preaccess)
        {
            $want = $block->calls_preaccess;
        }

        next unless defined $want;

        $want =~ s/\s+//g;
        Test::More::is($figures->{$figure}, $want, "$name - $figure");
    }

    no_secret($name);
}


# what the processes of nginx share

sub shared_memory {
    my ($pid) = @_;

    $pid ||= nginx_pid() or return;

    my @memory;

    no warnings 'portable';

    open my $maps, '<', "/proc/$pid/maps" or return;

    while (<$maps>) {
        my ($from, $to) = m{\A([0-9a-f]+)-([0-9a-f]+) rw-s .* /dev/zero} or next;

        open my $mem, '<:raw', "/proc/$pid/mem" or die "/proc/$pid/mem: $!";
        sysseek $mem, hex $from, 0;

        my $memory = '';
        my $left = hex($to) - hex($from);

        while ($left > 0) {
            my $n = sysread $mem, $memory, $left, length $memory;
            die "/proc/$pid/mem: $!" if !$n;
            $left -= $n;
        }

        push @memory, $memory;
    }

    return @memory;
}


# neither the zones nor any file that nginx wrote may hold a secret; at the
# debug level nginx itself logs every header, so that only the module's own
# lines can be looked at

sub no_secret {
    my ($name, $root, $pid) = @_;

    my @found;

    $root ||= Test::Nginx::Util::server_root();

    find(sub {
        return if !-f $_ || $File::Find::dir =~ m{/(?:conf|html)\z};

        open my $in, '<', $_ or return;

        while (my $line = <$in>) {
            next unless $line =~ /MADEUP/;
            next if $ENV{TEST_NGINX_LOG_LEVEL} =~ /debug/ && $_ eq 'error.log'
                    && $line !~ /auth api token|API token/;
            push @found, "$File::Find::name: $line";
        }
    }, $root);

    my $zones = grep { /MADEUP/ } shared_memory($pid);
    push @found, "$zones zones with a secret\n" if $zones;

    Test::More::is(join('', @found), '', "$name - no secret anywhere");
}


1;
