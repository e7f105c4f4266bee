# All facts: those of a deploy, and those that cost more processes or a walk over all there are.

# The supply's current as the firmware agreed on it, a big-endian number of four bytes.
supply() {
    file=/sys/firmware/devicetree/base/chosen/power/max_current
    [ -r "$file" ] || file=/proc/device-tree/chosen/power/max_current
    [ -r "$file" ] && od -An -tu1 -- "$file" 2> /dev/null | {
        read -r a b c d && printf 'supply_ma=%s\n' "$((((a * 256 + b) * 256 + c) * 256 + d))"
    }
}

# The first line is a date, the second one begins with "version".
firmware() {
    vcgencmd bootloader_version 2> /dev/null | {
        read -r date && printf 'firmware=%s\n' "$date"
        read -r _ version _ && printf 'firmware_version=%s\n' "$version"
        # a closed pipe would end it with a complaint
        cat > /dev/null
    }
}

gpu_firmware() {
    vcgencmd version 2> /dev/null | {
        read -r date && printf 'gpu_firmware=%s\n' "$date"
        cat > /dev/null
    }
}

# The first process of a graphical session, "none", or nothing where others' processes are hidden.
desktop() {
    [ -r /proc/1/comm ] || return 0
    for comm in /proc/[0-9]*/comm; do
        first "$comm"
        case $said in
        labwc | wayfire | weston | sway | Xorg | Xwayland | X | kwin_wayland | gnome-shell | lightdm | gdm3 | sddm)
            printf 'desktop=%s\n' "$said"
            return
            ;;
        esac
    done
    printf 'desktop=none\n'
}

facts
supply
desktop
if command -v getconf > /dev/null; then
    printf 'cores=%s\n' "$(getconf _NPROCESSORS_ONLN 2> /dev/null)"
else
    printf 'cores=%s\n' "$(nproc 2> /dev/null)"
fi
printf 'clock=%s\n' "$(date +%s)"
if command -v vcgencmd > /dev/null; then
    throttled=$(vcgencmd get_throttled 2> /dev/null)
    printf 'throttled=%s\n' "${throttled#*=}"
    firmware
    gpu_firmware
fi
exit 0
