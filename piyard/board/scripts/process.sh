# Processes and time on the board. Time is seconds since boot: a wrong clock, or one that jumps,
# changes nothing. A process is its number and its start, so a number used again is another one.
up() { read -r up _ < /proc/uptime && up=${up%.*}; }
boot() { read -r boot < /proc/sys/kernel/random/boot_id; }

# started PID: sets $started, fails for a process that is gone or only waits to be buried.
# A child reads: where the board is emulated, a process that asks about itself hears something else.
started() {
    started=0
    stat=$( (read -r line < "/proc/$1/stat" && printf '%s' "$line") 2> /dev/null) && start_of "$stat"
}

# start_of LINE
start_of() {
    # The second field is the program's name in parentheses and may hold anything. From the left:
    # ##*) compares at every place from the right end on, a million instructions in dash.
    set -- "${1#*) }"
    while case $1 in *') '*) ;; *) false ;; esac do set -- "${1#*) }"; done
    # shellcheck disable=SC2086
    set -- $1
    [ "$1" != Z ] || return 1
    started=${20}
}

# lives PID START: asked about others only, so no child is needed.
lives() {
    [ "$1" -gt 0 ] && { read -r stat < "/proc/$1/stat"; } 2> /dev/null &&
        start_of "$stat" && [ "$started" = "$2" ]
}

# A group is signalled without "--": BusyBox takes that for a number, and dash needs the signal first.
# end_group PID: TERM to the whole process group, then KILL for what is still there after 5 s.
end_group() {
    kill -TERM "-$1" 2> /dev/null || return 0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        group_lives "$1" || return 0
        sleep 0.5
    done
    kill -KILL "-$1" 2> /dev/null
    return 0
}

# Zombies of a group answer to signals although they are dead.
group_lives() {
    kill -0 "-$1" 2> /dev/null || return 1
    for stat in /proc/[0-9]*/stat; do
        read -r line 2> /dev/null < "$stat" || continue
        # shellcheck disable=SC2086
        set -- "$1" ${line##*) }
        [ "$4" = "$1" ] && [ "$2" != Z ] && return 0
    done
    return 1
}
