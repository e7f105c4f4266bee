"""What feeds nnrun's standard input on a board: the words before its own."""

from __future__ import annotations

from piyard import onboard
from piyard.look import film
from piyard.look.inputs import Inputs
from piyard.release import Release

WIDTH, HEIGHT = 1280, 720
"""Of the camera's frames."""


def words(inputs: Inputs, release: Release | None) -> list[str]:
    """The script and its arguments; nothing for pictures, which nnrun opens itself."""
    if inputs.camera:
        arguments = [str(inputs.frames), str(WIDTH), str(HEIGHT)]
        return ["sh", "-c", onboard.script("camera"), "camera", *arguments]
    if inputs.film and release:
        return ["sh", "-c", onboard.script("film"), "film", f"{there(release)}/{film.NAME}"]
    return []


def inputs(inputs: Inputs, release: Release | None) -> list[str]:
    """nnrun's arguments for what it looks at."""
    if inputs.pictures and release:
        return ["--", there(release)]
    return ["--stdin", "mjpeg"]


def there(release: Release) -> str:
    """A release's folder, seen from a run's."""
    return f"../../releases/{release.id}"
