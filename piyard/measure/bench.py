"""A job → a Result: how fast a model is on a board, whether that may be believed, and its energy.

The energy run is a run of its own, after an idle baseline: reading the PMIC's 24 values is work
that disturbs a latency, and so is asking a meter over the same network. The board stays ours
between the two runs.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.board.release import HOME, Release, release_of_paths
from piyard.board.ssh.session import Session
from piyard.convert.conversions import Conversion, find_class_output
from piyard.convert.difference import OutputDifference, compare_outputs, max_distance
from piyard.core import console
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.models.synthetic import INPUT_RANGE
from piyard.results.derive import verdict_of
from piyard.results.result import Result, read_run_result
from piyard.results.result_files import save_result
from piyard.run import execute, log, record
from piyard.run.execute import NnrunCommand
from piyard.run.job import PMIC, Job, JobContext
from piyard.run.lifecycle import suggest_attach
from piyard.run.log import Log, read_precision_label
from piyard.run.record import (
    LOG_FILE,
    OUTPUTS_FOLDER,
    OutputCheck,
    Record,
    TaskInfo,
    run_folder,
    save_record,
)
from piyard.run.telemetry import (
    TELEMETRY_FILE,
    EnergyRun,
    PowerSample,
    idle_power,
    parse_meter_watts,
    read_power,
    samples_between,
)
from piyard.vision.pictures import as_jpeg_or_png, sent_suffix
from piyard.vision.preprocess import preprocess_flags
from piyard.vision.schema import Dense, Semantic, head_flags

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def check_outputs(record: Record, conversion: Conversion) -> OutputCheck:
    """Compare the outputs a benchmark saved with the conversion's reference."""
    folder = run_folder(record.id)
    precision = read_precision_label(folder / LOG_FILE)
    threshold = conversion.model.proof.min_cosine(precision)
    differences = {
        blob: compare_outputs(reference, _read_output(folder, blob, reference.size))
        for blob, reference in ((name, conversion.reference(name)) for name in conversion.outputs)
    }
    return OutputCheck(
        ok=bool(differences)
        and all(_is_within_threshold(d, threshold) for d in differences.values()),
        threshold=threshold,
        cosine={name: d.cosine for name, d in differences.items()},
        max_abs={name: d.max_abs if d.finite else None for name, d in differences.items()},
        blind={name: d.blind for name, d in differences.items() if d.blind},
        empty=conversion.empty,
    )


def _is_within_threshold(difference: OutputDifference, threshold: float) -> bool:
    """By the cosine, or where that is 1 whatever is computed, by the difference itself."""
    if not difference.finite or not difference.blind:
        return difference.cosine >= threshold
    return difference.relative <= max_distance(threshold)


