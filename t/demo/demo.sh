#!/bin/sh

# Shows the module at work, against an emulator of the token API:
#
#     demo.sh MODULE [1]
#
# MODULE is the path of the .so.  Everything runs on 127.0.0.1, out of a
# temporary directory, with the configuration of conf-examples.  Stays up until
# Ctrl-C; with 1, verifies what it shows and ends.

set -eu

module=${1:-}
check=${2:-}

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
examples=$top/conf-examples

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
no_proxy='*'
export PATH no_proxy

dir=
nginx_pid=
emulator_pid=
guard_pid=
tee_pid=
logged=0
passed=0
failed=0

. "$here/look.sh"
. "$here/start.sh"
. "$here/verify.sh"


die() {
    echo "demo: $*" >&2
    exit 1
}


# waits until the command succeeds, for 100 tries, or until the process is gone

wait_for() {
    pid=$1
    tries=100
    shift

    until "$@"
    do
        tries=$((tries - 1))

        if [ $tries = 0 ] || ! kill -0 "$pid" 2>/dev/null
        then
            return 1
        fi

        sleep 0.1
    done
}


gone() {
    ! kill -0 "$1" 2>/dev/null
}


stop() {
    [ -n "$1" ] || return 0

    kill "$1" 2>/dev/null || true
    wait_for "$1" gone "$1" || kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}


cleanup() {
    status=$?
    set +e
    trap '' HUP INT TERM
    trap - EXIT

    stop "$nginx_pid"
    stop "$emulator_pid"
    stop "$guard_pid"
    end_transcript

    if [ -n "$dir" ]
    then
        cd /
        rm -rf "$dir"
    fi

    exit "$status"
}


# cleans up in place of a shell that was killed with -9

guard() {
    perl -e '
        my ($parent, $dir) = @ARGV;

        $SIG{HUP} = $SIG{INT} = "IGNORE";
        sleep 1 while getppid == $parent;

        if (open my $in, "<", "$dir/nginx.pid") {
            my $pid = <$in> // "";

            if ($pid =~ /\A(\d+)$/) {
                my $tries = 100;

                kill TERM => $1;
                select undef, undef, undef, 0.1
                    while kill(0 => $1) && $tries--;
            }
        }

        exec "rm", "-rf", $dir;' $$ "$dir" > guard.log 2>&1 &
    guard_pid=$!
}


# what the commands that are shown refer to

introduce() {
    cat > shell <<END
demo=$dir
nginx=$url
plain=$plain
operator=$operator
emulator=$control
export CURL_CA_BUNDLE=\$demo/ca.pem
export no_proxy=127.0.0.1

vendor=idt:TKN-1001-0001:MADEUPvendor0123456789
client=idt:TKN-1001-0002:MADEUPclient0123456789
access=idt:TKN-1001-0003:MADEUPaccess0123456789
staff=idt:TKN-1001-0004:MADEUPstaff
late=idt:TKN-1001-0005:MADEUPlate
guess=idt:TKN-1001-0001:MADEUPguess
END

    echo ". $dir/shell" > typed

    heading "nginx with the module, and an emulator of the token API"
    cat <<END
# Commands begin at the margin.  To try them in another terminal, begin there
# with this one:

END
    say
    indented < shell
}


# runs the file "typed" as another terminal would

run() {
    sh -euc '. ./shell; . ./typed' > answer 2> run.log
}


show() {
    heading "$*"
}


# gives the emulator a command

tell() {
    cat > typed
    say
    run || die "the emulator does not do that: $(cat answer run.log)"
}


# asks nginx, and shows what of the answer matters

ask() {
    cat > typed
    say
    run || true
    shown "${1:-}"
}


shown() {
    answer "$1"
    tr -d '\r' < answer > said
}


# the same for a row in the summary, with what the log says

row() {
    ask "${2:-}"
    in_log
    summary "$1" "$(field result)" "$(field cache)"
}


summary() {
    printf '%-44s  %-6s  %-13s  %s\n' "$1" "$(code)" "$2" "$3" >> rows
}


# the status of what nginx said

code() {
    sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' said
}


# the request's line in the log, which comes after the answer

in_log() {
    logged=$((logged + 1))
    wait_for $nginx_pid has_lines $logged || die "no line in access.log"
    sed -n ${logged}p access.log > line
}


has_lines() {
    [ "$(wc -l < access.log)" -ge "$1" ]
}


field() {
    sed -n "s/.* $1=\([^ ]*\).*/\1/p" line
}


# a row for what passes when the time that the last answer names is over

again() {
    cat > typed
    say
    sleep "$(sed -n 's/^Retry-After: //p' said)" || true
    wait_for $nginx_pid passes || true
    shown "$2"
    summary "$1" "$(field result)" "$(field cache)"
}


passes() {
    run && in_log && [ "$(field result)" = pass ]
}


