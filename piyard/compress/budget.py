"""How much compression a budget allows: of a method's settings the one at the edge of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from piyard.compress.method import CompressOptions
from piyard.compress.methods import METHODS
from piyard.core.errors import WrongInput
from piyard.models.variants import MethodName

KnobName = Literal["ratio", "energy"]


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    """The option of a method that says how much it compresses."""

    method: MethodName
    option: KnobName
    values: tuple[float, ...]
    """From little compression to much."""


KNOBS: dict[MethodName, Knob] = {
    "prune": Knob(
        method="prune",
        option="ratio",
        values=tuple(round(0.1 + 0.05 * step, 2) for step in range(17)),
    ),
    "lowrank": Knob(
        method="lowrank",
        option="energy",
        values=tuple(round(0.99 - 0.03 * step, 2) for step in range(17)),
    ),
}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant has to keep to."""

    keep_accuracy: float | None = None
    """Share of the original's."""
    max_latency_ms: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A variant as far as a budget looks at it."""

    accuracy: float | None
    time_ms: float | None


def read_budget(options: CompressOptions) -> tuple[Budget, Knob] | None:
    """The budget and what is turned for it; None without one, or where a method has its own.

    Raises ``WrongInput`` where there is nothing to turn, or it is named already.
    """
    budget = Budget(keep_accuracy=options.keep_accuracy, max_latency_ms=options.max_latency_ms)
    if budget == Budget() or any(_has_own(name) for name in options.methods):
        return None
    knobs = [KNOBS[name] for name in options.methods if name in KNOBS]
    if len(knobs) != 1:
        raise WrongInput(
            "--keep-accuracy and --max-latency are for one of prune and lowrank",
            remedy=f"name one of them in --method; known: {', '.join(METHODS)}",
        )
    (knob,) = knobs
    if getattr(options, knob.option) is not None or options.rank is not None:
        raise WrongInput(
            f"--{knob.option} says how much, and so does a budget",
            remedy=f"leave out --{knob.option}, or --keep-accuracy and --max-latency",
        )
    if budget.keep_accuracy is not None and options.data is None:
        raise WrongInput(
            "--keep-accuracy needs pictures whose truth is known", remedy="name them: --data DIR"
        )
    return budget, knob


def _has_own(name: MethodName) -> bool:
    return not METHODS[name].options.isdisjoint({"keep_accuracy", "max_latency_ms"})


def with_knob(options: CompressOptions, knob: Knob, value: float) -> CompressOptions:
    """The options of one value, without the budget."""
    return msgspec.structs.replace(
        options, keep_accuracy=None, max_latency_ms=None, **{knob.option: value}
    )


def find_value(
    knob: Knob, budget: Budget, original: Trial, judge: Callable[[float], Trial]
) -> float:
    """The strongest value that keeps the accuracy; without such a demand the weakest in time.

    Halves the values that are left. Raises ``WrongInput`` where no value keeps to the budget, where
    the original is fast enough, and where no time is known.
    """
    _require_late(budget, original)
    trials: dict[float, Trial] = {}

    def trial(value: float) -> Trial:
        if value not in trials:
            trials[value] = judge(value)
        return trials[value]

    if budget.max_latency_ms is None:
        kept = _last_true(knob.values, lambda value: _keeps(trial(value), original, budget))
        if kept is None:
            raise _too_much(knob, original, trial(knob.values[0]), budget)
        return kept
    late = _last_true(knob.values, lambda value: not _is_in_time(trial(value), budget))
    after = 0 if late is None else knob.values.index(late) + 1
    if after == len(knob.values):
        raise WrongInput(
            f"--max-latency {budget.max_latency_ms:g}ms: even --{knob.option} "
            f"{knob.values[-1]:g} takes {trial(knob.values[-1]).time_ms:.2f} ms",
            remedy="allow more time, or take a smaller model",
        )
    value = knob.values[after]
    if not _keeps(trial(value), original, budget):
        raise _too_much(knob, original, trial(value), budget)
    return value


def _require_late(budget: Budget, original: Trial) -> None:
    if budget.max_latency_ms is None:
        return
    if original.time_ms is None:
        raise WrongInput(
            f"--max-latency {budget.max_latency_ms:g}ms: nothing here measures or counts a time",
            remedy="name a real board: --host; or install qemu-user of Debian bookworm, to count",
        )
    if _is_in_time(original, budget):
        raise WrongInput(
            f"--max-latency {budget.max_latency_ms:g}ms: the model takes {original.time_ms:.2f} ms "
            "as it is",
            remedy="leave it so, or name a shorter time",
        )


def most_variants(knob: Knob) -> int:
    """How many of its values are tried at most, halving those that are left."""
    return len(knob.values).bit_length() + 1


def _last_true(values: Sequence[float], holds: Callable[[float], bool]) -> float | None:
    """The last for which it holds, where it holds for the first ones and then no more."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if holds(values[middle]):
            low = middle + 1
        else:
            high = middle
    return values[low - 1] if low else None


def _keeps(trial: Trial, original: Trial, budget: Budget) -> bool:
    if budget.keep_accuracy is None or original.accuracy is None or trial.accuracy is None:
        return budget.keep_accuracy is None
    return trial.accuracy >= budget.keep_accuracy * original.accuracy


def _is_in_time(trial: Trial, budget: Budget) -> bool:
    if budget.max_latency_ms is None or trial.time_ms is None:
        return budget.max_latency_ms is None
    return trial.time_ms <= budget.max_latency_ms


def _too_much(knob: Knob, original: Trial, trial: Trial, budget: Budget) -> WrongInput:
    figures = (
        f"{trial.accuracy:.1f} % of {original.accuracy:.1f} %"
        if trial.accuracy is not None and original.accuracy is not None
        else "no accuracy is known"
    )
    return WrongInput(
        f"{knob.method} does not keep {100 * (budget.keep_accuracy or 0):g} % of the accuracy: "
        f"{figures}",
        remedy="train longer (--epochs), or keep less (--keep-accuracy)",
    )


def describe_budget(budget: Budget, knob: Knob) -> str:
    """What is looked for, for people."""
    limits = [
        f"keeps {100 * budget.keep_accuracy:g} % of the accuracy" if budget.keep_accuracy else "",
        f"takes at most {budget.max_latency_ms:g} ms" if budget.max_latency_ms else "",
    ]
    return (
        f"find the --{knob.option} of {min(knob.values):g} to {max(knob.values):g} whose variant "
        f"{' and '.join(filter(None, limits))}, by at most {most_variants(knob)} variants"
    )
