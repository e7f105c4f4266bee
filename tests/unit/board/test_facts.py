"""What a board says of itself, read from a tree of files as a Pi 5 has them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.facts import Facts, parse_facts
from piyard.board.ssh.commands import script_text

TREE = "sys/firmware/devicetree/base"
POLICY = "sys/devices/system/cpu/cpufreq/policy0"
OTHER_SENSOR = "sys/class/hwmon/hwmon0/name"
PI5: dict[str, str | bytes] = {
    f"{TREE}/model": b"Raspberry Pi 5 Model B Rev 1.0\0",
    f"{TREE}/serial-number": b"1234567890abcdef\0",
    f"{TREE}/compatible": b"raspberrypi,5-model-b\0brcm,bcm2712\0",
    f"{TREE}/chosen/power/max_current": b"\x00\x00\x13\x88",
    f"{POLICY}/scaling_governor": "ondemand\n",
    f"{POLICY}/scaling_min_freq": "1500000\n",
    f"{POLICY}/scaling_max_freq": "2400000\n",
    f"{POLICY}/cpuinfo_min_freq": "1000000\n",
    f"{POLICY}/cpuinfo_max_freq": "2600000\n",
    "sys/class/thermal/thermal_zone0/temp": "48850\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device0/cur_state": "2\n",
    OTHER_SENSOR: "cpu_thermal\n",
    "sys/class/hwmon/hwmon2/name": "pwmfan\n",
    "sys/class/hwmon/hwmon2/fan1_input": "3300\n",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimdhp\n\nprocessor\t: 1\n"
    "Features\t: fp asimd asimdhp\n\nRevision\t: c04170\nSerial\t\t: 1234567890abcdef\n",
    "proc/meminfo": "MemTotal: 8245104 kB\nMemFree: 1 kB\nMemAvailable: 7000000 kB\n"
    "SwapTotal: 524272 kB\nSwapFree: 500000 kB\n",
    "proc/cmdline": "numa_policy=interleave numa=fake=8\n",
    "proc/loadavg": "0.08 0.03 0.01 1/180 999\n",
    "proc/uptime": "100.25 380.00\n",
    "proc/sys/kernel/random/boot_id": "a-boot\n",
    "proc/1/comm": "systemd\n",
    "etc/os-release": 'NAME=x\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
    "bin/vcgencmd": """#!/bin/sh
