"""A board that is wrong where the test says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import load_net, net_inputs, net_outputs, read_layers, run_layer
from piyard.convert.param import MASK_KEY
from piyard.models.definition import load_model
from piyard.prove import tensors
from piyard.prove.board_proof import prepare_inputs
from piyard.prove.tensors import BoardTensors
from piyard.run import execute
from piyard.run.job import JobContext, Prepared, RunOptions
from tests.support import plans


class Host:
    """A line that is only asked for its name."""

    name = "pi5-a"


@pytest.fixture
def conversion(small):
    return convert_model(load_model(small()), random_weights=True)


@pytest.fixture
def proof_inputs(conversion):
    return prepare_inputs(conversion)


@pytest.fixture
def place(conversion):
    job = plans.job("pi5-a", "rpi5", "small", precision="fp16")
    nobody: Any = None
    host: Any = Host()
    ready = Prepared(builds={"rpi5": nobody}, conversions={"small": conversion})
    return JobContext(connection=host, job=job, prepared=ready, options=RunOptions())


@pytest.fixture
def board(monkeypatch):
    """Computes as ncnn here, but for layers that lose something unless they have that mask."""

    def losing(bad, label="fp16"):
        asked_for = []

        def compute(at, stem, feed, *, every=False):
            folder = at.conversion.folder
            net, layers = load_net(folder, stem), read_layers(folder, stem)
            asked_for.append((stem, every, at.conversion.key))
            rng = np.random.default_rng(1)

            def of(inputs):
                reference = dict(zip(net_inputs(net), inputs, strict=True))
                for layer in layers:
                    if layer.type == "Input":
                        continue
                    result = run_layer(net, layer, [reference[name] for name in layer.bottoms])
                    expected, loss = bad.get(layer.name, bad.get(layer.type, (0, 0.0)))
                    if layer.number(MASK_KEY) & expected != expected:
                        much = loss(inputs[0]) if callable(loss) else loss
                        result = {
                            name: value + much * _size(value) * rng.normal(size=value.shape)
                            for name, value in result.items()
                        }
                    reference |= {name: value.astype(np.float32) for name, value in result.items()}
                return reference if every else {name: reference[name] for name in net_outputs(net)}

            blobs = {kind: [of(each) for each in ones] for kind, ones in feed.items()}
            return BoardTensors(precision=label, emulated=False, blobs=blobs)

        monkeypatch.setattr(tensors, "compute_tensors", compute)
        monkeypatch.setattr(Prepared, "release_of", lambda *_: "its own release")
        monkeypatch.setattr(execute, "deploy_and_hold", lambda *put: asked_for.append(put[1]))
        return asked_for

    return losing


def _size(values):
    return np.sqrt(np.square(values).mean())
