"""The conditions of a measurement: what must be the same before two times may be compared.

Each condition has a name (for ``--across``) and is made of facets, each with what a result says
of it; None is not known, and never counts as a difference. The supply, the cooler, the temperature
and the work of others are not conditions: a run that they spoiled is INVALID.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from piyard.core.errors import WrongInput, did_you_mean
from piyard.core.parsing import Setting
from piyard.results.result import Result
from piyard.run.log import CpuInfo, InputInfo

Facets = Mapping[str, object]

CMDLINE_WORDS = frozenset(
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
CPU_OPTION = "use_a53_a55_optimized_kernel"
JOB_OPTIONS = frozenset({CPU_OPTION, "num_threads"})


def _hardware(result: Result) -> Facets:
    before = result.record.before
    memory = before.memory_kb and f"{2 ** math.ceil(math.log2(before.memory_kb / 2**20))} GB"
    return {"hardware": result.record.hardware, "board": before.model, "memory": memory}


def _host(result: Result) -> Facets:
    return {"host": result.record.host, "serial": result.record.before.serial}


def _cpu(result: Result) -> Facets:
    cpu = result.header.cpu or CpuInfo()
    features = cpu.features
    return {
        "CPU features": None if features is None else " ".join(sorted(features)),
        "cores": cpu.count,
        CPU_OPTION: _options(result).get(CPU_OPTION),
    }


def _data_type(result: Result) -> Facets:
    precision = result.header.precision
    return {
        "data type": precision.label,
        "storage": precision.storage or None,
        "arithmetic": precision.arithmetic or None,
        "int8 layers": precision.quantized_layers,
    }


def _input(result: Result) -> Facets:
    net_input = result.header.input or InputInfo()
    shape = net_input.shape or result.record.model.input
    return {
        "input": shape and "x".join(map(str, shape)),
        "input's source": net_input.source,
        "input's seed": net_input.seed,
        "input's span": net_input.span,
    }


def _model_key(result: Result) -> Facets:
    model = result.record.model
    return {"conversion": model.key or None, "weights": model.weights and model.weights.kind}


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
    kept = " ".join(sorted(word for word in words if word.partition("=")[0] in CMDLINE_WORDS))
    return {"kernel's command line": None if cmdline is None else kept or "nothing of note"}


def _nnrun_options(result: Result) -> Facets:
    env = result.header.env or {}
    options: dict[str, object] = {
        name: value for name, value in _options(result).items() if name not in JOB_OPTIONS
    }
    return options | {f"environment {name}": value for name, value in env.items()}


def _options(result: Result) -> Mapping[str, Setting]:
    return result.header.options or {}


CONDITIONS: Mapping[str, Callable[[Result], Facets]] = {
    "emulation": lambda r: {"emulated": "emulated" if r.record.emulated else "real"},
    "host": _host,
    "hardware": _hardware,
    "cpu": _cpu,
    "model": lambda r: {"model": r.record.model.name},
    "test": lambda r: {"test": r.record.what.work and r.record.what.work.test},
    "engine": lambda r: {"engine": r.record.what.work and r.record.what.work.engine},
    "model-key": _model_key,
    "input": _input,
    "precision": lambda r: {"precision asked for": r.header.precision.requested},
    "data-type": _data_type,
    "threads": lambda r: {"threads": r.header.threads},
    "powersave": lambda r: {"powersave": r.header.powersave},
    "options": _nnrun_options,
    "build": lambda r: {"build": r.record.build.key},
    "governor": _governor,
    "clock": _clock,
    "kernel": lambda r: {"kernel": r.record.before.kernel},
    "page-size": lambda r: {"page size": r.record.before.page_size},
    "cmdline": _cmdline,
    "firmware": _firmware,
}
IMPLIED_CONDITIONS = {
    "host": ("hardware",),
    "hardware": ("cpu", "page-size", "kernel", "cmdline", "firmware", "clock"),
    "model": ("model-key", "input"),
    "engine": ("build", "model", "precision"),
    "precision": ("data-type",),
    "data-type": ("options",),
}
"""What necessarily differs along with a condition: another kind of board comes with its kernel,
another network with its input."""
EMULATION = "emulation"
"""The one condition that must never differ."""


def parse_across(text: str) -> frozenset[str]:
    """The conditions that ``--across`` names; raises ``WrongInput`` for one there is not."""
    names = [word.strip().lower().replace("_", "-") for word in text.split(",") if word.strip()]
    free = [name for name in CONDITIONS if name != EMULATION]
    for name in names:
        if name == EMULATION:
            raise WrongInput("an emulator's time is never compared with a board's")
        if name not in free:
            raise WrongInput(
                f"unknown condition '{name}'{did_you_mean(name, free)}",
                remedy=f"--across takes {', '.join(free)}; several joined by commas",
            )
    return frozenset(names)


def implied_by(names: Collection[str], differing: Collection[str]) -> frozenset[str]:
    """Of all that differs, what may where these conditions may: themselves and what they bring.

    A chain ends where something is equal: another board of the same kind brings no other kernel.
    """
    implied, new = set[str](), set(names) & set(differing)
    while new:
        implied |= new
        new = {other for name in new for other in IMPLIED_CONDITIONS.get(name, ())} & set(
            differing
        ) - implied
    return frozenset(implied)


def root_conditions(differing: Collection[str]) -> frozenset[str]:
    """Those of the conditions that none of the others implies."""
    return frozenset(
        name
        for name in differing
        if not any(name in implied_by([other], differing) - {other} for other in differing)
    )


class ConditionDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A facet of a condition that is not the same on both sides."""

    condition: str
    facet: str
    a: str
    b: str

    @property
    def text(self) -> str:
        """For people: ``kernel 6.12.47 and 6.12.50``."""
        return f"{self.facet} {self.a} and {self.b}"


