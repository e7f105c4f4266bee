# is_right FILE SHA256: whether the file's bytes are what its name says.
is_right() {
    found=$(sha256sum < "$1")
    [ "${found%% *}" = "$2" ]
}
