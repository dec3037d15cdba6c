# "make help" lists each target that is meant to be called, and no other; the
# documentation names no other.
#
#     prove .ci/docs/make.t

use strict;
use warnings;

use lib 't/lib';

use Files;
use Test::More;

my ($phony) = `make -npr help` =~ /^\.PHONY: (.*)/m;
my @targets = sort grep { $_ ne 'FORCE' } split ' ', $phony;
my @listed = sort map { /^([a-z][a-z-]*)  +[a-z]/ } split /\n/, `make -s help`;

cmp_ok(scalar @targets, '>', 10, 'targets');
is("@listed", "@targets", 'make help');

# those in quotes, and those that are all of a line

my $named = 0;

for my $file ('README.md', 'CONTRIBUTING.md', glob('docs/*.md'),
              'debian/README.Debian', 'conf-examples/fleet/README.md')
{
    my @names = map { /^\s*(?:sudo\ )?make\ ([a-z-]+)(?:\ [A-Z]+=|$)
                       | [`"]make\ ([a-z-]+)/x } split /^/, slurp($file);
    my @wrong = grep { my $name = $_; !grep { $_ eq $name } @targets }
                grep { defined } @names;

    is("@wrong", '', $file);
    $named += grep { defined } @names;
}

cmp_ok($named, '>', 20, 'targets that are named');

done_testing();
