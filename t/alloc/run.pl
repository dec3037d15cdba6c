#!/usr/bin/perl

# Lets each allocation fail, once, in turn, while nginx does each of the things
# below.  .ci/check/alloc builds nginx for it, and looks at what the sanitizers
# report.
#
#     t/alloc/run.pl [PATTERN]      only cases whose names match
#
# SHARE=2/3 in the environment runs the second third of them; each share needs
# ports of its own.
#
# A case is run without a failure, to count its allocations, and then once for
# each of them.  What may come of a failure: the answer that comes without it,
# 500 or 503, a connection that nginx closes, or, where there is no memory for
# the value of a variable, a refusal.  The same request is then answered
# rightly.  In the end nothing is held: no lookup places, no queue, no
# connections.

use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use AuthApiToken;
use Configuration;
use Files qw($Top);
use Http2;
use Inject;
use IO::Select ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use constant {
    MORE  => 5,     # runs beyond the count without a failure

    # allocations before the module's own; in most cases they are the same

    EARLY => 18
};

my $json = JSON::PP->new->utf8->canonical;
my ($share, $shares) = ($ENV{SHARE} || '1/1') =~ m{\A([1-9]\d*)/([1-9]\d*)\z}
    or die "SHARE=$ENV{SHARE}\n";
my $dir = "$Top/build/alloc/servroot$share";
my $port = listen_port();
my $only = @ARGV ? qr/$ARGV[0]/ : qr//;
my ($nginx, $asked, %sites, %count);

# nginx ends when this program does

$SIG{PIPE} = 'IGNORE';
$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);

my $good = token('TKN-1234-5678');
my $other = token('TKN-2222-2222');
my $bad = 'idt:TKN-1234-5678:MADEUPwrong';

my $account = $Configuration::Account;


sub get {
    my ($token, $uri, $headers) = @_;

    return exchange(request_of($token, $uri, $headers));
}


sub begin {
    my ($token, $uri) = @_;

    my $sock = client();
    print {$sock} request_of($token, $uri);

    return $sock;
}


sub purge {
    my ($data, $method, $path) = @_;

    $data = '' if !defined $data;

    return exchange(($method || 'POST') . ' /purge/' . ($path || '')
                    . " HTTP/1.1\r\nHost: a\r\nContent-Length: "
                    . length($data) . "\r\n\r\n$data");
}


sub forget {
    my $response = purge('{"all":true}');

    $response->{status} == 200 or die "purge: $response->{status}";
}


sub known {
    forget();
    get($good, '/t')->{status} == 204 or die 'not known';
}


sub zones {
    return $json->decode(get(undef, '/status/json')->{body})->{zones};
}


sub http2 {
    my ($token, $uri) = @_;

    my $sock = client($port + 1);
    print {$sock} preface(), get_stream(1, $uri, $token);

    my ($status) = read_statuses($sock, 1);

    return { status => $status || 0, headers => {}, body => '' };
}


# one asks, and has to wait for the API; meanwhile another asks too

sub beside {
    my ($first, $second, $uri, $apart) = @_;

    my $calls = figures()->{calls};

    api('PUT', 'faults/TKN-1234-5678', { delay => 60000, times => 1 });

    my @socks = begin($first, $uri);

    $nginx->soon('the API is asked', sub {
        figures()->{calls} > $calls
            || IO::Select->new(@socks)->can_read(0.001)
    });

    $asked = $nginx->since;

    # the worker that asked is stopped, so that another one takes the second

    my $worker = $apart ? $nginx->get('last') : 0;

    kill STOP => $worker if $worker;

    push @socks, begin($second, $uri);

    $nginx->quiet;
    kill CONT => $worker if $worker;
    api('DELETE', 'faults/TKN-1234-5678');
    api('POST', 'release');

    return map { read_response($_) } @socks;
}


# tokens that are due for a refresh

