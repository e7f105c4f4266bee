"""What judges variants for ``compress``: pictures, and times on boards or counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.board.fleet.inventory import is_emulated
from piyard.cli.board_requests import BenchRequest
from piyard.cli.compress_request import CompressRequest
from piyard.cli.job_plan import plan_work, run_jobs
from piyard.compress.counting import count_speeds
from piyard.compress.judging import Speed, board_precision
from piyard.compress.pictures import DataPlace, PicturesApart, read_apart
from piyard.core.target import Target
from piyard.measure.bench import run_benchmark
from piyard.models.definition import Model
from piyard.results.derive import make_row
from piyard.run.plan import prepare_jobs


def measure_speeds(
    request: CompressRequest, models: Sequence[Model], target: Target
) -> dict[str, Speed]:
    """On the boards that are named; counted where none is real; nothing where nothing counts."""
    if any(not is_emulated(host) for host in request.hosts):
        return bench_speeds(request, models, target)
    return count_speeds(models, target)  # an emulated board's own times are no board's


def bench_speeds(
    request: CompressRequest, models: Sequence[Model], target: Target
) -> dict[str, Speed]:
    """Medians of benchmarks on the board, each model in its own precision."""
    speeds: dict[str, Speed] = {}
    precisions = {model.name: board_precision(model, target.precisions) for model in models}
    for precision in dict.fromkeys(precisions.values()):
        some = [model for model in models if precisions[model.name] == precision]
        bench = BenchRequest(hosts=request.hosts, precisions=(precision,))
        with plan_work(bench, "compress", models=some) as plan:
            prepared = prepare_jobs(
                plan.jobs, random_weights=False, force=request.force, alone=True
            )
            outcomes = run_jobs(plan, prepared, run_benchmark)
        outcomes.require_all()
        for result in outcomes.results:
            row = make_row(result)
            speeds[row.model] = Speed(
                time_ms=row.summary.median, source="measured", memory_kb=row.peak_rss_kb
            )
    return speeds


def read_data(request: CompressRequest, model: Model, *, learns: bool) -> PicturesApart | None:
    """The pictures that the request names, if it names any."""
    place = data_place(request)
    return read_apart(place, model, learns=learns, seed=request.seed) if place else None


def data_place(request: CompressRequest) -> DataPlace | None:
    """Where the pictures are that the request names, if it names any."""
    if not request.data:
        return None
    return DataPlace(
        path=str(Path(request.data).expanduser().absolute()),
        format=request.data_format,
        split=request.split,
        limit=request.pictures,
    )


def print_data(data: PicturesApart | None) -> None:
    """Which pictures teach and which judge."""
    if data:
        print(f"learn from {data.learnt.title}")
        print(f"judge by {data.judged.title}")
