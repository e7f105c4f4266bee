"""bench --engine: what llama-bench prints, the jobs of boards, and what a finished run gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.board.connection import BoardSpec
from piyard.cli import engines
from piyard.cli.board_requests import BenchRequest
from piyard.core.errors import PiyardError, UnreadableLog, WrongInput
from piyard.core.tables import render_items
from piyard.core.target import load_target
from piyard.measure import engine
from piyard.measure.engine import EngineJob
from piyard.measure.llama_bench import Work, parse_bench
from piyard.measure.token_rates import RUNS
from piyard.report.page import rerun_command
from piyard.results.history import stored_rows
from piyard.run.record import Record, TokenWork
from piyard.run.run_folders import run_folder, save_record
from tests.support.token_runs import finished_run

LINE: dict[str, Any] = {
    "build_commit": "unknown",
    "model_filename": "model.gguf",
    "model_type": "qwen2 1B Q4_0",
    "model_size": 91726848,
    "n_prompt": 512,
    "n_gen": 0,
    "n_depth": 0,
    "n_threads": 1,
    "avg_ns": 250,
    "samples_ns": [2_000_000_000, 4_000_000_000, 3_000_000_000],
    "samples_ts": [1.0, 2.0],
}
"""As ``llama-bench -o jsonl`` prints it, without the fields that say nothing here."""
BOARD = BoardSpec(name="pi", target=load_target("rpi5"), emulated=True, cores=4)
JOB = EngineJob(board=BOARD, engine="llama.cpp", weights=Path("tiny.gguf"), threads=1, runs=3)


def log_of(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_line_is_read() -> None:
    (line,) = parse_bench(log_of(LINE), [Work(prompt=512, runs=3)])
    assert line.samples_ns == LINE["samples_ns"]
    assert line.model_type == "qwen2 1B Q4_0"


@pytest.mark.parametrize("text", ["{", "null", '{"n_prompt": 0}', "[" * 2000])
def test_what_llama_bench_does_not_print_is_refused(text: str) -> None:
    with pytest.raises(UnreadableLog, match="JSON lines"):
        parse_bench(text, [])


@pytest.mark.parametrize(
    "other",
    [
        [],
        [Work(prompt=512)],
        [Work(prompt=512, past=1, runs=3)],
        [Work(tokens=512, runs=3)],
        [Work(prompt=512, runs=3)] * 2,
    ],
)
def test_another_test_than_the_one_to_do_is_refused(other: list[Work]) -> None:
    with pytest.raises(UnreadableLog, match="was to do"):
        parse_bench(log_of(LINE), other)


def test_the_command_line_is_that_of_the_test() -> None:
    prefill, decode = (" ".join(JOB.arguments(work)) for work in JOB.works)
    assert prefill == "-m model.gguf -t 1 -p 512 -n 0 -d 0 -r 3 -o jsonl"
    assert decode == "-m model.gguf -t 1 -p 0 -n 128 -d 0 -r 3 -o jsonl"
    assert [work.name for work in JOB.works] == ["pp512", "tg128"]
    assert JOB.title == "llama.cpp tiny, 1 thread on pi"


DECODE = LINE | {"n_prompt": 0, "n_gen": 128, "samples_ns": [10**9, 10**9, 2 * 10**9]}
PP = TokenWork(engine="llama.cpp", test="pp512", tokens=512)
TG = TokenWork(engine="llama.cpp", test="tg128", tokens=128)


def done_run(line: dict[str, Any], work: TokenWork, **changes: Any) -> Record:
    """A run in which llama-bench has printed that line."""
    done = finished_run(f"20260101T000000-tiny-{work.test}", work=work)
    record = msgspec.structs.replace(done, **changes)
    save_record(record)
    (run_folder(record.id) / "log.jsonl").write_text(log_of(line))
    return record


def test_a_finished_run_gives_a_rate_and_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    of_prompt, of_tokens = JOB.works
    prefill = engine.conclude_engine(JOB, of_prompt, done_run(LINE, PP))
    assert prefill.result.samples_ms == [2000, 4000, 3000]
    assert prefill.speed.per_s == pytest.approx(512 / 3)
    assert prefill.range_per_s == pytest.approx((512 / 4, 512 / 2))
    decode = engine.conclude_engine(JOB, of_tokens, done_run(DECODE, TG))
    assert (decode.speed.name, decode.speed.per_s) == ("llama.cpp tg128", 128)
    assert decode.row.verdict.state == "EMULATED"
    rows = json.loads(render_items(engines.COLUMNS, [prefill, decode], "json"))
    assert [row["test"] for row in rows] == ["pp512", "tg128"]
    assert rows[1]["samples_ms"] == [1000, 1000, 2000]
    assert [row.subject for row in stored_rows()] == [
        "tiny llama.cpp pp512",
        "tiny llama.cpp tg128",
    ]
    again = " ".join(rerun_command(decode.row))
    assert again == (
        "invoke bench --host pi --target rpi5 --engine llama.cpp --gguf tiny.gguf --threads 1"
    )


def test_times_of_a_real_board_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    done = done_run(LINE, PP, emulated=False)
    verdict = engine.conclude_engine(JOB, JOB.works[0], done).row.verdict
    assert verdict.state == "INVALID"
    assert {reason.code for reason in verdict.reasons} >= {"interval", "telemetry"}
    assert "output" not in {reason.code for reason in verdict.reasons}


def test_a_run_without_its_log_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    with pytest.raises(UnreadableLog, match="cannot be read"):
        engine.conclude_engine(JOB, JOB.works[0], finished_run())


def test_a_board_and_a_number_of_threads_is_a_job() -> None:
    request = BenchRequest(engine="llama.cpp", gguf=Path("a.gguf"), threads=(1, 2), loops=4)
    jobs = engines.plan_engine_jobs(request, Path("a.gguf"), [BOARD])
    assert [(job.threads, job.runs) for job in jobs] == [(1, 4), (2, 4)]
    usual = engines.plan_engine_jobs(
        request.replace(threads=(), loops=None), Path("a.gguf"), [BOARD]
    )
    assert [(job.threads, job.runs) for job in usual] == [(BOARD.default_threads, RUNS)]
    with pytest.raises(WrongInput, match="cores"):
        engines.plan_engine_jobs(request.replace(threads=(99,)), Path("a.gguf"), [BOARD])


def test_a_board_of_another_processor_is_refused() -> None:
    desktop = BoardSpec(name="desk", target=load_target("desktop"))
    request = BenchRequest(engine="llama.cpp", gguf=Path("a.gguf"))
    with pytest.raises(WrongInput, match="aarch64 only"):
        engines.plan_engine_jobs(request, Path("a.gguf"), [desktop])


def test_what_another_engine_does_not_heed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    request = BenchRequest(engine="llama.cpp", gguf=tmp_path / "a.gguf")
    with pytest.raises(WrongInput, match="--energy says nothing to llama"):
        engines.check_request(request.replace(energy=True))
    with pytest.raises(WrongInput, match="belong together"):
        engines.check_request(request.replace(engine=""))
    with pytest.raises(WrongInput, match="belong together"):
        engines.check_request(request.replace(gguf=None))
    with pytest.raises(PiyardError, match="cut"):
        engines.check_request(request)
