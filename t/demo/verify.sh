# What "demo.sh MODULE 1" verifies: sourced by demo.sh.


verify() {
    what=$1
    shift

    [ -n "$check" ] || return 0

    if "$@"
    then
        passed=$((passed + 1))
        echo "    ok: $what"

    else
        failed=$((failed + 1))
        echo "    not ok: $what"
    fi
}


not() {
    ! "$@"
}


status() {
    verify "status $1" [ "$(code)" = "$1" ]
}


# what the log says of the last request, too

decided() {
    status "$1"
    verify "result $2, cache $3" [ "$(field result) $(field cache)" = "$2 $3" ]
}


has() {
    verify "$1" grep -qF -- "$1" said
}


has_not() {
    verify "no $1" not grep -qF -- "$1" said
}


# what no answer shows

verify_traces() {
    [ -n "$check" ] || return 0

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


# all that is printed goes to a file, too

begin_transcript() {
    [ -n "$check" ] || return 0

    mkfifo printed
    tee transcript < printed &
    tee_pid=$!
    exec 3>&1 > printed
}


end_transcript() {
    [ -n "$tee_pid" ] || return 0

    exec >&3 3>&-
    wait "$tee_pid" || true
    tee_pid=
}


# the commands at the margin, each to its last line

margin() {
    perl -ne '
        next unless length $command || /^[^#\s]/;
        $command .= $_;
        next if /\\\n\z/ || ($command =~ tr/\x27//) % 2;
        print $command;
        $command = "";'
}


# what is printed can be pasted: those commands were run that stand there

verify_transcript() {
    sed '/^# what to try next$/,$d' transcript | margin > pasted

    verify "the commands are printed as they are run" cmp -s commands pasted
    verify "JSON is laid out" grep -q '^      "status": 401,$' transcript
    verify "nothing is wider than 80 columns" not grep -q '.\{81\}' transcript
    verify "a browser gets the page" page
}


page() {
    address=$(sed -n 's/.* in a browser: *//p' transcript)
    curl -sf -H 'Accept: text/html,*/*;q=0.8' "$address" | grep -qi '<html'
}


verify_next() {
    sed '1,/^# what to try next$/d' transcript | margin > pasted

    verify "what to try next works" try
    has_tried "X-MPT-Account-Type: Operations"
    has_tried "HTTP/1.1 401"
    has_tried "HTTP/1.1 403"
    has_tried "Access Management"
    has_tried "200 after "
    has_tried '"breaker" : "closed"'
    has_tried "auth_api_token_lookups_total"
    has_tried '"purged":'
    has_tried "PUT    /control/faults/{id}"
    has_tried "auth_api_token_zone zone=tokens:10m;"
}


try() {
    sh -euc '. ./shell; . ./pasted' > tried 2>&1
}


has_tried() {
    verify "there: $1" grep -qF -- "$1" tried
}


# a heading as it is on a terminal of this kind

sample() {
    # shellcheck disable=SC2016
    HERE=$here TERM=$1 NO_COLOR=${2:-} \
        script -qec 'sh -c ". \"$HERE/look.sh\"; heading colour"' sample.log \
        < /dev/null > sample
    grep -q '# colour' sample
}


coloured() {
    grep -q "$(printf '\033')" sample
}


verify_colour() {
    sample xterm
    verify "colour on a terminal" coloured

    sample xterm 1
    verify "no colour with NO_COLOR" not coloured

    sample dumb
    verify "no colour on a dumb terminal" not coloured

    cp transcript sample
    verify "no colour in a pipe" not coloured
}
