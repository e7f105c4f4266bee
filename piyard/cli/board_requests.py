"""Requests of tasks that work on boards, of runs that go on without us, and about the inventory."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.flags import (
    BOARD,
    BOX,
    DATA_KIND,
    FAIL_ABOVE_HELP,
    FORCE,
    FPS,
    HOST_HELP,
    LONG,
    METER,
    MODELS,
    ONE_MODEL,
    ONE_TARGET,
    ONE_THREADS,
    PERCENT,
    PICTURE,
    POWER_ACTION,
    PRECISION,
    PRECISIONS,
    PRICE_KWH,
    RANDOM_WEIGHTS,
    RETRY,
    SCORE,
    STRICT,
    TARGET,
    BoardsRequest,
    Box,
    DryRunRequest,
    MeasureRequest,
    RetryRequest,
    RunRequestBase,
    TableRequest,
    WorkRequest,
    whole,
)
from piyard.cli.request import SWITCH, Request, flag, many, single, text
from piyard.core.errors import PROGRAM


class DeployRequest(RetryRequest):
    """What is to be on which boards."""

    models: tuple[str, ...] = MODELS
    random_weights: bool = RANDOM_WEIGHTS
    force: bool = FORCE


class BenchRequest(MeasureRequest, RetryRequest):
    """What is to be measured."""

    picture: Path | None = flag(
        "also time classifying this one, from the file to its classes", PICTURE, default=None
    )
    rerun_invalid: int = flag(
        "how often to cool down and repeat a row that is INVALID", whole(0), default=0
    )
    energy: bool = flag(
        "measure energy too, in a run of its own, by the board's own sensors (Pi 5)",
        SWITCH,
        default=False,
    )
    meter: str = flag("the same by a command that prints the watts of a meter", METER, default="")
    price_kwh: str = PRICE_KWH
    force: bool = FORCE
    spread: bool = flag("share the jobs out over boards of the same kind", SWITCH, default=False)
    long: bool = LONG


class RunRequest(RunRequestBase, TableRequest):
    """What is to be shown to a model, and how."""

    inputs: tuple[str, ...] = flag(
        "a picture, folder, glob or URL; or a film, or camera",
        many(text("FILE"), commas=False),
        default=(),
        name="input",
    )
    models: tuple[str, ...] = ONE_MODEL
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8", single(PRECISION), default=("fp32",), name="precision"
    )
    threads: tuple[int, ...] = ONE_THREADS
    topk: int = flag("how many classes to show", whole(), default=5)
    output: str = flag(
        "of a classifier with several, the one to show (the model's own)", text("NAME"), default=""
    )
    score: float | None = flag(
        "show objects from this score on (the model's own)", SCORE, default=None
    )
    frames: int | None = flag(
        "of pictures, a film or the camera, at most (all; 300 of the camera)",
        whole(),
        default=None,
    )
    init: Box | None = flag("the object to follow, in the first frame", BOX, default=None)
    fps: float = flag("frames a second of what is shown, for trackers", FPS, default=30)
    draw: bool = flag("bring no annotated pictures back", SWITCH, default=True)
    show: bool = flag("open them with the desktop's viewer", SWITCH, default=False)
    force: bool = FORCE


class EvaluateRequest(WorkRequest, TableRequest):
    """Which model is judged by which data, and where."""

    data: str = flag(
        "a folder a class or labels.csv; COCO's JSON and pictures; a MOTChallenge or OTB sequence",
        text("FOLDER"),
    )
    models: tuple[str, ...] = ONE_MODEL
    kind: str = flag(
        "imagenet, coco, mot or otb, where the data does not tell by itself",
        DATA_KIND,
        default="",
    )
    pictures: int | None = flag(
        "only so many pictures, evenly spread; of clips the first frames",
        whole(),
        default=None,
        name="limit",
    )
    desktop: bool = flag(
        "also by ncnn on this machine; without --host that is all", SWITCH, default=False
    )
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8 (the desktop imitates fp16)",
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
    """Which models are proved, and how thoroughly."""

    models: tuple[str, ...] = MODELS
    pictures: int = flag(
        "real pictures that are looked at, where there are any; 0: no clip either",
        whole(0),
        default=3,
    )
    mask: bool = flag(
        "find the layers that must not compute in fp16, and write them to the model's YAML",
        SWITCH,
        default=False,
    )
    random_weights: bool = RANDOM_WEIGHTS
    precisions: tuple[str, ...] = PRECISIONS
    threads: tuple[int, ...] = ONE_THREADS
    force: bool = FORCE


BUILD = text("BUILD")
BUILD_HELP = (
    f"a build by its key or the start of it ({PROGRAM} build prints its folder), or current"
)


class AbRequest(MeasureRequest):
    """Which two builds are measured, and how."""

    a: str = flag(BUILD_HELP, BUILD, default="")
    b: str = flag("the other build; effects are B's against A's", BUILD, default="")
    hosts: tuple[str, ...] = flag(
        "the board: a name of the inventory, user@name:port or emulated:<target>",
        single(BOARD),
        default=(),
        name="host",
    )
    rounds: int = flag("how often to measure A-B-B-A", whole(), default=1)
    fail_above: float | None = flag(f"{FAIL_ABOVE_HELP}, and is so again", PERCENT, default=None)
    all: bool = False
    parallel: int = 1
    retry: int = 0


class RollbackRequest(BoardsRequest, DryRunRequest):
    """Which boards go back to the release before."""


class RunsRequest(TableRequest, DryRunRequest):
    """What becomes of the runs that are listed."""

    remove: tuple[str, ...] = flag(
        "remove what is kept of a run that is over (its id or the start of it), or of all that "
        "failed (failed); results stay",
        many(text("RUN")),
        default=(),
    )


class OneRunRequest(Request):
    """A run."""

    run: str = flag("its id or the start of it", text("RUN"))


class AttachRequest(OneRunRequest, TableRequest):
    """Which run is waited for, and how its table looks."""

    long: bool = LONG


class BoardsQuery(BoardsRequest, TableRequest):
    """Boards that are asked something, each of whose kind is theirs to tell."""

    target: str = ""


class ListRequest(TableRequest):
    """Which boards are listed."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")


