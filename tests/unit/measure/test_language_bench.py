"""bench of a language model: the plan, nnrun's words, and what a finished run gave."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from piyard.board.connection import BoardSpec
from piyard.cli import engines
from piyard.cli.board_requests import BenchRequest
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.tables import render_items
from piyard.core.target import load_target
from piyard.measure.language_bench import LanguageJob, conclude_language, plan_language_jobs
from piyard.measure.token_rates import RUNS
from piyard.run.record import run_folder
from tests.support.token_runs import finished_run

BOARD = BoardSpec(name="pi", target=load_target("rpi5"), emulated=True, cores=4)
CONVERSION: Any = SimpleNamespace(
    model=SimpleNamespace(name="tiny"),
    manifest=SimpleNamespace(precision="int4"),
    has_real_weights=False,
)


def job(**changes: Any) -> LanguageJob:
    fields = {"board": BOARD, "conversion": CONVERSION, "threads": 2, "runs": 3, **changes}
    return LanguageJob(**fields)


HEADER = {
    "type": "header",
    "threads": 2,
    "precision": {"requested": "int4", "label": "int4+int6"},
}
SUMMARY = {"type": "summary", "samples": 2, "weight_bytes": 100_000_000, "peak_rss_kb": 2048}


def log_of(*samples: float, header: dict[str, Any] = HEADER, summary: bool = True) -> str:
    lines: list[dict[str, Any]] = [header, {"type": "warmup", "ms": 999.0}]
    lines += [{"type": "sample", "ms": ms} for ms in samples]
    lines += [SUMMARY] if summary else []
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the log of the run."""
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    folder = run_folder(finished_run().id)
    folder.mkdir(parents=True)
    return (folder / "log.jsonl").write_text


def test_the_words_are_those_of_nnruns_two_benchmarks() -> None:
    prefill, decode = (job().command(work) for work in job().works)
    assert prefill == "bench prefill --tokens 512 --threads 2 --warmup 1 --loops 3".split()
    assert decode == "bench decode --tokens 128 --threads 2 --warmup 8 --loops 384".split()
    assert job(threads=1).title == "tiny int4, 1 thread on pi"


def test_a_job_for_each_board_conversion_and_number_of_threads() -> None:
    other: Any = SimpleNamespace(model=CONVERSION.model, manifest=SimpleNamespace(precision="int8"))
    jobs = plan_language_jobs([CONVERSION, other], [BOARD], [1, 4], 0)
    assert [each.title for each in jobs] == [
        "tiny int4, 1 thread on pi",
        "tiny int4, 4 threads on pi",
        "tiny int8, 1 thread on pi",
        "tiny int8, 4 threads on pi",
    ]
    assert {each.runs for each in jobs} == {RUNS}
    assert plan_language_jobs([CONVERSION], [BOARD], [], 2)[0].threads == BOARD.default_threads


def test_a_prompts_speed_is_of_all_its_tokens_and_an_answers_of_one(write: Any) -> None:
    write(log_of(2000.0, 4000.0, 3000.0))
    works = job().works
    prefill = conclude_language(job(), works[0], finished_run())
    assert prefill.tokens_per_s == pytest.approx(512 / 3)
    assert prefill.first_token_ms == 3000
    assert prefill.ceiling_per_s is None
    decode = conclude_language(job(), works[1], finished_run())
    assert decode.tokens_per_s == pytest.approx(1 / 3)
    assert decode.first_token_ms is None
    assert decode.weights == "int4+int6, random weights"
    peaks = BOARD.target.peaks
    assert peaks
    read = 100_000_000 - peaks.cache_kb * 1024
    assert decode.ceiling_per_s == pytest.approx(peaks.read_gb_s[2] * 1e9 / read)
    held = msgspec.structs.replace(decode, bytes_per_token=peaks.cache_kb * 1024)
    assert held.ceiling_per_s is None
    rows = json.loads(render_items(engines.COLUMNS, [prefill, decode], "json"))
    assert [row["test"] for row in rows] == ["pp512", "tg128"]
    assert rows[1]["bytes_per_token"] == 100_000_000
    assert rows[1]["verdict"] == "EMULATED"


@pytest.mark.parametrize(
    "text",
    [
        log_of(summary=False),
        log_of(1.0, summary=False),
        log_of(),
        log_of(1.0, header=HEADER | {"threads": 4}),
    ],
)
def test_a_run_that_measured_less_or_otherwise_is_refused(text: str, write: Any) -> None:
    write(text)
    with pytest.raises(UnreadableLog, match="not all of pp512 was measured"):
        conclude_language(job(), job().works[0], finished_run())


def request(*words: str) -> BenchRequest:
    fields = {"model": list(words[:1])} if words else {}
    return BenchRequest.parse(fields)


def test_tokens_are_asked_for_by_a_language_model_or_another_engine() -> None:
    assert engines.is_of_tokens(request("tinystories_656k"))
    assert not engines.is_of_tokens(request("squeezenet1_1"))
    assert not engines.is_of_tokens(request())


def test_what_does_not_go_together_is_refused() -> None:
    both = BenchRequest.parse({"model": ["tinystories_656k,squeezenet1_1"]})
    with pytest.raises(WrongInput, match="squeezenet1_1 is measured in inferences"):
        engines.check_request(both)
    with pytest.raises(WrongInput, match="--energy says nothing to a language model"):
        engines.check_request(request("tinystories_656k").replace(energy=True))
    with pytest.raises(WrongInput, match="unknown precision of a language model 'bf16'"):
        engines.check_request(request("tinystories_656k").replace(precisions=("bf16",)))
