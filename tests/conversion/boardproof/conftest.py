"""A board that is wrong where the test says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from piyard import infer, work
from piyard.boardproof import tensors
from piyard.boardproof.question import question
from piyard.boardproof.tensors import Answer
from piyard.conversion import convert, masks
from piyard.job import Bench, Job
from piyard.seat import Ready, Seat, Terms


class Host:
    """A line that is only asked for its name."""

    name = "pi5-a"


@pytest.fixture
def conversion(small):
    return convert.convert(small(), random_weights=True)


@pytest.fixture
def asked(conversion):
    return question(conversion)


@pytest.fixture
def place(conversion):
    job = Job(
        host="pi5-a", target="rpi5", model="small", precision="fp16", threads=1, bench=Bench()
    )
    nobody: Any = None
    host: Any = Host()
    ready = Ready(builds={"rpi5": nobody}, conversions={"small": conversion})
    return Seat(line=host, job=job, ready=ready, terms=Terms())


@pytest.fixture
def board(monkeypatch):
    """Computes as ncnn here, but for layers that lose something unless they have that mask."""

    def losing(bad, label="fp16"):
        asked_for = []

        def compute(at, stem, feed, *, every=False):
            folder = at.conversion.folder
            net, layers = infer.load(folder, stem), infer.layers(folder, stem)
            asked_for.append((stem, every, at.conversion.key))
            rng = np.random.default_rng(1)

            def of(inputs):
                known = dict(zip(infer.inputs(net), inputs, strict=True))
                for layer in layers:
                    if layer.type == "Input":
                        continue
                    made = infer.one(net, layer, [known[name] for name in layer.bottoms])
                    wanted, loss = bad.get(layer.name, bad.get(layer.type, (0, 0.0)))
                    if layer.number(masks.KEY) & wanted != wanted:
                        much = loss(inputs[0]) if callable(loss) else loss
                        made = {
                            name: value + much * _size(value) * rng.normal(size=value.shape)
                            for name, value in made.items()
                        }
                    known |= {name: value.astype(np.float32) for name, value in made.items()}
                return known if every else {name: known[name] for name in infer.outputs(net)}

            blobs = {kind: [of(one) for one in ones] for kind, ones in feed.items()}
            return Answer(precision=label, emulated=False, blobs=blobs)

        monkeypatch.setattr(tensors, "compute", compute)
        monkeypatch.setattr(Ready, "release_of", lambda *_: "its own release")
        monkeypatch.setattr(work, "put", lambda *put: asked_for.append(put[1]))
        return asked_for

    return losing


def _size(values):
    return np.sqrt(np.square(values).mean())