sub busy {
    my ($case) = @_;

    my @ids = map { sprintf 'TKN-5555-%04d', $_ } 1 .. 320;

    api('PUT', 'faults/any', $case->{fault});
    api('PUT', "tokens/$_") for @ids;

    $case->{tokens} = [map { token($_) } @ids];
    get($_, '/refresh') for @{$case->{tokens}};

    # a token is not looked up twice within a second

    my $last = $case->{tokens}[-1];
    my $calls = figures()->{calls};

    until_true('tokens are due', sub {
        get($last, '/refresh');
        figures()->{calls} > $calls;
    });
}


sub refresh {
    my ($case) = @_;

    $case->{token} = shift @{$case->{tokens}} or die 'too few tokens';

    my $response = get($case->{token}, '/refresh');

    $nginx->quiet;

    return $response;
}


# facts that serve only while the API is not available

sub outdate {
    forget();
    get($good, '/stale');
    api('PUT', 'faults/TKN-1234-5678', { body => '{]' });

    until_true('facts are stale', sub {
        get($good, '/stale', "X-Y: z\r\n")->{headers}{'x-cache'} eq 'STALE';
    });
}


# a case: "want" is the status without a failure, "before" prepares it, "ask"
# does it and returns the responses, "like" has to match the body

my @cases = (
    { name => 'hit', want => 204, once => \&known, early => 1,
      ask => sub { get($good, '/t') } },

    { name => 'miss', want => 204, before => \&forget,
      ask => sub { get($good, '/t') } },

    { name => 'denied', want => 401, before => \&forget,
      ask => sub { get($bad, '/t') } },

    { name => 'denied, known', want => 401, once => \&forget,
      ask => sub { get($bad, '/t') } },

    { name => 'no token', want => 401, ask => sub { get(undef, '/t') } },

    { name => 'malformed', want => 400, ask => sub { get('a,b', '/t') } },

    { name => 'unsupported', want => 401, ask => sub { get('a.b.c', '/t') } },

    { name => 'insecure', want => 403, ask => sub { get($good, '/https?x=0') } },

    { name => 'https of a variable', want => 204, once => \&known,
      ask => sub { get($good, '/https?x=on') } },

    { name => 'realm with a variable', want => 401,
      ask => sub { get(undef, '/realm?x=somebody') } },

    { name => 'requirements with variables', want => 204, once => \&known,
      ask => sub { get($good, '/needs') } },

    { name => 'module lacks', want => 403, once => \&known,
      ask => sub { get($good, '/lacks') } },

    { name => 'require lacks', want => 403, once => \&known,
      ask => sub { get($good, '/requires') } },

    { name => 'token of a variable', want => 204, once => \&known,
      ask => sub { get(undef, '/value', "X-Token: $good\r\n") } },

    { name => 'preaccess, hit', want => 204, once => \&known,
      ask => sub { get($good, '/pre') } },

    { name => 'preaccess, miss', want => 204, before => \&forget,
      ask => sub { get($good, '/pre') } },

    { name => 'preaccess, denied', want => 401, before => \&forget,
      ask => sub { get($bad, '/pre') } },

    { name => 'dry run', want => 204, once => \&known,
      ask => sub { get($good, '/dry') } },

    { name => 'HTTP/2, hit', want => 204, once => \&known, early => 1,
      ask => sub { http2($good, '/t') } },

    { name => 'HTTP/2, miss', want => 204, before => \&forget,
      ask => sub { http2($good, '/t') } },

    { name => 'HTTP/2, denied', want => 401, before => \&forget,
      ask => sub { http2($bad, '/t') } },

    { name => 'object', want => 200, once => \&known,
      like => qr/\A\{"id":"TKN-1234-5678".*\}\z/,
      ask => sub { get($good, '/object') } },

    { name => 'identity', want => 200, once => \&known, backend => 1,
      like => qr/\Aid:TKN-1234-5678 account:$account key:\z/,
      ask => sub { get($good, '/proxy', "X-MPT-Account-Id: ACC-6666-6666\r\n") }
    },

    (map {
        my $format = $_;
        { name => "status, $format", want => 200,
          ask => sub { get(undef, "/status/$format") } }
    } qw(json prometheus html)),

    { name => 'purge, by id', want => 200, before => \&known,
      ask => sub { purge('{"token":"TKN-1234-5678"}') } },

    { name => 'purge, by account', want => 200, before => \&known,
      ask => sub { purge("{\"account\":\"$account\"}") } },

    { name => 'purge, all', want => 200, before => \&known,
      ask => sub { purge('{"all":true}') } },

    { name => 'purge, event', want => 200, before => \&known,
      ask => sub { purge('{"id":"M","object":{"id":"TKN-1234-5678"}}') } },

    { name => 'purge, DELETE', want => 200, before => \&known,
      ask => sub { purge('', 'DELETE', 'TKN-1234-5678') } },

    { name => 'purge, large', want => 200, before => \&known,
      ask => sub { purge('{"token":"TKN-1234-5678","x":"' . 'x' x 20000
                         . '"}') } },

    { name => 'purge, nonsense', want => 400, ask => sub { purge('{]') } },

    { name => 'error_page', want => 401, before => \&forget,
      ask => sub { get($bad, '/page') } },

    { name => 'error_page, named', want => 302, before => \&forget,
      ask => sub { get($bad, '/named') } },

    { name => 'redirect', want => 204, before => \&forget,
      ask => sub { get($good, '/redirect') } },

    { name => 'redirect, denied there', want => 401, before => \&forget,
      ask => sub { get($bad, '/redirect') } },

    { name => 'post_action', want => 204, before => \&forget,
      ask => sub { my @r = get($good, '/post'); $nginx->quiet; @r } },

    { name => 'auth_request', want => 204, once => \&known,
      ask => sub { get($good, '/gateway') } },

    { name => 'satisfy any', want => 204, once => \&known,
      ask => sub { get($good, '/any') } },

    { name => 'satisfy any, denied', want => 401, once => \&forget,
      ask => sub { get($bad, '/any') } },

    { name => 'no cache', want => 204, ask => sub { get($good, '/bypass') } },

    { name => 'no cache, denied', want => 401,
      ask => sub { get($bad, '/bypass') } },

    { name => 'service', want => 204, before => \&forget,
      ask => sub { get($good, '/service') } },

    { name => 'service, mismatch', want => 401, before => \&forget,
      ask => sub { get($bad, '/service') } },

    { name => 'denied_limit', want => 401, before => \&forget,
      ask => sub { get($bad, '/limit?x=1') } },

    { name => 'a body in chunks', want => 204, before => \&forget,
      fault => { chunked => 1 }, ask => sub { get($good, '/t') } },

    { name => 'a body that is closed', want => 204, before => \&forget,
      fault => { close_delimited => 1 }, ask => sub { get($good, '/t') } },

    { name => 'large facts', want => 204, before => \&forget,
      fault => { merge => { name => 'x' x 6000 } },
      ask => sub { get($good, '/t') } },

    # jansson has room for 16 bytes at first

    (map {
        my $length = $_;
        { name => "a name of $length", want => 204, before => \&forget,
          fault => { merge => { name => 'x' x $length } },
          ask => sub { get($good, '/t') } }
    } 13, 14),

    { name => 'not active', want => 401, before => \&forget,
      fault => { merge => { status => 'Disabled' } },
      ask => sub { get($good, '/t') } },

    { name => 'another id', want => 503, before => \&forget,
      fault => { merge => { id => 'TKN-9999-9999' } },
      ask => sub { get($good, '/t') } },

    { name => 'unreadable', want => 403, before => \&forget,
      fault => { status => 403 }, ask => sub { get($good, '/t') } },

    { name => 'a list', want => 204, before => \&forget,
      fault => { body => '{"data":[{"id":"TKN-1234-5678","status":"Active",'
                         . '"account":{"id":"ACC-1111-1111"},"extensions":[],'
                         . '"modules":[{"id":"MOD-0478","code":"billing"}]}]}' },
      ask => sub { get($good, '/t') } },

    { name => 'refresh', want => 204, fault => { headers => { Age => 3200 } },
      once => \&busy, ask => sub { refresh($_[0]) },
      after => sub { get($_[0]{token}, '/refresh') } },

    { name => 'stale', want => 204, once => \&outdate,
      ask => sub { get($good, '/stale') } },

    { name => 'wait', want => 204, before => \&forget,
      ask => sub { beside($good, $good, '/t') },
      after => sub { get($good, '/t') } },

    { name => 'wait, denied', want => 401, before => \&forget,
      ask => sub { beside($bad, $bad, '/t') },
      after => sub { get($bad, '/t') } },

    { name => 'queue', want => 204, before => \&forget,
      ask => sub { beside($good, $other, '/one') },
      after => sub { get($other, '/one') } },

    { name => 'queue, denied', want => 401, before => \&forget,
      ask => sub { beside($bad, "${other}wrong", '/one') },
      after => sub { get("${other}wrong", '/one') } },
);


