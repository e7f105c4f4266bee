"""What to take of a model and its variants, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piyard.compress.summary import Row, work_text

ENOUGH_POINTS = 1.0
"""Points of accuracy that may be lost where the user names no share to keep."""

FASTER = 1.03
"""Times as fast from which on it counts as faster."""


LONGER = "train longer (--epochs)"
REMEDIES: Mapping[str, str] = {
    "ptq": "leave layers in floats (--mixed), or train for int8 (--method qat)",
    "prune": f"{LONGER} or take away less",
    "lowrank": f"{LONGER} or take away less",
}
"""What to do about a variant that lost too much, by its last method; else ``LONGER``."""


def recommend(rows: Sequence[Row], keep: float | None = None, made: str = "") -> str:
    """What to take, in a sentence.

    ``keep`` is the share of the original's accuracy that must stay; without it a variant may lose
    ``ENOUGH_POINTS``. Where nothing is to be taken, the sentence is about the variant ``made``, or
    about the fastest one.
    """
    original, *variants = rows
    if not variants:
        return "there is no variant to compare"
    timed = [row for row in variants if row.speedup is not None]
    if not timed:
        return _by_size(min(variants, key=lambda row: row.judged.bytes), original)
    if original.judged.accuracy is None:
        shown = _choose_shown(timed, made)
        return f"{describe_speed(shown, original)}; its accuracy is not known: name data with truth"
    return _by_time(timed, original, _least_accuracy(original.judged.accuracy, keep), made)


def _choose_shown(timed: Sequence[Row], made: str) -> Row:
    """The one that was made now; the fastest where its time is not known."""
    named = [row for row in timed if row.judged.model == made]
    return max(named or timed, key=lambda row: row.speedup or 0)


def _by_time(timed: Sequence[Row], original: Row, limit: float, made: str) -> str:
    """Of variants whose times are known: the fastest of those at least as accurate as ``limit``."""
    right = [row for row in timed if (row.judged.accuracy or 0) >= limit]
    faster = [row for row in right if (row.speedup or 0) >= FASTER]
    if faster:
        best = max(faster, key=lambda row: row.speedup or 0)
        return f"{describe_speed(best, original)}, {_points_text(best, original)}; take it"
    better = [row for row in timed if _is_as_fast(row) and _is_better(row, original)]
    if better:
        best = max(better, key=lambda row: row.points_off or 0)
        same = "for the same work" if best.judged.time_ms is None else "in the same time"
        return f"{best.judged.model}: {_points_text(best, original)} {same}; take it"
    shown = _choose_shown(timed, made)
    if (shown.speedup or 0) < FASTER:
        return _no_gain(shown, original)
    return f"{describe_speed(shown, original)}, but {_describe_loss(shown, original)}"


def _describe_loss(row: Row, original: Row) -> str:
    """Of one that is not right enough, with what to do about it."""
    points = _points_text(row, original)
    if _is_chance(row, original):
        return f"{points}; judge it by more pictures before you take it"
    remedy = REMEDIES.get(row.judged.method.split("+")[-1], LONGER)
    return f"{points}: that is too much; {remedy}"


def _is_as_fast(row: Row) -> bool:
    return (row.speedup or 0) >= 1 / FASTER


def _is_better(row: Row, original: Row) -> bool:
    return (row.points_off or 0) > 0 and not _is_chance(row, original)


def _is_chance(row: Row, original: Row) -> bool:
    """Whether chance alone makes such a difference on so many pictures; unknown is not."""
    if original.judged.interval is None:
        return False
    low, high = original.judged.interval
    return abs(row.points_off or 0) <= (high - low) / 2


def _least_accuracy(accuracy: float, keep: float | None) -> float:
    return accuracy - ENOUGH_POINTS if keep is None else keep * accuracy


def describe_speed(row: Row, original: Row) -> str:
    """``net@ptq-int8: 1.6 x faster than net in fp16 (4.71 ms)``."""
    ours, theirs = row.judged, original.judged
    speedup = row.speedup or 1.0
    if speedup < 1:
        return f"{ours.model} is slower than {theirs.model} in {theirs.precision}"
    more = "faster than" if ours.time_ms is not None else "less work than"
    counted = ", counted" if ours.time_source == "counted" else ""
    return (
        f"{ours.model}: {speedup:.1f} x {more} {theirs.model} in {theirs.precision} "
        f"({work_text(ours)}{counted})"
    )


def _by_size(row: Row, original: Row) -> str:
    """What is known of a variant whose time nothing tells."""
    ours, theirs = row.judged, original.judged
    points = "" if row.points_off is None else f", {_points_text(row, original)}"
    return (
        f"{ours.model}: {theirs.bytes / ours.bytes:.1f} x smaller than {theirs.model}{points}; "
        f"whether {ours.data_type} is faster is not known here: name a board with --host"
    )


def _no_gain(row: Row, original: Row) -> str:
    ours, theirs = row.judged, original.judged
    what = ours.data_type if ours.precision != theirs.precision else ours.model
    return (
        f"{what} does not pay here: {theirs.model} in {theirs.precision} takes "
        f"{work_text(theirs)}, {ours.model} {work_text(ours)}; keep {theirs.model}"
    )


def _points_text(row: Row, original: Row) -> str:
    points = row.points_off or 0.0
    text = f"{points:+.1f} points {original.judged.metric}"
    if _is_chance(row, original):
        text += " (within what chance does on these pictures)"
    return text
