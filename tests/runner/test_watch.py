"""nnrun watch: what it tells of this machine and of a firmware, and when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from piyard.run.telemetry import Sample
from tests.runner.outcome import Outcome, Run, assert_refused

QUICK = ["--interval", "0.5"]
FIELDS = [field.name for field in msgspec.structs.fields(Sample)]
VCGENCMD = r"""#!/bin/sh
case "$*" in
'measure_clock arm') echo 'frequency(0)=2400033792' ;;
get_throttled) echo 'throttled=0x50005' ;;
pmic_read_adc)
    echo '     3V3_SYS_A current(1)=0.50000000A'
    echo '   VDD_CORE_A current(7)=10.00000000A'
    echo '     3V3_SYS_V volt(9)=3.30000000V'
    echo '   VDD_CORE_V volt(15)=0.90000000V'
    echo '      EXT5V_V volt(24)=5.10000000V'
    echo '       BATT_V volt(25)=0.00000000V' ;;
esac
echo "$*" >> "${0%/*}/asked"
"""


def moments(outcome: Outcome) -> list[Sample]:
    assert outcome.code == 0, outcome
    return [msgspec.json.decode(line, type=Sample) for line in outcome.stdout.splitlines()]


@contextmanager
def sleeper(*line: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(line or ["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


def start_ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return int(after_name.split()[19])


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def firmware(tmp_path):
    """Puts a vcgencmd first on PATH; gives the environment that has it."""

    def install(script: str = VCGENCMD) -> dict[str, str]:
        folder = tmp_path / "firmware"
        folder.mkdir()
        (folder / "vcgencmd").write_text(script)
        (folder / "vcgencmd").chmod(0o755)
        return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}

    return install


@pytest.fixture
def watching(nnrun_path):
    """Starts one that watches a process that lives until the test is over."""
    started: list[subprocess.Popen[str]] = []

    @contextmanager
    def watch(*flags: str, stdout: int = subprocess.PIPE, env: dict[str, str] | None = None):
        with sleeper() as process:
            line = [nnrun_path, "watch", "--pid", str(process.pid), *QUICK, *flags]
            run = subprocess.Popen(line, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env)
            started.append(run)
            yield run

    yield watch
    for run in started:
        run.kill()
        run.communicate()


class TestWhatItTells:
    def test_a_line_is_a_moment(self, nnrun: Run):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        outcome = nnrun("watch", "--seconds", "1", *QUICK)
        after = time.clock_gettime(time.CLOCK_BOOTTIME)
        result = moments(outcome)
        assert all(list(line) == FIELDS for line in outcome.lines)
        assert before - 0.001 <= result[0].uptime_s <= result[-1].uptime_s <= after + 0.001

    def test_load_and_memory_are_the_kernels(self, nnrun: Run):
        (outcome, *_) = moments(nnrun("watch", "--seconds", "0.5"))
        meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        kb = {name: int(value.split()[0]) for name, value in meminfo.items()}
        assert outcome.swap_kb == kb["SwapTotal"] - kb["SwapFree"]
        assert outcome.available_kb is not None
        assert 0 < outcome.available_kb < kb["MemTotal"]
        assert outcome.load is not None
        assert outcome.load >= 0

    def test_work_is_counted_for_all_and_for_the_process(self, nnrun: Run):
        idle = moments(nnrun("watch", "--seconds", "0.5", *QUICK))
        assert all(each.own_ticks is None for each in idle)
        work = "import time\nwhile time.process_time() < 2: pass"
        with sleeper(sys.executable, "-c", work) as process:
            outcome = moments(nnrun("watch", "--pid", process.pid, *QUICK))
        own = [each.own_ticks or 0 for each in outcome]
        every = [each.busy_ticks or 0 for each in outcome]
        assert own == sorted(own)
        assert 0 < own[-1] <= 2.5 * os.sysconf("SC_CLK_TCK")
        # Two counters, each rounded to a tick.
        assert every[-1] - every[0] >= own[-1] - own[0] - 2

    def test_moments_keep_their_distance_and_do_not_drift(self, nnrun: Run):
        outcome = [moment.uptime_s for moment in moments(nnrun("watch", "--seconds", "3", *QUICK))]
        assert 2 <= len(outcome) <= 7
        for i, each in enumerate(outcome):
            assert each - outcome[0] >= 0.5 * i - 0.002
        assert all(later > item for item, later in pairwise(outcome))

    @pytest.mark.parametrize("name", ["temperature_mc", "khz", "arm_hz", "throttled"])
    def test_what_is_missing_is_null(self, nnrun: Run, name):
        there = {
            "temperature_mc": "/sys/class/thermal/thermal_zone0/temp",
            "khz": "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq",
        }.get(name, "/usr/bin/vcgencmd")
        if Path(there).exists():
            pytest.skip(f"{there} is here")
        assert all(line[name] is None for line in nnrun("watch", "--seconds", "0.5").lines)


class TestFirmware:
    def test_clock_and_throttling(self, nnrun: Run, firmware):
        (first, *_) = moments(nnrun("watch", "--seconds", "0.5", env=firmware()))
        assert (first.arm_hz, first.throttled) == (2400033792, "0x50005")

    def test_the_firmware_is_asked_by_turns(self, nnrun: Run, firmware):
        outcome = moments(nnrun("watch", "--seconds", "4", *QUICK, env=firmware()))
        assert len(outcome) >= 4
        for i, each in enumerate(outcome):
            assert (each.arm_hz is not None) == (i == 0 or i % 3 == 2)
            assert (each.throttled is not None) == (i % 3 == 0)

    def test_the_pmic_is_asked_in_every_moment(self, nnrun: Run, firmware):
        outcome = nnrun("watch", "--seconds", "2", *QUICK, "--pmic", env=firmware())
        assert len(outcome.lines) >= 3
        assert all(line["rails_w"] for line in outcome.lines)

    def test_the_pmic_alone_is_asked_for_power(self, nnrun: Run, firmware, tmp_path):
        outcome = nnrun("watch", "--seconds", "0.5", *QUICK, "--pmic", env=firmware())
        for line in outcome.lines:
            assert list(line) == [*FIELDS, "rails_w"]
            assert line["rails_w"] == pytest.approx({"3V3_SYS": 1.65, "VDD_CORE": 9.0})
            assert line["throttled"] is line["arm_hz"] is None
        assert set((tmp_path / "firmware/asked").read_text().split()) == {"pmic_read_adc"}

    def test_no_pmic_is_null(self, nnrun: Run):
        lines = nnrun("watch", "--seconds", "0.5", "--pmic", env={"PATH": "/none"}).lines
        assert [line["rails_w"] for line in lines] == [None]

    @pytest.mark.parametrize(
        "script",
        [
            "echo nonsense",
            "exit 3",
            "echo throttled=0x5; kill -9 $$",
            "printf throttled=0x5",
            "yes throttled=0x0",
            "echo throttled=0x0 >&2",
            "cat > /dev/null; echo",
        ],
    )
    def test_nonsense_is_null(self, nnrun: Run, firmware, script):
        outcome = nnrun("watch", "--seconds", "0.5", env=firmware(f"#!/bin/sh\n{script}\n"))
        assert outcome.stderr == ""
        result = moments(outcome)[0]
        expected = "0x5" if "kill" in script else None
        assert (result.throttled, result.arm_hz) == (expected, None)

    def test_one_that_is_no_program_is_null(self, nnrun: Run, firmware):
        outcome = moments(nnrun("watch", "--seconds", "0.5", env=firmware("\0\1\2")))
        assert outcome[0].throttled is None

    def test_one_that_hangs_is_killed_with_all_it_started(self, nnrun: Run, firmware, tmp_path):
        hang = '#!/bin/sh\nsleep 600 &\necho "$$ $!" >> "${0%/*}/started"\nwait\n'
        outcome = moments(nnrun("watch", "--seconds", "0.5", env=firmware(hang)))
        assert outcome[0].throttled is None
        assert outcome[0].load is not None
        pids = (tmp_path / "firmware/started").read_text().split()
        assert len(pids) == 4
        until(lambda: not any(is_running(int(pid)) for pid in pids), "a hung vcgencmd lives on")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def is_running(pid: int) -> bool:
    return state_of(pid) not in {"Z", "X"}


class TestEnding:
    def test_it_ends_with_the_process_though_nobody_has_buried_it(self, watching, nnrun_path):
        with sleeper() as process:
            line = [nnrun_path, "watch", "--pid", str(process.pid), *QUICK]
            with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as run:
                assert run.stdout is not None
                assert run.stdout.readline().startswith('{"uptime_s":')
                os.kill(process.pid, signal.SIGKILL)  # a zombie, until the block ends
                assert run.wait(60) == 0
                assert run.stdout.read().endswith(("\n", ""))

    def test_a_process_that_is_gone_has_no_moment(self, nnrun: Run):
        gone = subprocess.Popen(["true"])
        gone.wait()
        outcome = nnrun("watch", "--pid", gone.pid)
        assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")

    def test_another_one_with_its_number_has_no_moment(self, nnrun: Run):
        with sleeper() as process:
            other = start_ticks(process.pid) + 1
            outcome = nnrun("watch", "--pid", process.pid, "--start", other)
        assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")

    def test_the_right_one_has(self, nnrun: Run):
        with sleeper("sleep", "0.7") as process:
            started = start_ticks(process.pid)
            outcome = nnrun("watch", "--pid", process.pid, "--start", started, *QUICK)
        assert len(moments(outcome)) >= 1

    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_ends_it_after_a_whole_line(self, watching, stop):
        with watching() as run:
            first = run.stdout.readline()
            run.send_signal(stop)
            rest = run.stdout.read()
            assert run.wait(60) == 128 + stop
        assert first.endswith("}\n")
        assert rest == "" or rest.endswith("}\n")

    def test_a_signal_ends_a_vcgencmd_too(self, watching, firmware, tmp_path):
        hang = '#!/bin/sh\necho $$ > "${0%/*}/started"\nexec sleep 600\n'
        started = tmp_path / "firmware/started"
        with watching(env=firmware(hang)) as run:
            until(lambda: started.exists() and started.read_text() != "", "no vcgencmd")
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 128 + signal.SIGTERM
            until(lambda: not is_running(int(started.read_text())), "the vcgencmd lives on")

    def test_a_signal_ends_it_though_its_reader_has_stopped_reading(self, watching, nnrun_path):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x" * 4096):
                pass
        os.set_blocking(writer, True)
        with watching(stdout=writer) as run:
            until(lambda: state_of(run.pid) == "S", "it does not wait for its reader")
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 128 + signal.SIGTERM
        os.close(reader)
        os.close(writer)

    def test_a_reader_that_goes_away_is_exit_5(self, watching):
        with watching() as run:
            assert run.stdout.readline()
            run.stdout.close()
            assert run.wait(60) == 5
            assert run.stderr.read().count("\n") == 1

    def test_a_full_disk_is_exit_5(self, nnrun_path):
        with Path("/dev/full").open("wb") as full:
            line = [nnrun_path, "watch", "--seconds", "1"]
            done = subprocess.run(line, stdout=full, capture_output=False, check=False, stderr=-1)
        assert_refused(Outcome(done.returncode, "", done.stderr.decode()), 5, "No space left")

    def test_it_leaves_the_cores_to_others(self, watching):
        with watching() as run:
            assert run.stdout.readline()
            fields = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()
            assert int(fields[16]) == 19
            assert os.sched_getscheduler(run.pid) == os.SCHED_BATCH
