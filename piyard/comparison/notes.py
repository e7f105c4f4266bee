"""Notes beside the table of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from piyard import say
from piyard.comparison import alike, conditions
from piyard.comparison.alike import Difference
from piyard.row import Row

SAID = 10
"""Notes of one kind that are printed; the others are counted."""
EMULATED = "an emulated board's times say nothing about a Pi"


def lines(notes: Iterable[str]) -> None:
    """Each line once."""
    unique = list(dict.fromkeys(notes))
    for line in unique[:SAID]:
        say.note(line)
    if len(unique) > SAID:
        say.note(f"… and {len(unique) - SAID} more such lines")


def differences(differing: Sequence[Difference]) -> None:
    """What is compared in one line, what necessarily differs with it in another."""
    roots = conditions.roots(alike.names_of(differing))
    for is_root, title in ((True, "compared"), (False, "differs with that")):
        texts = [
            difference.text
            for difference in differing
            if (difference.condition in roots) == is_root
        ]
        if texts:
            say.note(f"{title}: {'; '.join(dict.fromkeys(texts))}")


def rows(compared: Sequence[Row]) -> None:
    """What a reader of these results must know."""
    lines(_suspicion(row) for row in compared if row.verdict.state == "SUSPECT")
    if any(row.emulated for row in compared):
        say.note(EMULATED)


def _suspicion(row: Row) -> str:
    return f"{row.run} is SUSPECT: {'; '.join(reason.text for reason in row.verdict.reasons)}"
