"""``compress --method ptq``: a converted model and pictures → an ncnn pair in int8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.ptq.accuracy import require_several_classes
from piyard.compress.ptq.choosing import choose_names
from piyard.compress.ptq.inputs import PictureInputs, calibrating_pictures
from piyard.compress.ptq.quantise import TABLE_FILE, quantise_pair
from piyard.compress.ptq.settings import PtqChoices, PtqSettings
from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import NET_STEM
from piyard.convert.param import is_quantised
from piyard.core import console
from piyard.core.errors import NotSetUp, WrongInput
from piyard.core.parsing import JsonObject
from piyard.core.text import format_count
from piyard.measure.counted.layers import EMULATOR, can_count
from piyard.models.definition import Model
from piyard.models.variants import MethodName

PARAM_FILE, BIN_FILE = f"{NET_STEM}.ncnn.param", f"{NET_STEM}.ncnn.bin"


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
        inputs = PictureInputs(
            model=step.parent, pictures=calibrating_pictures(step.require_data())
        )
        with console.step(f"calibrate {step.parent.name}", unit="pictures"):
            quantised = quantise_pair(
                conversion.folder / PARAM_FILE,
                conversion.folder / BIN_FILE,
                inputs,
                len(inputs.pictures),
                choices.ptq,
            )
        names, notes = choose_names(step, conversion, quantised, inputs)
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
