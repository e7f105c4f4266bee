# $1 frames, $2 width, $3 height; then a command, which gets the board's camera as MJPEG on stdin.
# Its exit code is the command's, or the camera's where the command had nothing to complain of.
frames=$1 width=$2 height=$3
shift 3
camera=''
for name in rpicam-vid libcamera-vid; do
    [ -n "$camera" ] || ! command -v "$name" > /dev/null || camera=$name
done
if [ -z "$camera" ]; then
    printf 'this board has no rpicam-vid (apt install rpicam-apps)\n' >&2
    exit 127
fi
rm -f camera.failed
{
    "$camera" --nopreview --codec mjpeg --timeout 0 --frames "$frames" \
        --width "$width" --height "$height" --output - 2> camera.txt ||
        printf '%s\n' "$?" > camera.failed
} | "$@"
code=$?
if [ "$code" -eq 0 ] && [ -f camera.failed ]; then
    printf '%s failed:\n' "$camera" >&2
    tail -n 5 camera.txt >&2
    code=1
fi
exit "$code"
