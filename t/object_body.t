use lib 't/lib';
use AuthApiToken;
use JSON::PP ();
use Test::Nginx::Socket 'no_plan';
use Token;

# the token object is what the API sent, and stays the same from one nginx to
# the next, byte for byte

our $Near = <<'END';
    auth_api_token_zone zone=near:1m;
    auth_api_token_zone zone=far:1m;

    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_1;
        auth_api_token_request /_token_api;
        auth_api_token_cache near;
        auth_api_token_https off;
        add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;

        location = /_token_api {
            internal;
            proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
        }

        location = /object {
            auth_api_token "near";
            auth_api_token_object;
        }

        location = /strict {
            auth_api_token "near";
            auth_api_token_module MOD-9999;
            auth_api_token_object;
        }
    }
END

# this server asks that one

our $Far = <<'END';
    auth_api_token_cache far;
    add_header X-All "$auth_api_token_result $auth_api_token_cache_status" always;

    location = /object {
        auth_api_token "far";
        auth_api_token_object;
    }

    location = /no_zone {
        auth_api_token "far";
        auth_api_token_cache off;
        auth_api_token_object;
    }

    location = /one {
        auth_api_token "far";
        auth_api_token_extension EXT-1234-5678;
        auth_api_token_object;
    }
END

# names may be long, and are in the header, too

our $Lookup = <<'END';
        proxy_buffer_size 32k;
        proxy_buffers 4 32k;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1/object;
END

our $Json = JSON::PP->new->utf8->canonical;
our $n = 0;


# what the API sends of a token, at both, first and again

sub hops {
    my ($name, $body) = @_;

    my $token = $Json->decode($body);
    my ($item) = $token->{data} ? @{$token->{data}} : $token;
    my $omitted = ($token->{'$meta'} || {})->{omitted} || [];

    push @{$item->{'$meta'}{omitted}}, @$omitted if $item != $token;

    my $presented = "idt:$item->{id}:MADEUP" . ++$n;

    api('PUT', 'faults/any', { body => $body });

    my ($first, $identity);

    for my $hop (['far', listen_port()], ['near', $ENV{TEST_NGINX_PORT_1}],
                 ['far again', listen_port()],
                 ['near again', $ENV{TEST_NGINX_PORT_1}],
                 ['far, no zone', listen_port(), '/no_zone'])
    {
        my ($who, $port, $uri) = @$hop;
        my $response = get($uri || '/object', token => $presented,
                           port => $port);

        check_object("$name, $who", $response, $item);

        $first = $response->{body} unless defined $first;
        $identity = identity($response) unless defined $identity;

        Test::More::is($response->{body}, $first, "$name, $who - the same");
        Test::More::is(identity($response), $identity,
                       "$name, $who - the same identity");
    }

    return ($first, $identity);
}


