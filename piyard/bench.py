"""A job → a Result: how fast a model is on a board, and whether it computes the right thing."""

from __future__ import annotations

import msgspec

from piyard import check, result, run, work
from piyard.board import Line
from piyard.convert import Conversion
from piyard.job import Job
from piyard.result import Result
from piyard.run import Record
from piyard.work import Ready, Terms, Work

TASK = "bench"


def bench_one(line: Line, job: Job, ready: Ready, terms: Terms) -> Result:
    """Deploy what the job needs, measure, fetch, and compare the outputs with torch's."""
    conversion = ready.of(job)[1]
    todo = Work(verb=TASK, arguments=_arguments(job, conversion), what={"task": TASK})
    return conclude(work.run_one(line, job, ready, terms, todo), conversion)


def conclude(done: Record, conversion: Conversion) -> Result:
    """Compare what a finished benchmark computed with torch, and read it."""
    run.store_record(msgspec.structs.replace(done, check=check.outputs(done, conversion)))
    return result.read(run.folder_of(done.id))


def _arguments(job: Job, conversion: Conversion) -> list[str]:
    shape = ",".join(str(side) for side in conversion.input_shape)
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin", "--shape", shape),
        *("--precision", job.precision, "--threads", str(job.threads)),
        *job.bench.arguments,
        *("--save-outputs", run.OUTPUTS),
    ]
