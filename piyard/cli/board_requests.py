"""Requests of tasks on boards, and on runs that continue there."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.base_requests import (
    BoardsRequest,
    DryRunRequest,
    MeasureRequest,
    RetryRequest,
    RunRequestBase,
    TableRequest,
    WorkRequest,
)
from piyard.cli.flag_types import (
    GGUF,
    METER,
    PERCENT,
    PICTURE,
    SECONDS,
    whole,
)
from piyard.cli.flags import (
    DATA,
    DATA_FORM,
    FAIL_ABOVE_HELP,
    FORCE,
    LIMIT_PICTURES,
    LONG,
    MODELS,
    ONE_HOST,
    ONE_MODEL,
    ONE_THREADS,
    PRICE_KWH,
    RANDOM_WEIGHTS,
    RETRY,
    SPLIT,
)
from piyard.cli.named_types import (
    ENGINE,
    PRECISION,
    RUN_PRECISION,
)
from piyard.cli.request import Request, flag
from piyard.cli.value_types import SWITCH, many, single, text
from piyard.core.errors import PROGRAM


class DeployRequest(RetryRequest):
    """Options of ``deploy``."""

    models: tuple[str, ...] = MODELS
    random_weights: bool = RANDOM_WEIGHTS
    force: bool = FORCE


class BenchRequest(MeasureRequest, RetryRequest):
    """Options of ``bench`` and ``deploy-bench``."""

    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8; of a language model fp32, fp16, int8 or int4 (int4)",
        many(RUN_PRECISION),
        default=(),
        name="precision",
    )
    picture: Path | None = flag(
        "also time one picture end to end, from the file to its classes or objects",
        PICTURE,
        default=None,
    )
    rerun_invalid: int = flag(
        "times to cool down and repeat a row that is INVALID", whole(0), default=0
    )
    energy: bool = flag(
        "also measure energy, in a separate run, with the board's own sensors (Pi 5)",
        SWITCH,
        default=False,
    )
    meter: str = flag("the same with a command that prints a meter's watts", METER, default="")
    price_kwh: str = PRICE_KWH
    force: bool = FORCE
    spread: bool = flag("share the jobs among boards of the same target", SWITCH, default=False)
    long: bool = LONG
    engine: str = flag(
        "another engine, measured on --gguf as nnrun is on models: llama.cpp", ENGINE, default=""
    )
    gguf: Path | None = flag("the weights for --engine", GGUF, default=None)


class EvaluateRequest(WorkRequest, TableRequest):
    """Options of ``evaluate``."""

    data: str = DATA
    models: tuple[str, ...] = ONE_MODEL
    split: str = SPLIT
    data_format: str = DATA_FORM
    pictures: int | None = LIMIT_PICTURES
    desktop: bool = flag(
        "also evaluate ncnn on this machine; without --host, only that", SWITCH, default=False
    )
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8 (this machine simulates fp16)",
        many(PRECISION),
        default=(),
        name="precision",
    )
    threads: tuple[int, ...] = flag(
        "threads of an inference on boards", single(whole()), default=()
    )
    force: bool = FORCE
    retry: int = RETRY


class ProveRequest(RunRequestBase, TableRequest):
    """Options of ``prove``."""

    models: tuple[str, ...] = MODELS
    pictures: int = flag(
        "number of real pictures, where there are any; 0: no clip either",
        whole(0),
        default=3,
    )
    mask: bool = flag(
        "find the layers that need fp32, and write them to the model's YAML",
        SWITCH,
        default=False,
    )
    mask_limit: float | None = flag(
        "end that search after so many seconds (3600)", SECONDS, default=None
    )
    random_weights: bool = RANDOM_WEIGHTS
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8; of a language model fp32, fp16, int8 or int4 (int4)",
        many(RUN_PRECISION),
        default=(),
        name="precision",
    )
    threads: tuple[int, ...] = ONE_THREADS
    force: bool = FORCE


BUILD = text("BUILD")
BUILD_HELP = (
    f"a build by its key or the start of it ({PROGRAM} build prints its folder), or current"
)


class AbRequest(MeasureRequest):
    """Options of ``ab``."""

    a: str = flag(BUILD_HELP, BUILD, default="")
    b: str = flag("the other build; effects are B's against A's", BUILD, default="")
    hosts: tuple[str, ...] = ONE_HOST
    rounds: int = flag("number of A-B-B-A rounds", whole(), default=1)
    fail_above: float | None = flag(f"{FAIL_ABOVE_HELP}, and is so again", PERCENT, default=None)
    all: bool = False
    parallel: int = 1
    retry: int = 0


class RollbackRequest(BoardsRequest, DryRunRequest):
    """Options of ``rollback``."""


class RunsRequest(TableRequest, DryRunRequest):
    """Options of ``runs``."""

    remove: tuple[str, ...] = flag(
        "remove the folder of a run that is over (its id or the start of it), or of all that "
        "failed (failed); results stay",
        many(text("RUN")),
        default=(),
    )


class OneRunRequest(Request):
    """Options of ``fetch`` and ``cancel``."""

    run: str = flag("its id or the start of it", text("RUN"))


class AttachRequest(OneRunRequest, TableRequest):
    """Options of ``attach``."""

    long: bool = LONG
