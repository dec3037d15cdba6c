# Starts what the demo runs: sourced by demo.sh, in its temporary directory.


# change FILE OLD NEW: fixed strings; OLD has to be on exactly one line

change() {
    if [ "$(grep -cF -- "$2" "$1")" != 1 ]
    then
        die "expected one line with \"$2\" in $(basename "$1"), correct start.sh"
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
    : > emulator.log
    perl token-api.pl --tls 127.0.0.1:0 --cert api.pem --key api.key \
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
        die "nginx.conf still names the real API, correct start.sh"
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
