# $1 folder, $2 run, $3 lines that are known, $4 seconds: prints the further lines of the run's log
# as they are written, until the run ends or the time is over.
cd "$1/runs/$2" 2> /dev/null || exit 0
leader=0
[ ! -f process ] || read -r _ _ _ leader _ < process
if [ "${leader:-0}" = 0 ] || [ ! -f log.jsonl ]; then
    sleep 1
    exit 0
fi
first=$(($3 + 1))
timeout "$4" tail -n "+$first" --pid="$leader" -s 0.2 -f log.jsonl 2> /dev/null
case $? in 0 | 124) exit 0 ;; esac
# A tail that cannot wait for a process, as BusyBox's.
timeout "$4" tail -n "+$first" -f log.jsonl
exit 0
