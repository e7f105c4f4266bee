"""A stand-in for ``nnrun bench``: it gives the samples that a test tells, and takes as long.

The times of an emulator are noise. Everything else that nnrun does, the real one does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from piyard.build.builder import Build, BuildManifest
from piyard.core.store import get_or_make, key_of
from tests.support.simulated.firmware import SINCE, TOLD

REAL = "/usr/local/bin/nnrun"
NNRUN = f"""#!/bin/sh
here=/sys/{TOLD}
[ "$1" = bench ] || exec {REAL} "$@"
loops=0
while [ $# -gt 0 ]; do
    case $1 in
    --loops) loops=$2 ;;
    --save-outputs) outputs=$2 ;;
    esac
    shift
done
# series AT: the samples from then on, as often as asked for; at last their number and seconds.
series() {{
    awk -v loops="$loops" -v began="$1" -v slower=SLOWER -v CONVFMT=%.6f '
        {{ ms[NR] = $1 }}
        END {{
            if (!loops) loops = NR
            for (i = 0; i < loops; i++) {{
                one = ms[i % NR + 1] * slower
                printf "{{\\"type\\":\\"sample\\",\\"i\\":%d,\\"ms\\":%s,", i, one
                printf "\\"at\\":%.3f}}\\n", began + sum / 1000
                sum += one
            }}
            printf "%d %.3f\\n", loops, sum / 1000
        }}' $here/samples
}}
cat $here/begin
# Loading and warm-up; the watcher is there by then.
sleep 0.7
: > $here/{SINCE}
read -r began _ < /proc/uptime
series "$began" > samples.txt
tail -n 1 samples.txt | {{
    read -r count seconds
    sleep "$seconds"
    sed '$d' samples.txt
    cp $here/outputs/* "$outputs"
    cat $here/outputs.jsonl
    printf '{{"type":"summary","stopped":"interval","warmup":"stable","peak_rss_kb":40000,'
    printf '"end_to_end":0,"half_width":null,"samples":%d}}\\n' "$count"
}}
rm samples.txt
# The last inference, of which the outputs are; as long as the watcher's last question may take.
sleep 0.5
rm -f $here/{SINCE}
"""

HEADER = {
    "type": "header",
    "schema": 1,
    "nnrun": "0.1.0",
    "build": "stand-in",
    "ncnn": "1.0.20261020",
    "task": "bench",
    "uptime_s": 1.0,
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
    "options": {"winograd": "all"},
    "env": {},
    "model": {"param": "model.ncnn.param", "bin": "model.ncnn.bin", "layers": 60, "blobs": 70},
    "input": {"blob": "in0", "shape": [3, 224, 224], "source": "splitmix64", "seed": 1},
}


def begin(middle: float = 20.0) -> str:
    """What nnrun says before it samples."""
    warm = [{"type": "warmup", "i": i, "ms": middle * 1.01, "at": 1.0} for i in range(3)]
    loaded = [
        HEADER,
        {"type": "load", "ms": 31.5},
        {"type": "cold", "load_ms": 62.0, "first_ms": 2 * middle, "dropped": True},
        *warm,
    ]
    return "".join(f"{json.dumps(line)}\n" for line in loaded)


def outputs(names: Sequence[str]) -> str:
    """What it says of the outputs that it saved."""
    result = [
        {"type": "output", "name": name, "shape": [1000], "file": f"{name}.f32", "finite": True}
        for name in names
    ]
    return "".join(f"{json.dumps(line)}\n" for line in result)


def build_of(real: Build, slower: float = 1) -> Build:
    """A build whose nnrun is the stand-in, its times so many times as long as told.

    The rest of it is the real build's.
    """
    program = NNRUN.replace("SLOWER", str(slower))

    def make(folder: Path) -> BuildManifest:
        (folder / "nnrun").write_text(program)
        return real.manifest

    key = key_of({"stand-in": program, "real": real.key})
    folder, fresh = get_or_make("builds", key, make)
    return Build(target=real.target, key=key, folder=folder, fresh=fresh)


def clean(count: int = 200, middle: float = 20.0, seed: int = 1) -> list[float]:
    """Normal noise of 0.3 %."""
    chance = random.Random(seed)
    return [middle * (1 + 0.003 * chance.gauss(0, 1)) for _ in range(count)]


def drifting(by: float) -> list[float]:
    """Slower and slower, by that part at the end."""
    series = clean()
    return [ms * (1 + by * i / len(series)) for i, ms in enumerate(series)]


def two_levels(apart: float) -> list[float]:
    """Two of five jump up by that part."""
    chance = random.Random(3)
    return [ms * (1 + apart * (chance.random() < 0.4)) for ms in clean()]


def wide(by: float) -> list[float]:
    """Few, and scattered with that deviation."""
    chance = random.Random(4)
    return [100 * (1 + by * chance.gauss(0, 1)) for _ in range(40)]
