"""A data set in figures: how many pictures, objects and classes, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard.core.tables import STYLES, Column, render_items, render_table
from piyard.core.text import sanitize_line
from piyard.data.dataset import KIND_TEXTS, OBJECT_KINDS, DataSet, LeftOut
from piyard.data.label_maps import IGNORED
from piyard.vision.pictures import printable_path, unreadable_pictures

MOST_SHOWN = 5
"""Classes named in a cell for people."""


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a data set was recognised as, and what is in it."""

    data: DataSet
    objects: Mapping[str, int]
    """Pictures, or objects in them, of each class; one entry where there are no classes."""
    outlined: int
    """Objects that have an outline beside their box."""
    posed: int
    """Objects with labelled keypoints."""
    ignored: int
    """Objects that are neither hits nor misses: crowds, difficult ones, distractors of a clip."""
    empty: int
    """Pictures without an object."""
    unreadable: Sequence[Path]

    @property
    def left_out(self) -> list[str]:
        """A line a reason."""
        damaged = [LeftOut(self.unreadable, "damaged")] if self.unreadable else []
        root = self.data.root
        return [group.text(root) for group in (*self.data.left_out, *damaged)]

    @property
    def notes(self) -> list[str]:
        """What else is to be known, in parts."""
        data = self.data
        parts = (data.detail + data.label_detail).split(", ")
        return [
            *(part.strip() for part in parts if part.strip()),
            *([f"{self.outlined} with outlines"] if self.outlined else []),
            *([f"{self.posed} with keypoints"] if self.posed else []),
            *([f"{self.empty} without an object"] if self.empty else []),
            *([f"{self.ignored} that do not count"] if self.ignored else []),
        ]


def summarise_data(data: DataSet) -> DataSummary:
    """Reads the truth of every picture and its header. Raises ``WrongInput`` for a broken line."""
    objects: Counter[str] = Counter()
    traits: Counter[str] = Counter()
    damaged = unreadable_pictures(data.pictures)
    for _, truth in data.without(damaged):
        names = _class_names(data, truth)
        objects.update(names)
        traits.update(_traits(data, truth), empty=not names)
    return DataSummary(
        data=data,
        objects=objects,
        outlined=traits["outlined"],
        posed=traits["posed"],
        ignored=traits["ignored"],
        empty=traits["empty"],
        unreadable=list(damaged),
    )


def _traits(data: DataSet, truth: Any) -> dict[str, int]:
    """How many of a picture's objects are ignored, or have more than what is asked of them."""
    if data.kind == "tracks":
        return {"ignored": sum(not each.counts for each in truth)}
    if data.kind not in OBJECT_KINDS:
        return {}
    ignored = sum(each.crowd or each.difficult for each in truth)
    if data.kind != "box":
        return {"ignored": ignored}
    return {
        "ignored": ignored,
        "outlined": sum(bool(each.outline) for each in truth),
        "posed": sum(any(seen for *_, seen in each.keypoints or ()) for each in truth),
    }


def _class_names(data: DataSet, truth: Any) -> list[str]:
    if data.kind == "class":
        name = data.classes[truth]
        return [name or str(data.numbers[truth])]
    if data.kind in OBJECT_KINDS:
        return [data.classes[each.class_] for each in truth]
    if data.kind == "regions":
        return [_region_name(data, int(number)) for number in set(truth.flat) - {IGNORED}]
    return ["object"] * (1 if data.kind == "track" else len(truth))


def _region_name(data: DataSet, number: int) -> str:
    return data.classes[number] if number < len(data.classes) else str(number)


def _classes_text(summary: DataSummary) -> str:
    names = Counter(summary.objects).most_common(MOST_SHOWN)
    count = len(summary.data.classes)
    shown = ", ".join(f"{printable_path(Path(name))} {number}" for name, number in names)
    more = " …" if count > MOST_SHOWN else ""
    if not count and summary.data.kind not in OBJECT_KINDS:
        return ""
    return f"{count} ({shown}{more})" if shown and count else str(count)


def _splits_text(summary: DataSummary) -> str:
    data = summary.data
    others = [name for name in data.splits if name != data.split]
    beside = f" (also {', '.join(others)})" if others else ""
    return f"{data.split or 'all'}{beside}"


def render_summary(summary: DataSummary, form: str, *more: Column[DataSummary]) -> str:
    """A line a fact for people, an object or a row for programs."""
    if form not in STYLES:
        return render_items((*SUMMARY_COLUMNS, *more), [summary], form)
    rows = [
        [column.title, sanitize_line(column.text_of(summary))]
        for column in SUMMARY_COLUMNS
        if column.title
    ]
    return render_table(("Data set", summary.data.title), [row for row in rows if row[1]], form)


SUMMARY_COLUMNS: tuple[Column[DataSummary], ...] = (
    Column(key="name", value=lambda each: each.data.title),
    Column(key="format", title="Format", value=lambda each: each.data.format),
    Column(
        key="split",
        title="Split",
        value=lambda each: each.data.split or None,
        text=_splits_text,
    ),
    Column(key="splits", value=lambda each: list(each.data.splits)),
    Column(
        key="truth",
        title="Truth",
        value=lambda each: each.data.kind,
        text=lambda each: KIND_TEXTS[each.data.kind],
    ),
    Column(key="pictures", title="Pictures", value=lambda each: len(each.data.pictures)),
    Column(key="objects", title="Objects", value=lambda each: sum(each.objects.values())),
    Column(
        key="classes",
        title="Classes",
        value=lambda each: [[name, each.objects.get(name, 0)] for name in each.data.classes],
        text=_classes_text,
    ),
    Column(key="without_objects", value=lambda each: each.empty),
    Column(key="ignored", value=lambda each: each.ignored),
    Column(
        key="notes",
        title="Notes",
        value=lambda each: each.notes,
        text=lambda each: "; ".join(each.notes),
    ),
    Column(
        key="left_out",
        title="Left out",
        value=lambda each: each.left_out,
        text=lambda each: "; ".join(each.left_out),
    ),
)