def find_differences(a: Result, b: Result) -> list[ConditionDifference]:
    """All differences in what both hold."""
    return [difference for name in CONDITIONS for difference in _compare_condition(name, a, b)]


def missing_facets(a: Result, b: Result) -> list[str]:
    """Facets that only one of the two has: old results hold less of their board."""
    pairs = [(facets(a), facets(b)) for facets in CONDITIONS.values()]
    return [facet for x, y in pairs for facet in x if (x[facet] is None) != (y.get(facet) is None)]


def differing_conditions(differences: Iterable[ConditionDifference]) -> frozenset[str]:
    """The conditions that differ."""
    return frozenset(difference.condition for difference in differences)


def compared_conditions(
    named: Collection[str], of_all: Iterable[Sequence[ConditionDifference]]
) -> frozenset[str]:
    """The conditions that are compared, which may differ with all that they imply.

    Where none is named, one may differ, the same one in all pairs: it is then what is compared.
    """
    if named:
        return frozenset(named)
    only = frozenset[str]().union(
        *(root_conditions(differing_conditions(differences)) for differences in of_all)
    )
    return only if len(only) == 1 else frozenset()


def forbidden_differences(
    differences: Sequence[ConditionDifference], compared: Collection[str]
) -> list[ConditionDifference]:
    """The differences that forbid a comparison."""
    may_differ = implied_by(compared, differing_conditions(differences)) - {EMULATION}
    return [difference for difference in differences if difference.condition not in may_differ]


def _compare_condition(name: str, a: Result, b: Result) -> Iterator[ConditionDifference]:
    of_a, of_b = CONDITIONS[name](a), CONDITIONS[name](b)
    if name == "host" and _same_board(of_a, of_b):
        return
    for facet, x in of_a.items():
        y = of_b.get(facet)
        if x != y and x is not None and y is not None:
            yield ConditionDifference(condition=name, facet=facet, a=str(x), b=str(y))


def _same_board(a: Facets, b: Facets) -> bool:
    """A board that was given another name keeps its serial number."""
    return a["serial"] is not None and a["serial"] == b["serial"]
