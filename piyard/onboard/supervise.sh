# $1 lease token, $2 owner, $3 run, $4 limit in seconds, $5 lease seconds; then the command. Runs in
# the run's folder, in a session of its own: it does not notice when SSH goes away.
token=$1 owner=$2 run=$3 limit=$4 seconds=$5
shift 5
trap : HUP INT TERM
boot
up
began=$up

# note FILE TEXT: by one rename; in place where the disk has no room for a second file.
note() {
    { printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"; } 2> /dev/null ||
        { rm -f "$1.new" && printf '%s\n' "$2" > "$1"; }
}
leased() { (cd ../.. && guarded take "$token" "$seconds" "$1" "$2" "$owner" > /dev/null); }

telemetry() {
    temperature='' khz='' load='' available='' throttled=''
    [ ! -r /sys/class/thermal/thermal_zone0/temp ] || read -r temperature < /sys/class/thermal/thermal_zone0/temp
    [ ! -r "$cpufreq" ] || read -r khz < "$cpufreq"
    read -r load _ < /proc/loadavg
    { read -r _ && read -r _ && read -r _ available _; } < /proc/meminfo
    [ -z "$vcgencmd" ] || throttled=$(vcgencmd get_throttled)
    printf '{"uptime_s":%s,"temperature_mc":%s,"khz":%s,"load":%s,"available_kb":%s,"throttled":"%s"}\n' \
        "$up" "${temperature:-null}" "${khz:-null}" "${load:-null}" "${available:-null}" \
        "${throttled#throttled=}" >> telemetry.jsonl
}

watch() {
    cpufreq=/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq
    vcgencmd=$(command -v vcgencmd)
    renewed=$began
    while lives "$supervisor" "$born"; do
        up
        note heartbeat "$up"
        telemetry
        if [ "$up" -ge $((renewed + seconds / 6)) ]; then
            leased "$supervisor" "$run"
            renewed=$up
        fi
        if [ -e cancel ]; then note why cancelled && end_group "$leader"; fi
        if [ "$up" -ge $((began + limit)) ]; then note why limit && end_group "$leader"; fi
        sleep 1
    done
    # The supervisor was killed: nobody is left to end what it started.
    end_group "$leader"
}

setsid "$@" < /dev/null > log.jsonl 2> stderr.txt &
leader=$!
supervisor=$$
started "$supervisor"
born=$started
started "$leader"
note process "$boot $supervisor $born $leader $started"
leased "$supervisor" "$run"
note status "running $began"
watch &
watcher=$!
while :; do
    wait "$leader"
    code=$?
    kill -0 "$leader" 2> /dev/null || break
done
kill "$watcher" 2> /dev/null
kill -s KILL -- "-$leader" 2> /dev/null
why=ended
[ ! -f why ] || why=$(cat why)
up
note status "ended $code $why $began $up"
leased 0 -