case $1 in
get_throttled) echo throttled=0x50005 ;;
bootloader_version) printf '2025/05/08 14:13:17\\nversion 69471177 (release)\\ntimestamp 1\\n' ;;
version) printf '2025/04/30 10:00:00 \\nCopyright (c) 2012 Broadcom\\nversion x (release)\\n' ;;
esac
""",
}


@pytest.fixture
def pi5(tmp_path: Path) -> Path:
    """The root of such a tree."""
    for name, content in PI5.items():
        put(tmp_path, name, content)
    (tmp_path / "bin/vcgencmd").chmod(0o700)
    return tmp_path


def put(root: Path, name: str, content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(raw)


def describe(root: Path, script: str = "facts_now") -> Facts:
    """The facts of a board whose /sys, /proc and /etc are below that root."""
    text = re.sub(r"(?<![\w/])/(?=(sys|proc|etc)/)", f"{root}/", script_text(script))
    done = subprocess.run(
        ["sh", "-c", text if script == "facts_now" else f"{text}\nfacts"],
        cwd=root,
        env={"PATH": f"{root}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return parse_facts(done.stdout)


def test_a_pi_5_tells_what_it_is(pi5: Path) -> None:
    result = describe(pi5)
    assert result.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert result.serial == "1234567890abcdef"
    assert result.revision == "c04170"
    assert result.soc == "bcm2712"
    assert result.features == "fp asimd asimdhp"
    assert result.memory_kb == 8245104
    assert result.os == "Debian GNU/Linux 13 (trixie)"
    assert result.cmdline == "numa_policy=interleave numa=fake=8"
    assert not result.shows_emulation


def test_a_pi_5_tells_its_clocks_and_how_warm_it_is(pi5: Path) -> None:
    result = describe(pi5)
    assert result.governor == "ondemand"
    assert (result.low_khz, result.high_khz) == (1500000, 2400000)
    assert (result.min_khz, result.max_khz) == (1000000, 2600000)
    assert result.temperature_mc == 48850
    assert (result.fan_rpm, result.fan_state) == (3300, 2)


def test_a_pi_5_tells_its_firmware_and_supply(pi5: Path) -> None:
    result = describe(pi5)
    assert result.throttled == "0x50005"
    assert result.firmware == "2025/05/08 14:13:17"
    assert result.firmware_version == "69471177"
    assert result.gpu_firmware == "2025/04/30 10:00:00"
    assert result.supply_ma == 5000


def test_a_pi_5_tells_what_else_it_does(pi5: Path) -> None:
    result = describe(pi5)
    assert result.load == "0.08 0.03 0.01 1/180 999"
    assert (result.swap_total_kb, result.swap_kb) == (524272, 24272)
    assert result.available_kb == 7000000
    assert result.free_disk_kb
    assert result.desktop == "none"


@pytest.mark.parametrize("name", ["labwc", "wayfire", "Xorg", "lightdm"])
def test_a_desktop_session_is_named(pi5: Path, name: str) -> None:
    put(pi5, "proc/800/comm", f"{name}\n")
    put(pi5, "proc/900/comm", "bash\n")
    assert describe(pi5).desktop == name


def test_where_processes_are_hidden_nobody_knows_of_a_desktop(pi5: Path) -> None:
    (pi5 / "proc/1/comm").unlink()
    assert describe(pi5).desktop is None


def test_a_weak_supply_is_told(pi5: Path) -> None:
    put(pi5, f"{TREE}/chosen/power/max_current", b"\x00\x00\x0b\xb8")
    assert describe(pi5).supply_ma == 3000


def test_an_older_kernel_shows_the_device_tree_elsewhere(pi5: Path) -> None:
    (pi5 / "proc/device-tree").parent.mkdir(exist_ok=True)
    (pi5 / TREE).rename(pi5 / "proc/device-tree")
    result = describe(pi5)
    assert (result.model, result.soc) == ("Raspberry Pi 5 Model B Rev 1.0", "bcm2712")
    assert result.supply_ma == 5000


def test_a_deploy_hears_what_costs_little(pi5: Path) -> None:
    result = describe(pi5, "facts")
    everything = describe(pi5)
    dear = dict.fromkeys(
        "supply_ma gpu_firmware desktop cores clock throttled firmware firmware_version".split()
    )
    same = {"free_disk_kb": result.free_disk_kb}
    assert result == msgspec.structs.replace(everything, **dear, **same)


@pytest.mark.parametrize(
    "missing", [name for name in PI5 if name not in {"bin/vcgencmd", "sys/class/hwmon/hwmon0/name"}]
)
def test_each_file_may_be_missing(pi5: Path, missing: str) -> None:
    everything = describe(pi5)
    if missing in {"proc/meminfo", "proc/cpuinfo", "etc/os-release"}:
        (pi5 / missing).write_text("")  # these exist on every Linux
    else:
        (pi5 / missing).unlink()
    result = describe(pi5)
    assert result.machine == everything.machine
    lost = [
        name
        for name in Facts.__struct_fields__
        if getattr(result, name) is None and getattr(everything, name) is not None
    ]
    assert lost
    assert len(lost) <= 4


def test_without_firmware_tools_there_is_no_throttle_word(pi5: Path) -> None:
    (pi5 / "bin/vcgencmd").unlink()
    result = describe(pi5)
    assert (result.throttled, result.firmware, result.gpu_firmware) == (None, None, None)
    assert result.model


def test_a_board_below_freezing_is_believed() -> None:
    assert parse_facts("machine=aarch64\ntemperature_mc=-3500").temperature_mc == -3500


@given(st.text())
def test_whatever_a_board_says_becomes_facts(text: str) -> None:
    lines = "\n".join(f"{name}={text}" for name in Facts.__struct_fields__)
    assert isinstance(parse_facts(lines), Facts)


@given(st.lists(st.text(alphabet="abc=\n 0123456789-")))
def test_lines_nobody_knows_are_left_out(lines: list[str]) -> None:
    assert parse_facts("\n".join([*lines, "model=Pi"])).model == "Pi"


DF = (
    "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\necho /dev/sda1 {}\n"
)


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("/dev/sda1 /home ext4 rw,nosuid,noexec,relatime 0 0\n", "/home"),
        ("/dev/sda1 /home ext4 rw,noexecutives 0 0\nx / ext4 rw,noexec 0 0\n", None),
        ("/dev/sda1 /home ext4 noexec,rw 0 0\n/dev/sdb /home ext4 rw 0 0\n", None),
        ("", None),
    ],
)
def test_a_disk_that_starts_no_program_is_told(
    pi5: Path, mounts: str, expected: str | None
) -> None:
    put(pi5, "proc/mounts", mounts)
    put(pi5, "bin/df", DF.format("100 60 40 60% /home"))
    (pi5 / "bin/df").chmod(0o700)
    result = describe(pi5)
    assert result.mounted_noexec == expected
    assert result.free_disk_kb == 40
