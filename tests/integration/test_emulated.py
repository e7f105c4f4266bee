"""The main path on emulated boards: deploy over SSH, run aarch64 code, compare with torch."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.board.connection import BoardConnection
from piyard.board.emulator import (
    LOOPBACK,
    PORT,
    EmulatedBoard,
    list_emulated,
    stop_emulated,
)
from piyard.board.fleet.selection import select_board
from piyard.board.lease import new_lease
from piyard.board.release import HOME
from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import _ensure_key
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import open_session
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.convert.difference import compare_outputs
from piyard.core.containers import connect_engine
from piyard.core.errors import KeyRejected
from piyard.core.paths import ROOT
from piyard.measure.bench import run_benchmark
from piyard.predict.command import Inputs, PredictOptions
from piyard.predict.prediction import Prediction, predict_on_board
from piyard.results.result import Result
from piyard.run.job import BenchDuration, JobContext, Prepared, RunOptions
from piyard.run.log import CpuInfo, LogHeader, read_log
from piyard.run.plan import combine_jobs
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER
from piyard.vision.predictions import Frame
from tests.integration.conftest import Invoke
from tests.support.board_access import open_board
from tests.support.originals import compute_reference_logits
from tests.support.plans import board, start_emulated

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(2400)),
    pytest.mark.usefixtures("own_results"),
]

TARGETS = ("rpi5", "rpi4", "rpi3")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three pictures that always exist: smooth noise, upright, flat and large."""
    result = []
    for seed, size in enumerate([(240, 320), (320, 240), (500, 375)]):
        rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        result.append(tmp_path / f"{seed}.jpg")
        Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC).save(result[-1], quality=90)
    return result


def ready(build: Build, conversion: Conversion, target: str = "rpi5") -> Prepared:
    return Prepared(builds={target: build}, conversions={conversion.name: conversion})


def look_at(
    build: Build, conversion: Conversion, shown: list[Path], target: str, precision: str
) -> Prediction:
    """What the model sees on that board."""
    host = f"emulated:{target}"
    (jobs,) = combine_jobs(
        [board(host, target, emulated=True)], [conversion.model], precisions=[precision]
    )
    line = BoardConnection(select_board(host))
    try:
        options = PredictOptions(precision=precision, threads=jobs.threads, raw=OUTPUTS_FOLDER)
        context = JobContext(
            connection=line,
            job=jobs,
            prepared=ready(build, conversion, target),
            options=RunOptions(limit_s=600),
        )
        return predict_on_board(context, Inputs(pictures=shown), options, conversion.model)
    finally:
        line.close()


def show(
    build: Build, conversion: Conversion, shown: list[Path], target: str, precision: str
) -> tuple[list[Frame], list[np.ndarray], LogHeader]:
    """What the model sees on that board, its raw outputs, and nnrun's header."""
    seen = look_at(build, conversion, shown, target, precision)
    saved = sorted((seen.folder / OUTPUTS_FOLDER).glob("*.f32"))
    raw = [np.fromfile(path, dtype="<f4") for path in saved]
    return seen.frames, raw, read_log(seen.folder / LOG_FILE).header


def test_a_session_runs_under_the_targets_cpu(emulated_rpi5: EmulatedBoard) -> None:
    with open_board(emulated_rpi5.name) as line:
        said = line.session.run(["sh", "-c", 'echo "$QEMU_CPU"; whoami'])
        facts = line.facts
    assert said.out.split() == ["cortex-a76", "pi"]
    assert facts.machine == "aarch64"
    assert facts.memory_kb
    assert line.spec.hardware == "Raspberry Pi 5 (emulated)"


def test_it_is_found_again_while_it_runs(emulated_rpi5: EmulatedBoard) -> None:
    assert start_emulated("rpi5") == emulated_rpi5
    assert emulated_rpi5 in list_emulated()


def test_only_our_key_gets_in(emulated_rpi5: EmulatedBoard, tmp_path: Path) -> None:
    stranger = _ensure_key(tmp_path / "stranger")
    login = Login(
        address=emulated_rpi5.login.address,
        key=stranger,
        known_hosts=emulated_rpi5.login.known_hosts,
    )
    with pytest.raises(KeyRejected), open_session(login):
        raise AssertionError("let in")