sub token_with {
    my ($members) = @_;

    return $Json->encode({ id => 'TKN-1234-5678', status => 'Active',
                           token => token('TKN-1234-5678'), %$members });
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: bodies as the platform sends them
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
my $samples = 0;

for my $file (sort glob 't/samples/200-*.json') {
    my ($name) = $file =~ /(200-[\w-]+)/;
    my $body = sample($name);

    next if $name =~ /disabled|none$/ && $name !~ /extensions/;

    hops($name, $body);
    $samples++;
}

cmp_ok($samples, '>=', 7, 'samples');



=== TEST 2: names
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
my %names = map { ($_, $_) } (
    'plain', '"quoted"', '"', '\\', '\\"', '\\\\', '\\n', '/', '</script>', '%',
    '%%', '%41', '%2C', '%25', '%zz', '100% "ok"', ',', 'a,b', ', ', ';', '&',
    "'", '{}', '[', ' ', '  a  ', '*', '?', '-', 'null', '0', 'true');

$names{'a line feed'} = "a\nb";
$names{'a header'} = "a\r\nX-MPT-Account-Id: ACC-0000-0001\r\n\r\n{}";
$names{'a tab'} = "\ta\t";
$names{'control bytes'} = join '', map { chr } 1 .. 31;
$names{'delete'} = "a\x{7f}b";
$names{'C1'} = join '', map { chr } 0x80 .. 0x9f;
$names{'a soft hyphen'} = "\x{a0}\x{ad}\x{ff}";
$names{'accents'} = "Caf\x{e9} \x{160}kodi\x{144}sk\x{fd}";
$names{'combining'} = "e\x{301}";
$names{'Greek'} = "\x{391}\x{3b8}\x{3ae}\x{3bd}\x{3b1}";
$names{'right to left'} = "\x{202e}\x{5e9}\x{5dc}\x{5d5}\x{5dd}";
$names{'Japanese'} = "\x{682a}\x{5f0f}\x{4f1a}\x{793e}";
$names{'line separators'} = "a\x{2028}b\x{2029}c";
$names{'a byte order mark'} = "\x{feff}a";
$names{'the last of the plane'} = "\x{d7ff}\x{e000}\x{fffd}";
$names{'noncharacters'} = "\x{fffe}\x{ffff}\x{fdd0}";
$names{'emoji'} = "\x{1f600}\x{1f468}\x{200d}\x{1f469}\x{200d}\x{1f467}";
$names{'a flag'} = "\x{1f1ea}\x{1f1fa}";
$names{'the last of all'} = "\x{10ffff}\x{10000}";
$names{'all of ASCII'} = join '', map { chr } 1 .. 127;
$names{'long'} = "\x{65e5}%\"" x 100;

no warnings 'nonchar';

for my $name (sort keys %names) {
    my $value = $names{$name};

    my ($body) = hops($name, token_with(
        { name => $value, account => { id => $value, name => $value,
                                       type => $value, status => $value } }));

    my $object = json_of($body);

    is($object->{name}, $value, "$name - name");
    is($object->{account}{name}, $value, "$name - account name");
    ok(utf8::decode($body), "$name - UTF-8");
}



=== TEST 3: modules keep their pairs
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
my @a = ({ id => 'MOD-0001', code => 'a' }, { id => 'MOD-0002', code => 'b' },
         { id => 'MOD-0003', code => 'c' });

for my $modules ([@a], [reverse @a], [$a[0]], [@a, @a],
                 [{ id => 'MOD-0001' }, $a[1]], [$a[0], { id => 'MOD-0002' }],
                 [{ code => 'a' }, $a[1]], [$a[0], { code => 'b' }],
                 [{ id => 'MOD-0001' }, { code => 'b' }, $a[2]],
                 [{ code => 'a' }, { id => 'MOD-0002' }, $a[2]],
                 [{ id => 'MOD-0001' }, { id => 'MOD-0002' }],
                 [{ code => 'a' }, { code => 'b' }], [{ code => 'a' }],
                 [{}, $a[1]], [$a[0], {}, $a[2]], [@a, {}], [{}], [{}, {}], [],
                 [undef], [$a[0], undef, $a[2]],
                 [{ id => '', code => 'a' }, { id => 'MOD-0002', code => '' }],
                 [{ id => undef, code => 'a' },
                  { id => 'MOD-0002', code => undef }],
                 [{ id => 'MOD-0001', code => 'MOD-0001' }],
                 [{ id => 'a', code => 'MOD-0001' }],
                 [{ id => 'MOD-0001,MOD-0002', code => 'a,b' }, $a[2]],
                 [{ id => ',', code => ',' }, $a[2]],
                 [{ id => 'MOD-0001:a', code => 'b:c' }, $a[2]],
                 [{ id => "\x{e9}%\"", code => "\\\n|=;" }, $a[2]],
                 [{ id => '-', code => '-' }, { id => '*', code => '?' }],
                 [{}], [{}, { code => 'a' }],
                 [{ id => 'MOD-0001', code => 'a' }, {}],
                 [{ id => 'MOD-0001', code => 'a', name => 'x',
                    settings => { id => 'MOD-0009', code => 'z' } }])
{
    hops($::Json->encode($modules), token_with({ modules => $modules }));
}

my ($body, $identity) = hops('all kinds', token_with(
    { modules => [{ code => 'a' }, {}, { id => 'MOD-0002' },
                  { id => 'MOD-0003', code => 'c' }] }));

is((split /\|/, $identity)[5], 'MOD-0002,MOD-0003', 'ids in the header');



=== TEST 4: the five forms of extensions
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
my $omitted = { omitted => ['audit', 'extensions'] };

for my $case (['left out', {}, '*', 1],
              ['null', { extensions => undef }, '*', 1],
              ['none', { extensions => [] }, '', 0],
              ['some', { extensions => [{ id => 'EXT-4321-8765' },
                                        { id => 'EXT-1234-5678', name => 'n' }]
                       }, 'EXT-4321-8765,EXT-1234-5678', 1],
              ['others', { extensions => [{ id => 'EXT-4321-8765' }] },
               'EXT-4321-8765', 0],
              ['omitted', { '$meta' => $omitted }, '', 0],
              ['omitted and null',
               { '$meta' => $omitted, extensions => undef }, '', 0],
              ['others omitted', { '$meta' => { omitted => ['modules'] } }, '*',
               1],
              ['nothing omitted', { '$meta' => {} }, '*', 1])
{
    my ($name, $members, $want, $one) = @$case;

    # the request that requires one comes later, or asks first

    my ($body, $identity) = hops($name, token_with($members));

    is((split /\|/, $identity, -1)[6], $want, "$name - header");

    for my $secret ("MADEUP$::n", 'MADEUP' . ++$::n) {
        is(get('/one', token => "idt:TKN-1234-5678:$secret")->{status},
           $one ? 200 : 403, "$name - one");
    }

    is(identity(get('/object', token => "idt:TKN-1234-5678:MADEUP$::n")),
       $identity, "$name - header, once more");
}



=== TEST 5: the five forms of a list
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
my $token = '"id":"TKN-1234-5678","status":"Active"';

for my $case (['left out', '"audit"', '', '*'],
              ['null', '"audit"', ',"extensions":null', '*'],
              ['none', '"audit"', ',"extensions":[]', ''],
              ['some', '"audit"', ',"extensions":[{"id":"EXT-1234-5678"}]',
               'EXT-1234-5678'],
              ['omitted', '"modules","extensions"', '', ''],
              ['omitted of the one', '',
               ',"$meta":{"omitted":["extensions"]}', ''])
{
    my ($name, $omitted, $members, $want) = @$case;

    my ($body, $identity) = hops($name,
        "{\"\$meta\":{\"omitted\":[$omitted]},\"data\":[{$token$members}]}");

    is((split /\|/, $identity, -1)[6], $want, "$name - header");
}



=== TEST 6: odd ids of extensions
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
for my $id ('*', '?', ',', '%2A', 'EXT-1234-5678,EXT-4321-8765', '"',
            "\x{1f600}", ' ', '-', "a\nb")
{
    my $name = $::Json->encode([$id]);
    my $secret = 'MADEUP' . ++$::n;

    api('PUT', 'faults/any',
        { body => token_with({ extensions => [{ id => $id }] }) });

    my $far = get('/object', token => "idt:TKN-1234-5678:$secret");
    my $near = get('/object', token => "idt:TKN-1234-5678:$secret",
                   port => $ENV{TEST_NGINX_PORT_1});

    is($far->{body}, $near->{body}, "$name - the same")
        if $near->{status} == 200;
    is($far->{status}, $near->{status}, "$name - the same status");
    is(get('/one', token => "idt:TKN-1234-5678:$secret")->{status},
       $near->{status} == 200 ? 403 : 503, "$name - one");

    my ($header) = $far->{head} =~ /^X-MPT-Extensions: ?([^\r\n]*)/m;

    is(scalar(grep { $_ eq '*' || $_ eq 'EXT-1234-5678' }
                   split /,/, $header || ''), 0, "$name - header");
}



=== TEST 7: what is odd of the rest
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- perl
hops('escapes of the API', '{"id":"TKN-1234-5678","\u0073tatus":"Active",'
     . '"name":"\u0041\u00e9\ud83d\ude00\/\b\f\"\\\\",'
     . '"account":{"name":"\u0001"}}');
hops('members of others', '{"id":"TKN-1234-5678","status":"Active",'
     . '"secret":"MADEUP","description":"MADEUP","audit":{"token":"MADEUP"},'
     . '"account":{"token":"MADEUP","secret":"MADEUP","name":"n"},'
     . '"modules":[{"id":"MOD-0001","token":"MADEUP"}],'
     . '"extensions":[{"id":"EXT-1234-5678","token":"MADEUP"}]}');

# too large to be kept, and not too large to be passed on

my @modules = map { { id => sprintf('MOD-%04d', $_), code => "code-$_" } }
              1 .. 400;

hops('many modules', token_with({ modules => \@modules }));

# where most of the object are braces and names of members

for my $case ([ modules => { id => 'a', code => 'b' } ],
              [ modules => { id => 'a' } ], [ modules => { code => 'b' } ],
              [ modules => { id => "\x{1}", code => "\x{1}" } ],
              [ extensions => { id => 'a' } ],
              [ extensions => { id => "\x{1}" } ])
{
    my ($name, $item) = @$case;
    my $what = $::Json->encode($item);

    for my $n (1, 2, 3, 100, 1000) {
        hops("$n $name, $what", token_with({ $name => [ ($item) x $n ] }));
    }
}



=== TEST 8: a refusal there is one here
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup eval: $::Lookup
--- api
token TKN-0000-0002 {"status":"Disabled","works":1}
token TKN-0000-0003 {"self":403}
fault TKN-0000-0004 {"status":500}
--- perl
for my $case (['unknown', 401, 'idt:TKN-1234-5678:MADEUPwrong'],
              ['unknown', 401, token('TKN-0000-0002')],
              ['unreadable', 403, token('TKN-0000-0003')],
              ['unavailable', 503, token('TKN-0000-0004')])
{
    my ($reason, $status, $token) = @$case;

    for (1, 2) {
        my $response = get('/object', token => $token);

        is($response->{status}, $status, "$reason - status");
        like($response->{headers}{'x-all'}, qr/^$reason /, $reason);
        unlike($response->{head}, qr/^X-MPT-/m, "$reason - headers");
    }
}



=== TEST 9: one here that asks a place with requirements there
--- http_config eval: $::Near
--- config eval: $::Far
--- lookup
        proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_1/strict;
--- perl
my $response = get('/object');

is($response->{status}, 403, 'status');
like($response->{headers}{'x-all'}, qr/^unreadable /, 'what it is taken for');
