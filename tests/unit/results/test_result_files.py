"""Results as files: whole or absent, readable for ever, refused in one line when they are not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.core.errors import NotSetUp, UnreadableLog
from piyard.results.history import stored_results
from piyard.results.result import SCHEMA, Reason, Result, Verdict
from piyard.results.result_files import (
    STALE_DRAFT_S,
    load_result,
    remove_stale_draft,
    result_file,
    results_folder,
    save_result,
)
from piyard.run.record import OutputCheck
from piyard.run.run_folders import run_folder
from piyard.run.telemetry import Sample
from tests.support import synthetic_results

RUN = "20261120T120000-a"


def drafts() -> list[Path]:
    return [file for file in results_folder().iterdir() if file.name.startswith(".")]


def test_what_is_saved_loads_as_it_was() -> None:
    hot = Reason(code="hot", grade="SUSPECT", text="84 °C")
    whole = msgspec.structs.replace(
        synthetic_results.result(RUN, verdict=Verdict(state="SUSPECT", reasons=[hot])),
        warmup_ms=[3.0],
        first_ms=9.0,
        telemetry=[Sample(uptime_s=1.5, temperature_mc=50_000, throttled="0x0")],
        stopped="interval",
    )
    assert save_result(whole) == results_folder() / f"{RUN}.json"
    assert msgspec.json.encode(load_result(RUN)) == msgspec.json.encode(whole)
    assert json.loads(result_file(RUN).read_text())["schema"] == SCHEMA
    assert not drafts()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=20))
def test_every_sample_comes_back_to_the_last_bit(samples: list[float]) -> None:
    save_result(synthetic_results.result(RUN, samples))
    assert load_result(RUN).samples_ms == samples


def test_a_second_save_takes_the_place_of_the_first() -> None:
    save_result(synthetic_results.result(RUN, [1.0]))
    save_result(synthetic_results.result(RUN, [2.0]))
    assert load_result(RUN).samples_ms == [2.0]


def test_what_could_not_be_read_again_is_not_written() -> None:
    save_result(synthetic_results.result(RUN, [1.0]))
    with pytest.raises(UnreadableLog, match="not a complete result"):
        save_result(synthetic_results.result(RUN, [float("nan")]))
    assert load_result(RUN).samples_ms == [1.0]
    assert not drafts()


def test_a_full_disk_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    save_result(synthetic_results.result(RUN, [1.0]))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotSetUp, match="cannot be written: No space left on device") as caught:
        save_result(synthetic_results.result(RUN, [2.0]))
    assert caught.value.remedy.endswith(f"invoke attach {RUN}: its samples are kept")
    assert load_result(RUN).samples_ms == [1.0]
    assert not drafts()


def test_the_content_is_on_the_disk_before_it_gets_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        seen.append("folder" if Path(f"/proc/self/fd/{handle}").is_dir() else "file")
        fsync(handle)

    def renamed(self: Path, to: Path) -> Path:
        seen.append("rename")
        return replace(self, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    save_result(synthetic_results.result(RUN))
    assert seen == ["folder", "file", "rename", "folder"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a complete result"),
        (b'{"schema":2,"record":', "is not a complete result"),
        (b"\xff\xfe", "is not a complete result"),
        (b"[]", "is not a complete result"),
        (b'{"schema":2}', "is not a complete result"),
        (b'{"schema":3}', "was made by a newer piyard: its schema is 3"),
        (b'{"schema":1}', "has schema 1, which was never kept in such a file"),
    ],
)
def test_what_does_not_load_says_why(content: bytes, said: str) -> None:
    results_folder().mkdir(parents=True)
    result_file(RUN).write_bytes(content)
    with pytest.raises(UnreadableLog) as caught:
        load_result(RUN)
    assert said in caught.value.what
    assert str(result_file(RUN)) in caught.value.what
    assert caught.value.code == 15


def test_a_newer_schema_says_what_to_do() -> None:
    results_folder().mkdir(parents=True)
    result_file(RUN).write_text('{"schema":99,"record":"another shape"}')
    with pytest.raises(UnreadableLog) as caught:
        load_result(RUN)
    assert caught.value.remedy == "update piyard"


def test_what_was_never_there_says_so() -> None:
    with pytest.raises(UnreadableLog, match=r"a\.json cannot be read: No such file"):
        load_result(RUN)


SAMPLES = synthetic_results.around(20.0)


def old(check: OutputCheck | None, **changes: Any) -> Result:
    synthetic_results.old_run(synthetic_results.record(RUN, check=check, **changes), SAMPLES)
    return load_result(RUN)


RIGHT = OutputCheck(ok=True, threshold=0.999, cosine={"out0": 1.0}, max_abs={"out0": 0.0})
WRONG = OutputCheck(ok=False, threshold=0.999, cosine={"out0": 0.25}, max_abs={"out0": 9.0})


@pytest.mark.parametrize(
    ("check", "emulated", "state", "codes"),
    [
        (RIGHT, False, "SUSPECT", {"telemetry"}),
        (None, False, "SUSPECT", {"telemetry"}),
        (WRONG, False, "INVALID", {"output", "telemetry"}),
        (WRONG, True, "EMULATED", {"output"}),
    ],
)
def test_a_result_of_schema_1_is_its_runs_folder_judged_today(
    check: OutputCheck | None, emulated: bool, state: str, codes: set[str]
) -> None:
    read = old(check, emulated=emulated)
    assert read.schema == SCHEMA
    assert read.samples_ms == SAMPLES
    assert (read.load_ms, read.peak_rss_kb, read.telemetry) == (12.5, 40_000, [])
    assert read.verdict.state == state
    assert {reason.code for reason in read.verdict.reasons} >= codes


def test_a_real_run_of_schema_1_loads() -> None:
    """A run of an emulated board as it was kept before; only its kernel has another name."""
    stored = Path(__file__).parent / "stored" / "schema-1"
    (folder,) = stored.iterdir()
    to = run_folder(folder.name)
    to.parent.mkdir(parents=True)
    to.symlink_to(folder)
    read = load_result(folder.name)
    assert read.record.id == folder.name
    assert (read.data_type, read.threads, len(read.samples_ms)) == ("fp32", 2, 3)
    assert read.latency_ms == 2537.670445
    assert read.verdict.state == "EMULATED"
    save_result(read)
    assert msgspec.json.encode(load_result(folder.name)) == msgspec.json.encode(read)


def test_a_results_file_comes_before_its_runs_folder() -> None:
    old(RIGHT)
    save_result(synthetic_results.result(RUN, [7.0]))
    assert load_result(RUN).samples_ms == [7.0]


def test_results_are_read_as_they_are_asked_for() -> None:
    save_result(synthetic_results.result(RUN, [7.0]))
    results = stored_results([RUN, "gone"])
    assert next(results).samples_ms == [7.0]
    with pytest.raises(UnreadableLog, match=r"gone\.json cannot be read"):
        next(results)


def test_only_old_drafts_are_swept() -> None:
    results_folder().mkdir(parents=True)
    fresh, left = (results_folder() / f".{RUN}.json.{end}" for end in ("fresh", "left"))
    fresh.touch()
    left.touch()
    long_ago = time.time() - STALE_DRAFT_S - 1
    os.utime(left, (long_ago, long_ago))
    for draft in (fresh, left, results_folder() / ".gone"):
        remove_stale_draft(draft)
    assert drafts() == [fresh]
