"""One way to compute a model → its Evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from piyard import model as models
from piyard import say
from piyard.conversion import Conversion
from piyard.errors import WrongInput
from piyard.evaluate import board, bootstrap, desktop, figures, kept, stated
from piyard.evaluate.dataset import Dataset
from piyard.evaluate.kept import By, Evaluation
from piyard.look.lines import Frame
from piyard.model import Model
from piyard.model.head import Dense
from piyard.seat import Seat

THRESHOLDS = {"score": 0.001, "nms": 0.65, "most": 300}
"""As evaluations of detectors on COCO have them: detections of any score count."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A model, its conversion and the data it is evaluated on."""

    name: str
    model: Model
    """With the thresholds of an evaluation."""
    conversion: Conversion
    detector: Conversion | None
    data: Dataset
    digest: str
    """Of the data, hashed once."""

    @property
    def finder(self) -> tuple[Model, Conversion] | None:
        """The model that finds the objects, where there is one."""
        return (models.load(self.detector.name), self.detector) if self.detector else None


def judged(model: Model) -> Model:
    """The model with an evaluation's thresholds; a tracker's own are part of what is judged."""
    if model.task == "track" or not isinstance(model.head, Dense):
        return model
    return msgspec.structs.replace(model, head=msgspec.structs.replace(model.head, **THRESHOLDS))


def require_real(conversion: Conversion) -> None:
    """Raise ``WrongInput`` for a conversion with random weights."""
    if not conversion.has_real_weights:
        raise WrongInput(
            f"{conversion.name} has random weights, which have no accuracy",
            remedy="put the official file where PIYARD_MIRROR points, and convert again",
        )


def by_original(subject: Subject) -> Evaluation:
    """The original's evaluation, from the stored ones where there is one."""
    previous = kept.find(subject.conversion.key, "original", "fp32", subject.digest)
    if previous and _is_whole(previous, subject.data.kind):
        say.note(f"✓ {subject.name}: {previous.computed} evaluated on {previous.data} before")
        return msgspec.structs.replace(previous, assumed=list(subject.model.assumed))
    computed = str(subject.conversion.manifest["original"])
    return _here(subject, "original", by="original", computed=computed, precision="fp32")


def _is_whole(previous: Evaluation, kind: str) -> bool:
    """Whether it has its intervals; older evaluations were stored without."""
    without = kind in {"mot", "otb"} or previous.count > bootstrap.MANY
    return bool(previous.intervals) or without or None in previous.figures.values()


def by_desktop(subject: Subject, precision: str) -> Evaluation:
    """ncnn's on this machine; fp16 is simulated."""
    if precision not in {"fp32", "fp16"}:
        raise WrongInput(
            f"the desktop cannot compute as a board does in {precision}",
            remedy="take fp32 or fp16, or a board: --host",
        )
    return _here(
        subject,
        precision,
        by="desktop",
        computed="ncnn, desktop",
        precision=precision,
        imitated=precision == "fp16",
    )


def by_board(seat: Seat, subject: Subject) -> Evaluation:
    """nnrun's on that board."""
    answers = board.answers(seat, subject.model, subject.data)
    return _kept(
        subject,
        answers.frames,
        by="board",
        host=answers.host,
        computed=f"nnrun, {answers.hardware}",
        precision=answers.precision,
        build=answers.build,
    )


def _here(subject: Subject, way: str, **about: Any) -> Evaluation:
    title = f"{subject.name}: {about['computed']} {about['precision']}"
    with desktop.seer(subject.model, subject.conversion, subject.finder, way) as seer:
        return _kept(subject, desktop.answers(seer, subject.data, title), **about)


def _kept(subject: Subject, frames: Sequence[Sequence[Frame]], **about: Any) -> Evaluation:
    metrics = figures.judge(subject.data, frames)
    evaluation = Evaluation(
        model=subject.name,
        conversion=subject.conversion.key,
        data=subject.data.title,
        digest=subject.digest,
        count=len(subject.data.pictures),
        figures=metrics.figures,
        intervals=metrics.intervals,
        thresholds=_thresholds(subject.model),
        **_about(subject, about["by"]),
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **about,
    )
    kept.store(evaluation)
    return evaluation


def _about(subject: Subject, by: By) -> dict[str, Any]:
    """What is only assumed of the model; the original is fed as its own file says."""
    notes = stated.notes(subject.model, subject.name) if by == "original" else []
    return {"assumed": list(subject.model.assumed), "notes": notes}


def _thresholds(model: Model) -> dict[str, float]:
    if not isinstance(model.head, Dense):
        return {}
    return {name: getattr(model.head, name) for name in THRESHOLDS}


def published(model: Model) -> dict[str, float]:
    """The publisher's figures under our names, shown as published and never as ours."""
    stated_figures = {"top-1": model.published.top1, "mAP": model.published.map_50_95}
    return {name: value for name, value in stated_figures.items() if value is not None}
