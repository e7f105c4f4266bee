"""The energy of a row: an idle baseline, then a run of its own whose times are not used.

Reading the PMIC's 24 values is work that disturbs a latency; so is asking a meter over the same
network. The board stays ours between the two runs.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from piyard import energy, log, run, say, telemetry, work
from piyard.energy import Energy, Power
from piyard.errors import WrongInput
from piyard.log import Log
from piyard.release import HOME
from piyard.result import Result
from piyard.seat import PMIC, Seat
from piyard.ssh import Session

IDLE_S = 10
BUSY_S = 20.0
METER_S = 0.5
"""Between two readings of a meter."""
METER_LIMIT_S = 10


def of(seat: Seat, timed: Result) -> Energy | None:
    """The energy of the job's inferences; None, with a note, where the board has no sensors."""
    counts = msgspec.structs.replace(seat.job.bench, **_long_enough(timed))
    longer = msgspec.structs.replace(seat, job=msgspec.structs.replace(seat.job, bench=counts))
    return _by_pmic(longer, timed) if seat.terms.energy == PMIC else _by_meter(longer)


def _long_enough(timed: Result) -> dict[str, int | bool]:
    """So many inferences that they take ``BUSY_S``."""
    return {"loops": max(1, round(BUSY_S * 1000 / timed.latency_ms)), "cold": False}


def _by_pmic(seat: Seat, timed: Result) -> Energy | None:
    line = seat.line
    nnrun = f"{HOME}/releases/{timed.record.release}/nnrun"
    with say.step(f"{line.name}: idle power"):
        idle = telemetry.idle_power(line.session, nnrun, seconds=IDLE_S)
    if not idle:
        say.note(f"{line.name} does not report its power: a Pi 5 does, to users in the group video")
        return None
    done = _run(seat, pmic=True)
    drawn = telemetry.read_power(run.folder_of(done[0]) / telemetry.FILE)
    return _energy("pmic", "", idle, drawn, done[1])


def _by_meter(seat: Seat) -> Energy:
    argv = shlex.split(seat.terms.energy)
    offset = _clock_ahead(seat.line.session)
    with say.step(f"{seat.line.name}: idle power"), _metered(argv, offset) as idle:
        threading.Event().wait(IDLE_S)
    with _metered(argv, offset) as drawn:
        done = _run(seat, pmic=False)
    if not idle or not drawn:
        raise WrongInput(f"the meter '{argv[0]}' printed no watts", remedy="try it by hand")
    return _energy("meter", seat.terms.energy, idle, drawn, done[1])


def _run(seat: Seat, *, pmic: bool) -> tuple[str, Log]:
    """The id and the log of the energy run."""
    from piyard import bench

    command = bench.work_of(seat.job, seat.conversion)
    task = {**command.what, "task": "energy"}
    done = work.run_one(seat, msgspec.structs.replace(command, what=task, pmic=pmic))
    return done.id, log.read(run.folder_of(done.id) / run.LOG)


def _energy(
    source: Literal["pmic", "meter"],
    meter: str,
    idle: list[Power],
    drawn: list[Power],
    measured: Log,
) -> Energy:
    """With the power while inferences were timed, of all that was drawn."""
    samples = measured.of("sample")
    begin, last = float(samples[0]["at"]), samples[-1]
    end = float(last["at"]) + float(last["ms"]) / 1000
    return Energy(
        source=source,
        meter=meter,
        idle=idle,
        busy=telemetry.between(drawn, begin, end),
        samples_ms=[float(line["ms"]) for line in samples],
    )


def _clock_ahead(session: Session) -> float:
    """Seconds that the board's uptime is ahead of this machine's monotonic clock."""
    uptime = session.run(["cat", "/proc/uptime"]).out.split()
    return float(uptime[0]) - time.monotonic()


@contextmanager
def _metered(argv: list[str], offset: float) -> Iterator[list[Power]]:
    """The meter's readings while the block runs, by the board's clock."""
    watts: list[Power] = []
    errors: list[Exception] = []
    over = threading.Event()

    def poll() -> None:
        while not over.wait(METER_S):
            try:
                drawn = _watts(argv)
            except WrongInput as error:
                errors.append(error)
                return
            watts.append(Power(uptime_s=time.monotonic() + offset, rails_w={"meter": drawn}))

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    try:
        yield watts
    finally:
        over.set()
        poller.join(METER_LIMIT_S + 1)
    if errors:
        raise errors[0]


def _watts(argv: list[str]) -> float:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=METER_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WrongInput(f"the meter '{argv[0]}' does not answer: {error}") from None
    return energy.meter_watts(done.stdout)
