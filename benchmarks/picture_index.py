r"""How long the index of pictures takes to be searched, and what adding one picture writes.

    .venv/bin/python -m benchmarks.picture_index
    .venv/bin/python -m benchmarks.picture_index --pictures 100000 --format json

The rows are random, of CLIP ViT-B/32's 512 values: what they mean costs nothing. Exit code 1 when
the median search takes more than 50 ms of the processor, or adding a picture changes what was
there. The time that passes is shown too; it is longer on a machine that others use.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core.tables import render_table
from piyard.predict.picture_index import (
    PICTURES_FILE,
    ROW_BYTES,
    ROWS_FILE,
    FoundPicture,
    IndexHead,
    PictureIndex,
    open_index,
)

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

VALUES, TOPK, SEARCHES, BATCH = 512, 10, 15, 1000
BAR_MS = 50.0
HEAD = IndexHead(model="clip_vit_b32", conversion="random", weights="random", values=VALUES)
COLUMNS = [
    "Pictures",
    "Open (ms)",
    "Search (CPU ms)",
    "Passed (ms)",
    "Row bytes",
    "Lines added",
    "Verdict",
]


@dataclass(frozen=True)
class Row:
    """An index of so many pictures."""

    pictures: int
    open_ms: float
    search_ms: float
    """Of the processor, the median."""
    passed_ms: float
    """That passed meanwhile, the median."""
    row_bytes: int
    """That one more picture adds."""
    lines: int
    kept: bool
    """Whether all bytes before are as they were."""

    @property
    def passed(self) -> bool:
        """Whether it is within its bar, and a picture adds a row and a line."""
        adds_one = self.kept and (self.row_bytes, self.lines) == (VALUES * ROW_BYTES, 1)
        return adds_one and self.search_ms <= BAR_MS


def _fill(index: PictureIndex, vectors: Floats, first: int = 0) -> None:
    for begin in range(0, len(vectors), BATCH):
        several = vectors[begin : begin + BATCH]
        index.add([(_picture(first + begin + at), each) for at, each in enumerate(several)])


def _picture(number: int) -> FoundPicture:
    name = f"{number:064x}"
    return FoundPicture(file=Path(f"/pictures/{name}.jpg"), sha256=name, size=1, changed_ns=1)


def measure(count: int, folder: Path) -> Row:
    """Fill, open, search, add one."""
    import numpy as np

    rng = np.random.default_rng(1)
    _fill(open_index(folder, HEAD), rng.standard_normal((count, VALUES)).astype(np.float32))
    began = time.perf_counter()
    index = open_index(folder)
    open_ms = 1000 * (time.perf_counter() - began)
    queries = rng.standard_normal((SEARCHES, VALUES)).astype(np.float32)
    searches = [_search_ms(index, query) for query in queries]
    worked, passed = zip(*searches, strict=True)
    rows, lines = ((folder / name).read_bytes() for name in (ROWS_FILE, PICTURES_FILE))
    _fill(index, rng.standard_normal((1, VALUES)).astype(np.float32), first=count)
    new_rows, new_lines = ((folder / name).read_bytes() for name in (ROWS_FILE, PICTURES_FILE))
    return Row(
        pictures=count,
        open_ms=open_ms,
        search_ms=statistics.median(worked),
        passed_ms=statistics.median(passed),
        row_bytes=len(new_rows) - len(rows),
        lines=new_lines.count(b"\n") - lines.count(b"\n"),
        kept=new_rows.startswith(rows) and new_lines.startswith(lines),
    )


def _search_ms(index: PictureIndex, vector: Floats) -> tuple[float, float]:
    """Of the processor, and by the clock."""
    began, worked = time.perf_counter(), time.process_time()
    index.search(vector, TOPK)
    return 1000 * (time.process_time() - worked), 1000 * (time.perf_counter() - began)


def cells(row: Row) -> list[str]:
    """As the table has them."""
    verdict = "passed" if row.passed else f"more than {BAR_MS:g} ms, or more than a row"
    times = [f"{row.open_ms:.1f}", f"{row.search_ms:.1f}", f"{row.passed_ms:.1f}"]
    return [str(row.pictures), *times, str(row.row_bytes), str(row.lines), verdict]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=10_000, help="in the index (10000)")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        row = measure(options.pictures, Path(folder) / "index")
    if options.format == "json":
        print(json.dumps(asdict(row)))
    else:
        print(render_table(COLUMNS, [cells(row)], "plain"))
    return 0 if row.passed else 1


if __name__ == "__main__":
    sys.exit(main())
