"""bench of a language model: the plan, nnrun's words, and what a finished run gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from piyard.board.connection import BoardSpec
from piyard.cli import engines, stored
from piyard.cli.board_requests import BenchRequest
from piyard.cli.desk_requests import CompareRequest, HistoryRequest
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.store import WeightsInfo
from piyard.core.tables import render_items
from piyard.core.target import load_target
from piyard.measure.language_bench import LanguageJob, conclude_language, plan_language_jobs
from piyard.measure.token_rates import RUNS
from piyard.report.columns import shown_columns
from piyard.report.formats import rows_to_csv
from piyard.results.conditions import find_differences
from piyard.results.derive import make_row
from piyard.results.history import stored_rows
from piyard.results.result_files import load_result
from piyard.results.selection import parse_side, select
from piyard.run.record import ModelInfo, Record, TokenWork
from piyard.run.run_folders import run_folder, save_record
from piyard.run.telemetry import EnergyRun, PowerSample
from tests.support.language_models import TINY, TINY_PICTURES, variant
from tests.support.token_runs import PP512, TG128, finished_run

BOARD = BoardSpec(name="pi", target=load_target("rpi5"), emulated=True, cores=4)
CONVERSION: Any = SimpleNamespace(
    model=SimpleNamespace(name="tiny", language=TINY),
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
    lines += [SUMMARY | {"samples": len(samples)}] if summary else []
    return "".join(json.dumps(line) + "\n" for line in lines)


Write = Callable[..., Record]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a run with that log, and says what its record is."""
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))

    def write(text: str, work: TokenWork, **changes: Any) -> Record:
        done = finished_run(f"20260101T000000-{work.engine}-{work.test}", work=work)
        record = msgspec.structs.replace(done, **changes)
        save_record(record)
        (run_folder(record.id) / "log.jsonl").write_text(text)
        return record

    return write


def test_the_words_are_those_of_nnruns_two_benchmarks() -> None:
    prefill, decode = (job().command(work) for work in job().works)
    assert prefill == "bench prefill --tokens 512 --threads 2 --warmup 1 --loops 3".split()
    assert decode == "bench decode --tokens 128 --threads 2 --warmup 8 --loops 384".split()
    assert job(threads=1).title == "tiny int4, 1 thread on pi"


def test_an_encoder_of_pictures_is_measured_too() -> None:
    model = SimpleNamespace(name="tiny", language=variant(pictures=TINY_PICTURES))
    seeing: Any = SimpleNamespace(model=model, manifest=CONVERSION.manifest)
    *_, work = job(conversion=seeing).works
    assert work.name == "img9"
    words = "bench --shape 3,48,48 --precision fp32 --threads 2 --warmup 1 --loops 3"
    assert job(conversion=seeing).command(work) == words.split()


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


def test_a_prompts_speed_is_of_all_its_tokens_and_an_answers_of_one(write: Write) -> None:
    prefill = conclude_language(job(), write(log_of(2000.0, 4000.0, 3000.0), PP512))
    assert prefill.speed.per_s == pytest.approx(512 / 3)
    assert prefill.row.first_token_ms == 3000
    assert (prefill.speed.ceiling_per_s, prefill.speed.bytes_per_token) == (None, None)
    decode = conclude_language(job(), write(log_of(2000.0, 4000.0, 3000.0), TG128))
    assert decode.speed.per_s == pytest.approx(1 / 3)
    assert decode.range_per_s == pytest.approx((0.25, 0.5))
    assert decode.row.first_token_ms is None
    assert decode.weights == "int4+int6"
    peaks = BOARD.target.peaks
    assert peaks
    read = 100_000_000 - peaks.cache_kb * 1024
    assert decode.speed.ceiling_per_s == pytest.approx(peaks.read_gb_s[2] * 1e9 / read)
    rows = json.loads(render_items(engines.COLUMNS, [prefill, decode], "json"))
    assert [row["test"] for row in rows] == ["pp512", "tg128"]
    assert rows[1]["bytes_per_token"] == 100_000_000
    assert rows[1]["verdict"] == "EMULATED"


def test_weights_that_the_caches_hold_have_no_ceiling(write: Write) -> None:
    peaks = BOARD.target.peaks
    assert peaks
    log = log_of(1.0, 1.0, summary=False) + json.dumps(
        SUMMARY | {"weight_bytes": peaks.cache_kb * 1024}
    )
    assert conclude_language(job(), write(log + "\n", TG128)).speed.ceiling_per_s is None


