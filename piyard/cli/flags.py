"""Flags that several commands share, and the types of their values.

Modules that know the legal values are imported when a flag is read: ``--list`` needs none of them.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from piyard.cli.request import SWITCH, Request, ValueType, flag, many, single, text
from piyard.core.errors import WrongInput, unknown_name
from piyard.core.foreign import require_file

HOST, MODEL, TARGET = "emulated:rpi5", "resnet18", "rpi5"
"""Defaults."""
AUTO = "auto"
Warmup: TypeAlias = "int | Literal['auto']"
Box: TypeAlias = "tuple[float, float, float, float]"
"""x, y, width, height."""


def choice(noun: str, names: Callable[[], Collection[str]], value: str) -> ValueType[str]:
    """One of some names, looked up when it is read; ``value`` stands for it in the help."""

    def convert(_name: str, text: str) -> str:
        if text not in names():
            raise unknown_name(noun, text, names())
        return text

    return ValueType(value, convert, names)


def whole(least: int = 1) -> ValueType[int]:
    """A whole number."""
    return ValueType("N", lambda name, text: _whole(name, text, least))


def _whole(name: str, text: str, least: int) -> int:
    from piyard.core.parsing import parse_int  # with msgspec

    return parse_int(name, text, least=least) or 0


def _hosts() -> Iterator[str]:
    from piyard.board.fleet.inventory import load_inventory

    boards = load_inventory()
    yield from boards
    yield from sorted({f"@{tag}" for entry in boards.values() for tag in entry.tags})


def _targets() -> list[str]:
    from piyard.core.target import target_names

    return target_names()


def _models() -> list[str]:
    from piyard.models.definition import model_names
    from piyard.models.language_models import language_model_names

    return model_names() + language_model_names()


def _language_precisions() -> Collection[str]:
    from piyard.convert.language.formats import FORMATS as BY_PRECISION

    return BY_PRECISION


def _precisions() -> Collection[str]:
    from piyard.core import target

    return target.PRECISIONS


def _report_formats() -> Collection[str]:
    from piyard.report.formats import REPORT_FORMATS

    return REPORT_FORMATS


def _formats() -> Collection[str]:
    from piyard.core.tables import FORMATS

    return FORMATS


def _tasks() -> Collection[str]:
    from piyard.vision.tasks import TASK_NAMES

    return TASK_NAMES


def _listed_tasks() -> Collection[str]:
    from piyard.models.language_models import GENERATE

    return (*_tasks(), GENERATE)


def _run_precisions() -> Collection[str]:
    return list(dict.fromkeys((*_precisions(), *_language_precisions())))


def _routes() -> Collection[str]:
    from piyard.convert.reference_models import ROUTES

    return ROUTES


def _data_formats() -> Collection[str]:
    from piyard.data.formats import DATA_FORMAT_NAMES

    return DATA_FORMAT_NAMES


def _decoding_places() -> Collection[str]:
    from piyard.predict.decoders import PLACES

    return PLACES


def _engines() -> Collection[str]:
    from piyard.build.engine import engine_names

    return engine_names()


def _power_actions() -> Collection[str]:
    from piyard.board.labgrid.acquisition import POWER_ACTIONS

    return POWER_ACTIONS


def _seconds(name: str, text: str) -> float:
    from piyard.core.parsing import parse_seconds

    return parse_seconds(name, text) or 0


def _rate(name: str, text: str) -> int:
    from piyard.core.parsing import parse_rate

    return parse_rate(name, text) or 0


def _percent(name: str, text: str) -> float:
    from piyard.core.parsing import parse_percent

    return parse_percent(name, text) or 0


def _warmup(name: str, text: str) -> Warmup:
    return "auto" if text == AUTO else _whole(name, text, 0)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _score(name: str, text: str) -> float:
    score = _number(text)
    if not 0 <= score <= 1:
        raise WrongInput(f"--{name} takes 0 to 1, not '{text}'", remedy=f"for example --{name} 0.4")
    return score


def _amount(name: str, text: str) -> float:
    amount = _number(text)
    if not 0 <= amount <= 100:
        raise WrongInput(
            f"--{name} takes 0 to 100, not '{text}'", remedy=f"for example --{name} 0.8"
        )
    return amount


def _fps(name: str, text: str) -> float:
    fps = _number(text)
    if not 0 < fps <= 1000:
        raise WrongInput(f"--{name} takes frames a second, not '{text}'", remedy="for example 25")
    return fps


def _box(name: str, text: str) -> Box:
    numbers = [_number(part) for part in text.split(",")]
    if not (len(numbers) == 4 and all(map(math.isfinite, numbers)) and min(numbers[2:]) > 0):
        raise WrongInput(
            f"--{name} takes x,y,width,height in pixels, not '{text}'",
            remedy=f"for example --{name} 120,80,60,140",
        )
    x, y, width, height = numbers
    return x, y, width, height


def _picture(name: str, text: str) -> Path:
    if not Path(text).is_file():
        raise WrongInput(f"there is no picture {text}", remedy=f"check --{name}")
    return Path(text)


def _gguf(name: str, text: str) -> Path:
    if not Path(text).is_file():
        raise WrongInput(f"there is no file {text}", remedy=f"check --{name}")
    return Path(text)


def _governor(_name: str, text: str) -> str:
    if not re.fullmatch(r"[a-z_]+", text):
        raise WrongInput(
            f"'{text}' is not a CPU governor", remedy="for example performance, or keep"
        )
    return text


def _meter(name: str, text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WrongInput(f"--{name} cannot be read as a command: {error}") from None
    if not words:
        raise WrongInput(f"--{name} names no command", remedy="give one that prints watts")
    return text


def _model_or_file(_name: str, text: str) -> str:
    """A model's name, or the path of a network file; raises ``WrongInput`` for anything else."""
    from piyard.convert.own.defaults import CHECKPOINT_SUFFIXES, FILE_KINDS, GGUF_SUFFIX

    path = Path(text)
    if text in _models() or path.is_dir():
        return text
    if path.suffix in {*FILE_KINDS, *CHECKPOINT_SUFFIXES, GGUF_SUFFIX}:
        require_file(path)
        return text
    raise unknown_name("model", text, _models())


