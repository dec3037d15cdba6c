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

top=$(cd "$(dirname "$0")/../.." && pwd)
examples=$top/conf-examples
emulator=$top/t/emulator/token-api.pl

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
no_proxy='*'
export PATH no_proxy

dir=
nginx_pid=
emulator_pid=
passed=0
failed=0


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

    if [ -n "$dir" ]
    then
        cd /
        rm -rf "$dir"
    fi

    exit "$status"
}


# change FILE OLD NEW: fixed strings; OLD has to be on exactly one line

change() {
    if [ "$(grep -cF -- "$2" "$1")" != 1 ]
    then
        die "expected one line with \"$2\" in $(basename "$1"), mend demo.sh"
    fi

    old=$(printf '%s\n' "$2" | sed 's/[][\.*^$|]/\\&/g')
    new=$(printf '%s\n' "$3" | sed 's/[\&|]/\\&/g')

    sed "s|$old|$new|" "$1" > "$1.new"
    mv "$1.new" "$1"
}


certificates() {
    cat > openssl.cnf <<END
[req]
distinguished_name = name
prompt = no
[name]
CN = \${ENV::CN}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[api]
subjectAltName = DNS:api.platform.softwareone.com
[localhost]
subjectAltName = DNS:localhost, IP:127.0.0.1
END

    certificate ca "demo CA"
    certificate api api.platform.softwareone.com -CA ca.pem -CAkey ca.key
    certificate localhost localhost -CA ca.pem -CAkey ca.key
}


certificate() {
    name=$1
    CN=$2
    export CN
    shift 2

    openssl req -x509 -config openssl.cnf -extensions "$name" -days 2 \
        -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$name.key" -out "$name.pem" "$@" 2> openssl.log \
        || die "no certificate: $(cat openssl.log)"
}


start_emulator() {
    perl "$emulator" --tls 127.0.0.1:0 --cert api.pem --key api.key \
        > emulator.log 2>&1 &
    emulator_pid=$!

    wait_for $emulator_pid grep -q '^listening on .* tls ' emulator.log \
        || die "no emulator: $(cat emulator.log)"

    control=http://$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' \
                         emulator.log)/control
    api=$(sed -n 's/^listening on .* tls //p' emulator.log)
}


# prints the first ports that are free, from each of the given ones on

free_ports() {
    perl -MIO::Socket::INET -e '
        my @held;

        for my $port (@ARGV) {
            my $sock;

            until ($sock = IO::Socket::INET->new(
                               LocalAddr => "127.0.0.1:$port",
                               ReuseAddr => 1, Listen => 1))
            {
                die "no free port\n" if ++$port > 65535;
            }

            push @held, $sock;
            print "$port\n";
        }' "$@"
}


