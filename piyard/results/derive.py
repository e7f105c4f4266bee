"""A Result → its Row: every figure that tables show, the cost of its energy included."""

from __future__ import annotations

import functools
import math
import os

import msgspec

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.target import Conditions, Target, load_target, target_names
from piyard.results import reference_times, summary
from piyard.results.accuracies import find_accuracy
from piyard.results.judge import judge_result
from piyard.results.reference_times import find_reference
from piyard.results.result import (
    Cost,
    EnergyUse,
    OutputMatch,
    Result,
    Roofline,
    Row,
    TokenSpeed,
    Verdict,
)
from piyard.run.record import Record
from piyard.run.telemetry import WALL_SOURCE, inference_energy

JOULES_A_KWH = 3.6e6
MILLION = 1e6
KWH_PRICE_VARIABLE = "PIYARD_KWH_PRICE"
"""The environment's price of a kilowatt-hour, in dollars; without it energy has no cost."""


def board_cost(record: Record) -> Cost | None:
    """What the run's board cost; None where the inventory says nothing."""
    paid = record.paid
    return Cost(board=paid.price, board_date=paid.date) if paid else None


def cost_per_million(joules: float, price_kwh: float) -> float:
    """The price of the energy of a million inferences; ``joules`` is what one of them takes."""
    return joules * MILLION / JOULES_A_KWH * price_kwh


def with_energy_cost(row: Row, price_kwh: float | None) -> Row:
    """The row with the cost of its energy, paid at the wall where that much is known.

    A price is not part of a measurement, so stored rows have none: the cost is added when shown.
    """
    power = row.power
    if price_kwh is None or power is None:
        return row
    joules = power.joules if power.wall_joules is None else power.wall_joules
    paid = row.cost or Cost(board=None)
    cost = msgspec.structs.replace(paid, per_million=cost_per_million(joules, price_kwh))
    return msgspec.structs.replace(row, cost=cost)


def parse_kwh_price(text: str = "") -> float | None:
    """The price a user gave, or the environment's; None where there is none.

    Raises ``WrongInput`` for anything else.
    """
    value = text or os.environ.get(KWH_PRICE_VARIABLE, "")
    if not value:
        return None
    try:
        price = float(value)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise WrongInput(
            f"'{value}' is not a price per kWh",
            remedy=f"give dollars, such as 0.30, here or in {KWH_PRICE_VARIABLE}",
        )
    return price


NOT_JUDGED = Verdict(state="SUSPECT")
"""What a Result has before it is judged: a judged one that is SUSPECT has a reason."""


def make_row(result: Result) -> Row:
    """The row of a result, from it, its target's YAML and the published times alone.

    Raises ``UnreadableLog`` for a result without samples.
    """
    _require_times(result)
    record, model, header = result.record, result.record.model, result.header
    samples = summary.summarize(result.samples_ms)
    judgement, network = verdict_of(result), model.measured
    return Row(
        run=record.id,
        when=record.when,
        host=record.host,
        target=record.target,
        hardware=record.hardware,
        emulated=record.emulated,
        model=model.name,
        title=f"{model.title} (first net)" if model.main else model.title,
        input=model.input,
        params=network.params,
        macs=network.macs,
        random_seed=model.random_seed,
        model_key=model.key,
        build=record.build.key,
        precision=header.precision.requested,
        data_type=result.data_type,
        threads=result.threads,
        summary=samples,
        tokens=token_speed_of(result, samples.median),
        end_to_end=summary.summarize(result.end_to_end_ms) if result.end_to_end_ms else None,
        cold_ms=cold_start_ms(result),
        peak_rss_kb=result.peak_rss_kb,
        accuracy=accuracy_of(result),
        check=output_match_of(result),
        power=energy_use_of(result),
        cost=board_cost(record),
        floor=roofline_of(result),
        published=find_reference(result, judgement, samples.median),
        verdict=judgement,
    )


