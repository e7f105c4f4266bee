# $1 how often, $2 seconds between: says how warm the board is and how much it worked, one line a
# look: seconds since boot, thousandths of a degree, clock ticks that all cores worked since boot.
# What is not known is "-". Nothing of it is a process but sleep, which would be work itself.
look() {
    temperature=-
    [ ! -r /sys/class/thermal/thermal_zone0/temp ] ||
        read -r temperature < /sys/class/thermal/thermal_zone0/temp
    read -r uptime _ < /proc/uptime
    read -r _ user nice system _ _ irq softirq steal _ < /proc/stat
    printf '%s %s %s\n' "$uptime" "${temperature:--}" \
        "$((user + nice + system + irq + softirq + ${steal:-0}))"
}
left=$1
while look && left=$((left - 1)) && [ "$left" -gt 0 ]; do sleep "$2"; done
exit 0
