use strict;
use warnings;

use lib 't/lib';
use Files;
use Test::More;
use YAML::PP;

# conf-examples/gateways/: all of them speak of the same headers, and what holds
# for the two that cannot be run here

my $examples = "$Top/conf-examples";
my $dir = "$examples/gateways";
my $yaml = YAML::PP->new(boolean => 'JSON::PP');


# the headers that a text names, in small letters

sub named {
    my ($text) = @_;

    my %names = map { lc $_ => 1 } $text =~ /\b(x-mpt-\w+-?\w*)\b/gi;

    return join ' ', sort keys %names;
}


sub patterns {
    my ($list) = @_;

    return join ' ', sort map { $_->{exact} } @{$list->{patterns}};
}


my $names = named(slurp("$examples/auth-api-token/identity-headers.conf"));

is(scalar split(' ', $names), 7, 'as many as there are facts');

# each file in full, where it says what comes back from the authority

for my $file (qw(nginx.conf Caddyfile haproxy.lua apache.lua envoy.yaml
                 traefik.yaml))
{
    is(named(join "\n", grep { !/^\s*(?:#|--)/ } split /\n/,
             slurp("$dir/$file")), $names, "$file has all headers");
}

for my $file (glob "$dir/*") {
    my $text = slurp($file);

    like($text, qr{\A(?:#|--) /etc/\S+}, "$file says where it belongs");
    unlike($text, qr/\t| \z/, "$file has no tabs") if $file !~ /Caddyfile/;
}


# Envoy

my $envoy = $yaml->load_string(slurp("$dir/envoy.yaml"))->{static_resources};
my %clusters = map { $_->{name} => $_ } @{$envoy->{clusters}};
my ($network) = @{$envoy->{listeners}[0]{filter_chains}[0]{filters}};
my $manager = $network->{typed_config};
my @filters = @{$manager->{http_filters}};
my ($host) = @{$manager->{route_config}{virtual_hosts}};
my $authz = $filters[0]{typed_config};
my $service = $authz->{http_service};
my $answer = $service->{authorization_response};

is(join(' ', map { $_->{name} =~ s/.*\.//r } @filters), 'ext_authz router',
   'Envoy: the check comes first, the router last');

for my $filter (@filters, $network) {
    my ($last) = $filter->{name} =~ /\.([^.]+)\z/;

    like($filter->{typed_config}{'@type'},
         qr{\Atype\.googleapis\.com/envoy\.extensions\.filters\.(?:http|network)
            \.$last\.v3\.\w+\z}x, "Envoy: $last has its own type");
}

ok(!$authz->{failure_mode_allow}, 'Envoy: no answer is no');
is($authz->{status_on_error}{code}, 'ServiceUnavailable', 'Envoy: but 503');
ok(!exists $authz->{with_request_body}, 'Envoy: the body stays here');
like($service->{server_uri}{timeout}, qr/\A1[1-9]s\z/,
     'Envoy: longer than a lookup');
is($service->{path_prefix}, undef, 'Envoy: no path that a client could leave');
like(slurp("$dir/authority.conf"),
     qr/listen 127\.0\.0\.1:8082;(?:(?!\n    \}).)*location \/ \{/s,
     'and the authority has a server for any path');

for my $cluster ($service->{server_uri}{cluster},
                 map { $_->{route}{cluster} } @{$host->{routes}})
{
    ok($clusters{$cluster}, "Envoy: there is a cluster $cluster");
}

my $port = $clusters{authority}{load_assignment}{endpoints}[0]{lb_endpoints}[0]
           {endpoint}{address}{socket_address}{port_value};

like($service->{server_uri}{uri}, qr/:$port\z/, 'Envoy: the same port');
is(patterns($answer->{allowed_upstream_headers}), $names,
   'Envoy: all headers are replaced');
ok(!exists $answer->{allowed_upstream_headers_to_append},
   'Envoy: none is appended');
is(patterns($answer->{allowed_client_headers}),
   'cache-control content-type retry-after www-authenticate',
   'Envoy: what of a refusal is for the client');
like(patterns($authz->{allowed_headers}),
     qr/x-forwarded-for x-forwarded-proto/, 'Envoy: how the client came');
ok($manager->{use_remote_address}, 'Envoy: by its own word');
is($manager->{common_http_protocol_options}{headers_with_underscores_action},
   'DROP_HEADER', 'Envoy: no X_MPT_...');
is("@{$host->{request_headers_to_remove}}", 'authorization',
   'Envoy: the token ends here');


# Traefik

my $traefik = $yaml->load_string(slurp("$dir/traefik.yaml"))->{http};

for my $name (sort keys %{$traefik->{routers}}) {
    my $router = $traefik->{routers}{$name};

    is($router->{middlewares}[0], 'api-token',
       "Traefik: the check of $name comes first");
    ok($traefik->{services}{$router->{service}}, 'Traefik: its service');
    ok($traefik->{middlewares}{$_}, "Traefik: there is $_")
        for @{$router->{middlewares}};
}

my $forward = $traefik->{middlewares}{'api-token'}{forwardAuth};
my $regex = qr/$forward->{authResponseHeadersRegex}/;

ok(!$forward->{trustForwardHeader}, 'Traefik: X-Forwarded-... are its own');
ok(!exists $forward->{forwardBody}, 'Traefik: the body stays here');
is(join(' ', sort map { lc } @{$forward->{authResponseHeaders}}), $names,
   'Traefik: all headers are replaced');
like($forward->{address}, qr{\Ahttp://127\.0\.0\.1:8081/check/orders\z},
     'Traefik: the question');
ok((grep { $_ eq 'Authorization' } @{$forward->{authRequestHeaders}}),
   'Traefik: with the token');

like($_, $regex, "Traefik: $_ is removed")
    for qw(X-Mpt-Account-Id X_mpt_account_id X_mpt-Modules x-mpt-Modules);

unlike($_, $regex, "Traefik: $_ is not") for qw(X-Request-Id Content-Type);

is($traefik->{middlewares}{'no-token'}{headers}{customRequestHeaders}{$_}, '',
   "Traefik: no $_") for qw(Authorization Connection);

done_testing();