def test_one_program_on_three_cpus_sees_the_same(
    rpi5_build: Build, squeezenet: Conversion, pictures: list[Path]
) -> None:
    shown = {
        target: show(rpi5_build, squeezenet, pictures[:1], target, "fp32") for target in TARGETS
    }
    tops = {target: seen[0].top[0].index for target, (seen, _, _) in shown.items()}
    assert len(set(tops.values())) == 1
    cpus = {target: header.cpu or CpuInfo() for target, (_, _, header) in shown.items()}
    features = {target: cpu.features or [] for target, cpu in cpus.items()}
    assert "asimdhp" in features["rpi5"]
    assert "asimddp" in features["rpi5"]
    assert not {"asimdhp", "asimddp"} & {*features["rpi4"], *features["rpi3"]}
    assert not {"i8mm", "bf16", "sve"} & set(features["rpi5"])


def test_the_label_says_what_was_computed(
    rpi5_build: Build, squeezenet: Conversion, pictures: list[Path]
) -> None:
    labels = [
        show(rpi5_build, squeezenet, pictures[:1], target, "fp16")[2].precision.label
        for target in ("rpi5", "rpi4")
    ]
    assert labels[0] == "fp16"
    assert labels[1].startswith("fp32")


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("fp16", 0.999)])
def test_the_board_computes_what_torch_computes(
    rpi5_build: Build,
    squeezenet: Conversion,
    pictures: list[Path],
    precision: str,
    least: float,
) -> None:
    agrees_with_torch(rpi5_build, squeezenet, pictures, precision, least)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("fp16", 0.999)])
def test_real_weights_on_real_pictures(
    rpi5_build: Build,
    real_squeezenet: Conversion,
    real_mobilenet: Conversion,
    assets: Path,
    precision: str,
    least: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))
    shown = sorted((assets / "data" / "imagenet500" / "images").glob("*.jpg"))[::150][:3]
    assert len(shown) == 3
    for conversion in (real_squeezenet, real_mobilenet):
        agrees_with_torch(rpi5_build, conversion, shown, precision, least)


def agrees_with_torch(
    build: Build, conversion: Conversion, shown: list[Path], precision: str, least: float
) -> None:
    reference = compute_reference_logits(conversion, shown)
    seen, raw, _header = show(build, conversion, shown, "rpi5", precision)
    assert len(raw) == len(seen) == len(shown)
    for each, expected, got in zip(seen, reference, raw, strict=True):
        assert compare_outputs(expected, got).cosine >= least
        if precision == "fp32":
            assert each.top[0].index == int(expected.argmax())


def test_a_benchmark_is_checked_against_torch(rpi5_build: Build, squeezenet: Conversion) -> None:
    result = measure(rpi5_build, squeezenet)
    assert result.record.check
    assert result.record.check.ok
    assert result.record.check.cosine["out0"] >= 0.9999
    assert len(result.samples_ms) == 2
    assert result.header.build == rpi5_build.key
    assert result.record.after
    assert result.record.exit_code == 0


def measure(build: Build, conversion: Conversion) -> Result:
    host = "emulated:rpi5"
    (jobs,) = combine_jobs(
        [board(host, emulated=True)],
        [conversion.model],
        precisions=["fp32"],
        bench=BenchDuration(loops=2, warmup=0),
    )
    line = BoardConnection(select_board(host))
    try:
        prepared = ready(build, conversion)
        return run_benchmark(
            JobContext(connection=line, job=jobs, prepared=prepared, options=RunOptions())
        )
    finally:
        line.close()


