# $1 folder: all that is in it, as a tar stream, compressed where there is gzip.
cd "$1" || exit 1
packed=''
! command -v gzip > /dev/null || packed=z
LC_ALL=C exec tar -c${packed}f - .
