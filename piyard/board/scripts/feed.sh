# $1 number of words of a decoder; then those, and a command, which gets on stdin what the decoder
# writes. Its exit code is the command's. The decoder's goes to decoder.code, and the end of what
# it says to decoder.txt, without what URLs have as a secret.
rm -f feed said decoder.code decoder.txt
mkfifo feed said || exit 1

# decode COUNT DECODER… COMMAND…
decode() {
    count=$1
    shift
    rest=$(($# - count))
    while [ "$count" -gt 0 ]; do
        set -- "$@" "$1"
        shift
        count=$((count - 1))
    done
    shift "$rest"
    exec "$@"
}
mask() { sed -e 's|://[^/ ]*@|://***@|g' -e 's|\([?&][^=& ]*=\)[^& ]*|\1***|g'; }

tail -n 20 < said | mask > decoder.txt &
teller=$!
(decode "$@" < /dev/null > feed 2> said) &
decoder=$!
shift "$(($1 + 1))"
"$@" < feed
code=$?
# One that waits for its source does not notice that nobody listens any more; ffmpeg then needs to
# be told twice.
(sleep 2 && kill "$decoder" && kill "$decoder" && sleep 3 && kill -KILL "$decoder") 2> /dev/null &
killer=$!
wait "$decoder"
printf '%s\n' "$?" > decoder.code
kill "$killer" 2> /dev/null
wait "$teller"
rm -f feed said
exit "$code"
