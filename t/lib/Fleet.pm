package Fleet;

# A fleet as conf-examples/fleet/ has it: three edges, which ask two nodes of a
# tier, which ask the emulator.  Each is an nginx of its own, with the files of
# the example.  Only what ties them to machines is changed, and times that a
# busy machine might miss.  The certificates are made with the commands of the
# README.md there.  The nginx of Test::Nginx is the backend.

use strict;
use warnings;

use AuthApiToken;
use Background;
use Example;
use Exporter qw(import);
use File::Temp qw(tempdir);
use IO::Socket::SSL ();
use JSON::PP ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT = qw(fleet finish start quit reload kill9 signal_all fleet_node now
                 tls_to ask start_ask passed ids calls asks asked_at lookups
                 figures_of purge purge_edges until_purged load stop_load
                 @Edges @Tier);

our @Edges = qw(edge1 edge2 edge3);
our @Tier = qw(tier1 tier2);

my $certs = tempdir(CLEANUP => 1);

my (%port, %purge, %operator, %node, %option, %socks);

@port{@Edges, @Tier} = map { port($_) } 11 .. 15;
@purge{@Edges} = map { port($_) } 16 .. 18;
@operator{@Edges, @Tier} = map { port($_) } 21 .. 25;


# starts all; "tier" and "edge" are what "valid" is there, and where they are
# left out it is what the example has; "locations" are more of them for edges

sub fleet {
    %option = @_;
    %node = %socks = ();

    certificates() if !-e "$certs/ca.pem";
    start($_) for @Tier, @Edges;
}


sub certificates {
    my $readme = Example->example('fleet/README.md');
    my ($ca, $one) = $readme =~ /^```sh\n(.*?)^```/msg;

    run($ca);

    for my $name (@Edges, @Tier) {
        my $role = $name =~ s/\d//r;

        run($one =~ s/^role=\S+ host=\S+$/role=$role host=$name/mr);
    }

    # somebody else's CA signs the same

    run("mkdir other\ncd other\n$ca"
        . $one =~ s/^role=\S+ host=\S+$/role=tier host=other/mr);
}


sub run {
    my ($commands) = @_;

    open my $in, '|-', "cd $certs && sh -e >openssl.log 2>&1" or die "sh: $!";
    print {$in} $commands;
    close $in or die 'no certificates: ', `cat $certs/openssl.log`;
}


# starts one, with its own certificate or another

sub start {
    my ($name, $cert) = @_;

    my $role = $name =~ s/\d//r;
    my %address = ('127.0.0.1:8090' => $operator{$name});
    my @change = (['worker_processes auto;', 'worker_processes 2;'],
                  ["proxy_connect_timeout 1s;\n            proxy_read",
                   "proxy_connect_timeout 20s;\n            proxy_read"],
                  ['proxy_read_timeout 2s', 'proxy_read_timeout 20s']);

    if ($role eq 'edge') {
        @address{'443', '8444', '127.0.0.1:8080'} =
            ($port{$name}, $purge{$name}, listen_port());

        push @change,
            ['_api timeout=10s', '_api timeout=60s'],
            ['proxy_read_timeout 5s', 'proxy_read_timeout 50s'],
            ["proxy_connect_timeout 1s;\n            proxy_send",
             "proxy_connect_timeout 20s;\n            proxy_send"],
            ['location = /healthz {',
             ($option{locations} || '') . 'location = /healthz {'];

        for my $i (1, 2) {
            my $node = "10.0.0.1$i:8443";
            my $port = $port{"tier$i"};

            $address{$node} = $port;
            push @change, ["mirror /_purge/$node",
                           "mirror /_purge/127.0.0.1:$port"],
                          ["server $node max_fails=3 fail_timeout=10s",
                           "server $node max_fails=3 fail_timeout=1s"];
        }

    } else {
        $address{8443} = $port{$name};

        push @change, ['timeout=4s', 'timeout=40s'],
                      [' buffer=64k flush=5s', ''],
                      ['worker_rlimit_nofile 65536;', ''],
                      ['worker_connections 32768', 'worker_connections 1024'];

        push @change, ["mirror /_purge/10.0.1.$_:8444",
                       "mirror /_purge/127.0.0.1:" . $purge{"edge$_"}]
            for 1 .. 3;
    }

    push @change, [$role eq 'edge' ? 'valid=60s' : 'valid=30s',
                   "valid=$option{$role}"] if $option{$role};

    $cert ||= $name;

    $node{$name} = Example->start("fleet/$role.conf", address => \%address,
        change => \@change, file => {
            '/etc/nginx/fleet/ca.pem'   => "$certs/ca.pem",
            '/etc/nginx/fleet/node.pem' => "$certs/$cert.pem",
            '/etc/nginx/fleet/node.key' => "$certs/$cert.key"
        });

    return if $role ne 'tier';

    my $file = 'auth-api-token/marketplace.conf';
    my $api = $node{$name}->read($file, 'conf');

    $node{$name}->write($file, $api =~ s/timeout [234]\Ks;/0s;/gr);
    $node{$name}->reload;
}


sub fleet_node {
    my ($name) = @_;

    return $node{$name};
}


sub reload {
    my ($name) = @_;

    delete $socks{$name};
    $node{$name}->reload;
}


# ends one in good order; its store and its files are looked at

sub quit {
    my ($name) = @_;

    delete $socks{$name};
    (delete $node{$name})->stop;
}


# as a machine that is gone: master and workers

sub kill9 {
    my ($name) = @_;

    my $node = delete $node{$name};
    my @pids = ($node->pid, $node->workers);

    kill KILL => @pids;

    until_true("$name is gone", sub { $node->gone && !kill 0 => @pids });
}


