package Example;

# Runs a file of conf-examples/ as it stands, in an nginx of its own below a
# temporary directory.  Only what ties a file to a machine is changed: the user,
# addresses, and the paths of the pid, logs and certificates.
#
#     my $example = Example->start('nginx.conf',
#         address => { '443' => port(1), '127.0.0.1:8080' => port(2) },
#         http    => backend(port(2)));
#
#     $example->ask(port(1), request_of(...), 'tls');
#     $example->stop;
#
# Options of start():
#
#     address  what "listen", "server" of an upstream and "proxy_pass" name, and
#              the port of this machine that it stands for; all have to be there
#              except the Marketplace, which is the emulator
#     api      the address for the Marketplace, if not that of the emulator
#     file     the paths of certificates and keys, and what to use for them;
#              the others get those of the emulator
#     http     put at the beginning of http, such as a backend
#     change   pairs of texts, the first of which has to be in the file once
#     as       the name of the file below conf/, if it is not nginx.conf itself
#     beside   texts of other files there, by name
#     load     modules that are loaded before all others

use strict;
use warnings;

use AuthApiToken qw(listen_port exchange read_response until_true check_zone
                    @IdentityHeaders);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Files;
use IO::Socket::SSL ();
use POSIX ();
use Test::More ();
use parent qw(Child);

our @EXPORT = qw(port backend);

my $examples = "$Top/conf-examples";
my $marketplace = 'api.platform.softwareone.com:443';


# the n-th port beside that of Test::Nginx

sub port {
    my ($n) = @_;

    return listen_port() + $n;
}


# a server that tells what it got: the line of the request and all headers that
# an identity has, one a line; and its own name, where there are several

sub backend {
    my ($port, $name) = @_;

    my $text = join '', map { "$_: \$http_" . lc(s/-/_/gr) . "\n" }
               'Authorization', @IdentityHeaders;

    $text .= "at: $name\n" if defined $name;

    return <<"END";
server {
    listen 127.0.0.1:$port;
    access_log off;

    location / {
        return 200 '\$request
$text';
    }
}
END
}


sub start {
    my ($class, $name, %option) = @_;

    my $dir = tempdir(CLEANUP => 1);
    my $self = bless { dir => $dir, name => $name, owner => $$,
                       as => $option{as} || 'nginx.conf' }, $class;

    # workers of an nginx that root started have to reach their files

    chmod 0711, $dir;
    mkdir "$dir/$_" or die "$dir/$_: $!" for qw(conf logs modules temp);

    for my $module (split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '') {
        symlink $module, "$dir/modules/" . $module =~ s{.*/}{}r
            or die "$dir/modules: $!";
    }

    for my $file (glob "$examples/auth-api-token/*") {
        $file =~ s{.*/}{auth-api-token/};
        $self->write($file, here($self->example($file), $dir, \%option));
    }

    my $text = $self->example($name);

    $text = swap($text, @$_, $name) for @{$option{change} || []};

    my %file = (%{$option{beside} || {}}, $self->{as} => $text);

    $file{'nginx.conf'} = join '', (map { "load_module $_;\n" }
                                    @{$option{load} || []}), $file{'nginx.conf'};

    $self->write($_, here($file{$_}, $dir, \%option)) for sort keys %file;
    $self->write('test.conf', join '', (map {
        "${_}_temp_path $dir/temp/$_;\n"
    } qw(client_body proxy fastcgi uwsgi scgi)), $option{http} || '');

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDOUT, '>', "$dir/logs/out";
        open STDERR, '>&', \*STDOUT;

        exec $ENV{TEST_NGINX_BINARY}, '-p', $dir, '-e', "$dir/logs/error.log",
             '-c', "$dir/conf/nginx.conf", '-g', 'daemon off;'
            or POSIX::_exit(1);
    }

    $self->{pid} = $pid;

    until_true("$name starts", sub { -s "$dir/logs/nginx.pid" || $self->gone })
        and $self->{pid}
        or die "$name does not start: ", $self->read('out'),
               $self->read('error.log');

    return $self;
}


# a file of conf-examples/

sub example {
    my ($self, $name) = @_;

    return slurp("$examples/$name");
}


sub write {
    my ($self, $name, $text) = @_;

    my $file = "$self->{dir}/conf/$name";

    make_path(dirname($file));
    spew($file, $text);
}


sub swap {
    my ($text, $old, $new, $name) = @_;

    my $n = () = $text =~ /\Q$old\E/g;
    die "\"$old\" is in $name $n times\n" if $n != 1;

    return $text =~ s/\Q$old\E/$new/r;
}


