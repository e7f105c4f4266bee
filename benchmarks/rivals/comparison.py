"""One comparison: the tools installed, boards started, and every sample of every way."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.rivals import boards, keys, payload, reach, tools, ways
from benchmarks.rivals.boards import Board
from benchmarks.rivals.delay import delayed
from benchmarks.rivals.keys import Keys
from benchmarks.rivals.samples import Place, Rounds, Sample
from piyard.core import console, paths


@dataclass(frozen=True)
class Plan:
    """What to compare."""

    counts: Sequence[int]
    """Numbers of boards."""
    delays_ms: Sequence[float]
    """Added to a round trip."""
    rounds: int
    names: list[str]
    """The tools to compare piyard with."""


@dataclass(frozen=True)
class Compared:
    """All samples, and the versions of what was compared."""

    samples: list[Sample]
    versions: dict[str, str]


def compare(plan: Plan) -> Compared:
    """Take all samples; boards and forwarders are gone afterwards, whatever happens."""
    programs = tools.ensure()
    compared = ways.chosen(ways.all_of(programs), plan.names)
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="piyard-") as directory:
        folder = Path(directory)
        pairs = keys.make(folder / "keys")
        rounds = Rounds(compared, payload.make(folder / "payload"))
        samples: list[Sample] = []
        with _kept() as keep, boards.running(max(plan.counts), pairs) as there:
            for place in _places(plan, there, pairs, folder / "run"):
                for sample in rounds.take(plan.rounds, place):
                    keep(sample)
                    samples.append(sample)
    return Compared(samples, tools.versions(programs))


@contextmanager
def _kept() -> Iterator[Callable[[Sample], None]]:
    """Writes each sample to a file as soon as there is one: a run may fail late."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    file = paths.artifacts() / "benchmarks" / f"{Path(sys.argv[0]).stem}-{stamp}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    console.info(f"every sample is kept in {file}")
    with file.open("w") as lines:
        yield lambda sample: print(json.dumps(asdict(sample)), file=lines, flush=True)


def _places(plan: Plan, there: list[Board], pairs: Keys, folder: Path) -> Iterator[Place]:
    for delay_ms in plan.delays_ms:
        with _ports(there, delay_ms) as ports:
            for count in plan.counts:
                near = dict(zip((board.name for board in there[:count]), ports, strict=False))
                yield Place(there[:count], reach.make(folder, near, pairs), delay_ms)


@contextmanager
def _ports(there: list[Board], delay_ms: float) -> Iterator[list[int]]:
    """The boards' own ports, or those of a forwarder before them."""
    own = [board.port for board in there]
    if not delay_ms:
        yield own
        return
    with delayed(own, delay_ms / 2) as ports:
        yield ports


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """What cleans up after Ctrl-C does so after ``kill`` too."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
