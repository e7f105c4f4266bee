"""The energy of what was timed: a run of its own, after an idle baseline.

Reading the PMIC's 24 values is work that disturbs a latency, and so is asking a meter over the same
network. The board stays ours between the two runs.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import HOME
from piyard.board.ssh.session import Session
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.results.result import Result
from piyard.run.job import PMIC
from piyard.run.log import Log, read_log
from piyard.run.record import Record
from piyard.run.run_folders import LOG_FILE, run_folder
from piyard.run.telemetry import (
    TELEMETRY_FILE,
    EnergyRun,
    PowerSample,
    idle_power,
    parse_meter_watts,
    read_power,
    samples_between,
)

ENERGY_TASK = "energy"
IDLE_POWER_S = 10
ENERGY_RUN_S = 20.0
METER_PERIOD_S = 0.5
"""Between two readings of a meter."""
METER_LIMIT_S = 10


class EnergyRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A measured job that can run again, for its energy."""

    connection: BoardConnection
    source: str
    """``pmic``, or a command that prints watts."""
    run: Callable[[int, bool], Record]
    """Runs so many samples; with True the power of the board's rails is sampled meanwhile."""


def measure_energy(runner: EnergyRunner, timed: Result) -> EnergyRun | None:
    """The energy of the job's samples; None, with a note, where the board has no sensors."""
    samples = max(1, round(ENERGY_RUN_S * 1000 / timed.latency_ms))
    if runner.source == PMIC:
        return _measure_by_pmic(runner, samples, timed)
    return _measure_by_meter(runner, samples)


def _measure_by_pmic(runner: EnergyRunner, samples: int, timed: Result) -> EnergyRun | None:
    connection = runner.connection
    nnrun = f"{HOME}/releases/{timed.record.release}/nnrun"
    with console.step(f"{connection.name}: idle power"):
        idle = idle_power(connection.session, nnrun, seconds=IDLE_POWER_S)
    if not idle:
        console.info(
            f"{connection.name} does not report its power: a Pi 5 does, to users in the group video"
        )
        return None
    folder = run_folder(runner.run(samples, True).id)
    drawn = read_power(folder / TELEMETRY_FILE)
    return _make_energy("pmic", "", idle, drawn, read_log(folder / LOG_FILE))


def _measure_by_meter(runner: EnergyRunner, samples: int) -> EnergyRun:
    connection, argv = runner.connection, shlex.split(runner.source)
    offset = _clock_offset(connection.session)
    with console.step(f"{connection.name}: idle power"), _poll_meter(argv, offset) as idle:
        threading.Event().wait(IDLE_POWER_S)
    with _poll_meter(argv, offset) as drawn:
        folder = run_folder(runner.run(samples, False).id)
    if not idle or not drawn:
        raise WrongInput(f"the meter '{argv[0]}' printed no watts", remedy="try it by hand")
    return _make_energy("meter", runner.source, idle, drawn, read_log(folder / LOG_FILE))


def _make_energy(
    source: Literal["pmic", "meter"],
    meter: str,
    idle: list[PowerSample],
    drawn: list[PowerSample],
    measured: Log,
) -> EnergyRun:
    """With the power while samples were timed, of all that was drawn."""
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
