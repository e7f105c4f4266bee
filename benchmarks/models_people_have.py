r"""How many of the networks that people bring ``model.add`` takes and proves, by family and format.

    .venv/bin/python -m benchmarks.models_people_have --python ~/venv/bin/python
    .venv/bin/python -m benchmarks.models_people_have --only ultralytics:yolo26 --formats onnx,ncnn

Each network is written by ``benchmarks/exports.py`` under ``--python``, one that has ultralytics,
timm, torchvision and onnxscript, and added by ``model.add`` in a clone of this checkout, as a user
would. Checkpoints also need the packages in piyard's own environment (``PYTHONPATH`` will do). A
cell is ``proved``, or the exit code of the refusal; each refusal's own sentence is below the table.
Weights are seeded: they show what is taken, never an accuracy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from piyard.core.tables import render_table

ROOT = Path(__file__).resolve().parents[1]
PROVED = "proved"
NOT_WRITTEN = "not written"
LIMIT_S = 900
TASKS = {
    "yolov5": [""],
    "yolov8": ["", "-seg", "-pose", "-cls", "-obb"],
    "yolov9": [""],
    "yolov10": [""],
    "yolo11": ["", "-seg", "-pose", "-cls", "-obb"],
    "yolo12": ["", "-seg", "-pose", "-cls", "-obb"],
    "yolo26": ["", "-seg", "-pose", "-cls", "-obb"],
}
"""Ultralytics' families, and the tasks there are of each."""
SIZES = {"yolov9": {"n": "t", "s": "s", "m": "m"}}
"""What a family calls a size, where that is another letter."""
TORCHVISION = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "regnet_y_400mf",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_1",
    "swin_t",
    "vgg11_bn",
    "vit_b_32",
]
TIMM = [
    "convnext_atto",
    "deit_tiny_patch16_224",
    "efficientnet_lite0",
    "efficientvit_b0",
    "fastvit_t8",
    "ghostnet_100",
    "hardcorenas_a",
    "levit_128s",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "regnetx_002",
    "repvgg_a0",
    "resnet10t",
    "tf_efficientnet_lite0",
    "vit_tiny_patch16_224",
]
YOLO_FORMATS = ("pt", "onnx", "dynamo", "torchscript", "ncnn")
CLASSIFIER_FORMATS = ("torchscript", "onnx", "dynamo", "checkpoint")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A network in a format, and what became of it."""

    network: str
    form: str
    outcome: str = ""
    """``PROVED``, ``NOT_WRITTEN``, or the exit code."""
    words: str = ""
    """The refusal's first line and its remedy."""


def list_attempts(sizes: Sequence[str], formats: Sequence[str], only: str) -> list[Attempt]:
    """All there are, those of ``only``'s beginning and of these formats."""
    yolo = [
        (f"ultralytics:{family}{SIZES.get(family, {}).get(size, size)}{task}", form)
        for family, tasks in TASKS.items()
        for task in tasks
        for size in sizes
        for form in YOLO_FORMATS
    ]
    others = [
        (f"{library}:{name}", form)
        for library, names in (("torchvision", TORCHVISION), ("timm", TIMM))
        for name in names
        for form in CLASSIFIER_FORMATS
    ]
    return [
        Attempt(network=network, form=form)
        for network, form in [*yolo, *others]
        if network.startswith(only) and (not formats or form in formats)
    ]


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """Where networks are written and added."""

    python: str
    """One that has the libraries."""
    checkout: Path
    """A clone, so that nothing is added to the user's own."""
    files: Path

    def attempt(self, attempt: Attempt) -> Attempt:
        """Write the network and add it."""
        folder = self.files / f"{attempt.network.replace(':', '-')}-{attempt.form}"
        argv = [self.python, str(ROOT / "benchmarks" / "exports.py")]
        done = _run([*argv, attempt.network, attempt.form, str(folder)], self.files)
        if done.returncode:
            return _ended(attempt, NOT_WRITTEN, _last_line(done.stderr))
        file = done.stdout.strip().splitlines()[-1]
        argv = [sys.executable, "-m", "piyard", "model.add", file, "--name", folder.name]
        done = _run([*argv, *_flags(attempt)], self.checkout)
        if done.returncode == 0:
            return _ended(attempt, PROVED, "")
        return _ended(attempt, f"exit {done.returncode}", _refusal(done.stderr))


