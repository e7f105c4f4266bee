"""Language model → its files for boards, in one precision, with the proof on the desktop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.conversions import CONVERSION_SHELF
from piyard.convert.language.agreement import LogitAgreement, TableTrial, WidthTrial
from piyard.convert.language.block_graph import PROVED_TOKENS, prove_block
from piyard.convert.language.conversions import (
    BIN_FILE,
    PARAM_FILE,
    TOKENIZER_FILE,
    TOKENIZER_JSON,
    LanguageConversion,
    LanguageInputs,
    LanguageManifest,
    describe_agreement,
    judge_agreement,
)
from piyard.convert.language.formats import Formats
from piyard.convert.language.fused_graph import LayerError, write_decoder
from piyard.convert.language.picture_proof import (
    PictureProof,
    convert_tower,
    judge_pictures,
    prove_pictures,
    show_pictures,
)
from piyard.convert.language.plan import LanguagePlan
from piyard.convert.language.proof_tokens import ProofTokens, choose_tokens
from piyard.core import console, store
from piyard.core.store import read_manifest
from piyard.models.networks import inference
from piyard.models.transformer_files import (
    EMBEDDING,
    TensorSource,
    read_block,
    read_finite,
)

if TYPE_CHECKING:
    import torch


PHASES = 6


def convert_language_model(plan: LanguagePlan, *, force: bool = False) -> LanguageConversion:
    """The conversion, made when it is not there yet.

    One whose proof failed is kept and refused, unless with ``force``.
    """
    folder, fresh = store.get_or_make(CONVERSION_SHELF, plan.key, lambda at: _make(plan, at))
    conversion = LanguageConversion(
        model=plan.model,
        key=plan.key,
        folder=folder,
        manifest=read_manifest(folder, LanguageManifest),
        fresh=fresh,
    )
    return conversion if force else conversion.require_proved()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What rounding has cost, in each matrix and in what the model says."""

    errors: list[LayerError]
    agreement: LogitAgreement
    pictures: PictureProof | None


def _make(plan: LanguagePlan, at: Path) -> LanguageManifest:
    source = plan.source
    with console.step(f"convert {plan.model.name} to {plan.inputs.precision}") as step, inference():
        step.phase(1, PHASES, "prove a block")
        block = prove_block(source.config, read_block(source, 0), _rows(source), at)
        tokens = choose_tokens(source.config, _write_tokenizer(plan, at), plan.calibration)
        formats, trials, widths = _choose_formats(plan, tokens, step)
        compared = _write_and_compare(plan, formats, tokens, at, step)
        failed = _judge(plan.inputs, compared)
        step.ok, step.outcome = not failed, describe_agreement(compared.agreement)
    described = msgspec.structs.asdict(plan.inputs) | {"weights": plan.chosen.description}
    return LanguageManifest(
        **described,
        stored=formats,
        table=trials,
        widths=widths,
        params=source.config.params,
        weight_bytes=(at / BIN_FILE).stat().st_size,
        block=block,
        agreement=compared.agreement,
        pictures=compared.pictures,
        errors=compared.errors,
        failed=failed,
    )


def _write_tokenizer(plan: LanguagePlan, at: Path) -> bytes:
    """Its tokenizer.json, empty without one; what nnrun cannot read fails before all that is long.

    Bytes as tokens know no words: they are compiled, and no text is read by them.
    """
    if not plan.tokenizer:
        return b""
    (at / TOKENIZER_FILE).write_bytes(plan.tokenizer.compile())
    if not plan.tokenizer.knows_words:
        return b""
    description = plan.tokenizer.read_json()
    (at / TOKENIZER_JSON).write_bytes(description)
    return description


def _write_and_compare(
    plan: LanguagePlan, formats: Formats, tokens: ProofTokens, at: Path, step: console.Step
) -> Comparison:
    from piyard.convert.language.smoothing import smooth_for
    from piyard.convert.language.twin_pass import TwinPass

    source = plan.source
    if source.config.pictures:
        step.phase(4, PHASES, "look at pictures")
    features = convert_tower(source, plan.inputs.precision, at)
    shown = show_pictures(source, features, tokens.seen)
    source = smooth_for(source, formats, tokens.calibration or tokens.proof)
    step.phase(5, PHASES, "round and write")
    twin = TwinPass(source, formats, tokens.proof, tokens.calibration, shown)
    errors = write_decoder(source, formats, at / PARAM_FILE, at / BIN_FILE, twin)
    step.phase(6, PHASES, "compare")
    agreement = twin.result(tokens.text, is_text=tokens.is_text)
    pictures = prove_pictures(features, twin, at) if features else None
    return Comparison(errors=errors, agreement=agreement, pictures=pictures)


def _judge(inputs: LanguageInputs, compared: Comparison) -> list[str]:
    """What is too far off, a line each."""
    failed = judge_agreement(inputs, compared.agreement)
    if compared.pictures:
        failed += judge_pictures(compared.pictures, inputs.precision)
        failed += judge_agreement(inputs, compared.pictures.agreement)
    return failed


def _choose_formats(
    plan: LanguagePlan, tokens: ProofTokens, step: console.Step
) -> tuple[Formats, list[TableTrial], list[WidthTrial]]:
    """Of the precision, wider where its budget of perplexity asks for it, and what was tried."""
    from piyard.convert.language.block_widths import choose_widths
    from piyard.convert.language.table_width import choose_table

    formats, proof = plan.inputs.formats, plan.model.proof
    trials: list[TableTrial] = []
    if formats.is_head_open:
        step.phase(2, PHASES, "choose the table's width")
        width, trials = choose_table(plan.source, formats.blocks, tokens, proof)
        formats = Formats(formats.blocks, width)
    widths: list[WidthTrial] = []
    if formats.blocks.bits == 4 and tokens.is_text:
        step.phase(3, PHASES, "choose the blocks' widths")
        formats, widths = choose_widths(plan.source, formats, tokens, proof)
    return formats, trials, widths


def _rows(source: TensorSource) -> torch.Tensor:
    """Embeddings of some tokens."""
    import torch

    table = read_finite(source, EMBEDDING)
    ids = [(7919 * place + 3) % len(table) for place in range(max(PROVED_TOKENS))]
    return torch.from_numpy(table[ids])
