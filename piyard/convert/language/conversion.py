"""Language model → its files for boards, in one precision, with the proof on the desktop.

``artifacts/conversions/<key>/`` holds model.ncnn.param and .bin of nnrun's own layers, the
tokenizer where there is one, and what pnnx wrote of the first block.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.conversions import CONVERSION_SHELF
from piyard.convert.language.agreement import LogitAgreement, TableTrial, WidthTrial
from piyard.convert.language.block_graph import PROVED_TOKENS, BlockProof, prove_block
from piyard.convert.language.formats import Format, Formats, find_formats
from piyard.convert.language.fused_graph import LayerError, write_decoder
from piyard.convert.language.picture_proof import (
    PictureProof,
    convert_tower,
    judge_pictures,
    prove_pictures,
    show_pictures,
)
from piyard.convert.language.picture_tower import PICTURE_FILES
from piyard.convert.language.proof_tokens import ProofTokens, choose_tokens
from piyard.convert.language.tokenizer_files import (
    TokenizerFiles,
    find_tokenizer,
    make_byte_tokenizer,
)
from piyard.convert.model_files import weights_path
from piyard.core import console, store
from piyard.core.errors import PROGRAM, ConversionFailed
from piyard.core.files import sha256_of_file
from piyard.core.parsing import Count
from piyard.core.store import Manifest, WeightsInfo, key_of, read_manifest
from piyard.language.config import TransformerConfig
from piyard.models.language_models import LanguageModel, LanguageProof, open_weights
from piyard.models.networks import inference
from piyard.models.transformer_files import (
    EMBEDDING,
    GgufSource,
    TensorSource,
    read_block,
    read_finite,
)
from piyard.models.weights import RANDOM_WEIGHTS, ChosenWeights, choose_weights

if TYPE_CHECKING:
    import torch


LANGUAGE_FORMAT = 4
"""Raise it when the code here makes other files from the same inputs."""
LANGUAGE_TOOLS = ("torch", "pnnx", "ncnn", "numpy")
PARAM_FILE, BIN_FILE = "model.ncnn.param", "model.ncnn.bin"
TOKENIZER_JSON, TOKENIZER_FILE = "tokenizer.json", "model.tokenizer"
"""As its publisher wrote it, and as nnrun reads it."""
PHASES = 6


class LanguageInputs(Manifest, frozen=True, kw_only=True):
    """Everything that decides a conversion's bytes, and what they had to pass."""

    format: int
    task: str
    network: str
    language: TransformerConfig
    precision: str
    formats: Formats
    """Before the width of a table is chosen."""
    weights: WeightsInfo
    tokenizer: str
    """sha256 of its files, or ``bytes`` of random weights; empty for one in the file of the
    weights, and for none."""
    calibration: str
    """sha256 of the text whose inputs rounding looked at; empty for rounding to nearest."""
    thresholds: LanguageProof
    versions: dict[str, str]


class LanguageManifest(LanguageInputs, frozen=True, kw_only=True):
    """The inputs, and what came out."""

    stored: Formats
    """As the .bin has them."""
    table: list[TableTrial]
    """What was tried for the table of the vocabulary; empty where its width is given."""
    widths: list[WidthTrial] = msgspec.field(default_factory=list)
    """What was tried for the blocks; empty but for int4 of real weights with a tokenizer."""
    params: Count
    weight_bytes: Count
    """Of the .bin, all of which a token reads but an embedding that is not the output too."""
    block: BlockProof
    """ncnn's own layers of the first block, beside torch."""
    agreement: LogitAgreement
    """The twin of what nnrun computes, beside the original."""
    pictures: PictureProof | None
    """The same with pictures, of a model that sees some."""
    errors: list[LayerError]
    failed: list[str]


