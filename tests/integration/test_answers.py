"""invoke run --prompt on an emulated board: the text of real weights, as the original says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from piyard.run.record import list_runs
from tests.integration.conftest import Invoke

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board),
    pytest.mark.usefixtures("own_results"),
]
MODEL = ("--model", "tinystories_656k")
PROMPT = "Once upon a time"


@pytest.fixture(autouse=True)
def mirror(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))


def expected(assets: Path) -> str:
    text = (assets / "weights" / "llm" / "expected_greedy.txt").read_text()
    return text.partition(f" {PROMPT}")[2].partition("\n\n")[0].rstrip()


def test_the_text_comes_and_can_be_attached_to_again(invoke: Invoke, assets: Path) -> None:
    flags = (*MODEL, "--precision", "fp32", "--prompt", PROMPT, "--max-tokens", "70")
    done = invoke("run", "--host", "emulated:rpi5", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected(assets))
    assert "it is cut: --max-tokens" in done.stderr
    (run,) = list_runs()
    again = invoke("attach", run.name, "--format", "json")
    (row,) = json.loads(again.stdout)
    assert row["Answer"].rstrip() == done.stdout.rstrip()
    assert row["Tokens"] == 70
    assert row["Tokens/s"] is None  # emulated


def test_a_schema_is_kept_to(invoke: Invoke, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"enum": ["cat", "dog"]}))
    flags = (*MODEL, "--precision", "int4", "--prompt", PROMPT, "--schema", str(schema))
    done = invoke("run", "--host", "emulated:rpi5", *flags, "--format", "json")
    assert done.returncode == 0, done.stderr
    *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert json.loads(summary["text"]) in {"cat", "dog"}


def test_a_plan_is_printed_and_nothing_runs(invoke: Invoke) -> None:
    done = invoke("run", "--host", "emulated:rpi5", *MODEL, "--prompt", PROMPT, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "generate: tinystories_656k int4, on emulated:rpi5 (rpi5)\n"
    assert not list_runs()
