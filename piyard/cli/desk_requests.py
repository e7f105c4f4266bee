"""Requests of tasks that need no board: builds, models, stored results, this machine."""

from __future__ import annotations

from piyard.cli.base_requests import DryRunRequest, TableRequest
from piyard.cli.flag_types import PERCENT, whole
from piyard.cli.flags import (
    DATA,
    DATA_FORM,
    FAIL_ABOVE_HELP,
    HOST_HELP,
    KEEP_BY_FORCE,
    LIMIT_PICTURES,
    LONG,
    MODELS,
    PRICE_KWH,
    RANDOM_WEIGHTS,
    SPLIT,
    TARGET,
    TRUST,
)
from piyard.cli.named_types import (
    ANY_MODEL,
    BOARD,
    KNOWN_MODEL,
    KNOWN_TARGET,
    LANGUAGE_PRECISION,
    LISTED_TASK,
    REPORT_FORMAT,
    ROUTE,
    TASK,
)
from piyard.cli.request import Request, flag
from piyard.cli.value_types import SWITCH, TEXT, many, single, text

CALIBRATION = flag(
    "a text like those a language model will read: rounding then looks at what the text makes each "
    "matrix compute (GPTQ)",
    text("FILE"),
    default="",
)


class BuildRequest(DryRunRequest):
    """Options of ``build``."""

    targets: tuple[str, ...] = flag(
        "rpi5, rpi4, rpi3, zero2w or desktop", many(KNOWN_TARGET), default=(TARGET,), name="target"
    )
    source: str = flag("a source of toolchains/ncnn.yaml: sdist or git", text("NAME"), default="")


class ConvertRequest(DryRunRequest):
    """Options of ``convert``."""

    models: tuple[str, ...] = MODELS
    random_weights: bool = RANDOM_WEIGHTS
    route: str = flag(
        "trace, script, onnx (deprecated by torch) or pnnx (its kept IR); the model's own",
        ROUTE,
        default="",
    )
    force: bool = KEEP_BY_FORCE
    trust: bool = TRUST
    precisions: tuple[str, ...] = flag(
        "of a language model: fp32, fp16, int8 or int4, each of which has its own weights (int4)",
        many(LANGUAGE_PRECISION),
        default=(),
        name="precision",
    )
    calibration: str = CALIBRATION
    errors: bool = flag("show what rounding has cost each matrix", SWITCH, default=False)


class ModelsRequest(TableRequest):
    """Options of ``model.list``."""

    task: str = flag(
        "only models of this task: classify, detect, segment, pose, obb, track, semantic, generate "
        "or other",
        LISTED_TASK,
        default="",
    )


class DataQuery(TableRequest):
    """Options of ``data``."""

    data: str = DATA
    split: str = SPLIT
    data_format: str = DATA_FORM
    task: str = flag("as a model of that task is judged by it", TASK, default="")
    pictures: int | None = LIMIT_PICTURES


