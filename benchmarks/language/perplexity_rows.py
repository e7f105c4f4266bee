"""Perplexities of models in each precision and of each engine, as a table or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.language.rows import NNRUN
from piyard.core.tables import render_table
from piyard.core.text import NOT_KNOWN

BARS = {"fp32": 0.0005, "fp16": 0.005, "int8": 0.01, "int4": 0.05}
"""By which part nnrun's perplexity may rise."""
COLUMNS = (
    *("Model", "Text", "Engine", "Weights", "Stored", "Tokens", "Perplexity", "Rise", "Bar"),
    *("KL", "Late"),
)
TWIN = "twin"
"""nnrun's matrices and rounding, computed in torch."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One engine with one kind of weights, on a text."""

    model: str
    text: str
    engine: str = NNRUN
    precision: str
    """As the engine calls it."""
    stored: str
    tokens: int
    """That are scored."""
    perplexity: float | None
    """Of all but the first token of each chunk; llama-perplexity does not tell it."""
    original: float
    late: float | None = None
    """Perplexity of the second half of each chunk; the twin does not tell it."""
    late_original: float
    divergence: float | None = None
    """Of the twin, in nats a token."""

    @property
    def rise(self) -> float | None:
        """By which part the perplexity is above the original's."""
        return None if self.perplexity is None else self.perplexity / self.original - 1

    @property
    def late_rise(self) -> float | None:
        """The same of the second halves."""
        return None if self.late is None else self.late / self.late_original - 1

    @property
    def well(self) -> bool:
        """Whether it is within its bar; another engine has none."""
        return self.rise is None or self.rise <= BARS[self.precision]

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        return [
            *(self.model, self.text, self.engine, self.precision, self.stored, str(self.tokens)),
            *self._judged,
            NOT_KNOWN if self.divergence is None else f"{self.divergence:.4f}",
            NOT_KNOWN if self.late is None else f"{self.late:.4f} ({self.late_rise:+.2%})",
        ]

    @property
    def _judged(self) -> list[str]:
        if self.perplexity is None or self.rise is None:
            return [NOT_KNOWN, NOT_KNOWN, ""]
        bar = f"{BARS[self.precision]:+.2%}{'' if self.well else ' missed'}"
        return [f"{self.perplexity:.4f}", f"{self.rise:+.2%}", bar]


def perplexity(scores: Sequence[Sequence[float]], first: int = 0) -> float:
    """Of log-probabilities, those of each chunk from the ``first`` on."""
    kept = [score for chunk in scores for score in chunk[first:]]
    return math.exp(-sum(kept) / len(kept))


def shown(rows: Sequence[Row], form: str) -> str:
    """The table, or all figures as JSON."""
    if form == "json":
        figures = [asdict(row) | {"rise": row.rise, "late_rise": row.late_rise} for row in rows]
        return json.dumps(figures, indent=2)
    return render_table(COLUMNS, [row.cells for row in rows], form)
