package Beside;

# Other modules in each nginx that a test starts.  Two variables of the
# environment name them, in the order in which they are loaded:
#
#     TEST_NGINX_BEFORE    before this module
#     TEST_NGINX_AFTER     after it
#
# The table below says how each is switched on for the whole server, where that
# leaves the answers as they are:
#
#     package     of Debian, without "libnginx-mod-"
#     files       what is loaded, besides those of "needs"
#     main, http, server, upstream    directives, one a line; one in "http" is
#                 left out where a block has the same directive
#     not_any     a directive that is left out where a block has "satisfy any",
#                 because with it whatever the directive allows passes
#     out         blocks that are left out, with the reason
#
# Body filters look for the member "lastAccessAt", which only the emulator
# sends: if they saw the answer to a lookup, they would spoil it.
#
# "core" is not a module: it stands for those that nginx always has.
#
# Where a module cannot be switched on for the whole server, a comment says why,
# and .ci/beside/*.t tests it.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Temp qw(tempdir);
use Files;

our $Own = $ENV{TEST_NGINX_NEIGHBOURS} || "$Top/build/neighbours";

my ($packages) = grep { -d } qw(/usr/lib/nginx/modules
                                /usr/share/nginx/modules);

$packages ||= 'modules';

my $files = tempdir(CLEANUP => 1);

# requests that a script in the lookup location makes are subrequests, which
# filters see

my %below = (
    'content.t' => [ '1 2 3', 'its filter sees what is asked below the lookup' ]
);

my $left = 'where the client left, nginx ends a post_action with its first '
           . 'subrequest';

