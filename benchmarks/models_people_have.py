r"""How many of the networks that people bring ``model.add`` takes and proves, by family and format.

    .venv/bin/python -m benchmarks.models_people_have --python ~/venv/bin/python
    .venv/bin/python -m benchmarks.models_people_have --only ultralytics:yolo26 --formats onnx,ncnn
    .venv/bin/python -m benchmarks.models_people_have --outcomes table.jsonl --resume

Each network is written by ``benchmarks/exports.py`` under ``--python``, one that has ultralytics,
timm, torchvision and onnxscript, and added by ``model.add`` in a clone of this checkout, as a user
would. Checkpoints also need the packages in piyard's own environment (``PYTHONPATH`` will do). A
cell is ``proved`` (in fp32 and fp16), ``fp32 only``, or the exit code of the refusal; each
refusal's own sentence is below the table.
Weights are seeded: they show what is taken, never an accuracy. Each outcome is appended to the file
of ``--outcomes`` at once; ``--resume`` attempts only what is not in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
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
    seconds: float = 0.0
    """For writing it and adding it."""

    @property
    def key(self) -> tuple[str, str]:
        """Which attempt it is."""
        return self.network, self.form

    @property
    def family(self) -> str:
        """``yolo26`` of ``ultralytics:yolo26n-seg``; else the library."""
        library, _, name = self.network.partition(":")
        return next((each for each in TASKS if name.startswith(each)), library)


def list_attempts(
    sizes: Sequence[str], formats: Sequence[str], only: Sequence[str]
) -> list[Attempt]:
    """All there are in these formats, of networks whose name begins as one of ``only``."""
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
        if network.startswith(tuple(only) or "") and (not formats or form in formats)
    ]


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What ``model.add`` prints of a model, as far as it is read here."""

    state: str
    proved_in: list[str]
    proof: list[dict[str, object]]

    @property
    def proof_precisions(self) -> set[object]:
        """Those that were compared."""
        return {row["Data type"] for row in self.proof}


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """Where networks are written and added."""

    python: str
    """One that has the libraries."""
    checkout: Path
    """A clone, so that nothing is added to the user's own."""
    files: Path

    def attempt(self, attempt: Attempt) -> Attempt:
        """Write the network and add it."""
        start = time.monotonic()
        done = self._attempt(attempt)
        return msgspec.structs.replace(done, seconds=round(time.monotonic() - start, 1))

    def _attempt(self, attempt: Attempt) -> Attempt:
        folder = self.files / f"{attempt.network.replace(':', '-')}-{attempt.form}"
        argv = [self.python, str(ROOT / "benchmarks" / "exports.py")]
        done = _run([*argv, attempt.network, attempt.form, str(folder)], self.files)
        if done.returncode:
            return _ended(attempt, NOT_WRITTEN, _last_line(done.stderr))
        file = done.stdout.strip().splitlines()[-1]
        argv = [sys.executable, "-m", "piyard", "model.add", file, "--name", folder.name]
        done = _run([*argv, "--format", "json", *_flags(attempt)], self.checkout)
        if done.returncode == 0:
            return _added(attempt, done.stdout)
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


def _added(attempt: Attempt, facts: str) -> Attempt:
    """Proved in each precision, or in some: what fp16 loses is no proof."""
    added = msgspec.json.decode(facts, type=Added)
    if set(added.proved_in) == added.proof_precisions:
        return _ended(attempt, PROVED, "")
    return _ended(attempt, f"{', '.join(added.proved_in) or 'none'} only", added.state[:300])


def _ended(attempt: Attempt, outcome: str, words: str) -> Attempt:
    return msgspec.structs.replace(attempt, outcome=outcome, words=words)


def read_outcomes(file: Path) -> list[Attempt]:
    """Those of earlier runs; of one that was repeated the last."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    done = [msgspec.json.decode(line, type=Attempt) for line in lines]
    return list({attempt.key: attempt for attempt in done}.values())


def rows_of(attempts: Sequence[Attempt]) -> tuple[list[str], list[list[str]]]:
    """A row a network, a column a format."""
    forms = list(dict.fromkeys(attempt.form for attempt in attempts))
    outcomes = {attempt.key: attempt.outcome for attempt in attempts}
    networks = list(dict.fromkeys(attempt.network for attempt in attempts))
    rows = [[name, *(outcomes.get((name, form), "") for form in forms)] for name in networks]
    return ["Network", *forms], rows


def counts_of(attempts: Sequence[Attempt]) -> tuple[list[str], list[list[str]]]:
    """A row a family, a column a format: how many were proved of those that could be written."""
    forms = list(dict.fromkeys(attempt.form for attempt in attempts))
    families = list(dict.fromkeys(attempt.family for attempt in attempts))
    rows = [
        [
            family,
            *(
                _count(a for a in attempts if (a.family, a.form) == (family, form))
                for form in forms
            ),
        ]
        for family in families
    ]
    return ["Family", *forms], rows


def _count(attempts: Iterable[Attempt]) -> str:
    written = [attempt for attempt in attempts if attempt.outcome != NOT_WRITTEN]
    proved = sum(attempt.outcome == PROVED for attempt in written)
    return f"{proved} of {len(written)}" if written else ""


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
    parser.add_argument("--only", default="", help="networks whose name begins so, as a,b")
    parser.add_argument("--jobs", type=int, default=2, help="at a time")
    parser.add_argument("--outcomes", type=Path, help="a JSONL file that each outcome is added to")
    parser.add_argument("--resume", action="store_true", help="skip what is in it")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")
    return parser.parse_args(argv)


def _split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def main() -> None:
    """Attempt all, and print the table."""
    options = arguments()
    attempts = list_attempts(_split(options.sizes), _split(options.formats), _split(options.only))
    past = read_outcomes(options.outcomes) if options.outcomes and options.resume else []
    reference = {attempt.key: attempt for attempt in past}
    left = [attempt for attempt in attempts if attempt.key not in reference]
    for done in attempt_all(left, options.python, options.jobs):
        reference[done.key] = done
        if options.outcomes:
            with options.outcomes.open("ab") as file:
                file.write(msgspec.json.encode(done) + b"\n")
    _print([reference[attempt.key] for attempt in attempts], options.format)


def attempt_all(attempts: Sequence[Attempt], python: str, jobs: int) -> Iterator[Attempt]:
    """Each as it ends, with a line of progress."""
    with tempfile.TemporaryDirectory(prefix="piyard-models-") as folder:
        checkout, files = Path(folder, "checkout"), Path(folder, "files")
        files.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        shop = Workshop(python=python, checkout=checkout, files=files)
        with ThreadPoolExecutor(jobs) as pool:
            ends = as_completed([pool.submit(shop.attempt, attempt) for attempt in attempts])
            for number, end in enumerate(ends, 1):
                done = end.result()
                line = f"{number}/{len(attempts)} {done.network} {done.form} {done.seconds:.0f} s"
                print(f"{line}: {done.outcome} {done.words}".rstrip(), file=sys.stderr)
                yield done


def _print(attempts: Sequence[Attempt], form: str) -> None:
    if form == "json":
        print(json.dumps([msgspec.to_builtins(attempt) for attempt in attempts], indent=1))
        return
    print(render_table(*rows_of(attempts), "plain"))
    for attempt in attempts:
        if attempt.words:
            print(f"{attempt.network} {attempt.form}: {attempt.words}")
    print(render_table(*counts_of(attempts), "plain"))
    print(summary(attempts))


if __name__ == "__main__":
    main()
