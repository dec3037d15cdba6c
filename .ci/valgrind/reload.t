# Reloads under load, and what they leave in the memory of the master process:
#
#     reload.t NGINX VALGRIND
#
# NGINX is run as it is, with the directives of the module and without them.
# VALGRIND is a command that runs it under Valgrind, and writes a file for each
# process to VALGRIND.reports.

use strict;
use warnings;

use lib 't/lib';
use AuthApiToken;
use File::Temp qw(tempdir);
use Load;
use POSIX ();
use Test::More;

# how much more the allocator may keep after 40 reloads, in KiB; a pool leaked
# at each of them would be 640

use constant SLACK => 128;

my ($nginx, $valgrind) = @ARGV;

my @ids = map { "TKN-1000-000$_" } 1 .. 5;

my $config = <<'END';
daemon off;
worker_processes 2;
pid logs/nginx.pid;
error_log logs/error.log info;
worker_shutdown_timeout 5s;

events { worker_connections 128; }

http {
    access_log off;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;
    uwsgi_temp_path temp; scgi_temp_path temp;

    auth_api_token_zone zone=tokens:1m lookups=2 queue=64;
    auth_api_token_zone zone=other:512k;

    upstream token_api { server 127.0.0.1:$TEST_NGINX_API_PORT; keepalive 4; }

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT;

        auth_api_token_https off;
        auth_api_token_request /_token_api api=platform timeout=20s;
        auth_api_token_cache tokens valid=100ms denied=50ms stale=1s;
        auth_api_token_denied_limit $binary_remote_addr rate=60000r/m burst=5000;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }

        location /t {
            auth_api_token "$host";
            auth_api_token_phase preaccess;
            auth_api_token_account ACC-8765-4321 $arg_account;
            auth_api_token_account_type Vendor Operations Client;
            auth_api_token_require $auth_api_token_id $remote_addr error=401;
            auth_api_token_dry_run $arg_dry_run;
            add_header X-Id $auth_api_token_id always;
            try_files /dev/null =204;
        }

        location /object {
            auth_api_token "object";
            auth_api_token_cache other;
            auth_api_token_module MOD-0478 billing;
            auth_api_token_extension EXT-1234-5678;
            auth_api_token_object;
        }

        location = /status { auth_api_token_status json; }
        location = /purge  { auth_api_token_purge tokens; }
    }
}
END

my $plain = $config =~ s/api-tokens\/\$\w+/api-tokens\//r
                    =~ s/\b(?:auth_api_token|add_header X-Id)[^;]*;//gr;

api('PUT', "tokens/$_") for @ids;
api('PUT', 'faults/any', { delay => 20 });

# the nginx that is running, if any

my ($running, $owner) = (undef, $$);

$SIG{TERM} = $SIG{INT} = $SIG{HUP} = sub { exit 1 };

END {
    kill TERM => $running if $running && $owner == $$;
}

my %growth;

for (['the module', $config], ['no module', $plain]) {
    my ($name, $text) = @$_;
    my ($early, $late) = reloads($name, [ $nginx ], $text, 10, 50);

    $growth{$name} = $late - $early;
}

cmp_ok($growth{'the module'} - $growth{'no module'}, '<=', SLACK,
       'KiB more after 40 reloads with the module');

my %reachable;

for my $n (10, 50) {
    my $before = join '|', glob "$valgrind.reports/*";

    reloads("$n below Valgrind", [ $valgrind ], $config, $n);

    # only the master has read the configuration that often

    my ($master) = grep { !/\A(?:$before)\z/ } glob "$valgrind.reports/*.master";

    $reachable{$n} = reachable($master);
}

is($reachable{50}, $reachable{10}, 'still reachable after 50 reloads and 10');

diag("the master grew by $growth{'the module'} KiB,"
     . " without the module by $growth{'no module'} KiB");

done_testing();


# the anonymous memory of the master, in KiB, after each of these numbers of
# reloads

sub reloads {
    my ($name, $command, $text, @when) = @_;

    my $dir = tempdir(CLEANUP => 1);
    my @sizes;

    chmod 0711, $dir;
    mkdir "$dir/$_" for qw(logs temp);
    $text =~ s/\$(TEST_NGINX_\w+)/$ENV{$1}/g;

    open my $out, '>', "$dir/nginx.conf" or die "$dir: $!";
    print {$out} $text;
    close $out;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        exec @$command, '-p', "$dir/", '-e', 'logs/error.log', '-c',
             'nginx.conf' or POSIX::_exit(1);
    }

    $running = $pid;

    until_true("$name: starts", sub { workers($pid) == 2 })
        or die "$name does not start\n";
    until_true("$name: answers", sub {
        eval { exchange(request_of(undef, '/status')) }
    });

    my @children = map { load(\&asked, '/t', @ids) } 1 .. 2;

    for my $n (1 .. $when[-1]) {
        my %old = map { $_ => 1 } workers($pid);

        kill HUP => $pid;
        until_true("$name: reload $n", sub {
            my @now = workers($pid);

            return @now == 2 && !grep { $old{$_} } @now;
        }) or last;

        push @sizes, anonymous($pid) if grep { $_ == $n } @when;
    }

    my ($right, $none, $wrong) = stop(@children);

    if ($text eq $config =~ s/\$(TEST_NGINX_\w+)/$ENV{$1}/gr) {
        is($wrong, '', "$name: no wrong answer");
        cmp_ok($right, '>', 0, "$name: right answers");
    }

    kill QUIT => $pid;
    waitpid $pid, 0;
    undef $running;
    is($?, 0, "$name: ends well");

    open my $log, '<', "$dir/logs/error.log" or die "$dir: $!";
    is(join('', grep { /\[(?:alert|emerg|crit)\]/ } <$log>), '',
       "$name: no alerts");

    rename "$valgrind.reports/$pid", "$valgrind.reports/$pid.master"
        if $command->[0] eq $valgrind;

    return @sizes;
}


# without the module there is no such header

sub asked {
    my $response = Load::ask(@_);

    $response->{headers}{'x-id'} //= '';

    return $response;
}


sub workers {
    my ($pid) = @_;

    return split ' ', `pgrep -P $pid`;
}


sub anonymous {
    my ($pid) = @_;

    open my $in, '<', "/proc/$pid/status" or die "/proc/$pid/status: $!";

    return (map { /\ARssAnon:\s+(\d+)/ ? $1 : () } <$in>)[0];
}


sub reachable {
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!";

    my ($pid) = $file =~ /(\d+)\.master\z/;

    return (map { /==$pid==\s+still reachable: (.* blocks)/ ? $1 : () } <$in>)[0];
}
