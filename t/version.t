use lib 't/lib';

# modules are loaded from a copy, which the tests replace

BEGIN {
    require File::Copy;
    require File::Temp;

    $ENV{TEST_NGINX_LOG_LEVEL} = 'notice';

    my $modules = \$ENV{TEST_NGINX_LOAD_MODULES};
    my $own = qr!\S*/ngx_http_auth_api_token_module\.so!;

    if ($$modules && $$modules =~ /($own)/) {
        our $Module = File::Temp::tempdir(CLEANUP => 1) . '/module.so';

        File::Copy::copy($1, $Module) or die "$Module: $!";
        $$modules =~ s/$own/$Module/;
    }
}

use AuthApiToken;
use JSON::PP ();
use Load;
use Store qw(get zone);
use Test::Nginx::Socket 'no_plan';

# which version runs, and where that can be read

log_level('notice');
master_on();
workers(2);

our $Version = module_version();
our $Name = 'ngx_http_auth_api_token_module';
our $Zone = 'auth_api_token_zone zone=tokens:1m;';

our $Config = <<'END';
    auth_api_token_request /_token_api timeout=2s;
    auth_api_token_cache tokens valid=1h denied=1h;

    location /t {
        auth_api_token "r";
        add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;
        add_header X-Id $auth_api_token_id always;
        try_files /dev/null =204;
    }

    location /status { auth_api_token_status json; }
END


# the versions of which the log tells, in their order

sub logged {
    return join ' ', nginx_log() =~ m{\[notice\] .*: $Name/(\S+)$}mg;
}


sub running {
    return JSON::PP->new->decode(get('/status')->{body})->{version};
}


sub nginx_command {
    my $root = Test::Nginx::Util::server_root();

    return "$ENV{TEST_NGINX_BINARY} -p $root/ -c $root/conf/nginx.conf";
}


# puts a build of another version in the module's place, in the way of dpkg and
# of install

sub replace_module {
    my ($from, $to) = @_;

    open my $in, '<:raw', $main::Module or die "$main::Module: $!";
    my $code = do { local $/; <$in> };

    $code =~ s/\Q$from\E/$to/g or die 'no version in the module';

    open my $out, '>:raw', "$main::Module.new" or die "$main::Module.new: $!";
    print {$out} $code;
    close $out or die "$main::Module.new: $!";

    rename "$main::Module.new", $main::Module or die "$main::Module: $!";
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: the log has it once at each start and reload, and not with "nginx -t"
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
is(logged(), $Version, 'start');

my $command = nginx_command();
my $output = `$command -t 2>&1`;

is($?, 0, 'a test passes') or diag($output);
unlike($output, qr/$Name/, 'and says nothing');
is(logged(), $Version, 'nor does the log');

reload_workers(2);
is(logged(), "$Version $Version", 'reload');



=== TEST 2: a reload goes on with the code that is loaded, an upgrade does not
nginx closes the old module after it has opened the new one, and dlopen() finds
what is open by its name.
--- skip_eval: 1: !$main::Module
--- http_config eval: $::Zone
--- config eval: $::Config
--- perl
my $new = $Version =~ tr/0-9/9/r;
my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass MISS',
   'before');

my @children = map { load(\&ask, '/t', 'TKN-1234-5678') } 1 .. 2;

replace_module($Version, $new);

for (1 .. 2) {
    reload_workers(2);

    is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT',
       'reload: what is known');
    is(running(), $Version, 'figures');
}

is(logged(), "$Version $Version $Version", 'log');
is(zone()->{zone_resets}, 0, 'no reset');
check_zone();

# a configuration that is not used

open my $out, '>>', $file or die "$file: $!";
print {$out} "wrong;\n";
close $out or die "$file: $!";

kill HUP => nginx_pid();
until_true('refused', sub { nginx_log() =~ /unknown directive "wrong"/ });

truncate $file, (-s $file) - length "wrong;\n" or die "$file: $!";

is(ask('/t', token('TKN-1234-5678'))->{headers}{'x-all'}, 'pass HIT',
   'a reload that fails');

my $old = nginx_pid();

kill USR2 => $old;
until_true('a second one', sub {
    my $pid = nginx_pid();
    $pid && $pid != $old && logged() =~ /\Q$new\E$/ && worker_pids() == 2;
});

kill QUIT => $old;
until_true('the first one is gone', sub { !kill 0 => $old });

is(logged(), "$Version $Version $Version $new", 'upgrade: log');
is(running(), $new, 'figures');

ask('/t', 'idt:TKN-1234-5678:MADEUPother');

my ($agent) = map { $_->[1] } grep { $_->[0] eq 'User-Agent' }
              @{figures()->{requests}[-1]{headers}};

is($agent, "$Name/$new", 'lookups');

my ($right, $none, $wrong) = stop(@children);

cmp_ok($right, '>', 100, 'load');
is($none, 0, 'no request failed');
is($wrong, '', 'no wrong answer');
check_zone();

replace_module($new, $Version);
--- error_log
unknown directive "wrong"
