"""A converted model on trial: proved, helped where fp16 alone is not enough, and judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.compare import bearable
from piyard.conversion import masks, origins
from piyard.conversion.param import Layer
from piyard.heads.agree import Agreement
from piyard.model import Model
from piyard.originals import Original
from piyard.proof import diverge, tracks
from piyard.proof.asked import Asked, ask
from piyard.proof.empty import empty
from piyard.proof.feeds import feeds
from piyard.proof.judge import problems
from piyard.proof.pair import Pair, pair
from piyard.proof.prove import Proved, compare, computed, prove
from piyard.proof.spare import by_loss, fewest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a trial."""

    proved: Proved
    keep_fp32: list[str]
    """Layers that stay in fp32 because the net fails the proof with fp16 there."""
    failed: list[str]
    """What differs too much, a line each, and where it starts; empty when all is well."""
    empty: dict[str, str] = {}
    """Outputs of which even agreement proves nothing, and why."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that is compared."""

    case: Asked
    originals: Mapping[str, Original]
    full: Path
    half: Path

    def pairs(self) -> dict[str, Pair]:
        """The nets as their files are now."""
        return {stem: pair(self.full, self.half, stem) for stem in self.originals}

    def prove(self) -> Proved:
        """The figures of the files as they are now."""
        pairs = self.pairs()
        proved = prove(self.case, self.originals, pairs)
        return msgspec.structs.replace(proved, tracks=self._tracks(pairs, proved.figures))

    def _tracks(
        self, pairs: Mapping[str, Pair], precisions: Collection[str]
    ) -> dict[str, Agreement]:
        """What a tracker follows; empty without a clip."""
        model, clip = self.case.model, self.case.clip
        if clip is None:
            return {}
        computes = {
            precision: {stem: nets.computes(precision) for stem, nets in pairs.items()}
            for precision in precisions
        }
        return {
            precision: tracks.agreement(
                clip.expected, tracks.followed(model, clip.film, computes[precision])
            )
            for precision in precisions
        }


def run(
    model: Model,
    originals: Mapping[str, Original],
    full: Path,
    half: Path,
    pictures: Sequence[Path],
    *,
    meant: bool,
) -> Tried:
    """Prove the nets in both folders; the .param in ``full`` gets the masks that help.

    With random weights nothing is ``meant`` by the outputs: thousands of boxes are as good as each
    other, and neither what is found in pictures nor what is followed is compared. Raises
    ``ConversionFailed`` when there is nothing to compare with.
    """
    fed = feeds(model, originals, pictures)
    clip = tracks.ask(model, originals) if meant else None
    case = ask(model, originals, fed, pictures if meant else (), clip)
    trial = Case(case=case, originals=originals, full=full, half=half)
    proved = trial.prove()
    wrong = problems(model, proved)
    kept_fp32 = _spare(trial) if wrong and all(line.startswith("fp16") for line in wrong) else []
    if kept_fp32:
        proved = trial.prove()
        wrong = problems(model, proved)
    return Tried(
        proved=proved,
        keep_fp32=kept_fp32,
        failed=wrong + (_where(trial, wrong) if wrong else []),
        empty=empty(case, proved.figures),
    )


def _spare(trial: Case) -> list[str]:
    """Mask as few layers as bring each net over the threshold; their names."""
    all_masked = []
    few = trial.case.few()
    for stem, nets in trial.pairs().items():
        bearable = partial(_is_bearable, few, stem, nets)
        inputs = few.fed[stem]["noise"][0]
        masked = set() if bearable(set()) else fewest(by_loss(nets, inputs), bearable)
        masks.write(trial.full / f"{stem}.ncnn.param", dict.fromkeys(masked, masks.FP32))
        all_masked += sorted(masked)
    return all_masked


def _is_bearable(case: Asked, stem: str, nets: Pair, keep_fp32: set[str]) -> bool:
    """Whether the outputs, and what is found, stay alike when these layers stay in fp32."""
    outputs = computed(partial(nets.run_fp16, keep_fp32=keep_fp32), case.fed[stem])
    figures, predictions = compare(case, {stem: outputs})
    by_precision = {"fp16": predictions} if predictions else {}
    return not problems(case.model, Proved(figures={"fp16": figures}, predictions=by_precision))


def _where(trial: Case, wrong: Sequence[str]) -> list[str]:
    """The first layer at fault of each net, for fp32 when that is wrong, else for fp16."""
    exact = any(line.startswith("fp32") for line in wrong)
    lines = []
    for stem, nets in trial.pairs().items():
        inputs = trial.case.fed[stem]["noise"][0]
        layer = _lost(trial.originals[stem], nets, inputs) if exact else _worn(trial, nets, inputs)
        if layer:
            layer_origins = origins.of(trial.full, stem, trial.case.names[stem])
            lines.append(diverge.told(layer, layer_origins.get(layer.name, "")))
    return lines


def _lost(original: Original, nets: Pair, inputs: tuple[Array, ...]) -> Layer | None:
    return diverge.first(nets.full, nets.layers, original.tensors(*inputs), *inputs)


def _worn(trial: Case, nets: Pair, inputs: tuple[Array, ...]) -> Layer | None:
    alike = bearable(trial.case.model.proof.cosine_fp16)
    return diverge.first_rounded(nets, *inputs, alike=alike)
