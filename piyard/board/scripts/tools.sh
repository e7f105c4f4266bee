# $@ names of programs: prints those that are there.
for tool; do
    if command -v "$tool" > /dev/null; then printf '%s\n' "$tool"; fi
done
