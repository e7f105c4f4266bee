"""What a board computes of a language model beside the original, over the tokens of a text.

nnrun reads the text at once, as it reads a prompt, and again token by token, as it answers. The
logits of the first are compared with the original's, the second with the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.convert.language.agreement import LogitAgreement
from piyard.convert.language.conversions import LanguageManifest, judge_agreement
from piyard.convert.language.picture_tower import encode_picture, proof_pictures
from piyard.convert.language.proof_tokens import ProofTokens
from piyard.core import console
from piyard.core.errors import UnreadableLog
from piyard.core.files import scratch_folder
from piyard.core.tables import Cell, number_cell
from piyard.models.networks import inference
from piyard.predict.command import release_path
from piyard.predict.shown import PICTURE_FILE, shown_words
from piyard.prove.board_proof import EMULATED_MARK
from piyard.prove.language_scores import (
    LOGITS_FILE,
    LanguageProofContext,
    ScoreLine,
    board_tokens,
    computed_precision,
    fetched_logits,
    read_scores,
    run_score,
    score_tokens,
    token_release,
)
from piyard.run.record import Record

MAX_STEP = 0.001
"""Nats by which a token's log-probability may differ when it is computed after the others."""
EXCESS = 2.0
"""A board's KL divergence may be so many times the desktop's, and so much more:"""
FLOAT_NATS, INTEGER_NATS = 0.001, 0.01
"""Keys and values are kept in fp16, which the desktop's twin does not round to."""


class StepAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that were read one by one, beside the same ones read at once."""

    difference: float
    """Largest, of the log-probability of a token, in nats."""
    same: float
    """Share of places with the same likeliest token."""


class LanguageBoardProof(msgspec.Struct, frozen=True, kw_only=True):
    """The proof of one conversion on one board."""

    model: str
    host: str
    precision: str
    """What was really computed."""
    emulated: bool
    agreement: LogitAgreement
    desktop: LogitAgreement
    """Of the twin, when it was converted."""
    steps: StepAgreement
    pictures: LogitAgreement | None = None
    """Behind a picture that the board has encoded, of a model that sees pictures."""
    failed: list[str]
    """What differs too much, a line each; empty when the proof holds."""


def prove_language_on_board(context: LanguageProofContext) -> LanguageBoardProof:
    """Whether the board's logits are the original's, read at once and step by step.

    Raises as a run does, and ``UnreadableLog``.
    """
    manifest = context.conversion.manifest
    tokens = board_tokens(context)
    whole, steps = (score_tokens(context, tokens, step=step) for step in (len(tokens.proof[0]), 1))
    agreement, is_finite = _compare_text(context, tokens, whole)
    stepping = compare_steps(read_scores(whole), read_scores(steps))
    pictures = _prove_picture(context, tokens) if manifest.pictures else None
    failed = [] if is_finite else ["logits are NaN or infinite"]
    failed += _judge(manifest, agreement, stepping, pictures)
    return LanguageBoardProof(
        model=context.conversion.model.name,
        host=context.connection.name,
        precision=computed_precision(whole),
        emulated=whole.emulated,
        agreement=agreement,
        desktop=manifest.agreement,
        steps=stepping,
        pictures=pictures,
        failed=failed,
    )


def _judge(
    manifest: LanguageManifest,
    agreement: LogitAgreement,
    steps: StepAgreement,
    pictures: LogitAgreement | None,
) -> list[str]:
    """What differs too much from the original, or from what the conversion computes here."""
    rounded = manifest.formats.blocks.is_integer
    failed = judge_agreement(manifest, agreement)
    failed += judge_board(agreement, manifest.agreement, steps, rounded=rounded)
    if pictures and manifest.pictures:
        here = manifest.pictures.agreement
        failed += _judge_divergence(pictures, here, rounded=rounded, what="behind a picture: ")
    return failed


def _compare_text(
    context: LanguageProofContext, tokens: ProofTokens, whole: Record
) -> tuple[LogitAgreement, bool]:
    """The text's logits beside the original's, and whether all of them are finite."""
    import numpy as np

    title = f"compare {context.conversion.model.name} with the original"
    with (
        fetched_logits(context, whole, sum(map(len, tokens.proof))) as logits,
        console.step(title),
        inference(),
    ):
        from piyard.convert.language.original_pass import compare_with_original

        is_finite = bool(np.isfinite(logits).all())
        sums = compare_with_original(context.plan.source, tokens.proof, np.nan_to_num(logits))
    return sums.result(tokens.text, is_text=tokens.is_text), is_finite


def _prove_picture(context: LanguageProofContext, tokens: ProofTokens) -> LogitAgreement:
    """A question about a picture: what the board encodes and computes, beside the original."""
    import numpy as np

    source = context.plan.source
    with scratch_folder("piyard-picture-") as folder:
        shown = proof_pictures()[0]
        shown.save(folder / f"{PICTURE_FILE}.png")
        further = {PICTURE_FILE: folder / f"{PICTURE_FILE}.png"}
        release, count = token_release([tokens.seen], folder, further), str(len(tokens.seen))
        words = [
            *("--steps", count, "--context", count, "--save-logits", LOGITS_FILE),
            *shown_words(context.conversion, release_path(release)),
            *("--picture-token", str(source.config.pictures.token)),
        ]
        done = run_score(context, "with a picture", release, words)
    with (
        fetched_logits(context, done, len(tokens.seen)) as logits,
        console.step("compare a question about a picture with the original"),
        inference(),
    ):
        from piyard.convert.language.original_pass import compare_behind_picture
        from piyard.models.smolvlm import load_picture_tower

        rows = encode_picture(load_picture_tower(source), shown)
        sums = compare_behind_picture(source, tokens.seen, rows, np.nan_to_num(logits))
    return sums.result("a question about a picture", is_text=False)


def compare_steps(whole: Sequence[ScoreLine], steps: Sequence[ScoreLine]) -> StepAgreement:
    """The same places of both. Raises ``UnreadableLog`` where they are not the same ones."""
    if not whole or [each.index for each in whole] != [each.index for each in steps]:
        raise UnreadableLog(
            f"nnrun scored {len(whole)} tokens at once and {len(steps)} one by one: not the same"
        )
    pairs = list(zip(whole, steps, strict=True))
    return StepAgreement(
        difference=max(abs(a.log_probability - b.log_probability) for a, b in pairs),
        same=sum(a.top == b.top for a, b in pairs) / len(pairs),
    )


def judge_board(
    agreement: LogitAgreement, desktop: LogitAgreement, steps: StepAgreement, *, rounded: bool
) -> list[str]:
    """What a board computes that the desktop's twin of it does not, a line each."""
    failed = _judge_divergence(agreement, desktop, rounded=rounded)
    if not steps.difference <= MAX_STEP:
        failed.append(f"read token by token, a probability differs by {steps.difference:.2g} nats")
    return failed


