"""Which layers a board must not compute in halves for its outputs to stay the original's.

The desktop's proof imitates fp16 storage, but not fp16 sums: no x86 has them. A board that has them
tells here what each layer really loses, and whether sparing the worst of them is enough.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import conversion as conversions
from piyard import infer, say, store
from piyard.boardproof import seat as seats
from piyard.boardproof.proven import Proven, every_blob, prove
from piyard.boardproof.seat import Seat
from piyard.conversion import Conversion, masks
from piyard.conversion.param import Layer
from piyard.proof import compare, diverge, spare
from piyard.proof.judge import of_found
from piyard.proof.prove import name_of

if TYPE_CHECKING:
    from piyard.proof import Asked

ALL = 1.0
"""The part of the types that may be masked: a net that sums in fp32 still stores halves."""


def needed(seat: Seat, asked: Asked, before: Proven) -> dict[str, int]:
    """Layer or type → mask, as few as bring each net over its threshold; nothing where none do.

    A layer of a second net begins with its name, as ``head:conv_1``.
    """
    found: dict[str, int] = {}
    for stem in asked.fed:
        found |= {
            name_of(stem, name): mask for name, mask in _of_net(seat, asked, stem, before).items()
        }
    return found


def helped(seat: Seat, asked: Asked, before: Proven) -> Proven | None:
    """The proof ``before`` with the masks that are needed; None where none help."""
    found = needed(seat, asked, before)
    if not found:
        return None
    again = prove(seat.with_conversion(masked(seat.conversion, found)), asked)
    return msgspec.structs.replace(again, masks=found)


def masked(conversion: Conversion, by_name: Mapping[str, int]) -> Conversion:
    """The conversion with these masks in its .param files, beside the one without."""
    if not by_name:
        return conversion
    key = store.key_of({"conversion": conversion.key, "masks": dict(by_name)})
    folder, _ = store.get_or_make(
        conversions.SHELF, key, lambda at: _masked_files(conversion, by_name, at)
    )
    return msgspec.structs.replace(conversion, key=key, folder=folder)


def _masked_files(conversion: Conversion, by_name: Mapping[str, int], at: Path) -> dict[str, Any]:
    shutil.copyfile(conversion.folder / conversions.LABELS, at / conversions.LABELS)
    for stem in conversion.stems:
        shutil.copyfile(conversion.folder / f"{stem}.ncnn.param", at / f"{stem}.ncnn.param")
        _share(conversion.folder / f"{stem}.ncnn.bin", at / f"{stem}.ncnn.bin")
    masks.add(at, by_name)
    return store.manifest(conversion.folder) | {"masks": dict(by_name)}


def _share(weights: Path, at: Path) -> None:
    """The same file under another name: a dozen copies of large weights would fill a disk."""
    try:
        at.hardlink_to(weights)
    except OSError:
        shutil.copyfile(weights, at)


def _of_net(seat: Seat, asked: Asked, stem: str, before: Proven) -> dict[str, int]:
    """Single layers where a part of the net is enough, else whole types; what costs less first."""
    bears = partial(_bears, seat, asked, stem)
    kind = before.worst_kind(stem)
    if before.lowest(stem, kind) >= before.least and not _goes_astray(asked, stem, before):
        return {}
    lost = _losses(seat, asked, stem, kind)
    working = [one for one in infer.layers(seat.conversion.folder, stem) if one.name in lost]
    order = spare.in_order(working, lost)
    for mask in (masks.NO_FP16_ARITHMETIC, masks.FP32):
        if names := spare.fewest(order, partial(bears, mask)):
            return dict.fromkeys(sorted(names), mask)
    types = spare.fewest(_types(working, lost), partial(bears, masks.NO_FP16_ARITHMETIC), ALL)
    return dict.fromkeys(sorted(types), masks.NO_FP16_ARITHMETIC)


def _types(working: Sequence[Layer], lost: Mapping[str, float]) -> list[str]:
    """Types of layers, those first whose layers lose most together."""
    total: dict[str, float] = {}
    for layer in working:
        total[layer.type] = total.get(layer.type, 0.0) + lost[layer.name] ** 2
    return sorted(total, key=lambda name: -total[name])


def _goes_astray(asked: Asked, stem: str, made: Proven) -> bool:
    """Whether what the net finds is not what the original finds."""
    found = made.found if stem == infer.STEM else None
    return bool(found and of_found(asked.model, made.precision, found))


def _bears(seat: Seat, asked: Asked, stem: str, mask: int, names: set[str]) -> bool:
    """Whether the outputs are alike, and with room to spare, when these are masked."""
    there = masked(seat.conversion, {name_of(stem, name): mask for name in names})
    got = seats.compute(seat.with_conversion(there), stem, asked.fed[stem]).blobs
    figures, found = compare(asked, {stem: got})
    lowest = min(one.cosine for outputs in figures.values() for one in outputs.values())
    least = (1 + asked.model.proof.least(seat.job.precision)) / 2
    problem = of_found(asked.model, seat.job.precision, found) if found else ""
    tried = name_of(stem, f"{len(names)} masked ({mask})")
    why = f"; {problem}" if problem else ""
    say.note(f"{seat.line.name}: {tried}: lowest cosine {lowest:.6f}, wanted {least}{why}")
    return lowest >= least and not problem


def _losses(seat: Seat, asked: Asked, stem: str, kind: str) -> dict[str, float]:
    """What each layer itself loses: it is computed here again from what the board gave it."""
    inputs, got = every_blob(seat, asked, stem, kind)
    net, layers = (
        infer.load(seat.conversion.folder, stem),
        infer.layers(seat.conversion.folder, stem),
    )
    fed = dict(zip(infer.inputs(net), inputs, strict=True))
    known = {**got, **fed}
    working = [layer for layer in layers if layer.type != "Input"]
    lost = {}
    for layer in working:
        exact = infer.one(net, layer, [known[name] for name in layer.bottoms])
        lost[layer.name] = max(
            diverge.distance(value, got[name].reshape(value.shape)) for name, value in exact.items()
        )
    return lost