class AddModelRequest(DryRunRequest, TableRequest):
    """Options of ``model.add``; what is left out comes from the file or is a default."""

    file: str = flag(
        "an .onnx, a checkpoint of a known network (.pt, .pth), a TorchScript program (it runs in "
        "a sandbox), the .param of an ncnn pair, an Ultralytics *_ncnn_model/, or a language "
        "model: a folder with config.json and model.safetensors, or a .gguf",
        text("FILE"),
    )
    task: str = flag(
        "classify, detect, segment, pose, obb, semantic or other (the network's; else by its "
        "outputs)",
        text("TASK"),
        default="",
    )
    input: str = flag(
        "its input: channels, height, width, as 3,416,416 (the network's; 3,224,224)",
        text("C,H,W"),
        default="",
    )
    head: str = flag(
        "what its outputs mean: yolov8, yolov5, yolox, nanodet, rtmdet, fcos, simcc or heatmap "
        "(the network's)",
        text("HEAD"),
        default="",
    )
    strides: str = flag(
        "strides of the output maps, as 8,16,32 (the head's usual ones)",
        text("N[,N…]"),
        default="",
    )
    precisions: tuple[str, ...] = flag(
        "of a language model, in which it is converted and proved: fp32, fp16, int8 or int4 (int4)",
        single(LANGUAGE_PRECISION),
        default=(),
        name="precision",
    )
    calibration: str = CALIBRATION
    network: str = flag(
        "the network whose weights the file holds: timm:NAME of one of timm's, which must be "
        "installed (found out for piyard's own)",
        text("NAME"),
        default="",
    )
    labels: str = flag(
        "names of the classes: a file, one a line, or a list of models/labels/ (those in the "
        "network's file)",
        text("FILE"),
        default="",
    )
    keypoints: str = flag("names of the keypoints, likewise", text("FILE"), default="")
    name: str = flag("the model's name (the file's)", text("NAME"), default="")
    cut: tuple[str, ...] = flag(
        "a tensor of the ONNX graph, or the path of a convolution in the TorchScript, that is an "
        "output; in the head's order",
        many(text("NAME"), commas=False),
        default=(),
    )
    fit: str = flag("crop, letterbox, stretch or box", text("FIT"), default="")
    resize: str = flag(
        "for fit crop: the short side in pixels before the centre crop (a seventh more)",
        text("N"),
        default="",
    )
    order: str = flag(
        "rgb, bgr, gray, rgba or bgra (by the number of channels)", text("ORDER"), default=""
    )
    mean: str = flag(
        "mean to subtract from each channel (0..255), as 123.7,116.3,103.5",
        text("N[,N…]"),
        default="",
    )
    norm: str = flag(
        "factor to multiply each channel by afterwards, as 0.017,0.0175,0.0174",
        text("N[,N…]"),
        default="",
    )
    output: str = flag("which output of a classifier that has several", text("NAME"), default="")
    activation: str = flag(
        "from output to scores: softmax, sigmoid (of each class), exp or none (as the net ends)",
        text("NAME"),
        default="",
    )
    images: str = flag(
        "of task other: outputs that are pictures, with the values that are black and white, as "
        "out0=0:1 or out0=own (its least and largest), or none (by their shapes)",
        text("NAME=LOW:HIGH[,…]"),
        default="",
    )
    licence: str = flag("the file's licence", TEXT, default="")
    replace_model: bool = flag(
        "put it in the place of your model of that name", SWITCH, default=False, name="replace"
    )
    sample: str = flag(
        "a picture to draw what it sees in (one of the mirror's, else a drawn one)",
        text("FILE"),
        default="",
    )
    force: bool = KEEP_BY_FORCE
    trust: bool = TRUST


class RemoveModelRequest(DryRunRequest):
    """Options of ``model.remove``."""

    name: str = flag("a model that model.add has written", KNOWN_MODEL)
    yes: bool = flag("do not ask", SWITCH, default=False)


class ReportRequest(Request):
    """Options of ``report``."""

    format: str = flag("plain, github, csv, json, junit or html", REPORT_FORMAT, default="plain")
    output: str = flag(
        "write it to this file (html: artifacts/report.html)",
        text("FILE"),
        default="",
    )
    all: bool = flag("every run, not only the newest of each row", SWITCH, default=False)
    hosts: tuple[str, ...] = flag(
        "only boards of that name or glob", many(BOARD), default=(), name="host"
    )
    models: tuple[str, ...] = flag(
        "only models of that name or glob", many(ANY_MODEL), default=(), name="model"
    )
    run: str = flag("one run, by its id or the start of it", text("RUN"), default="")
    price_kwh: str = PRICE_KWH
    long: bool = LONG


class HistoryRequest(TableRequest):
    """Options of ``history``."""

    hosts: tuple[str, ...] = flag(
        "only boards of that name, glob or @tag", many(BOARD), default=(), name="host"
    )
    models: tuple[str, ...] = flag(
        "only models of that name or glob", many(ANY_MODEL), default=(), name="model"
    )
    since: str = flag(
        "only from that day on, as 2026-11-01, or that moment (UTC)", text("DAY"), default=""
    )
    last: int = flag("only so many of the newest", whole(), default=30)
    rebuild: bool = flag("rebuild the index from all stored results", SWITCH, default=False)


class CompareRequest(TableRequest):
    """Options of ``compare``."""

    a: str = flag(
        "a run's id or its start, or a set: build=2cc76d,model=resnet*,host=pi5 (keys: host, "
        "model, model_key, build, precision, threads, since, on)",
        text("RUNS"),
    )
    b: str = flag("the same; effects are B's against A's", text("RUNS"))
    across: str = flag(
        "conditions that may differ, as build,kernel", text("NAME[,NAME…]"), default=""
    )
    fail_above: float | None = flag(FAIL_ABOVE_HELP, PERCENT, default=None)
    emulated: bool = flag(
        "also compare the times of emulated boards with each other", SWITCH, default=False
    )


class DoctorRequest(Request):
    """Options of ``doctor``."""

    hosts: tuple[str, ...] = flag(f"also check {HOST_HELP}", many(BOARD), default=(), name="host")


class CleanRequest(DryRunRequest):
    """Options of ``clean``."""

    everything: bool = flag("also the caches of this user and the images", SWITCH, default=False)


class TestRequest(Request):
    """Options of ``test``."""

    unit: bool = flag(
        "only tests/unit: 3 minutes on two cores, and no container engine", SWITCH, default=False
    )
    k: str = flag("as pytest -k", text("EXPRESSION"), default="")
