# $1 folder, $2 lease token, $3 lease seconds, $4 "keep" or "drop" the lease at the end, $5 owner,
# $6 "all" or "changed" blobs are hashed; then releases: id, label, number of files, and name and
# sha256 of each. The last one becomes current.
#
# Says the facts, which blobs are missing, by what it can unpack ("zstd", "gzip"), then "ready"; and is
# told on stdin "stop", "keep" (all is there) or "send zstd|gzip|plain" with the stream: for each blob a line "sha256 size" and its
# bytes, at last "end 0". A stream without its end changes nothing but blobs.
home=$1 token=$2 seconds=$3 after=$4 owner=$5 which=$6
shift 6
umask 077
# Where $home itself is missing, so is everything else.
for folder in blobs releases runs; do
    [ -d "$home/$folder" ] || mkdir -p "$home/$folder" || exit 1
done
cd "$home" || exit 1
need_all
facts
guarded take "$token" 3600 "$$" - "$owner" || exit 0
[ "$after" = keep ] || trap 'guarded drop "$token"' EXIT
trap 'exit 1' HUP INT TERM PIPE

seen='%n %i %s %y'
identity() { stat -c "$seen" -- "$@" 2> /dev/null; }

# Of lines on stdin, those that are not in .verified: an empty one matches all lines in BusyBox.
unverified() { if [ -s .verified ]; then grep -Fxv -f .verified; else cat; fi; }

# Hash those that are not the very files that were hashed before: same inode, size and time.
verify() {
    cd blobs || exit 1
    [ "$which" = changed ] && [ -f .verified ] || : > .verified
    # stat itself, not identity: in a pipeline a function costs a process more.
    stat -c "$seen" -- "$@" 2> /dev/null | unverified | while read -r sha _; do
        if is_right "$sha" "$sha"; then identity "$sha" >> .verified; else rm -f "$sha"; fi
    done
    for sha; do [ -f "$sha" ] || printf 'missing %s\n' "$sha"; done
    cd ..
}

# shas RELEASES…: the sha256 of every file
shas() {
    while [ $# -gt 0 ]; do
        count=$3
        shift 3
        while [ "$count" -gt 0 ]; do
            printf '%s\n' "$2"
            shift 2
            count=$((count - 1))
        done
    done
}

# settle SHA256…: each file of that name in the parts becomes a blob if it is what its name says.
settle() {
    [ $# -gt 0 ] || return 0
    if (cd "$parts" && all_right "$@"); then
        (cd "$parts" && chmod 500 "$@" && mv -f "$@" ..) && identity "$@" >> .verified
        printf 'got %s\n' "$@"
    elif [ $# -gt 1 ]; then
        for sha; do settle "$sha"; done
    else
        rm -f "$parts/$1" && printf 'wrong %s\n' "$1"
    fi
}

# A large file is hashed while the next ones arrive; small ones together, which spares processes.
receive() {
    # The script's own traps are not those of a pipeline: without these a line that is cut while files
    # are hashed would end it before it has tidied up.
    trap '' HUP PIPE
    cd blobs || exit 1
    rm -rf .parts.*
    parts=.parts.$$ named='' whole=no
    mkdir "$parts" && set --
    while read -r sha size; do
        case $sha in
        end) whole=yes && break ;;
        *[!0-9a-f]*) break ;;
        esac
        [ "${#sha}" -eq 64 ] || break
        dd bs=1M iflag=fullblock,count_bytes count="$size" of="$parts/$sha" status=none || break
        named="$named $sha"
        if [ "$size" -ge 4000000 ]; then
            settle "$sha" &
        else
            set -- "$@" "$sha"
            [ $# -lt 100 ] || { settle "$@" && set --; }
        fi
    done
    settle "$@"
    wait
    rm -rf "$parts"
    [ "$whole" = yes ] || exit 1
    for sha in $named; do [ -f "$sha" ] || exit 1; done
    exit 0
}

unpack() {
    case $1 in
    zstd) zstd -dcq ;;
    gzip) gzip -dc ;;
    *) cat ;;
    esac
}

# release ID LABEL COUNT FILES…: hard links into the blobs; it appears by one rename. One that is
# there is mended where a blob had to be sent again: its file is the damaged one still.
release() {
    final=releases/$1 into=releases/$1
    [ -d "$final" ] || { into=releases/.draft.$$ && rm -rf "$into" && mkdir "$into" || return 1; }
    shift 2
    if ! fill "$@"; then
        [ "$into" = "$final" ] || rm -rf "$into"
        return 1
    fi
    [ "$into" = "$final" ] || mv -T "$into" "$final"
}

# fill COUNT FILES…
fill() {
    count=$1
    shift
    while [ "$count" -gt 0 ]; do
        case $1 in */* | . | .. | '') return 1 ;; esac
        [ "$into/$1" -ef "blobs/$2" ] || ln -f -- "blobs/$2" "$into/$1" || return 1
        shift 2
        count=$((count - 1))
    done
}

releases() {
    while [ $# -gt 0 ]; do
        release "$@" || exit 1
        id=$1 label=$2
        shift "$((3 + 2 * $3))"
    done
    [ ! current -ef "releases/$id" ] || return 0
    last=''
    [ ! -f history ] || last=$(tail -n 1 history)
    [ "$last" = "$id $label" ] || printf '%s %s\n' "$id" "$label" >> history
    ln -sfn "releases/$id" "current.$$" && mv -T "current.$$" current
}

# shellcheck disable=SC2046
verify $(shas "$@")
for packer in zstd gzip; do
    if command -v "$packer" > /dev/null; then printf '%s\n' "$packer"; fi
done
printf 'ready\n'
read -r verb how || exit 1
case $verb in
keep) ;;
send) unpack "$how" | receive || exit 1 ;;
*) exit 0 ;;
esac
releases "$@" || exit 1
[ "$after" = drop ] || guarded take "$token" "$seconds" 0 - "$owner"
printf 'released\n'
