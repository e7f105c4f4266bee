"""Results, logs, telemetry and records of any shape: one line each, and the others are shown."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.cli.stored_runs import list_runs
from piyard.core.errors import PiyardError, UnreadableLog
from piyard.report.formats import REPORT_FORMATS, render_rows
from piyard.results.derive import make_row, verdict_of
from piyard.results.history import stored_results, stored_rows
from piyard.results.result import SCHEMA, read_run_result
from piyard.results.result_files import result_file, results_folder, save_result
from piyard.run.log import parse_log
from piyard.run.run_folders import run_folder
from piyard.run.telemetry import read_telemetry
from tests.support import synthetic_results

STORED = Path(__file__).parent / "stored" / "schema-1"
CASES = Path(__file__).parents[3].parent / "shared" / "cases" / "hostile"
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, -0.0, 0.5, 1e308, -1e308, 1e-320),
    *("", "0", "fp16", "/etc/passwd", "\x1b[2J", "<script>alert(1)</script>", "=1+1", "\ud7ff"),
    *("x" * 20_000, "a\nb", [], [0], [[]], ["a"], {}, {"a": {}}, {"": None}, [None], [1e308] * 3),
]


def mutated(value: Any, draw: random.Random) -> Any:
    """One place of it changed, left out, or doubled."""
    changed = copy.deepcopy(value)
    where = list(_places(changed))
    owner, key = draw.choice(where)
    action = draw.randrange(4)
    if action == 0:
        del owner[key]
    elif action == 1 and isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))
    else:
        owner[key] = draw.choice(VALUES)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def whole() -> dict[str, Any]:
    """A result with all its parts."""
    (folder,) = STORED.iterdir()
    result: dict[str, Any] = msgspec.to_builtins(read_run_result(folder))
    result["schema"], result["record"]["id"] = SCHEMA, "bad"
    result["telemetry"] = [{"uptime_s": 600.0 + at, "temperature_mc": 50_000} for at in range(40)]
    watts = [{"uptime_s": 600.0 + at, "rails_w": {"a": 1.0, "b": 2.0}} for at in range(40)]
    energy = {"source": "pmic", "idle": watts, "busy": watts, "samples_ms": [10.0, 11.0]}
    verdict = {"state": "SUSPECT", "reasons": [{"code": "hot", "grade": "SUSPECT", "text": "hot"}]}
    return result | {"energy": energy, "verdict": verdict, "load_ms": 3.0, "first_ms": 4.0}


def show_everything() -> list[str]:
    """All that commands show of stored results; the runs that are among them."""
    rows = stored_rows()
    result = list(stored_results([each.run for each in rows]))
    for form in REPORT_FORMATS:
        render_rows(rows, form, result)
    return [row.run for row in rows]


def test_a_whole_result_is_shown() -> None:
    results_folder().mkdir(parents=True)
    result_file("bad").write_text(json.dumps(whole()))
    assert show_everything() == ["bad"]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_result_stops_the_others(seed: int) -> None:
    draw = random.Random(seed)
    shutil.rmtree(results_folder(), ignore_errors=True)
    save_result(synthetic_results.result("good"))
    result = whole()
    for _ in range(draw.randint(1, 3)):
        result = mutated(result, draw)
    result_file("bad").write_text(json.dumps(result))
    assert "good" in show_everything()


def test_no_log_is_a_traceback(tmp_path: Path) -> None:
    """Each line of a log, and the record beside it, in hundreds of shapes."""
    (stored,) = STORED.iterdir()
    lines = [json.loads(line) for line in (stored / "log.jsonl").read_text().splitlines()]
    record = json.loads((stored / "run.json").read_text())
    good, said = 0, []
    for seed in range(400):
        draw = random.Random(seed)
        shutil.copytree(stored, tmp_path / str(seed))
        folder = tmp_path / str(seed)
        if draw.random() < 0.8:
            text = "".join(f"{json.dumps(item)}\n" for item in mutated(lines, draw))
            (folder / "log.jsonl").write_text(text)
        else:
            (folder / "run.json").write_text(json.dumps(mutated(record, draw)))
        try:
            run_result = read_run_result(folder)
            make_row(msgspec.structs.replace(run_result, verdict=verdict_of(run_result)))
            good += 1
        except UnreadableLog as error:
            said.append(str(error))
    assert all(len(each.splitlines()) <= 2 and "\x1b" not in each for each in said)
    assert 20 < good < 380


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "nonsense\n",
        "[]\n",
        '{"type": 1}\n',
        '{"type": "header"}\n{"type": "sample"}\n',
        '{"type": "header", "a": ' + "[" * 100_000 + "]" * 100_000 + "}\n",
        '{"type": "header", "threads": ' + "9" * 5000 + "}\n",
    ],
)
def test_what_is_no_log_is_one_line(text: str) -> None:
    with pytest.raises(UnreadableLog) as caught:
        parse_log(text, "log.jsonl")
    assert len(caught.value.what.splitlines()) == 1


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_telemetry_of_any_text_is_read(tmp_path_factory: Any, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "telemetry.jsonl"
    file.write_text('{"uptime_s": 1}\n' + text + '\n{"uptime_s": 2}\n', encoding="utf-8")
    telemetry = read_telemetry(file)
    assert {1.0, 2.0} <= {each.uptime_s for each in telemetry}


def test_runs_lists_all_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    (stored,) = STORED.iterdir()
    record = json.loads((stored / "run.json").read_text())
    for seed in range(60):
        folder = run_folder(f"bad-{seed:02}")
        folder.mkdir(parents=True)
        content = mutated(record, random.Random(seed))
        (folder / "run.json").write_text(json.dumps(content))
    good = run_folder("good")
    shutil.copytree(stored, good)
    (good / "run.json").write_text(json.dumps(record | {"id": "good"}))
    list_runs("plain")
    output = capsys.readouterr()
    assert "\ngood " in output.out
    assert "\x1b" not in output.out + output.err


@pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside this checkout")
def test_the_cases_that_stopped_it_once(tmp_path: Path) -> None:
    save_result(synthetic_results.result("good"))
    for number, file in enumerate(sorted((CASES / "results").iterdir())):
        content = json.loads(file.read_text())
        content["record"]["id"] = f"case-{number}"
        result_file(f"case-{number}").write_text(json.dumps(content))
    assert "good" in show_everything()
    (stored,) = STORED.iterdir()
    for number, file in enumerate(sorted((CASES / "runlog").iterdir())):
        folder = shutil.copytree(stored, tmp_path / str(number))
        shutil.copy(file, folder / "log.jsonl")
        with pytest.raises(PiyardError):
            make_row(read_run_result(folder))
