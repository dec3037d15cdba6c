# Names in the code and in the documentation are the same: directives with their
# contexts, defaults and parameters, variables, results, and figures.  At the
# end each comparison has to find a fault that is planted in one of the files.
#
#     prove .ci/docs/names.t

use strict;
use warnings;

use FindBin ();
use lib $FindBin::RealBin, 't/lib';
use Code qw(code);
use Encode qw(decode);
use Files;
use Test::More;

my $prefix = 'ngx_http_auth_api_token';

my %letter = (m => 'http', s => 'server', l => 'location');

# "error=" of one directive decides about these

my %more = (require => { status => '401', challenge => 'invalid_token' });

my %unit = (ms => 1, s => 1000, m => 60_000, h => 3_600_000, d => 86_400_000);

# the text of each file, without the comments of C

my %files = map { ($_, text_of($_)) }
            ('README.md', glob('docs/*.md'), glob('src/*.c src/*/*.[ch]'),
             grep { -f } glob('conf-examples/* conf-examples/*/*'));

is(join('', map { "$_\n" } complaints(%files)), '',
   'the documentation has the names of the code');

plant_all();

done_testing();


sub complaints {
    my (%tree) = @_;

    my $code = code(\%tree);

    return (@{$code->{missed}},
            directives(\%tree, $code),
            readme(\%tree, $code),
            variables(\%tree, $code),
            results(\%tree, $code),
            figures(\%tree, $code),
            mentions(\%tree, $code));
}


sub directives {
    my ($tree, $code) = @_;

    my ($file, %section) = ('docs/directives.md',
                            sections($tree, 'docs/directives.md'));

    delete @section{grep { !/^auth_api_token/ } keys %section};

    my @complaints = both("$file: heading", $code->{directives}, \%section);

    for my $name (grep { $section{$_} } sort keys %{$code->{directives}}) {
        my $directive = $code->{directives}{$name};
        my $at = "$file, $name";
        my ($syntax, $default, $context) = $section{$name} =~
            /^\*\*Syntax:\*\* (.*?)\\\n\*\*Default:\*\* (.*?)\\\n
             \*\*Context:\*\* (.*?)\n\n/msx;

        if (!defined $context) {
            push @complaints, "$at: no lines Syntax, Default and Context";
            next;
        }

        s/`//g for $syntax, $default, $context;
        $syntax =~ s/\s+/ /g;

        push @complaints, "$at: Context is $context, in the code it is"
                          . " $directive->{context}"
            if plain($context) ne $directive->{context};

        my $want = $directive->{default} eq '' ? "\x{2013}"
                                     : "$name $directive->{default};";

        push @complaints, "$at: Default is not $want"
            if plain($default) ne $want;

        push @complaints, map { "$at: no \"$_\" in Syntax" }
                          grep { $syntax !~ /(?<![\w=])\Q$_\E(?![\w=])/ }
                          @{$directive->{words}};

        my %bullet = $section{$name} =~ /^- `(\w+)=`(.*\n(?:  .*\n)*)/gm;
        my %written = map { ($_, 1) } $syntax =~ /(\w+)=/g;

        push @complaints, both("$at: item", $directive->{params}, \%bullet),
            both("$at: Syntax", $directive->{params}, \%written);

        for my $param (grep { $bullet{$_} } sort keys %{$directive->{params}}) {
            push @complaints,
                parameter("$at, $param=", $directive->{params}{$param},
                          $bullet{$param} =~ tr/`\n//dr =~ s/  +/ /gr,
                          $syntax =~ /\b$param=([^\];]*)/ ? $1 : '');
        }
    }

    return @complaints;
}


# an item's text is without backquotes and line ends

sub parameter {
    my ($at, $param, $text, $syntax) = @_;

    my @complaints;

    if ($param->{values}) {
        my @values = sort @{$param->{values}};
        my $said = join ' ', sort split / \| /, $syntax;

        push @complaints, "$at: Syntax has not the values @values"
            if $said ne "@values";
    }

    return @complaints if !defined $param->{default};

    my ($default) = $text =~ /default is (\S+?)[.,:]?(?:\s|\z)/;

    push @complaints, "$at: the default is not $param->{default}"
        if !defined $default || number($default) ne $param->{default};

    return @complaints if $param->{type} !~ /^(?:number|percent|time)\z/;

    my ($min, $max) = $text =~ /from (\S+) to (\S+?)[.,:]?(?:\s|\z)/;

    push @complaints, "$at: the range is not $param->{min} to $param->{max}"
        if !defined $max || number($min) ne $param->{min}
           || number($max) ne $param->{max};

    return @complaints;
}


