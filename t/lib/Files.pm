package Files;

# Files as strings, and where the files of the project are: below $Top.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);

our @EXPORT = qw(slurp spew $Top);

our $Top = abs_path(dirname(__FILE__) . '/../..');


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