BOARD = ValueType[str]("NAME", lambda _name, text: text, _hosts)
KNOWN_MODEL = choice("model", _models, "NAME")
MODEL_OR_FILE = ValueType[str]("NAME|FILE", _model_or_file, _models)
KNOWN_TARGET = choice("target", _targets, "TARGET")
PRECISION = choice("precision", _precisions, "TYPE")
RUN_PRECISION = choice("precision", _run_precisions, "TYPE")
LANGUAGE_PRECISION = choice("precision", _language_precisions, "TYPE")
FORMAT = choice("format", _formats, "FORMAT")
REPORT_FORMAT = choice("format", _report_formats, "FORMAT")
ANY_MODEL = ValueType[str]("NAME", lambda _name, text: text, _models)
TASK = choice("task", _tasks, "TASK")
LISTED_TASK = choice("task", _listed_tasks, "TASK")
ROUTE = choice("route", _routes, "ROUTE")
DATA_FORMAT = choice("data format", _data_formats, "NAME")
DECODING_PLACE = choice("place", _decoding_places, "PLACE")
ENGINE = choice("engine", _engines, "NAME")
POWER_ACTION = choice("power action", _power_actions, "ACTION")
SCORE = ValueType[float]("SCORE", _score)
FPS = ValueType[float]("N", _fps)
AMOUNT = ValueType[float]("N", _amount)
BOX = ValueType[Box]("X,Y,WIDTH,HEIGHT", _box)
SECONDS = ValueType[float]("SECONDS", _seconds)
RATE = ValueType[int]("BYTES", _rate)
PERCENT = ValueType[float]("PERCENT", _percent)
WARMUP = ValueType[Warmup](f"N|{AUTO}", _warmup)
PICTURE = ValueType[Path]("FILE", _picture)
GGUF = ValueType[Path]("FILE", _gguf)
GOVERNOR = ValueType[str]("NAME", _governor)
METER = ValueType[str]("COMMAND", _meter)
DOLLARS = text("DOLLARS")

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
    "imagenet, yolo, coco, voc, dota, masks, mot or otb (recognised by its files)",
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


class DryRunRequest(Request):
    """Options of a command with a dry run."""

    dry_run: bool = flag("print what would be done, and do nothing", SWITCH, default=False)


class TableRequest(Request):
    """Options of a command that prints a table."""

    format: str = FORMATTED


class BoardsRequest(Request):
    """Options of a command on boards."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")
    all: bool = flag("all boards of the inventory", SWITCH, default=False)
    target: str = ONE_TARGET
    parallel: int = flag("number of boards at once", whole(), default=16)
    no_wait: bool = flag("fail at once when a board is in use", SWITCH, default=False)
    strict: bool = STRICT


class WorkRequest(BoardsRequest, DryRunRequest):
    """Jobs on boards: a command makes flags of the fields that apply to it."""

    models: tuple[str, ...] = (MODEL,)
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    loops: int | None = None
    budget: float | None = None
    warmup: Warmup | None = None
    limit: int | None = None
    link_limit: int | None = flag(
        "at most so many bytes a second to boards, as 500k or 2M", RATE, default=None
    )
    retry: int = 0
    governor: str = ""
    picture: Path | None = None
    rerun_invalid: int = 0
    energy: bool = False
    meter: str = ""
    random_weights: bool = False
    force: bool = False
    spread: bool = False
    retry_failed: bool = False

    def check(self) -> None:
        """Raise for a benchmark with two durations."""
        if self.loops and self.budget:
            raise WrongInput("--loops and --budget exclude each other", remedy="give one of them")


class RunRequestBase(WorkRequest):
    """Options of a command whose jobs may hang, or be lost to a restart."""

    limit: int | None = flag("time limit of a job on the board, in seconds", whole(), default=None)
    retry: int = RETRY


class RetryRequest(WorkRequest):
    """Options of a command that can repeat only what failed."""

    retry_failed: bool = flag("repeat only what failed last time", SWITCH, default=False)


class MeasureRequest(RunRequestBase):
    """Options of a benchmark."""

    models: tuple[str, ...] = MODELS
    precisions: tuple[str, ...] = PRECISIONS
    threads: tuple[int, ...] = flag("threads of an inference", many(whole()), default=())
    loops: int | None = flag("number of inferences to measure", whole(), default=None)
    budget: float | None = flag(
        "measure until the median is known to 1 %, for at most so many seconds (30)",
        SECONDS,
        default=None,
    )
    warmup: Warmup | None = flag(
        "number of warm-up inferences, or auto: until times are stable", WARMUP, default=None
    )
    governor: str = flag(
        "CPU governor during a run, where sudo needs no password; keep: the board's own",
        GOVERNOR,
        default="",
    )
    random_weights: bool = RANDOM_WEIGHTS
    format: str = FORMATTED
