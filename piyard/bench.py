"""Deploy and measure the planned jobs, board by board; a job that fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from piyard import check, deploy, facts, result, run, say
from piyard.board import Board, open_board
from piyard.build import Build
from piyard.convert import Conversion
from piyard.deploy import Deployed
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.result import Result
from piyard.ssh import Session

EMULATED_LIMIT_S, LIMIT_S = 3600, 900


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What the desktop has made for the jobs: a build a target, a conversion a model."""

    builds: Mapping[str, Build]
    conversions: Mapping[str, Conversion]

    def of(self, job: Job) -> tuple[Build, Conversion]:
        """What that job needs on its board."""
        return self.builds[job.target], self.conversions[job.model]


def by_board(jobs: Sequence[Job]) -> Iterator[tuple[str, str, list[Job]]]:
    """Host, target and jobs of each board."""
    for (host, target), of_board in groupby(jobs, key=lambda job: (job.host, job.target)):
        yield host, target, list(of_board)


def deploy_all(jobs: Sequence[Job], ready: Ready) -> Outcomes[Deployed]:
    """Put what the jobs need on their boards."""
    outcomes: Outcomes[Deployed] = Outcomes(len(jobs))
    for host, target, of_board in by_board(jobs):
        with outcomes.keeping(), open_board(host, target) as (_, session, _told):
            for pair in {ready.of(job)[1].key: ready.of(job) for job in of_board}.values():
                outcomes.results.append(put_release(session, *pair))
    return outcomes


def bench(jobs: Sequence[Job], ready: Ready, *, limit_s: int = 0) -> Outcomes[Result]:
    """Run the jobs; ``limit_s`` bounds each of them on its board."""
    outcomes: Outcomes[Result] = Outcomes(len(jobs))
    for host, target, of_board in by_board(jobs):
        with outcomes.keeping(), open_board(host, target) as (board, session, _):
            for job in of_board:
                with outcomes.keeping():
                    outcomes.results.append(bench_one(board, session, job, ready, limit_s))
    return outcomes


def bench_one(board: Board, session: Session, job: Job, ready: Ready, limit_s: int = 0) -> Result:
    """Deploy what the job needs, measure, fetch, and compare the outputs with torch's."""
    build, conversion = ready.of(job)
    put_release(session, build, conversion)
    record = run.new_record(
        board, facts.read(session), build, conversion, slug=job.slug, what=_what(job)
    )
    limit = limit_s or limit_of(board)
    done = run.execute(session, record, "bench", _arguments(job, conversion), limit_s=limit)
    run.store_record(msgspec.structs.replace(done, check=check.outputs(done, conversion)))
    return result.read(run.folder_of(record.id))


def limit_of(board: Board) -> int:
    """Seconds a job may take on that board when the user does not say."""
    return EMULATED_LIMIT_S if board.emulated else LIMIT_S


def put_release(session: Session, build: Build, conversion: Conversion) -> Deployed:
    """Deploy and say what travelled."""
    done = deploy.deploy(session, run.release_for(build, conversion))
    sent = f"{done.sent / 1e6:.1f} MB sent" if done.sent else "nothing to send"
    say.note(
        f"✓ {session.name}: {conversion.name} deployed, {sent}, {done.saved / 1e6:.1f} MB there"
    )
    return done


def _what(job: Job) -> dict[str, object]:
    return {"task": "bench", "slug": job.slug, "job": msgspec.to_builtins(job)}


def _arguments(job: Job, conversion: Conversion) -> list[str]:
    shape = ",".join(str(side) for side in conversion.input_shape)
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin", "--shape", shape),
        *("--precision", job.precision, "--threads", str(job.threads)),
        *job.bench.arguments,
        *("--save-outputs", run.OUTPUTS),
    ]
