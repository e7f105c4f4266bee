"""Which matrices of a decoder get more than 4 bits: what each would save, and the fewest bytes."""

import math

import msgspec
import pytest
import torch

from piyard.convert.language.block_widths import KINDS, WIDER, choose_widths, pick_widths, widen
from piyard.convert.language.formats import FORMATS, Format, Formats, Kind
from piyard.convert.language.fused_graph import linear_parts, write_decoder
from piyard.convert.language.proof_tokens import choose_tokens
from piyard.convert.language.twin_pass import TwinPass
from piyard.models.language_models import LanguageProof
from piyard.models.random_decoder import RandomSource
from tests.support.language_models import TINY

NARROW = Formats(Format(4, 32), FORMATS["fp32"].head)
WEIGHTS: dict[Kind, int] = {"qkv": 4, "out": 2, "gate_up": 12, "down": 6}


@pytest.fixture
def tokens():
    return msgspec.structs.replace(choose_tokens(TINY, b""), is_text=True)


def limits(blocks):
    return LanguageProof(blocks=blocks)


def divergence(formats, tokens, folder):
    source = RandomSource(TINY)
    with torch.no_grad():
        twin = TwinPass(source, formats, tokens.proof)
        write_decoder(source, formats, folder / "a.param", folder / "a.bin", twin)
        return twin.result(tokens.text, is_text=True).divergence


def choose(tokens, blocks):
    with torch.no_grad():
        return choose_widths(RandomSource(TINY), NARROW, tokens, limits(blocks))


def test_blocks_within_the_budget_stay_as_they_are(tokens, tmp_path):
    formats, trials = choose(tokens, 1e9)
    assert formats == NARROW
    assert [trial.formats for trial in trials] == [NARROW]
    cost = divergence(NARROW, tokens, tmp_path)
    assert trials[0].agreement.divergence == pytest.approx(cost, rel=1e-5)


def test_a_budget_widens_what_it_must(tokens, tmp_path):
    cost = divergence(NARROW, tokens, tmp_path)
    half = math.expm1(cost / 2)
    formats, trials = choose(tokens, half)
    assert formats.wide
    assert formats.blocks == NARROW.blocks
    assert len(trials) == 1 + 2 * len(KINDS)
    widened = divergence(formats, tokens, tmp_path)
    assert widened < cost * 0.6
    for trial in trials[1:]:
        assert trial.agreement.divergence < cost
    best, _ = choose(tokens, 1e-9)
    assert {format_.bits for format_ in best.wide.values()} == {8}
    assert divergence(best, tokens, tmp_path) < widened


def test_what_a_trial_says_is_what_such_a_decoder_computes(tokens, tmp_path):
    _, trials = choose(tokens, 1e-9)
    (trial,) = (trial for trial in trials if trial.formats.wide == {"down": Format(6, 32)})
    cost = divergence(trial.formats, tokens, tmp_path)
    assert trial.agreement.divergence == pytest.approx(cost, rel=1e-5)


def test_the_fewest_bytes_that_save_enough_are_taken():
    savings = {(kind, bits): bits / 10 for kind in KINDS for bits in WIDER}
    assert pick_widths(0.5, savings, WEIGHTS) == {"qkv": 4, "out": 6, "gate_up": 4, "down": 4}
    assert pick_widths(0.8, savings, WEIGHTS) == {"qkv": 4, "out": 8, "gate_up": 4, "down": 4}
    assert pick_widths(1.3, savings, WEIGHTS) == {"qkv": 6, "out": 8, "gate_up": 4, "down": 4}
    assert pick_widths(9, savings, WEIGHTS) == dict.fromkeys(KINDS, 8)


def test_only_the_kinds_that_are_named_are_wider():
    formats = widen(NARROW, {"qkv": 6, "out": 4, "gate_up": 4, "down": 8})
    bits = {name: part.format.bits for name, part in linear_parts(TINY, formats).items()}
    assert (bits["qkv_1"], bits["out_1"], bits["gate_up_1"], bits["down_1"]) == (6, 4, 4, 8)
    assert formats.label == "int4 by 32, qkv 6 bits, down 8 bits, table fp32"
