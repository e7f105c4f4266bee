"""ByteTrack: every detection takes part, the doubtful ones only where a track needs them.

Zhang et al. (2022), "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", with
the choices of their published code, its peculiarities included: the tracks are the same. Theirs
knows one class; here a track only ever meets detections of its own class. nnrun computes the
same, to the last bit.

Its Kalman filter: a box that moves and changes at constant velocity. The state is a box's centre
x, centre y, width / height and height, and the change of each a frame, with the noise of Wojke,
Bewley and Paulus (2017, "Simple Online and Realtime Tracking with a Deep Association Metric")
that ByteTrack took over. Nothing there ties one of the four to another: the published 8 x 8
covariance holds zeros but for each quantity's variance, that of its velocity, and what those two
share. So the filter is four filters of two numbers, which give the same figures for a fraction of
the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.vision.overlap import assign_pairs, tracked_iou
from piyard.vision.schema import BytetrackConfig, Corners

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles


POSITION_NOISE = 1 / 20
VELOCITY_NOISE = 1 / 160
"""Standard deviations, in heights of the box."""


class KalmanState(NamedTuple):
    """The estimate of a box's centre x, centre y, width / height and height: each is (4,)."""

    place: Doubles
    speed: Doubles
    """The change a frame."""
    place_variance: Doubles
    covariance: Doubles
    speed_variance: Doubles


def initiate_state(box: Doubles) -> KalmanState:
    """The state of a box (x0, y0, x1, y1) that is seen for the first time."""
    import numpy as np

    place = measure_box(box)
    return KalmanState(
        place=place,
        speed=np.zeros(4),
        place_variance=_variance(2 * POSITION_NOISE * place[3], 1e-2),
        covariance=np.zeros(4),
        speed_variance=_variance(10 * VELOCITY_NOISE * place[3], 1e-5),
    )


def predict_state(state: KalmanState) -> KalmanState:
    """A frame later."""
    height = state.place[3]
    shared = state.covariance + state.speed_variance
    return KalmanState(
        place=state.place + state.speed,
        speed=state.speed,
        place_variance=state.place_variance
        + state.covariance
        + shared
        + _variance(POSITION_NOISE * height, 1e-2),
        covariance=shared,
        speed_variance=state.speed_variance + _variance(VELOCITY_NOISE * height, 1e-5),
    )


def correct_state(state: KalmanState, box: Doubles) -> KalmanState:
    """After the box (x0, y0, x1, y1) was seen."""
    total = state.place_variance + _variance(POSITION_NOISE * state.place[3], 1e-1)
    place_gain, speed_gain = state.place_variance / total, state.covariance / total
    innovation = measure_box(box) - state.place
    return KalmanState(
        place=state.place + place_gain * innovation,
        speed=state.speed + speed_gain * innovation,
        place_variance=state.place_variance - place_gain * state.place_variance,
        covariance=state.covariance - place_gain * state.covariance,
        speed_variance=state.speed_variance - speed_gain * state.covariance,
    )


def hold_height(state: KalmanState) -> KalmanState:
    """While an object is out of sight its height is not extrapolated."""
    speed = state.speed.copy()
    speed[3] = 0
    return state._replace(speed=speed)


def measure_box(box: Doubles) -> Doubles:
    """x0, y0, x1, y1 → centre x, centre y, width / height, height."""
    import numpy as np

    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + width / 2, box[1] + height / 2, width / height, height])


def state_box(state: KalmanState) -> Doubles:
    """The box x0, y0, x1, y1 where the object is estimated to be."""
    import numpy as np

    x, y, proportions, height = state.place
    width = proportions * height
    left, top = x - width / 2, y - height / 2
    return np.array([left, top, left + width, top + height])


def _variance(deviation: float, proportions: float) -> Doubles:
    """Of lengths with that standard ``deviation``, and of ``proportions`` between them."""
    import numpy as np

    return np.square([deviation, deviation, proportions, deviation])


SECOND_COST = 0.5
UNCONFIRMED_COST = 0.7
"""The largest costs of the associations that follow the first one."""
DUPLICATE_COST = 0.15
"""Two tracks that are nearer than this (1 - IoU) follow the same object."""


LEAST_SIDE = 0.01
FARTHEST_CORNER = 1e7
"""Pixels. A track's noise is in heights of its box, and a box of next to none makes it NaN."""


