# "nginx -t" takes each block of nginx.conf in README.md and docs/.  A block may
# be a part of a configuration: what it leaves out is added around it.
#
#     TEST_NGINX_LOAD_MODULES=MODULE.so prove .ci/docs/blocks.t

use strict;
use warnings;

use lib 't/lib';

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Files;
use Test::More;

my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $dir = tempdir(CLEANUP => 1);

# where a statement belongs; what is not named here belongs to a location

my %level;

@level{qw(daemon env error_log events http load_module pid user
          worker_processes worker_rlimit_nofile worker_shutdown_timeout)}
    = ('main') x 20;

@level{qw(auth_api_token_zone fastcgi_cache_path geo limit_conn_zone
          limit_req_zone log_format map proxy_cache_path resolver server
          split_clients upstream)}
    = ('http') x 20;

@level{qw(auth_api_token_request error_page listen location real_ip_header
          server_name set_real_ip_from ssl_certificate ssl_certificate_key)}
    = ('server') x 20;

prepare();

# what is wrong is found

like(nginx_t('auth_api_token_cach tokens;'),
     qr/unknown directive "auth_api_token_cach"/, 'a wrong name is found');
like(nginx_t('location / { auth_api_token_cache tokens valid=never; }'),
     qr/invalid value "never"|"valid=never"/, 'a wrong value is found');
like(nginx_t('http { server { location /a { } location /a { } } }'),
     qr/duplicate location "\/a"/, 'two locations are found');
