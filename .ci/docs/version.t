# One version, wherever it is named, and CHANGES in nginx's form.
#
#     prove .ci/docs/version.t

use strict;
use warnings;

use lib 't/lib';

use Files;
use Test::More;

my $header = 'src/conf/ngx_http_auth_api_token_conf.h';
my ($version) = slurp($header)
                =~ /^#define NGX_HTTP_AUTH_API_TOKEN_VERSION +"(\d+\.\d+\.\d+)"$/m;

ok(defined $version, "$header: $version");

# CHANGES: the newest first

my $name = 'ngx_http_auth_api_token_module';
my $kinds = 'Security|Change|Feature|Workaround|Bugfix';
my @entries = split /^(?=Changes with )/m, slurp('CHANGES');

is(shift @entries, "\n", 'CHANGES: an empty line at the top');
like($entries[0], qr/\AChanges with $name \Q$version\E /, 'the newest');

for my $entry (@entries) {
    my ($head, @changes) = split /\n{2,}/, $entry;

    like($head, qr/\AChanges with $name \d+\.\d+\.\d+ +\d\d [A-Z][a-z]{2} 20\d\d\z/,
         $head =~ s/ {2,}/ /r);
    is(length $head, 76, 'its length');
    cmp_ok(scalar @changes, '>', 0, 'what has changed');

    for my $change (@changes) {
        like($change, qr/\A    \*\) (?:(?:$kinds): \S|The first public version\.)/,
             $change =~ s/\n *.*//sr);
        unlike($change, qr/^(?!    \*\) |       \S)/m, 'its form');
    }
}

# Debian's first entry, the upstream part of it

my ($debian) = slurp('debian/changelog') =~ /\A\S+ \((?:\d+:)?([^)]+)-[^-)]+\) /;

is($debian, $version, 'debian/changelog');

# what the documents quote

for my $file ('README.md', glob('docs/*.md'), 'SECURITY.md') {
    my @others = grep { $_ ne $version }
                 slurp($file) =~ m{\Q$name\E[/ ](\d+\.\d+\.\d+)}g;

    is("@others", '', $file);
}

done_testing();
