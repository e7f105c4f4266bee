"""Results as they are kept: small, of any board, build, day and conditions."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from piyard.board.facts import Facts
from piyard.build.builder import BuildManifest
from piyard.convert.conversions import ConversionManifest
from piyard.core.store import WeightsInfo
from piyard.results.result import Result, Verdict
from piyard.run.log import LogHeader
from piyard.run.record import BuildInfo, ModelInfo, OutputCheck, Record, TaskInfo
from piyard.run.run_folders import LOG_FILE, run_folder, save_record

FACTS = Facts(
    machine="aarch64",
    kernel="6.12.47+rpt-rpi-2712",
    model="Raspberry Pi 5 Model B Rev 1.0",
    serial="1000000000000001",
    page_size=16384,
    cores=4,
    memory_kb=8_256_000,
    governor="performance",
    high_khz=2_400_000,
    max_khz=2_400_000,
    firmware="2026/05/11 12:00:00",
    cmdline="console=tty1 root=PARTUUID=1-02 numa=fake=8",
)
VALID = Verdict(state="VALID")
Changed = TypeVar("Changed", bound=msgspec.Struct)
STORED = Path(__file__).parents[1] / "unit" / "results" / "stored" / "schema-2"
SHAPE = [3, 224, 224]


def around(median: float, count: int = 40, *, seed: int = 0, spread: float = 0.005) -> list[float]:
    """Samples about that median, the same for the same seed."""
    draw = random.Random(seed)
    return [median * (1 + draw.gauss(0, spread)) for _ in range(count)]


def _stored_manifest(shelf: str) -> dict[str, Any]:
    file = min((STORED / shelf).glob("*/manifest.json"))
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def manifest(**changes: Any) -> ConversionManifest:
    """A conversion's, some keys of it others."""
    return msgspec.convert(_stored_manifest("conversions") | changes, ConversionManifest)


def build_manifest(*, elf: Mapping[str, Any] = {}, **changes: Any) -> BuildManifest:
    """A build's, some keys of it others."""
    content = _stored_manifest("builds")
    content["elf"] |= elf
    return msgspec.convert(content | changes, BuildManifest)


PARTS: Mapping[str, Any] = {
    "what": TaskInfo,
    "model": ModelInfo,
    "build": BuildInfo,
    "header": LogHeader,
}


def changed(base: Changed, changes: Mapping[str, Any]) -> Changed:
    """A record or a result with these fields; parts may be given as their JSON has them."""
    dicts = {name: changes[name] for name in PARTS if isinstance(changes.get(name), dict)}
    typed = {name: msgspec.convert(value, PARTS[name]) for name, value in dicts.items()}
    return msgspec.structs.replace(base, **{**changes, **typed})


def keys_of(part: msgspec.Struct) -> dict[str, Any]:
    """A part of a record as its JSON has it."""
    keys: dict[str, Any] = msgspec.to_builtins(part)
    return keys


def record(
    run_id: str,
    *,
    day: str = "2026-11-20",
    model: str = "resnet18",
    model_key: str = "m1",
    build: str = "b1",
    facts: Facts = FACTS,
    **changes: Any,
) -> Record:
    base = Record(
        id=run_id,
        when=f"{day}T12:00:00+00:00",
        what=TaskInfo(task="bench", slug=f"{model}-fp16-t4"),
        host="pi5",
        target="rpi5",
        hardware="Raspberry Pi 5",
        emulated=False,
        model=ModelInfo(
            name=model,
            key=model_key,
            title=model,
            input=SHAPE,
            params=11_689_512,
            macs=1_814_073_344,
            weights=WeightsInfo(kind="file"),
        ),
        build=BuildInfo(key=build),
        release="r",
        before=facts,
        exit_code=0,
        check=OutputCheck(
            ok=True, threshold=0.999, cosine={"out0": 0.99998}, max_abs={"out0": 0.01}
        ),
    )
    return changed(base, changes)


def header(
    *, threads: int = 4, requested: str = "fp16", data_type: str = "", **changes: Any
) -> dict[str, Any]:
    """nnrun's first line."""
    computed = data_type or requested
    return {
        "type": "header",
        "schema": 1,
        "threads": threads,
        "powersave": 0,
        "precision": {
            "requested": requested,
            "storage": computed,
            "arithmetic": computed,
            "label": computed,
        },
        "options": {"winograd": "auto", "use_winograd63_convolution": True},
        "env": {"OMP_WAIT_POLICY": "passive"},
        "input": {"blob": "in0", "shape": SHAPE, "source": "splitmix64", "seed": 1},
    } | changes


def result(
    run_id: str = "20261120T120000-a",
    samples: Sequence[float] | float = 20.0,
    *,
    verdict: Verdict = VALID,
    head: dict[str, Any] | None = None,
    **changes: Any,
) -> Result:
    """One result; ``changes`` are those of its record."""
    return Result(
        record=record(run_id, **changes),
        samples_ms=around(samples) if isinstance(samples, float) else list(samples),
        header=msgspec.convert(head or header(), LogHeader),
        verdict=verdict,
    )


def emulated(run_id: str, samples: Sequence[float] | float = 2000.0, **changes: Any) -> Result:
    """One from an emulated board."""
    where: dict[str, Any] = {
        "host": "emulated:rpi5",
        "hardware": "Raspberry Pi 5 (emulated)",
        "emulated": True,
        "facts": Facts(machine="aarch64"),
    }
    return result(run_id, samples, verdict=Verdict(state="EMULATED"), **where | changes)


def old_run(of: Record, samples: Sequence[float], *, head: dict[str, Any] | None = None) -> Path:
    """A run's folder as piyard left it before results had files of their own."""
    output: list[dict[str, Any]] = [head or header(), {"type": "load", "ms": 12.5}]
    output += [{"type": "sample", "i": i, "ms": ms} for i, ms in enumerate(samples)]
    output.append({"type": "summary", "samples": len(samples), "peak_rss_kb": 40_000})
    save_record(of)
    folder = run_folder(of.id)
    (folder / LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in output))
    return folder
