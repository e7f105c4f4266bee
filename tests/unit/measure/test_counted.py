"""The model of a Pi 5's core: issue ports, caches, and counts by layer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from piyard.core.errors import NotSetUp
from piyard.measure.counted import layers, pi5
from piyard.measure.counted.layers import Cost, add_costs, open_machine

HERE = Path(layers.__file__).parent
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

PORTS = """
#include <stdio.h>
#include "ports.h"
int main(int count, char **words) {
    for (int i = 1; i < count; ++i) {
        unsigned word;
        struct ports ports = {0};
        sscanf(words[i], "%x", &word);
        add_ports(word, &ports);
        printf("%.3f\\n", port_cycles(&ports));
    }
}
"""
CACHES = """
#include <stdio.h>
#include "caches.h"
static unsigned long read_through(unsigned long bytes, bool write) {
    unsigned long lines = 0;
    for (unsigned long line = 0; line < bytes >> LINE_SHIFT; ++line)
        lines += touch(0, line, write, false);
    return lines << LINE_SHIFT;
}
int main(void) {
    if (!make_caches()) return 1;
    printf("%lu\\n", read_through(1 << 20, false)); /* cold */
    printf("%lu\\n", read_through(1 << 20, false)); /* in the third level */
    printf("%lu\\n", read_through(8 << 20, false)); /* more than there is room for */
    printf("%lu\\n", read_through(8 << 20, true));  /* read, and what was changed written back */
    printf("%lu\\n", read_through(8 << 20, false)); /* the rest of what was changed goes */
}
"""
MIB = 1 << 20

# Word → cycles: of one instruction alone, by LLVM's AArch64SchedNeoverseN1.td.
INSTRUCTIONS = {
    "0e210c00": 0.5,  # FMLA v.4h
    "4e610c20": 0.5,  # FMLA v.2d, by three registers
    "4f801000": 0.5,  # FMLA v.4s by element
    "4f80e000": 0.5,  # SDOT by element
    "6e423c20": 10.0,  # FDIV v.8h, on V0 alone
    "6e22fc20": 7.0,  # FDIV v.4s
    "4e21a820": 2.0,  # FCVTNS v.4s, on V0 alone
    "0e217800": 2.0,  # FCVTL
    "3dc00000": 0.5,  # LDR q, of two address pipes
    "ad400400": 1.0,  # LDP q, q
    "8b010000": 1 / 3,  # ADD
    "9b017c00": 3.0,  # MUL x
    "54000000": 1.0,  # B.cond
}


def build(folder: Path, program: str) -> Path:
    (folder / "main.c").write_text(program)
    argv = ["gcc", "-O1", "-Wall", "-I", str(HERE), "-o", str(folder / "main")]
    subprocess.run([*argv, str(folder / "main.c")], check=True)
    return folder / "main"


@needs_compiler
def test_each_instruction_takes_its_ports(tmp_path: Path) -> None:
    program = build(tmp_path, PORTS)
    printed = subprocess.check_output([program, *INSTRUCTIONS], text=True).split()
    cycles = dict(zip(INSTRUCTIONS, map(float, printed), strict=True))
    assert cycles == pytest.approx(INSTRUCTIONS, abs=1e-3)


@needs_compiler
def test_what_the_caches_hold_is_not_read_again(tmp_path: Path) -> None:
    printed = subprocess.check_output([build(tmp_path, CACHES)], text=True).split()
    cold, again, large, written, after = map(int, printed)
    assert (cold, again) == (MIB, 0)
    assert large == pytest.approx(8 * MIB, rel=0.15)
    assert written == pytest.approx(14 * MIB, rel=0.15)  # the last two are still in there
    assert after == pytest.approx(10 * MIB, rel=0.15)


def test_costs_add_up() -> None:
    cost = Cost(instructions=1, cycles=2, bytes=3)
    assert add_costs([cost, cost]) == Cost(instructions=2, cycles=4, bytes=6)
    assert add_costs([]) == Cost()


def test_counts_belong_to_layers() -> None:
    """A part's number is a layer's place and one."""
    names = {1: "conv", 2: "relu"}
    counts = layers._read_counts("2 100 25.5 640\n3 10 5.0 0\n", names)
    assert counts == {
        "conv": Cost(instructions=100, cycles=25.5, bytes=640),
        "relu": Cost(instructions=10, cycles=5.0),
    }


def test_a_missing_emulator_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSetUp, match="qemu-aarch64 is missing"), open_machine(tmp_path / "nnrun"):
        pass


def test_the_emulated_cores_are_a_pi_5s() -> None:
    files = pi5.files()
    assert files["sys/devices/system/cpu/cpu0/cache/index2/size"] == "512K\n"
    assert files["sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq"] == "2400000\n"