class AddRequest(DryRunRequest):
    """What a board is, and how it is reached."""

    host: str = flag(
        "the board: name, user@name:port or emulated:<target>", text("NAME"), default=""
    )
    name: str = flag("what to call it; without it the host's name", text("NAME"), default="")
    target: str = ONE_TARGET
    tags: tuple[str, ...] = flag(
        "a word that groups boards, for --host @tag",
        many(text("WORD"), commas=False),
        default=(),
        name="tag",
    )
    key: str = flag("the private key to log in with", text("FILE"), default="")
    jump: str = flag("the host to go through", text("USER@NAME:PORT"), default="")
    sudo: bool = flag("the user may become root there without a password", SWITCH, default=False)
    price: str = flag("what it cost, in dollars", text("DOLLARS"), default="")
    price_date: str = flag("when it cost that, as 2026-01-31", text("DAY"), default="")
    notes: str = flag("anything worth knowing", text("TEXT"), default="")
    mine: bool = flag("write the user's own inventory, not the checkout's", SWITCH, default=False)
    strict: bool = STRICT


class RemoveRequest(DryRunRequest):
    """Which board leaves the inventory."""

    name: str = flag("the board's name", BOARD)


class ExecRequest(BoardsQuery, DryRunRequest):
    """What is run on which boards."""

    command: str = flag(
        "a program and its arguments, in quotes; no shell reads it", text("COMMAND"), default=""
    )
    limit: int = flag("end it after so many seconds", whole(), default=60)


class TrustRequest(BoardsRequest, DryRunRequest):
    """Whose keys are pinned."""

    fingerprint: str = flag(
        "accept this key only: SHA256:…, as ssh-keygen -l shows it on the board",
        text("FINGERPRINT"),
        default="",
    )
    target: str = ""
    parallel: int = 1
    no_wait: bool = False
    strict: bool = False


class GcRequest(BoardsQuery, DryRunRequest):
    """What is left on which boards."""

    keep: int = flag("releases to keep", whole(), default=3)


class PowerRequest(BoardsRequest, DryRunRequest):
    """What becomes of which boards' power."""

    action: str = flag("on, off, cycle or get", POWER_ACTION, default="get")
    target: str = ""
    parallel: int = 1
    strict: bool = False


class PlacesRequest(TableRequest):
    """Whose places are listed."""

    coordinator: str = flag("labgrid's coordinator", text("HOST:PORT"), default="")


class EmulatedRequest(DryRunRequest):
    """Which emulated board."""

    target: str = flag(
        "the board's kind, or kind/number where several are wanted: rpi5/2",
        text("KIND[/N]"),
        default=TARGET,
    )


class DownRequest(EmulatedRequest):
    """Which emulated board is stopped."""

    yes: bool = flag(
        "also one that another process uses, or that another checkout started",
        SWITCH,
        default=False,
    )
