package Neighbours;

# Other modules in the same nginx.  Two sections name those of a block, in the
# order in which they are loaded:
#
#     before    before this module
#     after     after it; where it is linked in, all come after it
#
# What there is: the packages' echo, headers_more, js, lua, srcache and
# subs_filter, and those of t/modules/: test_content, test_filter, and
# test_top_filter, the same filter with no order.  A module that is not installed
# makes nginx, and the block, fail.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use FindBin ();
use Test::More ();

our @EXPORT = qw(break_config same_worker);

my $own = $ENV{TEST_NGINX_NEIGHBOURS} || "$FindBin::Bin/../build/neighbours";

my ($packages) = grep { -d } qw(/usr/lib/nginx/modules
                                /usr/share/nginx/modules);

$packages ||= 'modules';

my %files = (
    headers_more    => [ "$packages/ngx_http_headers_more_filter_module.so" ],
    echo            => [ "$packages/ngx_http_echo_module.so" ],
    js              => [ "$packages/ngx_http_js_module.so" ],
    lua             => [ "$packages/ndk_http_module.so",
                         "$packages/ngx_http_lua_module.so" ],
    srcache         => [ "$packages/ngx_http_srcache_filter_module.so" ],
    subs_filter     => [ "$packages/ngx_http_subs_filter_module.so" ],
    test_content    => [ "$own/ngx_http_test_content_module.so" ],
    test_filter     => [ "$own/ngx_http_test_filter_module.so" ],
    test_top_filter => [ "$own/top/ngx_http_test_filter_module.so" ]
);

Test::Nginx::Util::add_block_preprocessor(\&prepare);


sub prepare {
    my ($block) = @_;

    no warnings 'once';

    $Test::Nginx::Util::LoadModules = join ' ', files($block->before),
                               $ENV{TEST_NGINX_LOAD_MODULES} || '',
                               files($block->after);
}


sub files {
    my ($names) = @_;

    return map { @{$files{$_} || die "no module \"$_\"\n"} }
           split ' ', defined $names ? $names : '';
}


# a directive for http that makes nginx give the configuration up, but only when
# some filters, or all, are in place

sub break_config {
    my ($directive) = @_;

    my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

    open my $in, '<', $file or die "$file: $!";
    my $config = do { local $/; <$in> };

    open my $out, '>', $file or die "$file: $!";
    print {$out} $config =~ s/^http \{/http {\n    $directive/mr;
    close $out or die "$file: $!";
}


# runs code, which the worker has to survive

sub same_worker {
    my ($code) = @_;

    # the master may be quicker than its worker

    my $before;

    until_true('a worker', sub { $before = join ' ', worker_pids() });

    $code->();

    Test::More::is(join(' ', worker_pids()), $before, 'the worker lives');
    Test::More::unlike(nginx_log(), qr/\[alert\]|\[emerg\]|exited on signal/,
                       'and has no alert');
}


1;
