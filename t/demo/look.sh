# How the demo looks: sourced by demo.sh.  Colour is for terminals only.
# Comments, and commands that can be pasted into another terminal, begin at the
# margin; answers are indented.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]
then
    bold=$(printf '\033[1m')
    cyan=$(printf '\033[36m')
    green=$(printf '\033[32m')
    yellow=$(printf '\033[33m')
    red=$(printf '\033[31m')
    off=$(printf '\033[0m')
    colour=--colour

else
    bold=
    cyan=
    green=
    yellow=
    red=
    off=
    colour=
fi


heading() {
    printf '\n%s# %s%s\n' "$bold" "$*" "$off"
    answered=
}


# the file "typed", which is noted for verify.sh

say() {
    cat typed >> commands
    [ -z "$answered" ] || echo
    answered=
    printf '%s%s%s\n' "$cyan" "$(cat typed)" "$off"
}


# what of it matters, of text only the lines that match, if any are named

answer() {
    answered=1
    # shellcheck disable=SC2086
    perl "$here/show.pl" $colour ${1:+--only "$1"} < answer
}


indented() {
    sed 's/^/    /'
}
