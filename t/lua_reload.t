use lib 't/lib';
use AuthApiToken;
use Neighbours;
use Store qw(ask start);
use Test::Nginx::Socket 'no_plan';

# lookups that Lua answers, while workers come and go

master_on();

our $Config = <<'END';
    auth_api_token_cache tokens;
    rewrite_by_lua_block { ngx.ctx.t = ngx.var.request_id }

    location /t {
        auth_api_token "r";
        add_header X-Result $auth_api_token_result always;
        add_header X-Cache $auth_api_token_cache_status always;
        try_files /dev/null =204;
    }

    location = /inner {
        internal;
        proxy_pass http://token_api/public/v1/accounts/api-tokens/$auth_api_token_claimed_id;
    }
END

our $Lookup = <<'END';
        content_by_lua_block {
            ngx.sleep(0.05)
            local res = ngx.location.capture("/inner")
            ngx.sleep(0.05)
            ngx.status = res.status
            ngx.print(res.body)
        }
END


no_long_string();
run_tests();

__DATA__

=== TEST 1: workers that quit, with clients that wait
--- after: lua
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: $::Config
--- lookup eval: $::Lookup
--- perl
is(ask(token('TKN-1234-5678')), '204 pass MISS', 'the first one');

api('PUT', 'faults/any', { delay => 100 });

for my $i (1 .. 10) {
    my @socks = map { start("idt:TKN-1234-5678:MADEUP$i") } 1 .. 3;

    until_true('asked', sub { figures()->{calls} == 1 + $i }) or last;
    kill HUP => nginx_pid();

    is(join(' ', map { read_response($_)->{status} } @socks), '401 401 401',
       'a worker that quits');

    until_true('reloaded', sub {
        my $n = () = nginx_log() =~ /worker process \d+ exited with code 0/g;
        $n == $i;
    }) or last;
}

unlike(nginx_log(), qr/\[alert\]|exited on signal|open socket .* left/,
       'nothing is left');
is(ask(token('TKN-1234-5678')), '204 pass HIT', 'what is known');
--- calls: 11



=== TEST 2: a worker that is killed
--- after: lua
--- http_config
    auth_api_token_zone zone=tokens:1m;
--- config eval: $::Config
--- lookup eval: $::Lookup
--- api
fault any {"delay":300}
--- perl
my $sock = start(token('TKN-1234-5678'));
until_true('asked', sub { figures()->{calls} == 1 });

my ($worker) = worker_pids();
kill KILL => $worker;

is(read_response($sock)->{status}, 0, 'closed');

until_true('another worker', sub {
    my @pids = worker_pids();
    @pids == 1 && $pids[0] != $worker;
});

is(ask(token('TKN-1234-5678')), '204 pass MISS', 'the next one asks');
--- calls: 2
