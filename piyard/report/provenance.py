"""Where a row comes from (model, build, board, options), and the board's state meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec

from piyard.results.result import Result, Row
from piyard.run.telemetry import Sample, forward_filled

MAX_TIMELINE_MOMENTS = 600
"""Moments kept of a run; where it has more, evenly spaced ones and each change of throttling."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Equally long series over ``t``; unknown values are None."""

    t: Sequence[float]
    """Seconds since the first moment."""
    celsius: Sequence[float | None]
    mhz: Sequence[float | None]
    """The real clock, as the firmware measures it."""
    kernel_mhz: Sequence[float | None]
    """What cpufreq believes."""
    throttled: Sequence[int | None]
    """The firmware's throttle word."""


def make_timeline(result: Result) -> Timeline | None:
    """The timeline of a result; None where there is no telemetry."""
    moments = thin_moments(forward_filled(result.telemetry))
    if not any(map(_has_values, moments)):
        return None
    start = moments[0].uptime_s
    return Timeline(
        t=[round(m.uptime_s - start, 2) for m in moments],
        celsius=[_scaled(m.temperature_mc, 1e3) for m in moments],
        mhz=[_scaled(m.arm_hz, 1e6) for m in moments],
        kernel_mhz=[_scaled(m.khz, 1e3) for m in moments],
        throttled=[throttle_word(m.throttled) for m in moments],
    )


def sample_ends(result: Result) -> list[float]:
    """When each sample ended, in seconds of the timeline.

    Where the log has no times, samples are laid end to end, the last one up to the last moment.
    """
    samples, moments = result.samples_ms, result.telemetry
    if has_sample_times(result):
        zero = moments[0].uptime_s if moments else result.starts_s[0]
        begun = [start - zero for start in result.starts_s]
        return [round(s + ms / 1000, 3) for s, ms in zip(begun, samples, strict=True)]
    passed = [ms / 1000 for ms in accumulate(samples)]
    shift = moments[-1].uptime_s - moments[0].uptime_s - passed[-1] if moments and passed else 0.0
    return [round(shift + seconds, 3) for seconds in passed]


def has_sample_times(result: Result) -> bool:
    """Whether every sample's begin was logged."""
    return len(result.starts_s) == len(result.samples_ms)


def thin_moments(moments: Sequence[Sample], most: int = MAX_TIMELINE_MOMENTS) -> Sequence[Sample]:
    """At most about ``most`` moments, none lost at which the throttle word changed."""
    every = -(-len(moments) // most) if moments else 1
    return [
        moment
        for at, moment in enumerate(moments)
        if at % every == 0 or (at and moment.throttled != moments[at - 1].throttled)
    ]


def throttle_word(text: str | None) -> int | None:
    """The throttle word as a number; None where it is missing or malformed."""
    try:
        return int(text, 16) if text else None
    except ValueError:
        return None


def _has_values(moment: Sample) -> bool:
    values = (moment.temperature_mc, moment.khz, moment.arm_hz)
    return any(value is not None for value in values) or bool(throttle_word(moment.throttled))


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else round(value / unit, 1)


ProvenanceLine = tuple[str, str]


class ProvenanceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Lines under a title."""

    title: str
    lines: Sequence[ProvenanceLine]


def provenance_groups(row: Row, result: Result | None) -> list[ProvenanceGroup]:
    """All that is known; without the result, what the row itself keeps."""
    if result is None:
        fields = {"run": row.run, "when": row.when, "model_key": row.model_key, "build": row.build}
        return [ProvenanceGroup(title="Run", lines=list(flatten_lines(fields)))]
    record = result.record
    sections: dict[str, Mapping[str, object]] = {
        "Run": _run_section(result),
        "Computed as": _computed_section(result),
        "Model": msgspec.to_builtins(record.model),
        "Build": msgspec.to_builtins(record.build),
        "Board": msgspec.to_builtins(record.before),
        "Board afterwards": _changed_facts(result),
    }
    groups = [
        ProvenanceGroup(title=title, lines=list(flatten_lines(of)))
        for title, of in sections.items()
    ]
    return [group for group in groups if group.lines]


COMPUTED_KEYS = (
    "precision",
    "threads",
    "powersave",
    "cpu",
    "options",
    "env",
    "nnrun",
    "ncnn",
    "input",
)
"""What nnrun says of itself in its first line."""


def flatten_lines(fields: Mapping[str, object], prefix: str = "") -> Iterator[ProvenanceLine]:
    """Leaves of nested mappings with their path as name; what is unknown is left out."""
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from flatten_lines(value, f"{path} · ")
        elif value is not None and value != "":
            yield path, _value_text(value)


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_value_text(item) for item in value)
    return str(value)


def _computed_section(result: Result) -> dict[str, object]:
    header: dict[str, object] = msgspec.to_builtins(result.header)
    return {name: value for name, value in header.items() if name in COMPUTED_KEYS}


def _run_section(result: Result) -> dict[str, object]:
    record = result.record
    what = msgspec.structs.replace(record.what, task="", slug="")
    return {
        "id": record.id,
        "when": record.when,
        "host": record.host,
        "target": record.target,
        "release": record.release,
        **msgspec.to_builtins(what),
        "samples": len(result.samples_ms),
        "stopped": result.stopped,
        "load_ms": result.load_ms,
        "first_ms": result.first_ms,
        "peak_rss_kb": result.peak_rss_kb,
        "output": msgspec.to_builtins(record.check),
    }


def _changed_facts(result: Result) -> dict[str, object]:
    """The board's facts after the run, as far as they are others than before."""
    record = result.record
    if record.after is None:
        return {}
    before, after = msgspec.to_builtins(record.before), msgspec.to_builtins(record.after)
    return {name: value for name, value in after.items() if value != before.get(name)}
