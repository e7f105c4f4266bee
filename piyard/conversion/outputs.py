"""Of several outputs of a classifier one holds the classes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from piyard import model as models
from piyard.errors import WrongInput, nearest
from piyard.model import Model

if TYPE_CHECKING:
    from piyard.conversion import Conversion


def place(output: str, names: Sequence[str], sizes: Sequence[int], classes: int) -> int:
    """The index of ``output``: one of ``names``, which the file has, or ``out0`` and so on.

    Without ``output``: the only one, or the only one with as many values as there are classes.
    Raises ``WrongInput``.
    """
    if output:
        return _named(output, names, sizes)
    if len(names) == 1:
        return 0
    fit = [number for number, size in enumerate(sizes) if fits(size, classes)]
    if len(fit) == 1:
        return fit[0]
    how_many = "several have" if fit else "none has"
    raise WrongInput(
        f"the network has {len(names)} outputs, and {how_many} as many values as there are labels "
        f"({classes}): {listed(names, sizes)}",
        remedy="name the one with the classes: --output, or `output` in the model's YAML",
    )


def fits(size: int, classes: int) -> bool:
    """Whether so many values can be scores of so many classes; two classes need only one value."""
    return size == classes or (size == 1 and classes == 2)


def listed(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Outputs, each with its number of values."""
    return ", ".join(f"{name} ({size})" for name, size in zip(names, sizes, strict=True))


def of(conversion: Conversion, model: Model) -> int:
    """The index of a converted classifier's output with the classes. Raises ``WrongInput``."""
    shapes = conversion.manifest["reference"]["outputs"]
    sizes = [prod(shape) for shape in shapes.values()]
    names = conversion.manifest["reference"].get("names", list(shapes))
    return place(model.output, names, sizes, len(models.labels(model)))


def _named(output: str, names: Sequence[str], sizes: Sequence[int]) -> int:
    numbered = [f"out{number}" for number in range(len(names))]
    for candidates in (list(names), numbered):
        if output in candidates:
            return candidates.index(output)
    raise WrongInput(
        f"the network has no output '{output}'{nearest(output, names)}",
        remedy=f"its outputs: {listed(names, sizes)}",
    )
