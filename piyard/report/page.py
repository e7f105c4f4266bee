"""The page: one HTML file that needs no network, opens from disk, and runs no script but its own.

Data is JSON in a block that browsers do not execute; the scripts put it into the page as text.
The page's own policy (Content-Security-Policy) names the scripts by their hash and forbids
everything else, the network included.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.errors import NotSetUp
from piyard.report.payload import Payload, payload
from piyard.result import Result
from piyard.row import Row

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (
    "dom.js",
    "select.js",
    "table.js",
    "detail.js",
    "plots.js",
    "charts.js",
    "run.js",
    "page.js",
)
"""In this order; each uses those before it."""


def render(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """The whole page."""
    scripts = {"plotly": _plotly(), "script": "\n".join(map(_read, SCRIPTS))}
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_hash(_closed(text)) for text in scripts.values())}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "policy": policy,
        "style": _read("page.css"),
        "data": embedded(encoded(payload(rows, results))),
    } | {name: _closed(text) for name, text in scripts.items()}
    return _filled(_read("page.html"), parts)


def encoded(data: Payload) -> str:
    """As JSON; a number that JSON has not is null."""
    return msgspec.json.encode(data).decode()


def embedded(json: str) -> str:
    """JSON that cannot end its script block: within JSON, ``<`` occurs in strings only."""
    return json.replace("<", "\\u003c")


def _filled(text: str, parts: dict[str, str]) -> str:
    """Each ``{{name}}`` replaced, in one pass: what is put in is not looked at again."""
    pieces = text.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def _closed(script: str) -> str:
    """The same script with nothing in it that would end its block."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """plotly.js of the installed package, found without importing all of plotly."""
    spec = importlib.util.find_spec("plotly")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    try:
        return (folder / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    except OSError:
        raise NotSetUp(
            "the HTML page needs plotly, which is not installed", remedy="run ./yard --setup"
        ) from None
