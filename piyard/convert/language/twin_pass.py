"""A decoder's original and its twin side by side, block by block, while its matrices are stored.

What a block of the twin gets is what its rounded blocks before it have computed: so the proof sees
all that a precision costs, and calibration adapts each matrix to the inputs it will really have.
Only one block is in memory, however large the model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from piyard.convert.language.agreement import AgreementSums, LogitAgreement
from piyard.convert.language.fused_graph import HEAD_LAYER, LinearPart, round_to_nearest
from piyard.convert.language.gptq import quantise_for_inputs
from piyard.convert.language.panels import Blocks
from piyard.convert.language.quantise import dequantise_matrix
from piyard.convert.language.twin import make_block, round_rows, run_windows
from piyard.models.architectures.transformer import RmsNorm
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.convert.language.formats import Format, Formats
    from piyard.convert.language.picture_tower import ShownPicture

    Floats = NDArray[np.float32]
    Windows = list[torch.Tensor]


LAST_OF_BLOCK = "down_"
ROWS_AT_ONCE = 64
"""Rows of logits that are compared at once: a vocabulary is large."""


class TwinPass:
    """A ``Quantiser`` that follows the blocks in the order in which they are written."""

    def __init__(
        self,
        source: TensorSource,
        formats: Formats,
        proof: Sequence[Sequence[int]],
        calibration: Sequence[Sequence[int]] = (),
        pictures: Sequence[ShownPicture] = (),
    ) -> None:
        """Windows of token ids; without calibration matrices are rounded to nearest."""
        self.source, self.formats = source, formats
        self.ids = [torch.tensor(list(window)) for window in proof]
        table = read_finite(source, EMBEDDING)
        self.original = [torch.from_numpy(table[list(window)]) for window in proof]
        self.twin = [stored_rows(table, window, formats.head) for window in proof]
        self.calibration = [stored_rows(table, window, formats.head) for window in calibration]
        self.texts = len(self.ids)
        self.behind: list[int] = []
        for shown in pictures:
            self._show(table, shown)
        self.layer = 0
        self.weights: dict[str, torch.Tensor] = {}
        self.agreement, self.seen = AgreementSums(), AgreementSums()

    def _show(self, table: Floats, shown: ShownPicture) -> None:
        """A window whose rows are a picture's where its tokens stand for one."""
        ids = torch.tensor(list(shown.window))
        at = ids == shown.token
        original = torch.from_numpy(table[list(shown.window)])
        twin = stored_rows(table, shown.window, self.formats.head)
        original[at], twin[at] = (torch.from_numpy(rows) for rows in (shown.original, shown.twin))
        self.behind.append(int(at.nonzero().max()))
        self.ids.append(ids)
        self.original.append(original)
        self.twin.append(twin)

    def __call__(self, part: LinearPart, matrix: Floats) -> Floats | Blocks:
        """The matrix as it is stored, after which the rows have passed it."""
        if not part.name.rpartition("_")[2].isdecimal():
            stored = round_to_nearest(part, matrix)
            if part.name == HEAD_LAYER:
                self._compare_logits(part, matrix, stored)
            return stored
        self.weights = self.weights or read_block(self.source, self.layer)
        stored = self._quantise(part, matrix)
        self.weights |= replace_rows(part, self.weights, restore_matrix(stored, part.format))
        if part.name.startswith(LAST_OF_BLOCK):
            self._advance()
        return stored

    def result(self, text: str, *, is_text: bool) -> LogitAgreement:
        """How alike original and twin were over the windows of the proof."""
        return self.agreement.result(text, is_text=is_text)

    def _quantise(self, part: LinearPart, matrix: Floats) -> Floats | Blocks:
        if not (self.calibration and part.format.is_integer):
            return round_to_nearest(part, matrix)
        return quantise_for_inputs(matrix, self._input_products(part), part.format)

    def _input_products(self, part: LinearPart) -> torch.Tensor:
        """The sum of ``x xᵀ`` over all rows that enter the part, (inputs, inputs)."""
        block = make_block(self.source.config, self.weights, part.format)
        module = block.get_submodule(part.tensors[0].split(".", 3)[3])
        products = torch.zeros(part.inputs, part.inputs)

        def add(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            rows = inputs[0].reshape(-1, part.inputs)
            products.add_(rows.T @ rows)

        module.register_forward_pre_hook(add)
        run_windows(self.source.config, block, self.calibration)
        return products

    def _advance(self) -> None:
        config = self.source.config
        original = make_block(config, read_block(self.source, self.layer))
        twin = make_block(config, self.weights, self.formats.blocks)
        self.original = run_windows(config, original, self.original)
        self.twin = run_windows(config, twin, self.twin)
        self.calibration = run_windows(config, twin, self.calibration)
        self.layer, self.weights = self.layer + 1, {}

    def _compare_logits(self, part: LinearPart, matrix: Floats, stored: Floats | Blocks) -> None:
        matrices = matrix, restore_matrix(stored, part.format)
        rows = self.ids, self.original, self.twin
        texts = [each[: self.texts] for each in rows]
        add_logits(self.agreement, self.source, part, matrices, *texts)
        for number, first in enumerate(self.behind, self.texts):
            behind = [[each[number][first:]] for each in rows]
            add_logits(self.seen, self.source, part, matrices, *behind)


def add_logits(
    sums: AgreementSums,
    source: TensorSource,
    part: LinearPart,
    matrices: tuple[Floats, Floats],
    ids: Sequence[torch.Tensor],
    original: Sequence[torch.Tensor],
    twin: Sequence[torch.Tensor],
) -> None:
    """Add each window's logits: of the original by the first matrix, of the twin by the second."""
    norm = RmsNorm(part.inputs, part.eps)
    norm.weight = torch.nn.Parameter(torch.from_numpy(read_finite(source, part.norm)))
    matrix, output = (torch.from_numpy(each).T for each in matrices)
    rounded = _rounding(part.format)
    for window, before, after in zip(ids, original, twin, strict=True):
        for first in range(0, len(window), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            logits = rounded(norm(after[rows])) @ output
            sums.add(norm(before[rows]) @ matrix, logits, window[1:][rows])


def replace_rows(
    part: LinearPart, weights: Mapping[str, torch.Tensor], matrix: Floats
) -> dict[str, torch.Tensor]:
    """The tensors of a block's ``weights`` whose rows the part joins, with the matrix's."""
    names = [f"{name.split('.', 3)[3]}.weight" for name in part.tensors]
    sizes = [len(weights[name]) for name in names]
    return dict(zip(names, torch.split(torch.from_numpy(matrix), sizes), strict=True))


def _rounding(format_: Format) -> Callable[[torch.Tensor], torch.Tensor]:
    if not format_.is_integer:
        return lambda rows: rows
    return lambda rows: round_rows(rows, format_.block)


def restore_matrix(stored: Floats | Blocks, format_: Format) -> Floats:
    """What the stored matrix stands for."""
    if isinstance(stored, Blocks):
        return dequantise_matrix(stored, format_)
    if format_.bits == 16:
        return stored.astype(np.float16).astype(np.float32)
    return stored


def stored_rows(table: Floats, window: Sequence[int], format_: Format) -> torch.Tensor:
    """Rows of the embedding as they are stored: rounding looks at each row alone."""
    part = LinearPart(
        name=HEAD_LAYER, tensors=(), format=format_, outputs=len(window), inputs=table.shape[1]
    )
    rows = np.ascontiguousarray(table[list(window)])
    return torch.from_numpy(restore_matrix(round_to_nearest(part, rows), format_))
