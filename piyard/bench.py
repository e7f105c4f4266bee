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
    found = _measure(seat)
    for _ in range(seat.terms.rerun_invalid):
        if found.verdict.state != "INVALID":
            break
        say.note(f"{found.record.id} is INVALID: {_reasons(found)}; measuring again")
        found = _measure(seat)
    if not seat.terms.energy or found.record.emulated:
        return found
    drawn = energy_run.of(seat, found)
    return _kept(msgspec.structs.replace(found, energy=drawn)) if drawn else found


def conclude(done: Record, conversion: Conversion) -> Result:
    """Compare what a finished benchmark computed with torch, judge it, and store its result."""
    with run.rescued(done):
        run.store_record(msgspec.structs.replace(done, check=check.outputs(done, conversion)))
        found = result.read(run.folder_of(done.id))
        return _kept(msgspec.structs.replace(found, verdict=derive.verdict(found)))


def work_of(job: Job, conversion: Conversion, picture: Path | None = None) -> Work:
    """What nnrun is to do for a benchmark, and with a picture end to end too."""
    inputs = _picture_release(picture) if picture else None
    shown = _end_to_end(job, conversion, inputs) if inputs else []
    return Work(
        verb=TASK,
        arguments=[*_arguments(job, conversion), *shown],
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
    todo = work_of(seat.job, seat.conversion, seat.terms.picture)
    return conclude(work.run_one(seat, todo), seat.conversion)


def _kept(found: Result) -> Result:
    shelf.save(found)
    return found


def _reasons(found: Result) -> str:
    invalid = [one.text for one in found.verdict.reasons if one.grade == "INVALID"]
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