sub finish {
    %socks = ();

    quit($_) for sort keys %node;
}


sub now {
    return clock_gettime(CLOCK_MONOTONIC);
}


# a connection with a certificate, or none, to what edges and nodes have for
# each other

sub tls_to {
    my ($name, $cert) = @_;

    return IO::Socket::SSL->new(
        PeerAddr => '127.0.0.1', PeerPort => $purge{$name} || $port{$name},
        SSL_ca_file => "$certs/ca.pem",
        SSL_verifycn_name => $name =~ s/\d//r . '.fleet.internal',
        SSL_verifycn_scheme => 'http',
        $cert ? (SSL_cert_file => "$certs/$cert.pem",
                 SSL_key_file => "$certs/$cert.key") : ()
    );
}


# a client of an edge; connections are kept, a few so that all workers get some

sub ask {
    my ($edge, $token, $uri, $headers) = @_;

    my $socks = $socks{$edge} ||= [];
    my $sock = @$socks < 4 ? connect_to($edge) : shift @$socks;

    print {$sock} request_of($token, $uri || '/orders/1', $headers);

    my $response = read_response($sock);

    push @$socks, $sock
        if $response->{status}
           && ($response->{headers}{connection} || '') ne 'close';

    return $response;
}


sub connect_to {
    my ($edge) = @_;

    return IO::Socket::SSL->new(
        PeerAddr => '127.0.0.1', PeerPort => $port{$edge},
        SSL_ca_file => "$ENV{TEST_NGINX_CERT}/api.crt",
        SSL_verifycn_name => 'api.example.com', SSL_verifycn_scheme => 'http'
    ) || die "$edge: $IO::Socket::SSL::SSL_ERROR";
}


# a request that waits for its answer

sub start_ask {
    my ($edge, $token, $uri) = @_;

    my $sock = connect_to($edge);

    print {$sock} request_of($token, $uri || '/orders/1');

    return $sock;
}


# how many of these tokens pass at each of these edges

sub passed {
    my ($edges, @ids) = @_;

    return join ' ', map {
        my $edge = $_;

        scalar grep { ask($edge, token($_))->{status} == 200 } @ids;
    } @$edges;
}


sub ids {
    my ($n) = @_;

    my @ids = map { sprintf 'TKN-%04d-0000', $_ } 1 .. $n;
    api('PUT', "tokens/$_") for @ids;

    return @ids;
}


# how often the API was asked about these

sub calls {
    my $tokens = figures()->{tokens};
    my $calls = 0;

    $calls += $tokens->{$_} || 0 for @_;

    return $calls;
}


# what a node was asked, by token id

sub asks {
    my ($node) = @_;

    my $log = $node{$node} ? $node{$node}->read('access.log') : '';
    my %asks;

    $asks{$_}++ for $log =~ m{"GET /token .* id=(TKN-[0-9-]+) }g;

    return \%asks;
}


# the tokens among these that this node was asked about; a line is written after
# the answer was sent

sub asked_at {
    my ($node, @ids) = @_;

    until_true('nodes have written their logs', sub {
        my %asked = map { %{asks($_)} } @Tier;
        return @ids == grep { $asked{$_} } @ids;
    });

    my $asks = asks($node);

    return grep { $asks->{$_} } @ids;
}


# the calls that the tier made, as it counts them itself

sub lookups {
    my $lookups = 0;

    for my $name (@_) {
        $lookups += $_ for values %{figures_of($name)->{lookups}};
    }

    return $lookups;
}


sub figures_of {
    my ($name) = @_;

    my $response = exchange("GET /status HTTP/1.1\r\nHost: a\r\n"
                            . "Accept: application/json\r\n"
                            . "Connection: close\r\n\r\n", $operator{$name});

    return JSON::PP->new->decode($response->{body})->{zones}{tokens};
}


# purges at an edge, as an operator does

sub purge {
    my ($edge, $what) = @_;

    my $request = $what =~ /\A\{/
        ? "POST /purge/ HTTP/1.1\r\nHost: a\r\nContent-Length: "
          . length($what) . "\r\n\r\n$what"
        : "DELETE /purge/$what HTTP/1.1\r\nHost: a\r\n\r\n";

    return exchange($request, $operator{$edge})->{body};
}


# stops all of a node, or lets it go on

sub signal_all {
    my ($signal, $name) = @_;

    kill $signal => $node{$name}->pid, $node{$name}->workers;
}


# waits until these purged so many times

sub until_purged {
    my (%times) = @_;

    return until_true('purged', sub {
        !grep { figures_of($_)->{purge_requests} < $times{$_} } keys %times;
    });
}


# edges forget everything, and the tier nothing

sub purge_edges {
    my $all = '{"all":true}';

    for my $edge (@_) {
        my $sock = tls_to($edge, 'tier1') or die "$edge: no TLS";

        print {$sock} "POST /purge/ HTTP/1.1\r\nHost: a\r\nContent-Length: "
                      . length($all) . "\r\n\r\n$all";

        read_response($sock)->{status} == 200 or die "$edge: not purged";
    }
}


# a child for each edge that asks until it is told to stop; connections are not
# shared with it

sub load {
    my (@ids) = @_;

    %socks = ();

    return map {
        my $edge = $_;

        Background->start(sub {
            my ($go_on) = @_;

            my %status;

            for (my $i = 0; $go_on->(); $i++) {
                %socks = ();

                my $response = eval { ask($edge, token($ids[$i % @ids])) };
                $status{$response ? $response->{status} : 'no connection'}++;
            }

            return \%status;
        });
    } @Edges;
}


# how many there were of each status

sub stop_load {
    my %status;

    for my $result (Background::stop(@_)) {
        $status{$_} += $result->{$_} for keys %$result;
    }

    return \%status;
}


1;