my %modules = (

    # in the access phase of a location with "auth_pam"

    auth_pam => { package => 'http-auth-pam' },

    brotli_filter => {
        package => 'http-brotli-filter',
        http    => "brotli on;\nbrotli_types *;\nbrotli_min_length 1;"
    },

    brotli_static => {
        package => 'http-brotli-static',
        http    => 'brotli_static on;'
    },

    cache_purge => {
        package => 'http-cache-purge',
        http    => 'proxy_cache_purge PURGE from all;'
    },

    # What nginx always has.  Some cannot be on for the whole server:
    # auth_request allows what the tests expect to be refused; a post_action is
    # also run after itself, until nginx closes the connection; add_after_body
    # changes every body, and charset every type.  Filters that change bodies
    # take away their length, ETag and ranges, so they are on for JSON only,
    # which lookups are.

    core => {
        http => <<'END',
set_real_ip_from 192.0.2.1;
real_ip_header X-Beside;
limit_req_zone $binary_remote_addr zone=beside_req:1m rate=30000r/s;
limit_req zone=beside_req burst=30000 nodelay;
limit_conn_zone $binary_remote_addr zone=beside_conn:1m;
limit_conn beside_conn 10000;
deny 192.0.2.1;
gzip on;
gzip_types *;
gunzip on;
ssi on;
ssi_types application/json;
sub_filter_types application/json;
sub_filter '"lastAccessAt"' '}';
slice 1m;
autoindex on;
gzip_static on;
mirror /beside_mirror;
mirror_request_body off;
END
        server => 'location = /beside_mirror { internal; return 204; }',
        out    => {
            %below,
            'post_action.t' => [ '11', $left ],
            'preaccess.t'   => [ '7', 'nginx counts a request for "limit_req" '
                                      . 'once, where it came first' ]
        }
    },

    dav_ext => {
        package => 'http-dav-ext',
        http    => <<'END'
dav_ext_lock_zone zone=beside_dav:1m;
dav_ext_lock zone=beside_dav;
dav_ext_methods PROPFIND LOCK UNLOCK;
END
    },

    # answers in a location

    echo => { package => 'http-echo' },

    fancyindex => {
        package => 'http-fancyindex',
        http    => 'fancyindex on;'
    },

    geoip => {
        package => 'http-geoip',
        http    => <<'END'
geoip_country /usr/share/GeoIP/GeoIP.dat;
log_format beside_geoip $geoip_country_code;
access_log logs/geoip.log beside_geoip;
END
    },

    geoip2 => {
        package => 'http-geoip2',
        http    => <<"END"
geoip2 $files/none.mmdb { \$beside_geoip2 country iso_code; }
log_format beside_geoip2 \$beside_geoip2;
access_log logs/geoip2.log beside_geoip2;
END
    },

    headers_more => {
        package => 'http-headers-more-filter',
        files   => [ 'http_headers_more_filter' ],
        http    => <<'END'
more_set_headers 'X-Beside-More: $auth_api_token_id';
more_set_input_headers 'X-Beside-More: in';
END
    },

    # answers with an error where the body is not an image

    image_filter => { package => 'http-image-filter' },

    js => {
        package => 'http-js',
        http    => <<"END"
js_path $files;
js_import beside from beside.js;
js_set \$beside_js beside.log;
log_format beside_js \$beside_js;
access_log logs/js.log beside_js;
END
    },

    lua => {
        package => 'http-lua',
        needs   => [ 'ndk' ],
        http    => <<'END',
rewrite_by_lua_block { ngx.ctx.beside = ngx.var.uri; ngx.sleep(0.001) }
access_by_lua_block { ngx.ctx.beside = ngx.var.auth_api_token_result; ngx.sleep(0.001) }
header_filter_by_lua_block { ngx.header.x_beside_lua = ngx.var.auth_api_token_id }
body_filter_by_lua_block { if ngx.arg[1]:find('"lastAccessAt"', 1, true) then ngx.arg[1] = '}' end }
log_by_lua_block { ngx.ctx.beside = ngx.var.auth_api_token_id }
END
        not_any => 'access_by_lua_block',
        out     => {
            %below,
            'post_action.t' => [ '7 9 10', 'after its sleep a post_action has '
                                           . 'the status of its request' ]
        }
    },

    mail => {
        package => 'mail',
        files   => [ 'mail' ],
        main    => 'mail { auth_http 127.0.0.1:1; server { listen 127.0.0.1:$TEST_NGINX_BESIDE_PORT1; protocol pop3; } }'
    },

    # asks memcached, in a location

    memc => { package => 'http-memc' },

    modsecurity => {
        package => 'http-modsecurity',
        needs   => [ 'ndk' ],
        http    => <<'END',
modsecurity on;
modsecurity_rules 'SecRuleEngine On SecRequestBodyAccess On SecResponseBodyAccess On SecResponseBodyMimeType text/plain application/json
    SecRule RESPONSE_BODY "@contains lastAccessAt" "id:1,phase:4,deny,status:500"';
END
        out => {
            'body.t' => [ '4 5', 'it reads the body before the access phase' ]
        }
    },

    # answers in a location

    nchan => {
        package => 'nchan',
        files   => [ 'nchan' ],
        http    => 'nchan_shared_memory_size 2M;',
        out     => {
            'neighbours.t' => [ '17 18 19',
                                'its workers die after a reload that failed' ]
        }
    },

    ndk => { package => 'http-ndk', files => [ "$packages/ndk_http_module.so" ] },

    perl => {
        package => 'http-perl',
        http    => <<'END'
perl_set $beside_perl 'sub { $r = shift; $r->uri . $r->variable("auth_api_token_id") }';
log_format beside_perl $beside_perl;
access_log logs/perl.log beside_perl;
END
    },

    rtmp => {
        package => 'rtmp',
        files   => [ 'rtmp' ],
        main    => 'rtmp { server { listen 127.0.0.1:$TEST_NGINX_BESIDE_PORT2; application live { live on; } } }'
    },

    set_misc => {
        package => 'http-set-misc',
        needs   => [ 'ndk' ],
        server  => 'set_md5 $beside_misc $auth_api_token_claimed_id;'
    },

    srcache => {
        package => 'http-srcache-filter',
        files   => [ 'http_srcache_filter' ],
        needs   => [ 'ndk' ],
        http    => <<'END',
srcache_fetch GET /beside_srcache;
srcache_store PUT /beside_srcache;
END
        server  => 'location = /beside_srcache { internal; return 404; }',
        out     => { 'post_action.t' => [ '4 5 11', $left ] }
    },

    # no stream module sees an HTTP request

    stream => {
        package => 'stream',
        files   => [ 'stream' ],
        main    => 'stream { server { listen 127.0.0.1:$TEST_NGINX_BESIDE_PORT3; return beside; } }'
    },

    stream_geoip => {
        package => 'stream-geoip',
        files   => [ 'stream_geoip' ],
        needs   => [ 'stream' ]
    },

    stream_geoip2 => {
        package => 'stream-geoip2',
        files   => [ 'stream_geoip2' ],
        needs   => [ 'stream' ]
    },

    stream_js => {
        package => 'stream-js',
        files   => [ 'stream_js' ],
        needs   => [ 'stream' ]
    },

    subs_filter => {
        package => 'http-subs-filter',
        files   => [ 'http_subs_filter' ],
        http    => "subs_filter_types application/json;\n"
                   . q(subs_filter '"lastAccessAt"' '}';),
        out     => { %below }
    },

    # modules of our own, for t/neighbours.t and others

    test_content => { files => [ "$Own/ngx_http_test_content_module.so" ] },
    test_filter  => { files => [ "$Own/ngx_http_test_filter_module.so" ] },

    test_top_filter => {
        files => [ "$Own/top/ngx_http_test_filter_module.so" ]
    },

    # in a location with "track_uploads"

    uploadprogress => {
        package => 'http-uploadprogress',
        http    => 'upload_progress beside 1m;'
    },

    upstream_fair => {
        package  => 'http-upstream-fair',
        upstream => 'fair;'
    },

    # answers with an error where the body is not XML

    xslt_filter => { package => 'http-xslt-filter' }
);

