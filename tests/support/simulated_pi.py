"""A simulated Pi 5: an emulated board that passes for a real one, and feels what a test says.

Its /sys is a folder of the test's, some files of /proc are too, and ``vcgencmd`` and ``sudo`` are
small scripts, so facts, telemetry, governor and energy come by the real ways through SSH. Its
``nnrun bench`` is a stand-in, ``nnrun watch`` the real one.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from piyard.board.emulator import LOOPBACK, USER
from piyard.board.fleet.inventory import BoardEntry
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from tests.support.simulated import container, firmware, kernel, stand_in
from tests.support.simulated.firmware import SINCE, TOLD

PRICE, PRICE_DATE = 80.0, dt.date(2026, 11, 20)
WATCHFUL_S = 0.1
"""Between two looks whether a run began."""

Action = Callable[["SimulatedPi", float], object]
"""What happens while a run samples; called often, with the seconds since it began."""


class SimulatedPi:
    """A running board; what it tells can be changed at any time."""

    def __init__(self, folder: Path, board: Container, port: int, conversion: Conversion) -> None:
        self.port = port
        self._folder, self._board, self._conversion = folder, board, conversion
        self._sys, self._proc = folder / "sys", folder / "proc"
        self._told = self._sys / TOLD
        self._busy = 0.0

    @property
    def address(self) -> str:
        """What a user types."""
        return f"{USER}@{LOOPBACK}:{self.port}"

    @property
    def entry(self) -> BoardEntry:
        """What an inventory says of it."""
        return BoardEntry(
            host=LOOPBACK,
            user=USER,
            port=self.port,
            key=str(container.login_key(self._folder)),
            sudo=True,
            price=PRICE,
            price_date=PRICE_DATE,
        )

    @property
    def governor(self) -> str:
        """The one there is."""
        return (self._sys / kernel.POLICY / "scaling_governor").read_text().strip()

    def set_governor(self, name: str) -> None:
        self._rewrite(f"{kernel.POLICY}/scaling_governor", f"{name}\n")

    @property
    def samples_now(self) -> bool:
        """Whether a run is at its samples."""
        return (self._told / SINCE).exists()

    def calm(self) -> None:
        """As a board is that nothing is wrong with."""
        self.temperature(45)
        self.throttled(0)
        self.clock(2400)
        self.limit(2400)
        self.supply(5000)
        self.set_governor("performance")
        self.sudo(allowed=False)
        self.dumb(on=False)
        self.swap(0)
        self.power({}, {})
        self.samples(stand_in.clean())
        self.outputs(right=True)
        self._can("vcgencmd", on=True)
        (self._told / SINCE).unlink(missing_ok=True)

    def temperature(self, celsius: float) -> None:
        self._rewrite(kernel.TEMPERATURE, f"{celsius * 1000:.0f}\n")

    def throttled(self, word: int) -> None:
        self._rewrite(f"{TOLD}/throttled", f"{word:#x}\n")

    def clock(self, mhz: float) -> None:
        """The real one, which the firmware measures; the kernel believes in its own."""
        self.idle_clock(mhz)
        self._rewrite(f"{TOLD}/busy.hz", f"{mhz * 1e6:.0f}\n")

    def idle_clock(self, mhz: float) -> None:
        """The real one while no run samples."""
        self._rewrite(f"{TOLD}/idle.hz", f"{mhz * 1e6:.0f}\n")

    def limit(self, mhz: int) -> None:
        """The highest clock that the governor may choose, and does."""
        for name in ("scaling_max_freq", "scaling_cur_freq"):
            self._rewrite(f"{kernel.POLICY}/{name}", f"{mhz * 1000}\n")

    def supply(self, milliamperes: int) -> None:
        (self._sys / kernel.SUPPLY).write_bytes(milliamperes.to_bytes(4, "big"))

    def sudo(self, *, allowed: bool) -> None:
        self._flag("sudo", on=allowed)

    def dumb(self, *, on: bool) -> None:
        """Whether vcgencmd is refused, as it is to users outside the group video."""
        self._flag("dumb", on=on)

    def swap(self, used_kb: int) -> None:
        self._rewrite_proc("meminfo", kernel.meminfo(used_kb))
        self._rewrite_proc("swaps", kernel.swaps(used_kb))

    def others_work(self, cores: float, seconds: float) -> None:
        """So many cores worked for others for so long."""
        self._busy += kernel.TICKS * cores * seconds
        self._rewrite_proc("stat", kernel.stat(self._busy))

    def power(self, idle: Mapping[str, float], busy: Mapping[str, float]) -> None:
        """Amperes of the rails without and with a run."""
        self._rewrite(f"{TOLD}/idle.pmic", firmware.pmic(idle))
        self._rewrite(f"{TOLD}/busy.pmic", firmware.pmic(busy))

    def tells_no_power(self) -> None:
        """As a Pi 4, whose PMIC has no such sensors."""
        self._rewrite(f"{TOLD}/idle.pmic", firmware.UNKNOWN)
        self._rewrite(f"{TOLD}/busy.pmic", firmware.UNKNOWN)

    def samples(self, ms: Sequence[float]) -> None:
        """What the next runs measure, in milliseconds."""
        self._rewrite(f"{TOLD}/samples", "".join(f"{each:.6f}\n" for each in ms))

    def outputs(self, *, right: bool) -> None:
        """Whether what the next runs compute is what torch computes."""
        for name in self._conversion.outputs:
            values = self._conversion.reference(name)
            raw = (values if right else values[::-1]).tobytes()
            (self._told / "outputs" / f"{name}.f32").write_bytes(raw)

    def lacks_vcgencmd(self) -> None:
        """As other systems than Raspberry Pi's do."""
        self._can("vcgencmd", on=False)

    @contextmanager
    def during(self, action: Action) -> Iterator[None]:
        """While the block runs, do that again and again whenever a run samples."""
        over = threading.Event()
        doer = threading.Thread(target=self._do, args=(action, over), daemon=True)
        doer.start()
        try:
            yield
        finally:
            over.set()
            doer.join()

    @contextmanager
    def desktop(self) -> Iterator[None]:
        """While the block runs, a graphical session does too, as far as processes show it."""
        self.root("cp", "/usr/bin/sleep", "/tmp/labwc")
        self._board.exec_run(["/tmp/labwc", "600"], detach=True)
        try:
            yield
        finally:
            self.root("pkill", "labwc")

    def root(self, *argv: str) -> str:
        """What a command says that root runs on the board, without SSH."""
        done: Any = self._board.exec_run(list(argv))
        assert done.exit_code == 0, done.output
        return str(done.output, errors="replace")

    def _do(self, action: Action, over: threading.Event) -> None:
        began = self._told / SINCE
        while not over.wait(WATCHFUL_S):
            with suppress(FileNotFoundError):
                action(self, time.time() - began.stat().st_mtime)

    def _flag(self, name: str, *, on: bool) -> None:
        file = self._told / name
        file.touch() if on else file.unlink(missing_ok=True)

    def _can(self, program: str, *, on: bool) -> None:
        (self._folder / "bin" / program).chmod(0o755 if on else 0o644)

    def _rewrite(self, name: str, text: str) -> None:
        _rewrite(self._sys / name, text)

    def _rewrite_proc(self, name: str, text: str) -> None:
        _rewrite(self._proc / name, text)


@contextmanager
def running(folder: Path, real: Build, conversion: Conversion) -> Iterator[SimulatedPi]:
    """A calm board below ``folder``, gone at the end; its stand-in computes that conversion."""
    container.furnish(folder, real, conversion)
    with container.running(folder) as (board, port):
        pi = SimulatedPi(folder, board, port, conversion)
        pi.calm()
        yield pi


def _rewrite(file: Path, text: str) -> None:
    """In place: who watches a file keeps it open, and one of /proc is mounted by itself."""
    with file.open("r+") as handle:
        handle.write(text)
        handle.truncate()
