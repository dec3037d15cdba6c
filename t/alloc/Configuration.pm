package Configuration;

# The configuration of the nginx whose allocations fail: config(), with
# "workers", and with "size", the size of its zones.

use strict;
use warnings;

use AuthApiToken qw(listen_port token);
use Exporter qw(import);
use Files qw($Top);

our @EXPORT = qw(config);

# the account that the locations require

our $Account = 'ACC-8765-4321';


sub config {
    my (%option) = @_;

    my $api = $ENV{TEST_NGINX_API_PORT};
    my $port = listen_port();
    my $workers = $option{workers} || 1;
    my $size = $option{size} || '1m';

    my $log = join ' ', map { "\$auth_api_token_$_" }
        qw(claimed_id id name account_id account_name account_type modules
           extensions result cache_status age fingerprint known_id
           known_account_id traceparent);

    my $headers = join '', map { "        add_header X-$_ always;\n" }
        ('Result $auth_api_token_result', 'Id $auth_api_token_id',
         'Account $auth_api_token_account_id',
         'Print $auth_api_token_fingerprint', 'Age $auth_api_token_age');

    my $made = join '', map {
        my ($name, $value) = @$_;
        "    map \"$value\" \$$name { volatile; ~^(.*)\$ \$1\$arg_a; }\n"
    } (['one_account', $Account], ['one_type', 'Vendor'],
       ['one_module', 'MOD-0478'], ['one_extension', 'EXT-1111-1111'],
       ['other_module', 'MOD-9998'], ['other_code', 'box'],
       ['some_token', '$http_x_token'], ['some_scheme', '$arg_x'],
       ['some_on', 'on']);

    # root may write the reports

    my $user = $< == 0 ? "user root;\n" : '';

    return <<"END";
${user}worker_processes $workers;
pid logs/nginx.pid;
error_log logs/error.log info;

events {
    worker_connections 128;
}

http {
    log_format all "\$status $log";
    access_log logs/access.log all;

    lingering_close off;

    auth_api_token_zone zone=tokens:$size;
    auth_api_token_zone zone=one:$size lookups=1;

    auth_api_token_https   off;
    auth_api_token_request /_token_api timeout=60s;
    auth_api_token_cache   tokens valid=600s denied=600s;

    limit_req_zone \$auth_api_token_account_id zone=account:1m rate=100000r/s;
    map \$auth_api_token_account_id \$mapped { default 0; $Account 1; }

    # each has a value that is made of two parts each time
$made

    upstream token_api {
        server    127.0.0.1:$api;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:$port;
        listen 127.0.0.1:${\($port + 1)} http2;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header traceparent \$auth_api_token_traceparent;
        }

        location = /_service {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/\$auth_api_token_claimed_id;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer ${\token('TKN-2222-2222')}";
        }

        location /t {
            auth_api_token "r";
$headers
            try_files /n =204;
        }

        location /off {
            auth_api_token off;
            try_files /n =204;
        }

        location /realm {
            auth_api_token "for \$arg_x";
            try_files /n =204;
        }

        location /needs {
            auth_api_token "r";
            auth_api_token_account      \$one_account;
            auth_api_token_account_type \$one_type Client;
            auth_api_token_module       \$one_module MOD-9999;
            auth_api_token_extension    \$one_extension;
            auth_api_token_require      \$mapped error=401;
            try_files /n =204;
        }

        location /lacks {
            auth_api_token "r";
            auth_api_token_module \$other_module \$other_code;
            try_files /n =204;
        }

        location /requires {
            auth_api_token "r";
            auth_api_token_require \$auth_api_token_account_id \$arg_no;
            try_files /n =204;
        }

        location /value {
            auth_api_token "r" token=\$some_token;
            try_files /n =204;
        }

        location /https {
            auth_api_token "r";
            auth_api_token_https \$some_scheme;
            try_files /n =204;
        }

        location /pre {
            auth_api_token "r";
            auth_api_token_phase preaccess;
            limit_req zone=account burst=1000 nodelay;
            try_files /n =204;
        }

        location /dry {
            auth_api_token "r";
            auth_api_token_module MOD-9999;
            auth_api_token_dry_run \$some_on;
$headers
            try_files /n =204;
        }

        location /object {
            auth_api_token "r";
            auth_api_token_object;
        }

        location = /status/json       { auth_api_token_status json; }
        location = /status/prometheus { auth_api_token_status prometheus; }
        location = /status/html       { auth_api_token_status html; }

        location /purge/ {
            auth_api_token_purge tokens;
        }

        location /page {
            auth_api_token "r";
            error_page 401 403 503 = /fallback;
            try_files /n =204;
        }

        location /fallback {
            auth_api_token "r";
            try_files /n =204;
        }

        location /named {
            auth_api_token "r";
            error_page 401 = \@named;
            try_files /n =204;
        }

        location \@named {
            return 302 /login;
        }

        location /redirect {
            auth_api_token "r";
            try_files /n /elsewhere;
        }

        location /elsewhere {
            auth_api_token "else";
            auth_api_token_request /_token_api timeout=60s api=other;
            try_files /n =204;
        }

        # if nginx could not send the response, it runs the post_action, and
        # then waits for another request

        location /post {
            auth_api_token "r";
            post_action /after;
            keepalive_timeout 0;
            try_files /n =204;
        }

        location /after {
            auth_api_token "after";
            auth_api_token_cache off;
            keepalive_timeout 0;
            try_files /n =204;
        }

        location /gateway {
            auth_request /checked;
            try_files /n =204;
        }

        location /checked {
            proxy_pass http://127.0.0.1:$port/object;
        }

        location /any {
            satisfy any;
            deny all;
            auth_api_token "r";
            try_files /n =204;
        }

        location /bypass {
            auth_api_token "r";
            auth_api_token_cache off;
            try_files /n =204;
        }

        location /service {
            auth_api_token "r";
            auth_api_token_request /_service credential=service timeout=60s;
            try_files /n =204;
        }

        location /opaque {
            auth_api_token "r" format=opaque;
            try_files /n =204;
        }

        location /limit {
            auth_api_token "r";
            auth_api_token_denied_limit "\$remote_addr\$arg_x" rate=60000r/m burst=10000;
            try_files /n =204;
        }

        location /refresh {
            auth_api_token "r";
            auth_api_token_cache tokens valid=3600s;
            try_files /n =204;
        }

        location /stale {
            auth_api_token "r";
            auth_api_token_request /_service credential=service timeout=60s;
            auth_api_token_cache tokens valid=1s stale=600s;
            add_header X-Cache \$auth_api_token_cache_status always;
            try_files /n =204;
        }

        location /one {
            auth_api_token "r";
            auth_api_token_cache one valid=600s;
            try_files /n =204;
        }

        location /proxy {
            auth_api_token "r";
            include $Top/conf-examples/auth-api-token/identity-headers.conf;
            proxy_pass http://127.0.0.1:${\($port + 2)};
        }
    }

    server {
        listen 127.0.0.1:${\($port + 2)};

        location / {
            return 200 "id:\$http_x_mpt_token_id account:\$http_x_mpt_account_id key:\$http_authorization";
        }
    }
}
END
}


1;
