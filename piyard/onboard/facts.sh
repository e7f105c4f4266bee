# Prints what the board says of itself, one name=value a line; what is missing is empty.
first() { said=''; [ -r "$1" ] && IFS= read -r said < "$1" 2> /dev/null; }
from() { first "$2"; printf '%s=%s\n' "$1" "$said"; }
plain() { [ -r "$1" ] && tr -d '\000' < "$1" | head -n 1; }
meminfo() {
    while read -r name kb _; do
        case $name in
        MemTotal:) printf 'memory_kb=%s\n' "$kb" ;;
        MemAvailable:) printf 'available_kb=%s\n' "$kb" ;;
        esac
    done < /proc/meminfo
}
disk() { read -r _ && read -r _ _ _ free _ && printf 'free_disk_kb=%s\n' "$free"; }
features() {
    while IFS=: read -r name value; do
        case $name in Features*) printf 'features=%s\n' "${value# }" && return ;; esac
    done < /proc/cpuinfo
}
system() {
    while IFS= read -r line; do
        case $line in PRETTY_NAME=*)
            line=${line#PRETTY_NAME=} line=${line#\"}
            printf 'os=%s\n' "${line%\"}"
            ;;
        esac
    done < /etc/os-release
}
facts() {
    uname -rm | { read -r kernel machine && printf 'kernel=%s\nmachine=%s\n' "$kernel" "$machine"; }
    printf 'model=%s\n' "$(plain /proc/device-tree/model)"
    printf 'serial=%s\n' "$(plain /proc/device-tree/serial-number)"
    printf 'page_size=%s\n' "$(getconf PAGESIZE 2> /dev/null)"
    printf 'libc=%s\n' "$(getconf GNU_LIBC_VERSION 2> /dev/null)"
    printf 'cores=%s\n' "$(getconf _NPROCESSORS_ONLN 2> /dev/null)"
    printf 'clock=%s\n' "$(date +%s)"
    from cmdline /proc/cmdline
    from load /proc/loadavg
    from uptime /proc/uptime
    from boot_id /proc/sys/kernel/random/boot_id
    from governor /sys/devices/system/cpu/cpufreq/policy0/scaling_governor
    from max_khz /sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq
    from temperature_mc /sys/class/thermal/thermal_zone0/temp
    meminfo
    df -Pk . | disk
    features
    [ -r /etc/os-release ] && system
    if command -v vcgencmd > /dev/null; then
        printf 'throttled=%s\n' "$(vcgencmd get_throttled 2> /dev/null | cut -d = -f 2)"
        printf 'firmware=%s\n' "$(vcgencmd bootloader_version 2> /dev/null | head -n 1)"
    fi
}
