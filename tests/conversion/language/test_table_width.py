"""How many bits the table of the vocabulary gets: what each width costs, and which one is taken."""

import msgspec
import pytest
import torch

from piyard.convert.language import table_width
from piyard.convert.language.agreement import LogitAgreement
from piyard.convert.language.formats import FORMATS, Format, Formats
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.plan import SMALL_FORMATS
from piyard.convert.language.proof_tokens import choose_tokens
from piyard.convert.language.table_width import WIDTHS, choose_table, is_within
from piyard.convert.language.twin_pass import TwinPass
from piyard.models.language_models import LanguageProof
from piyard.models.random_decoder import RandomSource
from tests.support.language_models import TINY, variant

EXACT, BLOCKS = Format(32), Format(4, 64)
LIMITS = LanguageProof()


def choose(config=TINY):
    with torch.no_grad():
        tokens = choose_tokens(config, b"")
        return choose_table(RandomSource(config), BLOCKS, tokens, LIMITS)


@pytest.mark.parametrize("config", [TINY, variant(tied=False)])
def test_a_budget_decides_and_each_width_tried_is_named(config, monkeypatch):
    monkeypatch.setattr(table_width, "TABLE_DIVERGENCE", 0)
    widest, trials = choose(config)
    assert widest == WIDTHS[-1]
    assert [trial.format for trial in trials] == list(WIDTHS[:-1])
    four, six = (trial.agreement.divergence for trial in trials)
    assert 0 < six < four / 4
    monkeypatch.setattr(table_width, "TABLE_DIVERGENCE", (four + six) / 2)
    assert choose(config)[0] == WIDTHS[1]
    monkeypatch.setattr(table_width, "TABLE_DIVERGENCE", four)
    assert choose(config)[0] == WIDTHS[0]


def test_what_a_width_costs_is_the_cost_of_a_decoder_with_nothing_else_rounded(tmp_path):
    _, (trial, *_) = choose()
    tokens = choose_tokens(TINY, b"")
    with torch.no_grad():
        formats = Formats(EXACT, trial.format)
        source = RandomSource(TINY)
        twin = TwinPass(source, formats, tokens.proof)
        write_decoder(source, formats, tmp_path / "a.param", tmp_path / "a.bin", twin)
    assert trial.agreement == twin.result(tokens.text, is_text=False)


AGREEMENT = LogitAgreement(
    tokens=9,
    divergence=1,
    top1=1,
    perplexity=10.2,
    original_perplexity=10,
    text="",
    is_text=True,
)


def test_a_text_is_judged_by_its_perplexity_and_tokens_by_chance_by_divergence():
    assert is_within(AGREEMENT, LanguageProof(table=0.021))
    assert not is_within(AGREEMENT, LanguageProof(table=0.019))
    assert not is_within(msgspec.structs.replace(AGREEMENT, is_text=False), LIMITS)


def test_only_int4_of_no_small_model_has_a_choice():
    assert [name for name, each in FORMATS.items() if each.is_head_open] == ["int4"]
    assert not SMALL_FORMATS.is_head_open
