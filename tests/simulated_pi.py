"""A simulated Pi 5: an emulated board that passes for a real one, and feels what a test says.

Its /sys is a folder of the test's, some files of /proc are too, and ``vcgencmd`` and ``sudo`` are
small scripts, so facts, telemetry, governor and energy come by the real ways through SSH. Its
``nnrun bench`` is a stand-in that gives the samples it is told to give, while really taking a few
seconds: the times of an emulator are noise. ``nnrun watch`` is the real one.
"""

from __future__ import annotations

import io
import json
import random
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from piyard import deadline, emulator, engine, keys, store, target
from piyard.build import Build
from piyard.convert import Conversion

LABEL = "piyard.test"
MODEL = "Raspberry Pi 5 Model B Rev 1.0"
TREE = "firmware/devicetree/base"
POLICY = "devices/system/cpu/cpufreq/policy0"
TOLD = "firmware/simulated"
"""In /sys: what the stand-ins read, and where they say that a run began."""
SECONDS = 6
"""How long a run takes: telemetry has a moment a second, and the real clock in every third."""
RAILS = (
    *("3V7_WL_SW", "3V3_SYS", "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS"),
    *("0V8_SW", "VDD_CORE", "3V3_DAC", "3V3_ADC", "0V8_AON", "HDMI"),
)

VCGENCMD = f"""#!/bin/sh
here=/sys/{TOLD}
[ ! -e $here/dumb ] || {{ echo "VCHI initialization failed" >&2; exit 1; }}
case "$1 $2" in
"get_throttled ") printf 'throttled=%s\\n' "$(cat $here/throttled)" ;;
"measure_clock arm") printf 'frequency(0)=%s\\n' "$(cat $here/arm_hz)" ;;
"measure_temp ") printf "temp=45.0'C\\n" ;;
"bootloader_version ") printf '2025/05/08 14:13:17\\nversion 69471177 (release)\\n' ;;
"version ") printf '2025/04/30 10:00:00\\nCopyright (c) 2012 Broadcom\\nversion 1 (release)\\n' ;;
"pmic_read_adc ") cat $here/pmic ;;
*) exit 1 ;;
esac
"""
SUDO = f"""#!/bin/sh
[ -e /sys/{TOLD}/sudo ] && [ "$1" = -n ] || {{ echo "sudo: a password is required" >&2; exit 1; }}
shift
exec "$@"
"""
NNRUN = f"""#!/bin/sh
here=/sys/{TOLD}
[ "$1" != watch ] || exec /usr/local/bin/nnrun "$@"
while [ $# -gt 0 ]; do [ "$1" != --save-outputs ] || outputs=$2; shift; done
cat $here/header
read -r began _ < /proc/uptime
: > $here/began
sleep {SECONDS}
awk -v began="$began" -v seconds={SECONDS} '
    {{ ms[NR] = $1 }}
    END {{
        for (i = 1; i <= NR; i++)
            printf "{{\\"type\\":\\"sample\\",\\"i\\":%d,\\"ms\\":%s,\\"at\\":%.3f}}\\n",
                i - 1, ms[i], began + (i - 1) * seconds / NR
        printf "{{\\"type\\":\\"summary\\",\\"samples\\":%d,\\"peak_rss_kb\\":40000,", NR
        printf "\\"stopped\\":\\"interval\\"}}\\n"
    }}' $here/samples
cp $here/outputs/* "$outputs"
rm -f $here/began
"""

Action = Callable[["SimulatedPi", float], None]
"""What happens while a run samples; called often, with the seconds since it began."""


