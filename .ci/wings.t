# Breaks each rule of .ci/wings in a tree of its own, in which p_ stands for the
# prefix of all names.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin ();
use Test::More;

my %tree = (
    'p_module.c' => <<'END',
#include "p_operate.h"
#include "p_check.h"
ngx_command_t  p_commands[] = { { p_status }, { p_access } };
ngx_module_t  p_module = { p_commands };
END
    'operate/p_operate.h' => <<'END',
#include <ngx_http.h>
ngx_int_t p_status(ngx_http_request_t *r);
END
    'operate/p_status.c' => <<'END',
#include "p_operate.h"
#include "p_store.h"
ngx_int_t
p_status(ngx_http_request_t *r)
{
    return p_find(p_name);   /* p_access() */
}
END
    'check/p_check.h' => <<'END',
#include "p_conf.h"
ngx_int_t p_access(ngx_http_request_t *r);
END
    'check/p_access.c' => <<'END',
#include "p_check.h"
#include "p_bearer.h"
#include "p_lookup.h"
static ngx_int_t p_own(void);
ngx_int_t
p_access(ngx_http_request_t *r)
{
    return p_bearer(p_own) + p_ask(p_module, "p_status");
}
static ngx_int_t
p_own(void)
{
    return '{';
}
END
    'check/p_bearer.h' => "ngx_int_t p_bearer(u_char *p);\n",
    'check/p_bearer.c' => <<'END',
#include "p_bearer.h"
ngx_int_t
p_bearer(u_char *p)
{
    return *p;
}
END
    'lookup/p_lookup.h' => <<'END',
#include "p_flight.h"
typedef struct {
    ngx_int_t  (*handler)(void *data);
} p_lookup_t;
END
    'lookup/p_flight.h' => <<'END',
#include "p_conf.h"
ngx_int_t p_ask(ngx_module_t module, ngx_int_t (*handler)(void *data));
#define p_asked(p)                                                        \
    p_ask(p, 0)
END
    'lookup/p_flight.c' => <<'END',
#include "p_lookup.h"
#include "p_json.h"
#include <openssl/sha.h>
ngx_int_t
p_ask(ngx_module_t module, ngx_int_t (*handler)(void *data))
{
    return p_parse(p_length);
}
END
    'lookup/p_json.h' => "ngx_int_t p_parse(size_t n);\n",
    'lookup/p_json.c' => <<'END',
#include "p_json.h"
#include <jansson.h>
ngx_int_t
p_parse(size_t n)
{
#if (WHATEVER)
    return n;
#endif
}
END
    'conf/p_conf.h' => <<'END',
#include <ngx_http.h>
#include "p_store.h"
#define p_length  LENGTH
extern ngx_module_t  p_module;
END
    'store/p_store.h' => <<'END',
#include <ngx_core.h>
extern ngx_str_t  p_name;
#if (WHATEVER)
ngx_int_t p_find(ngx_str_t name);
#endif
END
    'store/p_store.c' => <<'END',
#include "p_store.h"
ngx_str_t  p_name = { 0, NULL };
#if (WHATEVER)
ngx_int_t
p_find(ngx_str_t name)
{
    return name.len;
}
#endif
END
);


# what the check says of the tree after files have got more text

sub check {
    my (%more) = @_;

    my $dir = tempdir(CLEANUP => 1);

    for my $name (keys %{{ %tree, %more }}) {
        my $file = "$dir/" . full($name);

        make_path(dirname($file));
        open my $out, '>', $file or die "$file: $!\n";
        print {$out} full(($tree{$name} || '') . ($more{$name} || ''));
        close $out;
    }

    return `$FindBin::Bin/wings $dir`;
}


sub full {
    return $_[0] =~ s/\bp_/ngx_http_auth_api_token_/gr;
}


sub fails {
    my ($name, $complaint, %more) = @_;

    my $got = check(%more) =~ s/\bngx_http_auth_api_token_/p_/gr;

    ok($got =~ $complaint && $got !~ /^rings: none$/m, $name)
        or diag("got: $got");
}


my $good = check();

is($?, 0, 'passes');
like($good, qr/^top +check +1 +1\n/m, 'table');
like($good, qr/^lookup +conf +1 +0\n/m, 'no call of a macro');
like($good, qr/^rings: none\n\z/m, 'rings');

