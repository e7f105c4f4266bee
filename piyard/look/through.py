"""What feeds nnrun's standard input on a board: the words before its own."""

from __future__ import annotations

from piyard import onboard
from piyard.look import film
from piyard.look.inputs import Inputs
from piyard.release import Release

WIDTH, HEIGHT = 1280, 720
"""Of the camera's frames."""


def words(shown: Inputs, sent: Release | None) -> list[str]:
    """The script, and what it is told; nothing for pictures, which nnrun opens itself."""
    if shown.camera:
        told = [str(shown.frames), str(WIDTH), str(HEIGHT)]
        return ["sh", "-c", onboard.script("camera"), "camera", *told]
    if shown.film and sent:
        return ["sh", "-c", onboard.script("film"), "film", f"{there(sent)}/{film.NAME}"]
    return []


def inputs(shown: Inputs, sent: Release | None) -> list[str]:
    """nnrun's arguments for what it looks at."""
    if shown.pictures and sent:
        return ["--", there(sent)]
    return ["--stdin", "mjpeg"]


def there(sent: Release) -> str:
    """A release's folder, seen from a run's."""
    return f"../../releases/{sent.id}"