# as the code has it: milliseconds, or a number without its unit

sub number {
    my ($value) = @_;

    return $1 * $unit{$2} if $value =~ /^(\d+)(ms|s|m|h|d)\z/;

    return $value =~ s/^(\d+)(?:%|r\/m)\z/$1/r;
}


sub readme {
    my ($tree, $code) = @_;

    my (%row, @complaints);

    for my $row (table($tree, 'README.md', 'Directives')) {
        my ($name, $link) = ($row->{directive} // '')
                            =~ /^\[(\w+)\]\((\S+)\)\z/ or next;

        $row{$name} = $row;
        push @complaints, "README.md, $name: links to $link"
            if $link ne "docs/directives.md#$name";
    }

    push @complaints, both('README.md: row of Directives',
                           $code->{directives}, \%row);

    for my $name (grep { $row{$_} } sort keys %{$code->{directives}}) {
        my $directive = $code->{directives}{$name};
        my $at = "README.md, $name";

        my $context = join ', ', map { $letter{$_} // $_ }
                      split /,? /, $row{$name}{context} =~ tr/`//dr;

        push @complaints, "$at: context is $context, in the code it is"
                          . " $directive->{context}"
            if $context ne $directive->{context};

        push @complaints, "$at: the default is not \"$directive->{default}\""
            if plain($row{$name}{default} =~ s/\x{2013}//r)
               ne $directive->{default};

        my %written = $row{$name}{parameters} =~ /(\w+)=([^`\]]*)/g;

        push @complaints, both("$at: parameter", $directive->{params},
                               \%written);

        for my $param (sort keys %{$directive->{params}}) {
            my $value = $directive->{params}{$param}{default};
            my $values = $directive->{params}{$param}{values};
            my $said = $written{$param} // '';

            push @complaints, "$at, $param=: is not $value"
                if defined $value && !$values && number($said) ne $value;
            push @complaints, "$at, $param=: is not one of @$values"
                if $values && join(' ', sort split /\|/, $said)
                              ne join(' ', sort @$values);
        }
    }

    return @complaints;
}


