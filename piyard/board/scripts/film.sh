# $1 a film; then a command, which gets it on stdin.
film=$1
shift
exec "$@" < "$film"
