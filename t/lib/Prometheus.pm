package Prometheus;

# A Prometheus that scrapes with the files of conf-examples/prometheus/, on
# 127.0.0.1 and below a temporary directory.  Only the addresses are changed,
# and the times: a minute of the examples is two seconds here.
#
#     my $prometheus = Prometheus->start(port(5), '127.0.0.1:8090' => port(2));
#
#     $prometheus->query('up');        # samples: labels, and value
#     $prometheus->firing;             # alerts by name
#     $prometheus->stop;

use strict;
use warnings;

use AuthApiToken qw(exchange until_true);
use Example ();
use File::Temp qw(tempdir);
use Files;
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Test::More ();
use parent qw(Child);

use constant MINUTE => 2;

my $examples = "$Top/conf-examples/prometheus";


sub start {
    my ($class, $port, $shipped, $target) = @_;

    my $dir = tempdir(CLEANUP => 1);
    my $self = bless { dir => $dir, port => $port, owner => $$ }, $class;

    my $config = slurp("$examples/prometheus.yml");

    for my $interval (qw(scrape_interval evaluation_interval)) {
        $config = Example::swap($config, "$interval: 15s", "$interval: 500ms",
                                'prometheus.yml');
    }

    $config = Example::swap($config, qq(targets: [ "$shipped" ]),
                            qq(targets: [ "127.0.0.1:$target" ]),
                            'prometheus.yml');

    my $rules = slurp("$examples/alerts.yml");

    $rules =~ s/(\[|for: )(\d+)m\b/$1 . $2 * MINUTE . 's'/ge;

    spew("$dir/prometheus.yml", $config);
    spew("$dir/alerts.yml", $rules);

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;

        exec 'prometheus', "--config.file=$dir/prometheus.yml",
             "--storage.tsdb.path=$dir/data", '--log.level=error',
             "--web.listen-address=127.0.0.1:$port"
            or POSIX::_exit(1);
    }

    $self->{pid} = $pid;

    until_true('Prometheus starts', sub {
        return 1 if $self->gone;

        my $sock = IO::Socket::INET->new("127.0.0.1:$port") or return 0;
        close $sock;

        return exchange("GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n",
                        $port)->{status} == 200;
    }) and $self->{pid} or die 'Prometheus does not start: ', slurp("$dir/log");

    return $self;
}


# data of the API, by path and arguments

sub api {
    my ($self, $path, %arg) = @_;

    my $args = join '&', map {
        "$_=" . $arg{$_} =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger
    } keys %arg;

    my $response = exchange("GET /api/v1/$path?$args HTTP/1.1\r\nHost: a\r\n"
                            . "\r\n", $self->{port});
    my $answer = eval { JSON::PP->new->utf8->decode($response->{body}) };

    die "$path?$args: $response->{status} $response->{body}"
        if !$answer || $answer->{status} ne 'success';

    return $answer->{data};
}


sub query {
    my ($self, $expr) = @_;

    return map {
        { labels => $_->{metric}, value => $_->{value}[1] }
    } @{$self->api('query', query => $expr)->{result}};
}


# the value, where there is one sample

sub value {
    my ($self, $expr) = @_;

    my @samples = $self->query($expr);

    return @samples == 1 ? $samples[0]{value} : undef;
}


# alerts that fire, by their names

sub firing {
    my ($self) = @_;

    return map { $_->{labels}{alertname} => $_ }
           grep { $_->{state} eq 'firing' } @{$self->api('alerts')->{alerts}};
}


sub stop {
    my ($self) = @_;

    kill TERM => $self->{pid};

    Test::More::is($self->{status}, 0, 'Prometheus ends well')
        if until_true('Prometheus ends', sub { $self->gone });
    Test::More::is(slurp("$self->{dir}/log"), '', 'and had nothing to say');
}


1;
