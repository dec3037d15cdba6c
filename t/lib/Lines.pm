package Lines;

# Request and header lines, for tests that put their requests together by hand.

use strict;
use warnings;

use AuthApiToken;
use Exporter qw(import);

our @EXPORT_OK = qw($Get $Good $Bad);

our $Get = "GET /t HTTP/1.1\r\nHost: a\r\n";

# the token that is always there, and one that nobody issued

our $Good = 'Authorization: Bearer ' . token('TKN-1234-5678') . "\r\n";
our $Bad = "Authorization: Bearer idt:TKN-1234-5678:MADEUPwrong\r\n";


1;
