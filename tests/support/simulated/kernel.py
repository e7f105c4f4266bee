"""What Linux tells on a Pi 5, as files of /sys and /proc."""

from __future__ import annotations

MODEL = "Raspberry Pi 5 Model B Rev 1.0"
CPU = "devices/system/cpu"
POLICY = f"{CPU}/cpufreq/policy0"
TREE = "firmware/devicetree/base"
SUPPLY = f"{TREE}/chosen/power/max_current"
TEMPERATURE = "class/thermal/thermal_zone0/temp"
TICKS = 100
SWAP_KB = 200_000

FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
CORE = f"BogoMIPS\t: 108.00\nFeatures\t: {FEATURES}\nCPU implementer\t: 0x41\n"

SYS = {
    f"{TREE}/model": f"{MODEL}\0",
    f"{TREE}/serial-number": "1234567890abcdef\0",
    f"{TREE}/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
    SUPPLY: "",
    TEMPERATURE: "",
    "class/thermal/cooling_device0/type": "pwm-fan\n",
    "class/thermal/cooling_device0/cur_state": "1\n",
    "class/hwmon/hwmon0/name": "pwmfan\n",
    "class/hwmon/hwmon0/fan1_input": "2500\n",
    f"{POLICY}/scaling_governor": "",
    f"{POLICY}/scaling_cur_freq": "2400000\n",
    f"{POLICY}/scaling_min_freq": "1500000\n",
    f"{POLICY}/scaling_max_freq": "2400000\n",
    f"{POLICY}/cpuinfo_min_freq": "1500000\n",
    f"{POLICY}/cpuinfo_max_freq": "2400000\n",
    **{f"{CPU}/{name}": "0-3\n" for name in ("online", "possible", "present")},
    **{f"{CPU}/cpu{n}/topology/core_id": f"{n}\n" for n in range(4)},
}


def cpuinfo() -> str:
    """Four cores, and the board."""
    cores = "".join(f"processor\t: {n}\n{CORE}\n" for n in range(4))
    return f"{cores}Revision\t: c04170\nSerial\t\t: 1234567890abcdef\nModel\t\t: {MODEL}\n"


def stat(busy_ticks: float) -> str:
    """What all cores have worked since boot."""
    return f"cpu  {busy_ticks:.0f} 0 0 100000 0 0 0 0 0 0\n"


def meminfo(swap_kb: int) -> str:
    """8 GB, with so much swap in use."""
    result = {
        "MemTotal": 8_000_000,
        "MemFree": 6_000_000,
        "MemAvailable": 7_000_000,
        "SwapTotal": SWAP_KB,
        "SwapFree": SWAP_KB - swap_kb,
    }
    return "".join(f"{f'{name}:':<16}{kb:>8} kB\n" for name, kb in result.items())


def swaps(swap_kb: int) -> str:
    """The same of the one file there is."""
    return f"Filename\tType\tSize\tUsed\tPriority\n/var/swap\tfile\t{SWAP_KB}\t{swap_kb}\t-2\n"


PROC = {
    "cpuinfo": cpuinfo(),
    "stat": stat(0),
    "meminfo": meminfo(0),
    "swaps": swaps(0),
    "loadavg": "0.00 0.00 0.00 1/100 1\n",
}
"""Those that an engine lets a container have of its own."""
