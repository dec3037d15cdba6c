package Ways;

# An example as it stands, and once more with what users may have with it: the
# API asked in the preaccess phase, and the modules for Lua and headers-more.
#
#     for my $way (ways()) {
#         my $example = start_as($way, 'cors.conf', ...);

use strict;
use warnings;

use AuthApiToken;
use Beside ();
use Example;
use Exporter qw(import);
use Test::More ();

our @EXPORT = qw(ways start_as);


sub ways {
    return ('as it stands', 'beside others');
}


sub start_as {
    my ($way, $name, %option) = @_;

    if ($way eq 'beside others') {
        my $request = 'auth_api_token_request ';

        $option{load} = [ map { Beside::files($_) } qw(lua headers_more) ];
        $option{change} = [ @{$option{change} || []},
                            [ $request,
                              "auth_api_token_phase preaccess; $request" ] ];
        $option{http} .= <<'END';
more_set_headers -s '200 204 401 403' 'X-More: yes';
header_filter_by_lua_block { ngx.header["X-Lua"] = "yes" }
END
    }

    my $example = Example->start($name, %option);

    Test::More::unlike($example->log, qr/\[(?:warn|error)\]/,
                       "$name - $way - starts without a word");

    return $example;
}


1;