class SimulatedPi:
    """A running board; what it tells can be changed at any time."""

    def __init__(self, folder: Path, container: Container, port: int) -> None:
        self.folder, self.container, self.port = folder, container, port
        self._busy = 1000.0

    @property
    def address(self) -> str:
        return f"{emulator.USER}@{emulator.LOOPBACK}:{self.port}"

    def sys(self, name: str, text: str) -> None:
        """A file of its /sys; who has it open sees the change."""
        _rewrite(self.folder / "sys" / name, text)

    def read(self, name: str) -> str:
        return (self.folder / "sys" / name).read_text().strip()

    def proc(self, name: str, text: str) -> None:
        """A file of its /proc."""
        _rewrite(self.folder / "proc" / name, text)

    def temperature(self, celsius: float) -> None:
        self.sys("class/thermal/thermal_zone0/temp", f"{celsius * 1000:.0f}\n")

    def throttled(self, word: int) -> None:
        self.sys(f"{TOLD}/throttled", f"{word:#x}\n")

    def clock(self, mhz: float) -> None:
        self.sys(f"{TOLD}/arm_hz", f"{mhz * 1e6:.0f}\n")

    def supply(self, milliamperes: int) -> None:
        file = self.folder / "sys" / TREE / "chosen/power/max_current"
        file.write_bytes(milliamperes.to_bytes(4, "big"))

    def governor(self, name: str) -> None:
        self.sys(f"{POLICY}/scaling_governor", f"{name}\n")
        (self.folder / "sys" / POLICY / "scaling_governor").chmod(0o666)

    def sudo(self, *, allowed: bool) -> None:
        self._flag("sudo", on=allowed)

    def dumb(self, *, on: bool) -> None:
        """Whether vcgencmd is refused, as it is to users outside the group video."""
        self._flag("dumb", on=on)

    def swap(self, used_kb: int) -> None:
        self.proc(
            "meminfo",
            f"MemTotal: 8000000 kB\nMemFree: 6000000 kB\nMemAvailable: 7000000 kB\n"
            f"SwapTotal: 200000 kB\nSwapFree: {200_000 - used_kb} kB\n",
        )

    def others_work(self, cores: float, seconds: float) -> None:
        """So many cores worked for others for so long."""
        self._busy += 100 * cores * seconds
        self.proc("stat", f"cpu  {self._busy:.0f} 0 0 100000 0 0 0 0 0 0\n")

    def power(self, watts: dict[str, float]) -> None:
        """Each rail at 2 V; a real one lists what has no current too."""
        amperes = [f"{r}_A current({i})={watts.get(r, 0) / 2:.8f}A" for i, r in enumerate(RAILS)]
        volts = [f"{r}_V volt({i})=2.00000000V" for i, r in enumerate(RAILS, 12)]
        more = ["EXT5V_V volt(24)=5.10000000V", "BATT_V volt(25)=0.00000000V"]
        self.sys(f"{TOLD}/pmic", "".join(f" {line}\n" for line in [*amperes, *volts, *more]))

    def samples(self, ms: Sequence[float]) -> None:
        self.sys(f"{TOLD}/samples", "".join(f"{one:.6f}\n" for one in ms))

    def outputs_of(self, conversion: Conversion, *, right: bool = True) -> None:
        """Whether nnrun's outputs are torch's."""
        for name in conversion.outputs:
            values = conversion.reference(name)
            raw = (values if right else values[::-1]).tobytes()
            (self.folder / "sys" / TOLD / "outputs" / f"{name}.f32").write_bytes(raw)

    def calm(self) -> None:
        """As a board is that nothing is wrong with."""
        self.temperature(45)
        self.throttled(0)
        self.clock(2400)
        self.supply(5000)
        self.governor("performance")
        self.sudo(allowed=False)
        self.dumb(on=False)
        self.swap(0)
        self.samples(clean())
        (self.folder / "sys" / TOLD / "began").unlink(missing_ok=True)

    @contextmanager
    def during(self, action: Action) -> Iterator[None]:
        """While the block runs, do that from the moment a run samples."""
        over = threading.Event()
        doer = threading.Thread(target=self._do, args=(action, over), daemon=True)
        doer.start()
        try:
            yield
        finally:
            over.set()
            doer.join()

    def exec(self, *argv: str) -> str:
        done: Any = self.container.exec_run(list(argv))
        assert done.exit_code == 0, done.output
        return str(done.output, errors="replace")

    def _do(self, action: Action, over: threading.Event) -> None:
        began = self.folder / "sys" / TOLD / "began"
        while not over.wait(0.1):
            with suppress(FileNotFoundError):
                action(self, time.time() - began.stat().st_mtime)

    def _flag(self, name: str, *, on: bool) -> None:
        file = self.folder / "sys" / TOLD / name
        file.touch() if on else file.unlink(missing_ok=True)


def clean(count: int = 200, middle: float = 20.0, seed: int = 1) -> list[float]:
    """Normal noise of 0.3 %."""
    chance = random.Random(seed)
    return [middle * (1 + 0.003 * chance.gauss(0, 1)) for _ in range(count)]


def build_of(real: Build) -> Build:
    """A build whose nnrun is the stand-in; the rest of it is the real build's."""
    wanted = ("cpu", "ncnn", "compilers", "flags", "elf")

    def make(folder: Path) -> dict[str, Any]:
        (folder / "nnrun").write_text(NNRUN)
        return {name: real.manifest[name] for name in wanted}

    key = store.key_of({"stand-in": NNRUN, "real": real.key})
    return Build(
        target=real.target, key=key, folder=store.get_or_make("builds", key, make)[0], fresh=False
    )


@contextmanager
def running(folder: Path, real: Build, conversion: Conversion) -> Iterator[SimulatedPi]:
    """A calm board below ``folder``, gone at the end."""
    _furnish(folder)
    container = _container(folder)
    try:
        container.put_archive("/", _programs(real))
        container.start()
        pi = SimulatedPi(folder, container, _port(container))
        pi.calm()
        pi.outputs_of(conversion)
        yield pi
    finally:
        container.remove(force=True, v=True)


