"""Targets: the conditions and peaks of each kind of board, and where the figures come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.core import target
from piyard.core.config import load_yaml
from piyard.core.errors import WrongInput
from piyard.core.target import (
    Conditions,
    TargetDefinition,
    load_target,
    target_names,
    target_of_device,
)

PIS = ("rpi5", "rpi4", "rpi3", "zero2w")


@pytest.mark.parametrize("name", target_names())
def test_a_run_starts_cooler_than_it_may_get(name: str) -> None:
    limits = load_target(name).conditions
    assert limits.cool_c < limits.hot_c
    assert 0 < limits.load < 1
    assert 0 < limits.clock_tolerance < 0.1
    assert limits.settle_s > 0
    assert limits.governors[0] == "performance"


@pytest.mark.parametrize("name", PIS)
def test_every_pi_has_a_nominal_clock_and_peaks_with_their_sources(name: str) -> None:
    kind = load_target(name)
    assert kind.conditions.clock_khz
    assert kind.conditions.firmware
    peaks = kind.peaks
    assert peaks
    assert peaks.flops_source
    assert peaks.read_source
    assert peaks.cache_source
    assert all(1 <= threads <= kind.cores for threads in peaks.read_gb_s)
    assert 1 in peaks.read_gb_s


@pytest.mark.parametrize("name", PIS)
def test_only_a_core_that_computes_fp16_has_a_peak_of_it(name: str) -> None:
    kind = load_target(name)
    assert kind.peaks
    assert ("fp16" in kind.peaks.flops_per_cycle) == ("fp16" in kind.precisions)


def test_the_peak_of_a_pi_5_is_what_its_pipes_give() -> None:
    kind = load_target("rpi5")
    assert kind.peaks
    assert kind.conditions.clock_khz == 2_400_000
    per_core = {p: flops * 2.4 for p, flops in kind.peaks.flops_per_cycle.items()}
    assert per_core == pytest.approx({"fp32": 38.4, "fp16": 76.8, "int8": 153.6})


def test_a_desktop_is_nobodys_known_board() -> None:
    kind = load_target("desktop")
    assert kind.peaks is None
    assert kind.conditions.clock_khz is None
    assert not kind.conditions.firmware


BOARD = "title: x\narch: aarch64\ntoolchain: x\ncpu: x\ncores: 4\npage_size: 4096\nprecisions: []\n"


def read(tmp_path: Path, more: str) -> TargetDefinition:
    file = tmp_path / "x.yaml"
    file.write_text(BOARD + more)
    return load_yaml(file, TargetDefinition)


def test_a_target_without_conditions_has_the_common_ones(tmp_path: Path) -> None:
    kind = read(tmp_path, "")
    assert kind.conditions == Conditions()
    assert kind.peaks is None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("conditions: {cool: 50}\n", "did you mean 'cool_c'"),
        ("conditions: {hot_c: warm}\n", "hot_c"),
        ("peaks: {flops_per_cycle: {fp64: 4}, flops_source: x}\n", "fp64"),
        ("peaks: {flops_per_cycle: {fp32: 8}}\n", "`flops_source` must say"),
        ("peaks: {read_gb_s: {1: 4.0}}\n", "`read_source` must say"),
        ("peaks: {cache_kb: 512}\n", "`cache_source` must say"),
    ],
)
def test_a_wrong_condition_is_named(tmp_path: Path, more: str, expected: str) -> None:
    with pytest.raises(WrongInput) as caught:
        read(tmp_path, more)
    assert expected in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Targets of the test's own, beside a fleet."""
    monkeypatch.setattr(target, "TARGETS_FOLDER", tmp_path)
    (tmp_path / "fleet.yaml").write_text("boards:\n  pi5: {host: pi5.local}\n")
    return tmp_path


def claim(folder: Path, name: str, *claims: str) -> None:
    (folder / f"{name}.yaml").write_text(BOARD + f"models: {list(claims)}\n")


@pytest.mark.parametrize("theirs", ["Acme Board 2", "acme  board 2 "])
def test_two_targets_that_claim_the_same_board_are_refused(folder: Path, theirs: str) -> None:
    claim(folder, "one", "Acme Board 1", "Acme Board 2")
    claim(folder, "two", theirs)
    claim(folder, "other", "Else")
    for load in (
        lambda: load_target("one"),
        lambda: load_target("two"),
        lambda: target_of_device("Acme Board 2 Rev 1.0"),
    ):
        with pytest.raises(WrongInput, match=r"two targets claim the board 'acme board 2'") as said:
            load()
        assert "one.yaml" in said.value.evidence
        assert "two.yaml" in said.value.evidence
    assert load_target("other").device_tree_models == ["Else"]


def test_the_longer_claim_is_the_better_one(folder: Path) -> None:
    claim(folder, "pi5", "Raspberry Pi 5")
    claim(folder, "a500", "Raspberry Pi 500")
    assert target_of_device("Raspberry Pi 500 Rev 1.0") == "a500"
    assert target_of_device("Raspberry Pi 5 Model B Rev 1.0") == "pi5"
    assert target_of_device("Raspberry Pi 4") is None


def test_an_empty_claim_is_none(folder: Path) -> None:
    for empty in ("", " "):
        claim(folder, "one", empty)
        with pytest.raises(WrongInput, match="models"):
            load_target("one")


def test_a_changed_file_is_read_anew(folder: Path) -> None:
    claim(folder, "one", "A")
    assert load_target("one").device_tree_models == ["A"]
    claim(folder, "one", "Another")
    assert load_target("one").device_tree_models == ["Another"]


def test_a_broken_target_spoils_no_other(folder: Path) -> None:
    claim(folder, "one", "A")
    (folder / "two.yaml").write_text("title: [")
    assert load_target("one").device_tree_models == ["A"]
    with pytest.raises(WrongInput, match=r"two\.yaml"):
        load_target("two")


def test_the_inventory_is_no_target(folder: Path) -> None:
    claim(folder, "rpi5", "A")
    assert target_names() == ["rpi5"]
    with pytest.raises(WrongInput, match="unknown target 'fleet'") as said:
        load_target("fleet")
    assert said.value.remedy == "known: rpi5"
