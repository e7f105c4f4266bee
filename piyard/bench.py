"""A job → a Result: how fast a model is on a board, and whether that may be believed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard import check, derive, energy_run, model, result, run, say, stimulus, work
from piyard.conversion import outputs
from piyard.conversion.convert import Conversion
from piyard.heads import classes
from piyard.history import shelf
from piyard.job import Job
from piyard.look import lossless
from piyard.preprocess.flags import nnrun_flags
from piyard.record import Record
from piyard.release import Release, release_of_paths
from piyard.result import Result
from piyard.seat import Seat
from piyard.work import Work

TASK = "bench"


def bench_one(seat: Seat) -> Result:
    """Deploy what the job needs, measure, compare the outputs with torch's, judge, and store.

    What is INVALID is measured again as often as the terms allow; every result is kept.
    """
    measured = _measure(seat)
    for _ in range(seat.terms.rerun_invalid):
        if measured.verdict.state != "INVALID":
            break
        say.note(f"{measured.record.id} is INVALID: {_reasons(measured)}; measuring again")
        measured = _measure(seat)
    if not seat.terms.energy or measured.record.emulated:
        return measured
    drawn = energy_run.of(seat, measured)
    return _kept(msgspec.structs.replace(measured, energy=drawn)) if drawn else measured


def conclude(done: Record, conversion: Conversion) -> Result:
    """Compare what a finished benchmark computed with torch, judge it, and store its result."""
    with run.rescued(done):
        run.store_record(msgspec.structs.replace(done, check=check.outputs(done, conversion)))
        measured = result.read(run.folder_of(done.id))
        return _kept(msgspec.structs.replace(measured, verdict=derive.verdict(measured)))


def work_of(job: Job, conversion: Conversion, picture: Path | None = None) -> Work:
    """What nnrun is to do for a benchmark, and with a picture end to end too."""
    inputs = _picture_release(picture) if picture else None
    picture_flags = _end_to_end(job, conversion, inputs) if inputs else []
    return Work(
        verb=TASK,
        arguments=[*_arguments(job, conversion), *picture_flags],
        what={"task": TASK} | ({"picture": str(picture)} if picture else {}),
        inputs=inputs,
        measured=True,
    )


def _picture_release(picture: Path) -> Release:
    sent = lossless.as_sent(picture)
    return release_of_paths({f"0000{lossless.sent_suffix(sent)}": sent}, label="1 inputs")


def _end_to_end(job: Job, conversion: Conversion, inputs: Release) -> list[str]:
    there = f"../../releases/{inputs.id}/{inputs.files[0].name}"
    rules = model.load(job.model)
    flags = ["--picture", there, *nnrun_flags(rules.preprocess, rules.input[1:])]
    if rules.task != "classify":
        return flags
    several = len(conversion.outputs) > 1
    output = conversion.outputs[outputs.of(conversion, rules)] if several else ""
    return [*flags, *classes.nnrun_flags(rules.activation, output)]


def _measure(seat: Seat) -> Result:
    command = work_of(seat.job, seat.conversion, seat.terms.picture)
    return conclude(work.run_one(seat, command), seat.conversion)


def _kept(measured: Result) -> Result:
    shelf.save(measured)
    return measured


def _reasons(measured: Result) -> str:
    invalid = [reason.text for reason in measured.verdict.reasons if reason.grade == "INVALID"]
    return "; ".join(invalid)


def _arguments(job: Job, conversion: Conversion) -> list[str]:
    shape = ",".join(str(side) for side in conversion.input_shape)
    span = ",".join(repr(end) for end in conversion.input_range)
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin", "--shape", shape),
        *(["--span", span] if conversion.input_range != stimulus.SPAN else []),
        *("--precision", job.precision, "--threads", str(job.threads)),
        *job.bench.arguments,
        *("--save-outputs", run.OUTPUTS),
    ]
