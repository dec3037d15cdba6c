# docs/troubleshooting.md has each text that the module writes for operators,
# and no other.
#
#     prove .ci/docs/log.t
#
# A value that nginx puts into a text is "..." in both, as one character.

use strict;
use warnings;

use lib 't/lib';

use Encode qw(decode);
use Files;
use Test::More;

my $page = 'docs/troubleshooting.md';
my $any = "\x{2026}";

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);

# texts of nginx and of the system, which the page explains too

my @others = (
    'Connection refused',
    'Connection reset by peer',
    'Network is unreachable',
    'No route to host',
    "SSL_CTX_load_verify_locations(\"$any\") failed",
    'SSL_do_handshake() failed',
    "cannot load certificate \"$any\"",
    'client prematurely closed connection',
    'client sent duplicate header line',
    'client sent too long header line',
    'connect() failed (13: Permission denied)',
    'could not be resolved',
    "dlopen() \"$any\" failed",
    'exited on signal',
    'host not found in upstream',
    'limiting connections',
    'limiting requests',
    "malloc($any) failed",
    "module \"$any\" is already loaded",
    "module \"$any\" is not binary compatible",
    "module \"$any\" version $any instead of $any",
    'no live upstreams',
    'no resolver defined to resolve',
    "open() \"$any/auth-api-token/$any.conf\" failed",
    "shared memory zone \"$any\" was locked by $any",
    "the shared memory zone \"$any\" is already declared for a different use",
    'unknown directive',
    'upstream SSL certificate does not match',
    'upstream SSL certificate verify error',
    'upstream prematurely closed connection',
    'upstream sent no valid HTTP/1.0 header',
);

# what stands in the first column and is no text: it tells when to look there

my %words = map { $_ => 0 } qw(directio fcntl limit_req map);


sub text_of {
    my ($file) = @_;

    return decode('UTF-8', slurp($file));
}


# the strings of a piece of C, those beside each other as one; what a format has
# a value for is "..."

my $string = qr/"(?:[^"\\]|\\.)*"/s;

sub strings {
    my ($code) = @_;

    my @strings;

    while ($code =~ /($string(?:\s*$string)*)/g) {
        my $text = join '', $1 =~ /"((?:[^"\\]|\\.)*)"/gs;

        $text =~ s/\\(["\\])/$1/g;
        $text =~ s/%(?:\*s|[0-9]*[uxXm]*[VvsizOPTMrpdDAlLacfZN])/$any/g;
        $text =~ s/\A\s+|\s+\z//g;

        push @strings, $text if $text =~ /\w/;
    }

    return @strings;
}


# from a position in C to the end of the statement, or of the row