class LanguageConversion(msgspec.Struct, frozen=True, kw_only=True):
    """A converted language model on this machine."""

    model: LanguageModel
    key: str
    folder: Path
    manifest: LanguageManifest
    fresh: bool

    @property
    def has_real_weights(self) -> bool:
        """Whether what it says means anything."""
        return self.manifest.weights.kind == "file"

    @property
    def files(self) -> list[str]:
        """As boards get them: net, weights, tokenizer and encoder of pictures where they are."""
        names = [PARAM_FILE, BIN_FILE, TOKENIZER_FILE, *PICTURE_FILES]
        return [name for name in names if (self.folder / name).is_file()]

    def require_proved(self) -> LanguageConversion:
        """Itself; raises ``ConversionFailed`` when its proof failed."""
        if self.manifest.failed:
            raise ConversionFailed(
                f"{self.model.title} in {self.manifest.precision} is too far from the original",
                evidence="\n".join(self.manifest.failed),
                remedy=f"kept: {self.folder}; a text like what it will read makes rounding better: "
                f"{PROGRAM} convert --calibration FILE; --force uses it all the same",
            )
        return self


class LanguagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a conversion is made of."""

    model: LanguageModel
    chosen: ChosenWeights
    source: Any
    tokenizer: TokenizerFiles | None
    calibration: Path | None
    inputs: LanguageInputs

    @property
    def key(self) -> str:
        """Of its folder."""
        return key_of(self.inputs)


def plan_language(
    model: LanguageModel,
    precision: str,
    *,
    random_weights: bool = False,
    calibration: Path | None = None,
) -> LanguagePlan:
    """What is to be made; weights are downloaded for it. Raises ``WrongInput`` and others."""
    formats = find_formats(precision)
    chosen = RANDOM_WEIGHTS if random_weights else choose_weights(model)
    source = open_weights(model, weights_path(chosen) if chosen.file else None)
    gguf = source.file if isinstance(source, GgufSource) else None
    known = chosen.file is not None
    tokenizer = find_tokenizer(model, gguf) if known else make_byte_tokenizer(source.config)
    formats = keep_rounding(source, formats)
    inputs = LanguageInputs(
        format=LANGUAGE_FORMAT,
        task=model.task,
        network=model.network,
        language=model.language,
        precision=precision,
        formats=formats,
        weights=chosen.identity,
        tokenizer=tokenizer.identity if tokenizer else "",
        calibration=sha256_of_file(calibration) if calibration else "",
        thresholds=model.proof,
        versions={tool: metadata.version(tool) for tool in LANGUAGE_TOOLS},
    )
    return LanguagePlan(
        model=model,
        chosen=chosen,
        source=source,
        tokenizer=tokenizer,
        calibration=calibration,
        inputs=inputs,
    )


SMOOTHED_BITS = 8
"""Of matrices that lose less than their inputs do; those of 4 bits stay as a file has them."""
EXACT_TYPES = {"Q4_1": Format(4, 32, affine=True)}
"""GGUF's types that a format of ours can hold without rounding again."""


SMALL_HIDDEN = 256
"""Features of a token below which a model is small."""
SMALL_FORMATS = Formats(Format(4, 32), Format(8, 64))
"""Of a small model in int4: it loses more to rounding (stories260K's KL falls from 0.25 to 0.13),
and what a token reads is little whatever its table has."""


def keep_rounding(source: TensorSource, formats: Formats) -> Formats:
    """Of a GGUF file whose matrices are of such a type, int4 is exactly what the file holds."""
    if formats.blocks.bits != 4:
        return formats
    if source.config.hidden < SMALL_HIDDEN:
        formats = SMALL_FORMATS
    if not isinstance(source, GgufSource):
        return formats
    types = {tensor.type.name for tensor in source.file.tensors.values() if len(tensor.shape) > 1}
    exact = next((EXACT_TYPES[name] for name in sorted(types & EXACT_TYPES.keys())), None)
    return msgspec.structs.replace(formats, blocks=exact) if exact else formats


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


