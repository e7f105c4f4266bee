"""Requests of tasks that show what a model predicts: run, chat, and the index of pictures."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.base_requests import RunRequestBase, TableRequest
from piyard.cli.flag_types import AMOUNT, BOX, FPS, SCORE, Box, whole
from piyard.cli.flags import FORCE, ONE_HOST, ONE_MODEL, ONE_THREADS, RANDOM_WEIGHTS
from piyard.cli.named_types import (
    ANY_MODEL,
    DECODING_PLACE,
    KNOWN_MODEL,
    LANGUAGE_PRECISION,
    PRECISION,
    RUN_PRECISION,
)
from piyard.cli.request import Request, flag
from piyard.cli.value_types import SWITCH, TEXT, ValueType, many, single, text

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
    prefix_cache: bool = flag(
        "keep what is remembered of the prompt on the board, so that a later run whose prompt "
        "begins alike reads only the rest",
        SWITCH,
        default=False,
    )
    thinking: bool = flag("a model that can think before it answers does not", SWITCH, default=True)


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
