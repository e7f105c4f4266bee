# What piyard needs on a board beyond the shell, each as `tools` names it.
TOOLS='timeout flock setsid stat dd tar df grep awk tac tail readlink sha256sum'

# has TOOL: whether there is that program, or one that does its work.
has() {
    command -v "$1" > /dev/null && return
    [ "$1" = sha256sum ] && { command -v openssl > /dev/null || command -v shasum > /dev/null; }
}

# manager: sets $manager to this system's package manager, "-" where it has none that we know.
manager() {
    for manager in apt-get apk dnf pacman zypper opkg -; do
        ! command -v "$manager" > /dev/null || return 0
    done
}

# need_all: ends the script unless all of them are there; a line on stderr says which are not.
need_all() {
    lacking=''
    for tool in $TOOLS; do has "$tool" || lacking="$lacking $tool"; done
    [ -n "$lacking" ] || return 0
    manager
    printf 'lacks %s%s\n' "$manager" "$lacking" >&2
    exit 127
}
