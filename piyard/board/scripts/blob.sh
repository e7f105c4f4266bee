# sha256: of stdin, the sum, a space, and more; by whichever program there is.
sha256() {
    if command -v sha256sum > /dev/null; then sha256sum
    elif command -v openssl > /dev/null; then openssl dgst -sha256 -r
    else shasum -a 256; fi
}

# is_right FILE SHA256: whether the file's bytes are what its name says.
is_right() {
    found=$(sha256 < "$1")
    [ "${found%% *}" = "$2" ]
}

# all_right SHA256…: the same for files of those names. One process where there is sha256sum, of
# which BusyBox knows no long option.
all_right() {
    if command -v sha256sum > /dev/null; then
        for sha; do printf '%s  %s\n' "$sha" "$sha"; done | sha256sum -c > /dev/null 2>&1
        return
    fi
    for sha; do is_right "$sha" "$sha" || return 1; done
}