my @before = split ' ', $ENV{TEST_NGINX_BEFORE} || '';
my @after = split ' ', $ENV{TEST_NGINX_AFTER} || '';

if (@before || @after) {
    $ENV{"TEST_NGINX_BESIDE_PORT$_"} = $ENV{TEST_NGINX_PORT} + 20 + $_
        for 1 .. 3;

    # listening and sleeping take connections too, and 64 are the default

    Test::Nginx::Util::worker_connections(512);

    write_files();
}


sub modules {
    return \%modules;
}


# the modules of a block come between those that the environment names

sub load {
    my ($before, $after) = map { defined $_ ? $_ : '' } @_[0, 1];
    my %seen;

    no warnings 'once';

    $Test::Nginx::Util::LoadModules = join ' ', grep { !$seen{$_}++ }
        (map { files($_) } @before, split ' ', $before),
        $ENV{TEST_NGINX_LOAD_MODULES} || (),
        (map { files($_) } split(' ', $after), @after);
}


sub files {
    my ($name) = @_;

    my $module = $modules{$name} or die "no module \"$name\"\n";

    return if $name eq 'core';

    return (map { files($_) } @{$module->{needs} || []}),
           map { m{/} ? $_ : "$packages/ngx_${_}_module.so" }
           @{$module->{files} || [ "http_$name" ]};
}


# adds to a block the directives that switch the modules on

sub switch_on {
    my ($block) = @_;

    my %seen;
    my @modules = map { $modules{$_} } grep { !$seen{$_}++ }
                  map { (@{$modules{$_}{needs} || []}, $_) } @before, @after;

    # all of them together have many variables

    add($block, 'http_config', "variables_hash_max_size 2048;\n"
                               . 'variables_hash_bucket_size 128;') if @modules;

    for my $module (@modules) {
        add($block, 'main_config', $module->{main} || '');
        add($block, 'config', $module->{server} || '');

        my $http = $block->http_config;

        $http .= "\n$module->{not_any} "
            if $module->{not_any} && $block->config =~ /satisfy\s+any/;

        add($block, 'http_config', join "\n", grep {
            !/^(\w+)/ || $1 =~ /^(?:access_log|log_format|limit_\w+_zone)$/
                || $http !~ /^\s*\Q$1\E\s/m
        } split /\n/, $module->{http} || '');

        if ($module->{upstream}) {
            $http = $block->http_config;
            $http =~ s/(upstream token_api \{)/$1\n$module->{upstream}/;
            $block->set_value('http_config', $http);
        }

        my $out = ($module->{out} || {})->{basename($0)} or next;
        my ($number) = $block->name =~ /TEST (\d+):/;

        $block->set_value('SKIP', '') if " $out->[0] " =~ / $number /;
    }
}


sub add {
    my ($block, $section, $text) = @_;

    my $value = $block->$section;

    $block->set_value($section, "$text\n" . (defined $value ? $value : ''))
        if $text ne '';
}


sub write_files {
    spew("$files/beside.js", 'export default { log: r => '
               . 'r.uri + r.variables.auth_api_token_result };');

    # a tree of one node, no data, and the metadata

    my %format = (
        binary_format_major_version => "\xa1\2",
        binary_format_minor_version => "\xa0",
        build_epoch   => "\1\2\1",
        database_type => "\x44none",
        description   => "\xe0",
        ip_version    => "\xa1\4",
        languages     => "\0\4",
        node_count    => "\xc1\1",
        record_size   => "\xa1\x18"
    );

    spew("$files/none.mmdb", "\0\0\1" x 2 . "\0" x 16
               . "\xab\xcd\xefMaxMind.com" . chr(0xe0 + keys %format)
               . join '', map { chr(0x40 + length $_) . $_ . $format{$_} }
                          sort keys %format);
}


1;
