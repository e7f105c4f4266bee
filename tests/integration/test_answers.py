"""invoke run --prompt and chat on an emulated board: what the original would say."""

from __future__ import annotations

import io
import json
import secrets
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from tokenizers import Tokenizer

from piyard.cli import own_models
from piyard.cli.chat import chat_with_model
from piyard.cli.desk_requests import AddModelRequest
from piyard.cli.prediction_requests import ChatRequest, RunRequest
from piyard.cli.runs import run_model
from piyard.convert.language import adding
from piyard.convert.own import ownership
from piyard.core.parsing import JsonObject
from piyard.models import language_models
from piyard.run.run_folders import list_runs, read_record
from tests.integration.conftest import Invoke
from tests.support import chat_templates, tokenizers
from tests.support.language_models import TINY_PICTURES, tiny_weights, variant, write_folder

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board),
    pytest.mark.usefixtures("rpi5_build", "own_results"),
]
MODEL = ("--model", "tinystories_656k")
PROMPT = "Once upon a time"


@pytest.fixture
def mirror(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))


def expected(assets: Path) -> str:
    text = (assets / "weights" / "llm" / "expected_greedy.txt").read_text()
    return text.partition(f" {PROMPT}")[2].partition("\n\n")[0].rstrip()


@pytest.mark.usefixtures("mirror")
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


@pytest.mark.usefixtures("mirror")
def test_what_was_read_of_a_prompt_is_kept_for_the_next_run(invoke: Invoke, assets: Path) -> None:
    # The board may have answered before: its prefixes outlive a run of the tests.
    start = f"{secrets.token_hex(8)} {PROMPT} {expected(assets)[:100]}"
    flags = (*MODEL, "--precision", "int4", "--max-tokens", "2", "--prefix-cache")

    def ask(prompt: str) -> JsonObject:
        board = ("--host", "emulated:rpi5", "--format", "json")
        done = invoke("run", *board, *flags, "--prompt", prompt)
        assert done.returncode == 0, done.stderr
        *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
        return msgspec.convert(summary, JsonObject)

    first, second = ask(start), ask(f"{start} The end")
    assert first["restored"] == 0
    assert second["restored"] >= 16
    assert second["restored"] < second["prompt_tokens"]


@pytest.mark.usefixtures("mirror")
def test_a_schema_is_kept_to(invoke: Invoke, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"enum": ["cat", "dog"]}))
    flags = (*MODEL, "--precision", "int4", "--prompt", PROMPT, "--schema", str(schema))
    done = invoke("run", "--host", "emulated:rpi5", *flags, "--format", "json")
    assert done.returncode == 0, done.stderr
    *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert json.loads(summary["text"]) in {"cat", "dog"}


@pytest.mark.usefixtures("mirror")
def test_a_plan_is_printed_and_nothing_runs(invoke: Invoke) -> None:
    done = invoke("run", "--host", "emulated:rpi5", *MODEL, "--prompt", PROMPT, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "generate: tinystories_656k int4, on emulated:rpi5 (rpi5)\n"
    assert not list_runs()


def keep_models_apart(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Models that are added, and their files, are in that folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    models = folder / "models"
    models.mkdir()
    for module in (adding, language_models, ownership):
        monkeypatch.setattr(module, "LANGUAGE_MODELS_FOLDER", models)


@pytest.fixture
def own_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A tiny model of the user's own, with a tokenizer and a chat template."""
    keep_models_apart(monkeypatch, tmp_path)
    config = variant(vocabulary=tokenizers.train("gpt2").get_vocab_size())
    folder = write_folder(tmp_path / "their", config, tiny_weights(config))
    (folder / "tokenizer.json").write_bytes(tokenizers.json_of("gpt2"))
    result = {"chat_template": chat_templates.CHATML} | chat_templates.SPECIAL
    (folder / "tokenizer_config.json").write_text(json.dumps(result))
    add = AddModelRequest.parse({"file": str(folder)}).replace(name="mine")
    own_models.add_from_request(add)
    return "mine"


def test_a_conversation_goes_from_turn_to_turn(
    own_model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n/reset\nHello\n\n/quit\nunheard\n"))
    words = {"host": "emulated:rpi5", "model": own_model, "max_tokens": "8", "format": "json"}
    chat_with_model(ChatRequest.parse(words))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, second = [line for line in lines if line["type"] == "answer"]
    assert first["text"] == second["text"]
    assert {line["board"] for line in lines} == {"emulated:rpi5"}
    (run,) = list_runs()
    assert read_record(run).state == "ended"


@pytest.fixture
def seeing_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A tiny model of the user's own that sees pictures."""
    keep_models_apart(monkeypatch, tmp_path)
    spelled = Tokenizer.from_buffer(tokenizers.pictured_json())
    pictures = msgspec.structs.replace(TINY_PICTURES, token=spelled.token_to_id("<image>"))
    config = variant(pictures=pictures, vocabulary=spelled.get_vocab_size())
    folder = write_folder(tmp_path / "their", config, tiny_weights(config))
    (folder / "tokenizer.json").write_bytes(tokenizers.pictured_json())
    template = json.dumps({"chat_template": chat_templates.PARTS})
    (folder / "chat_template.json").write_text(template)
    add = AddModelRequest.parse({"file": str(folder)}).replace(name="seeing")
    own_models.add_from_request(add)
    return "seeing"


def test_a_picture_is_asked_about(
    seeing_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.bmp"
    Image.linear_gradient("L").convert("RGB").save(picture)
    words = {"model": seeing_model, "max_tokens": "8", "format": "json"}
    request = RunRequest.parse({**words, "host": ["emulated:rpi5"]}).replace(
        inputs=(str(picture),), prompt="What is it?"
    )
    run_model(request)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (seen,) = [line for line in lines if line["type"] == "picture"]
    assert seen["rows"] == TINY_PICTURES.rows
    assert lines[-1]["tokens"] == 8
    spelled = Tokenizer.from_buffer(tokenizers.pictured_json())
    text = f"<|im_start|>User:{TINY_PICTURES.text}What is it?<end_of_utterance>\nAssistant:"
    assert lines[-1]["prompt_tokens"] == len(spelled.encode(text, add_special_tokens=False).ids)
