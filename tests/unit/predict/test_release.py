"""What a board gets for a model of one net, of two, and for one that needs a detector."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.core.errors import BoardCommandFailed
from piyard.run import lifecycle, remote
from piyard.run.job import Prepared, release_for
from piyard.run.lifecycle import finish_run, start_run
from piyard.run.run_folders import LOG_FILE, STDERR_FILE, run_folder
from tests.support import synthetic_results
from tests.support.local_board import artifact
from tests.support.plans import job, model


def build() -> Build:
    folder = artifact("b1", nnrun="program")
    return Build(target="rpi5", key="b1", folder=folder, fresh=False)


def conversion(name: str, *nets: str) -> Conversion:
    files = {f"{stem}.ncnn.{part}": f"{name} {stem}" for stem in nets for part in ("param", "bin")}
    folder = artifact(f"c-{name}", **files | {"labels.txt": name, "proof.txt": "stays here"})
    manifest = synthetic_results.manifest(nets=list(nets))
    return Conversion(
        model=model(name), key=f"c-{name}", folder=folder, manifest=manifest, fresh=False
    )


def names(ready: Prepared, model_name: str) -> list[str]:
    single = job("h", "rpi5", model_name)
    if model_name == "pose":
        pose = msgspec.structs.replace(model("simplepose"), name="pose", detector="net")
        single = msgspec.structs.replace(single, model=pose)
    return sorted(file.name for file in ready.release_of(single).files)


@pytest.fixture
def ready() -> Prepared:
    result = {
        "net": conversion("net", "model"),
        "tracker": conversion("tracker", "model", "head"),
        "pose": conversion("pose", "model"),
    }
    return Prepared(builds={"rpi5": build()}, conversions=result, with_detectors=True)


def test_one_net(ready: Prepared) -> None:
    expected = ["labels.txt", "model.ncnn.bin", "model.ncnn.param", "nnrun"]
    assert names(ready, "net") == expected


def test_two_nets(ready: Prepared) -> None:
    expected = ["head.ncnn.bin", "head.ncnn.param", "labels.txt"]
    assert names(ready, "tracker") == [*expected, "model.ncnn.bin", "model.ncnn.param", "nnrun"]


def test_a_detector_comes_under_other_names(ready: Prepared) -> None:
    release = release_for(ready.builds["rpi5"], ready.conversions["pose"], ready.conversions["net"])
    from_ = {file.name: file.path.read_text() for file in release.files}
    assert from_["detector.ncnn.param"] == "net model"
    assert from_["model.ncnn.param"] == "pose model"
    assert from_["labels.txt"] == "pose"
    assert "detector.ncnn.bin" in names(ready, "pose")


def test_the_files_are_named_from_the_runs_folder_and_the_feeder_comes_first(
    ready: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release_for(ready.builds["rpi5"], ready.conversions["net"])
    started: list[list[str]] = []

    def start(
        _session: Any, _run: str, _release: Any, command: list[str], *_: Any, **__: Any
    ) -> None:
        started.append(command)

    monkeypatch.setattr(remote, "start_process", start)
    line = cast("Any", SimpleNamespace(session=None, lease=None))
    argv = ["mot", "--param", "model.ncnn.param", "--", "model.ncnn.param.jpg"]
    start_run(
        line,
        synthetic_results.record("r"),
        release,
        "track",
        argv,
        60,
        stdin_from=["sh", "-c", "feed"],
    )
    there = f"../../releases/{release.id}"
    (command,) = started
    assert command[:5] == ["sh", "-c", "feed", f"{there}/nnrun", "track"]
    assert command[5:] == ["mot", "--param", f"{there}/model.ncnn.param", "--", argv[-1]]


class TestPartly:
    """Exit code 4 of nnrun: some of its inputs could not be read."""

    def ended(self, code: int, *lines: dict[str, Any]) -> Any:
        done = msgspec.structs.replace(synthetic_results.record("r"), exit_code=code, state="ended")
        folder = run_folder("r")
        folder.mkdir(parents=True)
        every = [{"type": "header"}, *lines]
        (folder / LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in every))
        (folder / STDERR_FILE).write_text("nnrun detect: a.jpg: the file is empty\n")
        return done

    def finish(self, done: Any, monkeypatch: pytest.MonkeyPatch, *, allow_bad_inputs: bool) -> Any:
        monkeypatch.setattr(lifecycle, "_wait_for_end", lambda *_: None)
        monkeypatch.setattr(lifecycle, "collect_run", lambda *_: done)
        line = cast("Any", SimpleNamespace(name="pi5"))
        return finish_run(line, done, allow_bad_inputs=allow_bad_inputs)

    def test_what_reached_its_end_is_worth_having(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done = self.ended(4, {"type": "summary", "images": 2, "failed": 1})
        assert self.finish(done, monkeypatch, allow_bad_inputs=True) is done

    @pytest.mark.parametrize(
        ("code", "lines", "allow_bad_inputs"),
        [
            (4, [], True),
            (4, [{"type": "summary"}], False),
            (3, [{"type": "summary"}], True),
            (137, [{"type": "summary"}], True),
        ],
    )
    def test_anything_else_is_a_failure(
        self, code: int, lines: list[Any], allow_bad_inputs: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = self.ended(code, *lines)
        with pytest.raises(BoardCommandFailed, match=f"exit code {code}") as error:
            self.finish(done, monkeypatch, allow_bad_inputs=allow_bad_inputs)
        assert "the file is empty" in error.value.evidence


def test_files_beside_the_nets_stay_here(ready: Prepared) -> None:
    assert "proof.txt" not in names(ready, "net")
    assert Path(ready.conversions["net"].folder, "proof.txt").is_file()
