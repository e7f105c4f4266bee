"""Whether two results were measured under the same conditions, and what differs where not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from piyard.comparison import conditions
from piyard.comparison.conditions import CONDITIONS, NEVER, Facets
from piyard.result import Result


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A facet of a condition that is not the same on both sides."""

    condition: str
    facet: str
    a: str
    b: str

    @property
    def text(self) -> str:
        """For people: ``kernel 6.12.47 and 6.12.50``."""
        return f"{self.facet} {self.a} and {self.b}"


def differences(a: Result, b: Result) -> list[Difference]:
    """All differences in what both hold."""
    return [difference for name in CONDITIONS for difference in _of(name, a, b)]


def untold(a: Result, b: Result) -> list[str]:
    """Facets that only one of the two has: old results hold less of their board."""
    pairs = [(facets(a), facets(b)) for facets in CONDITIONS.values()]
    return [facet for x, y in pairs for facet in x if (x[facet] is None) != (y.get(facet) is None)]


def names_of(differences: Iterable[Difference]) -> frozenset[str]:
    """The conditions that differ."""
    return frozenset(difference.condition for difference in differences)


def free(named: Collection[str], of_all: Iterable[Sequence[Difference]]) -> frozenset[str]:
    """The conditions that are compared, which may differ with all that they imply.

    Where none is named, one may differ, the same one in all pairs: it is then what is compared.
    """
    if named:
        return frozenset(named)
    only = frozenset[str]().union(
        *(conditions.roots(names_of(differences)) for differences in of_all)
    )
    return only if len(only) == 1 else frozenset()


def unlike(differences: Sequence[Difference], compared: Collection[str]) -> list[Difference]:
    """The differences that forbid a comparison."""
    may_differ = conditions.brought(compared, names_of(differences)) - {NEVER}
    return [difference for difference in differences if difference.condition not in may_differ]


def _of(name: str, a: Result, b: Result) -> Iterator[Difference]:
    of_a, of_b = CONDITIONS[name](a), CONDITIONS[name](b)
    if name == "host" and _same_board(of_a, of_b):
        return
    for facet, x in of_a.items():
        y = of_b.get(facet)
        if x != y and x is not None and y is not None:
            yield Difference(condition=name, facet=facet, a=str(x), b=str(y))


def _same_board(a: Facets, b: Facets) -> bool:
    """A board that was given another name keeps its serial number."""
    return a["serial"] is not None and a["serial"] == b["serial"]
