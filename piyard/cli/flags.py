"""Flags that several commands share."""

from __future__ import annotations

from piyard.cli.flag_types import DOLLARS, whole
from piyard.cli.named_types import (
    BOARD,
    DATA_FORMAT,
    FORMAT,
    KNOWN_TARGET,
    MODEL_OR_FILE,
    PRECISION,
)
from piyard.cli.request import flag
from piyard.cli.value_types import SWITCH, many, single, text

HOST, MODEL, TARGET = "emulated:rpi5", "resnet18", "rpi5"
"""Defaults."""


HOST_HELP = "a board: name, glob or @tag of the inventory, user@name:port, emulated:<target>"
FAIL_ABOVE_HELP = "end with code 19 when a job is significantly slower by more than that, as 5%"

MODEL_HELP = "a model of models/, or a network file, which is added first"
MODELS: tuple[str, ...] = flag(MODEL_HELP, many(MODEL_OR_FILE), default=(MODEL,), name="model")
ONE_MODEL: tuple[str, ...] = flag(MODEL_HELP, single(MODEL_OR_FILE), default=(MODEL,), name="model")
PRECISIONS: tuple[str, ...] = flag(
    "fp32, fp16, bf16 or int8", many(PRECISION), default=(), name="precision"
)
ONE_THREADS: tuple[int, ...] = flag("threads of an inference", single(whole()), default=())
RETRY: int = flag("times to repeat a run that the board lost to a restart", whole(0), default=0)
FORMATTED: str = flag("plain, github, csv or json", FORMAT, default="plain")
RANDOM_WEIGHTS: bool = flag(
    "seeded random weights instead of the official ones", SWITCH, default=False
)
FORCE: bool = flag("use a conversion even if its proof failed", SWITCH, default=False)
KEEP_BY_FORCE: bool = flag("keep it even if its proof failed", SWITCH, default=False)
TRUST: bool = flag(
    "allow the TorchScript file to run with your rights from now on: you trust its source",
    SWITCH,
    default=False,
)
STRICT: bool = flag("refuse boards with an unknown host key", SWITCH, default=False)
ONE_TARGET: str = flag("the target (asked of the board)", KNOWN_TARGET, default="")
PRICE_KWH: str = flag(
    "dollars a kilowatt-hour, for the cost of energy (PIYARD_KWH_PRICE)", DOLLARS, default=""
)
DATA: str = flag(
    "class folders or labels.csv; a data.yaml; COCO, VOC, DOTA, label maps, MOTChallenge or OTB: "
    "docs/data-sets.md",
    text("PATH"),
)
DATA_FORM: str = flag(
    "imagenet, idx, yolo, coco, voc, dota, masks, mot or otb (recognised by its files)",
    DATA_FORMAT,
    default="",
)
LIMIT_PICTURES: int | None = flag(
    "only so many pictures, evenly spread; of clips, the first frames",
    whole(),
    default=None,
    name="limit",
)
SPLIT: str = flag("train, val, test … (val, else test)", text("NAME"), default="")
LONG: bool = flag(
    "print whole comments in the terminal, not only the verdict and its first reason",
    SWITCH,
    default=False,
)


ONE_HOST: tuple[str, ...] = flag(
    "the board: a name of the inventory, user@name:port or emulated:<target>",
    single(BOARD),
    default=(),
    name="host",
)
