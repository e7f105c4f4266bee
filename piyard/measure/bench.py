"""A job → a Result: how fast a model is on a board, and whether that may be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.board.release import Release, release_of_paths
from piyard.convert.conversions import Conversion, find_class_output
from piyard.convert.difference import OutputDifference, compare_outputs, max_distance
from piyard.core import console
from piyard.core.errors import UnreadableLog
from piyard.measure.energy import ENERGY_TASK, EnergyRunner, measure_energy
from piyard.models.synthetic import INPUT_RANGE
from piyard.results.derive import verdict_of
from piyard.results.result import Result, read_run_result
from piyard.results.result_files import save_result
from piyard.run import execute
from piyard.run.execute import NnrunCommand
from piyard.run.job import Job, JobContext
from piyard.run.lifecycle import suggest_attach
from piyard.run.log import read_precision_label
from piyard.run.record import OutputCheck, Record, TaskInfo
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder, save_record
from piyard.vision.flags import head_flags, preprocess_flags
from piyard.vision.head_schema import Dense, Semantic
from piyard.vision.pictures import as_jpeg_or_png, sent_suffix

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def check_outputs(record: Record, conversion: Conversion) -> OutputCheck:
    """Compare the outputs a benchmark saved with the conversion's reference."""
    folder = run_folder(record.id)
    precision = read_precision_label(folder / LOG_FILE)
    threshold = conversion.model.min_board_cosine(precision)
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
    drawn = measure_energy(_energy_runner(context), measured)
    return _save(msgspec.structs.replace(measured, energy=drawn)) if drawn else measured


def _energy_runner(context: JobContext) -> EnergyRunner:
    def run(loops: int, pmic: bool) -> Record:  # noqa: FBT001  # as EnergyRunner calls it
        length = msgspec.structs.replace(context.job.bench, loops=loops, cold=False)
        job = msgspec.structs.replace(context.job, bench=length)
        longer = msgspec.structs.replace(context, job=job)
        command = bench_command(job, context.conversion)
        what = msgspec.structs.replace(command.what, task=ENERGY_TASK)
        return execute.run_job(longer, msgspec.structs.replace(command, what=what, pmic=pmic))

    return EnergyRunner(connection=context.connection, source=context.options.energy, run=run)


def conclude_benchmark(done: Record, conversion: Conversion) -> Result:
    """Compare what a finished benchmark computed with torch, judge it, and store its result."""
    with suggest_attach(done):
        save_record(msgspec.structs.replace(done, check=check_outputs(done, conversion)))
        measured = read_run_result(run_folder(done.id))
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
