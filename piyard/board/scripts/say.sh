# $1 folder, $2 run, $3 lines that its turns have, $4 bytes: adds a line from stdin to the run's turns,
# unless it is there already, or did not arrive whole.
cd "$1/runs/$2" || exit 1
cat > turn.new || exit 1
lines=0
[ ! -f turns.jsonl ] || lines=$(wc -l < turns.jsonl)
[ "$((lines))" -eq "$3" ] || exit 0
[ "$(($(wc -c < turn.new)))" -eq "$4" ] || exit 1
cat turn.new >> turns.jsonl
