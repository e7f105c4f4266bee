"""What a Pi 5's kernel says of its four cores, as files below the emulator's root.

ncnn sizes its tiles by the caches, and takes this machine's own where these are missing: the counts
would differ from one desktop to the next.
"""

from __future__ import annotations

from collections.abc import Mapping

CORES = range(4)
CACHES = (
    {"level": "1", "type": "Data", "size": "64K", "ways_of_associativity": "4"},
    {"level": "1", "type": "Instruction", "size": "64K", "ways_of_associativity": "4"},
    {"level": "2", "type": "Unified", "size": "512K", "ways_of_associativity": "8"},
    {"level": "3", "type": "Unified", "size": "2048K", "ways_of_associativity": "16"},
)
SHARED_LEVEL = "3"
LINE = {"coherency_line_size": "64"}
CLOCK = {"cpuinfo_max_freq": "2400000", "cpuinfo_min_freq": "1500000"}
FOLDER = "sys/devices/system/cpu"


def files() -> dict[str, str]:
    """Path below the root → content."""
    lists = {f"{FOLDER}/{name}": "0-3\n" for name in ("online", "possible", "present")}
    each = (_core(core) for core in CORES)
    return lists | {path: text for content in each for path, text in content.items()}


def _core(core: int) -> dict[str, str]:
    at = f"{FOLDER}/cpu{core}"
    content = _lines(f"{at}/cpufreq", CLOCK)
    for index, cache in enumerate(CACHES):
        content |= _lines(f"{at}/cache/index{index}", {**cache, **LINE, **_sharers(cache, core)})
    return content


def _sharers(cache: Mapping[str, str], core: int) -> dict[str, str]:
    if cache["level"] == SHARED_LEVEL:
        return {"shared_cpu_list": "0-3", "shared_cpu_map": "f"}
    return {"shared_cpu_list": str(core), "shared_cpu_map": f"{1 << core:x}"}


def _lines(folder: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": f"{text}\n" for name, text in texts.items()}
