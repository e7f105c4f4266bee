# Prints what the board says of itself, one name=value a line; what is missing is empty. Builtins
# rather than processes: it runs at each deploy. A builtin leaves out the NUL that ends a text of
# the device tree.
first() { said=''; [ -r "$1" ] && IFS= read -r said 2> /dev/null < "$1"; }
from() { first "$2"; printf '%s=%s\n' "$1" "$said"; }

device_tree() {
    tree=/sys/firmware/devicetree/base
    [ -d "$tree" ] || tree=/proc/device-tree
    from model "$tree/model"
    from serial "$tree/serial-number"
    first "$tree/compatible"
    case $said in *brcm,*) printf 'soc=%s\n' "${said##*brcm,}" ;; esac
}

cpufreq() {
    policy=/sys/devices/system/cpu/cpufreq/policy0
    from governor "$policy/scaling_governor"
    from low_khz "$policy/scaling_min_freq"
    from high_khz "$policy/scaling_max_freq"
    from min_khz "$policy/cpuinfo_min_freq"
    from max_khz "$policy/cpuinfo_max_freq"
}

cooling() {
    from temperature_mc /sys/class/thermal/thermal_zone0/temp
    for device in /sys/class/hwmon/hwmon*; do
        first "$device/name"
        [ "$said" != pwmfan ] || from fan_rpm "$device/fan1_input"
    done
    for device in /sys/class/thermal/cooling_device*; do
        first "$device/type"
        [ "$said" != pwm-fan ] || from fan_state "$device/cur_state"
    done
}

meminfo() {
    while read -r name kb _; do
        case $name in
        MemTotal:) printf 'memory_kb=%s\n' "$kb" ;;
        MemAvailable:) printf 'available_kb=%s\n' "$kb" ;;
        SwapTotal:) printf 'swap_total_kb=%s\n' "$kb" && swap=$kb ;;
        SwapFree:) printf 'swap_kb=%s\n' "$((swap - kb))" && return ;;
        esac
    done < /proc/meminfo
}

# The fourth and the sixth word after the seven of an English heading: room, and where it is mounted.
disk() {
    [ $# -ge 13 ] || return 0
    shift 10
    printf 'free_disk_kb=%s\n' "$1"
    mounted "$3"
}

# mounted FOLDER: how; the last one that is mounted there counts.
mounted() {
    how=''
    [ -r /proc/mounts ] || return 0
    while read -r _ at _ options _; do [ "$at" != "$1" ] || how=$options; done < /proc/mounts
    case ,$how, in *,noexec,*) printf 'mounted_noexec=%s\n' "$1" ;; esac
}

# A system without getconf: the page of any mapping.
page_size() {
    if command -v getconf > /dev/null; then
        getconf PAGESIZE 2> /dev/null
    elif [ -r /proc/self/smaps ]; then
        while read -r name kb _; do
            [ "$name" != KernelPageSize: ] || { printf '%s\n' "$((kb * 1024))" && return; }
        done < /proc/self/smaps
    fi
}

# Features once a core: the last one counts.
cpuinfo() {
    sed -n -e 's/^Features[^:]*: */features=/p' -e 's/^Revision[^:]*: */revision=/p' /proc/cpuinfo
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

# Programs that read films, streams and cameras.
decoders() {
    programs=''
    for program in ffmpeg gst-launch-1.0 rpicam-vid libcamera-vid; do
        ! command -v "$program" > /dev/null || programs="$programs $program"
    done
    programs=${programs# }
    printf 'decoders=%s\n' "${programs:-none}"
}

facts() {
    from kernel /proc/sys/kernel/osrelease
    printf 'machine=%s\n' "$(uname -m)"
    device_tree
    printf 'page_size=%s\n' "$(page_size)"
    printf 'libc=%s\n' "$(getconf GNU_LIBC_VERSION 2> /dev/null)"
    from cmdline /proc/cmdline
    from load /proc/loadavg
    from uptime /proc/uptime
    from boot_id /proc/sys/kernel/random/boot_id
    cpufreq
    cooling
    meminfo
    # shellcheck disable=SC2046
    disk $(LC_ALL=C df -Pk . 2> /dev/null)
    cpuinfo
    decoders
    [ ! -r /etc/os-release ] || system
}
