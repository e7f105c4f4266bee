# $1 folder: who holds the board: "free", or "busy SECONDS OWNER".
cd "$1" 2> /dev/null || { printf 'free\n' && exit 0; }
read_lock
if held; then printf 'busy %s %s\n' "$((lock_until - up))" "$lock_owner"; else printf 'free\n'; fi