def test_from_one_command_to_the_table_and_again_for_nothing(invoke: Invoke) -> None:
    request = (
        "deploy-bench",
        "--model",
        "squeezenet1_1",
        "--random-weights",
        "--precision",
        "fp32",
    )
    first = invoke(*request, "--loops", "2", "--warmup", "0", "--format", "json")
    assert first.returncode == 0, first.stderr
    assert "using emulated:rpi5" in first.stderr
    (row,) = json.loads(first.stdout)
    assert row["Hardware"] == "Raspberry Pi 5 (emulated)"
    assert row["Data type"] == "fp32"
    assert row["Params"] == 1_235_496
    assert "random weights" in row["Comments"]
    assert "EMULATED: not a Pi's time" in row["Comments"]
    assert "output as the original's" in row["Comments"]
    assert len(row["samples_ms"]) == 2

    second = invoke(*request, "--loops", "1", "--warmup", "0", "--format", "csv")
    assert "nothing to send" in second.stderr
    reprinted = invoke("report", "--format", "csv", DOCKER_HOST="unix:///nowhere")
    assert reprinted.stdout == second.stdout


def test_a_picture_is_shown_and_named(invoke: Invoke, assets: Path) -> None:
    picture = assets / "data" / "imagenet500" / "images" / "n01440764.jpg"
    request = ("run", "--model", "squeezenet1_1", "--input", str(picture), "--format", "json")
    done = invoke(*request, PIYARD_MIRROR=str(assets))
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)[0]
    assert (best["Rank"], best["Class"]) == (1, "tench")
    assert best["Picture"] == "n01440764.jpg"


@pytest.mark.usefixtures("rpi5_build", "nowhere")
def test_meaningless_answers_are_refused(invoke: Invoke, pictures: list[Path]) -> None:
    for verb in (["run", "--input", str(pictures[0])], ["bench"]):
        done = invoke(*verb, "--model", "resnet18")
        assert done.returncode == 4
        assert "--random-weights" in done.stderr
        assert "Traceback" not in done.stderr


def odd_pictures(folder: Path, usual: Path) -> dict[str, Path]:
    """What people have in their folders, by what it is."""
    picture = Image.open(usual)
    named = {name: folder / f"{name}.jpg" for name in ("empty", "cut", "text", "huge", "cmyk")}
    named |= {"grey": folder / "grey.jpg", "turned": folder / "turned.jpg"}
    named["alpha"] = folder / "alpha.png"
    named["empty"].write_bytes(b"")
    named["cut"].write_bytes(usual.read_bytes()[:2000])
    named["text"].write_text("a shopping list")
    Image.new("L", (20_000, 20_000)).save(named["huge"])
    picture.convert("CMYK").save(named["cmyk"])
    picture.convert("L").save(named["grey"])
    turn = Image.Exif()
    turn[0x0112] = 6
    picture.save(named["turned"], exif=turn)
    picture.convert("RGBA").save(named["alpha"])
    return named


def test_odd_pictures_are_seen_or_are_one_line_and_the_rest_goes_on(
    rpi5_build: Build, squeezenet: Conversion, pictures: list[Path], tmp_path: Path
) -> None:
    named = odd_pictures(tmp_path, pictures[0])
    seen = look_at(rpi5_build, squeezenet, [*named.values(), pictures[1]], "rpi5", "fp32")
    assert {Path(each.name) for each in seen.wrong} == {
        named[name] for name in ("empty", "cut", "text", "huge")
    }
    assert all("\n" not in item.error and item.error for item in seen.wrong)
    assert {Path(frame.name) for frame in seen.frames} == {
        *(named[name] for name in ("cmyk", "grey", "turned", "alpha")),
        pictures[1],
    }


def test_boards_go_up_and_down(invoke: Invoke) -> None:
    up = invoke("board.up", "--target", "zero2w")
    assert up.returncode == 0, up.stderr
    assert "emulated:zero2w answers on port" in up.stdout
    assert "emulated:zero2w" in invoke("board.list").stdout
    assert invoke("board.down", "-t", "zero2w").stdout == "emulated:zero2w is stopped\n"
    assert invoke("board.down", "-t", "zero2w").stdout == "emulated:zero2w was not running\n"