sub statement {
    my ($code, $end) = @_;

    return $1 if $code =~ /\A((?:$string|[^"$end])*)$end/;

    die "no end: " . substr($code, 0, 80) . "\n";
}


# what the code says, by kind: text => file

my (%said, %must);

my %code = map { ($_, text_of($_)) } glob 'src/*.c src/*/*.[ch]';

# macros that are strings; the version is a value like any other

my %macro = map { s/\\\n//gr =~ /^#define (\w+) +("[^\n]*)$/mg } values %code;

$macro{NGX_HTTP_AUTH_API_TOKEN_VERSION} = "\"$any\"";

for my $file (sort keys %code) {
    my $code = $code{$file};

    $code =~ s{($string)|/\*.*?\*/}{$1 // ' '}ges;
    $code =~ s/^#\s*include.*$//mg;
    $code =~ s/\b([A-Z_]+)\b/$macro{$1} \/\/ $1/ge for 1 .. 2;

    $said{$_} = $file for strings($code);

    my $add = sub {
        my ($kind, @texts) = @_;

        $must{$kind}{$_} //= $file for @texts;
    };

    while ($code =~ /\b(ngx_(?:conf_)?log_error)\((?=\s*\w)/g) {
        my @texts = strings(statement(substr($code, pos $code), ';'));

        die "$file: $1 without a text\n" unless @texts;
        $add->('log', shift @texts);
    }

    # "cause" is a member, and a parameter of a function that sets it

    while ($code =~ /\bcause = /g) {
        my $value = statement(substr($code, pos $code), ';');
        my @texts = strings($value);

        die "$file: cause = $value\n" unless @texts
                                             || $value =~ /\A(?:NULL|cause)\z/;
        $add->('cause', @texts);
    }

    my @setters = $code =~ /^(ngx_\w+)\([^)]*const char \*cause\)\n\{/mg;

    for my $setter (@setters) {
        while ($code =~ /\b$setter\(verdict,/g) {
            my $call = statement(substr($code, pos $code), ';');
            my @texts = strings($call);

            die "$file: $setter($call\n" unless @texts || $call =~ /NULL\)\z/;
            $add->('cause', @texts);
        }
    }

    # what else the line of a refusal may have

    while ($code =~ /ngx_slprintf\(p, cause \+ sizeof\(cause\),/g) {
        $add->('part', map { s/\A, //r } strings(statement(substr($code, pos $code), ';')));
    }

    $add->('setter', map { strings($_) } $code =~ /\breturn ($string);/g);

    # rows of the tables of refusals, and of what else has a problem body

    while ($code =~ /\{ ngx_string\(($string)\), NGX_HTTP_\w+, NGX_LOG/g) {
        $add->('result', strings($1));
        $add->('detail', (strings(statement(substr($code, pos $code), '}')))[-1]);
    }

    while ($code =~ /\{ NGX_HTTP_\w+,\s*ngx_string\(/g) {
        $add->('detail', strings(statement(substr($code, pos $code), '}')));
    }
}

# and what the status page says is wrong, in JavaScript

my $html = text_of('src/operate/status.html');

$html =~ s/'\s*\+\s*'//g;

for my $text ($html =~ /'(?:alarm|warn)',\s*'([^']+)'/g,
              $html =~ /'(The counters[^']+)'/g, $html =~ /missed\('([^']+)'/g)
{
    $must{page}{$text} = $said{$text} = 'src/operate/status.html';
}

# that they are found at all: the fewest there can be of each

my %least = (log => 15, cause => 20, part => 4, setter => 3, result => 20,
             detail => 20, page => 10);

for my $kind (sort keys %least) {
    my $n = keys %{$must{$kind} || {}};

    cmp_ok($n, '>=', $least{$kind}, "$kind: $n texts in the code");
}

# what the page says: the code in its tables, and the examples of whole lines

my ($blocks, %first) = '';

for my $line (split /\n/, text_of($page)) {
    $blocks .= "$1 " if $line =~ /\A {4}(\S.*)/;

    my ($cell) = $line =~ /\A\|(.*?)\|/ or next;

    $first{$_} = 1 for $cell =~ /`([^`]+)`/g;
}

$blocks =~ s/ \z//;

cmp_ok(scalar keys %first, '>=', 100, 'texts in the first columns of the page');
isnt($blocks, '', 'an example of a line in the page');

# each text of the code is in the page

for my $kind (sort keys %must) {
    for my $text (sort keys %{$must{$kind}}) {
        my $pattern = join '.*', map { quotemeta } split /$any/, $text, -1;

        $pattern .= '(?: \(status \d+\))?' if $kind eq 'cause';
        $pattern = "\\A$pattern\\z" if $kind ne 'part';

        ok((grep { /$pattern/ } keys %first, $blocks),
           "$page has the $kind \"$text\" of $must{$kind}{$text}");
    }
}

# each text in the page is one of the code, or a part of one

my @said = (sort(keys %said), @others);
my %used;

for my $text (sort keys %first) {
    if (exists $words{$text}) {
        $words{$text}++;
        next;
    }

    my $bare = $text =~ s/ \(status \d+\)\z//r;
    my @from = grep { index($_, $bare) >= 0 } @said;

    $used{$_}++ for @from;
    ok(scalar @from, "the code has \"$text\" of $page");
}

ok($used{$_}, "$page explains \"$_\"") for @others;
ok($words{$_}, "$page has \"$_\" in a first column") for sort keys %words;

done_testing();
