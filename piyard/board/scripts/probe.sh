# $1 folder: whether piyard can work there, by trying. Prints "lacks MANAGER TOOL…" for programs that
# are missing or cannot do what is asked of them, "readonly" and "noexec".
umask 077
{ mkdir -p "$1" && cd "$1"; } 2> /dev/null || { printf 'readonly\n' && exit 0; }
file=.probe.$$
trap 'rm -f "$file" "$file.moved"' EXIT
printf '#!/bin/sh\nexit 0\n' 2> /dev/null > "$file" || { printf 'readonly\n' && exit 0; }
chmod 700 "$file" && "./$file" 2> /dev/null || printf 'noexec\n'

# works TOOL
works() {
    case $1 in
    timeout) timeout -k 1 20 true ;;
    flock) flock -n 9 9> "$file" ;;
    setsid) setsid true ;;
    stat) stat -c '%n %i %s %y %h' -- "$file" ;;
    dd) [ "$(printf 12345 | dd bs=1M iflag=fullblock,count_bytes count=3 status=none)" = 123 ] ;;
    tar) tar -cf "$file.moved" "$file" ;;
    sha256sum) is_right /dev/null e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ;;
    df) df -Pk . ;;
    esac > /dev/null 2>&1
}

lacking=''
for tool in $TOOLS; do { has "$tool" && works "$tool"; } || lacking="$lacking $tool"; done
[ -z "$lacking" ] || { manager && printf 'lacks %s%s\n' "$manager" "$lacking"; }
exit 0