requests() {
    show "a vendor's token, a client's, one without the module MOD-0478"
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0001 \
    -d '{"secret":"MADEUPvendor0123456789"}'
END
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0002 \
    -d '{"secret":"MADEUPclient0123456789",
    "account":{"id":"ACC-1111-2222","type":"Client","status":"Enabled",
    "name":"Buyer"}}'
END
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0003 \
    -d '{"secret":"MADEUPaccess0123456789","modules":[{"id":"MOD-1756"}]}'
END
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0005 -d '{"secret":"MADEUPlate"}'
END

    show "the vendor's token passes, and nginx remembers what the API said of it"
    row "the vendor's token" <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/orders/1
END
    decided 200 pass MISS
    has "GET /orders/1 "
    has "X-Forwarded-Proto: https"
    has "X-MPT-Token-Id: TKN-1001-0001"
    has "X-MPT-Token-Name: CRM robot"
    has "X-MPT-Account-Id: ACC-8765-4321"
    has "X-MPT-Account-Name: TestCompany"
    has "X-MPT-Account-Type: Vendor"
    has "X-MPT-Modules: MOD-0478,MOD-1756"
    has_not MADEUP

    show "identity headers that the client made up do not get through"
    row "the same, with made-up identity headers" X-MPT-Account <<'END'
curl -si -H "Authorization: Bearer $vendor" \
    -H 'X-MPT-Account-Id: ACC-6666-6666' \
    -H 'X-MPT-Account-Type: Operations' $nginx/orders/1
END
    decided 200 pass HIT
    has "X-MPT-Account-Id: ACC-8765-4321"
    has "X-MPT-Account-Type: Vendor"
    has_not ACC-6666-6666
    has_not Operations
    has_not MADEUP

    show "no token"
    row "no token" <<'END'
curl -si $nginx/orders/1
END
    decided 401 no_token -
    has 'WWW-Authenticate: Bearer realm="orders"'
    has_not error=
    has '"status":401'

    show "not a token at all"
    row "not a token at all" <<'END'
curl -si -H 'Authorization: Bearer not a token' $nginx/orders/1
END
    decided 400 malformed -
    has 'error="invalid_request"'
    has '"status":400'

    show "the secret is a guess"
    row "the secret is a guess" <<'END'
curl -si -H "Authorization: Bearer $guess" $nginx/orders/1
END
    decided 401 unknown MISS
    has 'error="invalid_token"'
    has '"status":401'

    show "a token of a client's account, where only vendors may pass"
    row "a client's account" <<'END'
curl -si -H "Authorization: Bearer $client" $nginx/orders/1
END
    decided 403 account_type MISS
    has 'error="insufficient_scope"'
    has 'Accounts of this type'
    has_not scope=\"

    show "a token without MOD-0478"
    row "without MOD-0478" <<'END'
curl -si -H "Authorization: Bearer $access" $nginx/orders/1
END
    decided 403 module MISS
    has 'error="insufficient_scope"'
    has 'scope="MOD-0478"'

    show "the vendor's token is disabled: it still passes, for up to a minute"
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0001 -d '{"status":"Disabled"}'
END
    row "disabled: still known for a minute" X-MPT-Token-Id <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/orders/1
END
    decided 200 pass HIT

    show "or until it is purged"
    ask <<'END'
curl -si -X DELETE $operator/purge/TKN-1001-0001
END
    status 200
    has '"purged":'
    row "disabled, and purged" <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/orders/1
END
    decided 401 unknown MISS
    has 'error="invalid_token"'

    show "it is enabled again, and passes after a purge"
    tell <<'END'
curl -sf -X PUT $emulator/tokens/TKN-1001-0001 -d '{"status":"Active"}'
END
    ask <<'END'
curl -si -d '{"token":"TKN-1001-0001"}' $operator/purge/
END
    status 200
    has '{"purged":1}'
    row "enabled again, and purged" X-MPT-Token-Id <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/orders/1
END
    decided 200 pass MISS
    has "X-MPT-Token-Id: TKN-1001-0001"

    show "a token over plain HTTP"
    row "a token over plain HTTP" <<'END'
curl -si -H "Authorization: Bearer $vendor" $plain/orders/1
END
    decided 403 insecure -
    has "only over HTTPS"

    show "the location that asks the API is not for clients"
    ask h1 <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/_token_api
END
    summary "the location that asks the API" - -
    status 404

    show "the API is down: known tokens pass, others cannot be checked"
    tell <<'END'
curl -sf -X PUT $emulator/faults/any -d '{"reset":"before"}'
END
    row "the API is down: a token that is known" X-MPT-Token-Id <<'END'
curl -si -H "Authorization: Bearer $vendor" $nginx/orders/1
END
    decided 200 pass HIT
    row "the API is down: another" <<'END'
curl -si -H "Authorization: Bearer $late" $nginx/orders/1
END
    decided 503 unavailable MISS
    has "Retry-After: 1"
    has '"status":503'

    show "the API is asked too often: it says so with 429"
    tell <<'END'
