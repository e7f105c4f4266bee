# $1 folder, $2 run, $3 seconds to wait for its end. Prints "absent", "starting", "running" with
# seconds and lines written, "interrupted", or "ended CODE WHY BEGAN ENDED".
cd "$1/runs/$2" 2> /dev/null || { printf 'absent\n' && exit 0; }
state='' at='' supervisor=0 born=0 leader=0 began=0
look() {
    read -r state rest < status
    for file in launched process; do
        [ ! -f $file ] || read -r at supervisor born leader began < $file
    done
    boot
}
under_way() { [ "$state" = running ] || { [ "$state" = starting ] && [ -n "$at" ]; }; }
gone() { [ "$at" != "$boot" ] || ! lives "$supervisor" "$born"; }
look
if [ "$state" = running ] && ! gone && [ "$3" -gt 0 ]; then
    timeout "$3" tail --pid="$supervisor" -s 0.2 -f /dev/null 2> /dev/null
    # 124: it runs on. Anything else but 0: a tail that cannot wait for a process.
    case $? in 0 | 124) ;; *) sleep 1 ;; esac
    look
fi
if under_way && gone; then
    # It may have ended between the two looks.
    look
    if under_way && gone; then
        [ "$at" != "$boot" ] || ! lives "$leader" "$began" || end_group "$leader"
        printf 'interrupted\n'
        exit 0
    fi
fi
case $state in
running)
    up
    lines=0
    [ ! -f log.jsonl ] || lines=$(wc -l < log.jsonl)
    printf "running %s %s\n" "$((up - rest))" "$lines"
    ;;
*) printf '%s %s\n' "$state" "$rest" ;;
esac
