# $1 folder: puts back the governors that a killed supervisor left. Prints "restored", or "kept"
# where sudo asks for a password now; nothing where there is nothing to do.
cd "$1" 2> /dev/null && [ -f governor ] || exit 0
guarded restore_governor || exit 0
[ -f governor ] || { printf 'restored\n' && exit 0; }
read -r _ supervisor born < governor
lives "$supervisor" "$born" || printf 'kept\n'
