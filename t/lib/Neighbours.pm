package Neighbours;

# Other modules in the same nginx.  Two sections name those of a block, in the
# order in which they are loaded:
#
#     before    before this module
#     after     after it; where it is linked in, all come after it
#
# A section may name all that Beside.pm knows; of these, the suite installs
# echo, headers_more, js, lua, srcache and subs_filter.  Those of t/modules/ are
# test_content, test_filter, and test_top_filter, the same filter with no order.
# A module that is not installed makes nginx, and the block, fail.

use strict;
use warnings;

use AuthApiToken;
use Beside ();
use Exporter qw(import);
use Files;
use Test::More ();

our @EXPORT = qw(break_config same_worker);

Test::Nginx::Util::add_block_preprocessor(\&prepare);


sub prepare {
    my ($block) = @_;

    Beside::load($block->before, $block->after);
}


# a directive for http that makes nginx give the configuration up, but only when
# some filters, or all, are in place

sub break_config {
    my ($directive) = @_;

    my $file = Test::Nginx::Util::server_root() . '/conf/nginx.conf';

    spew($file, slurp($file) =~ s/^http \{/http {\n    $directive/mr);
}


# runs code, which the worker has to survive

sub same_worker {
    my ($code) = @_;

    # the master may be quicker than its worker

    my $before;

    until_true('a worker', sub { $before = join ' ', worker_pids() });

    $code->();

    Test::More::is(join(' ', worker_pids()), $before, 'the worker lives');

    # nginx tries again where the one before it has not gone yet

    Test::More::unlike(nginx_log() =~ s/\[emerg\].* bind\(\) to .*//gr,
                       qr/\[alert\]|\[emerg\]|exited on signal/,
                       'and has no alert');
}


1;
