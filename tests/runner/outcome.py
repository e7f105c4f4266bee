"""What one call of nnrun gave, and how the tests look at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def of(self, kind: str) -> list[Line]:
        return [line for line in self.lines if line["type"] == kind]

    def line(self, kind: str) -> Line:
        assert self.code == 0 or kind in {"error", "summary"}, self
        (line,) = self.of(kind)
        return line


Run = Callable[..., Outcome]


def assert_refused(outcome: Outcome, code: int, *parts: str) -> None:
    """The exit code, and one line on stderr that says each of the parts."""
    assert outcome.code == code, outcome
    assert outcome.stderr.startswith("nnrun"), outcome
    assert outcome.stderr.count("\n") == 1, outcome
    for part in parts:
        assert part in outcome.stderr, outcome
