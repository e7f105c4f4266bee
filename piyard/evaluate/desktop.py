"""Answers computed on this machine: by the original, and by ncnn's own Python module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import infer, originals, say, scratch
from piyard.conversion import Conversion, ending, outputs
from piyard.evaluate import stated
from piyard.evaluate.dataset import Dataset
from piyard.look.lines import Frame
from piyard.model import Model
from piyard.proof.desktop import Compute, Net, Seer, watch
from piyard.proof.tracks import net_of

if TYPE_CHECKING:
    from piyard.originals import Original

WAYS = ("original", "fp32", "fp16")
"""``fp16`` simulates what a board stores: halves between all layers, sums in fp32."""


@contextmanager
def seer(
    model: Model, conversion: Conversion, detector: tuple[Model, Conversion] | None, way: str
) -> Iterator[Seer]:
    """The nets computed in one of ``WAYS``."""
    from piyard.torch_shim import inference

    with inference(), ExitStack() as stack:
        net = stack.enter_context(_net(model, conversion, way))
        second = stack.enter_context(_net(*detector, way)) if detector else None
        yield Seer(net=net, detector=second)


def answers(seer: Seer, data: Dataset, title: str) -> list[list[Frame]]:
    """A frame for each picture of each film, with progress."""
    total, done = len(data.pictures), 0
    frames: list[list[Frame]] = []
    with say.step(title, unit="pictures") as progress:
        for film in data.films:
            frames.append([])
            for frame in watch(seer, film):
                frames[-1].append(frame)
                done += 1
                progress.update(done, total)
    return frames


@contextmanager
def _net(model: Model, conversion: Conversion, way: str) -> Iterator[Net]:
    """The original's input is prepared as its own file says, where it says so."""
    fed = stated.of(model) if way == "original" else model
    with _computes(model, conversion, way) as (compute, head):
        net = net_of(fed, compute, head)
        yield _classifier(net, fed, conversion) if model.task == "classify" else net


def _classifier(net: Net, model: Model, conversion: Conversion) -> Net:
    place = outputs.of(conversion, model)
    ends = ending.of_layers(infer.layers(conversion.folder), conversion.outputs[place])
    return msgspec.structs.replace(net, place=place, ends=ends)


@contextmanager
def _computes(
    model: Model, conversion: Conversion, way: str
) -> Iterator[tuple[Compute, Compute | None]]:
    stems = conversion.stems
    if way == "original":
        computes = [net.run for net in original_nets(model).values()]
        yield computes[0], computes[1] if len(computes) > 1 else None
    elif way == "fp32":
        exact = [infer.computed(conversion.folder, stem) for stem in stems]
        yield exact[0], exact[1] if len(exact) > 1 else None
    else:
        with scratch.folder("piyard-half-") as folder:
            rounded = _rounded(model, conversion, folder)
            yield rounded[0], rounded[1] if len(rounded) > 1 else None


def _rounded(model: Model, conversion: Conversion, folder: Path) -> list[Compute]:
    from piyard.proof.pair import pair

    computes = []
    for stem, net in original_nets(model).items():
        net.lower(folder, half=True)
        computes.append(pair(conversion.folder, folder, stem).computes("fp16"))
    return computes


def original_nets(model: Model) -> Mapping[str, Original]:
    """What a conversion of that model is made from."""
    return originals.nets(model, originals.choose(model))
