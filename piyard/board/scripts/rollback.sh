# $1 folder, $2 lease token, $3 owner: `current` becomes the release before it. Prints "from" and
# "to" with their labels.
cd "$1" 2> /dev/null && [ -f history ] || { printf 'nothing\n' && exit 0; }
token=$2
guarded take "$token" 60 "$$" - "$3" || exit 0
trap 'guarded drop "$token"' EXIT
now=$(readlink current)
now=${now#releases/}
to=$(tac history | while read -r id label; do
    [ "$id" = "$now" ] || [ ! -d "releases/$id" ] || { printf '%s %s\n' "$id" "$label" && break; }
done)
[ -n "$to" ] || { printf 'nothing\n' && exit 0; }
from=$(grep -F -- "$now " history | tail -n 1)
# What was rolled back is no longer history: another rollback goes further back.
awk -v now="$now" '{ line[NR] = $0; id[NR] = $1 }
    END { while (NR > 0 && id[NR] == now) NR--; for (i = 1; i <= NR; i++) print line[i] }' \
    history > history.$$ && mv -f history.$$ history
ln -sfn "releases/${to%% *}" current.$$ && mv -T current.$$ current || exit 1
printf 'from %s\nto %s\n' "$from" "$to"
