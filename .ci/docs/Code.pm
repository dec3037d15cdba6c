package Code;

# The names in the code that operators meet: directives with their contexts,
# defaults and parameters, variables, results and figures.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(code);

my $prefix = 'ngx_http_auth_api_token';

my %context = (MAIN => 'http', SRV => 'server', LOC => 'location',
               LMT => 'limit_except');

# what an NGX_HTTP_... of the table of refusals is to a client

my %status = (BAD_REQUEST => 400, UNAUTHORIZED => 401, FORBIDDEN => 403,
              TOO_MANY_REQUESTS => 429, SERVICE_UNAVAILABLE => 503);


# what the code has; "missed" tells what could not be read

sub code {
    my ($tree) = @_;

    my $all = join "\n", map { $tree->{$_} } grep { m{^src/} } sort keys %$tree;
    my $module = $tree->{"src/${prefix}_module.c"} // '';
    my $refusal = $tree->{"src/check/${prefix}_refusal.c"} // '';
    my $metrics = $tree->{"src/operate/${prefix}_metrics.c"} // '';
    my %code = (missed => []);

    # { ngx_string("name"), flags, setter, level, offsetof(..., member), post }

    while ($module =~ /\{ \s* ngx_string\("(auth_api_token\w*)"\), \s*
                       ((?:NGX_\w+ [\s|]*)+), \s* (\w+), \s* \w+, \s*
                       (?: offsetof\(\w+, \s* (\w+) [^)]* \) | 0 ), /gx)
    {
        $code{directives}{$1} = directive($2, $3, $4);
    }

    # { ngx_string("name"), NULL, handler, ...

    $code{variables}{$1} = 1
        while $module =~ /\{\s*ngx_string\("(auth_api_token\w*)"\),\s*NULL,/g;

    # { ngx_string("name"), status, level, error or NULL, ...

    while ($refusal =~ /\{ \s* ngx_string\("(\w+)"\), \s* NGX_HTTP_(\w+), \s*
                        NGX_LOG_\w+, \s* (?: "(\w+)" | NULL ), /gx)
    {
        $code{results}{$1} = { status => $status{$2} // '', error => $3 };
    }

    # { "JSON", "Prometheus", "type", ..., label or NULL, ..., more, flags }

    while ($metrics =~ /\{ \s* "(\w+)", \s* "(\w+)", \s*
                        "(?:counter|gauge|histogram)", [^{}]*?
                        (?: "(\w+)", \s* \w+ | NULL, \s* NULL ), \s*
                        \w+, \s* "((?:[^"\\]|\\.)*)", [^{}]* \}/gx)
    {
        my ($json, $name, $label, $more) = ($1, $2, $3 // '', $4);
        my $labels = $label . $more =~ tr/\\//dr;

        $code{figures}{$labels eq '' ? $name : "$name\{$labels}"} = 1;
        $code{json}{$json} = 1 if $json ne $name =~ s/_total\z//r;
    }

    # METRIC "name{label=\"%s\",..."

    my $joined = $all =~ s/"\s*"//gr;

    while ($joined =~ /_METRIC\s*"(\w+)\{(\w+=\\"%s[^}]*)\}/g) {
        my ($name, $labels) = ($1, $2);

        $code{figures}{"$name\{" . join(',', $labels =~ /(\w+)=/g) . '}'} = 1;
    }

    # names[] = { ngx_string("NAME"), ...

    my ($names) = $all =~ /^${prefix}_cache_status_variable\([^{]*\{[^}]*
                           \bnames\[\]\ =\ \{(.*?)\};/msx;

    $code{statuses}{$_} = 1
        for ($names // '') =~ /ngx_string\("([A-Z]+|-)"\)/g;

    parameters(\%code, $all);

    # each once more, counted in a simpler way

    my ($reasons) = $all =~ /enum\s*\{([^}]*)\}\s*${prefix}_reason_e;/;

    counted(\%code, 'directives and variables',
            keys(%{$code{directives}}) + keys(%{$code{variables}}),
            $module =~ /ngx_string\("auth_api_token/g);
    counted(\%code, 'parameters', scalar(@{$code{rows}}),
            $all =~ /ngx_string\("\w+="\)/g);
    counted(\%code, 'results', scalar(keys %{$code{results}}),
            grep { !/_(?:UNDECIDED|REASONS)\z/ }
            ($reasons // '') =~ /\w+_[A-Z]+/g);
    counted(\%code, 'figures', keys(%{$code{figures}}) - 1,
            $metrics =~ /"(?:counter|gauge|histogram)"/g);
    counted(\%code, 'cache statuses', scalar(keys %{$code{statuses}}),
            split /,/, $names // '');

    return \%code;
}


sub directive {
    my ($flags, $setter, $member) = @_;

    my %directive = (setter => $setter, member => $member // '',
                     flag => scalar $flags =~ /NGX_CONF_FLAG/, params => {});

    $directive{context} = join ', ', map { $context{$_} // "NGX_HTTP_$_" }
                          $flags =~ /NGX_HTTP_(\w+?)_CONF\b/g;

    return \%directive;
}


# what the setters of directives take, and what holds without them

sub parameters {
    my ($code, $all) = @_;

    my %setter = $all =~ /^(\w+)\(ngx_conf_t\ \*cf,\ ngx_command_t\ \*cmd,\s*
                          void\ \*conf\)\n\{(.*?)^\}/gmsx;
    my %table = $all =~ /^(?:static\ )?${prefix}_param_t\s+(\w+)\[\]\s*=\s*\{
                         (.*?)^\};/gmsx;
    my %enum = $all =~ /^static\ ngx_conf_enum_t\s+(\w+)\[\]\s*=\s*\{
                        (.*?)^\};/gmsx;
    my %macro = $all =~ /^\#define\ (NGX_\w+)[ ]+(\d+)\s*$/gmx;
    my %on = $all =~ /_merge_(?:value|switch)\(&?conf->(?:\w+),
                      \s*&?prev->(\w+),\s*(\d)\);/gx;

    $code->{rows} = [];

    for my $name (keys %{$code->{directives}}) {
        my $directive = $code->{directives}{$name};
        my $setter = $setter{$directive->{setter}} // '';

        push @{$code->{missed}}, "$name: $directive->{setter}() not found"
            if $setter eq '' && !$directive->{flag};

        $directive->{words} = [ $setter =~ /ngx_strcmp\(value\[1\]\.data,
                                            \s*"(\w+)"\)/gx ];
        $directive->{words} = [ qw(on off) ] if $directive->{flag};

        my ($first) = $setter =~ /"(\w+)"\)\ ==\ 0\)\s*\{\s*\*\w+\ =\ 0;/x;

        $directive->{default} =
            exists $on{$directive->{member}}
                ? ($on{$directive->{member}} ? 'on' : 'off')
            : $setter =~ /return ${prefix}_off\(cf, cmd\);/ ? 'off'
            : $first // '';

        for my $text ($setter =~ /ngx_strcmp\(value\[i\]\.data,\s*"(\w+=\w+)"/g)
        {
            my ($param, $value) = split /=/, $text;

            push @{$directive->{params}{$param}{values}}, $value;
        }

        my ($table) = $setter =~ /_read_params\(cf,\s*cmd,\s*(\w+),/;
        my $rows = $table{$table // ''} // '';

        # { ngx_string("name="), reader, offsetof(..., member), min, max, enum

        while ($rows =~
               /\{ \s* ngx_string\("(\w+)="\), \s* \w+_param_(\w+), \s*
                (?: offsetof\(\w+, \s* (\w+)\) | 0 ), \s*
                (\w+), \s* (\w+), \s* (\w+), /gx)
        {
            my ($param, $type, $member) = ($1, $2, $3 // '');
            my %param = (type => $type, min => $macro{$4} // $4,
                         max => $macro{$5} // $5);
            my %values = ($enum{$6} // '')
                         =~ /ngx_string\("(\w+)"\),\s*(\d+)/g;

            $param{values} = [ keys %values ] if %values;

            my ($value) = $setter =~ /->\Q$member\E\s=\s([^;=]+);/;

            $value //= 0;
            $value =~ s/(NGX_\w+)/$macro{$1} \/\/ $1/ge;
            $value = eval $value if $value =~ m{^[\d */]+\z};

            $param{default} = $type eq 'rate' ? $value * 60 / 1000
                : %values ? { reverse %values }->{$value}
                : $value;

            delete $param{default}
                if $type !~ /^(?:number|percent|time|rate|enum)\z/;

            $directive->{params}{$param} = \%param;
            push @{$code->{rows}}, $param;
        }
    }
}


sub counted {
    my ($code, $what, $n, @crude) = @_;

    push @{$code->{missed}}, "$what: $n were read of " . @crude . ' in the code'
        if $n != @crude || $n == 0;
}


1;
