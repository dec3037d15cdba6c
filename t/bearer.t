use lib 't/lib';
use AuthApiToken;
use Test::Nginx::Socket 'no_plan';

# Each block sends values of the Authorization header, one a connection, to a
# location that answers 204 if the token passes, and compares the status and
# the error of the challenge.

our $Config = <<'END';
    location /t {
        auth_api_token "r";
        try_files /dev/null =204;
    }
END

our $id = 'TKN-1234-5678';
our $secret = $AuthApiToken::Secret;


sub send_value {
    my ($value, $method) = @_;

    my $response = exchange(($method || 'GET') . " /t HTTP/1.1\r\nHost: a\r\n"
                            . (defined $value ? "Authorization: $value\r\n"
                                              : '')
                            . "Connection: close\r\n\r\n");

    my $challenge = $response->{headers}{'www-authenticate'} || '';
    my ($error) = $challenge =~ /error="(\w+)"/;

    return $response->{status} . ($error ? " $error" : '');
}


sub all_are {
    my ($want, @values) = @_;

    for my $value (@values) {
        my $name = defined $value ? $value : 'no header';

        $name =~ s/\Q$secret\E/SECRET/;
        $name =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
        $name = substr($name, 0, 50) . '...' if length $name > 60;

        is(send_value($value), $want, $name);
    }
}


run_tests();

__DATA__

=== TEST 1: the scheme is case-insensitive, spaces are one or more
--- config eval: $::Config
--- perl
all_are('204', map { "$_$id:$secret" } 'Bearer idt:', 'bearer idt:',
        'BEARER idt:', 'bEaReR idt:', 'Bearer  idt:', 'Bearer      idt:');
--- calls: 6



=== TEST 2: white space around the value is not part of it
--- config eval: $::Config
--- perl
all_are('204', "   Bearer idt:$id:$secret", "Bearer idt:$id:$secret   ");
--- calls: 2



=== TEST 3: no token: a bare challenge
--- config eval: $::Config
--- perl
all_are('401', undef, 'Basic dXNlcjpwYXNz', 'Basic Bearer', 'Digest a="b"',
        'Bearer2 x', 'Bear x', 'xBearer x', 'Negotiate', "Token idt:$id:x",
        'Basic xBearer y');
--- calls: 0



=== TEST 4: malformed
--- config eval: $::Config
--- perl
all_are('400 invalid_request', '', 'Bearer', 'Bearer ', 'bearer    ',
        "Bearer\tidt:$id:$secret", "Bearer \tidt:$id:$secret",
        "Bearer idt:$id:$secret x", "Bearer idt:$id:$secret\tx",
        "Bearer idt:$id:$secret, Bearer idt:$id:$secret",
        "Bearer idt:$id:$secret,", "Bearer idt:$id:$secret;a=b",
        "Bearer \"idt:$id:$secret\"", "Bearer,idt:$id:$secret",
        "Bearer:idt:$id:$secret", "Bearer=idt:$id:$secret",
        "idt:$id:$secret", "Bearer idt:$id:\x01", "Bearer idt:$id:\x7f",
        "Bearer idt:$id:a\x1fb", "Bearer idt:$id:caf\xc3\xa9",
        "Bearer idt:$id:\xff", "\x{80}Bearer x", 'Bearer =', 'Bearer ===',
        'Bearer a=b', "Bearer idt:$id:a%20b", "Bearer idt:$id:a?b",
        "Bearer idt:$id:a#b", "Bearer idt:$id:a&b", "Bearer idt:$id:a\\b",
        "Bearer idt:$id:{a}", '=', ', Bearer x', ':');
--- calls: 0



=== TEST 5: a token may have 1024 bytes, and no more
--- config eval: $::Config
--- perl
my $room = 1024 - length "idt:$id:";

all_are('401 invalid_token', "Bearer idt:$id:" . 'a' x $room,
        "Bearer      idt:$id:" . 'a' x $room);
