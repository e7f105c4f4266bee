"""Tensors to a board and back: what nnrun compute is given, and what its log may hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from piyard.convert.conversions import Conversion
from piyard.convert.ncnn_net import (
    declared_inputs,
    load_net,
    net_inputs,
    net_outputs,
    read_layers,
    run_all_blobs,
)
from piyard.core.errors import UnreadableLog
from piyard.models.synthetic import random_tensor
from piyard.prove.tensors import OutputLine, _read_blob, compute_tensors
from piyard.run.execute import NnrunCommand
from piyard.run.job import JobContext, Prepared, RunOptions
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder
from tests.runner.nets import Net
from tests.support import plans, synthetic_results

Lines = list[dict[str, Any]]
Change = Callable[[Lines], None]
A, B = random_tensor((4,), 1), random_tensor((4,), 2)


def two_inputs() -> Net:
    """Numbers are not in the order of the .param, neither of what goes in nor of what comes out."""
    net = Net().add("Input", "in1").add("Input", "in0", bottoms=[])
    net.add("Split", "a b", bottoms=["in0"]).add("Split", "c d", bottoms=["in1"])
    net.add("BinaryOp", "900", "0=1", bottoms=["a", "c"])
    return net.add("BinaryOp", "800", "0=0", bottoms=["b", "d"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobContext:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "model.ncnn.param").write_text(two_inputs().param)
    (folder / "model.ncnn.bin").touch()
    job = plans.job("pi", "rpi5", "m", precision="fp16", threads=3)
    manifest = synthetic_results.manifest(nets=["model"])
    conversion = Conversion(
        model=plans.model("m"), key="k", folder=folder, manifest=manifest, fresh=False
    )
    nobody: Any = None
    ready = Prepared(builds={"rpi5": nobody}, conversions={"m": conversion})
    return JobContext(connection=nobody, job=job, prepared=ready, options=RunOptions())


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[NnrunCommand]]:
    """Answers as nnrun does: inputs in the order of the .param, outputs as the net makes them."""

    def answering(change: Change = lambda _lines: None) -> list[NnrunCommand]:
        request: list[NnrunCommand] = []

        def run_one(context: JobContext, work: NnrunCommand) -> Any:
            request.append(work)
            record = synthetic_results.record("a-run", what=work.what)
            folder = run_folder(record.id)
            (folder / OUTPUTS_FOLDER).mkdir(parents=True)
            lines = computed(context.conversion.folder, folder, work)
            change(lines)
            precision = {"requested": "fp16", "label": "fp16"}
            header = {"type": "header", "precision": precision, "threads": 3}
            result = [header, *lines, {"type": "summary"}]
            (folder / LOG_FILE).write_text("".join(json.dumps(each) + "\n" for each in result))
            return record

        monkeypatch.setattr("piyard.run.execute.run_job", run_one)
        return request

    return answering


def computed(net: Path, folder: Path, work: NnrunCommand) -> Lines:
    layers, loaded = read_layers(net), load_net(net)
    assert work.inputs
    paths = [file.path for file in work.inputs.files]
    inputs = [np.load(path) for path in paths]
    lines: Lines = []
    for index in range(len(inputs) // 2):
        named = dict(zip(declared_inputs(layers), inputs[2 * index : 2 * index + 2], strict=True))
        all_blobs = run_all_blobs(loaded, layers, *(named[name] for name in net_inputs(loaded)))
        expected = (
            all_blobs
            if "--every-blob" in work.arguments
            else {n: all_blobs[n] for n in ("900", "800")}
        )
        for name, values in expected.items():
            file = f"{index}.{len(lines)}.{name}.f32"
            values.tofile(folder / OUTPUTS_FOLDER / file)
            about = {"index": index, "name": name, "shape": list(values.shape)}
            lines.append({"type": "output", **about, "file": f"outputs/{file}"})
    return lines


def test_inputs_and_outputs_keep_their_names(place: JobContext, board: Any) -> None:
    board()
    answer = compute_tensors(place, "model", {"noise": [(A, B)], "drawn": [(B, A), (A, A)]})
    first = answer.blobs["noise"][0]
    assert list(first) == net_outputs(load_net(place.conversion.folder)) == ["800", "900"]
    np.testing.assert_allclose(first["900"], A - B)
    np.testing.assert_allclose(first["800"], A + B)
    np.testing.assert_allclose(answer.blobs["drawn"][0]["900"], B - A)
    np.testing.assert_allclose(answer.blobs["drawn"][1]["900"], A - A)
    assert (answer.precision, answer.emulated) == ("fp16", False)


def test_what_nnrun_is_asked(place: JobContext, board: Any) -> None:
    request = board()
    compute_tensors(place, "model", {"noise": [(A, B)]})
    (work,) = request
    assert work.verb == "compute"
    line = list(work.arguments)
    assert line[:4] == ["--param", "model.ncnn.param", "--bin", "model.ncnn.bin"]
    assert line[4:8] == ["--precision", "fp16", "--threads", "3"]
    assert "--every-blob" not in line
    there = f"../../releases/{work.inputs.id}"
    assert line[line.index("--") :] == ["--", f"{there}/0000.0.npy", f"{there}/0000.1.npy"]
    assert not any(file.path.exists() for file in work.inputs.files), "tensors were left behind"


def test_every_blob_is_read_and_dropped(place: JobContext, board: Any) -> None:
    request = board()
    answer = compute_tensors(place, "model", {"noise": [(A, B)]}, every=True)
    assert answer.blobs["noise"][0].keys() >= {"a", "b", "c", "d", "800", "900"}
    assert "--every-blob" in request[0].arguments
    assert not (run_folder("a-run") / OUTPUTS_FOLDER).exists()
    assert (run_folder("a-run") / LOG_FILE).exists()


def drop_a_line(lines: Lines) -> None:
    lines.pop()


def with_change(**changes: Any) -> Change:
    return lambda lines: lines[0].update(changes)


def without(key: str) -> Change:
    return lambda lines: [lines[0].pop(key)].clear()


BAD = {
    "a blob is missing": drop_a_line,
    "an inference there was not": with_change(index=7),
    "an inference before the first": with_change(index=-1),
    "no index": without("index"),
    "no name": without("name"),
    "no file": without("file"),
    "no shape": with_change(shape=None),
    "another shape": with_change(shape=[5]),
    "a shape of words": with_change(shape=["a"]),
    "a file that is not there": with_change(file="outputs/other.f32"),
    "a file elsewhere": with_change(file="../../../../etc/passwd"),
    "a folder": with_change(file=".."),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_nnrun_writes_is_one_line(place: JobContext, board: Any, case: str) -> None:
    board(BAD[case])
    with pytest.raises(UnreadableLog, match=r"log.jsonl: a blob is missing or malformed"):
        compute_tensors(place, "model", {"noise": [(A, B)]})


def test_the_seat_with_other_files(place: JobContext) -> None:
    other = msgspec.structs.replace(place.conversion, key="other")
    assert place.with_conversion(other).conversion.key == "other"
    assert place.conversion.key == "k"


def test_every_blob_of_a_run_is_read_in_its_shape(tmp_path):
    values = random_tensor((2, 3))
    (tmp_path / "outputs").mkdir()
    values.tofile(tmp_path / "outputs" / "0.out0.f32")
    line = OutputLine(index=0, name="out0", file="outputs/0.out0.f32", shape=[2, 3])
    np.testing.assert_array_equal(_read_blob(tmp_path, line), values)
