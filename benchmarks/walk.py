"""How a model's name travels through piyard, from the command line to the table.

``python benchmarks/walk.py MODEL TASK …`` runs the task (as ``bench --model MODEL --host …``) and
prints, in order, each file of piyard of which a function received the name itself: as a string, in
a collection or in a request. A function counts once, with its first call; a file is entered when
the name gets there from another file. Behind the plan a ``Model`` travels, which is not the name.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from piyard.cli.request import Request

PACKAGE = Path(__file__).resolve().parents[1] / "piyard"
LOOKUPS = ("load_model", "load_inventory")
MAX_COLLECTION = 3
"""Names in a collection that the model's may be one of: a longer one lists what there is."""


class Walk:
    """The files a name entered, in order, and how often what it names was looked up."""

    def __init__(self, name: str) -> None:
        self._name, self._called = name, set[CodeType]()
        self.files: list[str] = []
        self.functions: list[list[str]] = []
        """Of each file that was entered, those that received the name then."""
        self.lookups: Counter[str] = Counter()

    def record(self, frame: FrameType, event: str, _argument: Any) -> None:
        """A profiling function, as ``sys.setprofile`` takes it."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(PACKAGE)):
            return
        if code.co_name in LOOKUPS:
            self.lookups[f"{code.co_name}({', '.join(_texts(frame))})"] += 1
        if code not in self._called and any(map(self._is_name, _arguments(frame))):
            self._called.add(code)
            file = str(Path(code.co_filename).relative_to(PACKAGE))
            if self.files[-1:] != [file]:
                self.files.append(file)
                self.functions.append([])
            self.functions[-1].append(code.co_name)

    def _is_name(self, value: object) -> bool:
        if isinstance(value, str):
            return value == self._name
        if isinstance(value, Request):
            return self._is_name(getattr(value, "models", ()))
        if isinstance(value, dict):
            return any(map(self._is_name, value.copy().values()))
        if isinstance(value, list | tuple | set):
            return len(value) <= MAX_COLLECTION and any(map(self._is_name, tuple(value)))
        return False

    @property
    def entries(self) -> Counter[str]:
        """How often each file was entered."""
        return Counter(self.files)


def _arguments(frame: FrameType) -> list[object]:
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4)
    count += bool(code.co_flags & 8)
    return [frame.f_locals.get(name) for name in code.co_varnames[:count]]


def _texts(frame: FrameType) -> list[str]:
    return [value for value in _arguments(frame) if isinstance(value, str)]


@contextmanager
def walk_of(name: str) -> Iterator[Walk]:
    """The walk of a name while the block runs, in all threads."""
    walk = Walk(name)
    threading.setprofile(walk.record)
    sys.setprofile(walk.record)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def report(walk: Walk) -> str:
    """The files in order, and the figures."""
    entries = walk.entries
    most = max(entries.values(), default=0)
    looked_up = ", ".join(f"{call} {count} times" for call, count in sorted(walk.lookups.items()))
    steps = zip(walk.files, walk.functions, strict=True)
    return "\n".join(
        [
            *(f"{file}: {', '.join(names)}" for file, names in steps),
            f"{len(entries)} files, {len(walk.files)} entries, no file more than {most} times",
            f"looked up: {looked_up}",
        ]
    )


def main() -> None:
    """Run the task with a profile, and report on stderr whatever its exit code is."""
    from piyard.__main__ import main as run_piyard

    name, *words = sys.argv[1:]
    sys.argv = ["piyard", *words]
    with walk_of(name) as walk:
        try:
            run_piyard()
        finally:
            sys.setprofile(None)
            print(report(walk), file=sys.stderr)


if __name__ == "__main__":
    main()
