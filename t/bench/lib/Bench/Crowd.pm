package Bench::Crowd;

# Many clients, many tokens, many bad tokens: this counts calls and what is
# kept, not the cost.

use strict;
use warnings;

use Bench::Client;
use Bench::Guard;
use Bench::Round;
use Bench::Server;
use Exporter qw(import);

our @EXPORT_OK = qw(herd_table memory flood);

my @caching = grep { !/\Abare\z|_ofc\z/ } @Guards;


sub herd_table {
    my $rounds = rounds(3);
    my $clients = 200;

    title('herd', "$clients clients come at once with one token that was never"
          . ' seen before; the API takes 100 ms, 2 workers;',
          "medians of $rounds times. No resty.lock in Debian: Lua without it"
          . ' asks for each.');

    my @servers = guards(\@caching, WORKERS => 2);
    my @rows = [ 'guard', 'API calls', 'slowest answer, ms',
                 'answered rightly' ];

    for my $server (@servers) {
        my (@calls, @slowest, @right);

        for (1 .. $rounds) {
            api_reset(100);

            my ($right, $slowest) = herd($server, $clients, token(fresh(1)));

            push @calls, api_calls();
            push @slowest, $slowest * 1000;
            push @right, $right;
        }

        push @rows, [ $server->{name}, median(@calls),
                      sprintf('%.0f', median(@slowest)),
                      median(@right) . " of $clients" ];
    }

    api_reset();
    table(@rows);
    stop_server(@servers);
}


# files of a cache, and the bytes they take on disk

sub files {
    my ($server) = @_;

    my $cache = "$server->{dir}/cache";
    my $files = () = `find $cache -type f`;
    my ($bytes) = `du -s --block-size=1 $cache` =~ /^(\d+)/;

    return ($files, $bytes);
}


sub memory {
    my $tokens = 12_000;

    title('memory', "How many of $tokens tokens a zone of 1 MiB keeps, with"
          . ' three modules and names of 20 characters, and what each takes',
          'there, in files, and of each worker. njs keeps what auth_request'
          . ' does.');

    my %kept = (
        module       => sub { zone($_[0])->{zone_records}{facts} },
        lua          => sub { get($_[0]{port}, '/entries') },
        auth_request => \&files
    );

    $kept{lua_lru} = $kept{lua};

    my @rows = [ 'guard', 'tokens', 'bytes of the zone', 'bytes of files',
                 'bytes of a worker' ];

    for my $name (qw(module auth_request lua_lru lua)) {
        my $server = guard($name, ZONE => '1m');
        my $heap = sub {
            $name eq 'lua_lru' ? get($server->{port}, '/heap') : 0
        };
        my $before = $heap->();

        warm_all(fresh($tokens), $tokens, $server);

        my ($kept, $bytes) = $kept{$name}->($server);

        push @rows, [ $name, $kept, map { sprintf '%.0f', $_ }
                                    2 ** 20 / $kept, ($bytes || 0) / $kept,
                                    ($heap->() - $before) / $tokens ];
        stop_server($server);
    }

    table(@rows);
}


sub flood {
    my ($good, $bad) = (100, 20_000);

    title('flood', "$good good tokens are known, then $bad bogus ones come,"
          . ' and the good ones again; zones of 1 MiB, 1 worker.',
          '"limited" has auth_api_token_denied_limit $binary_remote_addr'
          . ' rate=30r/m.');

    my @rows = [ 'guard', 'API calls for the bogus', 'refused with',
                 'API calls for the good' ];

    my $limit = 'auth_api_token_denied_limit $binary_remote_addr rate=30r/m;';

    for my $case (@caching, 'module, limited') {
        my ($name, $limited) = split /, /, $case;
        my $server = guard($name, ZONE => '1m',
                           LIMIT => $limited ? $limit : '');
        my $first = fresh($good);
        my $bogus = fresh($bad);

        warm_all($first, $good, $server);
        api_reset();

        my $got = send_all(connected($server->{port}), 100,
                           map { bogus($bogus + $_) } 0 .. $bad - 1);
        my $calls = api_calls();

        die "$case: a bogus token passed\n" if $got->{200};

        api_reset();
        send_all(connected($server->{port}), 100,
                 map { token($first + $_) } 0 .. $good - 1);

        push @rows, [ $case, $calls,
                      join(', ', map { "$_: $got->{$_}" } sort keys %$got),
                      api_calls() . " of $good" ];
        stop_server($server);
    }

    table(@rows);
}


1;
