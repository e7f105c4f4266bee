"""Files as earlier versions stored them: they load, whatever types read them by now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.build.builder import Build, BuildManifest, NcnnManifest
from piyard.build.recipe import ToolchainManifest
from piyard.convert.conversions import Conversion, ConversionInputs, ConversionManifest
from piyard.core import paths
from piyard.core.store import Manifest, WeightsInfo, key_of, read_files, read_manifest
from piyard.results.accuracies import stored_evaluations
from piyard.results.derive import make_row
from piyard.results.history import stored_rows
from piyard.results.result import read_run_result
from piyard.results.result_files import load_result
from piyard.run.log import read_log
from piyard.run.run_folders import read_record
from piyard.run.telemetry import TELEMETRY_FILE, inference_energy, read_telemetry
from piyard.vision.predictions import FRAME_TYPES, parse_frame
from tests.support.plans import model

STORED = Path(__file__).parent / "stored"
TODAY = STORED / "schema-2"
BENCH = "20261130T004901-squeezenet1_1-fp32-t4-1ab578"
OLD_BENCH = "20261125T201652-resnet18-fp32-t2-e4bc49"
RUNS = sorted(folder.name for folder in (TODAY / "runs").iterdir())
MANIFESTS = sorted(TODAY.glob("*/*/manifest.json"))
CONVERSIONS = sorted((TODAY / "conversions").iterdir())


@pytest.fixture(autouse=True)
def artifacts() -> None:
    """Each stored file in its place among the artifacts."""
    for shelf_ in TODAY.iterdir():
        to = paths.artifacts() / shelf_.name
        to.mkdir(parents=True)
        for entry in shelf_.iterdir():
            (to / entry.name).symlink_to(entry)
    old = STORED / "schema-1" / OLD_BENCH
    (paths.artifacts() / "runs" / old.name).symlink_to(old)


def test_a_result_with_energy_and_verdict_loads() -> None:
    read = load_result(BENCH)
    assert (read.record.host, read.record.model.name) == ("pi5-desk", "squeezenet1_1")
    assert (read.threads, read.data_type, len(read.samples_ms)) == (4, "fp32", 100)
    assert [reason.code for reason in read.verdict.reasons] == ["governor"]
    assert [moment.khz for moment in read.telemetry] == [2_400_000] * 4
    assert read.energy
    drawn = inference_energy(read.energy)
    assert drawn
    assert drawn.average_w == pytest.approx(6.83)
    row = make_row(read)
    assert (row.verdict.state, row.power and row.power.source) == ("SUSPECT", "PMIC")


def _shared(content: Any, saved: Any) -> Any:
    """What is written, without the facts that were not known yet when the file was saved."""
    if isinstance(content, dict) and isinstance(saved, dict):
        return {key: _shared(content[key], saved[key]) for key in content if key in saved}
    return content


def test_a_result_is_written_as_it_was_read() -> None:
    """Not a key less: whoever reads these files elsewhere finds them all."""
    file = TODAY / "results" / f"{BENCH}.json"
    again = msgspec.json.decode(msgspec.json.encode(load_result(BENCH)))
    assert _shared(again, saved := msgspec.json.decode(file.read_bytes())) == saved


def test_the_run_behind_it_loads() -> None:
    folder = paths.artifacts() / "runs" / BENCH
    read, saved = read_run_result(folder), load_result(BENCH)
    assert (read.samples_ms, read.starts_s) == (saved.samples_ms, saved.starts_s)
    assert (read.load_ms, read.first_ms, read.stopped) == (62.0, 40.0, "interval")
    assert read_telemetry(folder / TELEMETRY_FILE) == saved.telemetry


@pytest.mark.parametrize("run", RUNS)
def test_a_record_is_written_as_it_was_read(run: str) -> None:
    file = TODAY / "runs" / run / "run.json"
    again = msgspec.json.decode(msgspec.json.encode(read_record(file.parent)))
    assert _shared(again, saved := msgspec.json.decode(file.read_bytes())) == saved


def test_a_record_of_schema_1_loads() -> None:
    old = read_record(STORED / "schema-1" / OLD_BENCH)
    assert (old.schema, old.state, old.exit_code, old.emulated) == (1, "ended", 0, True)


@pytest.mark.parametrize("run", RUNS)
def test_nnruns_log_loads(run: str) -> None:
    read = read_log(TODAY / "runs" / run / "log.jsonl")
    assert read.header.ncnn == "1.0.20261020"
    assert (read.header.schema, read.header.nnrun) == (1, "0.1.0")
    assert read.header.precision.label == "fp32"
    assert read.summary
    assert read.lines


def test_what_nnrun_saw_loads() -> None:
    seen = {
        read_log(TODAY / "runs" / run / "log.jsonl").header.task or "": [
            parse_frame(line)
            for line in read_log(TODAY / "runs" / run / "log.jsonl").lines
            if line["type"] in FRAME_TYPES
        ]
        for run in RUNS
    }
    assert sorted(seen) == ["bench", "classify", "detect", "track sot"]
    assert seen["classify"][0].top[0].score > 0
    assert [len(frame.objects) for frame in seen["track sot"]] == [1] * 8


def test_the_history_has_both_benchmarks() -> None:
    assert [stored_row.run for stored_row in stored_rows()] == [OLD_BENCH, BENCH]


def test_kept_accuracies_load() -> None:
    result = {stored_evaluation.by: stored_evaluation for stored_evaluation in stored_evaluations()}
    assert sorted(result) == ["board", "desktop"]
    assert result["desktop"].assumed == ["order", "mean", "norm", "fit", "activation"]
    assert result["desktop"].accuracy.startswith("50.00 (23.7 to 76.3) % top-1 (data, 10 pictures")
    assert result["board"].precision == "fp32"


def test_manifests_load() -> None:
    assert {file.parent.parent.name for file in MANIFESTS} == {
        *("builds", "conversions", "ncnn", "toolchains")
    }
    for file in MANIFESTS:
        assert all(len(each.sha256) == 64 for each in read_files(file.parent).values())


def test_a_manifest_is_written_as_it_was_read() -> None:
    types: dict[str, type[Manifest]] = {
        "builds": BuildManifest,
        "ncnn": NcnnManifest,
        "toolchains": ToolchainManifest,
    }
    for file in MANIFESTS:
        if type_ := types.get(file.parent.parent.name):
            files = {"files": msgspec.to_builtins(read_files(file.parent))}
            content = msgspec.to_builtins(read_manifest(file.parent, type_)) | files
            assert file.read_text() == json.dumps(content, indent=2, sort_keys=True) + "\n"


def test_the_inputs_of_a_manifest_give_its_key() -> None:
    (build,), (ncnn,) = ((TODAY / shelf).iterdir() for shelf in ("builds", "ncnn"))
    assert key_of(read_manifest(build, BuildManifest).inputs) == build.name
    assert key_of(read_manifest(ncnn, NcnnManifest).inputs) == ncnn.name


@pytest.mark.parametrize("key", ["87337ce4adb80edb", "bcfc249545c83ce3", "bebc082868afb7fb"])
def test_the_inputs_of_a_conversion_give_its_key(key: str) -> None:
    manifest = read_manifest(TODAY / "conversions" / key, ConversionManifest)
    weights = manifest.weights
    identity = WeightsInfo(kind=weights.kind, seed=weights.seed, sha256=weights.sha256)
    names = [field.name for field in msgspec.structs.fields(ConversionInputs)]
    inputs = {name: getattr(manifest, name) for name in names} | {"weights": identity}
    assert key_of(ConversionInputs(**inputs)) == key


def test_a_builds_manifest_says_what_was_built() -> None:
    (folder,) = (TODAY / "builds").iterdir()
    build = Build(target="rpi5", key=folder.name, folder=folder, fresh=False)
    assert build.manifest.elf.machine == "aarch64"
    assert build.manifest.ncnn.source.version == "20261020"


@pytest.mark.parametrize("folder", CONVERSIONS, ids=lambda folder: str(folder.name))
def test_a_conversions_manifest_says_what_was_converted(folder: Path) -> None:
    manifest = read_manifest(folder, ConversionManifest)
    net = model("net")
    read = Conversion(model=net, key=folder.name, folder=folder, manifest=manifest, fresh=False)
    assert (read.require_proved(), read.empty, read.failed) == (read, {}, [])
    assert len(read.input_shape) == 3
    assert read.input_range[0] < read.input_range[1]
    assert read.outputs
    assert read.stems[0] == "model"


def test_masks_that_a_board_asked_for_are_in_the_manifest() -> None:
    masks = [read_manifest(folder, ConversionManifest).masks for folder in CONVERSIONS]
    assert {"convrelu_0": 1} in masks