# what of a configuration depends on the machine

sub here {
    my ($text, $dir, $option) = @_;

    my $address = $option->{address} || {};
    my $api = $option->{api} || "127.0.0.1:$ENV{TEST_NGINX_API_TLS_PORT}";
    my $file = $option->{file} || {};

    my $to = sub {
        my ($name) = @_;

        return $api if $name eq $marketplace;

        my $port = $address->{$name} or die "no port for \"$name\"\n";

        return "127.0.0.1:$port";
    };

    for ($text) {
        s/^load_module modules\/ngx_http_auth_api_token_module\.so;$//m
            unless $ENV{TEST_NGINX_LOAD_MODULES};

        s/^user \S+;$//m;
        s{/run/nginx\.pid}{$dir/logs/nginx.pid}g;
        s{/var/log/nginx/}{$dir/logs/}g;
        s/^http \{$/http {\n    include test.conf;/m;

        s/^( +listen )(?!unix:)([\w.:\[\]*]+)/$1 . $to->($2)/gme;
        s/^( +server )([\w.-]+(?::\d+)?)(?=[ ;])/$1 . $to->($2)/gme;
        s{^( +proxy_pass https?://)([\w.-]+:\d+)}{$1 . $to->($2)}gme;

        s{^( *\w*ssl\w*_certificate(_key)? )(/\S+);}
         {$1 . ($file->{$3} || "$ENV{TEST_NGINX_CERT}/api."
                               . ($2 ? 'key' : 'crt')) . ';'}gme;

        s{/etc/nginx/}{$dir/conf/}g;

        # nothing may leave this machine

        die "still there: $1\n"
            if m{^( *[^# ].*(?:[ "]/(?:etc|run|var)/|\Q$marketplace\E(?!\d)).*)}m;
    }

    return $text;
}


# what an operator does: changes the file, and reloads

sub reload {
    my ($self, @change) = @_;

    my $text = $self->read($self->{as}, 'conf');

    $text = swap($text, @$_, $self->{name}) for @change;
    $self->write($self->{as}, $text);

    my %old = map { $_ => 1 } $self->workers;

    kill HUP => $self->{pid};

    # the old ones are gone when what they had to do is done

    return until_true('reloaded', sub {
        my @now = $self->workers;

        return @now && !grep { $old{$_} } @now;
    });
}


sub pid {
    my ($self) = @_;

    return $self->{pid};
}


sub dir {
    my ($self) = @_;

    return $self->{dir};
}


sub workers {
    my ($self) = @_;

    return split ' ', `pgrep -P $self->{pid}`;
}


sub read {
    my ($self, $name, $folder) = @_;

    $folder ||= 'logs';

    open my $in, '<', "$self->{dir}/$folder/$name" or return '';
    local $/;

    return scalar(<$in>) // '';
}


# that a log has a line, which is written when the client has its answer

sub logged {
    my ($self, $regex, $name, $file) = @_;

    $file ||= 'access.log';

    until_true("$name - logged", sub { $self->read($file) =~ $regex });
    Test::More::like($self->read($file), $regex, $name);
}


sub log {
    my ($self) = @_;

    return $self->read('error.log');
}


# a request over a connection of its own, with TLS or without

sub ask {
    my ($self, $port, $request, $tls) = @_;

    return exchange($request, $port) if !$tls;

    my $sock = $self->client($port);

    print {$sock} $request;

    return read_response($sock, $request =~ /\AHEAD /);
}


# a connection with TLS

sub client {
    my ($self, $port) = @_;

    # one context for all, since it takes its time

    $self->{tls} ||= IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                SSL_reuse_ctx => $self->{tls}, Timeout => 10)
           || die "TLS: $IO::Socket::SSL::SSL_ERROR";
}


# ends it, and looks for what no nginx may leave behind

sub stop {
    my ($self) = @_;

    my $name = $self->{name};

    check_zone($self->{pid})
        if $self->read($self->{as}, 'conf') =~ /^ *auth_api_token_zone /m;
    AuthApiToken::no_secret($name, $self->{dir}, $self->{pid});

    kill QUIT => $self->{pid};

    Test::More::is($self->{status}, 0, "$name - ends well")
        if until_true("$name ends", sub { $self->gone });

    # nginx tries again where the one before it has not gone yet

    Test::More::unlike($self->log =~ s/\[emerg\].* bind\(\) to .*//gr,
                       qr/\[(?:alert|emerg|crit)\]|exited on signal/,
                       "$name - nothing went wrong");
}


1;
