"""ByteTrack's Kalman filter: a box that moves and changes at constant velocity.

The state is a box's centre x, centre y, width / height and height, and the change of each a frame,
with the noise of Wojke, Bewley and Paulus (2017, "Simple Online and Realtime Tracking with a Deep
Association Metric") that ByteTrack took over. Nothing there ties one of the four to another: the
published 8 x 8 covariance holds zeros but for each quantity's variance, that of its velocity, and
what those two share. So the filter is four filters of two numbers, which give the same figures for
a fraction of the work, and nnrun repeats their operations one by one, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


POSITION = 1 / 20
VELOCITY = 1 / 160
"""Standard deviations, in heights of the box."""


class State(NamedTuple):
    """The estimate of a box's centre x, centre y, width / height and height: each is (4,)."""

    place: Doubles
    speed: Doubles
    """The change a frame."""
    place_variance: Doubles
    covariance: Doubles
    speed_variance: Doubles


def initiated(box: Doubles) -> State:
    """The state of a box (x0, y0, x1, y1) that is seen for the first time."""
    import numpy as np

    place = measured(box)
    return State(
        place=place,
        speed=np.zeros(4),
        place_variance=_variance(2 * POSITION * place[3], 1e-2),
        covariance=np.zeros(4),
        speed_variance=_variance(10 * VELOCITY * place[3], 1e-5),
    )


def predicted(state: State) -> State:
    """A frame later."""
    height = state.place[3]
    shared = state.covariance + state.speed_variance
    return State(
        place=state.place + state.speed,
        speed=state.speed,
        place_variance=state.place_variance
        + state.covariance
        + shared
        + _variance(POSITION * height, 1e-2),
        covariance=shared,
        speed_variance=state.speed_variance + _variance(VELOCITY * height, 1e-5),
    )


def corrected(state: State, box: Doubles) -> State:
    """After the box (x0, y0, x1, y1) was seen."""
    total = state.place_variance + _variance(POSITION * state.place[3], 1e-1)
    place_gain, speed_gain = state.place_variance / total, state.covariance / total
    innovation = measured(box) - state.place
    return State(
        place=state.place + place_gain * innovation,
        speed=state.speed + speed_gain * innovation,
        place_variance=state.place_variance - place_gain * state.place_variance,
        covariance=state.covariance - place_gain * state.covariance,
        speed_variance=state.speed_variance - speed_gain * state.covariance,
    )


def steady_height(state: State) -> State:
    """While an object is out of sight its height is not extrapolated."""
    speed = state.speed.copy()
    speed[3] = 0
    return state._replace(speed=speed)


def measured(box: Doubles) -> Doubles:
    """x0, y0, x1, y1 → centre x, centre y, width / height, height."""
    import numpy as np

    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + width / 2, box[1] + height / 2, width / height, height])


def box(state: State) -> Doubles:
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