sub run {
    my ($case) = @_;

    my $began = time;
    my $name = $case->{name};
    my %got;

    api('POST', 'reset');
    api('PUT', 'tokens/TKN-1234-5678', { account => { id => $account,
        type => 'Vendor', status => 'Active', name => 'A' },
        extensions => [{ id => 'EXT-1111-1111' }],
        modules => [{ id => 'MOD-0478', code => 'billing' }] });
    api('PUT', 'tokens/TKN-2222-2222',
        { account => { id => 'ACC-2222-2222', type => 'Operations',
                       status => 'Enabled', name => 'B' } });
    api('PUT', 'faults/TKN-1234-5678', $case->{fault}) if $case->{fault};

    $case->{once}->($case) if $case->{once};

    # three times, so that what nginx does only once is behind it

    $asked = 0;

    my @clean = grep { ref } map { once($case, 0) } 1 .. 3;
    my $want = join ' ', map { $_->{status} } @clean;

    is($want, join(' ', ($case->{want}) x @clean), "$name - without a failure");

    my $n = $nginx->count;
    my $free = connections();
    my $workers = join ' ', $nginx->workers;
    my @wrong;

    # up to where the API is asked, a case with one request covers the same

    for (my $i = $case->{early} || $asked || EARLY; $i <= $n + MORE; $i++) {
        my ($failed, @responses) = once($case, $i);
        my @site = $failed ? $nginx->site : ();

        $count{failures}++ if @site;
        $sites{join ' ', @site}++ if @site;

        for my $response (@responses) {
            my $what = judge($case, $response, @site);

            $got{$what}++;
            push @wrong, "$i: $what ($response->{status}), at @site"
                if $what =~ /\A(?:wrong|hung)\z/;
        }

        $nginx->quiet if $case->{after};

        if ($case->{after}) {
            @responses = $case->{after}->($case);

        } else {
            (undef, @responses) = once($case, 0);
        }

        for my $response (@responses) {
            next if judge($case, $response) eq 'right';

            push @wrong, "$i: then $response->{status}, at @site";
        }

        my $now = join ' ', $nginx->workers;

        push @wrong, "$i: a worker ended, at @site" if $now ne $workers;
        $workers = $now;

        last if @wrong > 3;
    }

    is(join("\n", @wrong), '', "$name - never wrong");

    my $left = connections();
    my $zones = zones();

    is(join(' ', map { @{$zones->{$_}}{qw(lookups_in_flight lookups_queued)} }
                 sort keys %$zones), '0 0 0 0', "$name - nothing is held");
    is($left, $free, "$name - connections are back") if $workers !~ / /;

    check_zone(($nginx->workers)[0]);

    note sprintf '%s: %d allocations, %s, %.1f s', $name, $n,
         join(', ', map { "$got{$_} $_" } sort keys %got), time - $began;
}


