"""Requests of tasks on boards, on runs that continue there, and on the inventory."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.flags import (
    AMOUNT,
    ANY_MODEL,
    BOARD,
    BOX,
    DATA,
    DATA_FORM,
    DECODING_PLACE,
    ENGINE,
    FAIL_ABOVE_HELP,
    FORCE,
    FPS,
    GGUF,
    HOST_HELP,
    KNOWN_MODEL,
    LANGUAGE_PRECISION,
    LIMIT_PICTURES,
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
    PRICE_KWH,
    RANDOM_WEIGHTS,
    RETRY,
    RUN_PRECISION,
    SCORE,
    SECONDS,
    SPLIT,
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
from piyard.cli.request import SWITCH, TEXT, Request, ValueType, flag, many, single, text
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


ONE_HOST: tuple[str, ...] = flag(
    "the board: a name of the inventory, user@name:port or emulated:<target>",
    single(BOARD),
    default=(),
    name="host",
)
LANGUAGE_MODEL = "smollm2_135m_instruct"


class AnswerRequest(Request):
    """Options of what lets a language model answer."""

    system: str = flag("what the model is told before, with --chat or in chat", TEXT, default="")
    max_tokens: int = flag("tokens of an answer, at most", whole(), default=256)
    context: int | None = flag(
        "tokens of prompt and answer together, at most (2048)", whole(2), default=None
    )
    temperature: float = flag(
        "0: the likeliest token each time; more: more surprising", AMOUNT, default=0.0
    )
    top_k: int = flag("choose among so many likely tokens (0: all)", whole(0), default=0)
    top_p: float = flag(
        "choose among the likeliest that together are so probable", SCORE, default=1.0
    )
    min_p: float = flag(
        "choose among tokens at least so probable, the likeliest being 1", SCORE, default=0.0
    )
    repetition_penalty: float = flag(
        "above 1: what was said already is less likely", AMOUNT, default=1.0
    )
    seed: int = flag("of the choices of a temperature", whole(0), default=1)
    stop: tuple[str, ...] = flag(
        "ends an answer before this text", many(TEXT, commas=False), default=()
    )
    lookup: int = flag(
        "tokens that are drafted from what followed the same words before; the answer is the same",
        whole(0),
        default=0,
    )
    thinking: bool = flag(
        "a model that can think aloud before it answers shall not", SWITCH, default=True
    )


class RunRequest(RunRequestBase, AnswerRequest, TableRequest):
    """Options of ``run``."""

    inputs: tuple[str, ...] = flag(
        "a picture, folder, glob or URL; or a film, a stream's URL (rtsp://, http://), camera, or "
        "a device of the board (/dev/video0, or 0); for a net of several inputs a folder with a "
        "file each: in0.jpg, in1.npy …",
        many(text("FILE"), commas=False),
        default=(),
        name="input",
    )
    models: tuple[str, ...] = ONE_MODEL
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, bf16 or int8 (fp32); of a language model fp32, fp16, int8 or int4 (int4)",
        single(RUN_PRECISION),
        default=(),
        name="precision",
    )
    threads: tuple[int, ...] = ONE_THREADS
    topk: int = flag("number of classes to show", whole(), default=5)
    labels: tuple[str, ...] = flag("task clip: what may be in a picture", many(TEXT), default=())
    prompt: str = flag(
        "what a language model continues, or is asked about the picture of --input; task clip: "
        "what is said of a label in place of {} (the model's own)",
        TEXT,
        default="",
    )
    chat: bool = flag(
        "the prompt is what a user says: put it into the model's chat template",
        SWITCH,
        default=False,
    )
    schema: Path | None = flag(
        "a JSON schema that the answer keeps to",
        ValueType("FILE", lambda _name, word: Path(word)),
        default=None,
    )
    output: str = flag(
        "which output of a classifier that has several (the model's own)", text("NAME"), default=""
    )
    score: float | None = flag(
        "lowest score of the objects to show (the model's own)", SCORE, default=None
    )
    frames: int | None = flag(
        "at most so many pictures or frames (all; 300 of the camera without --preview)",
        whole(),
        default=None,
    )
    init: Box | None = flag("the object to track, in the first frame", BOX, default=None)
    fps: float = flag("frames a second of the input, for trackers", FPS, default=30)
    draw: bool = flag("do not draw annotated pictures", SWITCH, default=True)
    decode: str = flag(
        "where a film or a stream is decoded: board or here (the board where it has ffmpeg or "
        "GStreamer)",
        DECODING_PLACE,
        default="",
    )
    preview: bool = flag(
        "show annotated frames in a browser meanwhile, through the SSH connection",
        SWITCH,
        default=False,
    )
    show: bool = flag("open annotated pictures in the desktop's viewer", SWITCH, default=False)
    random_weights: bool = RANDOM_WEIGHTS
    force: bool = FORCE


class ChatRequest(RunRequestBase, AnswerRequest, TableRequest):
    """Options of ``chat``."""

    hosts: tuple[str, ...] = ONE_HOST
    inputs: tuple[str, ...] = flag(
        "the picture that a model is shown at the start, of one that sees pictures",
        single(text("FILE")),
        default=(),
        name="input",
    )
    models: tuple[str, ...] = flag(
        "a language model of models/language/",
        single(ANY_MODEL),
        default=(LANGUAGE_MODEL,),
        name="model",
    )
    precisions: tuple[str, ...] = flag(
        "fp32, fp16, int8 or int4 (int4)", single(LANGUAGE_PRECISION), default=(), name="precision"
    )
    threads: tuple[int, ...] = ONE_THREADS
    random_weights: bool = RANDOM_WEIGHTS
    force: bool = FORCE
    all: bool = False
    parallel: int = 1
    retry: int = 0


ENCODER: tuple[str, ...] = flag(
    "a model of task clip", single(KNOWN_MODEL), default=("clip_vit_b32",), name="model"
)
INDEX: str = flag(
    "the index's folder (the model's own, below artifacts/)", text("FOLDER"), default=""
)


class IndexRequest(RunRequestBase):
    """Options of ``index``."""

    inputs: tuple[str, ...] = flag(
        "a folder with all that is in it, or a picture",
        many(text("FOLDER"), commas=False),
        default=(),
        name="input",
    )
    models: tuple[str, ...] = ENCODER
    index: str = INDEX
    desktop: bool = flag("encode on this machine instead of a board", SWITCH, default=False)
    precisions: tuple[str, ...] = flag(
        "fp32, fp16 or bf16", single(PRECISION), default=("fp32",), name="precision"
    )
    threads: tuple[int, ...] = ONE_THREADS
    random_weights: bool = RANDOM_WEIGHTS
    force: bool = FORCE


class SearchRequest(TableRequest):
    """Options of ``search``."""

    query: str = flag("words; with --image the file of a picture", text("WORDS|FILE"))
    image: bool = flag("search for pictures like that one", SWITCH, default=False)
    models: tuple[str, ...] = ENCODER
    index: str = INDEX
    topk: int = flag("number of pictures to show", whole(), default=10)


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


class BoardsQuery(BoardsRequest, TableRequest):
    """Options of tasks that query boards; their targets do not matter."""

    target: str = ""


class ListRequest(TableRequest):
    """Options of ``fleet.list``."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")