def _require_times(result: Result) -> None:
    if not result.samples_ms:
        raise UnreadableLog(f"{result.record.id} has no samples")
    if not result.latency_ms:
        raise UnreadableLog(f"{result.record.id} says that an inference takes no time")


def verdict_of(result: Result) -> Verdict:
    """The one that was stored with the result, or today's for one that was never judged."""
    if result.verdict != NOT_JUDGED:
        return result.verdict
    target = _target_of(result)
    return judge_result(result, target.conditions if target else Conditions())


def cold_start_ms(result: Result) -> float | None:
    """Loading and the first inference after it; None where one of them was not measured."""
    if result.load_ms is None or result.first_ms is None:
        return None
    return result.load_ms + result.first_ms


def accuracy_of(result: Result) -> str | None:
    """What an evaluation of that conversion in that precision found, and on which data."""
    key = result.record.model.key
    return find_accuracy(key, result.data_type) if key else None


def output_match_of(result: Result) -> OutputMatch | None:
    """The worst of all outputs."""
    check = result.record.check
    if check is None:
        return None
    cosines = [cosine for name, cosine in check.cosine.items() if name not in check.blind]
    return OutputMatch(
        ok=check.ok,
        cosine=min(cosines or check.cosine.values(), default=0.0),
        blind="" if cosines else next(iter(check.blind.values()), ""),
        empty="; ".join(dict.fromkeys(check.empty.values())) if check.is_empty else "",
    )


def energy_use_of(result: Result) -> EnergyUse | None:
    """The energy of an inference; an emulated board has none, whatever its files say."""
    energy_run = result.energy
    inference = inference_energy(energy_run) if energy_run and not result.record.emulated else None
    if energy_run is None or inference is None:
        return None
    return EnergyUse(
        joules=inference.joules,
        above_idle_joules=inference.above_idle_joules,
        average_w=inference.average_w,
        idle_w=inference.idle_w,
        wall_w=inference.wall_w,
        wall_joules=inference.wall_joules,
        wall_source=WALL_SOURCE if inference.wall_is_estimate else energy_run.name,
        source=energy_run.name,
    )


def roofline_of(result: Result) -> Roofline | None:
    """The hardware's least time; None for an emulated board or unknown peaks."""
    network, target = result.record.model.measured, _target_of(result)
    macs, params = network.macs, network.params
    if result.record.emulated or not target or not target.peaks or not macs or params is None:
        return None
    return reference_times.roofline(
        target.peaks,
        macs=macs,
        params=params,
        precision=result.header.precision,
        threads=min(result.threads, target.cores),
        khz=result.record.before.max_khz or target.conditions.clock_khz or 0,
    )


def token_speed_of(result: Result, median_ms: float) -> TokenSpeed | None:
    """Of a language model; an answer's tokens have the memory's limit beside them."""
    work = result.record.what.work
    if work is None:
        return None
    bytes_per_token = None if work.reads_prompts else result.weight_bytes
    return TokenSpeed(
        work=work,
        per_s=1000 * work.tokens / median_ms,
        ceiling_per_s=_memory_limit(result, bytes_per_token) if bytes_per_token else None,
        bytes_per_token=bytes_per_token,
    )


def _memory_limit(result: Result, bytes_per_token: int) -> float | None:
    """Tokens a second, by the target's measured bandwidth; what all caches hold is not read."""
    target = _target_of(result)
    peaks = target.peaks if target else None
    bandwidth = reference_times.read_bandwidth(peaks, result.threads) if peaks else None
    if not peaks or not bandwidth:
        return None
    read = bytes_per_token - peaks.cache_kb * 1024
    return bandwidth * 1e9 / read if read > 0 else None


def _target_of(result: Result) -> Target | None:
    return _target_named(result.record.target)


@functools.cache
def _target_named(name: str) -> Target | None:
    """Read once, as an index of ten thousand results asks as often; None if its file is gone."""
    return load_target(name) if name in target_names() else None
