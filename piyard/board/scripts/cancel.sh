# $1 folder, $2 run: ends its whole process group, by its supervisor or in its stead.
cd "$1/runs/$2" 2> /dev/null || { printf 'absent\n' && exit 0; }
: > cancel
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    read -r state rest < status
    case $state in ended*) break ;; esac
    at='' supervisor=0 born=0 leader=0 began=0
    for file in launched process; do
        [ ! -f $file ] || read -r at supervisor born leader began < $file
    done
    boot
    if [ -n "$at" ] && { [ "$at" != "$boot" ] || ! lives "$supervisor" "$born"; }; then
        [ "$at" != "$boot" ] || ! lives "$leader" "$began" || end_group "$leader"
        state=interrupted rest=''
        break
    fi
    # Its supervisor looks for the file itself, but seldom.
    if [ ! -e why ] && lives "$leader" "$began"; then
        printf 'cancelled\n' > why
        end_group "$leader"
    fi
    sleep 0.5
done
printf '%s %s\n' "$state" "$rest"