# how many connections are free, or kept alive to the API

sub connections {
    $nginx->quiet;
    get(undef, '/off');

    return $nginx->get('free') + api_connections();
}


sub once {
    my ($case, $n) = @_;

    $case->{before}->($case) if $case->{before};

    $nginx->arm($n);

    my $began = time;
    my @responses = $case->{ask}->($case);

    # read_response() waits for 30 seconds

    $_->{hung} = time - $began >= 30 for @responses;

    return ($nginx->disarm, @responses);
}


sub judge {
    my ($case, $response, @site) = @_;

    my $status = $response->{status};

    # HTTP/2: nginx has queued the header, and then gives the stream up, but
    # waits until the header is sent, which never happens

    return 'nginx' if $response->{hung}
        && "@site" =~ /\bngx_http_cleanup_add\S* ngx_http_v2_header_filter/;

    return 'hung' if $response->{hung};
    return 'closed' if $status == 0;
    return $status if $status != $case->{want} && $status =~ /\A50[03]\z/;

    # nginx itself failed to ask a backend

    return $status if $case->{backend} && $status == 502;

    # nginx treats a variable that failed as an empty one

    return 'refused' if $status != $case->{want} && $status =~ /\A40[13]\z/
        && grep { /\Angx_http_get_indexed_variable\b/ } @site;

    return 'wrong' if $status != $case->{want};

    if ($case->{like} && $response->{body} !~ $case->{like}) {
        my $length = $response->{headers}{'content-length'};

        return 'cut' if defined $length && length $response->{body} < $length;
        return 'wrong';
    }

    return 'right';
}


