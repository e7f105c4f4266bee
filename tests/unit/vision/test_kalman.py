"""The four small filters against the one of 8 x 8 that was published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.vision.bytetrack import (
    correct_state,
    hold_height,
    initiate_state,
    measure_box,
    predict_state,
    state_box,
)

MOTION = np.eye(8) + np.eye(8, k=4)
SEEN = np.eye(4, 8)

SIDES = st.floats(2, 500)
BOXES = st.tuples(st.floats(-100, 2000), st.floats(-100, 2000), SIDES, SIDES).map(
    lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
)
EVENTS = st.lists(st.one_of(st.none(), st.just("steady"), BOXES), max_size=12)


class Dense:
    """As Wojke et al. write it: one state of eight numbers, and full matrices."""

    def __init__(self, box):
        self.mean = np.concatenate([measure_box(box), np.zeros(4)])
        height = self.mean[3]
        place, speed = 2 * height / 20, 10 * height / 160
        self.covariance = self.noise(place, 1e-2, speed, 1e-5)

    @staticmethod
    def noise(place, proportions, speed, change):
        return np.diag([place, place, proportions, place, speed, speed, change, speed]) ** 2

    def predict(self):
        height = self.mean[3]
        noise = self.noise(height / 20, 1e-2, height / 160, 1e-5)
        self.mean = MOTION @ self.mean
        self.covariance = MOTION @ self.covariance @ MOTION.T + noise

    def correct(self, box):
        place = self.mean[3] / 20
        doubt = np.diag([place, place, 1e-1, place]) ** 2
        total = SEEN @ self.covariance @ SEEN.T + doubt
        gain = self.covariance @ SEEN.T @ np.linalg.inv(total)
        self.mean = self.mean + gain @ (measure_box(box) - SEEN @ self.mean)
        self.covariance = self.covariance - gain @ total @ gain.T


def same(state, dense):
    variances = np.diag(dense.covariance)
    shared = np.diag(dense.covariance, 4)
    assert np.concatenate([state.place, state.speed]) == pytest.approx(
        dense.mean, rel=1e-7, abs=1e-7
    )
    assert state.place_variance == pytest.approx(variances[:4], rel=1e-7, abs=1e-7)
    assert state.speed_variance == pytest.approx(variances[4:], rel=1e-7, abs=1e-7)
    assert state.covariance == pytest.approx(shared, rel=1e-7, abs=1e-7)


@given(BOXES, EVENTS)
def test_as_published(first, events):
    state, dense = initiate_state(first), Dense(first)
    for event in events:
        if event is None:
            state = predict_state(state)
            dense.predict()
        elif isinstance(event, str):
            state = hold_height(state)
            dense.mean[7] = 0
        else:
            state = correct_state(state, event)
            dense.correct(event)
        same(state, dense)


@given(BOXES)
def test_the_first_state_is_the_box(box):
    assert state_box(initiate_state(box)) == pytest.approx(box, abs=1e-9)


def test_a_steady_walk_is_learnt():
    boxes = [np.array([10 + 3 * t, 20 - t, 50 + 3 * t, 120 - t], float) for t in range(40)]
    state = initiate_state(boxes[0])
    for box in boxes[1:]:
        state = correct_state(predict_state(state), box)
    assert state.speed[:2] == pytest.approx([3, -1], abs=0.05)
    assert state_box(predict_state(state)) == pytest.approx(boxes[-1] + [3, -1, 3, -1], abs=0.2)