curl -sf -X PUT $emulator/faults/any \
    -d '{"status":429,"headers":{"Retry-After":"5"}}'
END
    row "the API answers 429" <<'END'
curl -si -H "Authorization: Bearer $late" $nginx/orders/1
END
    decided 503 unavailable MISS
    has "Retry-After: 5"

    show "it is not asked again about that token before these 5 seconds are over"
    tell <<'END'
curl -sf -X DELETE $emulator/faults/any
END
    row "the same, before these 5 seconds are over" <<'END'
curl -si -H "Authorization: Bearer $late" $nginx/orders/1
END
    decided 503 unavailable MISS

    show "after these 5 seconds it is asked again, and the token passes"
    again "the API is back" X-MPT-Token-Id <<'END'
curl -si -H "Authorization: Bearer $late" $nginx/orders/1
END
    decided 200 pass MISS
    has "X-MPT-Token-Id: TKN-1001-0005"

    show "the figures"
    ask <<'END'
curl -si $operator/status
END
    status 200
    has '"breaker":"closed"'
    has '"purge_requests":2'
}


next() {
    heading "what to try next"
    cat > next <<'END'

# a token of SoftwareOne itself passes
curl -X PUT $emulator/tokens/TKN-1001-0004 -d '{"secret":"MADEUPstaff",
    "account":{"id":"ACC-0000-0001","type":"Operations","status":"Enabled"}}'
curl -i -H "Authorization: Bearer $staff" $nginx/orders/1

# its account is disabled: 401, after a minute or a purge
curl -X PUT $emulator/tokens/TKN-1001-0004 -d '{
    "account":{"id":"ACC-0000-0001","type":"Operations","status":"Disabled"}}'
curl -X DELETE $operator/purge/TKN-1001-0004
curl -i -H "Authorization: Bearer $staff" $nginx/orders/1

# the vendor's token may not read itself: 403, and the log names two remedies
curl -X PUT $emulator/tokens/TKN-1001-0001 -d '{"self":403}'
curl -X DELETE $operator/purge/TKN-1001-0001
curl -i -H "Authorization: Bearer $vendor" $nginx/orders/1
grep unreadable $demo/error.log

# the API takes 3 s to answer; a request with an unknown token waits for it
curl -X PUT $emulator/faults/any -d '{"delay":3000}'
curl -X DELETE $operator/purge/TKN-1001-0005
curl -s -o /dev/null -w '%{http_code} after %{time_total} s\n' \
    -H "Authorization: Bearer $late" $nginx/orders/1
curl -X DELETE $emulator/faults/any

# the figures in JSON and for Prometheus; a purge of everything
curl -s $operator/status | json_pp
curl -H 'Accept: text/plain' $operator/status
curl -d '{"all":true}' $operator/purge/

# what the API was asked, what the emulator can do, and how to reset it
curl -s $emulator/figures | json_pp
sed '/^use/q' $demo/token-api.pl
curl -X POST $emulator/reset

# the log, and the configuration
tail $demo/access.log
more $demo/nginx.conf $demo/auth-api-token/*
END
    sed "s/^[^# ].*/$cyan&$off/" next
}


summarize() {
    heading "in short"
    printf '\n    %-44s  %-6s  %-13s  %s\n' request status result cache

    sed "s/ 2..  /$green&$off/
         s/ 4..  /$yellow&$off/
         s/ 5..  /$red&$off/" rows | indented
}


trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

[ -f "$module" ] || die "usage: demo.sh MODULE [1]"
module=$(cd "$(dirname "$module")" && pwd)/$(basename "$module")

for tool in nginx openssl curl perl ${check:+script}
do
    command -v $tool >/dev/null || die "$tool is not here, try .ci/deps demo"
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/api-token-demo.XXXXXX")
dir=$(cd "$dir" && pwd)
cd "$dir"

case $dir in
    *[!A-Za-z0-9/._-]*) die "odd characters in $dir, set TMPDIR" ;;
esac

# the workers of an nginx started by root have to reach their files

chmod 711 .

# no curlrc of the user's, and no endless wait

echo "max-time = 20" > .curlrc
CURL_HOME=$dir
export CURL_HOME

mkdir modules
ln -s "$module" modules/ngx_http_auth_api_token_module.so
ln -s "$top/t/emulator/token-api.pl" token-api.pl

guard
certificates
start_emulator
start_nginx
begin_transcript
introduce
requests
verify_traces
next
summarize

cat <<END

# The figures, live, in a browser:  $operator/status
END

if [ -n "$check" ]
then
    end_transcript
    verify_transcript
    verify_next
    verify_colour

    echo
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
fi

trap 'echo; exit 0' INT

echo "# Ctrl-C ends all of this, and removes it."

while ! gone $nginx_pid && ! gone $emulator_pid
do
    sleep 1
done

die "nginx or the emulator is gone, see above"