def _read_output(folder: Path, blob: str, size: int) -> Floats:
    """A blob nnrun saved: little-endian float32 values, ``size`` of them, or one too many."""
    import numpy as np

    path = folder / OUTPUTS_FOLDER / f"{blob}.f32"
    if not path.is_file():
        raise UnreadableLog(f"{path} is missing: nnrun did not save that output")
    return np.fromfile(path, dtype="<f4", count=min(size + 1, path.stat().st_size // 4))


BENCH_TASK = "bench"


def run_benchmark(context: JobContext) -> Result:
    """Deploy what the job needs, measure, compare the outputs with torch's, judge, and store.

    What is INVALID is measured again as often as the options allow; every result is kept.
    """
    measured = _measure_once(context)
    for _ in range(context.options.rerun_invalid):
        if measured.verdict.state != "INVALID":
            break
        console.info(
            f"{measured.record.id} is INVALID: {_invalid_reasons(measured)}; measuring again"
        )
        measured = _measure_once(context)
    if not context.options.energy or measured.record.emulated:
        return measured
    drawn = measure_energy(context, measured)
    return _save(msgspec.structs.replace(measured, energy=drawn)) if drawn else measured


def conclude_benchmark(done: Record, conversion: Conversion) -> Result:
    """Compare what a finished benchmark computed with torch, judge it, and store its result."""
    with suggest_attach(done):
        save_record(msgspec.structs.replace(done, check=check_outputs(done, conversion)))
        measured = read_run_result(record.run_folder(done.id))
        return _save(msgspec.structs.replace(measured, verdict=verdict_of(measured)))


def bench_command(job: Job, conversion: Conversion, picture: Path | None = None) -> NnrunCommand:
    """What nnrun is to do for a benchmark, and with a picture end to end too."""
    inputs = _picture_release(picture) if picture else None
    picture_flags = _picture_arguments(conversion, inputs) if inputs else []
    return NnrunCommand(
        verb=BENCH_TASK,
        arguments=[*_bench_arguments(job, conversion), *picture_flags],
        what=TaskInfo(task=BENCH_TASK, picture=str(picture) if picture else None),
        inputs=inputs,
        measured=True,
    )


def _picture_release(picture: Path) -> Release:
    sent = as_jpeg_or_png(picture)
    return release_of_paths({f"0000{sent_suffix(sent)}": sent}, label="1 inputs")


def _picture_arguments(conversion: Conversion, inputs: Release) -> list[str]:
    there = f"../../releases/{inputs.id}/{inputs.files[0].name}"
    model = conversion.model
    flags = ["--picture", there, *preprocess_flags(model.preprocess, model.input[1:])]
    several = model.spec.has_class_output and len(conversion.outputs) > 1
    output = conversion.outputs[find_class_output(conversion, model)] if several else ""
    if isinstance(model.head, Dense | Semantic):
        flags += head_flags(model.head)
    return [*flags, *model.spec.picture_flags(model.activation, output)]


def _measure_once(context: JobContext) -> Result:
    command = bench_command(context.job, context.conversion, context.options.picture)
    return conclude_benchmark(execute.run_job(context, command), context.conversion)


def _save(measured: Result) -> Result:
    save_result(measured)
    return measured


def _invalid_reasons(measured: Result) -> str:
    invalid = [reason.text for reason in measured.verdict.reasons if reason.grade == "INVALID"]
    return "; ".join(invalid)


def _bench_arguments(job: Job, conversion: Conversion) -> list[str]:
    shapes = [",".join(map(str, shape)) for shape in conversion.input_shapes]
    span = ",".join(repr(end) for end in conversion.input_range)
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin"),
        *(word for shape in shapes for word in ("--shape", shape)),
        *(["--span", span] if conversion.input_range != INPUT_RANGE else []),
        *("--precision", job.precision, "--threads", str(job.threads)),
        *job.bench.arguments,
        *("--save-outputs", OUTPUTS_FOLDER),
    ]


IDLE_POWER_S = 10
ENERGY_RUN_S = 20.0
METER_PERIOD_S = 0.5
"""Between two readings of a meter."""
METER_LIMIT_S = 10


def measure_energy(context: JobContext, timed: Result) -> EnergyRun | None:
    """The energy of the job's inferences; None, with a note, where the board has no sensors."""
    counts = msgspec.structs.replace(context.job.bench, **_energy_run_length(timed))
    longer = msgspec.structs.replace(
        context, job=msgspec.structs.replace(context.job, bench=counts)
    )
    return (
        _measure_by_pmic(longer, timed)
        if context.options.energy == PMIC
        else _measure_by_meter(longer)
    )


def _energy_run_length(timed: Result) -> dict[str, int | bool]:
    """So many inferences that they take ``ENERGY_RUN_S``."""
    return {"loops": max(1, round(ENERGY_RUN_S * 1000 / timed.latency_ms)), "cold": False}


def _measure_by_pmic(context: JobContext, timed: Result) -> EnergyRun | None:
    connection = context.connection
    nnrun = f"{HOME}/releases/{timed.record.release}/nnrun"
    with console.step(f"{connection.name}: idle power"):
        idle = idle_power(connection.session, nnrun, seconds=IDLE_POWER_S)
    if not idle:
        console.info(
            f"{connection.name} does not report its power: a Pi 5 does, to users in the group video"
        )
        return None
    done = _run_energy_job(context, pmic=True)
    drawn = read_power(record.run_folder(done[0]) / TELEMETRY_FILE)
    return _make_energy("pmic", "", idle, drawn, done[1])


def _measure_by_meter(context: JobContext) -> EnergyRun:
    argv = shlex.split(context.options.energy)
    offset = _clock_offset(context.connection.session)
    with console.step(f"{context.connection.name}: idle power"), _poll_meter(argv, offset) as idle:
        threading.Event().wait(IDLE_POWER_S)
    with _poll_meter(argv, offset) as drawn:
        done = _run_energy_job(context, pmic=False)
    if not idle or not drawn:
        raise WrongInput(f"the meter '{argv[0]}' printed no watts", remedy="try it by hand")
    return _make_energy("meter", context.options.energy, idle, drawn, done[1])


def _run_energy_job(context: JobContext, *, pmic: bool) -> tuple[str, Log]:
    """The id and the log of the energy run."""
    command = bench_command(context.job, context.conversion)
    task = msgspec.structs.replace(command.what, task="energy")
    done = execute.run_job(context, msgspec.structs.replace(command, what=task, pmic=pmic))
    return done.id, log.read_log(record.run_folder(done.id) / LOG_FILE)


def _make_energy(
    source: Literal["pmic", "meter"],
    meter: str,
    idle: list[PowerSample],
    drawn: list[PowerSample],
    measured: Log,
) -> EnergyRun:
    """With the power while inferences were timed, of all that was drawn."""
    samples = measured.samples
    begin, last = samples[0].at or 0.0, samples[-1]
    end = (last.at or 0.0) + last.ms / 1000
    return EnergyRun(
        source=source,
        meter=meter,
        idle=idle,
        busy=samples_between(drawn, begin, end),
        samples_ms=[line.ms for line in samples],
    )


def _clock_offset(session: Session) -> float:
    """Seconds that the board's uptime is ahead of this machine's monotonic clock."""
    uptime = session.run(["cat", "/proc/uptime"]).out.split()
    return float(uptime[0]) - time.monotonic()


@contextmanager
def _poll_meter(argv: list[str], offset: float) -> Iterator[list[PowerSample]]:
    """The meter's readings while the block runs, by the board's clock."""
    watts: list[PowerSample] = []
    errors: list[Exception] = []
    over = threading.Event()

    def poll() -> None:
        while not over.wait(METER_PERIOD_S):
            try:
                drawn = _read_meter(argv)
            except WrongInput as error:
                errors.append(error)
                return
            watts.append(PowerSample(uptime_s=time.monotonic() + offset, rails_w={"meter": drawn}))

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    try:
        yield watts
    finally:
        over.set()
        poller.join(METER_LIMIT_S + 1)
    if errors:
        raise errors[0]


def _read_meter(argv: list[str]) -> float:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=METER_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WrongInput(f"the meter '{argv[0]}' does not answer: {error}") from None
    return parse_meter_watts(done.stdout)
