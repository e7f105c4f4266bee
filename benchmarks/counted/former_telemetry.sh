# How piyard's board side watched a run before nnrun could: the loop of the supervisor's script of
# then, once a second, without the parts that end a run or renew a lease.
# $1 process of the run, $2 when it started (/proc/PID/stat).
leader=$1 born=$2
cpufreq=/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq
vcgencmd=$(command -v vcgencmd)

up() { read -r up _ < /proc/uptime && up=${up%.*}; }

started() {
    started=0
    stat=$( (read -r line < "/proc/$1/stat" && printf '%s' "$line") 2> /dev/null) || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ "$1" != Z ] || return 1
    started=${20}
}
lives() { [ "$1" -gt 0 ] && started "$1" && [ "$started" = "$2" ]; }

note() { printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"; }

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

while lives "$leader" "$born"; do
    up
    note heartbeat "$up"
    telemetry
    sleep 1
done
