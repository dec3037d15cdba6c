use lib 't/lib';
use AuthApiToken;
use Example;
use Files;
use Test::Nginx::Socket 'no_plan';

# conf-examples/otel.conf, without the module that is in no Debian: a log takes
# the place of its spans

our ($Tls, $Port) = map { port($_) } 1 .. 2;
our $Trace = '00-9e02a91b64ac56904703a3a69ea9101d-56be90a29d0b0b25-01';

# what https://nginx.org/en/docs/ngx_otel_module.html has, and how many arguments
# it takes

our %Known = (otel_exporter => 0, endpoint => 1, otel_service_name => 1,
              otel_trace => 1, otel_trace_context => 1, otel_span_attr => 2);

our @Lines = grep { !/^#/ } split /^/, slurp("$Top/conf-examples/otel.conf");

# what is the module's own, line by line; and its attributes

our @Own = grep { /^ *otel_|^ *endpoint / } @Lines;
our @Attributes = map { /otel_span_attr (\S+) (\S+);/ ? [$1, $2] : () } @Own;


sub start {
    my (@more) = @_;

    my $format = join '\n', map { "$_->[0]=$_->[1]" } @Attributes;
    my @change = map { [$_, ''] } @Own, "load_module modules/ngx_otel_module.so;";

    $_->[0] =~ /otel_exporter/ && ($_->[0] .= "        endpoint 127.0.0.1:4317;\n"
                                              . "    }\n") for @change;
    @change = grep { $_->[0] !~ /^ *endpoint/ } @change;

    return Example->start('otel.conf',
        address => { '443' => $Tls, '127.0.0.1:8080' => $Port },
        change  => \@change,
        http    => backend($Port) . <<"END", @more);
log_format span escape=none '$format\n';
access_log logs/span.log span;
END
}


# a request, and the attributes of its span

sub span {
    my ($example, $token, $headers) = @_;

    my $before = length $example->read('span.log');
    my $response = $example->ask($Tls, request_of($token, '/orders/1', $headers),
                                 'tls');

    until_true('the span', sub { length $example->read('span.log') > $before });

    return ($response, map { /^([^=]+)=(.*)$/ ? ($1, $2) : () }
                       split /\n/, substr $example->read('span.log'), $before);
}


# the traces that the API was told

sub traces {
    return join ' ', map {
        my %header = map { lc $_->[0] => $_->[1] } @{$_->{headers}};
        defined $header{traceparent} ? $header{traceparent} : '-';
    } @{figures()->{requests}};
}


no_long_string();
run_tests();

__DATA__

=== TEST 1: the directives of the other module
--- config
--- perl
for my $line (@::Own) {
    my ($name, @values) = split ' ', $line =~ s/[;{]\s*$//r;

    is(scalar @values, $::Known{$name}, $name);
}

cmp_ok(scalar @::Attributes, '>=', 5, 'attributes');

# which requests are traced is not for clients to say

my %split = map { /split_clients (\S+) (\$\w+)/ ? ($2, $1) : () } @::Lines;
my ($sampled) = map { /otel_trace (\S+);/ } @::Own;

is($split{$sampled}, '$request_id', 'a share by what nginx makes up');

# no claim, no secret, and nothing that a client has made up

for my $attribute (@::Attributes) {
    like($attribute->[1],
         qr/^\$auth_api_token_(?:known_\w+|result|cache_status|age)$/,
         "$attribute->[0] - proved");
}



=== TEST 2: attributes
--- config
--- api
token TKN-0000-0001 {"modules":[]}
--- perl
my $example = start();
my ($response, %span) = span($example, token('TKN-1234-5678'));

is($response->{status}, 200, 'passes');
is($span{'enduser.id'}, 'TKN-1234-5678', 'token');
is($span{'mpt.account.id'}, 'ACC-8765-4321', 'account');
is($span{'mpt.token.result'}, 'pass', 'result');
is($span{'mpt.token.cache'}, 'MISS', 'cache status');
like($span{'mpt.token.age'}, qr/^\d+$/, 'age');

($response, %span) = span($example, token('TKN-1234-5678'));
is($span{'mpt.token.cache'}, 'HIT', 'the second time');

($response, %span) = span($example, token('TKN-0000-0001'));
is($response->{status}, 403, 'no module');
is($span{'enduser.id'}, 'TKN-0000-0001', 'who it was');
is($span{'mpt.token.result'}, 'module', 'why');

($response, %span) = span($example, 'idt:TKN-1234-5678:MADEUPwrong');
is($response->{status}, 401, 'a wrong token');
is($span{'enduser.id'}, '', 'it is nobody');
is($span{'mpt.token.result'}, 'unknown', 'why');

($response, %span) = span($example, undef);
is($response->{status}, 401, 'no token');
is($span{'mpt.token.cache'}, '-', 'no cache status');
$example->stop;
--- calls: 3



=== TEST 3: the API is told the trace of who needed the lookup
--- config
--- api
token TKN-0000-0001
token TKN-0000-0002
--- perl
my $example = start();

span($example, token('TKN-1234-5678'), "traceparent: $Trace\r\n");
span($example, token('TKN-0000-0001'), "traceparent: made-up\r\n");
span($example, token('TKN-0000-0002'));
is(traces(), "$Trace - -", 'valid ones');
$example->logged(qr/ traceparent=$Trace$/m, 'as in the log');
$example->stop;
--- calls: 3



=== TEST 4: a trace that nginx begins itself, as the other module does
--- config
--- perl

# it sets the header of the request in the rewrite phase, as headers-more does

my ($own) = map { s/56be90a29d0b0b25/1111111111111111/r } $Trace;
my $dir = (grep { -d } qw(/usr/lib/nginx/modules /usr/share/nginx/modules))[0];
my $example = start(
    load => ["$dir/ngx_http_headers_more_filter_module.so"]);

$example->reload(['auth_api_token_module MOD-0478;',
                  "auth_api_token_module MOD-0478;\n"
                  . "more_set_input_headers 'traceparent: $own';"]);

my ($response) = span($example, token('TKN-1234-5678'),
                      "traceparent: $Trace\r\n");

is($response->{status}, 200, 'passes');
is(traces(), $own, 'it is that one');
$example->stop;
--- calls: 1
