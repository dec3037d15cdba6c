# "make help" lists each target that is meant to be called, and no other.
#
#     prove .ci/docs/make.t

use strict;
use warnings;

use Test::More;

my ($phony) = `make -npr help` =~ /^\.PHONY: (.*)/m;
my @targets = sort grep { $_ ne 'FORCE' } split ' ', $phony;
my @listed = sort map { /^([a-z][a-z-]*)  +[a-z]/ } split /\n/, `make -s help`;

cmp_ok(scalar @targets, '>', 10, 'targets');
is("@listed", "@targets", 'make help');

done_testing();
