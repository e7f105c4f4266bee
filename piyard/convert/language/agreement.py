"""How much alike the logits of two models are, over the tokens of a text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.language.formats import Format, Formats

if TYPE_CHECKING:
    import torch


class LogitAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Of a conversion's logits with those of its original."""

    tokens: int
    divergence: float
    """Mean of KL(original ‖ conversion), in nats a token."""
    top1: float
    """Share of places at which the likeliest token is the same."""
    perplexity: float
    """Of the conversion, on the tokens that follow."""
    original_perplexity: float
    text: str
    """What was read, for people."""
    is_text: bool
    """Whether a perplexity on it means anything: tokens drawn by chance are none."""

    @property
    def rise(self) -> float:
        """By which part the perplexity rises; negative where it falls."""
        return self.perplexity / self.original_perplexity - 1


class TableTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What a width of the table of the vocabulary has cost, and nothing else."""

    format: Format
    agreement: LogitAgreement


class WidthTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What formats of the blocks have cost, the table being the original's."""

    formats: Formats
    agreement: LogitAgreement


class AgreementSums:
    """Adds up places, some rows of logits at a time."""

    def __init__(self) -> None:
        self.places = self.same = self.scored = 0
        self.divergence = self.loss = self.original_loss = 0.0

    def add(self, original: torch.Tensor, logits: torch.Tensor, following: torch.Tensor) -> None:
        """Logits (tokens, vocabulary) and the tokens that follow, of all places or but the last."""
        expected = original.double().log_softmax(-1)
        got = logits.double().log_softmax(-1)
        self.places += len(expected)
        self.divergence += float((expected.exp() * (expected - got)).sum())
        self.same += int((expected.argmax(-1) == got.argmax(-1)).sum())
        scored = len(following)
        self.scored += scored
        self.loss -= float(got[:scored].gather(1, following[:, None]).sum())
        self.original_loss -= float(expected[:scored].gather(1, following[:, None]).sum())

    def result(self, text: str, *, is_text: bool) -> LogitAgreement:
        """Of all that was added."""
        return LogitAgreement(
            tokens=self.places,
            divergence=self.divergence / self.places,
            top1=self.same / self.places,
            perplexity=math.exp(self.loss / self.scored),
            original_perplexity=math.exp(self.original_loss / self.scored),
            text=text,
            is_text=is_text,
        )
