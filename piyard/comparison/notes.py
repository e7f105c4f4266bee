"""What is said beside the table of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from piyard import say
from piyard.comparison import alike, conditions
from piyard.comparison.alike import Difference
from piyard.row import Row

SAID = 10
"""Lines of one kind that are said; more are counted."""
EMULATED = "an emulated board's times say nothing of a Pi"


def lines(told: Iterable[str]) -> None:
    """Each line once."""
    each = list(dict.fromkeys(told))
    for line in each[:SAID]:
        say.note(line)
    if len(each) > SAID:
        say.note(f"… and {len(each) - SAID} more such lines")


def differences(found: Sequence[Difference]) -> None:
    """What is compared in one line, what cannot but differ with it in another."""
    meant = conditions.roots(alike.names_of(found))
    for of_roots, what in ((True, "compared"), (False, "differs with that")):
        texts = [one.text for one in found if (one.condition in meant) == of_roots]
        if texts:
            say.note(f"{what}: {'; '.join(dict.fromkeys(texts))}")


def rows(compared: Sequence[Row]) -> None:
    """What is to be thought of when reading figures of these results."""
    lines(_suspicion(row) for row in compared if row.verdict.state == "SUSPECT")
    if any(row.emulated for row in compared):
        say.note(EMULATED)


def _suspicion(row: Row) -> str:
    return f"{row.run} is SUSPECT: {'; '.join(reason.text for reason in row.verdict.reasons)}"
