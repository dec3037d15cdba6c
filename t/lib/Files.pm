package Files;

# Files as strings.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(slurp spew);


sub slurp {
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!";
    local $/;

    return scalar <$in>;
}


sub spew {
    my ($file, @text) = @_;

    open my $out, '>', $file or die "$file: $!";
    print {$out} @text;
    close $out or die "$file: $!";
}


1;
