# $1 folder, $2 run, $3 seconds to wait for it: passes stdin on to the command that receive.sh started
# there.
cd "$1/runs/$2" || exit 1
left=$3
while [ ! -p feed ]; do
    [ "$left" -gt 0 ] || exit 1
    sleep 1
    left=$((left - 1))
done
exec cat > feed