def _make(plan: LanguagePlan, at: Path) -> LanguageManifest:
    from piyard.convert.language.smoothing import smooth
    from piyard.convert.language.twin_pass import TwinPass

    source = plan.source
    with console.step(f"convert {plan.model.name} to {plan.inputs.precision}") as step, inference():
        step.phase(1, PHASES, "prove a block")
        block = prove_block(source.config, read_block(source, 0), _rows(source), at)
        # What nnrun cannot read is named before anything takes long.
        compiled = plan.tokenizer.compile() if plan.tokenizer else b""
        words = plan.tokenizer if plan.tokenizer and plan.tokenizer.knows_words else None
        tokenizer = words.read_json() if words else b""
        tokens = choose_tokens(source.config, tokenizer, plan.calibration)
        formats, trials, widths = _choose_formats(plan, tokens, step)
        if source.config.pictures:
            step.phase(4, PHASES, "look at pictures")
        features = convert_tower(source, plan.inputs.precision, at)
        shown = show_pictures(source, features, tokens.seen)
        if formats.blocks.bits == SMOOTHED_BITS:
            source = smooth(source, tokens.calibration or tokens.proof)
        step.phase(5, PHASES, "round and write")
        twin = TwinPass(source, formats, tokens.proof, tokens.calibration, shown)
        errors = write_decoder(source, formats, at / PARAM_FILE, at / BIN_FILE, twin)
        step.phase(6, PHASES, "compare")
        agreement = twin.result(tokens.text, is_text=tokens.is_text)
        pictures = prove_pictures(features, twin, at) if features else None
        failed = judge_agreement(plan.inputs, agreement)
        failed += judge_pictures(pictures, plan.inputs.precision) if pictures else []
        failed += judge_agreement(plan.inputs, pictures.agreement) if pictures else []
        step.ok, step.outcome = not failed, describe_agreement(agreement)
        if tokenizer:
            (at / TOKENIZER_JSON).write_bytes(tokenizer)
        if compiled:
            (at / TOKENIZER_FILE).write_bytes(compiled)
    described = msgspec.structs.asdict(plan.inputs) | {"weights": plan.chosen.description}
    return LanguageManifest(
        **described,
        stored=formats,
        table=trials,
        widths=widths,
        params=source.config.params,
        weight_bytes=(at / BIN_FILE).stat().st_size,
        block=block,
        agreement=agreement,
        pictures=pictures,
        errors=errors,
        failed=failed,
    )


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


FLOAT_TOP1 = 0.98
"""Share of places at which floats must agree about the likeliest token."""
MAX_DIVERGENCE = 0.5
"""Nats a token, of integers on tokens drawn by chance, where many tokens are about as likely."""


def judge_agreement(inputs: LanguageInputs, agreement: LogitAgreement) -> list[str]:
    """What is too far off, a line each."""
    limits, precision = inputs.thresholds, inputs.precision
    rounded = inputs.formats.blocks.is_integer
    if rounded and not agreement.is_text:
        far = agreement.divergence > MAX_DIVERGENCE
        return [f"{precision}: KL {agreement.divergence:.2g} nats a token"] if far else []
    failed = []
    if agreement.top1 < (limits.top1 if rounded else FLOAT_TOP1):
        failed.append(f"{precision}: likeliest token the same at {agreement.top1:.1%} of places")
    if agreement.is_text and agreement.rise > limits.perplexity:
        failed.append(f"{precision}: perplexity {agreement.rise:+.1%}")
    return failed


def describe_agreement(agreement: LogitAgreement) -> str:
    """In a few words."""
    rise = f", perplexity {agreement.rise:+.2%}" if agreement.is_text else ""
    return (
        f"likeliest token the same {agreement.top1:.1%}, KL {agreement.divergence:.2g} nats a "
        f"token{rise}"
    )


ERROR_COLUMNS = ("Model", "Layer", "Format", "Relative error")


def error_rows(conversion: LanguageConversion) -> list[Sequence[str]]:
    """What rounding has cost each matrix."""
    return [
        [conversion.model.name, each.layer, each.format, f"{each.error:.4f}"]
        for each in conversion.manifest.errors
    ]
