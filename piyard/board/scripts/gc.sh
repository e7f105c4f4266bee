# $1 folder, $2 lease token, $3 owner, $4 releases to keep, $5 "yes" for saying only.
# Prints what goes, at last the bytes of prompts that were kept and of blobs that nothing uses. Runs
# go once they were fetched.
cd "$1" 2> /dev/null || exit 0
token=$2 owner=$3 keep=$4 only_say=$5
guarded take "$token" 600 "$$" - "$owner" || exit 0
trap 'guarded drop "$token"' EXIT

gone() {
    printf '%s\n' "$1"
    [ "$only_say" = yes ] || rm -rf -- "$1"
}
current=$(readlink current)
kept=$(tac history 2> /dev/null | awk '!seen[$1]++ { print $1 }' | head -n "$keep")
for folder in releases/* releases/.draft.*; do
    [ -d "$folder" ] && [ "$folder" != "$current" ] || continue
    printf '%s\n' "$kept" | grep -Fxq -- "${folder#releases/}" || gone "$folder"
done
for folder in runs/*; do
    [ ! -e "$folder/fetched" ] || gone "$folder"
done
freed=0
for prefix in prefixes/*; do
    [ -f "$prefix" ] || continue
    freed=$((freed + $(stat -c %s "$prefix")))
    gone "$prefix"
done
for blob in blobs/* blobs/.parts.*/*; do
    [ -f "$blob" ] && [ "$(stat -c %h "$blob")" = 1 ] || continue
    freed=$((freed + $(stat -c %s "$blob")))
    [ "$only_say" = yes ] || rm -f -- "$blob"
done
[ "$only_say" = yes ] || rm -rf blobs/.parts.*
printf 'freed %s\n' "$freed"
