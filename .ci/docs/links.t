# What the documentation refers to is there: files and headings that are linked,
# and files of the project that are named.

use strict;
use warnings;

use lib 't/lib';

use File::Basename qw(dirname);
use Files;
use Test::More;

my @files = qw(README.md CONTRIBUTING.md SECURITY.md
               conf-examples/fleet/README.md);

push @files, glob 'docs/*.md';

my (%anchors, %linked);
my ($links, $names) = (0, 0);

# how GitHub makes an anchor of a heading

is(anchor('How *it* works: `$auth_api_token_id`, (2)'),
   'how-it-works-auth_api_token_id-2', 'an anchor');

for my $file (@files) {
    my $text = prose($file);
    my @missing;

    while ($text =~ /\]\(([^)\s]+)[^)]*\)/g) {
        my $link = $1;

        next if $link =~ m{^https?://};

        push @missing, $link if !is_there($file, $link);
        $links++;
    }

    # a pattern stands for all that it matches

    my $folder = qr/\.ci|conf-examples|debian|docs|src|t/;

    while ($text =~ m{`($folder/[\w./*-]*)`}g) {
        my $name = $1;
        my ($found) = glob $name;

        push @missing, $name if !defined $found || !-e $found;
        $names++;
    }

    is("@missing", '', $file);
}

cmp_ok($links, '>', 100, 'links');
cmp_ok($names, '>', 20, 'names');

# what nobody would find

for my $file (grep { $_ ne 'README.md' } @files) {
    ok($linked{$file}, "$file is linked");
}

for my $file (split /\n/, `git ls-files conf-examples`) {
    my $folder = dirname($file);

    ok($linked{$file} || $linked{$folder}, "$file is linked");
}

cmp_ok(-s 'README.md', '<=', 16 * 1024, 'README.md has up to 16 KB');

done_testing();


sub is_there {
    my ($file, $link) = @_;

    my ($path, $anchor) = split /#/, $link, 2;
    my $target = $path eq '' ? $file : normal(dirname($file) . "/$path");

    return 0 if !-e $target;

    $linked{$target} = 1 if $target ne $file;

    return 1 if !defined $anchor;

    $anchors{$target} //= { map { ($_, 1) } anchors($target) };

    return $anchors{$target}{$anchor};
}


sub normal {
    my ($path) = @_;

    my @parts;

    for my $part (grep { $_ ne '.' && $_ ne '' } split m{/}, $path) {
        if ($part eq '..') {
            pop @parts;

        } else {
            push @parts, $part;
        }
    }

    return join '/', @parts;
}


sub anchors {
    my ($file) = @_;

    my %seen;

    return map { my $n = $seen{$_}++; $n ? "$_-$n" : $_ }
           map { anchor($_) } prose($file) =~ /^#+ +(.*?) *$/mg;
}


sub anchor {
    my ($heading) = @_;

    my $anchor = lc $heading;

    $anchor =~ s/\]\([^)]*\)//g;
    $anchor =~ s/[^\w\s-]//g;
    $anchor =~ tr/ /-/;

    return $anchor;
}


# a text without its blocks of code

sub prose {
    my ($file) = @_;

    return slurp($file) =~ s/^\s*```.*?^\s*```\s*$//gmsr;
}