like(nginx_t('include auth-api-token/market.conf;'),
     qr/open\(\).*market\.conf" failed/, 'a missing snippet is found');
like(nginx_t("auth_api_token api;\nlocation = /_tokens {\n internal;\n}"),
     qr/has no location "\/_token_api"/, 'what nginx warns of is found');
is(nginx_t('auth_api_token "api";'), '', 'what is right passes');

my @files = ('README.md', glob 'docs/*.md');
my $blocks = 0;

for my $file (@files) {
    for my $block (blocks_of($file)) {
        my ($line, $text) = @$block;

        is(nginx_t($text), '', "$file, line $line");
        $blocks++;
    }
}

cmp_ok($blocks, '>', 20, 'blocks');

# the file that the quick start has its readers copy is the one they read

my $quick = 'conf-examples/quick-start.conf';
my ($first) = blocks_of('README.md');

is(slurp($quick) =~ s/\A#[^\n]*\n\n//r, $first->[1], $quick);

done_testing();


sub blocks_of {
    my ($file) = @_;

    my @blocks;
    my ($text, $language);

    open my $in, '<', $file or die "$file: $!\n";

    while (<$in>) {
        if (defined $text && /^\s*```\s*$/) {
            push @blocks, [ $. - ($text =~ tr/\n//), $text ]
                if $language eq 'nginx' || $text =~ /^\s*auth_api_token.*;$/m;
            undef $text;

        } elsif (defined $text) {
            $text .= $_;

        } elsif (/^\s*```(\w*)\s*$/) {
            ($text, $language) = ('', $1);
        }
    }

    die "$file: a block has no end\n" if defined $text;

    return @blocks;
}


# the statements of a text: each one with its block, without comments

sub statements {
    my ($text) = @_;

    my @statements;
    my $statement = '';
    my $depth = 0;

    while ($text =~ /\G( \#[^\n]* | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*'
                         | (?: \$\{\w+\} | [^\s;{}"'#] )+ | \s+ | [;{}] )/gcxs)
    {
        my $part = $1;

        next if $part =~ /^#/ || ($part =~ /^\s/ && $statement eq '');

        $statement .= $part;
        $depth++ if $part eq '{';
        $depth-- if $part eq '}';

        if ($depth == 0 && $part =~ /^[;}]/) {
            push @statements, $statement;
            $statement = '';
        }
    }

    push @statements, $statement if $statement =~ /\S/;

    return @statements;
}


# a whole configuration around a block

sub whole {
    my ($text) = @_;

    my %at = map { ($_, '') } qw(main http server location);

    for my $statement (statements($text)) {
        my ($name) = $statement =~ /^(\w+)/;

        $at{$level{$name // ''} // 'location'} .= "$statement\n";
    }

    my $has = sub { $text =~ /^\s*$_[0]/m };

    $at{main} .= "load_module modules/ngx_http_auth_api_token_module.so;\n"
        if $ENV{TEST_NGINX_LOAD_MODULES} && !$has->('load_module .*auth_api');
    $at{main} .= "events { }\n" if !$has->('events');

    return $at{main} if $has->('http \{');

    for my $name ($text =~ m{_pass \s+ (?:\w+://)? ([a-z_]+) [/;]}gx) {
        $at{http} .= "upstream $name { server 127.0.0.1:9; }\n"
            if $at{http} !~ /^upstream $name /m;
    }

    $at{http} .= "auth_api_token_zone zone=tokens:1m;\n"
        if !$has->('auth_api_token_zone');
    $at{http} .= "ssl_certificate any.pem;\nssl_certificate_key any.pem;\n"
        if !$has->('ssl_certificate|include snippets/snakeoil');

    if ("$at{server}$at{location}" ne '') {
        $at{server} .= "auth_api_token_request /_token_api;\n"
            if $at{server} !~ /^auth_api_token_request/m
               && $at{location} !~ /^auth_api_token_request/m;
        $at{server} .= "auth_api_token_cache tokens;\n"
            if "$at{server}$at{location}" !~ /^auth_api_token_cache/m;
        $at{server} .= 'location = /_token_api { internal;'
                       . " proxy_pass http://127.0.0.1:9; }\n"
            if !$has->('location = /_token_api') && !$has->('internal;');
        $at{server} .= "location /block/ {\n$at{location}}\n"
            if $at{location} ne '';
        $at{http} .= "server {\n$at{server}}\n";
    }

    return "$at{main}http {\n$at{http}}\n";
}


# what "nginx -t" says of a block, if it is not that all is well

sub nginx_t {
    my ($block) = @_;

    my $text = whole($block);

    # what ties it to a machine

    $text =~ s{/(?:run|var/log/nginx)/}{$dir/}g;
    $text =~ s{(ssl_\w*certificate(?:_key)?\s+)[^\s;\$]+}{$1$dir/any.pem}g;
    $text =~ s/(server\s+)[a-z][a-z0-9.-]*(:\d+[^;{]*;)/${1}127.0.0.1$2/g;

    for my $file ($text =~ m{^\s*include\s+([^\s;*]+);}mg) {
        put($file, '') if !-e "$dir/conf/$file"
                          && $file !~ m{^(?:/|auth-api-token/(?!service-))};
    }

    put('nginx.conf', $text);

    my $said = `$nginx -t -q -p $dir -e $dir/error.log -c conf/nginx.conf 2>&1`;

    return '' if $? == 0 && $said eq '';

    return "$said$text";
}


sub prepare {
    make_path("$dir/conf/snippets", "$dir/modules", "$dir/logs");

    for my $file (glob('/usr/lib/nginx/modules/*.so'),
                  $ENV{TEST_NGINX_LOAD_MODULES} || ())
    {
        my $link = "$dir/modules/" . basename($file);

        unlink $link;
        symlink abs_path($file), $link or die "$link: $!\n";
    }

    for my $file (glob 'conf-examples/auth-api-token/*') {
        put('auth-api-token/' . basename($file), slurp($file));
    }

    for my $file (glob '/etc/nginx/*_params') {
        symlink $file, "$dir/conf/" . basename($file);
    }

    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=any"
           . " -keyout $dir/key.pem -out $dir/crt.pem 2>$dir/openssl.log"
           . " && cat $dir/key.pem $dir/crt.pem >$dir/any.pem") == 0
        or die "no certificate: " . slurp("$dir/openssl.log");

    put('snippets/snakeoil.conf', "ssl_certificate $dir/any.pem;\n"
                                  . "ssl_certificate_key $dir/any.pem;\n");
    symlink "$dir/any.pem", "$dir/conf/any.pem" or die "any.pem: $!\n";
}


sub put {
    my ($name, $text) = @_;

    make_path(dirname("$dir/conf/$name"));

    spew("$dir/conf/$name", $text);
}
