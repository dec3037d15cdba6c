#!/usr/bin/perl

# Lays out an answer of "curl -si" for people, in 80 columns:
#
#     show.pl [--colour] [--only REGEX] < ANSWER
#
# the status, the headers that say why, and the body, of which text may be cut
# down to the lines that match.

use strict;
use warnings;

use Getopt::Long qw(GetOptions);

use constant MARGIN => 4;
use constant WIDTH  => 80 - MARGIN;

# what of a JSON text belongs together

my $string = qr/"(?:[^"\\]|\\.)*"/;
my $scalar = qr/$string|[\w.+-]+/;

my %opt = (only => '');

GetOptions(\%opt, 'colour', 'only=s')
    or die "usage: $0 [--colour] [--only REGEX] < ANSWER\n";

my $answer = do { local $/; <STDIN> } // '';
$answer =~ tr/\r//d;

my ($head, $body) = split /\n\n/, $answer, 2;
my ($status, @headers) = split /\n/, $head // '';

out(defined $status ? coloured($status) : 'no answer');

for my $header (@headers) {
    next unless $header =~ /\A(?:www-authenticate|retry-after):/i;

    my ($first, @rest) = filled(WIDTH - 4, split /(?<=,) /, $header);

    out($first, map { "    $_" } @rest);
}

$body = '' unless defined $body;

if ($body =~ /\A\s*[{\[]/) {
    out(json($body));

} elsif ($opt{only}) {
    my @lines = split /\n/, $body;
    my $left = 0;

    for my $line (@lines) {
        my $wanted = $line =~ /$opt{only}/;

        out('    ...') if $wanted && $left;
        out($line) if $wanted;
        $left = !$wanted;
    }

    out('    ...') if $left;

} else {
    out(split /\n/, $body);
}


sub out {
    print ' ' x MARGIN, $_, "\n" for @_;
}


sub coloured {
    my ($text) = @_;

    return $text unless $opt{colour};

    my ($class) = $text =~ /\A\S+ (\d)/;
    my $colour = { 2 => 32, 4 => 33, 5 => 31 }->{$class // ''} // 0;

    return "\e[${colour}m$text\e[0m";
}


# as many parts on each line as it has room for

sub filled {
    my ($width, @parts) = @_;
    my @lines = (shift @parts);

    for my $part (@parts) {
        if (length("$lines[-1] $part") > $width) {
            push @lines, $part;

        } else {
            $lines[-1] .= " $part";
        }
    }

    return @lines;
}


# members keep their order; what fits on one line stays there

sub json {
    my ($text) = @_;

    my @tokens = $text =~ /($scalar|[{}\[\],:])/g;

    return laid_out(WIDTH, '', value(\@tokens));
}


sub value {
    my ($tokens) = @_;

    my $open = shift @$tokens;

    return $open // '' unless defined $open && $open =~ /\A[{\[]/;

    my @members;

    while (@$tokens && $tokens->[0] !~ /\A[}\]]\z/) {
        my $name = '';

        if (@$tokens > 1 && $tokens->[1] eq ':') {
            $name = shift(@$tokens) . ': ';
            shift @$tokens;
        }

        push @members, [$name, value($tokens)];
        shift @$tokens if @$tokens && $tokens->[0] eq ',';
    }

    return { open => $open, close => shift(@$tokens) // '',
             members => \@members };
}


sub on_one_line {
    my ($value) = @_;

    return $value unless ref $value;

    return $value->{open}
           . join(', ', map { $_->[0] . on_one_line($_->[1]) }
                        @{$value->{members}})
           . $value->{close};
}


sub laid_out {
    my ($width, $name, $value) = @_;

    my $line = $name . on_one_line($value);

    return $line if length $line < $width || !ref $value;

    my @members = @{$value->{members}};
    my @lines;

    # many figures fill lines, anything else has lines of its own

    if (@members > 4 && !grep { ref $_->[1] || $_->[1] =~ /"/ } @members) {
        my @parts = map { "$_->[0]$_->[1]," } @members;

        $parts[-1] =~ s/,\z//;
        @lines = filled($width - 2, @parts);

    } else {
        for my $member (@members) {
            push @lines, laid_out($width - 2, @$member);
            $lines[-1] .= ',' if $member != $members[-1];
        }
    }

    return ($name . $value->{open}, (map { "  $_" } @lines), $value->{close});
}
