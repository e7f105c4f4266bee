"""The tokens a language model's conversion is proved and calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.core.parsing import read_text

if TYPE_CHECKING:
    from piyard.language.config import TransformerConfig


PROOF_TEXT = Path(__file__).with_name("proof_text.txt")
"""Written for this purpose: some 500 tokens of plain English."""
WINDOW = 256
"""Tokens that know of each other."""
MAX_PROOF, MAX_CALIBRATION = 512, 16_384
MIN_CALIBRATION = 2048
"""Fewer tokens than inputs of a matrix would make rounding fit the text and nothing else."""
CHANCE_SEED = 7
QUESTION, MIN_QUESTION = 128, 4
"""Tokens behind a picture, at most and at least."""


class ProofTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of token ids."""

    proof: list[list[int]]
    calibration: list[list[int]] = []
    seen: list[int] = []
    """A question about a picture, of a model that sees some: its rows are the picture's token."""
    text: str
    """What they are, for people."""
    is_text: bool


def choose_tokens(
    config: TransformerConfig, tokenizer: bytes, calibration: Path | None = None
) -> ProofTokens:
    """Those of piyard's text, or by chance where there is no tokenizer.json (its content).

    Raises ``WrongInput`` for a text to calibrate on that is too short, or without a tokenizer.
    """
    window = min(WINDOW, config.context)
    if not tokenizer:
        if calibration:
            raise WrongInput(
                f"{calibration} cannot be read as tokens: the model has no tokenizer.json",
                remedy="leave --calibration away, or name `tokenizer` in the model's YAML",
            )
        drawn = _draw_tokens(config.vocabulary)
        return ProofTokens(
            proof=_cut_windows(drawn, window),
            seen=_ask(config, drawn[:1], drawn),
            text=f"{len(drawn)} tokens drawn by chance",
            is_text=False,
        )
    ids = _encode(config, tokenizer, PROOF_TEXT)[:MAX_PROOF]
    further = _encode(config, tokenizer, calibration)[:MAX_CALIBRATION] if calibration else []
    if calibration and len(further) < MIN_CALIBRATION:
        raise WrongInput(
            f"{calibration} has {len(further):,} tokens, too few to calibrate on",
            remedy=f"name a text of {MIN_CALIBRATION:,} tokens at least",
        )
    return ProofTokens(
        proof=_cut_windows(ids, window),
        calibration=_cut_windows(further, window),
        seen=_ask(config, [], ids),
        text=f"{len(ids)} tokens of English text",
        is_text=True,
    )


def _ask(config: TransformerConfig, before: Sequence[int], after: Sequence[int]) -> list[int]:
    """A picture's rows among tokens; empty for a model that sees none."""
    if config.pictures is None:
        return []
    shown = [*before, *[config.pictures.token] * config.pictures.rows]
    room = min(QUESTION, config.context - len(shown))
    if room < MIN_QUESTION:
        raise ConversionFailed(
            f"a picture of {config.pictures.rows} rows leaves no room for a question in a context "
            f"of {config.context}",
            remedy="check `side`, `patch` and `shuffle` of its `pictures`",
        )
    others = [token for token in after if token != config.pictures.token]
    return [*shown, *others[:room]]


def _draw_tokens(vocabulary: int) -> list[int]:
    import numpy as np

    from piyard.models.synthetic import splitmix64

    drawn = splitmix64(MAX_PROOF, CHANCE_SEED) % np.uint64(vocabulary)
    return [int(token) for token in drawn]


def _encode(config: TransformerConfig, tokenizer: bytes, text: Path) -> list[int]:
    from tokenizers import Tokenizer

    try:
        encoder = Tokenizer.from_buffer(tokenizer)
    except Exception as error:  # noqa: BLE001  # the package raises Exception itself
        raise ConversionFailed(
            f"tokenizer.json is none: {error}", remedy="copy or download it again"
        ) from None
    ids: list[int] = encoder.encode(read_text(text), add_special_tokens=False).ids
    if beyond := [token for token in ids if token >= config.vocabulary]:
        raise ConversionFailed(
            f"tokenizer.json is of another model: token {beyond[0]} of {config.vocabulary}",
            remedy="name the model's own tokenizer.json",
        )
    return ids


def _cut_windows(ids: Sequence[int], window: int) -> list[list[int]]:
    """Windows of at least two tokens, so that each has one to follow another."""
    cut = [list(ids[first : first + window]) for first in range(0, len(ids), window)]
    return [each for each in cut if len(each) > 1]
