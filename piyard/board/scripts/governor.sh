# The CPU's frequency governor during a run, where sudo asks for no password. While it is changed,
# the note `governor` tells how it was: boot, process and start of the supervisor that changed it,
# then each policy's old governor and its file. Whoever holds the board after that supervisor was
# killed puts it back; a restart of the board does so by itself.

# write_governor FILE GOVERNOR: whether it is so then
write_governor() {
    printf '%s\n' "$2" | timeout 10 sudo -n tee -- "$1" > /dev/null 2>&1
    read -r governor_is < "$1" && [ "$governor_is" = "$2" ]
}

# change_governor GOVERNOR FOLDER PID START
change_governor() {
    boot
    note_governors "$@" || { rm -f "governor.$$"; return 1; }
    for policy in "$2"/policy*/scaling_governor; do
        write_governor "$policy" "$1" || { put_back_governor "$3" "$4"; return 1; }
    done
}

note_governors() {
    {
        printf '%s %s %s\n' "$boot" "$3" "$4"
        for policy in "$2"/policy*/scaling_governor; do
            read -r governor_was < "$policy" && printf '%s %s\n' "$governor_was" "$policy"
        done
    } 2> /dev/null > "governor.$$" && mv -f "governor.$$" governor
}

# put_back_governor PID START: if the note is that supervisor's
put_back_governor() {
    [ -f governor ] || return 0
    {
        read -r note_boot note_pid note_start
        [ "$note_pid $note_start" = "$1 $2" ] || return 0
        well=yes
        while read -r governor_was policy; do
            write_governor "$policy" "$governor_was" || well=no
        done
    } < governor
    # What could not be put back is tried again by the next one.
    [ "$well" = no ] || rm -f governor
}

# restore_governor: what a killed supervisor left changed
restore_governor() {
    [ -f governor ] || return 0
    note_boot='' note_pid=0 note_start=0
    read -r note_boot note_pid note_start < governor
    boot
    if [ "$note_boot" != "$boot" ]; then rm -f governor && return 0; fi
    lives "$note_pid" "$note_start" || put_back_governor "$note_pid" "$note_start"
}
