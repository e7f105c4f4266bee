"""``compress --method ptq``: a converted model and pictures → an ncnn pair in int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from piyard.build.builder import build_nnrun
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.pictures import CompressionData
from piyard.compress.ptq.accuracy import (
    KEPT_SHARE,
    Judge,
    measure_figure,
    require_several_classes,
)
from piyard.compress.ptq.mixed import Choice, Costs, choose_layers
from piyard.compress.ptq.quantise import TABLE_FILE, Quantised, quantise_pair
from piyard.compress.ptq.sensitivity import (
    SENSITIVITY_INPUTS,
    by_loss,
    measure_losses,
    spare_costly,
)
from piyard.compress.ptq.settings import PtqSettings
from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.convert.mask_search import SearchLimit, fewest_layers
from piyard.convert.ncnn_net import NET_STEM
from piyard.convert.param import is_quantised
from piyard.core import console
from piyard.core.errors import NotSetUp, WrongInput
from piyard.core.files import scratch_folder
from piyard.core.parsing import JsonObject
from piyard.core.target import load_target
from piyard.core.text import format_count
from piyard.data.dataset import spread_pictures
from piyard.measure.counted.layers import EMULATOR, can_count, open_machine
from piyard.models.definition import Model
from piyard.models.variants import MethodName
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

CALIBRATION_PICTURES = 100
"""Pictures that the scales are found by; more change little."""
COUNTED_TARGET = "rpi5"
"""The board whose core is counted."""
MOST_KEPT = 0.5
"""Of the layers: where accuracy asks for more, int8 is the wrong thing."""
SHOWN_LOSSES = 3
PARAM_FILE, BIN_FILE = f"{NET_STEM}.ncnn.param", f"{NET_STEM}.ncnn.bin"


class PtqChoices(Settings, frozen=True, kw_only=True):
    """Settings of a variant."""

    ptq: PtqSettings
    spare: float = 0.01
    """That share of the network's size is for layers that int8 costs most."""
    mixed: bool = False
    """Int8 only where it costs no accuracy and wins time by count."""
    keep_accuracy: float | None = None
    """Share of the parent's; None without ``mixed``: whatever it costs."""
    per_layer: bool = False
    """Whether the manifest lists what each layer costs."""


class PtqMethod:
    """Quantisation after training."""

    name: MethodName = "ptq"
    about = "int8 by calibration"
    options: frozenset[OptionName] = frozenset(
        {"calibration", "mixed", "per_layer", "keep_accuracy"}
    )
    needs_data: Literal["", "pictures", "labels"] = "pictures"
    learns = False
    is_last = True
    tools: Sequence[str] = ("ncnn", "numpy")
    settings_type: type[Settings] = PtqChoices

    def choose_settings(self, options: CompressOptions) -> Settings:
        """See ``Method``."""
        return PtqChoices(
            ptq=choose_ptq(options),
            mixed=options.mixed,
            keep_accuracy=options.keep_accuracy,
            per_layer=options.per_layer,
        )

    def detail(self, settings: Any) -> str:
        """``ptq-int8``, or ``ptq-mixed``."""
        return "ptq-mixed" if settings.mixed else "ptq-int8"

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for a model or data that this cannot work with."""
        require_calibratable(step.parent)
        if step.data:
            require_several_classes(step.data)
        if step.settings.mixed and not can_count():
            raise NotSetUp(
                f"{EMULATOR} is missing: --mixed chooses by what is counted under it",
                remedy="install qemu-user of Debian bookworm; or leave out --mixed",
            )

    def make(self, step: Step, folder: Path) -> Outcome:
        """Fill the folder with the pair and its table."""
        conversion, choices = convert_model(step.parent), step.settings
        inputs = PictureInputs(model=step.parent, pictures=_calibrating(step.require_data()))
        with console.step(f"calibrate {step.parent.name}", unit="pictures"):
            quantised = quantise_pair(
                conversion.folder / PARAM_FILE,
                conversion.folder / BIN_FILE,
                inputs,
                len(inputs.pictures),
                choices.ptq,
            )
        names, notes = _choose_names(step, conversion, quantised, inputs)
        quantised.write(folder, names)
        sizes = [(at / BIN_FILE).stat().st_size for at in (folder, conversion.folder)]
        summary = (
            f"{format_count(len(names), 'layer')} of {len(quantised.table.layers)} in int8, "
            f"{sizes[0] / sizes[1]:.1%} of the weights' bytes in fp32"
        )
        return Outcome(
            weights=PARAM_FILE,
            parts={"bin": BIN_FILE, "table": TABLE_FILE},
            changes=changed_keys(step.parent),
            notes=[summary, *notes],
        )


PTQ = PtqMethod()


class PictureInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures as a model reads them, from the first one each time it is called."""

    model: Model
    pictures: Sequence[Path]

    def __call__(self) -> Iterator[tuple[Floats, ...]]:
        """An input a picture."""
        for path in self.pictures:
            pixels = read_picture(path)
            yield (prepare_picture(pixels, self.model.preprocess, self.model.input[1:]),)

    def first(self, count: int) -> list[tuple[Floats, ...]]:
        """So many, evenly spread."""
        few = msgspec.structs.replace(self, pictures=spread_pictures(self.pictures, count))
        return list(few())


def _calibrating(data: CompressionData) -> list[Path]:
    return spread_pictures(data.pictures, CALIBRATION_PICTURES)


