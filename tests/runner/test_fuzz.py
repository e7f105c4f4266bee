"""Fuzzing: nnrun's readers get what libFuzzer thinks of, under two sanitizers, a minute each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from piyard.core.paths import ROOT
from tests.support import tiny_ncnn

FUZZ = ROOT / "runner" / "fuzz"
TARGETS = sorted(folder.name for folder in (FUZZ / "corpus").iterdir())
SECONDS = 60
SEED = os.environ.get("PIYARD_FUZZ_SEED", "20260101")
"""The same mutations each time, so that a change is judged by itself; 0 looks for new ones."""
MAX_BYTES = {"tokenizer": 1 << 14}
"""Of an input: a tokenizer has a table of 4 kB."""
COMPILERS = ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"]
PROBE = """
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <jpeglib.h>
#include <png.h>
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
"""


def skip_without_compiler(folder: Path) -> None:
    """Clang, its run-time libraries, CMake, ninja, and the headers of libjpeg and libpng."""
    advice = "./yard test installs what it takes on Debian and Ubuntu"
    missing = [name for name in ("clang++", "cmake", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no fuzzing without {' and '.join(missing)}: {advice}")
    (folder / "probe.cpp").write_text(PROBE)
    line = "clang++ -fsanitize=fuzzer,address,undefined probe.cpp -o probe -ljpeg -lpng".split()
    probe = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"clang cannot build a fuzzer here: {advice}\n{probe.stderr[-400:]}")


@pytest.fixture(scope="module")
def fuzzers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs."""
    folder = tmp_path_factory.mktemp("fuzz")
    skip_without_compiler(folder)
    recipe = tiny_ncnn.recipe("desktop")
    version = recipe.source.pin.version
    options = [f"-DNCNN_SOURCE={recipe.source.folder()}", f"-DNCNN_VERSION={version}"]
    run("cmake", "-S", FUZZ, "-B", folder, "-G", "Ninja", *COMPILERS, *options)
    run("cmake", "--build", folder)
    return folder


def run(*line: object) -> None:
    done = subprocess.run([*map(str, line)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


CHILD = ("sh", "-c", '"$@"; exit $?', "sh")
"""Starts it from a small process: a peak of memory is inherited through vfork and exec, and the
fuzzer would take that of pytest for its own."""


def start(program: Path, corpus: Path, folder: Path) -> subprocess.Popen[bytes]:
    """New inputs and findings go to ``folder``, and so does the log."""
    (folder / "new").mkdir(parents=True)
    longest = MAX_BYTES.get(corpus.name, 4096)
    limits = [f"-seed={SEED}", f"-max_total_time={SECONDS}", f"-max_len={longest}"]
    limits += ["-timeout=60", "-rss_limit_mb=1500"]
    kept = [f"-artifact_prefix={folder}/", "-print_final_stats=1", str(folder / "new"), str(corpus)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*CHILD, str(program), *limits, *kept],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"ASAN_OPTIONS": "allocator_may_return_null=1"},
        )


@pytest.mark.slow
def test_fuzzing_finds_nothing(fuzzers: Path, tmp_path: Path) -> None:
    """All at once: two cores are enough for tens of thousands of inputs each."""
    running = {
        name: start(fuzzers / f"fuzz_{name}", FUZZ / "corpus" / name, tmp_path / name)
        for name in TARGETS
    }
    codes = {name: process.wait() for name, process in running.items()}
    for name, code in codes.items():
        log = (tmp_path / name / "log").read_text(errors="replace")
        assert code == 0, f"{name}: the input is in {tmp_path / name}\n{log[-6000:]}"
        executed = re.search(r"number_of_executed_units: (\d+)", log)
        assert executed, log[-3000:]
        assert int(executed[1]) > 500, f"{name}: {executed[0]}"
