package Bench::Guard;

# The guards that are compared, and the token API that all of them ask.

use strict;
use warnings;

use Bench::Client;
use Bench::Server;
use Exporter qw(import);

our @EXPORT = qw(guards guard api_calls api_reset warm_all @Guards @Mine);

our @Mine = $ENV{BENCH_BASE} ? qw(bare base module) : qw(bare module);
our @Guards = (@Mine, qw(auth_request auth_request_ofc lua_lru lua njs));

my $api;


# on the first core, as the clients; it asks nobody, but conf/http.conf wants a
# port all the same

sub api {
    return $api ||= start_server('api', API => 1, AFFINITY => '1');
}


sub api_calls {
    return get(api()->{port}, '/control');
}


sub api_reset {
    my ($delay) = @_;

    get(api()->{port}, '/control?delay=' . ($delay || 0), 'POST');
}


# starts one, or as many as are named

sub guard {
    my ($name, %vars) = @_;

    if ($name eq 'base') {
        $vars{MODULE} = $ENV{BENCH_BASE};
    }

    my $server = start_server($name eq 'base' ? 'module' : $name,
                              API => api()->{port}, %vars);

    $server->{name} = $name;
    prove($server);

    return $server;
}


sub guards {
    my ($names, %vars) = @_;

    return map { guard($_, %vars) } @$names;
}


# a guard that lets everybody pass is quick too: it must have asked the API, and
# must refuse a wrong token

sub prove {
    my ($server) = @_;

    my $name = $server->{name};
    my $sock = connected($server->{port});
    my $n = fresh(2);

    my $ask = sub {
        my ($what, $token, $want, $calls) = @_;

        api_reset();

        my ($got) = keys %{send_all($sock, 1, $token)};
        my $asked = api_calls();

        if ($name eq 'bare') {
            ($want, $calls) = (200, 0);
        }

        die "$name: $what got $got in place of $want\n" if $got != $want;
        die "$name: $what took $asked calls of the API, not $calls\n"
            if defined $calls && $asked != $calls;
    };

    $ask->('a good token', token($n), 200, 1);
    $ask->('the same token', token($n), 200, 0);
    $ask->('a bogus token', bogus($n + 1), 401, 1);
    $ask->('no token', undef, 401);
}


sub warm_all {
    my ($first, $count, @servers) = @_;

    my @tokens = map { token($_) } $first .. $first + $count - 1;

    for my $server (@servers) {
        warm($server, @tokens);
    }
}


1;