def _judge_divergence(
    agreement: LogitAgreement, desktop: LogitAgreement, *, rounded: bool, what: str = ""
) -> list[str]:
    allowed = EXCESS * desktop.divergence + (INTEGER_NATS if rounded else FLOAT_NATS)
    if agreement.divergence <= allowed:
        return []
    here = f"{desktop.divergence:.2g} when it was converted"
    return [f"{what}KL {agreement.divergence:.2g} nats a token, and {here}"]


LANGUAGE_PROOF_COLUMNS = (
    *("Model", "Host", "Data type", "Tokens", "KL (nats)", "KL here", "Top-1", "Perplexity"),
    *("Original's", "Steps (nats)", "Proof"),
)


def language_proof_row(proof: LanguageBoardProof) -> list[Cell | str]:
    """A row of the table; a perplexity of tokens drawn by chance is left out."""
    agreement = proof.agreement
    mark = EMULATED_MARK if proof.emulated and "emulated" not in proof.host else ""
    return [
        *(proof.model, proof.host + mark, proof.precision, number_cell(agreement.tokens)),
        Cell(f"{agreement.divergence:.2g}", agreement.divergence),
        Cell(f"{proof.desktop.divergence:.2g}", proof.desktop.divergence),
        Cell(f"{agreement.top1:.1%}", agreement.top1),
        _perplexity_cell(agreement, agreement.perplexity),
        _perplexity_cell(agreement, agreement.original_perplexity),
        Cell(f"{proof.steps.difference:.2g}", proof.steps.difference),
        "DIFFERS" if proof.failed else "passed",
    ]


def _perplexity_cell(agreement: LogitAgreement, value: float) -> Cell:
    return Cell(f"{value:.3f}", value) if agreement.is_text else Cell("", None)