# a reload in which only this module's allocations fail: the old configuration
# stays in force

sub reload {
    my ($name, %option) = @_;

    my $began = time;
    my (%got, @wrong);

    api('POST', 'reset');
    api('PUT', 'tokens/TKN-1234-5678');

    $nginx->configure(config(%option));
    $nginx->only($nginx->pid, 'ours');

    for (my $i = $option{from} || 1; ; $i++) {
        my $idle = $nginx->get('idle');
        my $workers = join ' ', $nginx->workers;

        $nginx->arm($i);
        kill HUP => $nginx->pid;

        $nginx->soon('the configuration is read', sub {
            $nginx->get('idle') > $idle || $nginx->gone
        });

        my $failed = $nginx->disarm;
        my @site = $failed ? $nginx->site : ();

        $count{failures}++ if $failed;
        $sites{join ' ', @site}++ if $failed;

        if ($nginx->gone) {
            push @wrong, "$i: nginx ended, at @site";
            kill KILL => split ' ', $workers;
            last;
        }

        my $kept = (join ' ', $nginx->workers) eq $workers;

        $got{$kept ? 'kept' : 'new'}++;

        my $is = join ' ', map { get(@$_)->{status} }
                 [$bad, '/t'], [$good, '/lacks'];

        push @wrong, "$i: $is, at @site" if $is ne '401 403';

        last if !$failed || @wrong > 3;
    }

    is(join("\n", @wrong), '', "$name - never wrong");
    is($got{new}, 1, "$name - nothing was left out");

    my $n = $nginx->count;

    $nginx->only(0);

    until_true('one worker', sub { $nginx->gone || $nginx->workers == 1 });

    note sprintf '%s: %d allocations, %s, %.1f s', $name, $n,
         join(', ', map { "$got{$_} $_" } sort keys %got), time - $began;

    return $n;
}


sub mine {
    return $_[0] % $shares == $share - 1;
}


sub finish {
    is($nginx->stop, 0, 'nginx ends well');
    is(join('', grep { /exited|\[alert\]/ && !/exited with code 0/ }
                $nginx->log =~ /^(.*\n)/mg), '', 'no alerts');
}


$nginx = Inject->start($dir, config());

for my $i (0 .. $#cases) {
    run($cases[$i]) if $cases[$i]{name} =~ $only && mine($i);
}

# the allocations for a new zone come last

if ('reload' =~ $only && mine(0)) {
    my $n = reload('reload');

    reload('reload, another zone', size => '2m', from => $n > 20 ? $n - 20 : 1);
}

finish();

if ('workers' =~ $only && mine(1)) {
    $nginx = Inject->start($dir, config(workers => 2));

    run({ name => 'wait for another worker', want => 204, before => \&forget,
          ask => sub { beside($good, $good, '/t', 'apart') },
          after => sub { get($good, '/t') } });

    finish();
}

my @ours = grep { /ngx_http_auth_api_token_/ } keys %sites;

diag(sprintf '%d allocations failed, at %d places, %d of them in src/',
     $count{failures} || 0, scalar keys %sites, scalar @ours);

done_testing();
