"""What both engines took for a token of each model, as a table or as JSON, and their ratios."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from piyard.core.tables import render_table
from piyard.core.text import NOT_KNOWN

COLUMNS = (
    *("Model", "Engine", "Weights", "Prefill (M)", "a MAC", "Decode (M)", "a weight"),
    *("Read (MB)", "Perplexity"),
)
NNRUN, LLAMA_CPP = "nnrun", "llama.cpp"
PAIRS = {"int4": "Q4_0", "int8": "Q8_0", "fp16": "F16"}
"""nnrun's weights, and llama.cpp's that they are set beside."""
NOTES = (
    "Prefill and decode: instructions of one token, on one thread of an emulated Cortex-A76, in a\n"
    "prompt of {prompt} tokens and with {past} in the cache. Read: bytes of weights a token."
)


@dataclass(frozen=True)
class Row:
    """One engine with one kind of weights."""

    model: str
    engine: str
    weights: str
    block_weights: int
    """Weights that each token of a prompt is multiplied by."""
    head_weights: int
    """Of the output layer, which runs for the prompt's last token only."""
    read: int
    """Bytes of weights that decoding one token reads."""
    prompt: int
    past: int
    prefill: float
    """Instructions a token."""
    decode: float
    """Instructions a token."""
    perplexity: float | None = None

    @property
    def prefill_a_mac(self) -> float:
        """Instructions a multiplication with a weight; attention is among the instructions."""
        return self.prefill / (self.block_weights + self.head_weights / self.prompt)

    @property
    def decode_a_weight(self) -> float:
        """Instructions a weight; attention is among the instructions."""
        return self.decode / (self.block_weights + self.head_weights)

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        return [
            *(self.model, self.engine, self.weights),
            *(f"{self.prefill / 1e6:.2f}", f"{self.prefill_a_mac:.3f}"),
            *(f"{self.decode / 1e6:.2f}", f"{self.decode_a_weight:.3f}"),
            f"{self.read / 1e6:.1f}",
            NOT_KNOWN if self.perplexity is None else f"{self.perplexity:.3f}",
        ]


@dataclass(frozen=True)
class Ratio:
    """nnrun over llama.cpp for the same model and as many bits; below 1 nnrun takes less."""

    model: str
    weights: str
    prefill: float
    decode: float
    read: float
    perplexity: float | None

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        perplexity = NOT_KNOWN if self.perplexity is None else f"{self.perplexity:.4f}"
        middle = [f"{self.prefill:.3f}", "", f"{self.decode:.3f}", "", f"{self.read:.3f}"]
        return [self.model, f"{NNRUN} ÷ {LLAMA_CPP}", self.weights, *middle, perplexity]


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Of each pair that is there."""
    by = {(row.model, row.engine, row.weights): row for row in rows}
    pairs = [
        (row, by[row.model, LLAMA_CPP, PAIRS[row.weights]])
        for row in rows
        if row.engine == NNRUN and (row.model, LLAMA_CPP, PAIRS.get(row.weights)) in by
    ]
    return [_ratio(ours, theirs) for ours, theirs in pairs]


def _ratio(ours: Row, theirs: Row) -> Ratio:
    pair = (ours.perplexity, theirs.perplexity)
    return Ratio(
        model=ours.model,
        weights=f"{ours.weights} ÷ {theirs.weights}",
        prefill=ours.prefill / theirs.prefill,
        decode=ours.decode / theirs.decode,
        read=ours.read / theirs.read,
        perplexity=pair[0] / pair[1] if pair[0] and pair[1] else None,
    )


def shown(rows: Sequence[Row], form: str) -> str:
    """The table with the ratios below it; as JSON all figures."""
    compared = ratios(rows)
    if form == "json":
        figures = [
            asdict(row)
            | {"prefill_a_mac": row.prefill_a_mac, "decode_a_weight": row.decode_a_weight}
            for row in rows
        ]
        return json.dumps(
            {"rows": figures, "ratios": [asdict(each) for each in compared]}, indent=2
        )
    table = render_table(
        COLUMNS, [*(row.cells for row in rows), *(each.cells for each in compared)], form
    )
    notes = NOTES.format(prompt=rows[0].prompt, past=rows[0].past) if rows else ""
    return f"{table}\n\n{notes}"


def slower(rows: Sequence[Row], bar: float) -> list[str]:
    """The ratios above the bar, in words."""
    return [
        f"{each.model} {each.weights}: {name} {value:.3f}"
        for each in ratios(rows)
        for name, value in (("prefill", each.prefill), ("decode", each.decode))
        if value > bar
    ]
