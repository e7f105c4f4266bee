# $1 folder, $2 lease token, $3 owner, $4 run, $5 release, $6 text of the supervisor, $7 limit in
# seconds, $8 lease seconds, $9 number of files; then name and sha256 of each, and what else the
# supervisor is told: governor, folder of cpufreq, its watcher and the command.
# Every file is hashed once more: what runs is what was sent.
home=$1 token=$2 owner=$3 run=$4 release=$5 supervisor=$6 limit=$7 seconds=$8 count=$9
shift 9
umask 077
need_all
cd "$home" || exit 1
guarded take "$token" "$seconds" 0 - "$owner" || exit 0
while [ "$count" -gt 0 ]; do
    is_right "releases/$release/$1" "$2" || { printf 'damaged %s\n' "$2" && exit 0; }
    shift 2
    count=$((count - 1))
done
mkdir -p "runs/$run/outputs" prefixes || exit 1
cd "runs/$run" || exit 1
printf 'starting\n' > status || exit 1
printf '%s\n' "$supervisor" > supervise.sh || exit 1
setsid sh supervise.sh "$token" "$owner" "$run" "$limit" "$seconds" "$@" \
    < /dev/null > supervisor.txt 2>&1 &
launched=$!
boot
started "$launched"
printf '%s %s %s 0 0\n' "$boot" "$launched" "$started" > launched
printf 'started\n'