all_are('400 invalid_request', "Bearer idt:$id:" . 'a' x ($room + 1),
        "Bearer idt:$id:" . 'a' x 4096,
        "Bearer idt:$id:" . 'a' x (8100 - length "idt:$id:"),
        'Bearer idt:EXT-1234-5678:' . 'a' x 1024, 'Bearer idt:' . 'a' x 1021);
--- calls: 2



=== TEST 6: another scheme may be as long as it likes
--- config eval: $::Config
--- perl
all_are('401', 'Basic ' . 'a' x 4096);
--- calls: 0



=== TEST 7: values that nginx itself refuses
--- config eval: $::Config
--- perl
is(send_value("Bearer idt:$id:a\0b"), '400', 'a zero byte');
is(send_value('Bearer ' . 'a' x 9000), '400', 'larger than a buffer');
--- calls: 0



=== TEST 8: two headers
--- config eval: $::Config
--- perl
my $bearer = "Bearer idt:$id:$secret";

is(send_value("Bearer x\r\nAuthorization: Bearer x"), '400', 'twice the same');
is(send_value("Basic x\r\nauthorization: Bearer x"), '400', 'two schemes');
is(send_value("Bearer x\r\nAuthorization:"), '400', 'the second is empty');
--- calls: 0



=== TEST 9: ids of two to four groups are asked for
--- config eval: $::Config
--- api
token TKN-1234-5678-9012
token TKN-1234-5678-9012-3456
token SVC-0000-0001
--- perl
all_are('204', "Bearer idt:TKN-1234-5678-9012:$secret",
        "Bearer idt:TKN-1234-5678-9012-3456:$secret",
        "Bearer idt:SVC-0000-0001:$secret");

is(join(' ', map { $_->{uri} =~ m{([^/]+)\z} } @{figures()->{requests}}),
   'TKN-1234-5678-9012 TKN-1234-5678-9012-3456 SVC-0000-0001', 'as they are');
--- calls: 3



=== TEST 10: a secret may have any length and any byte of a token68
--- config eval: $::Config
--- perl
my @secrets = ('a', 'abc123XYZ_-.', 'a-._~+/=', 'a:b:c', 'a==', '~' x 43);

for my $s (@secrets) {
    api('PUT', "tokens/$id", { secret => $s });
    is(send_value("Bearer idt:$id:$s"), '204', $s);
}
--- calls: 6



=== TEST 11: what has no id, or another form of one, is not asked for
--- config eval: $::Config
--- perl
all_are('401 invalid_token', map { "Bearer $_" }
        'x', 'a==', "idt:EXT-1234-5678:$secret", 'idt:', 'idt::',
        'idt:TKN-1234-5678', 'idt:TKN-1234-5678:',
        "IDT:$id:$secret", "Idt:$id:$secret", "$id:$secret", ":$id:$secret",
        "idt:tkn-1234-5678:$secret", "idt:TKN-1234:$secret",
        "idt:TKN-123-4567:$secret", "idt:TKN-12345-678:$secret",
        "idt:TKN-1234-567:$secret", "idt:TKN-1234-56789:$secret",
        "idt:TKN-1234-5678-1234-1234-1234:$secret",
        "idt:TKN-1234-5678-:$secret", "idt:TKN--1234-5678:$secret",
        "idt:TKN-1234_5678:$secret", "idt:TK-1234-5678:$secret",
        "idt:TOKEN-1234-5678:$secret", "idt:TKN-1234-567a:$secret",
        "idt:TKN-1234-5678/:$secret", "idt:TKN12345678:$secret",
        "idt:$id/$secret", "idt:$id.$secret", "idt:$id=");
--- calls: 0