def is_trackable(box: Corners) -> bool:
    """Whether a box's sides and corners are such as a picture can have."""
    x0, y0, x1, y1 = box
    near = all(abs(corner) <= FARTHEST_CORNER for corner in box)
    return near and x1 - x0 >= LEAST_SIDE and y1 - y0 >= LEAST_SIDE


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """An object found in one frame."""

    box: Corners
    """x0, y0, x1, y1 in pixels; one that ``is_trackable`` rejects is ignored."""
    score: float
    """0 to 1."""
    label: int = 0
    """The index of its class."""


class TrackedObject(msgspec.Struct, frozen=True, kw_only=True):
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
    state: KalmanState
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
        self.state = correct_state(self.state, _detection_box(detection))
        self.score, self.last, self.confirmed = detection.score, frame, True

    @property
    def age(self) -> int:
        """Frames from its first to its last."""
        return self.last - self.first


class ByteTracker:
    """The tracks of one video."""

    def __init__(self, config: BytetrackConfig, fps: float = 30) -> None:
        self._how = config
        self._memory = int(fps / 30 * config.buffer)
        self._frame = 0
        self._ids = 0
        self._tracked: list[Track] = []
        self._lost: list[Track] = []

    def step(self, detections: list[Detection]) -> list[TrackedObject]:
        """The tracks of the next frame, in the order in which they began."""
        self._frame += 1
        detections = [each for each in detections if is_trackable(each.box)]
        high = [each for each in detections if each.score > self._how.high]
        low = [each for each in detections if self._how.low < each.score < self._how.high]
        confirmed = [track for track in self._tracked if track.confirmed]
        unconfirmed = [track for track in self._tracked if not track.confirmed]
        self._predict(confirmed)
        high = self._associate(confirmed + self._lost, high, self._how.match, fused=True)
        self._associate(self._unseen(confirmed), low, SECOND_COST, fused=False)
        high = self._associate(unconfirmed, high, UNCONFIRMED_COST, fused=True)
        self._sort(confirmed, [self._begun(each) for each in high if each.score >= self._how.new])
        return [_tracked_object(track) for track in self._tracked if track.confirmed]

    def skip(self, frames: int) -> None:
        """Advance by that many frames without detections."""
        left = frames
        while left > 0 and (self._tracked or self._lost):
            self.step([])
            left -= 1
        self._frame += left

    def _predict(self, confirmed: list[Track]) -> None:
        for track in confirmed:
            track.state = predict_state(track.state)
        for track in self._lost:
            track.state = predict_state(hold_height(track.state))

    def _associate(
        self, tracks: list[Track], detections: list[Detection], limit: float, *, fused: bool
    ) -> list[Detection]:
        """Assign detections to tracks; returns the detections left over."""
        pairs = assign_pairs(_association_costs(tracks, detections, fused=fused), limit)
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
            state=initiate_state(_detection_box(detection)),
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
        self._tracked, self._lost = _drop_duplicates(tracked, lost)


def _association_costs(tracks: list[Track], detections: list[Detection], *, fused: bool) -> Doubles:
    """1 - IoU, or 1 - IoU x score if ``fused``; shape (tracks, detections)."""
    import numpy as np

    alike = np.equal.outer([track.label for track in tracks], [each.label for each in detections])
    shared = (
        tracked_iou(
            _track_boxes(tracks), _box_array([each.box for each in detections]), inclusive=True
        )
        * alike
    )
    costs: Doubles = 1 - (shared * [each.score for each in detections] if fused else shared)
    return costs


def _drop_duplicates(tracked: list[Track], lost: list[Track]) -> tuple[list[Track], list[Track]]:
    """Of a tracked and a lost track of the same object the older one stays."""
    import numpy as np

    alike = np.equal.outer([track.label for track in tracked], [track.label for track in lost])
    same = (
        1 - tracked_iou(_track_boxes(tracked), _track_boxes(lost), inclusive=True) * alike
        < DUPLICATE_COST
    )
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


def _tracked_object(track: Track) -> TrackedObject:
    x0, y0, x1, y1 = state_box(track.state).tolist()
    return TrackedObject(id=track.id, box=(x0, y0, x1, y1), score=track.score, label=track.label)


def _track_boxes(tracks: list[Track]) -> Doubles:
    return _box_array([state_box(track.state) for track in tracks])


def _detection_box(detection: Detection) -> Doubles:
    import numpy as np

    return np.asarray(detection.box, np.float64)


def _box_array(boxes: object) -> Doubles:
    import numpy as np

    array: Doubles = np.asarray(boxes, np.float64).reshape(-1, 4)
    return array
