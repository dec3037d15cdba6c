package Page;

# The status page in Chromium, from the nginx of conf-examples/nginx.conf: what
# it shows, how it looks, and whether all can use it.  Screenshots are left in
# build/page/.

use strict;
use warnings;

use AuthApiToken;
use Browser;
use Digest::SHA ();
use Example;
use Exporter qw(import);
use Files qw($Top);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

our @EXPORT = qw(start figures_of shown states banner said sane
                 look_at focus tab $Browser $Page $Tls);

my $Tab = "\x{e004}";

my $build = "$Top/build/page";
my $json = JSON::PP->new->utf8->canonical;

# what checks the accessibility: a package of npm

my ($Axe, $Sha512) = ('axe-core-4.14.1.tgz',
    'FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFoo'
    . 'JpZe37OgudVGtQ==');

our ($Tls, $Plain, $Backend, $Operator) = map { port($_) } 1 .. 4;
our $Page = "http://127.0.0.1:$Operator/status";

# all that the page has to tell of itself

my $watch = <<'END';
window.violations = [];
document.addEventListener('securitypolicyviolation', e =>
    violations.push(e.violatedDirective + ' ' + e.blockedURI));
addEventListener('error', e => violations.push(String(e.message)));
addEventListener('unhandledrejection', e => violations.push(String(e.reason)));
END

our $Browser = Browser->start;

$Browser->before($watch);
$Browser->size(1280);

my $axe = axe();

binmode Test::More->builder->$_, ':utf8'
    for qw(output failure_output todo_output);


# npm says where packages are; what it brings has to be what was looked at

sub axe {
    my $file = "$build/$Axe";
    my ($name, $version) = $Axe =~ /^(.*)-(.*)\.tgz$/;

    system('mkdir', '-p', $build) == 0 or die;

    system("npm pack $name\@$version --pack-destination $build >/dev/null 2>&1")
        if !-f $file;

    my $sha = Digest::SHA->new(512);

    $sha->addfile($file, 'b') if -f $file;

    die "$Axe is not what it was, or not there\n"
        if encode_base64($sha->digest, '') ne $Sha512;

    return scalar `tar -xzOf $file package/axe.min.js`;
}


sub start {
    return Example->start('nginx.conf',
        address => { '443' => $Tls, '80' => $Plain,
                     '127.0.0.1:8080' => $Backend,
                     '127.0.0.1:8090' => $Operator },
        # a browser connects before it has anything to ask for
        http    => "client_header_timeout 1s;\n" . backend($Backend),
        change  => [['valid=60s;', 'valid=5s;'],
                    ['        location = /healthz {', <<'END']], @_);
        location /dry/ {
            auth_api_token "dry";
            auth_api_token_dry_run on;
            auth_api_token_module MOD-0478;
            proxy_pass http://orders;
        }

        location = /healthz {
END
}


sub figures_of {
    my ($example) = @_;

    return $json->decode($example->ask($Operator,
        "GET /status HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n")
        ->{body});
}


# what the page shows: the state, tiles, legends and tables of a zone

sub shown {
    my ($n) = @_;

    return $Browser->run(<<'END', $n || 0);
const zone = document.querySelectorAll('.zone')[arguments[0]];
const all = (of, selector) => [...of.querySelectorAll(selector)];
const shown = { now: {}, tables: {},
    states: all(zone, '.state strong').map(e => e.textContent) };

all(zone, '.tiles div').forEach(e => {
    shown[e.children[0].textContent] = e.children[1].textContent;
    shown[e.children[0].textContent + '+'] = e.children[2].textContent;
});
all(zone, 'h3 + ul li').forEach(e => {
    const of = shown.now[e.closest('.card').firstChild.textContent] ||= {};
    of[e.childNodes[1].data.trim()] = e.lastChild.textContent;
});
all(zone, 'table').forEach(table => {
    const of = shown.tables[table.caption.textContent] = {};
    all(table, 'tbody tr').forEach(row => {
        const head = [...row.cells[0].childNodes].find(n => n.nodeType === 3);
        of[head.data] = [...row.cells].slice(1).map(e => e.textContent);
    });
});

return shown;
END
}


# nothing that a program says to itself

sub sane {
    my ($name) = @_;

    my $text = $Browser->run(<<'END');
return [document.title, document.body.textContent.replace(
        document.querySelector('script').textContent, ''),
    ...[...document.querySelectorAll('[aria-label]')].map(e =>
        e.getAttribute('aria-label')),
    ...[...document.querySelectorAll('main svg path')].map(e =>
        e.getAttribute('d'))].join('\n');
END

    unlike($text, qr/NaN|undefined|Infinity|null|\[object|(?:^|[^.\w])-\d/m,
           "$name - words and numbers");
    like($text, qr/API tokens/, "$name - there is text");
}


# at each width, light and dark

sub views {
    my ($name, $code) = @_;

    for my $scheme (qw(light dark)) {
        $Browser->scheme($scheme);

        for my $width (1280, 390, 320) {
            $Browser->size($width);
            $Browser->until("$width px", 'return innerWidth === arguments[0]',
                            $width);
            $code->("$name, $width px, $scheme", $width, $scheme);
        }
    }

    $Browser->size(1280);
    $Browser->scheme('light');
}


sub look_at {
    my ($name, $open) = @_;

    $Browser->run(<<'END', $open ? \1 : \0);
document.querySelectorAll('details').forEach(e => { e.open = arguments[0]; });
document.activeElement.blur();
END

    views($name, sub {
        my ($what, $width, $scheme) = @_;

        is($Browser->run('const e = document.documentElement;'
                         . ' return e.scrollWidth - e.clientWidth;'),
           0, "$what - no scrolling sideways");

        if ($width != 320) {
            $Browser->shot("$build/$name-$width-$scheme.png");
            accessible($what);
        }
    });
}


sub accessible {
    my ($what) = @_;

    # this way the page's policy has no say

    $Browser->cdp('Runtime.evaluate', expression => $axe)
        if !$Browser->run('return !!window.axe');

    my $found = $Browser->run(<<'END');
return axe.run({ resultTypes: ['violations'], preload: false }).then(found => ({
    checks: found.passes.length,
    violations: found.violations.map(v => v.impact + ': ' + v.help + ' '
        + v.nodes.map(n => n.target).join(' '))
}));
END

    cmp_ok($found->{checks}, '>', 20, "$what - checks that passed");
    is(join("\n", @{$found->{violations}}), '', "$what - accessible");
}


sub states {
    return join '; ', @{shown(@_)->{states}};
}

sub banner {
    return join ' ', $Browser->texts('#down');
}

sub said {
    return $Browser->run('return document.getElementById("said").textContent');
}


# with the key that goes on to what can be used next

sub focus {
    return $Browser->run(<<'END');
const e = document.activeElement, style = getComputedStyle(e);

return [e === document.body ? '' : e.innerText.trim(),
    style.outlineStyle + ' ' + style.outlineWidth];
END
}

sub tab {
    my @focus;

    $Browser->run('document.activeElement.blur()');

    for (1 .. 20) {
        $Browser->press($Tab);

        my ($text, $outline) = @{focus()};

        last if !length $text || @focus && $text eq $focus[0];
        is($outline, 'solid 3px', "$text - the focus is seen");
        push @focus, $text;
    }

    return @focus;
}


1;