=== TEST 12: nothing in the id leads to another path
--- config eval: $::Config
--- perl
all_are('401 invalid_token', map { "Bearer idt:$_:$secret" }
        'TKN-1234-5678/../TKN-1234-5679', '../../x', 'TKN-..-....',
        'TKN-1234-5678/..', '/TKN-1234-5678', 'TKN-1234/5678', '..',
        'TKN-../../x', './TKN-1234-5678', 'TKN-1234-.../');
all_are('400 invalid_request', map { "Bearer idt:$_:$secret" }
        'TKN-1234-5678%2f..', 'TKN-1234-5678?a', 'TKN-1234-5678#',
        'TKN-1234-5678\\..', 'TKN-1234-5678%00', 'TKN-1234-5678;a');
--- calls: 0



=== TEST 13: a JWT
--- config eval: $::Config
--- perl
all_are('401 invalid_token', 'Bearer ' . join '.', 'eyJhbGciOiJSUzI1NiJ9',
        'eyJzdWIiOiJVU1ItMTIzNC01Njc4In0', 'c2lnbmF0dXJl_-');

# as long as nginx takes a line

my $jwt = 'eyJhbGciOiJSUzI1NiJ9.';

all_are('401 invalid_token',
        (map { "Bearer $jwt" . 'a' x ($_ - length $jwt) }
             976, 1024, 1025, 1126, 3026, 8100),
        'Bearer ' . 'a' x 1025, 'Bearer ' . 'a' x 4000 . '==',
        'Bearer IDT:' . 'a' x 1100, 'Bearer idt' . 'a' x 1100);
all_are('400 invalid_request', 'Bearer ' . 'a' x 3026 . ',b',
        'Bearer ' . 'a' x 3026 . '=b', 'Bearer ' . 'a' x 3026 . ' b');
--- calls: 0



=== TEST 14: a token in a variable, with or without its scheme
--- config
    location /t {
        auth_api_token "r" token=$http_x_token;
        try_files /dev/null =204;
    }
--- perl
my %want = ("idt:$id:$secret"         => '204',
            "Bearer idt:$id:$secret"  => '204',
            "bearer  idt:$id:$secret" => '204',
            ''                        => '401',
            "idt:$id:$secret x"       => '400 invalid_request',
            "Basic x"                 => '401',
            "x y"                     => '401',
            "Bearer"                  => '400 invalid_request',
            'x'                       => '401 invalid_token',
            'x' x 3026                => '401 invalid_token',
            'Bearer ' . 'x' x 3026    => '401 invalid_token',
            "idt:$id:" . 'x' x 3026   => '400 invalid_request');

for my $value (sort keys %want) {
    is(send_value("Bearer ignored\r\nX-Token: $value"), $want{$value},
       "a value in X-Token");
}

is(send_value("Bearer idt:$id:$secret"), '401', 'not the header');
--- calls: 3



=== TEST 15: opaque tokens
--- config
    location /t {
        auth_api_token "r" format=opaque;
        add_header X-Id "$auth_api_token_claimed_id,$auth_api_token_id";
        try_files /dev/null =204;
    }
--- lookup
        proxy_pass http://token_api/public/v1/accounts/api-tokens/TKN-1234-5678;
--- perl
for my $token ('abcDEF123-._~+/=', "idt:$id:$secret", 'idt:EXT-1:x', 'a.b.c') {
    api('PUT', "tokens/$id", { token => $token });

    my $response = exchange("GET /t HTTP/1.1\r\nHost: a\r\n"
                            . "Authorization: Bearer $token\r\n\r\n");

    is($response->{status}, 204, 'passes');
    is($response->{headers}{'x-id'}, ",$id", 'no id but the proved one');
}

all_are('401 invalid_token', 'Bearer nope', 'Bearer ' . 'a' x 1024);
all_are('400 invalid_request', 'Bearer a b', 'Bearer a=b', 'Bearer',
        'Bearer ' . 'a' x 1025, 'Bearer ' . 'a' x 8000,
        "Bearer idt:$id:" . 'a' x 1024);
--- calls: 6
