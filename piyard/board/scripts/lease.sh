# One at a time on a board, without a server. The file `lock` names the holder: token, boot, last
# second of the lease, the process that holds it (0 0: none on this board), its run, its owner.
# flock guards each change; the kernel lets go of it whatever happens to the one who changes.
guarded() {
    exec 9> lock.guard
    # BusyBox's flock does not know for how long to wait.
    flock -n 9 || timeout 20 flock 9 || { printf 'unguarded\n' && return 1; }
    "$@"
    set -- $?
    exec 9>&-
    return "$1"
}

read_lock() {
    lock_token='' lock_boot='' lock_until=0 lock_pid=0 lock_start=0 lock_run=- lock_owner=''
    [ -f lock ] &&
        read -r lock_token lock_boot lock_until lock_pid lock_start lock_run lock_owner < lock
}

# Held by somebody who is alive and in time.
held() {
    boot && up && [ -n "$lock_token" ] && [ "$lock_boot" = "$boot" ] &&
        [ "$up" -lt "$lock_until" ] || return 1
    [ "$lock_pid" -eq 0 ] || lives "$lock_pid" "$lock_start"
}

# take TOKEN SECONDS PID RUN OWNER: hold the lease, or print who does and fail.
take() {
    read_lock
    if [ "$lock_token" != "$1" ]; then
        if held; then
            printf 'busy %s %s\n' "$((lock_until - up))" "$lock_owner"
            return 1
        fi
        [ "$lock_run" = - ] || bury "$lock_run"
    fi
    restore_governor
    started=0
    [ "$3" -eq 0 ] || started "$3"
    up && boot
    if printf '%s %s %s %s %s %s %s\n' "$1" "$boot" "$((up + $2))" "$3" "$started" "$4" "$5" \
        > "lock.$$"; then
        mv -f "lock.$$" lock
    else
        rm -f "lock.$$"
        no_room
        return 1
    fi
}

# The shell says "I/O error" for a disk without room, so ask.
no_room() {
    if df -Pk . | awk 'NR == 2 { exit $4 > 0 }'; then printf 'full\n'; else printf 'unguarded\n'; fi
}

# bury RUN: what a dead holder left running must not disturb the next one.
bury() {
    bury_boot='' leader=0 leader_start=0
    [ ! -f "runs/$1/process" ] || read -r bury_boot _ _ leader leader_start < "runs/$1/process"
    boot
    if [ "$bury_boot" = "$boot" ] && lives "$leader" "$leader_start"; then end_group "$leader"; fi
}

# drop TOKEN: nobody holds it any more, if we did.
drop() {
    read_lock
    [ "$lock_token" != "$1" ] || rm -f lock
}