def test_two_users_of_one_machine_have_boards_of_their_own(
    emulated_rpi5: EmulatedBoard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert list_emulated() == []
    theirs = start_emulated("rpi5")
    try:
        assert theirs.container != emulated_rpi5.container
        with open_session(theirs.login) as session:
            assert session.run(["whoami"]).out == "pi\n"
    finally:
        assert stop_emulated("rpi5")
    monkeypatch.undo()
    assert emulated_rpi5 in list_emulated()


def test_a_board_of_this_machines_own_kind_needs_no_emulation(
    own_boards: Callable[[str], EmulatedBoard],
) -> None:
    first, second = own_boards("desktop/1"), own_boards("desktop/2")
    assert first.name == "emulated:desktop/1"
    assert first.port != second.port
    for result in (first, second):
        with open_session(result.login) as session:
            assert session.run(["uname", "-m"]).out.strip() == platform.machine()


@pytest.fixture
def other_checkout(tmp_path: Path) -> Invoke:
    """Run a task of a copy of the checkout, as the same user."""
    copy = tmp_path / "other"
    written_meanwhile = shutil.ignore_patterns("__pycache__")
    for name in ("piyard", "targets", "models", "toolchains", "docker"):
        shutil.copytree(ROOT / name, copy / name, ignore=written_meanwhile)
    shutil.copy(ROOT / "tasks.py", copy)

    def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "invoke", *argv]
        return subprocess.run(
            command, cwd=copy, capture_output=True, text=True, check=False, env=os.environ | env
        )

    return run


def test_two_checkouts_share_no_board_and_stop_each_others_only_by_consent(
    own_boards: Callable[[str], EmulatedBoard], other_checkout: Invoke, invoke: Invoke
) -> None:
    ours = own_boards("desktop/7")
    down = ("board.down", "--target", "desktop/7")
    refused = other_checkout(*down)
    assert refused.returncode == 16
    assert f"is the board of the checkout {ROOT}" in refused.stderr
    assert "--yes" in refused.stderr
    theirs = other_checkout("board.up", "--target", "desktop/7")
    assert f"port {ours.port}:" not in theirs.stdout
    assert invoke("board.list").stdout.count("emulated:desktop/7") == 2
    stopped = other_checkout(*down)
    assert (stopped.returncode, stopped.stdout) == (0, "emulated:desktop/7 is stopped\n")
    assert list_emulated() == [ours]
    assert other_checkout(*down, "--yes").stdout == "emulated:desktop/7 is stopped\n"
    assert list_emulated() == []


def test_a_board_that_is_in_use_is_stopped_only_by_consent(
    own_boards: Callable[[str], EmulatedBoard], invoke: Invoke
) -> None:
    ours = own_boards("desktop/8")
    holder = new_lease("a benchmark")
    with open_session(ours.login) as session:
        session.script("lease_take", HOME, holder.token, "60", holder.owner)
    refused = invoke("board.down", "--target", "desktop/8")
    assert refused.returncode == 16
    assert "is in use by" in refused.stderr
    assert "a benchmark" in refused.stderr
    assert list_emulated() == [ours]
    assert invoke("board.down", "-t", "desktop/8", "--yes").returncode == 0
    assert list_emulated() == []


def test_a_board_that_was_switched_off_has_what_it_had(
    own_boards: Callable[[str], EmulatedBoard],
) -> None:
    boards = own_boards("desktop/1")
    with open_session(boards.login) as session:
        session.run(["touch", "kept"])
    connect_engine().containers.get(boards.container).stop(timeout=1)
    with open_session(start_emulated("desktop/1").login) as session:
        assert session.run(["ls"]).out == "kept\n"


def test_who_wants_a_board_at_once_gets_the_same(
    own_boards: Callable[[str], EmulatedBoard],
) -> None:
    with ThreadPoolExecutor() as pool:
        boards = set(pool.map(own_boards, ["emulated:desktop/1"] * 4))
    (only,) = boards
    assert list_emulated() == [only]


def test_no_address_of_an_emulated_board_is_public(emulated_rpi5: EmulatedBoard) -> None:
    container = connect_engine().containers.get(emulated_rpi5.container)
    bindings = container.attrs["NetworkSettings"]["Ports"][PORT]
    assert {binding["HostIp"] for binding in bindings} == {LOOPBACK}
    assert isinstance(emulated_rpi5.login.address, Address)
