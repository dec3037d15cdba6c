package Browser;

# Chromium without a window, by way of chromedriver: WebDriver over HTTP.
#
#     my $browser = Browser->start;
#
#     $browser->before('window.x = 1');       in each page, before its own
#     $browser->go('http://127.0.0.1:1984/');
#     is($browser->run('return document.title'), 'A');
#     $browser->until('it says so', 'return document.title === "B"');

use strict;
use warnings;

use Encode ();
use File::Temp qw(tempdir);
use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More ();
use Time::HiRes qw(sleep);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


sub start {
    my ($class) = @_;

    my $dir = tempdir(CLEANUP => 1);

    # a group of its own, as Chromium may outlive it

    my $pid = open my $out, '-|', 'setsid', 'chromedriver', '--port=0',
                   "--log-path=$dir/chromedriver.log"
        or die "chromedriver: $!";

    my $self = bless { pid => $pid, out => $out, owner => $$,
                       requests => [], console => [],
                       http => HTTP::Tiny->new(timeout => 60) }, $class;

    while (my $line = <$out>) {
        last if ($self->{port}) = $line =~ /started successfully on port (\d+)/;
    }

    $self->{port} or die "chromedriver does not start";

    my $session = $self->call(POST => '/session', { capabilities => {
        alwaysMatch => {
            browserName => 'chrome',
            'goog:loggingPrefs' => { browser => 'ALL', performance => 'ALL' },
            'goog:chromeOptions' => { args => [qw(
                --headless=new --no-sandbox --disable-dev-shm-usage
                --disable-gpu --no-first-run --disable-background-networking
                --disable-component-update --hide-scrollbars
            ), "--user-data-dir=$dir/profile"] },
        },
    } });

    $self->{session} = "/session/$session->{sessionId}";

    # what it starts with is nothing that anybody asked for

    $self->go('about:blank');
    $self->listen;
    @$self{qw(requests console)} = ([], []);

    return $self;
}


sub call {
    my ($self, $method, $path, $data) = @_;

    my $response = $self->{http}->request($method,
        "http://127.0.0.1:$self->{port}$path",
        defined $data ? { content => $json->encode($data) } : {});

    my $value = eval { $json->decode($response->{content})->{value} };

    $response->{success} && !$@
        or die "$method $path: $response->{status} $response->{content}";

    return $value;
}


sub session {
    my ($self, $method, $path, $data) = @_;

    return $self->call($method, "$self->{session}$path", $data);
}


sub cdp {
    my ($self, $command, %params) = @_;

    return $self->session(POST => '/goog/cdp/execute',
                          { cmd => $command, params => \%params });
}


sub go {
    my ($self, $url) = @_;

    $self->session(POST => '/url', { url => $url });
}


# a function's body in the page; its value, or what it promises, has to be JSON

sub run {
    my ($self, $script, @args) = @_;

    return $self->session(POST => '/execute/sync',
                          { script => $script, args => \@args });
}


sub before {
    my ($self, $script) = @_;

    $self->cdp('Page.addScriptToEvaluateOnNewDocument', source => $script);
}


sub until {
    my ($self, $what, $script, @args) = @_;

    my $value;

    for (1 .. 600) {
        return $value if $value = $self->run($script, @args);
        sleep 0.05;
    }

    Test::More::fail("$what: not within 30 seconds");

    return;
}


# what all elements of a selector say, and are seen to say

sub texts {
    my ($self, $selector) = @_;

    return @{$self->run('return [...document.querySelectorAll(arguments[0])]'
                        . '.map(e => e.innerText.trim())', $selector)};
}


sub press {
    my ($self, $key) = @_;

    $self->session(POST => '/actions', { actions => [{
        type => 'key', id => 'keyboard',
        actions => [map { { type => $_, value => $key } } qw(keyDown keyUp)],
    }] });
}


sub size {
    my ($self, $width, $height) = @_;

    $self->cdp('Emulation.setDeviceMetricsOverride', width => $width,
               height => $height || 900, deviceScaleFactor => 1,
               mobile => JSON::PP::false);
}


sub scheme {
    my ($self, $scheme) = @_;

    $self->cdp('Emulation.setEmulatedMedia', features =>
               [{ name => 'prefers-color-scheme', value => $scheme }]);
}


# the whole page

sub shot {
    my ($self, $file) = @_;

    my $png = $self->cdp('Page.captureScreenshot', format => 'png',
                         captureBeyondViewport => JSON::PP::true);

    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} decode_base64($png->{data});
    close $out or die "$file: $!";
}


# what the console has said, and the requests of the page, so far

sub listen {
    my ($self) = @_;

    push @{$self->{console}}, map { "$_->{level}: $_->{message}" }
        @{$self->session(POST => '/se/log', { type => 'browser' })};

    for my $entry (@{$self->session(POST => '/se/log',
                                    { type => 'performance' })})
    {
        my $message = $json->decode(Encode::encode_utf8($entry->{message}))
                      ->{message};

        push @{$self->{requests}}, $message->{params}{request}
            if $message->{method} eq 'Network.requestWillBeSent';
    }
}


sub console {
    my ($self) = @_;

    $self->listen;

    return @{$self->{console}};
}


sub requests {
    my ($self) = @_;

    $self->listen;

    return @{$self->{requests}};
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $@);

    eval { $self->session(DELETE => '') } if $self->{session};
    kill TERM => -$self->{pid};
    close $self->{out};
}


1;