def test_random_weights_are_called_so(write: Write) -> None:
    weights = WeightsInfo(kind="random", seed=1)
    model = ModelInfo(name="tiny", title="Tiny", input=[], weights=weights)
    done = write(log_of(1.0, 1.0), TG128, model=model)
    assert conclude_language(job(), done).weights == "int4+int6, random weights"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (log_of(summary=False), "did not end well"),
        (log_of(1.0, summary=False), "did not end well"),
        (log_of(), "did not end well"),
        (log_of(1.0, 1.0, header=HEADER | {"threads": 4}), "4 threads, not 2"),
    ],
)
def test_a_run_that_measured_less_or_otherwise_is_refused(
    text: str, why: str, write: Write
) -> None:
    done = write(text, PP512)
    with pytest.raises(UnreadableLog, match=why):
        conclude_language(job(), done)
    assert not stored_rows()


def test_stored_rows_are_in_history_report_and_comparisons(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    conclude_language(job(), write(log_of(3000.0, 3000.0), PP512))
    conclude_language(job(), write(log_of(20.0, 20.0), TG128))
    prefill, decode = stored_rows()
    assert prefill.job != decode.job
    assert [row.subject for row in (prefill, decode)] == ["tiny pp512", "tiny tg128"]
    stored.list_results(HistoryRequest())
    listed = capsys.readouterr().out
    assert "tiny pp512" in listed
    assert "tiny tg128" in listed
    text = " ".join(rows_to_csv([decode]).split(","))
    assert "nnrun tg128 50" in text
    cells = {column.title: column.text_of(decode) for column in shown_columns([decode])}
    assert (cells["FPS"], cells["Input Resolution"]) == ("50.00", "1 token")
    assert "100.0 MB read a token; peak memory 2 MB" in cells["Comments"]
    assert "output" not in cells["Comments"]
    later = msgspec.structs.replace(finished_run("20260102T000000-tiny", work=TG128))
    save_record(later)
    (run_folder(later.id) / "log.jsonl").write_text(log_of(*[25.0] * 2))
    conclude_language(job(), later)
    request = CompareRequest.parse({"a": decode.run, "b": later.id}).replace(emulated=True)
    stored.compare_stored(request)
    assert "pi: tiny tg128 int4, 2 threads" in capsys.readouterr().out
    theirs = msgspec.structs.replace(TG128, engine="llama.cpp", tokens=128)
    other = conclude_language(job(), write(log_of(25.0, 25.0), theirs))
    stored.compare_stored(request.replace(b=other.row.run))
    assert "engine nnrun and llama.cpp" in capsys.readouterr().err
    assert find_differences(load_result(prefill.run), load_result(decode.run))[0].text == (
        "test pp512 and tg128"
    )


def test_a_side_of_a_comparison_names_a_test_and_an_engine(write: Write) -> None:
    conclude_language(job(), write(log_of(3000.0, 3000.0), PP512))
    conclude_language(job(), write(log_of(20.0, 20.0), TG128))
    rows = stored_rows()
    chosen = select(parse_side("test=tg128,engine=nnrun"), rows, sorted(row.run for row in rows))
    assert [row.subject for row in chosen.rows] == ["tiny tg128"]
    with pytest.raises(WrongInput, match="no test is tg256, did you mean"):
        select(parse_side("test=tg256"), rows, [])


def test_energy_is_that_of_a_token(write: Write) -> None:
    drawn = [PowerSample(uptime_s=at, rails_w={"VDD_CORE": 4.0}) for at in (0.0, 10.0)]
    rest = [PowerSample(uptime_s=at, rails_w={"VDD_CORE": 1.0}) for at in (0.0, 10.0)]
    energy = EnergyRun(source="pmic", idle=rest, busy=drawn, samples_ms=[2000.0, 2000.0])
    rate = conclude_language(job(), write(log_of(2000.0, 2000.0), PP512, emulated=False))
    assert rate.row.joules_per_token is None
    row = make_row(msgspec.structs.replace(rate.result, energy=energy))
    assert row.joules_per_token == pytest.approx(4.0 * 2 / 512)


def test_an_energy_run_has_as_many_samples_as_fill_its_time() -> None:
    prefill, decode = job().works
    assert job().command(decode, 1000)[-2:] == ["--loops", "1000"]
    assert job().command(prefill, 7)[-2:] == ["--loops", "7"]


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
    assert engines.check_request(request("tinystories_656k").replace(energy=True))
    with pytest.raises(WrongInput, match="--picture says nothing to a language model"):
        engines.check_request(request("tinystories_656k").replace(picture=Path("a.jpg")))
    engine = {"engine": "llama.cpp", "gguf": Path("a.gguf"), "energy": True}
    with pytest.raises(WrongInput, match="does not say when it timed what"):
        engines.check_request(request("tinystories_656k").replace(**engine))
    with pytest.raises(WrongInput, match="unknown precision of a language model 'bf16'"):
        engines.check_request(request("tinystories_656k").replace(precisions=("bf16",)))
