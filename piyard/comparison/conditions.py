"""The conditions of a measurement: what must be the same before two times may be compared.

Each condition has a name (for ``--across``) and is made of facets, each with its value in a
result; None is not known, and never a difference. The supply, the cooler, the temperature and
the work of others are not conditions: a run that they spoiled is INVALID.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from piyard.errors import WrongInput, nearest
from piyard.result import Result

Facets = Mapping[str, object]

CMDLINE = frozenset(
    [
        "numa",
        "numa_policy",
        "isolcpus",
        "nohz",
        "nohz_full",
        "rcu_nocbs",
        "maxcpus",
        "nr_cpus",
        "mitigations",
        "transparent_hugepage",
        "cpuidle.off",
    ]
)
"""Words of the kernel's command line that a time depends on; others name disks and consoles."""
OF_THE_CPU = "use_a53_a55_optimized_kernel"
OF_THE_JOB = frozenset({OF_THE_CPU, "num_threads"})


def _hardware(result: Result) -> Facets:
    before = result.record.before
    memory = before.memory_kb and f"{2 ** math.ceil(math.log2(before.memory_kb / 2**20))} GB"
    return {"hardware": result.record.hardware, "board": before.model, "memory": memory}


def _host(result: Result) -> Facets:
    return {"host": result.record.host, "serial": result.record.before.serial}


def _cpu(result: Result) -> Facets:
    cpu = result.header.get("cpu") or {}
    features = cpu.get("features")
    return {
        "CPU features": None if features is None else " ".join(sorted(features)),
        "cores": cpu.get("count"),
        OF_THE_CPU: _options(result).get(OF_THE_CPU),
    }


def _data_type(result: Result) -> Facets:
    precision = result.header["precision"]
    return {
        "data type": precision["label"],
        "storage": precision.get("storage"),
        "arithmetic": precision.get("arithmetic"),
        "int8 layers": precision.get("quantized_layers"),
    }


def _input(result: Result) -> Facets:
    net_input = result.header.get("input") or {}
    shape = net_input.get("shape") or result.record.model.get("input")
    return {
        "input": shape and "x".join(map(str, shape)),
        "input's source": net_input.get("source"),
        "input's seed": net_input.get("seed"),
        "input's span": net_input.get("span"),
    }


def _model_key(result: Result) -> Facets:
    weights = result.record.model.get("weights") or {}
    key = str(result.record.model.get("key", "")) or None
    return {"conversion": key, "weights": weights.get("kind")}


def _governor(result: Result) -> Facets:
    record = result.record
    return {"governor": record.governor.during if record.governor else record.before.governor}


def _clock(result: Result) -> Facets:
    khz = result.record.before.high_khz or result.record.before.max_khz
    return {"highest clock": khz and f"{khz / 1000:.0f} MHz"}


def _firmware(result: Result) -> Facets:
    before = result.record.before
    return {"firmware": before.firmware, "GPU firmware": before.gpu_firmware}


def _cmdline(result: Result) -> Facets:
    """NUMA emulation, among others: on a Pi 5 it is worth several percent."""
    cmdline = result.record.before.cmdline
    words = [] if cmdline is None else cmdline.split()
    kept = " ".join(sorted(word for word in words if word.partition("=")[0] in CMDLINE))
    return {"kernel's command line": None if cmdline is None else kept or "nothing of note"}


def _nnrun_options(result: Result) -> Facets:
    env = result.header.get("env") or {}
    options = {name: value for name, value in _options(result).items() if name not in OF_THE_JOB}
    return options | {f"environment {name}": value for name, value in env.items()}


def _options(result: Result) -> Mapping[str, Any]:
    return result.header.get("options") or {}


CONDITIONS: Mapping[str, Callable[[Result], Facets]] = {
    "emulation": lambda r: {"emulated": "emulated" if r.record.emulated else "real"},
    "host": _host,
    "hardware": _hardware,
    "cpu": _cpu,
    "model": lambda r: {"model": r.record.model["name"]},
    "model-key": _model_key,
    "input": _input,
    "precision": lambda r: {"precision asked for": r.header["precision"]["requested"]},
    "data-type": _data_type,
    "threads": lambda r: {"threads": r.header["threads"]},
    "powersave": lambda r: {"powersave": r.header.get("powersave")},
    "options": _nnrun_options,
    "build": lambda r: {"build": r.record.build["key"]},
    "governor": _governor,
    "clock": _clock,
    "kernel": lambda r: {"kernel": r.record.before.kernel},
    "page-size": lambda r: {"page size": r.record.before.page_size},
    "cmdline": _cmdline,
    "firmware": _firmware,
}
BRINGS = {
    "host": ("hardware",),
    "hardware": ("cpu", "page-size", "kernel", "cmdline", "firmware", "clock"),
    "model": ("model-key", "input"),
    "precision": ("data-type",),
    "data-type": ("options",),
}
"""What necessarily differs along with a condition: another kind of board comes with its kernel,
another network with its input."""
NEVER = "emulation"
"""The one condition that must never differ."""


def across(text: str) -> frozenset[str]:
    """The conditions that ``--across`` names; raises ``WrongInput`` for one there is not."""
    names = [word.strip().lower().replace("_", "-") for word in text.split(",") if word.strip()]
    free = [name for name in CONDITIONS if name != NEVER]
    for name in names:
        if name == NEVER:
            raise WrongInput("an emulator's time is never compared with a board's")
        if name not in free:
            raise WrongInput(
                f"unknown condition '{name}'{nearest(name, free)}",
                remedy=f"--across takes {', '.join(free)}; several joined by commas",
            )
    return frozenset(names)


def brought(names: Collection[str], differing: Collection[str]) -> frozenset[str]:
    """Of all that differs, what may where these conditions may: themselves and what they bring.

    A chain ends where something is equal: another board of the same kind brings no other kernel.
    """
    implied, new = set[str](), set(names) & set(differing)
    while new:
        implied |= new
        new = {other for name in new for other in BRINGS.get(name, ())} & set(differing) - implied
    return frozenset(implied)


def roots(differing: Collection[str]) -> frozenset[str]:
    """Those of the conditions that none of the others implies."""
    return frozenset(
        name
        for name in differing
        if not any(name in brought([other], differing) - {other} for other in differing)
    )
