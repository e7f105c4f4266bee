"""What a board computes of a language model: compared with the original, and judged."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from piyard.cli import language_proofs
from piyard.cli.board_requests import ProveRequest
from piyard.convert.language.agreement import LogitAgreement
from piyard.convert.language.original_pass import compare_with_original
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.tables import render_table
from piyard.models.transformer_files import load_decoder, open_tensors
from piyard.prove.language_proof import (
    LANGUAGE_PROOF_COLUMNS,
    LanguageBoardProof,
    StepAgreement,
    compare_steps,
    judge_board,
    language_proof_row,
)
from piyard.prove.language_scores import ScoreLine
from tests.support.language_models import write_folder

WINDOWS = [list(range(3, 93)), list(range(40, 10, -1))]
NEAR = LogitAgreement(
    tokens=256,
    divergence=0.002,
    top1=0.96,
    perplexity=21.3,
    original_perplexity=21.4,
    text="256 tokens of English text",
    is_text=True,
)
SAME = StepAgreement(difference=0.0, same=1.0)


@pytest.fixture
def source(tmp_path):
    return open_tensors(write_folder(tmp_path / "model"))


@torch.no_grad()
def original(source) -> Any:
    decoder = load_decoder(source)
    return np.concatenate([decoder(torch.tensor(window)).numpy() for window in WINDOWS])


@torch.no_grad()
def test_the_originals_own_logits_agree_with_it(source) -> None:
    sums = compare_with_original(source, WINDOWS, original(source))
    assert (sums.places, sums.same, sums.scored) == (120, 120, 118)
    assert abs(sums.divergence) < 1e-6
    assert sums.loss == pytest.approx(sums.original_loss, abs=1e-4)


@torch.no_grad()
def test_logits_of_another_place_do_not(source) -> None:
    sums = compare_with_original(source, WINDOWS, np.roll(original(source), 1, axis=0))
    assert sums.same < 60
    assert sums.divergence / sums.places > 0.1


def score(index: int, log_probability: float, top: int = 5) -> ScoreLine:
    return ScoreLine(index=index, log_probability=log_probability, top=top)


def test_steps_are_compared_place_by_place() -> None:
    whole = [score(0, -1.0), score(1, -2.0), score(2, -3.0), score(4, -4.0)]
    steps = [score(0, -1.0), score(1, -2.5), score(2, -3.25, top=7), score(4, -4.0)]
    assert compare_steps(whole, steps) == StepAgreement(difference=0.5, same=0.75)
    with pytest.raises(UnreadableLog, match="4 tokens at once and 3 one by one"):
        compare_steps(whole, steps[:3])
    with pytest.raises(UnreadableLog):
        compare_steps([], [])


@pytest.mark.parametrize(
    ("divergence", "rounded", "failed"),
    [(0.0139, True, 0), (0.0141, True, 1), (0.0049, False, 0), (0.0051, False, 1)],
)
def test_a_board_may_be_a_little_further_away_than_its_twin(
    divergence: float, rounded: bool, failed: int
) -> None:
    board = msgspec.structs.replace(NEAR, divergence=divergence)
    assert len(judge_board(board, NEAR, SAME, rounded=rounded)) == failed


@pytest.mark.parametrize("difference", [0.0011, float("nan")])
def test_steps_that_give_something_else_fail(difference: float) -> None:
    steps = StepAgreement(difference=difference, same=1.0)
    (line,) = judge_board(NEAR, NEAR, steps, rounded=True)
    assert line.startswith("read token by token")


def test_a_row_has_a_perplexity_where_that_means_something() -> None:
    proof = LanguageBoardProof(
        model="tiny",
        host="pi",
        precision="int8",
        emulated=True,
        agreement=NEAR,
        desktop=NEAR,
        steps=SAME,
        failed=[],
    )
    row = dict(zip(LANGUAGE_PROOF_COLUMNS, language_proof_row(proof), strict=True))
    assert row["Perplexity"] == "21.300"
    assert (row["Host"], row["Proof"], row["Top-1"]) == ("pi (emulated)", "passed", "96.0%")
    chance = msgspec.structs.replace(NEAR, is_text=False)
    drawn = msgspec.structs.replace(proof, agreement=chance, failed=["KL 3"])
    text = render_table(LANGUAGE_PROOF_COLUMNS, [language_proof_row(drawn)], "json")
    (values,) = msgspec.json.decode(text)
    assert (values["Perplexity"], values["Proof"], values["Top-1"]) == (None, "DIFFERS", 0.96)


def ask(*models: str, **more: Any) -> ProveRequest:
    return ProveRequest.parse({"host": [], "model": list(models)} | more)


def test_a_text_proves_language_models_and_pictures_the_others() -> None:
    assert language_proofs.names_language_models(ask("stories260k", "qwen3_0_6b"))
    assert not language_proofs.names_language_models(ask("resnet18"))
    with pytest.raises(WrongInput, match="resnet18 is proved by pictures"):
        language_proofs.names_language_models(ask("stories260k", "resnet18"))


@pytest.mark.parametrize("more", [{"mask": True}, {"pictures": "1"}, {"precision": ["bf16"]}])
def test_what_says_nothing_to_a_language_model_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(WrongInput):
        language_proofs.prove_language_models(ask("stories260k", **more))
