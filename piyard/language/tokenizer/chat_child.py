"""Renders chat templates in a sandbox: a template is a program of somebody else's.

Run by ``python -I chat_child.py``. A JSON object comes on stdin: ``template``, the ``variables`` of
all renderings, and a list of ``calls``, each with variables of its own; the texts, or why there is
none, go to stdout. Only jinja2 is imported, and nothing of piyard. The environment is the one that
transformers' ``apply_chat_template`` renders in, without the time of day.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEXT = 1 << 22


class GenerationTag(Extension):
    """``{% generation %}`` marks what a model wrote; the text is the same."""

    tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """What is between the tags."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def main() -> None:
    """Read, render, write."""
    request = json.load(sys.stdin)
    json.dump([_render(request, call) for call in request["calls"]], sys.stdout)


def _render(request: dict[str, Any], call: dict[str, Any]) -> dict[str, str]:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    try:
        template = environment.from_string(request["template"])
        text = template.render(**request["variables"], **call)
    except Exception as error:  # noqa: BLE001  # a template may provoke anything
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    return {"text": text} if len(text) <= MAX_TEXT else {"error": "its text has no end"}


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:  # noqa: FBT001, FBT002  # a template calls it
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


if __name__ == "__main__":
    main()
