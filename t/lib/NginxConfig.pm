package NginxConfig;

# What "nginx -t" says about a configuration.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);
use File::Temp qw(tempdir);
use Files;
use Test::More ();

our @EXPORT = qw(config_test refused accepted server $On $Dir);

# what turns the check on, for a server without a location that asks the API

our $On = 'auth_api_token "r"; auth_api_token_request /_api;';

# a refused configuration is not freed, which is nothing to report
$ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (), 'detect_leaks=0';

our $Dir = tempdir(CLEANUP => 1);
my $modules = join '', map { "load_module $_;\n" }
                       split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';


sub config_test {
    my ($config) = @_;

    # a line of its own for every block and directive

    spew("$Dir/nginx.conf",
         "${modules}error_log stderr;\npid $Dir/nginx.pid;\n",
         "events { }\nhttp {\n    access_log off;\n",
         (map { "    ${_}_temp_path $Dir/$_;\n" }
              qw(client_body proxy fastcgi uwsgi scgi)),
         "$config\n}\n");

    my $text = `$ENV{TEST_NGINX_BINARY} -t -p $Dir -c $Dir/nginx.conf 2>&1`;

    return ($?, $text);
}


sub refused {
    my ($name, $config, $message) = @_;

    my ($status, $text) = config_test($config);

    Test::More::isnt($status, 0, "$name: refused");
    Test::More::like($text, $message, "$name: says why");
}


sub accepted {
    my ($name, $config) = @_;

    my ($status, $text) = config_test($config);

    Test::More::is($status, 0, "$name: accepted") or Test::More::diag($text);
}


sub server {
    my ($config) = @_;

    return "server { listen 127.0.0.1:1984; location /t { $config } }";
}


1;