def _container(folder: Path) -> Container:
    client, kind = engine.connect(), target.load("rpi5")
    host = client.api.create_host_config(
        binds=_mounts(folder), port_bindings={emulator.PORT: (emulator.LOOPBACK, None)}, init=True
    )
    # An engine hides /sys/firmware, where a Pi tells what it is; this one is ours.
    host["MaskedPaths"] = []
    made = client.api.create_container(
        emulator._image_of(kind).ensure(client),
        ["/bin/sh", "-c", emulator.SERVE, "board", "-o", _environment(kind)],
        hostname="simulated",
        labels={LABEL: "simulated-pi"},
        environment=kind.emulated_env,
        ports=[22],
        host_config=host,
    )
    return client.containers.get(made["Id"])


def _environment(kind: target.Target) -> str:
    return f"SetEnv={' '.join(f'{name}={value}' for name, value in kind.emulated_env.items())}"


def _furnish(folder: Path) -> None:
    cpu = "devices/system/cpu"
    for name, text in {
        f"{TREE}/model": f"{MODEL}\0",
        f"{TREE}/serial-number": "1234567890abcdef\0",
        f"{TREE}/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
        f"{TREE}/chosen/power/max_current": "",
        "class/thermal/thermal_zone0/temp": "",
        "class/hwmon/hwmon0/name": "pwmfan\n",
        "class/hwmon/hwmon0/fan1_input": "2500\n",
        f"{POLICY}/scaling_cur_freq": "2400000\n",
        f"{POLICY}/scaling_min_freq": "1500000\n",
        f"{POLICY}/scaling_max_freq": "2400000\n",
        f"{POLICY}/cpuinfo_min_freq": "1500000\n",
        f"{POLICY}/cpuinfo_max_freq": "2400000\n",
        **{f"{cpu}/{name}": "0-3\n" for name in ("online", "possible", "present")},
        **{f"{cpu}/cpu{n}/topology/core_id": f"{n}\n" for n in range(4)},
        f"{TOLD}/header": json.dumps(HEADER) + "\n",
        **{f"{TOLD}/{name}": "" for name in ("pmic", "throttled", "arm_hz", "samples")},
        f"{POLICY}/scaling_governor": "performance\n",
    }.items():
        _write(folder / "sys" / name, text)
    (folder / "sys" / TOLD / "outputs").mkdir()
    (folder / "sys" / TOLD).chmod(0o777)
    features = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm"
    one = f"BogoMIPS\t: 108.00\nFeatures\t: {features} lrcpc dcpop asimddp\n\n"
    for name, text in {
        "cpuinfo": 4 * one + f"Revision\t: c04170\nModel\t: {MODEL}\n",
        "stat": "cpu  1000 0 0 100000 0 0 0 0 0 0\n",
        "meminfo": "",
        "loadavg": "0.00 0.00 0.00 1/100 1\n",
    }.items():
        _write(folder / "proc" / name, text)


HEADER = {
    "type": "header",
    "schema": 1,
    "nnrun": "0.1.0",
    "build": "stand-in",
    "ncnn": "1.0.20261020",
    "task": "bench",
    "cpu": {"arch": "aarch64", "features": ["asimdhp", "asimddp"], "count": 4, "big": 4},
    "threads": 4,
    "powersave": 0,
    "precision": {
        "requested": "fp32",
        "storage": "fp32",
        "arithmetic": "fp32",
        "label": "fp32",
        "layers": 60,
        "quantized_layers": 0,
        "fp16_weight_layers": 0,
    },
    "options": {"winograd": "auto"},
    "env": {},
}


def _mounts(folder: Path) -> list[str]:
    files = [f"proc/{name}" for name in ("cpuinfo", "stat", "meminfo", "loadavg")]
    return [f"{folder}/{name}:/{name}:rw" for name in ("sys", *files)]


def _programs(real: Build) -> bytes:
    """What the board has beside its image, and who may log in, as an archive to unpack at /."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, mode, owner in (
            ("usr/local/bin/vcgencmd", VCGENCMD.encode(), 0o755, 0),
            ("usr/local/bin/sudo", SUDO.encode(), 0o755, 0),
            ("usr/local/bin/nnrun", real.nnrun.read_bytes(), 0o755, 0),
            ("etc/ssh/ssh_host_ed25519_key", keys.host_key("simulated").read_bytes(), 0o600, 0),
            (
                "home/pi/.ssh/authorized_keys",
                keys.public(keys.login_key()).encode() + b"\n",
                0o600,
                emulator.USER_ID,
            ),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _port(container: Container) -> int:
    def answering() -> int | None:
        container.reload()
        published = container.ports.get(emulator.PORT) or []
        port = int(published[0]["HostPort"]) if published else 0
        return port if port and emulator._greets(port) else None

    port = deadline.poll(answering, emulator.START_LIMIT_S)
    assert port, container.logs(tail=20)
    return port


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _rewrite(file: Path, text: str) -> None:
    """In place, and never empty in between."""
    with file.open("r+") as content:
        content.write(text)
        content.truncate()
