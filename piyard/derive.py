"""A Result → its Row: every figure that tables show, each from the module that knows its rule."""

from __future__ import annotations

import functools
from typing import Any

from piyard import cost, energy, floor, published, target
from piyard.errors import UnreadableLog
from piyard.evaluate import kept
from piyard.result import Result
from piyard.row import Check, Floor, Power, Row
from piyard.stats import summary
from piyard.target import Conditions, Target
from piyard.verdict import Verdict, judge

NOT_JUDGED = Verdict(state="SUSPECT")
"""What a Result has before it is judged: a judged one that is SUSPECT has a reason."""


def row(result: Result) -> Row:
    """The row of a result, from it, its target's YAML and the published times alone.

    Raises ``UnreadableLog`` for a result without samples.
    """
    if not result.samples_ms:
        raise UnreadableLog(f"{result.record.id} has no samples")
    if not result.latency_ms:
        raise UnreadableLog(f"{result.record.id} says that an inference takes no time")
    record, model, header = result.record, result.record.model, result.header
    samples = summary.of(result.samples_ms)
    judgement, network = verdict(result), _measured_net(model)
    return Row(
        run=record.id,
        when=record.when,
        host=record.host,
        target=record.target,
        hardware=record.hardware,
        emulated=record.emulated,
        model=model["name"],
        title=f"{model['title']} (first net)" if model.get("main") else model["title"],
        input=model["input"],
        params=network.get("params"),
        macs=network.get("macs"),
        random_seed=_random_seed(model),
        model_key=str(model.get("key", "")),
        build=str(record.build["key"]),
        precision=header["precision"]["requested"],
        data_type=result.data_type,
        threads=result.threads,
        summary=samples,
        end_to_end=summary.of(result.end_to_end_ms) if result.end_to_end_ms else None,
        cold_ms=cold_ms(result),
        peak_rss_kb=result.peak_rss_kb,
        accuracy=accuracy_of(result),
        check=check_of(result),
        power=power_of(result),
        cost=cost.of(record),
        floor=floor_of(result),
        published=published.find(result, judgement, samples.median),
        verdict=judgement,
    )


def verdict(result: Result) -> Verdict:
    """The one that was stored with the result, or today's for one that was never judged."""
    if result.verdict != NOT_JUDGED:
        return result.verdict
    target = _target(result)
    return judge(result, target.conditions if target else Conditions())


def cold_ms(result: Result) -> float | None:
    """Loading and the first inference after it; None where one of them was not measured."""
    if result.load_ms is None or result.first_ms is None:
        return None
    return result.load_ms + result.first_ms


def accuracy_of(result: Result) -> str | None:
    """What an evaluation of that conversion in that precision found, and on which data."""
    key = str(result.record.model.get("key", ""))
    return kept.accuracy(key, result.data_type) if key else None


def check_of(result: Result) -> Check | None:
    """The worst of all outputs."""
    check = result.record.check
    if check is None:
        return None
    cosines = [cosine for name, cosine in check.cosine.items() if name not in check.blind]
    return Check(
        ok=check.ok,
        cosine=min(cosines or check.cosine.values(), default=0.0),
        blind="" if cosines else next(iter(check.blind.values()), ""),
        empty="; ".join(dict.fromkeys(check.empty.values())) if check.is_empty else "",
    )


def power_of(result: Result) -> Power | None:
    """The energy of an inference; an emulated board has none, whatever its files say."""
    energy_run = result.energy
    inference = (
        energy.of_inference(energy_run) if energy_run and not result.record.emulated else None
    )
    if energy_run is None or inference is None:
        return None
    return Power(
        joules=inference.joules,
        above_idle_joules=inference.above_idle_joules,
        average_w=inference.average_w,
        idle_w=inference.idle_w,
        wall_w=inference.wall_w,
        wall_joules=inference.wall_joules,
        wall_source=energy.WALL_SOURCE if inference.wall_is_estimate else energy_run.name,
        source=energy_run.name,
    )


def floor_of(result: Result) -> Floor | None:
    """The hardware's least time; None for an emulated board or unknown peaks."""
    network, target = _measured_net(result.record.model), _target(result)
    macs, params = network.get("macs"), network.get("params")
    if result.record.emulated or not target or not target.peaks or not macs or params is None:
        return None
    return floor.of(
        target.peaks,
        macs=macs,
        params=params,
        precision=result.header["precision"],
        threads=min(result.threads, target.cores),
        khz=result.record.before.max_khz or target.conditions.clock_khz or 0,
    )


def _measured_net(model: dict[str, Any]) -> dict[str, Any]:
    """Whose parameters and work count: a benchmark runs the first one of several nets alone."""
    return model.get("main") or model


def _random_seed(model: dict[str, Any]) -> int | None:
    weights = model.get("weights") or {}
    return weights.get("seed") if weights.get("kind") == "random" else None


def _target(result: Result) -> Target | None:
    return _target_named(result.record.target)


@functools.cache
def _target_named(name: str) -> Target | None:
    """Read once, as an index of ten thousand results asks as often; None if its file is gone."""
    return target.load(name) if name in target.names() else None