fails('include from above',
      qr{store/p_store.c:10: includes conf/p_conf.h, which is above},
      'store/p_store.c' => qq(#include "p_conf.h"\n));
fails('include of what is not offered',
      qr{check/p_bearer.c:7: includes lookup/p_json.h, which is not off},
      'check/p_bearer.c' => qq(#include "p_json.h"\n));
fails('the same on top',
      qr{/p_module.c:5: includes lookup/p_json.h, which is not offered},
      'p_module.c' => qq(#include "p_json.h"\n));
fails('name that is not unique',
      qr{operate/p_status.c:1: there is lookup/p_status.c, too},
      'lookup/p_status.c' => "\n");
fails('folder', qr{more/p_more.c:1: the folder is no wing},
      'more/p_more.c' => "\n");
fails('header of nobody', qr{check/p_more.h:1: nobody includes this},
      'check/p_more.h' => "\n");
fails('ring of includes',
      qr{ring of includes: check/bearer.h, check/more.h\n},
      'check/p_bearer.h' => qq(#include "p_more.h"\n),
      'check/p_more.h' => qq(#include "p_bearer.h"\n));
fails('JSON in two files',
      qr{lookup/p_flight.c:9: includes jansson.h, and is not the only},
      'lookup/p_flight.c' => "#include <jansson.h>\n");
fails('OpenSSL in two files',
      qr{conf/p_more.c:1: includes openssl/evp.h, and is not the only},
      'conf/p_more.c' => "#include <openssl/evp.h>\n");
fails('store with events',
      qr{store/p_store.c:10: includes ngx_event.h, and may not},
      'store/p_store.c' => "#include <ngx_event.h>\n");
fails('JSON with HTTP',
      qr{json.c:10: includes p_lookup.h \(see p_conf.h\), and may not},
      'lookup/p_json.c' => qq(#include "p_lookup.h"\n));

fails('call of what is above',
      qr{store/p_store.c:13: uses p_ask of lookup/p_flight.c, which is above},
      'store/p_store.c' => "static int a(void)\n{\n    b();\n    p_ask();\n}");
fails('its name', qr{p_store.c:10: uses p_ask of lookup/p_flight.c, which},
      'store/p_store.c' => "static void  *a = p_ask;\n");
fails('variable', qr{lookup/p_json.c:10: uses p_commands of p_module.c, which},
      'lookup/p_json.c' => "static void  *a = p_commands;\n");
fails('pointer to a function',
      qr{store/p_store.c:12: uses p_hook of check/p_bearer.c, which},
      'check/p_bearer.c' => "void  (*p_hook)(void);\n",
      'store/p_store.c' => "static int a(void)\n{\n    p_hook();\n}\n");
fails('macro', qr{store/p_store.c:10: uses p_length of conf/p_conf.h, which},
      'store/p_store.c' => "static char  a[p_length];\n");
fails('text of a macro', qr{lookup/p_json.h:2: uses p_access of check/p_ac},
      'lookup/p_json.h' => "#define p_more()  p_access()\n");
fails('ring of calls',
      qr{calls: lookup/flight.c, lookup/json.c\n.*\n.* -> .*flight.c: ask\n},
      'lookup/p_json.c' => "static void  *a = p_ask;\n");
fails('ring by way of a macro',
      qr{calls: lookup/flight.c, lookup/json.c\n.*\n.* -> .*flight.c: ask\n},
      'lookup/p_json.c' => "static int a(void)\n{\n    p_asked(0);\n}\n");
fails('ring by way of a function in a header',
      qr{calls: lookup/flight.c, lookup/json.c\n.*\n.* -> .*flight.c: ask\n},
      'lookup/p_flight.h' => "static int p_in(int n)\n{\n    p_ask(n);\n}\n",
      'lookup/p_json.c' => "static int a(void)\n{\n    p_in(0);\n}\n");

fails('declared and not used',
      qr{check/p_bearer.h:2: p_more is used by no other file},
      'check/p_bearer.h' => "void p_more(void);\n",
      'check/p_bearer.c' => "void\np_more(void)\n{\n    p_more();\n}\n");
fails('declared and not defined',
      qr{check/p_bearer.h:2: p_more is defined nowhere},
      'check/p_bearer.h' => "void p_more(void);\n");
fails('declared in another wing',
      qr{conf/p_conf.h:5: p_ask is defined in lookup/p_flight.c, another},
      'conf/p_conf.h' => "int p_ask(void);\n");
fails('not declared',
      qr{check/p_bearer.c:8: p_more is not static, nor declared},
      'check/p_bearer.c' => "void\np_more(void)\n{\n}\n");
fails('braces', qr{check/p_bearer.c:\d+: braces do not match},
      'check/p_bearer.c' => "static int a(void)\n{\n");

for my $include ('"../check/p_check.h"', 'P_NAME', '/* a */ "p_check.h"') {
    fails("including $include", qr{store/p_store.c:10: includes in a way that},
          'store/p_store.c' => "#include $include\n");
}

delete local $tree{'lookup/p_lookup.h'};
fails('no front', qr{lookup/p_lookup.h:1: the wing has no front header});

done_testing();
