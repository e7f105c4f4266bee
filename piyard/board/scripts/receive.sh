# $1 seconds; then a command, which gets on stdin what send.sh brings into the run's folder. Who
# sends nothing for so long at first has sent all.
limit=$1
shift
rm -f feed
mkfifo feed || exit 1
(sleep "$limit" && : > feed) &
opener=$!
"$@" < feed
code=$?
kill "$opener" 2> /dev/null
rm -f feed
exit "$code"