configure() {
    # shellcheck disable=SC2046
    set -- $(free_ports "$@")
    [ $# = 4 ] || die "no free port"

    url=https://127.0.0.1:$1
    plain=http://127.0.0.1:$2
    backend=127.0.0.1:$3
    operator=http://127.0.0.1:$4

    cp -R "$examples/nginx.conf" "$examples/auth-api-token" .

    change nginx.conf "user www-data;" ""
    change nginx.conf "pid /run/nginx.pid;" "pid nginx.pid;"
    change nginx.conf "error_log /var/log/nginx/error.log warn;" \
           "error_log error.log info;"
    change nginx.conf "access_log /var/log/nginx/access.log" \
                      "access_log access.log"
    change nginx.conf "http {" "http { include demo.conf;"
    change nginx.conf "server api.platform.softwareone.com:443;" "server $api;"
    change nginx.conf "server 127.0.0.1:8080;" "server $backend;"
    change nginx.conf "listen 443 ssl;" "listen 127.0.0.1:$1 ssl;"
    change nginx.conf "listen 80;" "listen 127.0.0.1:$2;"
    change nginx.conf "listen 127.0.0.1:8090;" "listen 127.0.0.1:$4;"
    change nginx.conf "/etc/ssl/certs/api.example.com.pem" localhost.pem
    change nginx.conf "/etc/ssl/private/api.example.com.key" localhost.key
    change auth-api-token/marketplace.conf \
           "/etc/ssl/certs/ca-certificates.crt" ca.pem

    # nothing may leave this machine

    if grep -q softwareone nginx.conf
    then
        die "nginx.conf still names the real API, mend demo.sh"
    fi

    cat > demo.conf <<END
client_body_temp_path temp_body;
proxy_temp_path temp_proxy;
fastcgi_temp_path temp_fastcgi;
uwsgi_temp_path temp_uwsgi;
scgi_temp_path temp_scgi;

# the backend tells what it got

server {
    listen $backend;
    access_log off;
    default_type text/plain;

    location / {
        return 200 "the backend got
    \$request
    Host: \$http_host
    X-Forwarded-Proto: \$http_x_forwarded_proto
    Authorization: \$http_authorization
    X-MPT-Token-Id: \$http_x_mpt_token_id
    X-MPT-Token-Name: \$http_x_mpt_token_name
    X-MPT-Account-Id: \$http_x_mpt_account_id
    X-MPT-Account-Name: \$http_x_mpt_account_name
    X-MPT-Account-Type: \$http_x_mpt_account_type
    X-MPT-Modules: \$http_x_mpt_modules
";
    }
}
END
}


# a port may be taken since it was found free, by another demo for one

start_nginx() {
    set -- 8443 8081 8181 8090

    for _ in 1 2 3
    do
        : > error.log
        configure "$@"

        nginx -p "$dir" -e error.log -c "$dir/nginx.conf" -g 'daemon off;' \
            > nginx.log 2>&1 &
        nginx_pid=$!

        if wait_for $nginx_pid curl -sf -m 2 --cacert ca.pem -o nginx.out \
                                        "$url/healthz"
        then
            return 0
        fi

        stop $nginx_pid
        nginx_pid=

        grep -q 'bind() .* failed' error.log || break

        port=$((10000 + $$ % 10000 * 2))
        set -- $port $port $port $port
    done

    [ -s nginx.log ] || mv error.log nginx.log
    cat nginx.log >&2
    die "nginx does not start"
}


show() {
    echo
    echo "== $*"
}


# the command line as it is run, then the answer's status, the headers that say
# why, and the body

ask() {
    set -- "curl -si $1"

    printf '$ %s\n' "$1"
    eval "$1" > answer || true

    tr -d '\r' < answer | awk '
        body || NR == 1 { print }
        tolower($0) ~ /^(www-authenticate|retry-after):/ && !body { print }
        $0 == "" { body = 1 }' > shown

    echo >> shown
    [ -s answer ] || echo "no answer" > shown
    cat shown
}


tell() {
    set -- "curl -sf -X $1 $control/$2${3:+" -d '$3'"}"

    printf '$ %s\n' "$1"
    eval "$1" > answer \
        || die "the emulator does not do that: $(cat answer)"
}


verify() {
    what=$1
    shift

    [ -n "$check" ] || return 0

    if "$@"
    then
        passed=$((passed + 1))
        echo "ok: $what"

    else
        failed=$((failed + 1))
        echo "not ok: $what"
    fi
}


not() {
    ! "$@"
}


status() {
    sed 1q shown > status
    verify "status $1" grep -q "^HTTP/[0-9.]* $1 " status
}


has() {
    verify "$1" grep -qF -- "$1" shown
}


has_not() {
    verify "no $1" not grep -qF -- "$1" shown
}


requests() {
    ca="--cacert $dir/ca.pem"
    orders=$url/orders/1

    vendor=idt:TKN-1001-0001:MADEUPvendor0123456789
    client=idt:TKN-1001-0002:MADEUPclient0123456789
    access=idt:TKN-1001-0003:MADEUPaccess0123456789
    guess=idt:TKN-1001-0001:MADEUPguess
    late=idt:TKN-1001-0005:MADEUPlate

    show "a vendor's token, a client's, one without the module MOD-0478"
    tell PUT tokens/TKN-1001-0001 '{"secret":"MADEUPvendor0123456789"}'
    tell PUT tokens/TKN-1001-0002 '{"secret":"MADEUPclient0123456789","account":{"id":"ACC-1111-2222","type":"Client","status":"Enabled","name":"Buyer"}}'
    tell PUT tokens/TKN-1001-0003 '{"secret":"MADEUPaccess0123456789","modules":[{"id":"MOD-1756"}]}'

    tell PUT tokens/TKN-1001-0005 '{"secret":"MADEUPlate"}'

    show "the vendor's token passes, and stays in nginx"
    ask "$ca -H 'Authorization: Bearer $vendor' $orders"
    status 200
    has "GET /orders/1 "
    has "X-Forwarded-Proto: https"
    has "X-MPT-Token-Id: TKN-1001-0001"
    has "X-MPT-Token-Name: CRM robot"
    has "X-MPT-Account-Id: ACC-8765-4321"
    has "X-MPT-Account-Name: TestCompany"
    has "X-MPT-Account-Type: Vendor"
    has "X-MPT-Modules: MOD-0478,MOD-1756"
    has_not MADEUP

    show "identity that the client made up does not get through"
    ask "$ca -H 'Authorization: Bearer $vendor' -H 'X-MPT-Account-Id: ACC-6666-6666' -H 'X-MPT-Account-Type: Operations' $orders"
    status 200
    has "X-MPT-Account-Id: ACC-8765-4321"
    has "X-MPT-Account-Type: Vendor"
    has_not ACC-6666-6666
    has_not Operations
    has_not MADEUP

    show "no token"
    ask "$ca $orders"
    status 401
    has 'WWW-Authenticate: Bearer realm="orders"'
    has_not error=
    has '"status":401'

    show "what is not a token at all"
    ask "$ca -H 'Authorization: Bearer not a token' $orders"
    status 400
    has 'error="invalid_request"'
    has '"status":400'

    show "the secret is a guess"
    ask "$ca -H 'Authorization: Bearer $guess' $orders"
    status 401
    has 'error="invalid_token"'
    has '"status":401'

    show "a client's account"
    ask "$ca -H 'Authorization: Bearer $client' $orders"
    status 403
    has 'error="insufficient_scope"'
    has 'Accounts of this type'
    has_not scope=\"

    show "without MOD-0478"
    ask "$ca -H 'Authorization: Bearer $access' $orders"
    status 403
    has 'error="insufficient_scope"'
    has 'scope="MOD-0478"'

    show "the vendor's token is disabled: what is known of it serves a minute"
    tell PUT tokens/TKN-1001-0001 '{"status":"Disabled"}'
    ask "$ca -H 'Authorization: Bearer $vendor' $orders"
    status 200

    show "or until it is purged"
    ask "-X DELETE $operator/purge/TKN-1001-0001"
    status 200
    has '"purged":'
    ask "$ca -H 'Authorization: Bearer $vendor' $orders"
    status 401
    has 'error="invalid_token"'

    show "and enabled again"
    tell PUT tokens/TKN-1001-0001 '{"status":"Active"}'
    ask "-d '{\"token\":\"TKN-1001-0001\"}' $operator/purge/"
    status 200
    has '{"purged":1}'
    ask "$ca -H 'Authorization: Bearer $vendor' $orders"
    status 200
    has "X-MPT-Token-Id: TKN-1001-0001"

    show "a token over plain HTTP"
    ask "-H 'Authorization: Bearer $vendor' $plain/orders/1"
    status 403
    has "over HTTPS only"

    show "the location that asks the API is not for clients"
    ask "$ca -H 'Authorization: Bearer $vendor' $url/_token_api"
    status 404

    show "the API is down: who is known passes, others cannot be checked"
    tell PUT faults/any '{"reset":"before"}'
    ask "$ca -H 'Authorization: Bearer $vendor' $orders"
    status 200
    ask "$ca -H 'Authorization: Bearer $late' $orders"
    status 503
    has "Retry-After: 1"
    has '"status":503'

    show "the API has enough of us"
    tell PUT faults/any '{"status":429,"headers":{"Retry-After":"2"}}'
    ask "$ca -H 'Authorization: Bearer $late' $orders"
    status 503
    has "Retry-After: 2"

    show "it is not asked before"
    tell DELETE faults/any
    ask "$ca -H 'Authorization: Bearer $late' $orders"
    status 503

    show "and is back"
    wait_for $nginx_pid eval "ask \"$ca -H 'Authorization: Bearer $late' \
$orders\" | grep -q 'X-MPT-Token-Id: TKN-1001-0005'" || true
    ask "$ca -H 'Authorization: Bearer $late' $orders"
    status 200
    has "X-MPT-Token-Id: TKN-1001-0005"

    show "the figures of all that"
    ask "$operator/status"
    status 200
    has '"breaker":"closed"'
    has '"purge_requests":2'
}


# what no answer shows

verify_traces() {
    curl -sf "$control/figures" > figures || true

    verify "lookups name the API's host" \
           grep -qF '["Host","api.platform.softwareone.com"]' figures
    verify "lookups name the module" \
           grep -qF '["User-Agent","ngx_http_auth_api_token_module/' figures
    verify "refusals are in the error log" \
           grep -q 'API token refused: module, id: "TKN-1001-0003"' error.log
    verify "requests are in the access log" \
           grep -q 'result=pass cache=HIT id=TKN-1001-0001 account=ACC-8765' \
               access.log
    verify "no secret in the logs" \
           not grep -q MADEUP error.log access.log nginx.log
}


next() {
    cat <<END

== what to try next

# a token of SoftwareOne itself passes
curl -X PUT $control/tokens/TKN-1001-0004 -d '{"secret":"MADEUPstaff","account":{"id":"ACC-0000-0001","type":"Operations","status":"Enabled"}}'
curl -i $ca -H 'Authorization: Bearer idt:TKN-1001-0004:MADEUPstaff' $orders

# its account is disabled: 401, after a minute or a purge
curl -X PUT $control/tokens/TKN-1001-0004 -d '{"account":{"id":"ACC-0000-0001","type":"Operations","status":"Disabled"}}'

# the vendor's token may not read itself: 403, and the log knows two mends
curl -X PUT $control/tokens/TKN-1001-0001 -d '{"self":403}'
curl -X DELETE $operator/purge/TKN-1001-0001
curl -i $ca -H 'Authorization: Bearer $vendor' $orders

# the API takes 3 s to answer, is well, has never heard of anything
curl -X PUT $control/faults/any -d '{"delay":3000}'
curl -X DELETE $control/faults/any
curl -X POST $control/reset

# the figures, for people and for Prometheus; forgetting everything
curl $operator/status
curl -H 'Accept: text/plain' $operator/status
curl -d '{"all":true}' $operator/purge/

# what the API was asked, and all it can be told to do
curl $control/figures
sed '/^use/q' $emulator

# the logs, and the configuration
tail $dir/error.log $dir/access.log
more $dir/nginx.conf $dir/auth-api-token/*

Ctrl-C ends it and removes all of this.
END
}


trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

[ -f "$module" ] || die "usage: demo.sh MODULE [1]"
module=$(cd "$(dirname "$module")" && pwd)/$(basename "$module")

for tool in nginx openssl curl perl
do
    command -v $tool >/dev/null || die "$tool is not here, try .ci/deps"
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

certificates
start_emulator
start_nginx
requests

if [ -n "$check" ]
then
    verify_traces
    echo
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
fi

trap 'echo; exit 0' INT

next

while ! gone $nginx_pid && ! gone $emulator_pid
do
    sleep 1
done

die "nginx or the emulator is gone, see above"