def require_calibratable(model: Model) -> None:
    """Raise ``WrongInput`` for a model of several networks or inputs, or one that is quantised."""
    if is_quantised(model):
        raise WrongInput(
            f"{model.name} is quantised already",
            remedy="compress the model that it was made from",
        )
    if model.further or model.dynamic or model.text or "head" in model.parts:
        raise WrongInput(
            f"{model.name} has several networks or inputs: pictures alone cannot calibrate it",
            remedy="name a model of one network that reads a picture",
        )


def choose_ptq(options: CompressOptions) -> PtqSettings:
    """How the network is quantised."""
    return PtqSettings(calibration=options.calibration) if options.calibration else PtqSettings()


def changed_keys(parent: Model) -> JsonObject:
    """A pair is cut already, and of log-probabilities it ends with probabilities."""
    keys: JsonObject = {"network": "ncnn"}
    if parent.cut:
        keys["cut"] = None
    if parent.activation == "exp":
        keys["activation"] = "none"
    return keys


def _choose_names(
    step: Step, conversion: Conversion, quantised: Quantised, inputs: PictureInputs
) -> tuple[list[str], list[str]]:
    """The layers that become int8, and notes for people."""
    every, choices = quantised.table.layers, step.settings
    losses = _measure_losses(step.parent, quantised, inputs)
    notes = _describe_losses(losses, whole=choices.per_layer)
    spared = _spare_layers(quantised, losses, choices.spare)
    chosen = [name for name in every if name not in spared]
    if not choices.mixed and choices.keep_accuracy is None:
        return chosen, [*notes, _describe_kept(every, chosen)]
    losses = {name: losses[name] for name in chosen}
    allowed = _keep_accuracy(step, conversion, quantised, inputs, losses)
    notes.append(_describe_kept(every, allowed))
    if not choices.mixed:
        return allowed, notes
    choice = _choose_by_count(conversion, quantised, allowed)
    if not choice.layers:
        raise WrongInput(
            f"{step.parent.name}: {choice.text}",
            remedy="leave it in fp16; without --mixed it becomes int8 for its size",
        )
    return choice.layers, [*notes, choice.text]


def _spare_layers(quantised: Quantised, losses: Mapping[str, float], share: float) -> set[str]:
    """Layers that stay as they are for ``share`` of the network's size."""
    weights = {
        each.name: sum(tensor.values.size for tensor in each.tensors.values())
        for each in quantised.exact
    }
    # fp32 takes four bytes of a weight, int8 one.
    return spare_costly(losses, weights, int(share * sum(weights.values()) * 4 / 3))


def _measure_losses(parent: Model, quantised: Quantised, inputs: PictureInputs) -> dict[str, float]:
    with console.step(f"what int8 costs each layer of {parent.name}", unit="pictures") as progress:
        return measure_losses(quantised, inputs.first(SENSITIVITY_INPUTS), progress.update)


def _describe_losses(losses: Mapping[str, float], *, whole: bool) -> list[str]:
    order = by_loss(losses)
    shown = order if whole else order[:SHOWN_LOSSES]
    return [f"int8 in {name} alone: outputs move by {losses[name]:.2e}" for name in shown]


def _describe_kept(every: Sequence[str], allowed: Sequence[str]) -> str:
    kept = [name for name in every if name not in allowed]
    return f"kept from int8 for accuracy: {', '.join(kept) or 'no layer'}"


def _keep_accuracy(
    step: Step,
    conversion: Conversion,
    quantised: Quantised,
    inputs: PictureInputs,
    losses: Mapping[str, float],
) -> list[str]:
    """These layers but as few of those that cost most as accuracy asks for."""
    judged = step.require_data().judged
    parents = measure_figure(conversion, judged, "fp32") if judged else 0.0
    judge = Judge(
        conversion=conversion,
        quantised=quantised,
        judged=judged,
        inputs=inputs.first(SENSITIVITY_INPUTS),
        least=parents * (step.settings.keep_accuracy or KEPT_SHARE),
    )
    order = by_loss(losses)
    if judge.is_good(order):
        return list(losses)
    # However long it takes: the same step has to give the same bytes.
    unlimited = SearchLimit(float("inf"))
    spared = fewest_layers(
        order, lambda kept: judge.is_good(n for n in order if n not in kept), unlimited, MOST_KEPT
    )
    if not spared:
        raise WrongInput(
            f"{step.parent.name}: int8 costs more accuracy than is allowed, whichever half of "
            "its layers keeps floats",
            remedy="allow more by --keep-accuracy, or train it for int8: --method qat",
        )
    return [name for name in losses if name not in spared]


def _choose_by_count(
    conversion: Conversion, quantised: Quantised, allowed: Sequence[str]
) -> Choice:
    lines = [each.layer for each in quantised.exact]
    with _counter(conversion, quantised) as count:
        return choose_layers(lines, quantised.table, allowed, count)


@contextmanager
def _counter(
    conversion: Conversion, quantised: Quantised
) -> Iterator[Callable[[Sequence[str]], Costs]]:
    """What each layer takes on an emulated board when these are int8."""
    nnrun = build_nnrun(load_target(COUNTED_TARGET)).nnrun
    with open_machine(nnrun) as machine:

        def count(names: Sequence[str]) -> Costs:
            title = f"count {conversion.name} with {format_count(len(names), 'layer')} in int8"
            with scratch_folder("piyard-count-") as folder, console.step(title):
                quantised.write(folder, names)
                return machine.count_layers(
                    folder / PARAM_FILE,
                    folder / BIN_FILE,
                    conversion.input_shapes,
                    "int8" if names else "fp16",
                )

        yield count
