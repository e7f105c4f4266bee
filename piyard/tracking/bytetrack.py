"""ByteTrack: every detection takes part, the doubtful ones only where a track needs them.

Zhang et al. (2022), "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", with the
choices of their published code, its peculiarities included: the tracks are the same. Theirs knows
one class; here a track only ever meets detections of its own class. nnrun computes the same, to the
last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from piyard.model.steps import Corners
from piyard.model.tracker import Bytetrack
from piyard.tracking import kalman
from piyard.tracking.assignment import assigned
from piyard.tracking.overlap import iou

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


SECOND = 0.5
UNCONFIRMED = 0.7
"""The largest costs of the associations that follow the first one."""
DUPLICATE = 0.15
"""Two tracks that are nearer than this (1 - IoU) follow the same object."""


LEAST_SIDE = 0.01
FARTHEST_CORNER = 1e7
"""Pixels. A track's noise is in heights of its box, and a box of next to none makes it NaN."""


def followable(box: Corners) -> bool:
    """Whether a box's sides and corners are such as a picture can have."""
    x0, y0, x1, y1 = box
    near = all(abs(corner) <= FARTHEST_CORNER for corner in box)
    return near and x1 - x0 >= LEAST_SIDE and y1 - y0 >= LEAST_SIDE


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """An object found in one frame."""

    box: Corners
    """x0, y0, x1, y1 in pixels; one that is not ``followable`` is ignored."""
    score: float
    """0 to 1."""
    label: int = 0
    """The index of its class."""


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """An object in one frame, with the id of its track."""

    id: int
    """From 1 up."""
    box: Corners
    """As the Kalman filter estimates it; may reach beyond the picture."""
    score: float
    label: int


@dataclass(kw_only=True, eq=False)
class Track:
    """One object through the frames."""

    id: int
    state: kalman.State
    score: float
    label: int
    first: int
    """The frame it was seen in first."""
    last: int
    """The frame it was seen in last."""
    confirmed: bool
    """Seen in two frames; an unconfirmed track ends with the first frame that misses it."""
    expired: bool = False
    """Lost for too long: it may still be matched in the next frame, and is dropped otherwise."""

    def follow(self, detection: Detection, frame: int) -> None:
        """Take the detection of that frame as this object."""
        self.state = kalman.corrected(self.state, _corners(detection))
        self.score, self.last, self.confirmed = detection.score, frame, True

    @property
    def age(self) -> int:
        """Frames from its first to its last."""
        return self.last - self.first


class ByteTracker:
    """The tracks of one video."""

    def __init__(self, config: Bytetrack, fps: float = 30) -> None:
        self._how = config
        self._memory = int(fps / 30 * config.buffer)
        self._frame = 0
        self._ids = 0
        self._tracked: list[Track] = []
        self._lost: list[Track] = []

    def step(self, detections: list[Detection]) -> list[Tracked]:
        """The tracks of the next frame, in the order in which they began."""
        self._frame += 1
        detections = [each for each in detections if followable(each.box)]
        high = [each for each in detections if each.score > self._how.high]
        low = [each for each in detections if self._how.low < each.score < self._how.high]
        confirmed = [track for track in self._tracked if track.confirmed]
        unconfirmed = [track for track in self._tracked if not track.confirmed]
        self._predict(confirmed)
        high = self._associate(confirmed + self._lost, high, self._how.match, fused=True)
        self._associate(self._unseen(confirmed), low, SECOND, fused=False)
        high = self._associate(unconfirmed, high, UNCONFIRMED, fused=True)
        self._sort(confirmed, [self._begun(each) for each in high if each.score >= self._how.new])
        return [_told(track) for track in self._tracked if track.confirmed]

    def skip(self, frames: int) -> None:
        """Advance by that many frames without detections."""
        left = frames
        while left > 0 and (self._tracked or self._lost):
            self.step([])
            left -= 1
        self._frame += left

    def _predict(self, confirmed: list[Track]) -> None:
        for track in confirmed:
            track.state = kalman.predicted(track.state)
        for track in self._lost:
            track.state = kalman.predicted(kalman.steady_height(track.state))

    def _associate(
        self, tracks: list[Track], detections: list[Detection], limit: float, *, fused: bool
    ) -> list[Detection]:
        """Assign detections to tracks; returns the detections left over."""
        pairs = assigned(_costs(tracks, detections, fused=fused), limit)
        for track, index in pairs:
            tracks[track].follow(detections[index], self._frame)
        taken = {index for _, index in pairs}
        return [detection for index, detection in enumerate(detections) if index not in taken]

    def _unseen(self, tracks: list[Track]) -> list[Track]:
        return [track for track in tracks if track.last < self._frame]

    def _seen(self, tracks: list[Track]) -> list[Track]:
        return [track for track in tracks if track.last == self._frame]

    def _begun(self, detection: Detection) -> Track:
        """A new track; what the first frame shows is believed at once."""
        self._ids += 1
        return Track(
            id=self._ids,
            state=kalman.initiated(_corners(detection)),
            score=detection.score,
            label=detection.label,
            first=self._frame,
            last=self._frame,
            confirmed=self._frame == 1,
        )

    def _sort(self, confirmed: list[Track], begun: list[Track]) -> None:
        """Sort tracks into tracked, lost and dropped after this frame."""
        tracked = self._seen(self._tracked) + begun + self._seen(self._lost)
        missed = self._unseen(self._lost) + self._unseen(confirmed)
        lost = [track for track in missed if not track.expired]
        for track in lost:
            track.expired = self._frame - track.last > max(self._memory, 1)
        self._tracked, self._lost = _without_duplicates(tracked, lost)


def _costs(tracks: list[Track], detections: list[Detection], *, fused: bool) -> Doubles:
    """1 - IoU, or 1 - IoU x score if ``fused``; shape (tracks, detections)."""
    import numpy as np

    alike = np.equal.outer([track.label for track in tracks], [each.label for each in detections])
    shared = iou(_boxes(tracks), _array([each.box for each in detections]), inclusive=True) * alike
    costs: Doubles = 1 - (shared * [each.score for each in detections] if fused else shared)
    return costs


def _without_duplicates(tracked: list[Track], lost: list[Track]) -> tuple[list[Track], list[Track]]:
    """Of a tracked and a lost track of the same object the older one stays."""
    import numpy as np

    alike = np.equal.outer([track.label for track in tracked], [track.label for track in lost])
    same = 1 - iou(_boxes(tracked), _boxes(lost), inclusive=True) * alike < DUPLICATE
    younger, older = set(), set()
    for index, other in np.argwhere(same).tolist():
        if tracked[index].age > lost[other].age:
            older.add(other)
        else:
            younger.add(index)
    return (
        [track for index, track in enumerate(tracked) if index not in younger],
        [track for index, track in enumerate(lost) if index not in older],
    )


def _told(track: Track) -> Tracked:
    x0, y0, x1, y1 = kalman.box(track.state).tolist()
    return Tracked(id=track.id, box=(x0, y0, x1, y1), score=track.score, label=track.label)


def _boxes(tracks: list[Track]) -> Doubles:
    return _array([kalman.box(track.state) for track in tracks])


def _corners(detection: Detection) -> Doubles:
    import numpy as np

    return np.asarray(detection.box, np.float64)


def _array(boxes: object) -> Doubles:
    import numpy as np

    array: Doubles = np.asarray(boxes, np.float64).reshape(-1, 4)
    return array