class AddRequest(DryRunRequest):
    """Options of ``fleet.add``."""

    host: str = flag(
        "the board: name, user@name:port or emulated:<target>", text("NAME"), default=""
    )
    name: str = flag("its name in the inventory (the host's)", text("NAME"), default="")
    target: str = ONE_TARGET
    tags: tuple[str, ...] = flag(
        "a label that groups boards, for --host @tag",
        many(text("WORD"), commas=False),
        default=(),
        name="tag",
    )
    key: str = flag("the private key to log in with", text("FILE"), default="")
    jump: str = flag("the host to go through", text("USER@NAME:PORT"), default="")
    sudo: bool = flag("sudo needs no password there", SWITCH, default=False)
    price: str = flag("its price in dollars", text("DOLLARS"), default="")
    price_date: str = flag("the date of that price, as 2026-01-31", text("DAY"), default="")
    notes: str = flag("anything worth knowing", TEXT, default="")
    mine: bool = flag("write the user's own inventory, not the checkout's", SWITCH, default=False)
    strict: bool = STRICT


class RemoveRequest(DryRunRequest):
    """Options of ``fleet.remove``."""

    name: str = flag("the board's name", BOARD)


class ExecRequest(BoardsQuery, DryRunRequest):
    """Options of ``fleet.exec``."""

    command: str = flag(
        "a program and its arguments, in quotes; no shell reads it", text("COMMAND"), default=""
    )
    limit: int = flag("end it after so many seconds", whole(), default=60)


class TrustRequest(BoardsRequest, DryRunRequest):
    """Options of ``fleet.trust``."""

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
    """Options of ``fleet.gc``."""

    keep: int = flag("releases to keep", whole(), default=3)


class PowerRequest(BoardsRequest, DryRunRequest):
    """Options of ``fleet.power``."""

    action: str = flag("on, off, cycle or get", POWER_ACTION, default="get")
    target: str = ""
    parallel: int = 1
    strict: bool = False


class PlacesRequest(TableRequest):
    """Options of ``fleet.places``."""

    coordinator: str = flag("labgrid's coordinator", text("HOST:PORT"), default="")


class EmulatedRequest(DryRunRequest):
    """Options of ``board.up``."""

    target: str = flag(
        "the target, or target/number for several: rpi5/2",
        text("KIND[/N]"),
        default=TARGET,
    )


class DownRequest(EmulatedRequest):
    """Options of ``board.down``."""

    yes: bool = flag(
        "also if another process uses it, or another checkout started it",
        SWITCH,
        default=False,
    )