def _flags(attempt: Attempt) -> list[str]:
    library, _, name = attempt.network.partition(":")
    if library == "ultralytics":
        return []
    labels = ["--labels", "imagenet1k"]
    by_name = library == "timm" and attempt.form == "checkpoint"
    return [*labels, *(["--network", f"timm:{name}"] if by_name else [])]


def _run(argv: Sequence[str], at: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, cwd=at, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"piyard: longer than {LIMIT_S} s")


def _refusal(stderr: str) -> str:
    lines = stderr.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith("piyard: ")), None)
    return _last_line(stderr) if first is None else " ".join(lines[first:])[:300]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:300]


def _ended(attempt: Attempt, outcome: str, words: str) -> Attempt:
    return msgspec.structs.replace(attempt, outcome=outcome, words=words)


def rows_of(attempts: Sequence[Attempt]) -> tuple[list[str], list[list[str]]]:
    """A row a network, a column a format."""
    forms = list(dict.fromkeys(attempt.form for attempt in attempts))
    by_key = {(attempt.network, attempt.form): attempt.outcome for attempt in attempts}
    networks = list(dict.fromkeys(attempt.network for attempt in attempts))
    rows = [[name, *(by_key.get((name, form), "") for form in forms)] for name in networks]
    return ["Network", *forms], rows


def summary(attempts: Sequence[Attempt]) -> str:
    """How many were proved of those that could be written."""
    written = [attempt for attempt in attempts if attempt.outcome != NOT_WRITTEN]
    proved = sum(attempt.outcome == PROVED for attempt in written)
    share = 100 * proved / len(written) if written else 0.0
    lost = len(attempts) - len(written)
    return (
        f"{proved} of {len(written)} added and proved ({share:.1f} %); {lost} could not be written"
    )


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="one with the libraries")
    parser.add_argument("--sizes", default="n", help="of Ultralytics' models, as n,m")
    parser.add_argument("--formats", default="", help="some of them, as onnx,ncnn")
    parser.add_argument("--only", default="", help="networks whose name begins so")
    parser.add_argument("--jobs", type=int, default=2, help="at a time")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")
    return parser.parse_args(argv)


def _split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def main() -> None:
    """Attempt all, and print the table."""
    options = arguments()
    attempts = list_attempts(_split(options.sizes), _split(options.formats), options.only)
    with tempfile.TemporaryDirectory(prefix="piyard-models-") as folder:
        checkout, files = Path(folder, "checkout"), Path(folder, "files")
        files.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        shop = Workshop(python=options.python, checkout=checkout, files=files)
        done: list[Attempt] = []
        with ThreadPoolExecutor(options.jobs) as pool:
            for number, attempt in enumerate(pool.map(shop.attempt, attempts), 1):
                done.append(attempt)
                line = f"{number}/{len(attempts)} {attempt.network} {attempt.form}"
                print(f"{line}: {attempt.outcome} {attempt.words}".rstrip(), file=sys.stderr)
    _print(done, options.format)


def _print(attempts: Sequence[Attempt], form: str) -> None:
    if form == "json":
        print(json.dumps([msgspec.to_builtins(attempt) for attempt in attempts], indent=1))
        return
    print(render_table(*rows_of(attempts), "plain"))
    for attempt in attempts:
        if attempt.words:
            print(f"{attempt.network} {attempt.form}: {attempt.words}")
    print(summary(attempts))


if __name__ == "__main__":
    main()
