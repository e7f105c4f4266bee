"""Which layers a board must not compute in fp16 for its outputs to stay the original's.

The desktop's proof imitates fp16 storage, but not fp16 sums: no x86 has them. A board that has them
tells here what each layer really loses, and whether sparing the worst of them is enough.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from piyard import conversion as conversions
from piyard import paths, say, scratch, store
from piyard.boardproof import tensors, worth
from piyard.boardproof.closer import Closer, losses
from piyard.boardproof.proven import Proven, prove
from piyard.conversion import Conversion, masks, names
from piyard.conversion.param import Layer
from piyard.proof import Asked, compare, spare
from piyard.proof.judge import of_found
from piyard.seat import Seat

TRIALS = ".trials-"
"""Beside the weights, which the trials share with the conversion."""
ALL = 1.0
"""The part of the types that may be masked."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried, and the folder of this machine where that is written."""

    seat: Seat
    asked: Asked
    folder: Path

    def seat_with(self, by_name: Mapping[str, int]) -> Seat:
        """The seat with these layers masked."""
        return self.seat.with_conversion(masked(self.seat.conversion, by_name, self.folder))


def needed(search: Search, closer: Closer) -> dict[str, int]:
    """Layer or type → mask, as few as bring that net over its threshold; nothing where none do.

    Single layers where a part of the net is enough, else whole types; what costs less first. A
    layer of a second net begins with its name, as ``head:conv_1``.
    """
    bears = partial(_bears, search, closer.stem)
    loss_by_layer = losses(search.seat, closer)
    order = spare.in_order(closer.working, loss_by_layer)
    layers = spare.fewest(order, bears)
    if not layers:
        layers = spare.fewest(_types(closer.working, loss_by_layer), bears, ALL)
    return _all_of(closer.stem, layers)


def helped(seat: Seat, asked: Asked, closer: Sequence[Closer]) -> Proven | None:
    """The proof with the masks that are needed; None where none help."""
    with scratch.folder(TRIALS, within=paths.artifacts()) as folder:
        search = Search(seat=seat, asked=asked, folder=folder)
        each = {probe.stem: needed(search, probe) for probe in closer}
        fp32_layers = {
            name: mask for stem_masks in each.values() for name, mask in stem_masks.items()
        }
        if not fp32_layers:
            return None
        better = prove(search.seat_with(fp32_layers), asked)
    slower = [
        probe.stem
        for probe in closer
        if worth.is_slower(probe, {names.split(name)[1] for name in each[probe.stem]})
    ]
    return msgspec.structs.replace(better, masks=fp32_layers, slower=slower)


def masked(conversion: Conversion, by_name: Mapping[str, int], at: Path) -> Conversion:
    """The conversion with these masks in its .param files, in a folder within ``at``."""
    if not by_name:
        return conversion
    key = store.key_of({"conversion": conversion.key, "masks": dict(by_name)})
    if not (at / key).is_dir():
        store.make_at(at / key, lambda draft: _masked_files(conversion, by_name, draft))
    return msgspec.structs.replace(conversion, key=key, folder=at / key)


def _masked_files(conversion: Conversion, by_name: Mapping[str, int], at: Path) -> dict[str, Any]:
    shutil.copyfile(conversion.folder / conversions.LABELS, at / conversions.LABELS)
    for stem in conversion.stems:
        shutil.copyfile(conversion.folder / f"{stem}.ncnn.param", at / f"{stem}.ncnn.param")
        _share(conversion.folder / f"{stem}.ncnn.bin", at / f"{stem}.ncnn.bin")
    masks.add(at, by_name)
    before = store.manifest(conversion.folder)
    return before | {"masks": {**before["masks"], **by_name}}


def _share(weights: Path, at: Path) -> None:
    """The same file under another name: a dozen copies of large weights would fill a disk."""
    try:
        at.hardlink_to(weights)
    except OSError:
        shutil.copyfile(weights, at)


def _all_of(stem: str, layers: Iterable[str]) -> dict[str, int]:
    return {names.join(stem, name): masks.FP32 for name in sorted(layers)}


def _types(working: Sequence[Layer], loss_by_layer: Mapping[str, float]) -> list[str]:
    """Types of layers, those first whose layers lose most together."""
    total: dict[str, float] = {}
    for layer in working:
        total[layer.type] = total.get(layer.type, 0.0) + loss_by_layer[layer.name] ** 2
    return sorted(total, key=lambda name: -total[name])


def _bears(search: Search, stem: str, tried: set[str]) -> bool:
    """Whether the outputs agree, with a margin, when these are masked."""
    inputs, seat = search.asked, search.seat_with(_all_of(stem, tried))
    answer = tensors.compute(seat, stem, inputs.fed[stem])
    figures, agreement = compare(inputs, {stem: answer.blobs})
    lowest = min(each.agreement for outputs in figures.values() for each in outputs.values())
    least = (1 + inputs.model.proof.min_cosine(answer.precision)) / 2
    problem = of_found(inputs.model, answer.precision, agreement) if agreement else ""
    what, suffix = names.join(stem, f"{len(tried)} masked"), f"; {problem}" if problem else ""
    say.note(f"{seat.line.name}: {what}: lowest cosine {lowest:.6f}, required {least:.6g}{suffix}")
    return lowest >= least and not problem
