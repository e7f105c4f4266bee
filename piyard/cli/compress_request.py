"""The request of ``compress``."""

from __future__ import annotations

from collections.abc import Collection

from piyard.cli.base_requests import DryRunRequest, TableRequest
from piyard.cli.flag_types import PERCENT, whole
from piyard.cli.flags import DATA_FORM, HOST_HELP, KEEP_BY_FORCE, SPLIT, TARGET
from piyard.cli.named_types import BOARD, KNOWN_MODEL, KNOWN_TARGET, choice
from piyard.cli.request import flag
from piyard.cli.value_types import SWITCH, ValueType, many, text
from piyard.core.errors import WrongInput


def _methods() -> Collection[str]:
    from piyard.compress.methods import METHODS

    return METHODS


def _calibrations() -> Collection[str]:
    from piyard.compress.method import CALIBRATIONS

    return CALIBRATIONS


def _share(name: str, typed: str) -> float:
    """``0.5`` or ``50%``."""
    is_percent = typed.endswith("%")
    share = _number(name, typed.removesuffix("%")) / (100 if is_percent else 1)
    if not 0 < share < 1:
        raise WrongInput(
            f"--{name} takes a share between 0 and 1, not '{typed}'",
            remedy=f"for example --{name} 0.5",
        )
    return share


def _positive(name: str, typed: str) -> float:
    number = _number(name, typed)
    if not 0 < number < float("inf"):
        raise WrongInput(
            f"--{name} takes a number above 0, not '{typed}'", remedy=f"for example --{name} 0.01"
        )
    return number


def _milliseconds(name: str, typed: str) -> float:
    """``12ms`` or 12, in milliseconds; ``0.012s`` too."""
    plain = typed.strip().removesuffix("ms")
    factor = 1.0
    if plain.endswith("s"):
        plain, factor = plain[:-1], 1000.0
    number = factor * _number(name, plain)
    if not 0 < number < float("inf"):
        raise WrongInput(
            f"--{name} takes a time above 0, not '{typed}'", remedy=f"for example --{name} 12ms"
        )
    return number


def _number(name: str, typed: str) -> float:
    try:
        return float(typed)
    except ValueError:
        raise WrongInput(
            f"--{name} takes a number, not '{typed}'", remedy="write it as 0.5"
        ) from None


METHOD = choice("method", _methods, "METHOD")
CALIBRATION = choice("calibration", _calibrations, "NAME")
SHARE = ValueType[float]("SHARE", _share)
POSITIVE = ValueType[float]("NUMBER", _positive)
MILLISECONDS = ValueType[float]("TIME", _milliseconds)


class CompressRequest(DryRunRequest, TableRequest):
    """Options of ``compress``."""

    model: str = flag("a model of models/, or a variant of one", KNOWN_MODEL, default="")
    methods: tuple[str, ...] = flag(
        "ptq, qat, prune, distill, lowrank or search; several, one on the other's result, as "
        "prune,distill,ptq",
        many(METHOD),
        default=(),
        name="method",
    )
    data: str = flag(
        "the pictures to calibrate, train and judge by, as evaluate takes them; a folder of "
        "pictures where no truth is needed",
        text("PATH"),
        default="",
    )
    data_format: str = DATA_FORM
    split: str = SPLIT
    pictures: int | None = flag(
        "only so many pictures, evenly spread, to learn from and to judge by", whole(), default=None
    )
    hosts: tuple[str, ...] = flag(
        f"measure on it, else work is counted: {HOST_HELP}",
        many(BOARD),
        default=(),
        name="host",
    )
    target: str = flag("the kind of board to compress for", KNOWN_TARGET, default=TARGET)
    max_latency: float | None = flag(
        "as much compression as brings an inference below that time on the --host, as 12ms",
        MILLISECONDS,
        default=None,
    )
    keep_accuracy: float | None = flag(
        "as much compression as keeps that share of the model's accuracy, as 99%",
        PERCENT,
        default=None,
    )
    seed: int = flag("of what is drawn by chance", whole(0), default=1)
    epochs: int | None = flag("times that training sees all pictures (10)", whole(), default=None)
    steps: int | None = flag("batches of training, in place of --epochs", whole(), default=None)
    lr: float | None = flag(
        "the highest learning rate (5e-4; search 1e-2, qat 1e-5)", POSITIVE, default=None
    )
    batch: int | None = flag("pictures of a training step (32)", whole(), default=None)
    ratio: float | None = flag(
        "prune: the share of multiply-accumulates to take away (0.5)", SHARE, default=None
    )
    rank: int | None = flag("lowrank: channels between the two layers", whole(), default=None)
    energy: float | None = flag(
        "lowrank: the share of what each layer answers, squared, to keep (0.9)",
        SHARE,
        default=None,
    )
    trials: int | None = flag("search: networks to try (16)", whole(), default=None)
    counted: bool = flag(
        "search: compare times as an emulated Pi 5 counts them, not multiply-accumulates",
        SWITCH,
        default=False,
    )
    teacher: str = flag("distill: the model to learn from (the original)", KNOWN_MODEL, default="")
    per_layer: bool = flag("ptq: show what int8 costs each layer", SWITCH, default=False)
    mixed: bool = flag(
        "ptq: int8 only where it costs no accuracy and wins time", SWITCH, default=False
    )
    calibration: str = flag(
        "ptq: how ranges are chosen: kl, aciq, percentile, mse or cosine (mse)",
        CALIBRATION,
        default="",
    )
    name: str = flag(
        "what follows the last method in the variant's name, in place of its settings",
        text("NAME"),
        default="",
    )
    replace_variant: bool = flag(
        "put it in the place of a variant of that name", SWITCH, default=False, name="replace"
    )
    rebuild: str = flag(
        "make a variant again from its manifest, and compare the bytes",
        KNOWN_MODEL,
        default="",
    )
    force: bool = KEEP_BY_FORCE

    def check(self) -> None:
        """Raise for no model, two lengths of a training, or a budget that nothing measures."""
        if self.rebuild:
            return
        if not self.model:
            raise WrongInput("no model is named", remedy="name one: --model mobilenet_v2")
        if self.epochs and self.steps:
            raise WrongInput("--epochs and --steps exclude each other", remedy="give one of them")
        if self.keep_accuracy is not None and not 0 < self.keep_accuracy <= 1:
            raise WrongInput(
                "--keep-accuracy takes a share of the model's own accuracy, up to 100%",
                remedy="for example --keep-accuracy 99%",
            )
        if self.max_latency and not self.hosts:
            raise WrongInput(
                "--max-latency is a time on a board, and none is named", remedy="name one: --host"
            )