sub variables {
    my ($tree, $code) = @_;

    my %section = sections($tree, 'docs/variables.md');
    my %heading = map { ($_ =~ s/^\$//r, $section{$_}) } grep { /^\$/ }
                  keys %section;
    my $statuses = $heading{auth_api_token_cache_status} // '';
    my %status = map { ($_, 1) } $statuses =~ /^- `(\S+)`/gm;

    return (both('docs/variables.md: heading', $code->{variables}, \%heading),
            both('docs/variables.md: item of cache_status', $code->{statuses},
                 \%status));
}


sub results {
    my ($tree, $code) = @_;

    my (%row, @complaints);

    for my $row (table($tree, 'README.md', 'Decisions')) {
        $row{$_} = $row for ($row->{result} // '') =~ /`(\w+)`/g;
    }

    push @complaints, both('README.md: row of Decisions', $code->{results},
                           \%row);

    for my $name (grep { $row{$_} } sort keys %{$code->{results}}) {
        my $result = $code->{results}{$name};
        my $also = $more{$name} // {};

        # "pass" has a status in the table that nothing uses

        my $status = join ' ', sort grep { $_ ne '' } $result->{status},
                                                      $also->{status} // ();
        my $error = join ' ', sort grep { defined && $_ ne '' }
                              $result->{error}, $also->{challenge};

        push @complaints, "README.md, $name: the status is not \"$status\""
            if join(' ', sort(($row{$name}{status} // '') =~ /\d+/g))
               ne $status;

        push @complaints, "README.md, $name: the challenge is not \"$error\""
            if join(' ', sort(($row{$name}{challenge} // '')
                              =~ /(?:invalid|insufficient)_\w+/g)) ne $error;
    }

    my $cures = file($tree, 'docs/troubleshooting.md');

    return (@complaints,
            $cures eq '' ? 'docs/troubleshooting.md is not there'
            : map { "docs/troubleshooting.md: no `$_`" }
              grep { $_ ne 'pass' && $cures !~ /`\Q$_\E`/ }
              sort keys %{$code->{results}});
}


sub figures {
    my ($tree, $code) = @_;

    my $file = 'docs/operating.md';
    my %figure;

    for my $row (table($tree, $file, 'Figures')) {
        $figure{$_} = 1 for $row->{''} =~ /`(\w+(?:\{[^`]*\})?)`/g;
    }

    my %section = sections($tree, $file);
    my $text = $section{Figures} // '';

    return (both("$file: row of Figures", $code->{figures}, \%figure),
            map { "$file: no `$_`, the name in JSON" }
            grep { $text !~ /`\Q$_\E`/ } sort keys %{$code->{json}});
}


# names anywhere in the documentation and the examples; one that ends with "_"
# stands for several, as all of them do without it in "$auth_api_token"

sub mentions {
    my ($tree, $code) = @_;

    my %figure = map { (s/\{.*//r, 1) } keys %{$code->{figures}};
    my %known = (%{$code->{directives}}, %{$code->{variables}},
                 auth_api_token => 1);
    my @complaints;

    for my $file (grep { !m{^src/} } sort keys %$tree) {
        my $text = $tree->{$file};

        while ($text =~ /(?<![\w-])(\$?\{?)(nginx_)?(auth_api_token(\w*))/g) {
            my ($variable, $figure, $name, $rest) = ($1 ne '', $2, $3, $4);

            next if $rest =~ /_\z/ || $name eq 'auth_api_token';

            push @complaints, "$file: no $name in the code"
                if $figure ? !$figure{$rest =~ s/^_|_(?:bucket|count|sum)\z//gr}
                   : $variable ? !$code->{variables}{$name}
                   : !$known{$name};
        }

        push @complaints, map { "$file: no figure $_ in the code" }
                          grep { !$figure{$_} && $_ ne 'timestamp_seconds'
                                 && $_ !~ /^auth_api_token/ }
                          $text =~ /`(?!nginx_)(\w+_(?:total|seconds|bytes|queued))\b/g;
    }

    return @complaints;
}


sub both {
    my ($what, $code, $docs) = @_;

    return ((map { "$what: none for $_" } grep { !exists $docs->{$_} }
             sort keys %$code),
            (map { "$what: $_ is not in the code" }
             grep { !exists $code->{$_} } sort keys %$docs));
}


# texts by their headings of the second level, without blocks of code

sub sections {
    my ($tree, $file) = @_;

    my $text = file($tree, $file) =~ s/^\s*```.*?^\s*```\s*?$//gmsr;

    return $text =~ /^\#\#\ (.*?)\ *\n(.*?)(?=^\#\#\ |\z)/gmsx;
}


# the rows of the first table below a heading, each by the names of columns; the
# first column also by no name

sub table {
    my ($tree, $file, $heading) = @_;

    my %section = sections($tree, $file);
    my ($head, $rows) = ($section{$heading} // '')
        =~ /^(\|.*\|)\n\|[ -:|]+\|\n((?:\|.*\|\n)+)/m or return;

    my @names = cells($head);

    return map { my %row; @row{@names} = cells($_); $row{''} = (cells($_))[0];
                 \%row } split /\n/, $rows;
}


sub cells {
    my ($row) = @_;

    my @cells = split /(?<!\\)\|/, $row, -1;

    return map { s/^\s+|\s+$//gr =~ s/\\\|/|/gr } @cells[1 .. $#cells - 1];
}


sub plain {
    my ($text) = @_;

    return $text =~ s/`|^\s+|\s+$//gr;
}


sub file {
    my ($tree, $name) = @_;

    return $tree->{$name} // '';
}


sub text_of {
    my ($name) = @_;

    my $text = decode('UTF-8', slurp($name));

    return $name =~ m{\Asrc/} ? $text =~ s{/\*.*?\*/}{}gsr : $text;
}


sub plant {
    my ($name, $file, $change, $complaint) = @_;

    local $_ = file(\%files, $file);

    my $found = $change->() && grep { $_ =~ $complaint }
                               complaints(%files, $file => $_);

    ok($found, "found: $name");
}


sub plant_all {
    my $module = "src/${prefix}_module.c";
    my $setters = "src/conf/${prefix}_directives.c";
    my $refusal = "src/check/${prefix}_refusal.c";
    my $metrics = "src/operate/${prefix}_metrics.c";
    my $docs = 'docs/directives.md';

    # directives

    plant('a directive in the code', $module,
          sub { s/"auth_api_token_purge"/"auth_api_token_drop"/ },
          qr/directives\.md: heading: none for auth_api_token_drop/);
    plant('the same in README.md', $module,
          sub { s/"auth_api_token_purge"/"auth_api_token_drop"/ },
          qr/README\.md: row of Directives: none for auth_api_token_drop/);
    plant('a directive in the reference', $docs,
          sub { s/^## auth_api_token_cache$/## auth_api_token_cash/m },
          qr/heading: auth_api_token_cash is not in the code/);
    plant('a directive in README.md', 'README.md',
          sub { s/auth_api_token_cache\b/auth_api_token_cash/g },
          qr/row of Directives: auth_api_token_cash is not in the code/);
    plant('a link', 'README.md',
          sub { s/(#auth_api_token)_module\b/$1/ },
          qr/README\.md, auth_api_token_module: links to/);
    plant('a context in the code', $module,
          sub { s/NGX_HTTP_SRV_CONF\|// },
          qr/directives\.md, auth_api_token: Context is/);
    plant('another kind of context in the code', $module,
          sub { s/NGX_HTTP_SRV_CONF\|/NGX_HTTP_LIF_CONF|/ },
          qr/auth_api_token: Context is .* NGX_HTTP_LIF/);
    plant('a context in the reference', $docs,
          sub { s/, `limit_except`// },
          qr/directives\.md, auth_api_token: Context is/);
    plant('a context in README.md', 'README.md',
          sub { s/, `limit_except`// },
          qr/README\.md, auth_api_token: context is/);
    plant('a default in the code', "src/conf/${prefix}_conf.c",
          sub { s/(prev->problem, )1/${1}0/ },
          qr/_problem: Default is not auth_api_token_problem off/);
    plant('a default in the reference', $docs,
          sub { s/(Default:\*\* `auth_api_token_phase )access/$1preaccess/ },
          qr/auth_api_token_phase: Default is not auth_api_token_phase access/);
    plant('a default that is none', $docs,
          sub { s/(Default:\*\*) `auth_api_token_cache off;`/$1 \x{2013}/ },
          qr/auth_api_token_cache: Default is not auth_api_token_cache off/);
    plant('a default in README.md', 'README.md',
          sub { s/(#auth_api_token_phase.*)\| `access` \|/$1| `preaccess` |/ },
          qr/README\.md, auth_api_token_phase: the default is not "access"/);
    plant('a word', "src/operate/${prefix}_status.c",
          sub { s/"prometheus"\)/"openmetrics")/ },
          qr/auth_api_token_status: no "openmetrics" in Syntax/);

    # parameters

    plant('a parameter in the code', $setters,
          sub { s/"stale="/"old="/ },
          qr/auth_api_token_cache: item: none for old/);
    plant('the same in Syntax', $setters,
          sub { s/"stale="/"old="/ },
          qr/auth_api_token_cache: Syntax: none for old/);
    plant('the same in README.md', $setters,
          sub { s/"stale="/"old="/ },
          qr/README.md, auth_api_token_cache: parameter: none for old/);
    plant('a parameter that is no row of a table', $setters,
          sub { s/"error=40/"status=40/g },
          qr/auth_api_token_require: item: none for status/);
    plant('an item', $docs,
          sub { s/^- `stale=`/- `old=`/m },
          qr/auth_api_token_cache: item: old is not in the code/);
    plant('a parameter in Syntax', $docs,
          sub { s/^(\*\*Syntax:.*)timeout=|\[timeout=/[time=/m },
          qr/auth_api_token_request: Syntax: time is not in the code/);
    plant('a parameter in README.md', 'README.md',
          sub { s/\[burst=/[bursts=/ },
          qr/auth_api_token_denied_limit: parameter: bursts is not in the/);
    plant('a value in the code', $setters,
          sub { s/"opaque"/"other"/ },
          qr/directives\.md.* format=: Syntax has not the values idt other/);
    plant('a value in README.md', 'README.md',
          sub { s/idt\\\|opaque/idt/ },
          qr/README\.md.* format=: is not one of/);
    plant('a default number', $setters,
          sub { s/(_TIMEOUT +)10000/${1}5000/ },
          qr/directives\.md.* timeout=: the default is not 5000/);
    plant('a default value', $setters,
          sub { s/(cache->refresh = )1/${1}0/ },
          qr/refresh=: the default is not off/);
    plant('a default in an item', $docs,
          sub { s/The default is `30r\/m`/The default is `60r\/m`/ },
          qr/rate=: the default is not 30/);
    plant('a default number in README.md', 'README.md',
          sub { s/\[lookups=64\]/[lookups=32]/ },
          qr/README\.md.* lookups=: is not 64/);
    plant('a range', $docs,
          sub { s/from `10ms` to\s+`1d`/from `10ms` to `2d`/ },
          qr/valid=: the range is not 10 to 86400000/);

    # variables

    plant('a variable in the code', $module,
          sub { s/"auth_api_token_age"/"auth_api_token_old"/ },
          qr/variables\.md: heading: none for auth_api_token_old/);
    plant('a variable in the reference', 'docs/variables.md',
          sub { s/^## \$auth_api_token_age$/## \$auth_api_token_old/m },
          qr/heading: auth_api_token_old is not in the code/);
    plant('a cache status in the code', "src/check/${prefix}_variables.c",
          sub { s/"STALE"/"OLD"/ },
          qr/item of cache_status: none for OLD/);
    plant('a cache status in the reference', 'docs/variables.md',
          sub { s/^- `STALE`/- `OLD`/m },
          qr/item of cache_status: OLD is not in the code/);

    # results

    plant('a result in the code', $refusal,
          sub { s/"limited"/"slow"/ },
          qr/README\.md: row of Decisions: none for slow/);
    plant('the same in Troubleshooting', $refusal,
          sub { s/"limited"/"slow"/ },
          qr/troubleshooting\.md: no `slow`/);
    plant('a result in README.md', 'README.md',
          sub { s/^\| `limited`/| `slow`/m },
          qr/row of Decisions: slow is not in the code/);
    plant('a result in Troubleshooting', 'docs/troubleshooting.md',
          sub { s/`unreadable`//g },
          qr/troubleshooting\.md: no `unreadable`/);
    plant('a status in the code', $refusal,
          sub { s/("busy"\), NGX_HTTP_)\w+/$1TOO_MANY_REQUESTS/ },
          qr/README\.md, busy: the status is not "429"/);
    plant('a status in README.md', 'README.md',
          sub { s/^(\| `require` \|) 403 or 401/$1 403/m },
          qr/README\.md, require: the status is not "401 403"/);
    plant('a challenge', 'README.md',
          sub { s/^(\| `unreadable` \| 403 \|) \S+/$1 `insufficient_scope`/m },
          qr/README\.md, unreadable: the challenge is not ""/);

    # figures

    plant('a figure in the code', $metrics,
          sub { s/"evictions_total"/"evicted_total"/ },
          qr/row of Figures: none for evicted_total\{kind\}/);
    plant('a label in the code', $metrics,
          sub { s/,dry_run=/,trial=/ },
          qr/row of Figures: none for requests_total\{result,trial="on"\}/);
    plant('a figure in the reference', 'docs/operating.md',
          sub { s/^\| `zone_resets_total`/| `resets_total`/m },
          qr/row of Figures: resets_total is not in the code/);
    plant('a name in JSON', $metrics,
          sub { s/"requests_dry_run"/"requests_trial"/ },
          qr/no `requests_trial`, the name in JSON/);
    plant('a figure of no table', "src/operate/${prefix}_prometheus.c",
          sub { s/"build_info"/"versions"/g },
          qr/row of Figures: none for versions\{version,nginx\}/);

    # names in texts and examples

    plant('a directive in an example', 'conf-examples/nginx.conf',
          sub { s/auth_api_token_purge\b/auth_api_token_drop/ },
          qr/nginx\.conf: no auth_api_token_drop in the code/);
    plant('a variable in a text', 'docs/troubleshooting.md',
          sub { s/\$auth_api_token_result/\$auth_api_token_module/ },
          qr/troubleshooting\.md: no auth_api_token_module in the code/);
    plant('a figure in a text', 'docs/troubleshooting.md',
          sub { s/`zone_resets_total`/`zone_reset_total`/ },
          qr/troubleshooting\.md: no figure zone_reset_total in the code/);
    plant('a figure in an example', 'conf-examples/prometheus/alerts.yml',
          sub { s/(nginx_auth_api_token_lookups)_/${1}s_/ },
          qr/alerts\.yml: no auth_api_token_lookupss_/);

    # what cannot be read is told, be it all of a table or a row

    plant('a table of another form', $module,
          sub { s/ngx_string\("auth_api_token/NGX_STRING("auth_api_token/g },
          qr/directives and variables: 0 were read/);
    plant('a row of another form', $module,
          sub { s/(\("auth_api_token_age"\), )NULL/${1}set/ },
          qr/directives and variables: \d+ were read of/);
    plant('a setter that is not found', $setters,
          sub { s/^(ngx_http_auth_api_token_set_cache)\(/$1 (/m },
          qr/auth_api_token_cache: \w+_set_cache\(\) not found/);
    plant('a parameter of another form', $setters,
          sub { s/(\("valid="\)),\s+\w+/$1, &read/ },
          qr/parameters: \d+ were read of/);
    plant('a result of another form', $refusal,
          sub { s/(\("busy"\), )NGX_HTTP/$1HTTP/ },
          qr/results: \d+ were read of/);
    plant('a figure of another form', $metrics,
          sub { s/"lookups_limit", "lookups_limit"/LIMIT, LIMIT/ },
          qr/figures: \d+ were read of/);
    plant('a cache status of another form', "src/check/${prefix}_variables.c",
          sub { s/ngx_string\("WAIT"\)/WAIT/ },
          qr/cache statuses: \d+ were read of/);
}
