# $1 lease token, $2 owner, $3 run, $4 limit in seconds, $5 lease seconds, $6 governor to run under
# or nothing, $7 folder of cpufreq, $8 number of words of the watcher; then those words, and the
# command. The watcher is told `--pid` and `--start` of the command, and what it says is telemetry.
# Runs in the run's folder, in a session of its own: it does not notice when SSH goes away.
token=$1 owner=$2 run=$3 limit=$4 seconds=$5 governor=$6 cpufreq=$7 words=$8
shift 8
trap : HUP INT TERM
boot
up
began=$up

# note FILE TEXT: by one rename; in place where the disk has no room for a second file, and then
# without giving up the room that the old text has. The text ends at its newline.
note() {
    { printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"; } 2> /dev/null ||
        { rm -f "$1.new" && printf '%s\n' "$2" 1<> "$1"; }
}
leased() { (cd ../.. && guarded take "$token" "$seconds" "$1" "$2" "$owner" > /dev/null); }

# The governor before, and the one it runs under.
govern() {
    was='' now=''
    [ ! -r "$cpufreq/policy0/scaling_governor" ] || read -r was < "$cpufreq/policy0/scaling_governor"
    if [ -n "$governor" ] && [ "$governor" != "$was" ]; then
        (cd ../.. && guarded change_governor "$governor" "$cpufreq" "$supervisor" "$born")
    fi
    [ ! -r "$cpufreq/policy0/scaling_governor" ] || read -r now < "$cpufreq/policy0/scaling_governor"
    [ -z "$now" ] || note governor "$was $now"
}
ungovern() {
    [ -z "$governor" ] || (cd ../.. && guarded put_back_governor "$supervisor" "$born")
}

# command COUNT WATCHER… COMMAND…
command_of_run() {
    shift "$(($1 + 1))"
    setsid "$@" < /dev/null > log.jsonl 2> stderr.txt &
    leader=$!
}

# watch COUNT WATCHER… COMMAND…
watch() {
    watcher=0 count=$1
    shift
    rest=$(($# - count))
    [ "$count" -gt 0 ] || return 0
    while [ "$count" -gt 0 ]; do
        set -- "$@" "$1"
        shift
        count=$((count - 1))
    done
    shift "$rest"
    setsid "$@" --pid "$leader" --start "$started" < /dev/null > telemetry.jsonl 2> watcher.txt &
    watcher=$!
}
unwatch() { [ "$watcher" -eq 0 ] || kill -KILL "-$watcher" 2> /dev/null; }

# Beside the run, so it is cheap: seldom, and nothing of it is a process but sleep.
guard() {
    renewed=$began
    last=$((began + limit))
    sleeper=
    trap '[ -z "$sleeper" ] || kill "$sleeper" 2> /dev/null; exit' TERM
    while lives "$supervisor" "$born"; do
        up
        { printf '%s\n' "$up" > heartbeat; } 2> /dev/null
        if [ "$up" -ge $((renewed + seconds / 2)) ] && leased "$supervisor" "$run"; then
            renewed=$up
        fi
        if [ -e cancel ]; then note why cancelled && end_group "$leader"; fi
        if [ "$up" -ge "$last" ]; then note why limit && end_group "$leader"; fi
        nap=$((last - up))
        [ "$nap" -le 2 ] || nap=2
        [ "$nap" -ge 1 ] || nap=1
        sleep "$nap" &
        sleeper=$!
        wait "$sleeper"
    done
    # The supervisor was killed: nobody is left to end what it started.
    end_group "$leader"
    unwatch
    ungovern
}

supervisor=$$
started "$supervisor"
born=$started
govern
# Before the command may fill the disk: what it is then is written in this one's place.
note process "$boot $supervisor $born 0 0"
command_of_run "$words" "$@"
started "$leader"
note process "$boot $supervisor $born $leader $started"
watch "$words" "$@"
leased "$supervisor" "$run"
note status "running $began"
guard &
guard=$!
while :; do
    wait "$leader"
    code=$?
    kill -0 "$leader" 2> /dev/null || break
done
up
ended=$up
kill "$guard" 2> /dev/null
kill -KILL "-$leader" 2> /dev/null
unwatch
ungovern
why=ended
# What failed for want of room could not write so.
if [ "$code" -ne 0 ] && [ "$(no_room)" = full ]; then why=full; fi
[ ! -f why ] || why=$(cat why)
note status "ended $code $why $began $ended"
leased 0 -
